//! What of a record only its sender and who is entitled may read.

use super::form::{form, octets, whole};
use super::take::Malformed;
use crate::broker::record::{Confidential, FaultTold, Told};
use crate::message::envelope::Handling;

form!(Confidential {
    message_id: String,
    justification: Option<String>,
    to: Vec<String>,
    warnings: Vec<(String, String)>,
    told: Vec<Told>,
    purpose: Option<String>,
    handling: Handling,
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
    /// Its octets, as a record holds them.
    pub fn seal(&self) -> Vec<u8> {
        octets(self)
    }

    /// Reads it from a record's octets.
    ///
    /// # Errors
    /// Where they are not what [`Confidential::seal`] gave.
    pub fn open(sealed: &[u8]) -> Result<Self, Malformed> {
        whole(sealed)
    }
}
