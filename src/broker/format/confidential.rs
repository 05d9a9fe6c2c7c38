//! What of a record only its sender and who is entitled may read.

use super::form::{form, octets, whole};
use crate::agency::keys::SealedPart;
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
    pub fn seal(&self) -> SealedPart {
        SealedPart::in_clear(octets(self))
    }

    /// Reads it from its part of a record; none where that is under a key that is not here, or
    /// damaged.
    pub fn open(sealed: &'a SealedPart) -> Option<Self> {
        whole(sealed.open().ok()?).ok()
    }
}
