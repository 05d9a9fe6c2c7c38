//! Dispatch: which consumers there are, with which credit, and which messages are out to them.
//!
//! Volatile: it starts empty, makes no record, and forgets nothing durable when it ends. Signals
//! change it; [`Dispatch::pump`] matches what the ledger holds with the credit that is here. Were
//! credit a record, replay would differ or each credit would cost one.
//!
//! Only entries in a queue's head can be out, so what a connection has to take is bounded by the
//! head, whatever credit its client gave. A consumer without a limit has a fixed one.

mod credit;
mod feed;
mod look;
pub(crate) mod pump;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

pub(crate) use feed::FeedTraits;
use feed::{Feed, Place};
use schedule::{Schedule, Unused};

use super::decide::InUse;
pub(crate) use super::ids::Taker;
use super::ids::{ChannelKey, ConnectionId, ConsumerId, DeliveryId, EntryAddress};
use super::ledger::Change;
use super::limits::{CHANNEL_CONSUMERS, QUEUE_CONSUMERS, UNIT_QUEUES};
use super::record::QueueId;
use crate::journal::Lsn;
use crate::message::id::{SystemId, UnitId};

/// A message on its way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The consumer, or the channel of a get, that it goes to.
    pub taker: Taker,
    /// The attempt, and the entry that it is of.
    pub delivery: DeliveryId,
}

/// What a connection left behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Entries that were out to it.
    pub returned: Vec<EntryAddress>,
    /// Whether the broker itself ended it, so that their deliveries do not count.
    pub interrupted: bool,
    /// The system that was connected.
    pub system: Option<SystemId>,
    /// Queues that end with it: exclusive ones, and auto-delete ones whose last consumer it was.
    pub ended: Vec<QueueId>,
}

impl Left {
    /// Whether nothing was left.
    pub fn is_empty(&self) -> bool {
        self.returned.is_empty() && self.ended.is_empty()
    }
}

#[derive(Debug)]
struct Consumer {
    queue: QueueId,
    /// Its place among the consumers of its queue.
    place: Place,
    unacked: u32,
}

#[derive(Debug, Default)]
struct Channel {
    /// The prefetch limit that the channel's consumers share (`global=1`), in messages.
    limit: Option<u32>,
    /// The prefetch limit of each consumer (`global=0`), running ones too, in messages.
    each: Option<u32>,
    unacked: u32,
    consumers: usize,
    /// Queues of which it may have something: its end looks at no other.
    queues: BTreeSet<QueueId>,
}

#[derive(Debug)]
struct Connection {
    unit: UnitId,
    system: SystemId,
    /// Whether it may have releases from queues of its unit's own.
    releases: bool,
    channels: BTreeMap<u16, Channel>,
    /// Exclusive queues, which end with it.
    owned: BTreeSet<QueueId>,
}

/// The volatile state of deliveries.
#[derive(Debug, Default)]
pub struct Dispatch {
    connections: BTreeMap<ConnectionId, Connection>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    feeds: BTreeMap<QueueId, Feed>,
    dirty: BTreeSet<QueueId>,
    /// Channels whose consumers may all have credit again: looked through once, however many requests or
    /// settles of a step give it.
    relieved: BTreeSet<ChannelKey>,
    /// Queues with more dead entries than a step buries: the next one looks at them again.
    late: BTreeSet<QueueId>,
    /// Queues by the time at which their first waiting entry expires, as of the last look.
    heads: Schedule,
    /// Whether the last look left queues that have something to send for the next.
    put_off: bool,
    unused: Unused,
    attempts: u64,
}

impl Dispatch {
    /// A connection's unit.
    pub fn unit(&self, connection: ConnectionId) -> Option<&UnitId> {
        self.connections
            .get(&connection)
            .map(|connection| &connection.unit)
    }

    /// A connection's system.
    pub fn system(&self, connection: ConnectionId) -> Option<SystemId> {
        let connection = self.connections.get(&connection);
        connection.map(|connection| connection.system.clone())
    }

    /// Notes that a system of a unit has connected.
    pub fn attach(
        &mut self,
        connection: ConnectionId,
        unit: UnitId,
        system: SystemId,
        releases: bool,
    ) {
        let attached = Connection {
            unit,
            system,
            releases,
            channels: BTreeMap::new(),
            owned: BTreeSet::new(),
        };
        self.connections.insert(connection, attached);
    }

    /// Whether a connection may have releases from queues of its unit's own.
    pub fn takes_releases(&self, connection: ConnectionId) -> bool {
        let connection = self.connections.get(&connection);
        connection.is_some_and(|connection| connection.releases)
    }

    /// All connections.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.connections.keys().copied()
    }

    /// Consumers of a queue, and its entries that are out.
    pub fn in_use(&self, queue: QueueId) -> InUse {
        let feed = self.feeds.get(&queue);
        let out = feed.map_or(0, |feed| feed.out.len());
        InUse {
            consumers: feed.map_or(0, |feed| feed.consumers.len()),
            out: u64::try_from(out).unwrap_or(u64::MAX),
        }
    }

    /// The entries of a queue that are out, in order.
    pub fn out_of(&self, queue: QueueId) -> Vec<Lsn> {
        let feed = self.feeds.get(&queue);
        feed.map_or_else(Vec::new, |feed| feed.out.keys().copied().collect())
    }

    /// Everything that is out, for a clean stop.
    pub fn out(&self) -> Vec<EntryAddress> {
        let feeds = self.feeds.iter();
        let of = |queue, entry| EntryAddress { queue, entry };
        feeds
            .flat_map(|(queue, feed)| feed.out.keys().map(|entry| of(*queue, *entry)))
            .collect()
    }

    /// The connection that an exclusive queue belongs to.
    pub fn owner(&self, queue: QueueId) -> Option<ConnectionId> {
        self.feeds.get(&queue)?.owner
    }

    /// Notes what dispatch must know of a queue that was declared.
    pub fn declared(&mut self, queue: QueueId, owner: Option<ConnectionId>, traits: FeedTraits) {
        let feed = self.feeds.entry(queue).or_default();
        feed.owner = owner;
        feed.traits = traits;
        let owner = owner.and_then(|owner| self.connections.get_mut(&owner));
        if let Some(owner) = owner {
            owner.owned.insert(queue);
        }
        self.used(queue);
    }

    /// Whether another consumer may start: none may beside an exclusive one, nor an exclusive one
    /// beside others.
    pub fn may_consume(&self, queue: QueueId, exclusive: bool) -> bool {
        self.feeds.get(&queue).is_none_or(|feed| {
            feed.exclusive.is_none() && (!exclusive || feed.consumers.is_empty())
        })
    }

    /// Why a channel may have no more consumers, or a queue.
    pub fn is_crowded(&self, id: ConsumerId, queue: QueueId) -> Option<String> {
        let channel = self.channel(id.key());
        if channel.is_some_and(|channel| channel.consumers >= CHANNEL_CONSUMERS) {
            return Some(format!(
                "a channel has at most {CHANNEL_CONSUMERS} consumers"
            ));
        }
        let feed = self.feeds.get(&queue)?;
        (feed.consumers.len() >= QUEUE_CONSUMERS)
            .then(|| format!("a queue has at most {QUEUE_CONSUMERS} consumers"))
    }

    fn channel(&self, key: ChannelKey) -> Option<&Channel> {
        let connection = self.connections.get(&key.connection)?;
        connection.channels.get(&key.channel)
    }

    fn channel_mut(&mut self, key: ChannelKey) -> Option<&mut Channel> {
        let connection = self.connections.get_mut(&key.connection)?;
        connection.channels.get_mut(&key.channel)
    }

    /// Notes that a channel may have something of a queue; gives the channel.
    fn takes(&mut self, key: ChannelKey, queue: QueueId) -> Option<&mut Channel> {
        let connection = self.connections.get_mut(&key.connection)?;
        let channel = connection.channels.entry(key.channel).or_default();
        // Queues that are long gone are forgotten; a unit has so many at once.
        if channel.queues.len() > 2 * UNIT_QUEUES {
            channel
                .queues
                .retain(|queue| self.feeds.contains_key(queue));
        }
        channel.queues.insert(queue);
        Some(channel)
    }

    /// Starts a consumer, exclusive or not, with a priority among those of its queue.
    pub fn consume(&mut self, id: ConsumerId, queue: QueueId, exclusive: bool, priority: i32) {
        if let Some(channel) = self.takes(id.key(), queue) {
            channel.consumers += 1;
        }
        let feed = self.feeds.entry(queue).or_default();
        let place = feed.add(id, priority);
        feed.exclusive = exclusive.then_some(id);
        let consumer = Consumer {
            queue,
            place,
            unacked: 0,
        };
        self.consumers.insert(id, consumer);
        self.unused.leave_out(queue);
        self.dirty.insert(queue);
    }

    /// Ends a consumer. What it has not acknowledged stays with its channel. Returns the queue
    /// when it goes with its last consumer.
    pub fn cancel(&mut self, id: ConsumerId) -> Option<QueueId> {
        let Consumer { queue, place, .. } = self.remove(id)?;
        let feed = self.feeds.get_mut(&queue)?;
        feed.consumers.remove(&place);
        feed.able.remove(&place);
        if feed.exclusive == Some(id) {
            feed.exclusive = None;
        }
        let ends = feed.traits.auto_delete && feed.consumers.is_empty();
        self.used(queue);
        self.dirty.insert(queue);
        ends.then_some(queue)
    }

    fn remove(&mut self, id: ConsumerId) -> Option<Consumer> {
        let consumer = self.consumers.remove(&id)?;
        if let Some(channel) = self.channel_mut(id.key()) {
            channel.consumers = channel.consumers.saturating_sub(1);
        }
        Some(consumer)
    }

    /// Sets prefetch; 0 is none, which leaves
    /// [`UNLIMITED_PREFETCH`](super::limits::UNLIMITED_PREFETCH). `global` shares it among the
    /// channel's consumers; otherwise it is each consumer's, of running ones too (amqp.md section 6
    /// says why).
    pub fn prefetch(&mut self, key: ChannelKey, count: u16, global: bool) {
        let limit = (count > 0).then(|| u32::from(count));
        let Some(connection) = self.connections.get_mut(&key.connection) else {
            return;
        };
        let channel = connection.channels.entry(key.channel).or_default();
        if global {
            channel.limit = limit;
        } else {
            channel.each = limit;
        }
        self.relieved.insert(key);
    }

    /// Looks at the consumers of channels that may have credit again.
    fn relieve(&mut self) {
        for key in std::mem::take(&mut self.relieved) {
            let all = ConsumerId::all_of(key.connection, key.channel..=key.channel);
            self.may_have_credit(all);
        }
    }

    /// Notes that consumers may have credit again: their queues are looked at, and they take their turns.
    fn may_have_credit(&mut self, consumers: RangeInclusive<ConsumerId>) {
        for (id, consumer) in self.consumers.range(consumers) {
            if let Some(feed) = self.feeds.get_mut(&consumer.queue) {
                feed.able.insert(consumer.place, *id);
            }
            self.dirty.insert(consumer.queue);
        }
    }

    /// Takes notice that a client has settled a delivery. True where this very attempt was out: credit
    /// comes back at once, and the caller settles or returns the entry. A late settle changes nothing.
    pub fn settle(&mut self, delivery: DeliveryId) -> bool {
        let Some(feed) = self.feeds.get_mut(&delivery.queue) else {
            return false;
        };
        match feed.out.get(&delivery.entry) {
            Some((_, attempt)) if *attempt == delivery.attempt => {}
            _ => return false,
        }
        if let Some((taker, _)) = feed.out.remove(&delivery.entry) {
            self.give_back(taker);
        }
        true
    }

    /// The taker that this very attempt is still out to; none where it is not.
    pub fn taker(&self, delivery: DeliveryId) -> Option<Taker> {
        let (taker, attempt) = self.feeds.get(&delivery.queue)?.out.get(&delivery.entry)?;
        (*attempt == delivery.attempt).then_some(*taker)
    }

    fn give_back(&mut self, taker: Taker) {
        let Taker::Consumer(id) = taker else { return };
        if let Some(consumer) = self.consumers.get_mut(&id) {
            consumer.unacked = consumer.unacked.saturating_sub(1);
        }
        let mut all_wait = false;
        if let Some(channel) = self.channel_mut(id.key()) {
            all_wait = channel.limit.is_some_and(|limit| channel.unacked >= limit);
            channel.unacked = channel.unacked.saturating_sub(1);
        }
        if all_wait {
            self.relieved.insert(id.key());
        } else {
            self.may_have_credit(id..=id);
        }
    }

    /// Ends a channel: its consumers go, what was out to it comes back.
    pub fn channel_gone(&mut self, key: ChannelKey) -> Left {
        let ChannelKey {
            connection,
            channel,
        } = key;
        let mut left = self.cancel_all(connection, channel..=channel);
        let state = self.connections.get_mut(&connection);
        let ended = state.and_then(|state| state.channels.remove(&channel));
        let queues = ended.unwrap_or_default().queues;
        left.returned = self.take_back(queues, |taker| taker.key() == key);
        left
    }

    /// Ends the consumers of these channels, and begins what the connection leaves behind.
    fn cancel_all(&mut self, connection: ConnectionId, channels: RangeInclusive<u16>) -> Left {
        let all = ConsumerId::all_of(connection, channels);
        let consumers: Vec<ConsumerId> = self.consumers.range(all).map(|(id, _)| *id).collect();
        let ended = consumers.into_iter().filter_map(|id| self.cancel(id));
        Left {
            ended: ended.collect(),
            system: self.system(connection),
            ..Left::default()
        }
    }

    /// Takes back all that is out to the takers of a kind.
    fn take_back(
        &mut self,
        queues: BTreeSet<QueueId>,
        whose: impl Fn(Taker) -> bool,
    ) -> Vec<EntryAddress> {
        let mut returned = Vec::new();
        for queue in queues {
            let Some(feed) = self.feeds.get_mut(&queue) else {
                continue;
            };
            let mine = feed.out.extract_if(.., |_, (taker, _)| whose(*taker));
            returned.extend(mine.map(|(entry, _)| EntryAddress { queue, entry }));
        }
        returned
    }

    /// Ends a connection. Returns what it left behind.
    pub fn gone(&mut self, connection: ConnectionId) -> Left {
        let mut left = self.cancel_all(connection, 0..=u16::MAX);
        let Some(state) = self.connections.remove(&connection) else {
            return left;
        };
        let channels = state.channels.into_values();
        let queues = channels.flat_map(|channel| channel.queues).collect();
        left.returned = self.take_back(queues, |taker| taker.key().connection == connection);
        left.ended.extend(state.owned);
        left.ended.sort_unstable();
        left.ended.dedup();
        left
    }

    /// Takes notice of what the ledger did. Returns consumers whose queue is gone.
    pub fn changed(&mut self, changes: &[Change]) -> Vec<ConsumerId> {
        let mut cancelled = Vec::new();
        for change in changes {
            match change {
                Change::Enqueued(queue) => {
                    self.dirty.insert(*queue);
                }
                Change::Gone(queue, lsn) => self.entry_gone(*queue, *lsn),
                Change::Returned(queue, lsn) => {
                    if let Some(feed) = self.feeds.get_mut(queue) {
                        feed.returned.insert(*lsn);
                        self.dirty.insert(*queue);
                    }
                }
                Change::Emptied(queue) => {
                    if let Some(feed) = self.feeds.get_mut(queue) {
                        feed.returned.clear();
                    }
                }
                Change::Removed(queue) => {
                    cancelled.extend(self.queue_gone(*queue));
                }
                Change::Page(..)
                | Change::PageDone(..)
                | Change::Standing
                | Change::Governance
                | Change::Narrowed(..) => {}
            }
        }
        cancelled
    }

    /// Takes notice that an entry has left its queue: its taker has credit again, and the head, which is
    /// shorter now, may want its next page.
    fn entry_gone(&mut self, queue: QueueId, lsn: Lsn) {
        self.dirty.insert(queue);
        let Some(feed) = self.feeds.get_mut(&queue) else {
            return;
        };
        feed.returned.remove(&lsn);
        if let Some((taker, _)) = feed.out.remove(&lsn) {
            self.give_back(taker);
        }
    }

    /// Takes notice that a queue is gone: its takers have credit again. Returns its consumers, which end
    /// with it.
    fn queue_gone(&mut self, queue: QueueId) -> Vec<ConsumerId> {
        let mut feed = self.feeds.remove(&queue).unwrap_or_default();
        for (taker, _) in std::mem::take(&mut feed.out).into_values() {
            self.give_back(taker);
        }
        let owner = feed.owner;
        let owner = owner.and_then(|owner| self.connections.get_mut(&owner));
        if let Some(owner) = owner {
            owner.owned.remove(&queue);
        }
        let consumers: Vec<ConsumerId> = feed.consumers.into_values().collect();
        for id in &consumers {
            self.remove(*id);
        }
        self.dirty.remove(&queue);
        self.late.remove(&queue);
        self.heads.set(queue, None);
        self.unused.leave_out(queue);
        consumers
    }

    /// Whether queues that have something to send wait for the next look.
    pub fn is_put_off(&self) -> bool {
        self.put_off
    }

    /// Looks at a queue again: a page came back, or time has passed.
    pub fn look_at(&mut self, queue: QueueId) {
        self.dirty.insert(queue);
    }
}
