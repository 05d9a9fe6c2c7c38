//! Records of looks at the log itself.

use super::draft::Act;
use crate::agency::keys::SealedPart;
use crate::message::id::ExchangeId;
use crate::message::time::Timestamp;

/// A look of an officer into the log: recorded before he is shown what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accessed {
    /// When.
    pub at: Timestamp,
    /// The officer.
    pub act: Act,
    /// Drawn, as of an exchange: its sealed part is bound to it.
    pub id: ExchangeId,
    /// What he asked and why: an [`Inquiry`], which may name messages and persons.
    pub asked: SealedPart,
    /// How many records he is shown.
    pub results: u64,
}

/// What an officer asked of the log, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inquiry<'a> {
    /// Why, in his words.
    pub why: &'a str,
    /// What, as the interface has it.
    pub query: &'a str,
}
