//! What of a record only its sender and who is entitled may read.

use super::form::{form, octets, whole};
use crate::agency::keys::{RetentionClass, SealedPart, Sealing};
use crate::broker::record::{Confidential, FaultTold, Told};
use crate::message::onward::Onward;

form!(Confidential<'a> {
    message_id: &'a str,
    justification: Option<&'a str>,
    to: Vec<&'a str>,
    warnings: Vec<(&'a str, &'a str)>,
    told: Vec<Told<'a>>,
    purpose: Option<&'a str>,
    handling: Onward,
    correlation_id: Option<&'a str>,
    faults: Vec<FaultTold<'a>>,
    faults_untold: u32,
});

form!(FaultTold<'a> {
    place: &'a str,
    rule: &'a str,
    text: &'a str,
});

form!(Told<'a> {
    unit: &'a str,
    policy: Option<&'a str>,
    reason: &'a str,
    basis: Option<&'a str>,
});

impl<'a> Confidential<'a> {
    /// The part of a record that holds it.
    pub fn seal(&self, sealing: &Sealing<'_>, class: RetentionClass) -> SealedPart {
        SealedPart::new(sealing, class, octets(self))
    }

    /// Reads it from its part of a record, once that was opened; none where it was not, or is damaged.
    pub fn read(opened: &'a SealedPart) -> Option<Self> {
        whole(opened.content().ok()?).ok()
    }
}
