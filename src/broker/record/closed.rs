//! Records as they are for readers who may not open what is sealed in them.

use super::Record;
use crate::agency::keys::SealedPart;

impl Record {
    /// This record without what is sealed in it: what a sender wrote and was told, what an officer
    /// asked and why.
    #[must_use]
    pub fn closed(mut self) -> Self {
        match &mut self {
            Self::Exchange(exchange) => exchange.sealed = SealedPart::closed(),
            Self::Rejected(rejected) => rejected.sealed = SealedPart::closed(),
            Self::Accessed(accessed) => accessed.asked = SealedPart::closed(),
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
            | Self::Checkpoint(_) => {}
        }
        self
    }
}
