//! What a handshake leaves behind: what the peer understands, and what was agreed.

use amq_protocol::protocol::connection::TuneOk;
use amq_protocol::types::AMQPValue;

use crate::amqp::codec::{Login, MethodId};
use crate::amqp::reply::{Misbehaved, ReplyCode};

use super::offer::Offer;

/// The smallest frame-max that there is, in octets.
pub(super) const FRAME_BYTES_MIN: u32 = 4_096;

/// What the peer says it understands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) consumer_cancel_notify: bool,
    pub(super) blocked: bool,
    pub(super) authentication_failure_close: bool,
}

/// What was agreed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuned {
    pub(super) channels_max: u16,
    pub(super) frame_bytes_max: u32,
    pub(super) heartbeat_s: u16,
}

impl Client {
    pub(super) fn of(login: &Login) -> Self {
        let capabilities = match login.client_properties.inner().get("capabilities") {
            Some(AMQPValue::FieldTable(table)) => Some(table.inner()),
            _ => None,
        };
        let has = |name: &str| {
            capabilities.and_then(|table| table.get(name)) == Some(&AMQPValue::Boolean(true))
        };
        Self {
            consumer_cancel_notify: has("consumer_cancel_notify"),
            blocked: has("connection.blocked"),
            authentication_failure_close: has("authentication_failure_close"),
        }
    }
}

impl Tuned {
    /// # Errors
    /// 530 where the peer wants more than was offered, or a frame-max below the minimum. Zero
    /// means our value: old clients send it.
    pub(super) fn agree(offer: &Offer, wanted: &TuneOk) -> Result<Self, Misbehaved> {
        let refused = |sentence: String| {
            Misbehaved::new(ReplyCode::NotAllowed, sentence).by(MethodId::CONNECTION_TUNE_OK)
        };
        let frame_bytes_max = match wanted.frame_max {
            0 => offer.frame_bytes_max,
            it if it < FRAME_BYTES_MIN || it > offer.frame_bytes_max => {
                return Err(refused(format!(
                    "frame-max {it}, it must be from {FRAME_BYTES_MIN} to {}",
                    offer.frame_bytes_max
                )));
            }
            it => it,
        };
        let channels_max = match wanted.channel_max {
            0 => offer.channels_max,
            it if it > offer.channels_max => {
                let offered = offer.channels_max;
                return Err(refused(format!(
                    "channel-max {it}, it may be {offered} at most"
                )));
            }
            it => it,
        };
        Ok(Self {
            channels_max,
            frame_bytes_max,
            heartbeat_s: wanted.heartbeat,
        })
    }
}
