//! What comes to the committer.
//!
//! A connection hands over what one read of its socket gave as one packet.

use std::time::Duration;

use super::exchange::{Returnable, Submission};
use super::governance::{Deed, Ticket};
use super::ids::{ChannelKey, ConnectionId, DeliveryId, Origin};
use super::queue::Volume;
use super::record::Checkpoint;
use super::record::{Argument, Narrowed, QueueProperties};
use super::reply::Refusal;
use crate::journal::Frame;
use crate::message::id::{SystemId, UnitId};
use crate::message::time::Timestamp;
use crate::policy::standing::Reads;

/// What a connection asks of the core.
#[derive(Debug)]
pub enum Command {
    /// A system has connected.
    Attach {
        /// Its connection.
        connection: ConnectionId,
        /// Its unit.
        unit: UnitId,
        /// The system.
        system: SystemId,
        /// Whether its `reads` lists `inbox`: others take releases from no queue of the unit's own.
        releases: bool,
    },
    /// A publish to the exchange `carnet`.
    Submit(Origin, Box<Submission>),
    /// A publish to an exchange of the agency's own.
    Private(Box<Private>),
    /// Anything else a channel asks for.
    Ask {
        /// The connection that asks.
        connection: ConnectionId,
        /// The channel.
        channel: u16,
        /// What.
        ask: Ask,
    },
    /// Deliveries were settled.
    Settle {
        /// Which.
        deliveries: Vec<DeliveryId>,
        /// How.
        how: Settle,
    },
    /// A consumer's task found that its release must be narrower.
    Narrow {
        /// The channel that waits for it.
        to: ChannelKey,
        /// The delivery that waits for it.
        delivery: DeliveryId,
        /// What is left of it.
        narrowed: Narrowing,
    },
    /// Something is to be done to the rulebook; its answer comes with the step, by this ticket.
    Govern(Ticket, Box<Deed>),
    /// The log has signed its tree, which is to be recorded; its answer comes by this ticket.
    Show(Ticket, Box<Checkpoint>),
}

/// The record by which a release is to become less, and what that was ruled from.
#[derive(Debug)]
pub struct Narrowing {
    /// The record to be; its time is set as it is committed.
    pub record: Narrowed,
    /// What the ruling rests on.
    pub reads: Reads,
}

impl Command {
    /// Whether who asks is told where nothing can be stored, instead of waiting for room.
    pub fn is_refused_when_full(&self) -> bool {
        matches!(
            self,
            Self::Submit(..) | Self::Private(_) | Self::Govern(..) | Self::Show(..)
        )
    }
}

/// How deliveries were settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Done with.
    Ack,
    /// Back to their place.
    Requeue,
    /// To the dead-letter queue, or dropped.
    Reject,
    /// The broker could not send it: it waits in its place, and nothing is counted against it.
    Unsent,
}

/// What becomes of a publish within an agency that no queue takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unroutable {
    /// It is acknowledged and gone, as AMQP has it.
    Dropped,
    /// It comes back: it was `mandatory`.
    Returned,
    /// It comes back whatever was asked: its key is a message type, so it was meant for `carnet`.
    Misdirected,
}

impl Unroutable {
    /// By `mandatory`.
    pub const fn of(mandatory: bool) -> Self {
        if mandatory {
            Self::Returned
        } else {
            Self::Dropped
        }
    }

    /// What its publisher is told: nothing where it is dropped.
    pub fn refusal(self, routing_key: &str) -> Option<Refusal> {
        let text = match self {
            Self::Dropped => return None,
            Self::Returned => format!("no queue '{routing_key}' in vhost '/'"),
            Self::Misdirected => format!(
                "no queue '{routing_key}' in vhost '/', and it is a message type: publish it to \
                 exchange carnet"
            ),
        };
        Some(Refusal { code: 312, text })
    }
}

/// A publish within an agency: kept, neither ruled nor evidence.
#[derive(Debug)]
pub struct Private {
    /// Where it came from.
    pub origin: Origin,
    /// As it stood on the wire: `""` or an exchange of the unit, and the routing key.
    pub wire: Returnable,
    /// What becomes of it where no queue takes it.
    pub unroutable: Unroutable,
    /// Further routing keys, of headers `CC` and `BCC`: [`COPIES`](super::limits::COPIES) at most.
    pub copies: Vec<String>,
    /// The frame: properties as published, and the body.
    pub frame: Frame,
    /// Octets of a body that is above the limit and of which nothing was kept: it comes back.
    pub read_over: Option<u64>,
    /// Whether it has headers with names like the broker's own.
    pub marked: bool,
    /// Time to live, from the property `expiration`.
    pub ttl: Option<Duration>,
    /// How much may wait in queues of its agency's own, at most.
    pub quota: Volume,
}

impl From<Private> for Command {
    fn from(private: Private) -> Self {
        Self::Private(Box::new(private))
    }
}

#[cfg(test)]
impl Private {
    /// A publish to a queue by name, without properties or a body to return, mandatory and of any
    /// volume.
    pub(crate) fn to(queue: &str, origin: Origin, frame: Frame) -> Self {
        Self {
            origin,
            wire: Returnable {
                exchange: "".into(),
                routing_key: queue.into(),
                raw_properties: bytes::Bytes::new(),
                body: bytes::Bytes::new(),
            },
            unroutable: Unroutable::of(true),
            copies: Vec::new(),
            frame,
            read_over: None,
            marked: false,
            ttl: None,
            quota: Volume::ANY,
        }
    }
}

/// How an exchange is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are AMQP's own bits")]
pub struct ExchangeTraits {
    /// Only looked for.
    pub passive: bool,
    /// Survives a restart.
    pub durable: bool,
    /// Gone with its last binding.
    pub auto_delete: bool,
    /// Takes no publishes.
    pub internal: bool,
}

/// What a channel asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `exchange.declare`.
    DeclareExchange {
        /// Its name.
        name: String,
        /// Its type.
        kind: String,
        /// How it is declared.
        traits: ExchangeTraits,
        /// An argument that it was declared with: those that stand have none.
        argument: Option<String>,
    },
    /// `queue.declare`.
    DeclareQueue {
        /// Its name; drawn by the connection where the client gave none.
        name: String,
        /// Only look.
        passive: bool,
        /// Its properties.
        properties: QueueProperties,
    },
    /// `queue.bind` (`unbind` where `remove`).
    Bind {
        /// The queue.
        queue: String,
        /// The exchange.
        exchange: String,
        /// The binding key.
        key: String,
        /// Unbind instead.
        remove: bool,
    },
    /// `queue.purge`.
    Purge(String),
    /// `queue.delete`.
    Delete {
        /// The queue.
        queue: String,
        /// Only when it has no consumers.
        if_unused: bool,
        /// Only when it has no messages.
        if_empty: bool,
    },
    /// `basic.consume`.
    Consume {
        /// The consumer's number, given by the connection.
        number: u64,
        /// The queue.
        queue: String,
        /// No other consumer beside it.
        exclusive: bool,
        /// Among the queue's consumers: those with a higher one come first.
        priority: i32,
        /// Whether the system's entry lets it read this queue.
        may_read: bool,
    },
    /// `basic.cancel`.
    Cancel(u64),
    /// `basic.get`.
    Get {
        /// The queue.
        queue: String,
        /// Whether the system's entry lets it read this queue.
        may_read: bool,
    },
    /// `basic.qos`.
    Prefetch {
        /// 0 is unlimited.
        count: u16,
        /// Shared by the channel.
        global: bool,
    },
    /// Everything asked before has been done: `channel.close`, `connection.close`, `basic.recover`.
    Fence(Fence),
}

/// What waits behind a [`Ask::Fence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// The channel is to be closed; what is out to it comes back first.
    CloseChannel,
    /// The connection is to be closed.
    CloseConnection,
    /// What was requeued by `basic.recover` is back.
    Recover,
    /// A request that needs nothing of the core is to be refused; those before it are answered.
    Refuse,
}

/// Arguments of a declaration as they are compared: sorted by name.
pub fn sorted(mut arguments: Vec<(String, Argument)>) -> Vec<(String, Argument)> {
    arguments.sort_by(|(a, _), (b, _)| a.cmp(b));
    arguments
}

/// Whether the facts that a ruling rested on still hold at `now`.
pub fn holds(reads: &Reads, ledger: &super::ledger::Ledger, now: Timestamp) -> bool {
    reads.still_hold(ledger.register().standing(), ledger.rulebook_epoch(), now)
}
