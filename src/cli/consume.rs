//! `carnet consume`: shows what arrives in a queue of a system's agency.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Arrival, Broker, Client, ClientError, Server};
use super::{Failed, on_a_runtime, output};
use crate::config::Config;
use crate::message::id::SystemId;

/// Consume a queue as a system does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet consume --as customs/declarations\n  \
        carnet consume receipts --as post/items --count 1 --json\n  \
        carnet consume --as post/items --count 1 --seconds 10\n\n\
        With --seconds, the exit code is 1 where fewer came than --count says (without it: none)."
)]
pub(super) struct Consume {
    /// inbox, receipts or dead of unit main; inbox.UNIT and so on of another unit
    #[arg(default_value = "inbox")]
    queue: String,
    /// The system that consumes, such as customs/declarations: its certificate is used
    #[arg(long = "as", value_name = "AGENCY/SYSTEM")]
    system: SystemId,
    /// End after this many messages [default: wait for more until ctrl-C]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after so many seconds, whatever has come by then [default: wait for more until ctrl-C]
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Look only: what was shown comes again to the next consumer
    #[arg(long)]
    no_ack: bool,
    #[command(flatten)]
    server: Server,
    /// A line of JSON each
    #[arg(long)]
    json: bool,
}

impl Consume {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        on_a_runtime(async {
            let client = Client::connect(&Broker::of(config, &self.server), &self.system).await?;
            let shown = tokio::select! {
                shown = self.show(&client) => Some(shown?),
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.map_err(Failed::cannot_run)?;
                    None
                }
            };
            client.close().await?;
            match (shown, self.seconds) {
                (Some(shown), Some(seconds)) if shown < self.count.unwrap_or(1) => {
                    let wanted = self
                        .count
                        .map_or(String::new(), |count| format!(" of {count}"));
                    Err(Failed::Refused(format!(
                        "{shown}{wanted} messages came within {seconds} s"
                    )))
                }
                _ => Ok(()),
            }
        })
    }

    /// Shows what comes until there are enough or the time is over; how many came.
    async fn show(&self, client: &Client) -> Result<u64, ClientError> {
        let over = async {
            match self.seconds {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        let mut over = pin!(over);
        let mut inbox = client.consume(&self.queue).await?;
        output::note(&format!("consuming {}; ctrl-C ends", self.queue));
        let mut shown = 0;
        while self.count.is_none_or(|count| shown < count) {
            // Only while it waits: what has come is shown and acknowledged.
            let arrival = tokio::select! {
                biased;
                arrival = inbox.next() => arrival?,
                () = &mut over => break,
            };
            if self.json {
                output::line(&as_json(&arrival).to_string());
            } else {
                print(&arrival);
            }
            // After it is shown: what was not shown comes again.
            if !self.no_ack {
                arrival.ack().await?;
            }
            shown += 1;
        }
        Ok(shown)
    }
}

fn print(arrival: &Arrival) {
    let again = if arrival.redelivered {
        "  (perhaps again)"
    } else {
        ""
    };
    output::line(&format!("{}{again}", arrival.key));
    for (name, value) in [
        ("message_id", &arrival.message_id),
        ("correlation_id", &arrival.correlation_id),
    ] {
        if !value.is_empty() {
            output::line(&format!("  {name}: {value}"));
        }
    }
    for (name, value) in &arrival.headers {
        output::line(&format!("  {name}: {value}"));
    }
    output::line(&format!("  {}", String::from_utf8_lossy(&arrival.body)));
}

fn as_json(arrival: &Arrival) -> Value {
    let text = || Value::from(String::from_utf8_lossy(&arrival.body).into_owned());
    let body: Option<Value> = serde_json::from_slice(&arrival.body).ok();
    json!({
        "key": arrival.key,
        "message_id": arrival.message_id,
        "correlation_id": arrival.correlation_id,
        "redelivered": arrival.redelivered,
        "headers": arrival.headers,
        "body": body.unwrap_or_else(text),
    })
}
