//! AMQP 0-9-1 on the wire, the server's side of it, without the wire: octets go in, events come
//! out; answers go in, octets come out.
//!
//! Owns framing, the codec, the life of a connection and of its channels, heartbeats, delivery
//! tags and confirm tags, and the reply to everything that breaks the protocol. It does no IO, has
//! no clock (milliseconds of a monotonic clock are arguments), draws nothing at random, and knows
//! nothing of queues, agencies or messages: what a request means is the broker's.
//!
//! ```text
//!          +------+---------+------+---------------------+------+
//! a frame  | type | channel | size | size octets payload | 0xCE |
//!          +------+---------+------+---------------------+------+
//!  octets      1       2        4                            1
//!
//! type 1   method   | class 2 | method 2 | arguments                                      |
//!      2   header   | 60: 2   | 0: 2     | body size 8 | flags 2 | properties, flag order  |
//!      3   body     | octets of the body                                                 |
//!      8   heartbeat, on channel 0, empty
//! ```
//! All integers are big-endian. A message is a method frame, one header frame, and as many body
//! frames as its size needs: none where it is empty.
//!
//! Read first: [`session::Session::next_event`]. Then `session::channel` for what a channel
//! takes, and `session::content` for the hot path in.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod codec;
mod frame;
pub(crate) mod reply;
pub(crate) mod session;

pub use amq_protocol::protocol::{BasicProperties, basic, exchange, queue};
pub use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};

pub use codec::{Login, MethodId, Secret, TableLimits};
pub use frame::ChannelId;
pub use reply::{Reply, ReplyCode, Scope};
pub use session::{
    Answer, ConsumerNumber, End, Event, Gone, Leftover, Message, Offer, Outcome, Place, Publish,
    PublishTag, Request, Sending, Sent, Session, Settlement, Ticket,
};
