//! What became of a message in the queues where it was before, as `x-death` shows it.

use serde::{Deserialize, Serialize};

use crate::broker::limits::{DEATHS, UNASKED_MOVES};
use crate::broker::record::Cause;
use crate::message::time::Timestamp;

/// What became of a message in the queues where it was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Died {
    /// What `x-death` shows, newest first: at most [`DEATHS`].
    pub deaths: Vec<Death>,
    /// What `x-first-death-queue` and `x-first-death-reason` show: queue, then reason.
    pub first: Option<(String, String)>,
    /// Moves that no client asked for, since a client last rejected it.
    pub moves: u8,
}

/// One entry of `x-death`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Name of the queue it died in.
    pub queue: String,
    /// `rejected`, `expired` or `delivery_limit`.
    pub reason: String,
    /// When first.
    pub at: Timestamp,
    /// How often for this reason in this queue.
    pub count: u64,
}

impl Died {
    /// The same after one more death: the newest first; a further one in the same queue for the same
    /// reason counts up. The list has a bound, which leaves out the oldest.
    pub(in crate::broker) fn again(self, queue: &str, cause: Cause, now: Timestamp) -> Self {
        let Self {
            mut deaths,
            first,
            moves,
        } = self;
        let reason = cause.name();
        let same = |death: &Death| death.queue == queue && death.reason == reason;
        let death = match deaths.iter().position(same) {
            Some(place) => {
                let earlier = deaths.remove(place);
                Death {
                    count: earlier.count.saturating_add(1),
                    ..earlier
                }
            }
            None => Death {
                queue: queue.to_owned(),
                reason: reason.to_owned(),
                at: now,
                count: 1,
            },
        };
        deaths.insert(0, death);
        deaths.truncate(DEATHS);
        Self {
            deaths,
            first: first.or_else(|| Some((queue.to_owned(), reason.to_owned()))),
            moves: match cause {
                Cause::Rejected => 0,
                Cause::Expired | Cause::DeliveryLimit => moves.saturating_add(1),
            },
        }
    }

    /// Whether a message that died so has moved as often as it may without a rejection, or comes from
    /// `target` without one on its way.
    pub(in crate::broker) fn goes_round(&self, target: &str) -> bool {
        let moves = usize::from(self.moves);
        let since = self.deaths.iter().take(moves);
        moves > UNASKED_MOVES || since.into_iter().any(|death| death.queue == target)
    }
}
