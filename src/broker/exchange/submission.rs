//! What admission hands to the committer.

use std::sync::Arc;

use bytes::Bytes;

use super::ruled::Ruled;
use crate::agency::registry::Receipts;
use crate::broker::dedup::Looked;
use crate::broker::record::{CaseChange, Rejected};
use crate::broker::reply::Refusal;
use crate::message::envelope::Publish;
use crate::message::id::KeyedDigest;

/// A message as it came from its sender.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// What it says, for admission.
    pub publish: Publish,
    /// The exchange that it was published to.
    pub exchange: Arc<str>,
    /// Properties as they came, flags included.
    pub raw_properties: Bytes,
}

impl Arrived {
    /// As it stood on the wire, for a return.
    pub(in crate::broker) fn into_wire(self) -> Returnable {
        Returnable {
            exchange: self.exchange,
            routing_key: self.publish.message_type,
            raw_properties: self.raw_properties,
            body: self.publish.body,
        }
    }

    /// Its bytes in memory, as of a [`Returnable`].
    pub fn bytes(&self) -> usize {
        self.raw_properties.len() + self.publish.body.len()
    }
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

/// A message that went through admission, which alone makes one: outside the core it can be searched
/// for and handed over, and not changed.
#[derive(Debug, Clone)]
pub struct Submission {
    /// As it came, to be admitted again where its ruling is stale.
    pub(in crate::broker) arrived: Arrived,
    /// What admission made of it.
    pub(in crate::broker) verdict: Verdict,
    /// Of which outcomes its sender wants a receipt.
    pub(in crate::broker) receipts: Receipts,
    /// What the sender's task found of its id, beside memory.
    pub(in crate::broker) looked: Looked,
    /// Refusals of its agency a minute that get a record each; beyond, they are counted.
    pub(in crate::broker) refusals_max: u32,
    /// The epoch of the rulebook that said what its sender may do, and what is valid.
    pub(in crate::broker) rulebook_epoch: u64,
}

impl Submission {
    /// What admission made of it.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The keyed digest of its id, of which an earlier use is to be searched for; none where it was
    /// not ruled, and uses no id up.
    pub fn id_key(&self) -> Option<KeyedDigest> {
        match &self.verdict {
            Verdict::Ruled(ruled) => Some(ruled.exchange().key),
            Verdict::Rejected { .. } | Verdict::Case { .. } => None,
        }
    }

    /// Notes what the search for its id has found.
    pub fn found(&mut self, looked: Looked) {
        self.looked = looked;
    }

    /// The message as it came, to be admitted again.
    pub fn into_arrived(self) -> Arrived {
        self.arrived
    }
}

/// What admission made of a publish.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Valid and ruled.
    Ruled(Ruled),
    /// Rejected: it could not be ruled.
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
