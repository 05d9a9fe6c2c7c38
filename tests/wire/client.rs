//! A client that can break every rule: TLS by rustls, everything above it by hand.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use crate::broker::Broker;
pub(crate) use crate::message::{LARGEST_BODY, Message};
use crate::octets::{Octets, Properties, Reader, Table, Value, method};
use crate::trust::{certificates, trusting};

/// Far beyond any deadline of the broker's: what is waited for so long never comes.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);
pub(crate) const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";

/// A certificate with its chain, and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// What the broker said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Method {
        channel: u16,
        id: (u16, u16),
        arguments: Vec<u8>,
    },
    Content(Box<Content>),
    /// The end, without a reset.
    End,
}

/// A return, a delivery or what was got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Content {
    pub(crate) channel: u16,
    pub(crate) id: (u16, u16),
    pub(crate) arguments: Vec<u8>,
    pub(crate) raw_properties: Vec<u8>,
    pub(crate) properties: Properties,
    pub(crate) body: Vec<u8>,
}

/// A delivery's method.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) consumer: String,
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) left: Option<u32>,
    pub(crate) properties: Properties,
    pub(crate) body: String,
}

/// Code, text, and the method that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closed {
    pub(crate) channel: u16,
    pub(crate) code: u16,
    pub(crate) text: String,
    pub(crate) failed: (u16, u16),
}

/// What became of a publish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) returned: Option<(u16, String)>,
}

impl Outcome {
    /// The return's code and text.
    pub(crate) fn refusal(self) -> (u16, String) {
        self.returned.expect("a return before the ack")
    }
}

/// A TLS connection on which anything can be written.
pub(crate) struct Wire {
    stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
    /// Everything received, for comparisons.
    pub(crate) seen: Vec<u8>,
    /// Heartbeats that came between other things.
    pub(crate) heartbeats: u32,
    /// Whether each of those is answered by one.
    pub(crate) answers_heartbeats: bool,
    /// Whether it passes over that it is held up for a while, and that it goes on: that is a matter of
    /// how fast the machine is.
    pub(crate) is_patient: bool,
}

impl Wire {
    /// Connects; TLS's handshake is done when this returns, as far as the client's side goes.
    pub(crate) fn connect(broker: &Broker, identity: Option<&Identity>) -> io::Result<Self> {
        Self::connect_by(broker, identity, rustls::DEFAULT_VERSIONS)
    }

    pub(crate) fn connect_by(
        broker: &Broker,
        identity: Option<&Identity>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let config = trusting(broker, versions);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                let certified = config.with_client_auth_cert(certificates(chain), key);
                certified.expect("certificate and key belong together")
            }
        };
        Self::connect_with(broker, Arc::new(config))
    }

    /// Connects by TLS of the test's own.
    pub(crate) fn connect_with(broker: &Broker, config: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut socket = plain(broker)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self {
            stream: StreamOwned::new(tls, socket),
            unread: Vec::new(),
            seen: Vec::new(),
            heartbeats: 0,
            answers_heartbeats: false,
            is_patient: false,
        })
    }

    /// Whether TLS began anew or went on with an earlier session.
    pub(crate) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.stream.conn.handshake_kind()
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        // Where the broker has closed already, what it said before is what a test looks at.
        if let Err(error) = self.try_send(octets) {
            assert!(is_gone(&error), "cannot write: {error}");
        }
    }

    pub(crate) fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    /// Up to `count` octets; fewer at the end.
    pub(crate) fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            let mut part = [0; 16_384];
            let read = self.stream.read(&mut part)?;
            if read == 0 {
                break;
            }
            self.unread.extend_from_slice(&part[..read]);
        }
        let taken: Vec<u8> = self.unread.drain(..count.min(self.unread.len())).collect();
        self.seen.extend_from_slice(&taken);
        Ok(taken)
    }

    /// Whether nothing has come that was not read.
    pub(crate) fn is_silent(&mut self) -> bool {
        let mut part = [0; 16_384];
        let waits = |wire: &Self, waits: bool| wire.stream.sock.set_nonblocking(!waits);
        waits(self, false).expect("a socket");
        let read = self.stream.read(&mut part);
        waits(self, true).expect("a socket");
        let count = read.unwrap_or_default();
        self.unread.extend_from_slice(&part[..count]);
        self.unread.is_empty()
    }

    /// The next frame but a heartbeat; none at the end.
    pub(crate) fn frame(&mut self) -> Option<(u8, u16, Vec<u8>)> {
        let head = self.read(7).expect("an end without a reset");
        if head.is_empty() {
            return None;
        }
        let mut from = Reader(&head);
        let (kind, channel, size) = (from.octet(), from.short(), from.long());
        let size = usize::try_from(size).unwrap();
        let mut payload = self.read(size + 1).expect("a whole frame");
        assert_eq!((payload.len(), payload.pop()), (size + 1, Some(0xCE)));
        match kind {
            8 => {
                self.heartbeats += 1;
                if self.answers_heartbeats {
                    self.send(&crate::octets::frame(8, 0, &[]));
                }
                self.frame()
            }
            _ => Some((kind, channel, payload)),
        }
    }

    /// The next thing that the broker says.
    pub(crate) fn told(&mut self) -> Told {
        let Some((kind, channel, payload)) = self.frame() else {
            return Told::End;
        };
        assert_eq!(kind, 1, "content without a method");
        let mut from = Reader(&payload);
        let id = (from.short(), from.short());
        let arguments = from.0.to_vec();
        if self.is_patient && matches!(id, (10, 60 | 61)) {
            return self.told();
        }
        if !matches!(id, (60, 50 | 60 | 71)) {
            return Told::Method {
                channel,
                id,
                arguments,
            };
        }
        let (kind, on, head) = self.frame().expect("a header after its method");
        assert_eq!((kind, on), (2, channel));
        let mut from = Reader(&head);
        assert_eq!((from.short(), from.short()), (60, 0));
        let size = usize::try_from(from.longlong()).unwrap();
        let raw_properties = from.0.to_vec();
        let mut body = Vec::new();
        while body.len() < size {
            let (kind, on, part) = self.frame().expect("a body after its header");
            assert_eq!((kind, on), (3, channel));
            body.extend(part);
        }
        Told::Content(Box::new(Content {
            channel,
            id,
            arguments,
            properties: Properties::read(&raw_properties),
            raw_properties,
            body,
        }))
    }

    /// What closes the connection or a channel.
    pub(crate) fn closed(&mut self) -> Closed {
        let told = self.told();
        let Told::Method {
            channel,
            id: (10, 50) | (20, 40),
            arguments,
        } = told
        else {
            panic!("not a close: {told:?}");
        };
        let mut from = Reader(&arguments);
        let (code, text) = (from.short(), from.name());
        let failed = (from.short(), from.short());
        let connection = channel == 0;
        let ok = if connection { (10, 51) } else { (20, 41) };
        self.send(&method(channel, ok, Octets::new()));
        if connection {
            assert_eq!(
                self.told(),
                Told::End,
                "nothing follows a close but the end"
            );
        }
        Closed {
            channel,
            code,
            text,
            failed,
        }
    }

    /// A method of this id on this channel; its arguments.
    pub(crate) fn expect(&mut self, channel: u16, id: (u16, u16)) -> Vec<u8> {
        match self.told() {
            Told::Method {
                channel: on,
                id: is,
                arguments,
            } if (on, is) == (channel, id) => arguments,
            other => panic!("{id:?} on channel {channel} was due, came {other:?}"),
        }
    }

    pub(crate) fn content(&mut self, id: (u16, u16)) -> Content {
        match self.told() {
            Told::Content(content) if content.id == id => *content,
            other => panic!("content of {id:?} was due, came {other:?}"),
        }
    }

    /// Header, login, tuning, vhost.
    pub(crate) fn log_in(&mut self, heartbeat_s: u16) {
        self.start("EXTERNAL", b"");
        self.agree(heartbeat_s);
    }

    /// Header and login; gives what the broker began with.
    pub(crate) fn start(&mut self, mechanism: &str, response: &[u8]) -> Vec<u8> {
        self.send(PROTOCOL);
        let offered = self.expect(0, (10, 10));
        let flag = |name: &str| (name.to_owned(), Value::Bool(true));
        let capabilities: Table = [
            "consumer_cancel_notify",
            "connection.blocked",
            "authentication_failure_close",
        ]
        .map(flag)
        .into();
        let properties = vec![("capabilities".to_owned(), Value::Table(capabilities))];
        let start_ok = Octets::new().table(&properties).name(mechanism);
        self.send(&method(0, (10, 11), start_ok.text(response).name("en_US")));
        offered
    }

    /// Tuning and vhost, once the login is taken.
    pub(crate) fn agree(&mut self, heartbeat_s: u16) {
        self.expect(0, (10, 30));
        let tune_ok = Octets::new().short(2047).long(131_072).short(heartbeat_s);
        self.send(&method(0, (10, 31), tune_ok));
        let open = Octets::new().name("/").name("").octet(0);
        self.send(&method(0, (10, 40), open));
        self.expect(0, (10, 41));
    }
}

/// A TCP connection without TLS.
pub(crate) fn plain(broker: &Broker) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], broker.port())))?;
    socket.set_read_timeout(Some(ANSWERS_WITHIN))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
    )
}

/// A system that keeps the rules, on channel 1 unless a test says otherwise.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    confirms: bool,
    /// Publishes on channel 1 so far, since it confirms.
    pub(crate) published: u64,
}

impl Client {
    pub(crate) fn open(broker: &Broker, identity: Option<&Identity>) -> Self {
        let mut wire = Wire::connect(broker, identity).expect("TLS");
        wire.log_in(0);
        Self::on(wire)
    }

    /// Channel 1 of a connection that is logged in.
    pub(crate) fn on(wire: Wire) -> Self {
        let mut client = Self {
            wire,
            confirms: false,
            published: 0,
        };
        client.open_channel(1);
        client
    }

    /// Sends a method and awaits its answer.
    pub(crate) fn call(&mut self, channel: u16, id: (u16, u16), arguments: Octets) -> Vec<u8> {
        self.wire.send(&method(channel, id, arguments));
        self.wire.expect(channel, (id.0, id.1 + 1))
    }

    /// Sends a method that closes the channel, which is open again when this returns.
    pub(crate) fn refused(&mut self, id: (u16, u16), arguments: Octets) -> (u16, String) {
        self.wire.send(&method(1, id, arguments));
        let closed = self.wire.closed();
        assert_eq!((closed.channel, closed.failed), (1, id), "{closed:?}");
        self.open_channel(1);
        if self.confirms {
            self.select_confirms();
        }
        (closed.code, closed.text)
    }

    pub(crate) fn open_channel(&mut self, channel: u16) {
        self.call(channel, (20, 10), Octets::new().name(""));
    }

    /// Confirms from now on, on channel 1.
    pub(crate) fn confirming(mut self) -> Self {
        self.select_confirms();
        self
    }

    fn select_confirms(&mut self) {
        self.call(1, (85, 10), Octets::new().octet(0));
        self.confirms = true;
        self.published = 0;
    }

    /// Publishes on channel 1 and awaits the confirm. A return must be as it was published.
    pub(crate) fn publish(&mut self, message: &Message) -> Outcome {
        self.wire.send(&message.frames(1));
        self.outcome(message)
    }

    /// What becomes of a publish that was sent on channel 1. Of a body that is too large nothing comes
    /// back.
    pub(crate) fn outcome(&mut self, message: &Message) -> Outcome {
        let fits = message.body.len() <= LARGEST_BODY;
        self.published += 1;
        let mut told = self.wire.told();
        let mut returned = None;
        if let Told::Content(content) = told {
            assert_eq!((content.channel, content.id), (1, (60, 50)));
            assert_eq!(content.raw_properties, message.properties.octets());
            assert_eq!(
                content.body,
                if fits { message.body.as_bytes() } else { b"" }
            );
            let mut from = Reader(&content.arguments);
            let reply = (from.short(), from.name());
            assert_eq!(
                (from.name(), from.name()),
                (message.exchange.to_owned(), message.key.clone())
            );
            returned = Some(reply);
            told = self.wire.told();
        }
        let tag = Octets::new().longlong(self.published).octet(0).0;
        let ack = Told::Method {
            channel: 1,
            id: (60, 80),
            arguments: tag,
        };
        assert_eq!(told, ack, "an ack of this publish alone");
        Outcome { returned }
    }

    pub(crate) fn declare(
        &mut self,
        queue: &str,
        bits: u8,
        arguments: &Table,
    ) -> (String, u32, u32) {
        let told = self.call(1, (50, 10), declare(queue, bits, arguments));
        let mut from = Reader(&told);
        (from.name(), from.long(), from.long())
    }

    /// Prefetch for each consumer, or for the channel.
    pub(crate) fn prefetch(&mut self, count: u16, global: bool) {
        let arguments = Octets::new().long(0).short(count).octet(u8::from(global));
        self.call(1, (60, 10), arguments);
    }

    pub(crate) fn consume(&mut self, queue: &str, tag: &str, bits: u8) {
        self.call(1, (60, 20), consume(queue, tag, bits));
    }

    pub(crate) fn delivery(&mut self) -> Delivery {
        let content = self.wire.content((60, 60));
        let mut from = Reader(&content.arguments);
        Delivery {
            consumer: from.name(),
            tag: from.longlong(),
            redelivered: from.octet() != 0,
            exchange: from.name(),
            key: from.name(),
            left: None,
            properties: content.properties,
            body: String::from_utf8(content.body).expect("text"),
        }
    }

    /// What a get brings, if anything.
    pub(crate) fn get(&mut self, queue: &str, no_ack: bool) -> Option<Delivery> {
        let arguments = Octets::new().short(0).name(queue).octet(u8::from(no_ack));
        self.wire.send(&method(1, (60, 70), arguments));
        let content = match self.wire.told() {
            Told::Content(content) => content,
            Told::Method { id: (60, 72), .. } => return None,
            other => panic!("neither got nor empty: {other:?}"),
        };
        let mut from = Reader(&content.arguments);
        Some(Delivery {
            consumer: String::new(),
            tag: from.longlong(),
            redelivered: from.octet() != 0,
            exchange: from.name(),
            key: from.name(),
            left: Some(from.long()),
            properties: content.properties,
            body: String::from_utf8(content.body).expect("text"),
        })
    }

    /// Gets until something is there.
    pub(crate) fn wait_for(&mut self, queue: &str) -> Delivery {
        for _ in 0..2_000 {
            if let Some(got) = self.get(queue, true) {
                return got;
            }
        }
        panic!("nothing came into {queue}");
    }

    pub(crate) fn ack(&mut self, tag: u64, multiple: bool) {
        let arguments = Octets::new().longlong(tag).octet(u8::from(multiple));
        self.wire.send(&method(1, (60, 80), arguments));
    }

    /// Nack of one delivery.
    pub(crate) fn nack(&mut self, tag: u64, requeue: bool) {
        let arguments = Octets::new().longlong(tag).octet(u8::from(requeue) << 1);
        self.wire.send(&method(1, (60, 120), arguments));
    }

    /// Everything before was answered, and nothing more was said.
    pub(crate) fn quiet(&mut self) {
        self.call(1, (20, 20), Octets::new().octet(1));
    }
}

/// Arguments of a declare; bits: passive 1, durable 2, exclusive 4, auto-delete 8.
pub(crate) fn declare(queue: &str, bits: u8, arguments: &Table) -> Octets {
    Octets::new()
        .short(0)
        .name(queue)
        .octet(bits)
        .table(arguments)
}

/// Arguments of a bind.
pub(crate) fn bind(queue: &str, exchange: &str, key: &str) -> Octets {
    let names = Octets::new().short(0).name(queue).name(exchange).name(key);
    names.octet(0).table(&Table::new())
}

/// Arguments of a consume; bits: no-local 1, no-ack 2, exclusive 4, no-wait 8.
pub(crate) fn consume(queue: &str, tag: &str, bits: u8) -> Octets {
    let names = Octets::new().short(0).name(queue).name(tag);
    names.octet(bits).table(&Table::new())
}

/// Arguments with a queue's name alone, as get, purge and delete have them.
pub(crate) fn named(queue: &str) -> Octets {
    Octets::new().short(0).name(queue).octet(0)
}
