//! `carnet consume`: shows what arrives in a queue of a system's agency.

use std::fmt::Write;
use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{Arrival, Broker, Client, ClientError, Inbox, Server};
use super::failed::Failed;
use super::output::{self, Reader};
use super::runtime::{interrupted, on_a_runtime};
use crate::config::Config;
use crate::message::id::SystemId;

/// Consume a queue as a system does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet consume --as customs/declarations\n  \
        carnet consume receipts --as post/items --count 1 --json\n  \
        carnet consume --as customs/declarations --count 1 --seconds 10\n\n\
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

/// How long the broker may take to answer before that is said.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a broker may take to open the queue, at least, where the time is bounded: that begins then.
const OPENING: Duration = Duration::from_secs(10);
/// How long the goodbye may take: with its answer the broker has read every acknowledgement.
const GOODBYE: Duration = Duration::from_secs(5);

/// Why nothing more is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Time,
    Interrupted,
}

impl Consume {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        on_a_runtime(self.consume(&Broker::of(config, &self.server)))
    }

    async fn consume(&self, broker: &Broker) -> Result<(), Failed> {
        let seconds = self.seconds.map(Duration::from_secs);
        let opened = async {
            let client = Client::connect(broker, &self.system).await?;
            let inbox = client.consume(&self.queue).await?;
            Ok::<_, ClientError>((client, inbox))
        };
        let (queue, address) = (&self.queue, &broker.address);
        let says = format!("{address} has not answered yet; waiting for it to open {queue}");
        let opening = over(seconds.map(|seconds| seconds.max(OPENING)));
        let (client, inbox) = match waited(opened, opening, &says).await {
            Ok(opened) => opened?,
            Err(Over::Interrupted) => return Ok(()),
            Err(Over::Time) => {
                let says = format!("{address} has not opened {queue} in time: it may be busy");
                return Err(Failed::CannotRun(says));
            }
        };
        output::note(&self.waits_for(broker));
        let mut shown = 0;
        let ended = self.show(inbox, &mut shown, over(seconds)).await;
        let closed = timeout(GOODBYE, client.close()).await;
        let ended = ended?;
        closed.map_err(|_| {
            let says = "the broker has not answered the goodbye: what was shown may come again";
            Failed::cannot_run(says)
        })??;
        match self.seconds {
            Some(seconds) if ended == Some(Over::Time) && shown < self.count.unwrap_or(1) => {
                let wanted = self
                    .count
                    .map_or(String::new(), |many| format!(" of {many}"));
                Err(Failed::Refused(format!(
                    "{shown}{wanted} messages came within {seconds} s"
                )))
            }
            _ => Ok(()),
        }
    }

    fn waits_for(&self, broker: &Broker) -> String {
        let (queue, system, address) = (&self.queue, &self.system, &broker.address);
        let many = match self.count {
            None => "messages".to_owned(),
            Some(1) => "a message".to_owned(),
            Some(count) => format!("{count} messages"),
        };
        let until = match self.seconds {
            None => "until ctrl-C".to_owned(),
            Some(seconds) => format!("for {seconds} s at most"),
        };
        format!("consuming {queue} as {system} at {address}: waiting for {many}, {until}")
    }

    /// Shows what comes until there are enough, or nothing more is waited for and why. What is not
    /// printed to the end is not acknowledged: it comes again.
    async fn show(
        &self,
        mut inbox: Inbox,
        shown: &mut u64,
        over: impl Future<Output = Over>,
    ) -> Result<Option<Over>, Failed> {
        let mut over = pin!(over);
        while self.count.is_none_or(|count| *shown < count) {
            // Only while it waits: what has come is shown and acknowledged.
            let arrival = tokio::select! {
                biased;
                arrival = inbox.next() => arrival?,
                why = &mut over => return Ok(Some(why)),
            };
            let text = if self.json {
                format!("{}\n", as_json(&arrival))
            } else {
                as_text(&arrival)
            };
            if !self.no_ack {
                output::handed_over(&text)?;
                arrival.ack().await?;
            } else if output::while_read(text.as_bytes())? == Reader::Gone {
                return Ok(None);
            }
            *shown += 1;
        }
        Ok(None)
    }
}

/// Ends when the time is over, where it is bounded, or when the command is interrupted.
async fn over(within: Option<Duration>) -> Over {
    let time = async {
        match within {
            Some(within) => tokio::time::sleep(within).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time => Over::Time,
        _ = interrupted() => Over::Interrupted,
    }
}

/// Waits for the broker, and after a while says so.
async fn waited<T>(
    work: impl Future<Output = T>,
    over: impl Future<Output = Over>,
    says: &str,
) -> Result<T, Over> {
    let (mut work, mut over) = (pin!(work), pin!(over));
    tokio::select! {
        biased;
        done = &mut work => return Ok(done),
        why = &mut over => return Err(why),
        () = tokio::time::sleep(PATIENCE) => output::note(says),
    }
    tokio::select! {
        biased;
        done = work => Ok(done),
        why = over => Err(why),
    }
}

fn as_text(arrival: &Arrival) -> String {
    let again = if arrival.redelivered {
        "  (perhaps again)"
    } else {
        ""
    };
    let mut text = format!("{}{again}\n", arrival.key);
    for (name, value) in [
        ("message_id", &arrival.message_id),
        ("correlation_id", &arrival.correlation_id),
    ] {
        if !value.is_empty() {
            _ = writeln!(text, "  {name}: {value}");
        }
    }
    for (name, value) in &arrival.headers {
        _ = writeln!(text, "  {name}: {value}");
    }
    _ = writeln!(text, "  {}", String::from_utf8_lossy(&arrival.body));
    text
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
