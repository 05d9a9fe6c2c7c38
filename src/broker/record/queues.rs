//! Records about queues: what was put into which, what left them, and what they are.

use std::collections::BTreeMap;

use crate::broker::ids::{EntryAddress, QueueId};
use crate::journal::Lsn;
use crate::message::id::{SystemId, UnitId};
use crate::message::time::Timestamp;

/// A message put into queues of its unit's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// When.
    pub at: Timestamp,
    /// The unit that owns the queues.
    pub unit: UnitId,
    /// The queues that it was put into.
    pub queues: Vec<QueueId>,
    /// Where the message itself is: the record that holds it; none where it is this one.
    pub source: Option<Lsn>,
    /// Whether its own agency published it for itself.
    pub private: bool,
    /// Whether it has headers with names like the broker's own, which its own agency gave it.
    pub marked: bool,
    /// The entry that it was before: it leaves its queue, and what is known of it moves along.
    pub from: Option<Moved>,
    /// When it expires in these queues.
    pub deadline: Option<Timestamp>,
    /// Octets of the message.
    pub octets: u32,
}

/// An entry that leaves its queue for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its queue.
    pub queue: QueueId,
    /// The record that placed it there.
    pub entry: Lsn,
    /// Why it leaves.
    pub cause: Cause,
    /// The system that rejected it; none where the broker moves it.
    pub by: Option<SystemId>,
}

/// Why a message leaves a queue other than by an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Rejected without requeue.
    Rejected,
    /// Its time is over.
    Expired,
    /// It came back too often.
    DeliveryLimit,
    /// Its queue had more messages that wait than it was declared to hold.
    MaxLength,
}

impl Cause {
    /// The reason in `x-death`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::DeliveryLimit => "delivery_limit",
            Self::MaxLength => "maxlen",
        }
    }
}

/// How a delivery, or the wait of an entry, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settling {
    /// Acknowledged.
    Acked,
    /// Rejected, where no queue takes what dies.
    Rejected,
    /// Its time was over, where no queue takes what dies.
    Expired,
    /// It came back too often, where no queue takes what dies.
    DeliveryLimit,
    /// The oldest that waited in a queue with more messages than it may hold, where no queue takes
    /// what dies.
    MaxLength,
    /// Given back by the client: it waits again.
    Requeued,
    /// Out to a channel or connection that ended: it waits again.
    Left,
    /// Out to a connection that the broker itself ended: it waits again, and the delivery does not
    /// count towards the limit of deliveries.
    Interrupted,
}

impl Settling {
    /// Whether the entry is gone from its queue; else it waits again.
    pub const fn leaves(self) -> bool {
        match self {
            Self::Acked
            | Self::Rejected
            | Self::Expired
            | Self::DeliveryLimit
            | Self::MaxLength => true,
            Self::Requeued | Self::Left | Self::Interrupted => false,
        }
    }

    /// The word of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acked => "acknowledged",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::DeliveryLimit => "returned too often",
            Self::MaxLength => "dropped from full queues",
            Self::Requeued => "requeued",
            Self::Left => "left by ended channels",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Cause> for Settling {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Rejected => Self::Rejected,
            Cause::Expired => Self::Expired,
            Cause::DeliveryLimit => Self::DeliveryLimit,
            Cause::MaxLength => Self::MaxLength,
        }
    }
}

/// Entries of one queue that one system, or the broker, settled in one way.
pub(in crate::broker) type Lines = BTreeMap<(Settling, QueueId), Vec<Lsn>>;

/// Entries that left their queues or came back to them: of each its queue, its address, how, and
/// the system that settled it; no system where the broker did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    by_system: BTreeMap<Option<SystemId>, Lines>,
    /// INVARIANT: how many entries all lines have.
    count: usize,
}

impl Settled {
    /// Of these lines.
    pub(in crate::broker) fn of(by_system: BTreeMap<Option<SystemId>, Lines>) -> Self {
        let lines = by_system.values().flat_map(Lines::values);
        let count = lines.map(Vec::len).sum();
        Self { by_system, count }
    }

    /// Its lines by the system that settled.
    pub(in crate::broker) fn by_system(&self) -> &BTreeMap<Option<SystemId>, Lines> {
        &self.by_system
    }

    /// Adds an entry that `system`, or the broker, settled.
    pub fn add(&mut self, system: Option<SystemId>, how: Settling, address: EntryAddress) {
        let EntryAddress { queue, entry } = address;
        let lines = self.by_system.entry(system).or_default();
        lines.entry((how, queue)).or_default().push(entry);
        self.count += 1;
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many entries it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All entries, those that were settled alike in one queue together.
    pub fn lines(&self) -> impl Iterator<Item = SettledLine<'_>> {
        self.by_system.values().flat_map(|lines| {
            lines.iter().map(|(alike, entries)| SettledLine {
                how: alike.0,
                queue: alike.1,
                entries,
            })
        })
    }
}

/// Entries of one queue that were settled alike.
#[derive(Debug, Clone, Copy)]
pub struct SettledLine<'s> {
    /// How.
    pub how: Settling,
    /// Their queue.
    pub queue: QueueId,
    /// The records that placed them there.
    pub entries: &'s [Lsn],
}

/// A change of a unit's queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// A queue was declared.
    Declared {
        /// Its number.
        queue: QueueId,
        /// Its owner.
        unit: UnitId,
        /// Its name there.
        name: String,
        /// Its properties.
        properties: QueueProperties,
    },
    /// A queue was deleted, with what was in it.
    Deleted(QueueId),
    /// A queue was emptied of what was not out to a client.
    Purged {
        /// The queue.
        queue: QueueId,
        /// What was out, in order: it stays until it is settled.
        out: Vec<Lsn>,
    },
    /// A queue was bound to an exchange of its unit.
    Bound {
        /// The queue.
        queue: QueueId,
        /// The binding.
        binding: Binding,
    },
    /// A binding was removed.
    Unbound {
        /// The queue.
        queue: QueueId,
        /// The binding.
        binding: Binding,
    },
}

/// What a queue was declared with. Compared by value when it is declared again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueProperties {
    /// Survives a restart. All do, in truth, but exclusive ones; kept for equivalence.
    pub durable: bool,
    /// Gone with the connection that declared it.
    pub exclusive: bool,
    /// Gone when its last consumer leaves.
    pub auto_delete: bool,
    /// Arguments, sorted by name.
    pub arguments: Vec<(String, Argument)>,
}

/// An argument of a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// `t`.
    Bool(bool),
    /// Any integer type: compared by value.
    Integer(i64),
    /// `S`.
    Text(String),
    /// Anything else, as it prints.
    Other(String),
}

/// A binding of a queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The exchange, by its name in the unit.
    pub exchange: String,
    /// The binding key, a topic pattern.
    pub key: String,
}

impl QueueProperties {
    /// An argument by name.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// An argument that is an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.argument(name)? {
            Argument::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// An argument that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.argument(name)? {
            Argument::Text(value) => Some(value),
            _ => None,
        }
    }
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(value) | Self::Other(value) => f.write_str(value),
        }
    }
}
