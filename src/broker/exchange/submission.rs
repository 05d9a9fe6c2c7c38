//! What admission hands to the committer.

use std::sync::Arc;

use bytes::Bytes;

use crate::agency::registry::Receipts;
use crate::broker::command::Refusal;
use crate::broker::dedup::Looked;
use crate::broker::record::{CaseChange, Exchange, Rejected};
use crate::journal::Frame;
use crate::message::envelope::Publish;

/// A message that went through admission.
#[derive(Debug)]
pub struct Submission {
    /// As it was published, to be ruled again where its ruling is stale.
    pub publish: Publish,
    /// As it stood on the wire, for a return.
    pub wire: Returnable,
    /// What admission made of it.
    pub verdict: Verdict,
    /// Of which outcomes its sender wants a receipt.
    pub receipts: Receipts,
    /// What the sender's task found of its id, beside memory.
    pub looked: Looked,
    /// So many refusals a minute of its agency get a record each; beyond, they are counted.
    pub refusals_max: u32,
    /// The epoch of the rulebook that said what its sender may do, and what is valid.
    pub rulebook_epoch: u64,
}

/// A message as it stood on the wire: a return must carry it unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returnable {
    /// The exchange that it was published to.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// Properties as they came, flags included.
    pub raw_properties: Bytes,
    /// The body.
    pub body: Bytes,
}

/// What admission made of a publish.
#[derive(Debug)]
pub enum Verdict {
    /// Valid and ruled. The record lacks what only the ledger knows: time, numbers, queues.
    Ruled {
        /// The record to be.
        exchange: Box<Exchange>,
        /// The payload frame, sealed.
        frame: Frame,
        /// The return for its sender, where no recipient that it may know of gets it.
        refusal: Option<Refusal>,
        /// Whether its receipt has a warning or a refusal.
        warned: bool,
    },
    /// Refused before it could be ruled.
    Rejected {
        /// The record to be.
        rejected: Box<Rejected>,
        /// The return for its sender.
        refusal: Refusal,
    },
    /// A step of a case.
    Case {
        /// What changes, where the register lets it.
        change: Box<CaseChange>,
        /// The record to be where it does not; it says by which rule.
        refused: Box<Rejected>,
    },
}
