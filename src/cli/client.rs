//! An agency's system as the AMQP client it is: connected with its certificate, publishing with
//! confirms, consuming with acks. What any stock client can do, and nothing beside it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::tcp::{AsyncTcpStream, OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPQueryString, AMQPScheme, AMQPUri, SASLMechanism};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind,
    Event, PublisherConfirm,
};
use rustls::CertificateError;

use super::failed::Failed;
use crate::config::{Address, Config, read_file};
use crate::message::id::{AgencyId, SystemId};

/// Seconds between heartbeats.
const HEARTBEAT_S: u16 = 10;
/// Messages that a consumer may hold unsettled.
const PREFETCH: u16 = 200;

/// Where a broker is, and the folder with `ca.pem` and a certificate and key for each system.
#[derive(Debug, Clone)]
pub(super) struct Broker {
    pub(super) address: Address,
    /// The name that its certificate must bear.
    pub(super) server_name: String,
    pub(super) certs: PathBuf,
}

/// How a client finds the broker, beside `--amqp`.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The name in the broker's certificate, where it is not the host of --amqp
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
}

/// The folder of certificates; where there is none and none was named, the one that `serve --dev` wrote
/// into the data folder: a folder that was named is used alone.
pub(super) fn certs(config: &Config) -> PathBuf {
    let own = config.certs != Path::new("certs") || config.certs.join("ca.pem").exists();
    if own {
        config.certs.clone()
    } else {
        config.data.join("certs")
    }
}

/// Where a client reaches what listens at `address`: this machine, where that is all of its addresses.
pub(super) fn reached(address: &Address) -> Address {
    let everywhere = address.host.parse();
    let mut reached = address.clone();
    if everywhere.is_ok_and(|ip: IpAddr| ip.is_unspecified()) {
        "localhost".clone_into(&mut reached.host);
    }
    reached
}

impl Broker {
    /// The broker of this configuration.
    pub(super) fn of(config: &Config, server: &Server) -> Self {
        let address = reached(&config.amqp);
        Self {
            server_name: server
                .server_name
                .clone()
                .unwrap_or_else(|| address.host.clone()),
            address,
            certs: certs(config),
        }
    }

    /// The broker on this machine that a command has started itself.
    pub(super) fn local(port: u16, certs: PathBuf) -> Self {
        let host = "localhost".to_owned();
        Self {
            server_name: host.clone(),
            address: Address { host, port },
            certs,
        }
    }
}

/// Why a client could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// A certificate or key cannot be read.
    #[error(
        "{0}; `carnet agency list` names the systems, and `carnet serve --dev` writes certificates to its data folder"
    )]
    Certificate(#[from] io::Error),
    /// A text that AMQP cannot carry: its short texts end at 255 bytes.
    #[error("'{0}' is longer than AMQP can carry")]
    TooLong(String),
    /// No broker answers at the address.
    #[error(
        "no broker at {address}: {error}; start one with `carnet serve --dev`, or give its --amqp"
    )]
    NoBroker {
        /// Where.
        address: Address,
        /// Why.
        error: lapin::Error,
    },
    /// It is not the broker that was meant, or its certificate is not in order.
    #[error("the certificate of {address} {says}")]
    Server {
        /// Where.
        address: Address,
        /// What is wrong with it, and what to do.
        says: String,
    },
    /// It ended the connection before a word of AMQP.
    #[error("{address} {says}; `carnet agency show {agency}` on its machine says why")]
    Declined {
        /// Where.
        address: Address,
        /// What it said, if anything.
        says: String,
        /// The agency that the certificate is of.
        agency: AgencyId,
    },
    /// The connection failed, or the broker closed it.
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    /// The broker ended the consumer.
    #[error("the broker ended the consumer of this queue")]
    Ended,
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        Self::cannot_run(error)
    }
}

/// A message to publish, as the sender writes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Outgoing {
    pub(super) message_type: String,
    pub(super) id: String,
    pub(super) correlation_id: Option<String>,
    /// Headers that are set, by name: `to`, `case`, `purpose`, `handling`.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What the broker answered to a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Confirmed without a return: decided, logged, and released to at least one unit.
    Accepted,
    /// Confirmed, and returned with a reason.
    Refused { code: u16, says: String },
    /// Not taken: the broker cannot store it. To be sent again with the same id.
    NotStored,
}

/// What the broker says of all publishes of a connection.
#[derive(Debug)]
pub(super) enum Notice {
    /// It takes none for now, and why.
    Blocked(String),
    Unblocked,
}

/// A publish whose answer has not come yet.
pub(super) struct InFlight(PublisherConfirm);

impl InFlight {
    /// Waits for the confirm; a return comes before it.
    pub(super) async fn answer(self) -> Result<Answer, ClientError> {
        Ok(match self.0.await? {
            Confirmation::Ack(None) => Answer::Accepted,
            Confirmation::Ack(Some(returned)) => Answer::Refused {
                code: returned.reply_code,
                says: returned.reply_text.to_string(),
            },
            Confirmation::Nack(_) | Confirmation::NotRequested => Answer::NotStored,
        })
    }
}

/// A connected system.
pub(super) struct Client {
    connection: Connection,
    channel: Channel,
}

impl Client {
    /// Connects with the system's certificate and asks for confirms.
    pub(super) async fn connect(broker: &Broker, system: &SystemId) -> Result<Self, ClientError> {
        let name = format!("{}-{}", system.agency, system.system);
        let read = |file: String| read_file(&broker.certs.join(file));
        let tls = OwnedTLSConfig {
            identity: Some(OwnedIdentity::PKCS8 {
                pem: read(format!("{name}.pem"))?,
                key: read(format!("{name}.key"))?,
            }),
            cert_chain: Some(String::from_utf8_lossy(&read("ca.pem".to_owned())?).into_owned()),
        };
        let connection = open(broker, tls).await;
        let connection = connection.map_err(|error| not_connected(error, broker, system))?;
        let channel = connection.create_channel().await?;
        let confirms = ConfirmSelectOptions::default();
        channel.confirm_select(confirms).await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        Ok(Self {
            connection,
            channel,
        })
    }

    /// What the broker says of publishing as such, from now on.
    pub(super) fn notices(&self) -> impl Stream<Item = Notice> + 'static {
        let notice = |event| match event {
            Event::ConnectionBlocked(why) => Some(Notice::Blocked(why)),
            Event::ConnectionUnblocked => Some(Notice::Unblocked),
            _ => None,
        };
        let events = self.connection.events_listener();
        events.filter_map(move |event| std::future::ready(notice(event)))
    }

    /// Whether the broker takes nothing for now: what this client would send, waits.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Publishes and waits for the answer.
    pub(super) async fn publish(&self, message: &Outgoing) -> Result<Answer, ClientError> {
        self.send(message).await?.answer().await
    }

    /// Publishes; the answer is waited for by the caller, so that many can be in flight.
    pub(super) async fn send(&self, message: &Outgoing) -> Result<InFlight, ClientError> {
        let mut headers = FieldTable::default();
        for (name, value) in &message.headers {
            let value = AMQPValue::LongString(value.as_str().into());
            headers.insert(short(name)?, value);
        }
        let mut properties = BasicProperties::default()
            .with_message_id(short(&message.id)?)
            .with_content_type(short("application/json")?)
            .with_delivery_mode(2)
            .with_headers(headers);
        if let Some(id) = &message.correlation_id {
            properties = properties.with_correlation_id(short(id)?);
        }
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let (exchange, key) = (short("carnet")?, short(&message.message_type)?);
        let body = &message.body;
        let sent = self
            .channel
            .basic_publish(exchange, key, options, body, properties);
        Ok(InFlight(sent.await?))
    }

    /// Consumes a queue of the system's agency.
    pub(super) async fn consume(&self, queue: &str) -> Result<Inbox, ClientError> {
        let options = BasicConsumeOptions::default();
        let consumer = self
            .channel
            .basic_consume(short(queue)?, short("")?, options, FieldTable::default())
            .await?;
        Ok(Inbox(consumer))
    }

    /// Messages that wait in a queue. What was to be delivered to this client before the question
    /// was answered has been delivered when it returns.
    pub(super) async fn waiting(&self, queue: &str) -> Result<u32, ClientError> {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self
            .channel
            .queue_declare(short(queue)?, options, FieldTable::default())
            .await?;
        Ok(declared.message_count())
    }

    /// Says goodbye; acks that were sent have been read by the broker then.
    pub(super) async fn close(self) -> Result<(), ClientError> {
        Ok(self.connection.close(200, short("bye")?).await?)
    }
}

/// A consumed queue.
pub(super) struct Inbox(Consumer);

impl Inbox {
    /// The next message, waited for.
    pub(super) async fn next(&mut self) -> Result<Arrival, ClientError> {
        let delivery = self.0.next().await.ok_or(ClientError::Ended)??;
        Ok(Arrival::of(delivery))
    }

    /// The next message where one is here already.
    pub(super) fn here(&mut self) -> Result<Option<Arrival>, ClientError> {
        match self.0.next().now_or_never() {
            None => Ok(None),
            Some(None) => Err(ClientError::Ended),
            Some(Some(delivery)) => Ok(Some(Arrival::of(delivery?))),
        }
    }
}

/// A delivery.
#[derive(Debug)]
pub(super) struct Arrival {
    /// `<type>.<sender agency>`.
    pub(super) key: String,
    /// The unit's own id of it; empty for receipts.
    pub(super) message_id: String,
    pub(super) correlation_id: String,
    pub(super) redelivered: bool,
    /// Headers whose values are text.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    delivery: Delivery,
}

impl Arrival {
    fn of(mut delivery: Delivery) -> Self {
        let body = std::mem::take(&mut delivery.data);
        let text = |text: &Option<ShortString>| text.as_ref().map_or(String::new(), short_text);
        let properties = &delivery.properties;
        let table = properties.headers().iter().flat_map(FieldTable::inner);
        let headers = table.filter_map(|(name, value)| match value {
            AMQPValue::LongString(text) => Some((short_text(name), text.to_string())),
            _ => None,
        });
        Self {
            key: short_text(&delivery.routing_key),
            message_id: text(properties.message_id()),
            correlation_id: text(properties.correlation_id()),
            redelivered: delivery.redelivered,
            headers: headers.collect(),
            body,
            delivery,
        }
    }

    /// A header's text, empty where it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Settles it: it does not come again.
    pub(super) async fn ack(&self) -> Result<(), ClientError> {
        self.delivery.ack(BasicAckOptions::default()).await?;
        Ok(())
    }
}

/// Connects to the address, and takes the server for what its certificate says it is.
async fn open(broker: &Broker, tls: OwnedTLSConfig) -> lapin::Result<Connection> {
    let Address { host, port } = broker.address.clone();
    let name = broker.server_name.clone();
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQPS,
        query: AMQPQueryString {
            auth_mechanism: Some(SASLMechanism::External),
            heartbeat: Some(HEARTBEAT_S),
            ..AMQPQueryString::default()
        },
        ..AMQPUri::default()
    };
    let runtime = lapin::runtime::default_runtime();
    let io = |error: io::Error| lapin::Error::from(ErrorKind::IOError(Arc::new(error)));
    Connection::connector(
        uri,
        runtime?,
        async move |_, runtime| {
            let found = runtime.to_socket_addrs((host.clone(), port));
            let stream = AsyncTcpStream::connect(&runtime, found).await;
            let stream = stream.map_err(io)?.into_tls(&name, tls.as_ref()).await;
            stream.map_err(io)
        },
        ConnectionProperties::default(),
    )
    .await
}

/// What the broker's alert says of the certificate that it was shown.
fn refused_by(alert: rustls::AlertDescription) -> String {
    use rustls::AlertDescription as Alert;
    let says = match alert {
        Alert::UnknownCA => "its issuer is not one that its agency lists",
        Alert::CertificateExpired => "it, or one above it, has ended or not begun",
        Alert::AccessDenied => "its name is no system's there, or not from this address",
        Alert::DecryptError => "the key is another certificate's",
        Alert::CertificateRequired => "none was sent",
        Alert::UnsupportedCertificate => "key, use or chain are not what the broker takes",
        other => return format!("ended the TLS handshake: {other:?}"),
    };
    format!("does not let this certificate in: {says}")
}

/// The reason why there is no connection: no broker there, another one, or not let in.
fn not_connected(error: lapin::Error, broker: &Broker, system: &SystemId) -> ClientError {
    let address = broker.address.clone();
    let ErrorKind::IOError(failed) = error.kind() else {
        return ClientError::Broker(error);
    };
    let tls = failed.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(rustls::Error::InvalidCertificate(invalid)) = tls {
        let says = bad_certificate(invalid, broker);
        return ClientError::Server { address, says };
    }
    if let Some(rustls::Error::AlertReceived(alert)) = tls {
        let (agency, says) = (system.agency.clone(), refused_by(*alert));
        return ClientError::Declined {
            address,
            says,
            agency,
        };
    }
    let is_let_go = matches!(
        failed.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    );
    if is_let_go {
        let agency = system.agency.clone();
        let says = "ended the connection at once: it does not know this certificate".to_owned();
        return ClientError::Declined {
            address,
            says,
            agency,
        };
    }
    ClientError::NoBroker { address, error }
}

fn bad_certificate(invalid: &CertificateError, broker: &Broker) -> String {
    let (name, certs) = (&broker.server_name, broker.certs.display());
    match invalid {
        CertificateError::NotValidForName => {
            format!("is not for {name}; connect to a host that it names, or say --server-name")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| in_certificate(name)).collect();
            format!(
                "is for {}, and not for {name}; connect to that, or say --server-name",
                names.join(", ")
            )
        }
        // A bad signature: an authority of that name, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("was not issued by {certs}/ca.pem; put the broker's ca.pem there")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has ended; the broker's operator renews it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "has not begun; compare the clocks".to_owned()
        }
        other => format!(
            "is not accepted: {other}; the broker's operator can look at it with `carnet check`"
        ),
    }
}

/// A name as it is written, where it comes as `DnsName("localhost")` or `IpAddress(127.0.0.1)`.
fn in_certificate(name: &str) -> &str {
    let written = name.split_once('(').map_or(name, |(_, written)| written);
    written.trim_end_matches(')').trim_matches('"')
}

fn short_text(text: &ShortString) -> String {
    text.as_str().to_owned()
}

fn short(text: &str) -> Result<ShortString, ClientError> {
    ShortString::try_new(text).map_err(|_| ClientError::TooLong(text.to_owned()))
}
