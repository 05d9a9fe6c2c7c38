//! The feed of one queue: its consumers in the order of their turns, and which entries are out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};
use std::time::Duration;

use crate::broker::ids::{ConnectionId, ConsumerId, Taker};
use crate::broker::record::{Argument, QueueProperties};
use crate::journal::Lsn;

/// A consumer's place among those of its queue: the highest priority first, then the longest-standing;
/// the longest-standing alone where only one is active. Unique as long as the queue is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    priority: Reverse<i32>,
    pub(super) came: u64,
}

#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) consumers: BTreeMap<Place, ConsumerId>,
    /// Consumers that may have credit. One that is found to have none is not looked at again before
    /// some of it may have come back: a delivery does not pay for all that wait.
    pub(super) able: BTreeMap<Place, ConsumerId>,
    /// How many consumers the queue has ever had.
    came: u64,
    /// The number, as `came` of a place, of the consumer that had the last turn.
    pub(super) turn: u64,
    pub(super) exclusive: Option<ConsumerId>,
    pub(super) owner: Option<ConnectionId>,
    pub(super) traits: FeedTraits,
    /// The address up to which every entry was sent once in this run.
    pub(super) cursor: Option<Lsn>,
    /// Entries up to the cursor that came back, to be sent again.
    pub(super) returned: BTreeSet<Lsn>,
    pub(super) out: BTreeMap<Lsn, (Taker, u64)>,
}

impl Feed {
    /// Adds a consumer, behind those of its priority.
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

    /// Consumers that may have credit, in the order of their turns: of each priority, the one behind
    /// the last that had a turn comes first.
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

/// The part of a queue's declaration that matters to dispatch.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeedTraits {
    /// Only the longest-standing consumer gets deliveries.
    pub single_active: bool,
    /// Whether the queue is removed with its last consumer.
    pub auto_delete: bool,
    /// How long the queue may be unused, without a consumer or a request, before it is removed.
    pub expires: Option<Duration>,
}

impl FeedTraits {
    /// The traits of a queue that was declared with `properties`.
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
