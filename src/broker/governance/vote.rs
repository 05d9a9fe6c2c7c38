//! Votes: what a further officer said to a proposal, or to a measure.

use crate::broker::ids::EntryId;
use crate::broker::record::Act;
use crate::message::time::Timestamp;

/// An approval or a confirmation that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// When.
    pub at: Timestamp,
    /// Who gave it.
    pub act: Act,
    /// The record, which has what he signed.
    pub entry: EntryId,
}
