//! What of a record only its sender and who is entitled may read.

use super::form::{form, octets, whole};
use crate::agency::keys::SealedPart;
use crate::broker::record::{Confidential, FaultTold, Told};
use crate::message::onward::Onward;

form!(Confidential {
    message_id: String,
    justification: Option<String>,
    to: Vec<String>,
    warnings: Vec<(String, String)>,
    told: Vec<Told>,
    purpose: Option<String>,
    handling: Onward,
    correlation_id: Option<String>,
    faults: Vec<FaultTold>,
    faults_untold: u32,
});

form!(FaultTold {
    place: String,
    rule: String,
    text: String,
});

form!(Told {
    unit: String,
    policy: Option<String>,
    reason: String,
    basis: Option<String>,
});

impl Confidential {
    /// The part of a record that holds it.
    pub fn seal(&self) -> SealedPart {
        SealedPart::in_clear(octets(self))
    }

    /// Reads it from its part of a record; none where that is under a key that is not here, or
    /// damaged.
    pub fn open(sealed: &SealedPart) -> Option<Self> {
        whole(sealed.open().ok()?).ok()
    }
}
