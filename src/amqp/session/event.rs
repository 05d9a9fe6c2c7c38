//! What a session tells the broker, and what the broker hands to it.

use std::sync::Arc;

use amq_protocol::protocol::{BasicProperties, basic, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable};
use bytes::Bytes;

use crate::amqp::codec::{Login, MethodId, Secret};
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::Reply;

/// Something that the peer wants, or that happened to the connection.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the hot one; a box would cost it an allocation"
)]
pub enum Event<D> {
    /// The peer proves who it is. Answer with `accept_login` or `decline_login`; nothing more is
    /// parsed until then.
    Login(Login),
    /// The connection is open. Already answered.
    Opened,
    /// A whole message was published.
    Publish(Publish),
    /// A request that the broker must answer by [`Answer`], in the order of the channel's requests.
    Request {
        /// Names it, for a refusal in its turn.
        ticket: Ticket,
        /// What is asked.
        request: Request<D>,
    },
    /// Deliveries were settled: known ones, each once, ascending.
    Settle {
        /// The broker's names of them; never empty.
        deliveries: Vec<D>,
        /// What becomes of them.
        how: Settlement,
    },
    /// A channel ends: nothing more comes from it, and nothing can be delivered on it. Answer with
    /// [`Answer::Done`] when all that came before is answered; the session waits for the outcomes of
    /// its publishes and then writes the close-ok, or our close.
    ChannelEnding {
        /// What was out on it. Consumers that were asked for and not yet answered end too.
        left: Leftover<D>,
        /// The protocol fault that ends it; `None` where the peer closed it.
        fault: Option<Reply>,
    },
    /// A channel that the broker closed or refused a request of is gone. Answer with
    /// [`Answer::Done`] behind the answers to what was asked on it: all of them are dropped.
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
    /// The peer closes the connection. Answer with [`Answer::Done`] on channel 0 when all that came
    /// before is answered; the session waits for the outcomes of publishes and then says goodbye.
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
    /// Where it stands among the publishes of its connection.
    pub place: Place,
    /// The exchange; empty for the default one.
    pub exchange: Arc<str>,
    /// The routing key.
    pub routing_key: Arc<str>,
    /// Whether the publisher asks for a return if no queue takes the message.
    pub mandatory: bool,
    /// Its properties, parsed.
    pub properties: BasicProperties,
    /// Its properties as they came, flags included: what a return must carry.
    pub raw_properties: Bytes,
    /// Its body; empty where it was read over.
    pub body: Bytes,
    /// Octets of a body that is above the limit and was read over.
    pub read_over: Option<u64>,
}

impl Publish {
    /// Octets of its properties and body.
    pub fn octets(&self) -> usize {
        self.raw_properties.len().saturating_add(self.body.len())
    }
}

/// Where a publish stands among those of its connection; its outcome is told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The channel it came on.
    pub channel: ChannelId,
    /// Its number among all publishes on channels of this number, from 1.
    pub serial: u64,
    /// The tag to confirm it by; `None` where the channel is not in confirm mode.
    pub confirm: Option<PublishTag>,
}

/// What became of a publish.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The broker has taken responsibility for it.
    Taken,
    /// The broker has taken responsibility for it, and it comes back to its publisher first.
    Returned(Reply, Message<'a>),
    /// The broker takes no responsibility for it.
    NotTaken,
    /// The broker refuses it in a way that closes its channel.
    Refused(Reply),
}

/// The name of a request among those of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) channel: ChannelId,
    pub(super) nth: u64,
}

impl Ticket {
    /// The channel that the request came on.
    pub fn channel(self) -> ChannelId {
        self.channel
    }
}

/// The number of a consumer, over all that a connection ever asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerNumber(pub(super) u64);

impl ConsumerNumber {
    /// The consumer of this number, as an event gave it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The broker's answer to a request; the session knows which method says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The request is done, and there is nothing more to say.
    Done,
    /// A queue is declared.
    Queue {
        /// Its name.
        name: &'a str,
        /// Messages ready in it.
        ready: u32,
        /// Consumers of it.
        consumers: u32,
    },
    /// How many messages were purged, or deleted with their queue.
    Count(u32),
    /// A get found nothing.
    Empty,
    /// The request cannot be granted: its channel is closed, or the connection where the code is a
    /// connection's. A channel that is ending anyway is not told.
    Refused(Reply),
}

/// A request that the broker answers. A queue name is never empty, except in a declare, where it
/// asks the broker to make one up.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<D> {
    /// exchange.declare.
    ExchangeDeclare(exchange::Declare),
    /// exchange.delete.
    ExchangeDelete(exchange::Delete),
    /// exchange.bind.
    ExchangeBind(exchange::Bind),
    /// exchange.unbind.
    ExchangeUnbind(exchange::Unbind),
    /// queue.declare. Answer with [`Answer::Queue`].
    QueueDeclare(queue::Declare),
    /// queue.bind.
    QueueBind(queue::Bind),
    /// queue.unbind.
    QueueUnbind(queue::Unbind),
    /// queue.purge. Answer with [`Answer::Count`].
    QueuePurge(queue::Purge),
    /// queue.delete. Answer with [`Answer::Count`].
    QueueDelete(queue::Delete),
    /// basic.qos.
    Qos(basic::Qos),
    /// basic.consume; deliveries may follow its answer. An empty tag is the broker's to make up, by
    /// `name_consumer`.
    Consume(ConsumerNumber, basic::Consume),
    /// basic.cancel; no delivery may follow its answer.
    Cancel(ConsumerNumber),
    /// basic.get. Answer with `got` or [`Answer::Empty`].
    Get(basic::Get),
    /// basic.recover: all that is out on the channel goes back to its queues.
    Recover(Vec<D>),
}

/// Octets that an entry of a table takes in memory beside its text, about.
const ENTRY_BYTES: usize = 128;

impl<D> Request<D> {
    /// Octets of memory that its arguments take, about.
    pub fn argument_bytes(&self) -> usize {
        let arguments = match self {
            Self::ExchangeDeclare(it) => &it.arguments,
            Self::ExchangeBind(it) => &it.arguments,
            Self::ExchangeUnbind(it) => &it.arguments,
            Self::QueueDeclare(it) => &it.arguments,
            Self::QueueBind(it) => &it.arguments,
            Self::QueueUnbind(it) => &it.arguments,
            Self::Consume(_, it) => &it.arguments,
            _ => return 0,
        };
        table_bytes(arguments)
    }

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
            Self::Qos(_) => MethodId::BASIC_QOS,
            Self::Consume(..) => MethodId::BASIC_CONSUME,
            Self::Cancel(_) => MethodId::BASIC_CANCEL,
            Self::Get(_) => MethodId::BASIC_GET,
            Self::Recover(_) => MethodId::BASIC_RECOVER,
        }
    }
}

fn table_bytes(table: &FieldTable) -> usize {
    let entries = table.inner().iter();
    let bytes = entries.map(|(name, value)| name.as_str().len().saturating_add(value_bytes(value)));
    bytes.fold(0, usize::saturating_add)
}

fn value_bytes(value: &AMQPValue) -> usize {
    let more = match value {
        AMQPValue::FieldTable(table) => table_bytes(table),
        AMQPValue::FieldArray(list) => {
            let values = list.as_slice().iter().map(value_bytes);
            values.fold(0, usize::saturating_add)
        }
        AMQPValue::LongString(text) => text.as_bytes().len(),
        AMQPValue::ByteArray(octets) => octets.as_slice().len(),
        _ => 0,
    };
    more.saturating_add(ENTRY_BYTES)
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

/// What a channel leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover<D> {
    /// The channel.
    pub channel: ChannelId,
    /// Deliveries that were not settled, ascending.
    pub unsettled: Vec<D>,
}

/// A message that goes out.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The exchange to show.
    pub exchange: &'a str,
    /// The routing key to show.
    pub routing_key: &'a str,
    /// Its properties as `encode_properties` makes them, flags included.
    pub properties: &'a [u8],
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

/// What a message that was sent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// For its settlement by the peer.
    Unsettled,
    /// For nothing: it goes without acknowledgement, and is the peer's from here.
    Settled,
}

/// Why a message was not sent: its channel or consumer is gone. It belongs back at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel or consumer is gone")]
pub struct Gone;

/// What became of a frame.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the hot one; a box would cost it an allocation"
)]
pub(super) enum Step<D> {
    /// The frame is dealt with.
    Done,
    /// The frame is dealt with, and means this event.
    Event(Event<D>),
    /// The frame waits for an answer of the broker, untouched.
    Hold,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer does not speak AMQP 0-9-1.
    WrongProtocol,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The login was declined, to a peer that does not understand a close at this point.
    LoginDeclined,
    /// Nothing came for two heartbeat intervals.
    HeartbeatMissed,
    /// Octets came that are no frame; our close is written, the peer's answer cannot be told apart.
    Garbled,
    /// The peer closed and was answered.
    ClosedByPeer,
    /// We closed and were answered.
    Closed,
    /// We closed and were not answered in time.
    CloseTimeout,
}
