//! What feeds consumers from a queue: whose turn it is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};
use std::time::Duration;

use super::{Dispatch, Taker};
use crate::broker::ids::{ConnectionId, ConsumerId};
use crate::broker::limits::UNLIMITED_PREFETCH;
use crate::broker::record::{Argument, QueueId, QueueProperties};
use crate::journal::Lsn;

/// A consumer's place among those of its queue: the highest priority first, then as they came; as
/// they came alone where one of them is active. No other has it while the queue is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    priority: Reverse<i32>,
    came: u64,
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
    turn: u64,
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
    fn turns(&self) -> impl Iterator<Item = (Place, ConsumerId)> {
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

impl Dispatch {
    /// The consumer whose turn it is among those with credit, and with the right to a release: of
    /// the highest priority that has one. Where one alone is active, the first with that right is.
    pub(super) fn next_with_credit(&mut self, id: QueueId, release: bool) -> Option<ConsumerId> {
        let has_right = |id: ConsumerId| !release || self.takes_releases(id.connection);
        let feed = self.feeds.get(&id)?;
        if feed.traits.single_active {
            let mut consumers = feed.consumers.values().copied();
            let active = consumers.find(|consumer| has_right(*consumer));
            return active.filter(|consumer| self.has_credit(*consumer));
        }
        let (mut spent, mut next) = (Vec::new(), None);
        for (place, consumer) in feed.turns() {
            if !self.has_credit(consumer) {
                spent.push(place);
            } else if has_right(consumer) {
                next = Some((place, consumer));
                break;
            }
        }
        let feed = self.feeds.get_mut(&id)?;
        for place in spent {
            feed.able.remove(&place);
        }
        let (place, consumer) = next?;
        feed.turn = place.came;
        Some(consumer)
    }

    fn has_credit(&self, id: ConsumerId) -> bool {
        let Some(consumer) = self.consumers.get(&id) else {
            return false;
        };
        let connection = self.connections.get(&id.connection);
        let channel = connection.and_then(|c| c.channels.get(&id.channel));
        let shared = channel.and_then(|c| Some((c.limit?, c.unacked)));
        let channel_has = shared.is_none_or(|(limit, unacked)| unacked < limit);
        let own = match (consumer.limit, shared) {
            (None, None) => Some(UNLIMITED_PREFETCH),
            (own, _) => own,
        };
        channel_has && own.is_none_or(|limit| consumer.unacked < limit)
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
