//! What became of a message in the queues where it was before, as `x-death` shows it.

use std::sync::Arc;

use crate::broker::limits::{DEATHS, UNASKED_MOVES};
use crate::broker::record::Cause;
use crate::message::time::Timestamp;

/// What became of a message in the queues where it was before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Died {
    /// What `x-death` shows, newest first: at most [`DEATHS`].
    pub deaths: Vec<Death>,
    /// What `x-first-death-queue` and `x-first-death-reason` show.
    pub first: Option<(Arc<str>, Cause)>,
    /// Moves that no client asked for, since a client last rejected it.
    pub moves: u8,
}

/// One entry of `x-death`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Name of the queue it died in.
    pub queue: Arc<str>,
    /// The cause of death.
    pub cause: Cause,
    /// When it first died so.
    pub at: Timestamp,
    /// How often it died of this cause in this queue.
    pub count: u64,
}

impl Died {
    /// The deaths after one more, the newest first: a further one in the same queue of the same cause
    /// counts up. The list has a bound, which leaves out the oldest.
    pub(in crate::broker) fn again(mut self, queue: &str, cause: Cause, now: Timestamp) -> Self {
        let same = self.deaths.iter().position(|death| death.is(queue, cause));
        let death = match same {
            Some(place) => {
                let earlier = self.deaths.remove(place);
                Death {
                    count: earlier.count.saturating_add(1),
                    ..earlier
                }
            }
            None => Death {
                queue: queue.into(),
                cause,
                at: now,
                count: 1,
            },
        };
        let first = (Arc::clone(&death.queue), cause);
        self.first.get_or_insert(first);
        self.deaths.insert(0, death);
        self.deaths.truncate(DEATHS);
        self.moves = self.moves_after(cause);
        self
    }

    /// Whether a message that dies so has moved as often as it may without a rejection, or comes from
    /// `target` without one on its way.
    pub(in crate::broker) fn goes_round(&self, queue: &str, cause: Cause, target: &str) -> bool {
        let moves = usize::from(self.moves_after(cause));
        let before = self.deaths.iter().filter(|death| !death.is(queue, cause));
        let since = std::iter::once(queue).chain(before.map(|death| &*death.queue));
        moves > UNASKED_MOVES || since.take(moves).any(|queue| queue == target)
    }

    fn moves_after(&self, cause: Cause) -> u8 {
        match cause {
            Cause::Rejected => 0,
            Cause::Expired | Cause::DeliveryLimit | Cause::MaxLength => {
                self.moves.saturating_add(1)
            }
        }
    }
}

impl Death {
    fn is(&self, queue: &str, cause: Cause) -> bool {
        &*self.queue == queue && self.cause == cause
    }
}
