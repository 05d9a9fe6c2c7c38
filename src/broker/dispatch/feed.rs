//! What feeds consumers from a queue: whose turn it is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};
use std::time::Duration;

use crate::broker::ids::{ConnectionId, ConsumerId, Taker};
use crate::broker::record::{Argument, QueueProperties};
use crate::journal::Lsn;

/// A consumer's place among those of its queue: the highest priority first, then as they came; as
/// they came alone where one of them is active. No other has it while the queue is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    priority: Reverse<i32>,
    pub(super) came: u64,
}

#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) consumers: BTreeMap<Place, ConsumerId>,
    /// Those that may have credit. Who is found to have none is not looked at again before some of it
    /// may have come back: a delivery does not pay for all that wait.
    pub(super) able: BTreeMap<Place, ConsumerId>,
    /// How many came, ever.
    came: u64,
    /// Whose turn was last.
    pub(super) turn: u64,
    pub(super) exclusive: Option<ConsumerId>,
    pub(super) owner: Option<ConnectionId>,
    pub(super) traits: FeedTraits,
    /// Everything up to here was sent once in this run.
    pub(super) cursor: Option<Lsn>,
    /// Back below the cursor, to be sent again.
    pub(super) returned: BTreeSet<Lsn>,
    pub(super) out: BTreeMap<Lsn, (Taker, u64)>,
}

impl Feed {
    /// A consumer comes, behind those of its priority.
    pub(super) fn add(&mut self, id: ConsumerId, priority: i32) -> Place {
        self.came += 1;
        let single = self.traits.single_active;
        let place = Place {
            priority: Reverse(if single { 0 } else { priority }),
            came: self.came,
        };
        self.consumers.insert(place, id);
        self.able.insert(place, id);
        place
    }

    /// Those that may have credit, in the order of their turns: of each priority, who comes behind
    /// the last to have had one first.
    pub(super) fn turns(&self) -> impl Iterator<Item = (Place, ConsumerId)> {
        let places = |priority, came: RangeInclusive<u64>| {
            let place = |came| Place { priority, came };
            let of = self.able.range(place(*came.start())..=place(*came.end()));
            of.map(|(place, id)| (*place, *id))
        };
        let first = self.able.first_key_value();
        let priorities = std::iter::successors(first.map(|(place, _)| place.priority), |last| {
            let (priority, came) = (*last, u64::MAX);
            let lower = (Bound::Excluded(Place { priority, came }), Bound::Unbounded);
            self.able
                .range(lower)
                .next()
                .map(|(place, _)| place.priority)
        });
        priorities.flat_map(move |priority| {
            let behind = places(priority, self.turn + 1..=u64::MAX);
            behind.chain(places(priority, 0..=self.turn))
        })
    }
}

/// What of a queue's declaration matters to dispatch.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeedTraits {
    /// Only the longest-standing consumer gets deliveries.
    pub single_active: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Goes when nobody has used it for so long.
    pub expires: Option<Duration>,
}

impl FeedTraits {
    /// Those of a queue that was declared with `properties`.
    pub fn of(properties: &QueueProperties) -> Self {
        let expires = properties.integer("x-expires");
        let expires = expires.and_then(|ms| u64::try_from(ms).ok());
        let single = properties.argument("x-single-active-consumer");
        Self {
            single_active: single == Some(&Argument::Bool(true)),
            auto_delete: properties.auto_delete,
            expires: expires.map(Duration::from_millis),
        }
    }
}
