//! Rust, lapin: the program of `docs/joining/lapin.md`, from its first `use` on. A test compares them.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a program of an agency, as short as its engineer would begin"
)]

// Publishes what standard input names, or stores what arrives.
//
//     client send    HOST PORT CERTS SYSTEM           lines: MESSAGE_ID ADDRESSEES FILE
//     client receive HOST PORT CERTS SYSTEM FOLDER
use std::{env, error::Error, fs, io::stdin, path::Path, time::Duration};

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions,
};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::time::sleep;

type Outcome<T> = Result<T, Box<dyn Error>>;

async fn connect(broker: &[String]) -> Outcome<Connection> {
    let [host, port, certs, system] = broker else {
        return Err("HOST PORT CERTS SYSTEM".into());
    };
    let tls = OwnedTLSConfig {
        identity: Some(OwnedIdentity::PKCS8 {
            pem: fs::read(format!("{certs}/{system}.pem"))?,
            key: fs::read(format!("{certs}/{system}.key"))?,
        }),
        cert_chain: Some(fs::read_to_string(format!("{certs}/ca.pem"))?),
    };
    // %2f is the virtual host `/`; with a bare slash lapin asks for the one without a name
    let uri = format!("amqps://{host}:{port}/%2f?auth_mechanism=external&heartbeat=60");
    let runtime = lapin::runtime::default_runtime()?;
    let properties = ConnectionProperties::default();
    Ok(Connection::connect_with_config(&uri, properties, tls, runtime).await?)
}

async fn open_to_publish(broker: &[String]) -> Outcome<(Connection, Channel)> {
    let connection = connect(broker).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok((connection, channel))
}

/// What became of the message; an error where nobody knows.
async fn publish(channel: &Channel, id: &str, to: &str, body: &[u8]) -> Outcome<String> {
    let mut headers = FieldTable::default();
    headers.insert("to".into(), AMQPValue::LongString(to.into()));
    let about = BasicProperties::default()
        .with_message_id(id.into())
        .with_content_type("application/json".into())
        .with_headers(headers);
    let options = BasicPublishOptions::default();
    let confirm = channel
        .basic_publish("carnet".into(), "postal.item".into(), options, body, about)
        .await?
        .await?;
    match confirm {
        Confirmation::Ack(None) => Ok(format!("confirmed {id}")), // the broker has it on disk
        Confirmation::Ack(Some(why)) => Ok(format!(
            "refused {id} {} {}",
            why.reply_code, why.reply_text
        )),
        other => Err(format!("the broker did not take it: {other:?}").into()),
    }
}

async fn send(broker: &[String]) -> Outcome<()> {
    let mut open = open_to_publish(broker).await?;
    for line in stdin().lines() {
        let line = line?;
        let [id, to, file] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err("MESSAGE_ID ADDRESSEES FILE".into());
        };
        let body = fs::read(file)?;
        loop {
            match publish(&open.1, id, to, &body).await {
                Ok(outcome) => break println!("{outcome}"),
                Err(lost) => eprintln!("publishing again: {lost}"), // under the same id
            }
            sleep(Duration::from_secs(1)).await;
            if let Ok(again) = open_to_publish(broker).await {
                open = again;
            }
        }
    }
    open.0.close(200, "bye".into()).await?;
    Ok(())
}

async fn receive(broker: &[String], folder: &str) -> Outcome<()> {
    let channel = connect(broker).await?.create_channel().await?;
    channel.basic_qos(10, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut inbox = channel
        .basic_consume("inbox".into(), "".into(), options, FieldTable::default())
        .await?;
    while let Some(delivery) = inbox.next().await {
        let delivery = delivery?;
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        let number = headers.inner().get("x-carnet-sequence");
        let number = number
            .and_then(|number| number.as_long_string())
            .ok_or("no number")?;
        fs::write(
            Path::new(folder).join(format!("{number}.json")),
            &delivery.data,
        )?;
        delivery.ack(BasicAckOptions::default()).await?; // only what is stored
        let again = if delivery.redelivered { " again" } else { "" };
        println!("stored {number} {}{again}", delivery.routing_key);
    }
    Err("the broker ended the connection".into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let arguments: Vec<String> = env::args().collect();
    let broker = &arguments[2..6];
    if arguments[1] == "send" {
        return send(broker).await;
    }
    loop {
        if let Err(lost) = receive(broker, &arguments[6]).await {
            eprintln!("connecting again: {lost}");
        }
        sleep(Duration::from_secs(1)).await;
    }
}
