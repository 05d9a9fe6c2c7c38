//! What a session tells the broker, and what the broker hands to it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::amqp::codec::{Login, MethodId, Secret};
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::Reply;
use crate::amqp::{BasicProperties, basic, exchange, queue};

/// Something that the peer wants, or that happened to the connection.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the hot one; a box would cost it an allocation"
)]
pub enum Event<D> {
    /// The peer proves who it is. Answer with `accept_login` or `refuse_login`; nothing more is
    /// parsed until then.
    Login(Login),
    /// The connection is open. Already answered.
    Opened,
    /// A whole message was published.
    Publish(Publish),
    /// A request that the broker must answer, in the order of the channel's requests.
    Request {
        /// Where it came, and where the answer goes.
        channel: ChannelId,
        /// What is asked.
        request: Request<D>,
    },
    /// A prefetch limit was set. Already answered.
    Qos {
        /// The channel it is for.
        channel: ChannelId,
        /// The limit, and whether the channel shares it.
        qos: basic::Qos,
    },
    /// Deliveries were settled: known ones, each once, ascending.
    Settle {
        /// The channel they went out on.
        channel: ChannelId,
        /// Which ones; never empty.
        deliveries: Vec<Settled<D>>,
        /// What becomes of them.
        how: Settlement,
    },
    /// A channel ends: nothing more comes from it, and nothing can be delivered on it. Answer with
    /// `channel_ended` when all that came before is confirmed and answered; then the close-ok, or
    /// our close, goes out.
    ChannelEnding {
        /// What was out on it. Consumers that were asked for and not yet answered end too.
        left: Leftover<D>,
        /// The protocol fault that ends it; `None` where the peer closed it.
        fault: Option<Reply>,
    },
    /// A channel that the broker closed or refused a request of is gone. No answer.
    ChannelGone {
        /// What was out on it.
        left: Leftover<D>,
    },
    /// The peer renews its credentials. Answer with `secret_updated`, or close the connection.
    UpdateSecret {
        /// The new secret.
        secret: Secret,
        /// Why, in the peer's words.
        reason: String,
    },
    /// The peer closes the connection. Answer with `connection_ended` when all that came before is
    /// confirmed. What was out is at `take_leftovers`.
    ConnectionEnding {
        /// Code that the peer gives; 200 is a plain goodbye.
        code: u16,
        /// The peer's text.
        text: String,
    },
    /// The peer broke the protocol; our close is on its way. Nothing more comes. What was out is
    /// at `take_leftovers`.
    Misbehaved(Reply),
}

/// A message as it was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// The channel it came on.
    pub channel: ChannelId,
    /// The exchange; empty for the default one.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// Whether the publisher asks for a return if nobody takes it.
    pub mandatory: bool,
    /// Its properties, parsed.
    pub properties: BasicProperties,
    /// Its properties as they came, flags included: what a return must carry.
    pub raw_properties: Bytes,
    /// Its body; empty where it was read over.
    pub body: Bytes,
    /// Octets of a body that is above the limit and was read over.
    pub read_over: Option<u64>,
    /// The tag to confirm it by; `None` where the channel is not in confirm mode.
    pub confirm: Option<PublishTag>,
}

/// A request that the broker answers. A queue name is never empty, except in a declare, where it
/// asks the broker to make one up, and in a consumer tag likewise.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<D> {
    /// Answer with `done`.
    ExchangeDeclare(exchange::Declare),
    /// Answer with `done`.
    ExchangeDelete(exchange::Delete),
    /// Answer with `done`.
    ExchangeBind(exchange::Bind),
    /// Answer with `done`.
    ExchangeUnbind(exchange::Unbind),
    /// Answer with `queue_declared`.
    QueueDeclare(queue::Declare),
    /// Answer with `done`.
    QueueBind(queue::Bind),
    /// Answer with `done`.
    QueueUnbind(queue::Unbind),
    /// Answer with `queue_purged`.
    QueuePurge(queue::Purge),
    /// Answer with `queue_deleted`.
    QueueDelete(queue::Delete),
    /// Answer with `consuming`; deliveries may follow then.
    Consume(basic::Consume),
    /// Answer with `cancelled`; no delivery may follow then.
    Cancel(basic::Cancel),
    /// Answer with `got` or `got_nothing`.
    Get(basic::Get),
    /// All that is out on the channel goes back to its queues. Answer with `done`.
    Recover(Vec<Settled<D>>),
}

impl<D> Request<D> {
    /// The method that asks for it. A recover without an answer counts as one with.
    pub fn method(&self) -> MethodId {
        match self {
            Self::ExchangeDeclare(_) => MethodId::EXCHANGE_DECLARE,
            Self::ExchangeDelete(_) => MethodId::EXCHANGE_DELETE,
            Self::ExchangeBind(_) => MethodId::EXCHANGE_BIND,
            Self::ExchangeUnbind(_) => MethodId::EXCHANGE_UNBIND,
            Self::QueueDeclare(_) => MethodId::QUEUE_DECLARE,
            Self::QueueBind(_) => MethodId::QUEUE_BIND,
            Self::QueueUnbind(_) => MethodId::QUEUE_UNBIND,
            Self::QueuePurge(_) => MethodId::QUEUE_PURGE,
            Self::QueueDelete(_) => MethodId::QUEUE_DELETE,
            Self::Consume(_) => MethodId::BASIC_CONSUME,
            Self::Cancel(_) => MethodId::BASIC_CANCEL,
            Self::Get(_) => MethodId::BASIC_GET,
            Self::Recover(_) => MethodId::BASIC_RECOVER,
        }
    }
}

/// The number of a publish on its channel, from 1, counted from confirm.select on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishTag(pub(super) u64);

impl PublishTag {
    /// The tag with this number, as an event gave it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The name of a consumer on its channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerTag(Arc<str>);

impl ConsumerTag {
    pub(super) fn new(tag: &str) -> Self {
        Self(Arc::from(tag))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ConsumerTag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of a delivery that is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done with.
    Ack,
    /// Back to its old place in the queue: reject or nack with requeue.
    Requeue,
    /// Dead-lettered or dropped: reject or nack without requeue.
    Reject,
}

impl Settlement {
    pub(super) fn refusal(requeue: bool) -> Self {
        if requeue { Self::Requeue } else { Self::Reject }
    }
}

/// A delivery that is out no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled<D> {
    /// The consumer it went to; `None` for a get.
    pub consumer: Option<ConsumerTag>,
    /// The broker's name for it.
    pub delivery: D,
}

/// What a channel leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover<D> {
    /// The channel.
    pub channel: ChannelId,
    /// Deliveries that nobody settled, ascending.
    pub unsettled: Vec<Settled<D>>,
    /// Consumers that were running.
    pub consumers: Vec<ConsumerTag>,
}

/// The properties of a message that goes out.
#[derive(Clone, Copy, Debug)]
pub enum Properties<'a> {
    /// As they came or as `encode_properties` made them, flags included.
    Raw(&'a [u8]),
    /// To be encoded.
    Parsed(&'a BasicProperties),
}

/// A message that goes out.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The exchange to show.
    pub exchange: &'a str,
    /// The routing key to show.
    pub routing_key: &'a str,
    /// Its properties.
    pub properties: Properties<'a>,
    /// Its body.
    pub body: &'a [u8],
}

/// Which delivery goes out.
#[derive(Clone, Copy, Debug)]
pub struct Sending<D> {
    /// The broker's name for it, which comes back when it is settled.
    pub delivery: D,
    /// Whether it was sent before.
    pub redelivered: bool,
}

/// Why a message was not sent: its channel or consumer is gone. It belongs back at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel or consumer is gone")]
pub struct Gone;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer does not speak AMQP 0-9-1.
    WrongProtocol,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The login was refused, to a peer that does not understand a close at this point.
    LoginRefused,
    /// Nothing came for two heartbeat intervals.
    HeartbeatMissed,
    /// What came was no frame; our close is written, the peer's answer cannot be told apart.
    Garbled,
    /// The peer closed and was answered.
    ClosedByPeer,
    /// We closed and were answered.
    Closed,
    /// We closed and were not answered in time.
    CloseTimeout,
}
