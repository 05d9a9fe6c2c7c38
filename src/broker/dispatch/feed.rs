//! What feeds consumers from a queue: whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Dispatch, Taker};
use crate::broker::command::{ConnectionId, ConsumerId};
use crate::broker::limits::UNLIMITED_PREFETCH;
use crate::broker::record::{Argument, QueueId, QueueProperties};
use crate::journal::Lsn;

#[derive(Debug, Default)]
pub(super) struct Feed {
    /// With their priorities, the highest first; where one alone is active, as they came.
    pub(super) consumers: Vec<(i32, ConsumerId)>,
    pub(super) turn: usize,
    pub(super) exclusive: Option<ConsumerId>,
    pub(super) owner: Option<ConnectionId>,
    pub(super) traits: FeedTraits,
    /// Everything up to here was sent once in this run.
    pub(super) cursor: Option<Lsn>,
    /// Back below the cursor, to be sent again.
    pub(super) returned: BTreeSet<Lsn>,
    pub(super) out: BTreeMap<Lsn, (Taker, u32)>,
}

impl Feed {
    /// A consumer comes, behind those of its priority.
    pub(super) fn add(&mut self, id: ConsumerId, priority: i32) {
        let place = if self.traits.single_active {
            self.consumers.len()
        } else {
            self.consumers
                .partition_point(|(other, _)| *other >= priority)
        };
        self.consumers.insert(place, (priority, id));
    }
}

impl Dispatch {
    /// The consumer whose turn it is among those with credit, and with the right to a release: of
    /// the highest priority that has one. Where one alone is active, the first with that right is.
    pub(super) fn next_with_credit(&mut self, id: QueueId, release: bool) -> Option<ConsumerId> {
        let feed = self.feeds.get(&id)?;
        let mut rest = if feed.traits.single_active {
            let has_right = |id: ConsumerId| !release || self.takes_releases(id.connection);
            let mut consumers = feed.consumers.iter();
            let active = consumers.position(|(_, id)| has_right(*id))?;
            feed.consumers.get(active..=active)?
        } else {
            &*feed.consumers
        };
        let (place, consumer) = loop {
            let (priority, _) = rest.first()?;
            let equals = rest.partition_point(|(other, _)| other >= priority);
            let (equals, lower) = rest.split_at_checked(equals)?;
            let turns = (0..equals.len()).map(|step| (feed.turn + step) % equals.len());
            let mut able = turns.filter_map(|place| Some((place, equals.get(place)?.1)));
            if let Some(next) = able.find(|(_, consumer)| self.has_credit(*consumer, release)) {
                break next;
            }
            rest = lower;
        };
        if let Some(feed) = self.feeds.get_mut(&id) {
            feed.turn = place + 1;
        }
        Some(consumer)
    }

    fn has_credit(&self, id: ConsumerId, release: bool) -> bool {
        let Some(consumer) = self.consumers.get(&id) else {
            return false;
        };
        let connection = self.connections.get(&id.connection);
        if release && !self.takes_releases(id.connection) {
            return false;
        }
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
