//! Names of what a step of the core is about: a connection, a consumer, a delivery, an entry, the
//! place from which a message came.

use std::ops::RangeInclusive;

use crate::agency::registry::Party;
use crate::journal::Lsn;
use crate::message::id::KeyedDigest;

/// A connection's number, never used again by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A queue's number in the ledger, never used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// A channel of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel's number there.
    pub channel: u16,
}

impl ChannelKey {
    /// Channel `channel` of `connection`.
    pub const fn new(connection: ConnectionId, channel: u16) -> Self {
        Self {
            connection,
            channel,
        }
    }
}

/// An entry of a queue: where it waits, and the record that placed it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryAddress {
    /// The queue.
    pub queue: QueueId,
    /// The record.
    pub entry: Lsn,
}

impl EntryAddress {
    /// The entry of this record in this queue.
    pub const fn new(queue: QueueId, entry: Lsn) -> Self {
        Self { queue, entry }
    }
}

/// A consumer: its channel and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// Counts the connection's consumers.
    pub number: u64,
}

impl ConsumerId {
    /// Its channel.
    pub fn key(self) -> ChannelKey {
        ChannelKey::new(self.connection, self.channel)
    }

    /// The ids of all consumers of these channels of a connection.
    pub fn all_of(connection: ConnectionId, channels: RangeInclusive<u16>) -> RangeInclusive<Self> {
        let id = |channel, number| Self {
            connection,
            channel,
            number,
        };
        id(*channels.start(), 0)..=id(*channels.end(), u64::MAX)
    }
}

/// The receiving end of a delivery: a consumer or a get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A consumer.
    Consumer(ConsumerId),
    /// A `basic.get` on this channel.
    Get(ChannelKey),
}

impl Taker {
    /// Its channel.
    pub fn key(self) -> ChannelKey {
        match self {
            Self::Consumer(consumer) => consumer.key(),
            Self::Get(key) => key,
        }
    }
}

/// One attempt at delivering one entry. A late settle of an earlier attempt changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryId {
    /// The queue.
    pub queue: QueueId,
    /// The entry: the record that placed it there.
    pub entry: Lsn,
    /// Counts all attempts of this process.
    pub attempt: u64,
}

impl DeliveryId {
    /// The entry that it is an attempt at.
    pub fn address(self) -> EntryAddress {
        EntryAddress::new(self.queue, self.entry)
    }
}

/// The address of a stored record, as those above the core pass it on: what it counts is the
/// journal's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(Lsn);

impl EntryId {
    /// The record at this address.
    pub const fn new(at: Lsn) -> Self {
        Self(at)
    }

    /// Its address in the journal.
    pub const fn at(self) -> Lsn {
        self.0
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a submission came from and who waits for its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel: order is promised within it.
    pub channel: u16,
    /// Counts the channel's publishes, so that those behind a stale ruling keep their place.
    pub serial: u64,
    /// The publisher's confirm tag, in confirm mode.
    pub confirm: Option<u64>,
}

impl Origin {
    /// The channel.
    pub fn key(&self) -> ChannelKey {
        ChannelKey::new(self.connection, self.channel)
    }
}

/// An order's name: its number, and the agency whose number that is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey {
    /// The order's number in its owner's own series, as a keyed digest.
    pub number: KeyedDigest,
    /// The party that sent the order.
    pub owner: Party,
}
