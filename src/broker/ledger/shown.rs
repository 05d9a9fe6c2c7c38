//! What was signed of the log's tree.

use std::collections::BTreeSet;

use crate::broker::governance::NotDone;
use crate::broker::record::Checkpoint;

/// What was signed of the log's tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// The last checkpoint.
    pub last: Option<Box<Checkpoint>>,
    /// Names under which nothing is signed any more: more may have been shown under them than is left.
    pub closed: BTreeSet<String>,
}

impl Shown {
    /// Whether a checkpoint of a tree of so many leaves at most may be shown: none of a smaller tree than was shown
    /// before, and none under a name under which more was shown than is left.
    pub(in crate::broker) fn goes_on(
        &self,
        checkpoint: &Checkpoint,
        leaves: u64,
    ) -> Result<(), NotDone> {
        let size = checkpoint.tree.size();
        let last = self.last.as_ref().map_or(0, |last| last.tree.size());
        if size <= last || size > leaves {
            return Err(NotDone::NotAhead { size, last });
        }
        let origin = checkpoint.origin();
        let origin = origin.map_err(|malformed| NotDone::Unread(malformed.to_string()))?;
        if self.closed.contains(&origin) {
            return Err(NotDone::OriginClosed(origin));
        }
        Ok(())
    }

    /// More was signed than is left, perhaps.
    pub(super) fn close(&mut self) {
        let origin = self.last.as_ref().map(|last| last.origin());
        self.closed.extend(origin.and_then(Result::ok));
    }
}
