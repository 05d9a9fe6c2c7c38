//! Clients that go on whatever happens to the broker: publishers that send again what was not
//! confirmed, consumers that write down what they get.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions,
};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::Value;

use crate::told::Told;

/// How often it is looked whether the broker that is to answer is still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const TRY_EVERY: Duration = Duration::from_millis(50);
/// Publishes of one client on their way.
const WINDOW: usize = 48;

/// Where the broker is and who one is there.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) port: u16,
    pub(crate) certs: String,
    pub(crate) told: Arc<Told>,
}

impl Place {
    async fn connect(&self, name: &str) -> lapin::Result<(Connection, Channel)> {
        let identity = OwnedIdentity::PKCS8 {
            pem: read(&format!("{}/{name}.pem", self.certs)),
            key: read(&format!("{}/{name}.key", self.certs)),
        };
        let authority = String::from_utf8(read(&format!("{}/ca.pem", self.certs)));
        let tls = OwnedTLSConfig {
            identity: Some(identity),
            cert_chain: Some(authority.expect("PEM is text")),
        };
        let port = self.port;
        let uri = format!("amqps://localhost:{port}/%2f?auth_mechanism=external&heartbeat=10");
        let connection = Connection::connect_with_config(
            &uri,
            ConnectionProperties::default(),
            tls,
            lapin::runtime::default_runtime()?,
        );
        let connected = tokio::time::timeout(LOOK_EVERY, async {
            let connection = connection.await?;
            let channel = connection.create_channel().await?;
            Ok((connection, channel))
        });
        connected.await.unwrap_or_else(|_| Err(lost()))
    }

    fn is_finishing(&self) -> bool {
        self.told.lock().finishing
    }
}

/// Publishes events, each under a name of its own, until told to finish; ends when all are confirmed.
pub(crate) async fn publish(place: Place, client: &str, example: &Value) {
    let mut open: BTreeMap<u64, String> = BTreeMap::new();
    let mut next = 0;
    let mut clock = tokio::time::interval(TRY_EVERY);
    while !(place.is_finishing() && open.is_empty()) {
        clock.tick().await;
        // A lost connection is the point of this test: what is open is sent again on the next.
        if let Ok((connection, channel)) = place.connect("post-items").await {
            place.told.change(|told| told.reconnected += 1);
            let session = session(&place, &channel, (client, example), (&mut open, &mut next));
            if session.await.is_ok() {
                drop(connection.close(200, "bye".into()).await);
            }
        }
    }
}

async fn session(
    place: &Place,
    channel: &Channel,
    (client, example): (&str, &Value),
    (open, next): (&mut BTreeMap<u64, String>, &mut u64),
) -> lapin::Result<()> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut again: Vec<u64> = open.keys().copied().rev().collect();
    let mut waiting = FuturesUnordered::new();
    loop {
        while waiting.len() < WINDOW {
            let number = match again.pop() {
                Some(number) => number,
                None if place.is_finishing() => break,
                None => {
                    *next += 1;
                    open.insert(*next, format!("{client}-{next}"));
                    *next
                }
            };
            let name = open[&number].clone();
            place
                .told
                .change(|told| told.published.extend([name.clone()]));
            let confirm = send(channel, &name, example).await?;
            waiting.push(async move { (number, confirm.await) });
        }
        let answer = while_connected(channel, waiting.next()).await?;
        let Some((number, confirm)) = answer else {
            return Ok(());
        };
        let name = open.remove(&number).expect("it was open");
        match confirm {
            Ok(Confirmation::Ack(None)) => {
                place.told.change(|told| told.confirmed.extend([name]));
            }
            Ok(other) => {
                place
                    .told
                    .change(|told| told.faults.push(format!("{name}: {other:?}")));
            }
            Err(error) => {
                open.insert(number, name);
                return Err(error);
            }
        }
    }
}

async fn send(
    channel: &Channel,
    name: &str,
    example: &Value,
) -> lapin::Result<impl Future<Output = lapin::Result<Confirmation>> + use<>> {
    let mut event = example.clone();
    event["TransportMeans"]["JourneyID"] = name.into();
    let body = serde_json::to_vec(&event).expect("JSON");
    let properties = BasicProperties::default()
        .with_message_id(name.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2);
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    channel
        .basic_publish(
            "carnet".into(),
            "movement.event".into(),
            options,
            &body,
            properties,
        )
        .await
}

/// Consumes a queue as a system, for ever.
pub(crate) async fn consume(place: Place, system: &str, queue: &str) {
    let mut clock = tokio::time::interval(TRY_EVERY);
    loop {
        clock.tick().await;
        if let Ok((_connection, channel)) = place.connect(system).await {
            // It ends with the connection, which is opened again.
            drop(take(&place, &channel, queue).await);
        }
    }
}

/// What comes of a call, or that the connection ends: lapin leaves a call for ever unanswered whose
/// connection ends at the wrong moment.
async fn while_connected<T>(channel: &Channel, call: impl Future<Output = T>) -> lapin::Result<T> {
    let mut call = pin!(call);
    loop {
        match tokio::time::timeout(LOOK_EVERY, &mut call).await {
            Ok(answer) => return Ok(answer),
            Err(_) if channel.status().connected() => {}
            Err(_) => return Err(lost()),
        }
    }
}

async fn take(place: &Place, channel: &Channel, queue: &str) -> lapin::Result<()> {
    let options = BasicQosOptions::default();
    while_connected(channel, channel.basic_qos(100, options)).await??;
    let options = BasicConsumeOptions::default();
    let consume = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let mut consumer = while_connected(channel, consume).await??;
    let mut count = 0_u64;
    loop {
        let Ok(Some(delivery)) = while_connected(channel, consumer.next()).await else {
            return Ok(());
        };
        let delivery = delivery?;
        count += 1;
        note(place, queue, &delivery);
        // Some are left open for a while, some go back: a crash then finds all kinds of entries.
        if count.is_multiple_of(37) && !delivery.redelivered {
            let requeue = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            while_connected(channel, delivery.nack(requeue)).await??;
        } else if count.is_multiple_of(10) || delivery.redelivered || place.is_finishing() {
            let multiple = BasicAckOptions { multiple: true };
            while_connected(channel, delivery.ack(multiple)).await??;
        }
    }
}

fn note(place: &Place, queue: &str, delivery: &Delivery) {
    let body: Value = serde_json::from_slice(&delivery.data).expect("a delivery is JSON");
    let properties = &delivery.properties;
    place.told.change(|told| {
        if queue == "receipts" {
            let name = properties.correlation_id().as_ref();
            let name = name.map_or("", |name| name.as_str());
            let number = body["sequence"].as_u64().unwrap_or_default();
            told.receipt(number, name, delivery.redelivered);
        } else {
            let name = body["TransportMeans"]["JourneyID"].as_str();
            let headers = properties.headers().as_ref();
            let number = headers.and_then(|h| h.inner().get("x-carnet-sequence"));
            let number = match number {
                Some(AMQPValue::LongString(text)) => text.to_string().parse().unwrap_or_default(),
                _ => 0,
            };
            told.arrived(number, name.unwrap_or_default(), delivery.redelivered);
        }
    });
}

fn lost() -> lapin::Error {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client reads its certificates and its message"
)]
pub(crate) fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
