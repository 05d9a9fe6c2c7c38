//! From the first octet to an open connection: header, login, tuning, vhost.
//!
//! A machine of its own: it takes the peer's header and methods and the broker's judgement of a
//! login, writes what the peer is to hear, and says where that leads. It knows nothing of channels.

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use crate::amqp::codec::{ClientMethod, Login, MethodId};
use crate::amqp::frame::{ChannelId, EARLY_PROTOCOL_HEADER, PROTOCOL_HEADER};
use crate::amqp::reply::{Misbehaved, Reply, ReplyCode};

use super::offer::Offer;
use super::outbox::Outbox;
use super::tuned::{Client, Tuned};

/// How long it may take from the first octet to connection.open.
const HANDSHAKE_MS_MAX: u64 = 10_000;
/// The one virtual host: an agency's namespace follows from its certificate.
const VHOST: &str = "/";

/// What is awaited.
#[derive(Clone, Copy, Debug)]
enum Opening {
    Header,
    StartOk,
    /// The broker's judgement of the login.
    Verdict(Client),
    TuneOk(Client),
    Open(Client, Tuned),
}

/// A handshake under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handshake {
    deadline_ms: u64,
    opening: Opening,
}

/// Where a step of the handshake leads.
#[derive(Debug)]
pub(super) enum Progress {
    /// To the next step.
    GoesOn,
    /// To the broker, which judges this login.
    Login(Login),
    /// To an open connection, as agreed.
    Open(Client, Tuned),
    /// To the end, because the login is declined: by a close where the peer understands one at this
    /// point, else without a word.
    Declined { reply: Reply, by_close: bool },
    /// To the end, because the peer speaks another protocol.
    WrongProtocol,
}

impl Handshake {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            deadline_ms: now_ms.saturating_add(HANDSHAKE_MS_MAX),
            opening: Opening::Header,
        }
    }

    /// When it must be over, in the milliseconds of the session's clock.
    pub(super) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// What was agreed, once it was.
    pub(super) fn tuned(&self) -> Option<Tuned> {
        match self.opening {
            Opening::Open(_, tuned) => Some(tuned),
            _ => None,
        }
    }

    pub(super) fn awaits_header(&self) -> bool {
        matches!(self.opening, Opening::Header)
    }

    /// Whether nothing is parsed until the broker has judged the login.
    pub(super) fn awaits_verdict(&self) -> bool {
        matches!(self.opening, Opening::Verdict(_))
    }

    /// The first eight octets.
    pub(super) fn header(&mut self, header: [u8; 8], offer: &Offer, out: &mut Outbox) -> Progress {
        if ![PROTOCOL_HEADER, EARLY_PROTOCOL_HEADER].contains(&header) {
            out.protocol_header();
            return Progress::WrongProtocol;
        }
        self.opening = Opening::StartOk;
        out.method(ChannelId::CONNECTION, MethodId::CONNECTION_START, |args| {
            args.octet(0);
            args.octet(9);
            args.table(&server_properties(offer));
            args.long_string(offer.mechanisms.as_bytes());
            args.long_string(b"en_US");
        });
        Progress::GoesOn
    }

    /// A method of the peer.
    ///
    /// # Errors
    /// 503 where it is not due, 530 where it asks for what is not offered.
    pub(super) fn method(
        &mut self,
        id: MethodId,
        method: ClientMethod<'_>,
        offer: &Offer,
        out: &mut Outbox,
    ) -> Result<Progress, Misbehaved> {
        match (self.opening, method) {
            (Opening::StartOk, ClientMethod::StartOk(login)) => {
                self.opening = Opening::Verdict(Client::of(&login));
                let mechanism = login.mechanism.as_str();
                if offer.mechanisms.split(' ').any(|it| it == mechanism) {
                    return Ok(Progress::Login(login));
                }
                let offered = offer.mechanisms;
                let sentence = format!("mechanism '{mechanism}', on offer is {offered}");
                Ok(self.decline(&sentence))
            }
            (Opening::TuneOk(client), ClientMethod::TuneOk(wanted)) => {
                let tuned = Tuned::agree(offer, &wanted)?;
                self.opening = Opening::Open(client, tuned);
                out.set_frame_max(tuned.frame_bytes_max);
                Ok(Progress::GoesOn)
            }
            (Opening::Open(client, tuned), ClientMethod::Open { vhost: VHOST }) => {
                let ok = MethodId::CONNECTION_OPEN_OK;
                out.method(ChannelId::CONNECTION, ok, |args| args.short_string(""));
                Ok(Progress::Open(client, tuned))
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

    /// The broker takes the peer for who it says it is. Without effect where no login waits.
    pub(super) fn accept(&mut self, offer: &Offer, out: &mut Outbox) {
        let Opening::Verdict(client) = self.opening else {
            return;
        };
        self.opening = Opening::TuneOk(client);
        out.method(ChannelId::CONNECTION, MethodId::CONNECTION_TUNE, |args| {
            args.short(offer.channels_max);
            args.long(offer.frame_bytes_max);
            args.short(offer.heartbeat_s);
        });
    }

    /// The broker does not. Without effect where no login waits.
    pub(super) fn decline(&self, sentence: &str) -> Progress {
        match self.opening {
            Opening::Verdict(client) => Progress::Declined {
                reply: Reply::new(ReplyCode::AccessRefused, sentence),
                by_close: client.authentication_failure_close,
            },
            _ => Progress::GoesOn,
        }
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
