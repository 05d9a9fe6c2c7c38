//! When a queue is to be looked at for what time alone changes in it.
//!
//! A tick comes twenty times a second, and looks at those queues alone in which something is due:
//! what it costs does not depend on how many there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::record::QueueId;
use crate::message::time::Timestamp;

/// Queues by the time at which something is due in them, each at most once.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    by_time: BTreeSet<(Timestamp, QueueId)>,
    by_queue: BTreeMap<QueueId, Timestamp>,
}

impl Schedule {
    /// Sets when a queue is due, in place of what it was; `None`: no longer.
    pub(super) fn set(&mut self, queue: QueueId, due: Option<Timestamp>) {
        let before = match due {
            Some(due) => self.by_queue.insert(queue, due),
            None => self.by_queue.remove(&queue),
        };
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, queue));
        }
        self.by_time.extend(due.map(|due| (due, queue)));
    }

    /// Queues that are due, the longest due first.
    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = QueueId> {
        let due = self.by_time.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, queue)| *queue)
    }
}

/// How long queues with `x-expires` have not been used.
#[derive(Debug, Default)]
pub(super) struct Unused {
    /// Time that counts: it goes on by no more than [`LOOK_MOST`](crate::broker::limits::LOOK_MOST)
    /// from one look to the next.
    pub(super) clock: Timestamp,
    pub(super) looked: Option<Timestamp>,
    /// Queues used since the last look: their time counts from the next one.
    pub(super) fresh: BTreeSet<QueueId>,
    /// Queues by the time at which they are removed, on the clock above.
    pub(super) ends: Schedule,
}

impl Unused {
    /// Takes a queue out: it has a consumer, or is gone.
    pub(super) fn leave_out(&mut self, queue: QueueId) {
        self.fresh.remove(&queue);
        self.ends.set(queue, None);
    }
}
