//! Rust, lapin: async, reconnecting by hand.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::BasicReturnMessage;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions,
};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, Event,
};
use serde_json::{Value, json};

use crate::client::Say;

const TRIES_MAX: u32 = 60;
const TRY_EVERY: Duration = Duration::from_millis(500);
const ARRIVES_WITHIN: Duration = Duration::from_secs(15);

pub(crate) fn run(port: u16, certs: &str, item: &str, say: &Say) {
    // A process has one TLS provider, chosen once; another client in it may have been first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(converse(port, certs, item, say))
        .expect("no step failed");
}

async fn converse(port: u16, certs: &str, item: &str, say: &Say) -> lapin::Result<()> {
    let body = read(item);
    let mut systems = Systems::open(port, certs).await?;
    say(json!({"step": "connected"}));
    systems
        .publish("lapin-1", "customs/main", &body, say)
        .await?;
    systems.receive(say).await?;
    systems
        .publish("lapin-refused", "environment/main", &body, say)
        .await?;

    let loss = systems.loss();
    say(json!({"step": "waiting"}));
    say(json!({"step": "lost", "reason": loss.await}));
    let mut systems = reopened(port, certs, say).await?;
    systems
        .publish("lapin-2", "customs/main", &body, say)
        .await?;
    systems.receive(say).await?;
    systems.sender.close(200, "bye".into()).await?;
    systems.receiver.close(200, "bye".into()).await?;
    say(json!({"step": "done"}));
    Ok(())
}

async fn reopened(port: u16, certs: &str, say: &Say) -> lapin::Result<Systems> {
    let mut pace = tokio::time::interval(TRY_EVERY);
    for tries in 1..TRIES_MAX {
        pace.tick().await;
        if let Ok(systems) = Systems::open(port, certs).await {
            say(json!({"step": "reconnected", "tries": tries}));
            return Ok(systems);
        }
    }
    Systems::open(port, certs).await
}

/// The post's sending system and the customs' receiving one, each with its own certificate.
struct Systems {
    sender: Connection,
    receiver: Connection,
    out: Channel,
    inbox: Consumer,
}

impl Systems {
    async fn open(port: u16, certs: &str) -> lapin::Result<Self> {
        let sender = connect(port, certs, "post-items").await?;
        let receiver = connect(port, certs, "customs-declarations").await?;
        let out = sender.create_channel().await?;
        out.confirm_select(ConfirmSelectOptions::default()).await?;
        let channel = receiver.create_channel().await?;
        channel.basic_qos(10, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let inbox = channel
            .basic_consume("inbox".into(), "".into(), options, FieldTable::default())
            .await?;
        Ok(Self {
            sender,
            receiver,
            out,
            inbox,
        })
    }

    async fn publish(&self, id: &str, to: &str, body: &[u8], say: &Say) -> lapin::Result<()> {
        let mut headers = FieldTable::default();
        headers.insert("to".into(), AMQPValue::LongString(to.into()));
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_headers(headers);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirm = self
            .out
            .basic_publish(
                "carnet".into(),
                "postal.item".into(),
                options,
                body,
                properties,
            )
            .await?
            .await?;
        match confirm {
            Confirmation::Ack(returned) => {
                if let Some(returned) = returned {
                    say(told(&returned, body));
                }
                say(json!({"step": "confirmed", "id": id}));
            }
            other => panic!("{id}: the broker did not take it: {other:?}"),
        }
        Ok(())
    }

    async fn receive(&mut self, say: &Say) -> lapin::Result<()> {
        let arrival = tokio::time::timeout(ARRIVES_WITHIN, self.inbox.next()).await;
        let delivery = arrival
            .expect("something arrives in the inbox")
            .expect("it is consumed")?;
        delivery.ack(BasicAckOptions::default()).await?;
        let body: Value = serde_json::from_slice(&delivery.data).expect("a delivery is JSON");
        say(json!({
            "step": "received",
            "key": delivery.routing_key.as_str(),
            "item": body["ID"],
            "redelivered": delivery.redelivered,
        }));
        Ok(())
    }

    /// Why the sender's connection ended, once it has; listening from now.
    fn loss(&self) -> impl Future<Output = String> {
        let errors = self
            .sender
            .events_listener()
            .filter_map(async |event| match event {
                Event::Error(error) => Some(error.to_string()),
                _ => None,
            });
        async move { pin!(errors).next().await.unwrap_or_default() }
    }
}

fn told(returned: &BasicReturnMessage, body: &[u8]) -> Value {
    json!({
        "step": "returned",
        "code": returned.reply_code,
        "text": returned.reply_text.as_str(),
        "id": returned.delivery.properties.message_id().as_ref().map(ShortString::as_str),
        "whole": returned.delivery.data == body,
    })
}

async fn connect(port: u16, certs: &str, name: &str) -> lapin::Result<Connection> {
    let identity = OwnedIdentity::PKCS8 {
        pem: read(&format!("{certs}/{name}.pem")),
        key: read(&format!("{certs}/{name}.key")),
    };
    let authority = String::from_utf8(read(&format!("{certs}/ca.pem"))).expect("PEM is text");
    let tls = OwnedTLSConfig {
        identity: Some(identity),
        cert_chain: Some(authority),
    };
    Connection::connect_with_config(
        &format!("amqps://localhost:{port}/%2f?auth_mechanism=external&heartbeat=10"),
        ConnectionProperties::default(),
        tls,
        lapin::runtime::default_runtime()?,
    )
    .await
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client reads its certificates and its message"
)]
fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
