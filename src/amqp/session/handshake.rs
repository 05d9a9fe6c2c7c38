//! From the first octet to an open connection: header, login, tuning, vhost.

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use crate::amqp::codec::{ClientMethod, Login, MethodId};
use crate::amqp::connection::TuneOk;
use crate::amqp::frame::{ChannelId, EARLY_PROTOCOL_HEADER, PROTOCOL_HEADER};
use crate::amqp::reply::{Misbehaved, Reply, ReplyCode};

use super::connection::{Connection, FRAME_BYTES_MIN, Phase};
use super::event::{End, Event};
use super::running::Running;
use super::{Offer, Session, Step};

/// How long it may take from the first octet to connection.open.
const HANDSHAKE_MS_MAX: u64 = 10_000;
/// The one virtual host: an agency's namespace follows from its certificate.
const VHOST: &str = "/";

/// What the peer says it understands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) consumer_cancel_notify: bool,
    pub(super) blocked: bool,
    authentication_failure_close: bool,
}

/// What was agreed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuned {
    pub(super) channels_max: u16,
    pub(super) frame_bytes_max: u32,
    pub(super) heartbeat_s: u16,
}

/// What is awaited.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opening {
    Header,
    StartOk,
    /// The broker's answer to the login.
    Verdict(Client),
    TuneOk(Client),
    Open(Client, Tuned),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Handshake {
    pub(super) deadline_ms: u64,
    pub(super) opening: Opening,
}

impl Handshake {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            deadline_ms: now_ms.saturating_add(HANDSHAKE_MS_MAX),
            opening: Opening::Header,
        }
    }

    pub(super) fn tuned(&self) -> Option<Tuned> {
        match self.opening {
            Opening::Open(_, tuned) => Some(tuned),
            _ => None,
        }
    }

    pub(super) fn awaits_login(&self) -> bool {
        matches!(self.opening, Opening::Verdict(_))
    }
}

impl Client {
    fn of(login: &Login) -> Self {
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
    fn agree(offer: &Offer, wanted: &TuneOk) -> Result<Self, Misbehaved> {
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

impl<D: Copy> Connection<D> {
    /// The first eight octets.
    pub(super) fn protocol_header(&mut self, header: [u8; 8]) {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return;
        };
        if ![PROTOCOL_HEADER, EARLY_PROTOCOL_HEADER].contains(&header) {
            self.out.protocol_header();
            return self.finish(End::WrongProtocol);
        }
        handshake.opening = Opening::StartOk;
        let offer = &self.offer;
        self.out
            .method(ChannelId::CONNECTION, MethodId::CONNECTION_START, |args| {
                args.octet(0);
                args.octet(9);
                args.table(&server_properties(offer));
                args.long_string(offer.mechanisms.as_bytes());
                args.long_string(b"en_US");
            });
    }

    /// A method of the handshake.
    pub(super) fn open(
        &mut self,
        id: MethodId,
        method: ClientMethod<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Ok(Step::Done);
        };
        match (handshake.opening, method) {
            (Opening::StartOk, ClientMethod::StartOk(login)) => {
                handshake.opening = Opening::Verdict(Client::of(&login));
                let mechanism = login.mechanism.as_str();
                if self
                    .offer
                    .mechanisms
                    .split(' ')
                    .any(|offered| offered == mechanism)
                {
                    return Ok(Step::Event(Event::Login(login)));
                }
                let sentence = format!(
                    "mechanism '{mechanism}', on offer is {}",
                    self.offer.mechanisms
                );
                let reply = self.refuse_login(sentence);
                Ok(reply.map_or(Step::Done, |reply| Step::Event(Event::Misbehaved(reply))))
            }
            (Opening::TuneOk(client), ClientMethod::TuneOk(wanted)) => {
                let tuned = Tuned::agree(&self.offer, &wanted)?;
                handshake.opening = Opening::Open(client, tuned);
                self.out.set_frame_max(tuned.frame_bytes_max);
                Ok(Step::Done)
            }
            (Opening::Open(client, tuned), ClientMethod::Open { vhost: VHOST }) => {
                self.phase = Phase::Running(Running::new(client, tuned));
                self.out.method(
                    ChannelId::CONNECTION,
                    MethodId::CONNECTION_OPEN_OK,
                    |args| {
                        args.short_string("");
                    },
                );
                Ok(Step::Event(Event::Opened))
            }
            (Opening::Open(..), ClientMethod::Open { vhost }) => {
                let sentence = format_args!(
                    "no vhost '{vhost}'; the only one is '/', in a URI %2F or no path at all"
                );
                Err(Misbehaved::new(ReplyCode::NotAllowed, sentence).by(id))
            }
            _ => {
                let sentence = format_args!("method {id} is not due at this point of the opening");
                Err(Misbehaved::new(ReplyCode::CommandInvalid, sentence).by(id))
            }
        }
    }

    /// Refuses the login that waits for its verdict; the reply where there was one to refuse.
    fn refuse_login(&mut self, sentence: impl std::fmt::Display) -> Option<Reply> {
        let Phase::Handshake(Handshake {
            opening: Opening::Verdict(client),
            ..
        }) = self.phase
        else {
            return None;
        };
        let reply = Reply::new(ReplyCode::AccessRefused, sentence);
        if client.authentication_failure_close {
            self.close(&reply);
        } else {
            self.finish(End::LoginRefused);
        }
        Some(reply)
    }
}

/// Answers to [`Event::Login`].
impl<D: Copy> Session<D> {
    /// The peer is who it says. Goes on with the handshake.
    pub fn accept_login(&mut self) {
        let connection = &mut self.connection;
        let Phase::Handshake(handshake) = &mut connection.phase else {
            return;
        };
        let Opening::Verdict(client) = handshake.opening else {
            return;
        };
        handshake.opening = Opening::TuneOk(client);
        let offer = &connection.offer;
        connection
            .out
            .method(ChannelId::CONNECTION, MethodId::CONNECTION_TUNE, |args| {
                args.short(offer.channels_max);
                args.long(offer.frame_bytes_max);
                args.short(offer.heartbeat_s);
            });
    }

    /// The peer is not. It is told so if it understands a close at this point; else the session is
    /// finished without a word, and the shell should wait a moment before it closes the socket.
    pub fn refuse_login(&mut self, sentence: &str) {
        self.connection.refuse_login(sentence);
    }
}

fn server_properties(offer: &Offer) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.as_bytes().into());
    let mut capabilities = FieldTable::default();
    for name in [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
        "exchange_exchange_bindings",
        "per_consumer_qos",
        "consumer_priorities",
    ] {
        insert(&mut capabilities, name, AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    insert(&mut properties, "product", text(&offer.product));
    insert(&mut properties, "version", text(&offer.version));
    insert(&mut properties, "platform", text(&offer.platform));
    insert(
        &mut properties,
        "capabilities",
        AMQPValue::FieldTable(capabilities),
    );
    properties
}

fn insert(table: &mut FieldTable, name: &str, value: AMQPValue) {
    if let Ok(name) = ShortString::try_new(name) {
        table.insert(name, value);
    }
}
