//! Records as they are for readers who may open what is sealed in them, and for others.

use super::Record;
use crate::agency::keys::{Ring, SealedPart};
use crate::message::id::ExchangeId;

impl Record {
    /// This record without what is sealed in it: what a sender wrote and was told, what an officer
    /// asked and why.
    #[must_use]
    pub fn closed(mut self) -> Self {
        if let Some((_, part)) = self.sealed() {
            *part = SealedPart::closed();
        }
        self
    }

    /// This record with what is sealed in it in clear, where its key is in the ring.
    #[must_use]
    pub fn opened(mut self, ring: &Ring) -> Self {
        if let Some((id, part)) = self.sealed() {
            *part = part.opened(ring, id);
        }
        self
    }

    /// What is sealed in it, and what that is bound to.
    fn sealed(&mut self) -> Option<(ExchangeId, &mut SealedPart)> {
        match self {
            Self::Exchange(exchange) => Some((exchange.id, &mut exchange.sealed)),
            Self::Rejected(rejected) => Some((rejected.id, &mut rejected.sealed)),
            Self::Accessed(accessed) => Some((accessed.id, &mut accessed.asked)),
            Self::Genesis(_)
            | Self::Activated(_)
            | Self::Proposed(_)
            | Self::Approved(_)
            | Self::Withdrawn(_)
            | Self::Scheduled(_)
            | Self::Declared(_)
            | Self::Confirmed(_)
            | Self::MeasureEnded(_)
            | Self::Expiring(_)
            | Self::Revoked(_)
            | Self::NewKey(_)
            | Self::Case(_)
            | Self::Narrowed(_)
            | Self::RefusalsCounted(_)
            | Self::Lost(_)
            | Self::Placed(_)
            | Self::Settled(_)
            | Self::Topology(_)
            | Self::Lease { .. }
            | Self::OrderEnded { .. }
            | Self::Recovered
            | Self::Probed { .. }
            | Self::RefusalsNoted(_)
            | Self::Stopped { .. }
            | Self::Repeats(_)
            | Self::Checkpoint(_) => None,
        }
    }
}
