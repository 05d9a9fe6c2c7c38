//! What the core tells a connection.
//!
//! Effects leave after the sync of the batch that decided them, in the order of the commands.

use super::command::{Fence, Narrowing, Private};
use super::exchange::{Returnable, Submission};
use super::ids::{DeliveryId, EntryId, Origin};
use super::record::{Narrowed, QueueId, Terms};
use super::reply::Refusal;
use crate::message::id::UnitId;
use crate::message::time::Timestamp;
use crate::policy::standing::Reads;

/// What the core tells a connection.
#[derive(Debug)]
pub enum Effect {
    /// The outcome of a publish: durable, whatever it is.
    Outcome {
        /// The publish.
        origin: Origin,
        /// Comes back to the publisher first.
        returned: Option<Box<(Refusal, Returnable)>>,
    },
    /// The outcome of a repeat: what was told the first time, read from that record.
    Repeated {
        /// The publish.
        origin: Origin,
        /// The first record, where it was refused for all: its return is told again.
        refused: Option<(EntryId, Box<Returnable>)>,
    },
    /// Not stored: no responsibility taken.
    Nacked {
        /// The publish.
        origin: Origin,
        /// Why.
        why: NotTaken,
    },
    /// A publish was refused in a way that ends its channel.
    PublishRefused {
        /// The publish.
        origin: Origin,
        /// What its channel is closed with.
        refusal: Refusal,
    },
    /// Its ruling is stale, or its id was not searched for as far back as memory no longer reaches,
    /// or it stood behind such a one: rule it again and submit it again.
    Again(Origin, Box<Submission>),
    /// It stood behind such a one on its channel: submit it again.
    AgainPrivate(Box<Private>),
    /// An answer to [`Ask`](super::command::Ask).
    Answer {
        /// The channel.
        channel: u16,
        /// What.
        answer: Answer,
    },
    /// A message for a consumer or a `get`.
    Deliver(Box<Deliver>),
    /// The answer to [`Command::Narrow`](super::command::Command::Narrow): the delivery again, as it may be now; nothing where it is
    /// not out to this connection any more.
    Narrowed {
        /// The channel.
        channel: u16,
        /// The delivery that waits for it.
        delivery: DeliveryId,
        /// What may be sent.
        deliver: Option<Box<Deliver>>,
    },
    /// A consumer's queue is gone.
    Cancelled {
        /// The channel.
        channel: u16,
        /// The consumer's number.
        number: u64,
    },
    /// Publishing is suspended (the text says why), or goes on.
    Blocked(Option<&'static str>),
}

/// Why no responsibility was taken for a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// Nothing can be stored.
    DiskFull,
    /// What says whether it is a repeat cannot be read.
    Unreadable,
    /// Queues of its agency's own hold as much as they may.
    Quota,
}

/// The answer to an [`Ask`](super::command::Ask), in the order of the asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, nothing to tell.
    Done,
    /// A queue is there.
    Queue {
        /// Its name.
        name: String,
        /// Messages ready.
        messages: u64,
        /// Consumers.
        consumers: usize,
    },
    /// How many messages were purged, or deleted with their queue.
    Count(u64),
    /// `basic.get` found nothing.
    Empty,
    /// A fence was reached.
    Fenced(Fence),
    /// The request is refused: its channel is closed with this.
    Refused(Refusal),
}

impl Answer {
    /// No, by this code and sentence.
    pub fn refused(code: u16, text: String) -> Self {
        Self::Refused(Refusal { code, text })
    }
}

/// A message for a client, to be rendered by its connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Deliver {
    /// The channel.
    pub channel: u16,
    /// The consumer's number; none for a `get`.
    pub consumer: Option<u64>,
    /// What is settled later.
    pub delivery: DeliveryId,
    /// Whether it was sent before.
    pub redelivered: bool,
    /// How often it came back to its queue.
    pub returns: u32,
    /// Whether its own agency published it for itself.
    pub private: bool,
    /// `x-death` and what was narrowed.
    pub overlay: super::ledger::Overlay,
    /// The queue's name, where the unit declared it and the message was dead-lettered into it.
    pub moved_to: Option<String>,
    /// Messages left in the queue (for `get`).
    pub left: u64,
}

/// What a newer ruling leaves of a release.
#[derive(Debug, PartialEq)]
pub struct Less {
    /// Data and obligations.
    pub left: Terms,
    /// What the newer ruling was made from.
    pub reads: Reads,
}

impl Deliver {
    /// The record that holds the message.
    pub fn source(&self) -> EntryId {
        EntryId::new(self.overlay.source.unwrap_or(self.delivery.entry))
    }

    /// What makes this release `less` to `unit`, in all its `queues`.
    pub fn narrowed(
        &self,
        unit: UnitId,
        at: Timestamp,
        less: Less,
        queues: Vec<QueueId>,
    ) -> Narrowing {
        let record = Narrowed {
            at,
            exchange: self.source().at(),
            unit,
            queues,
            left: less.left,
        };
        Narrowing {
            record,
            reads: less.reads,
        }
    }
}
