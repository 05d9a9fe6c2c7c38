//! `carnet publish`: sends files as a system does, and says what the broker answered.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{Answer, Broker, Client, Notice, Outgoing, Server};
use super::failed::Failed;
use super::output;
use super::runtime::{interrupted, on_a_runtime};
use crate::config::{Config, read_file};
use crate::message::id::SystemId;
use crate::server::clock::Entropy;

/// Publish messages as a system does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet publish postal.item --as post/items --id item-1 \\\n    \
        messages/postal.item/examples/valid/story-01.json\n  \
        carnet publish inquiry.request --as customs/declarations \\\n    \
        --to environment/main messages/inquiry.request/examples/valid/story-05.json\n\n\
        A message that is refused is told with its reason, and the exit code is 1. What the broker \
        cannot store, or does not answer, is told with its id: sent again with --id it counts once."
)]
pub(super) struct Publish {
    /// Type of the messages, such as postal.item
    message_type: String,
    /// One message a file
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The system that sends, such as post/items: its certificate is used
    #[arg(long = "as", value_name = "AGENCY/SYSTEM")]
    system: SystemId,
    /// Addressees, such as environment/main; it narrows who may receive, and adds no recipient
    #[arg(long, value_name = "UNIT", value_delimiter = ',')]
    to: Vec<String>,
    /// The case that the message belongs to
    #[arg(long)]
    case: Option<String>,
    /// Only units of this purpose
    #[arg(long)]
    purpose: Option<String>,
    /// What recipients may do with it: none, same-purpose, ask-originator, no-onward
    #[arg(long)]
    handling: Option<String>,
    /// To answer a message: the id under which it was delivered
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// The id of the message, for one file; a repeat with the same id is sent once [default: random]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    server: Server,
    /// What was answered as JSON, a line for each file
    #[arg(long)]
    json: bool,
}

/// How long the goodbye may take: all answers are here by then.
const GOODBYE: Duration = Duration::from_secs(5);

/// What became of a file's message.
enum Fate {
    Answered(Answer),
    /// Sent, and nothing was heard: it may be logged or not.
    InDoubt,
    NotSent,
}

/// One file's message, and what became of it.
struct Sent<'a> {
    file: &'a Path,
    message: Outgoing,
    fate: Fate,
}

impl Sent<'_> {
    fn is_sent(&self) -> bool {
        !matches!(self.fate, Fate::NotSent)
    }
}

impl Publish {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        if self.id.is_some() && self.files.len() > 1 {
            let says = "--id names one message, but there are several files";
            return Err(Failed::Usage(says.to_owned()));
        }
        let mut all = self.messages()?;
        let ended = on_a_runtime(async {
            let client = Client::connect(&Broker::of(config, &self.server), &self.system).await?;
            let ended = tokio::select! {
                ended = self.send(&client, &mut all) => ended,
                interrupted = interrupted() => Err(interrupted),
            };
            // A client that is blocked cannot say it: then the broker finds out by itself.
            if !client.is_blocked() {
                drop(timeout(GOODBYE, client.close()).await);
            }
            ended
        });
        self.tell_the_rest(&all, ended)?;
        let refused =
            |sent: &&Sent<'_>| matches!(sent.fate, Fate::Answered(Answer::Refused { .. }));
        match all.iter().filter(refused).count() {
            0 => Ok(()),
            1 => Err(Failed::Refused("1 message was not accepted".to_owned())),
            more => Err(Failed::Refused(format!(
                "{more} messages were not accepted"
            ))),
        }
    }

    fn messages(&self) -> Result<Vec<Sent<'_>>, Failed> {
        let mut entropy = Entropy::default();
        let optional = [
            ("case", &self.case),
            ("purpose", &self.purpose),
            ("handling", &self.handling),
        ];
        let mut headers: Vec<(&'static str, String)> = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect();
        if !self.to.is_empty() {
            headers.push(("to", self.to.join(",")));
        }
        let message = |file: &'_ PathBuf| {
            let random: [u8; 16] = entropy.draw().map_err(Failed::cannot_run)?;
            let random = data_encoding::HEXLOWER.encode(&random);
            Ok(Outgoing {
                message_type: self.message_type.clone(),
                id: self.id.clone().unwrap_or(random),
                correlation_id: self.correlation_id.clone(),
                headers: headers.clone(),
                body: read_file(file).map_err(Failed::cannot_run)?,
            })
        };
        let messages: Result<Vec<Outgoing>, Failed> = self.files.iter().map(message).collect();
        let sent = self
            .files
            .iter()
            .zip(messages?)
            .map(|(file, message)| Sent {
                file,
                message,
                fate: Fate::NotSent,
            });
        Ok(sent.collect())
    }

    /// Sends one after the other, and says what was answered, until the broker cannot store one: it
    /// would take the next no sooner.
    async fn send(&self, client: &Client, all: &mut [Sent<'_>]) -> Result<(), Failed> {
        let mut notices = pin!(client.notices());
        for sent in all {
            sent.fate = Fate::InDoubt;
            let mut publish = pin!(client.publish(&sent.message));
            let answer = loop {
                tokio::select! {
                    biased;
                    Some(notice) = notices.next() => output::note(&in_words(&notice, sent)),
                    answer = &mut publish => break answer?,
                }
            };
            let taken = answer != Answer::NotStored;
            sent.fate = Fate::Answered(answer);
            // What was accepted is so without a word of it: a reader that is gone is told aside.
            output::handed_over(&self.told(sent))?;
            if !taken {
                let says = "the broker cannot store messages now";
                return Err(Failed::CannotRun(says.to_owned()));
            }
        }
        Ok(())
    }

    /// Tells what has no answer, and with `ended` badly where that is told: a message that may be
    /// logged is sent again under its id or not at all.
    fn tell_the_rest(&self, all: &[Sent<'_>], ended: Result<(), Failed>) -> Result<(), Failed> {
        let Err(failed) = ended else { return Ok(()) };
        let rest = all
            .iter()
            .filter(|sent| !matches!(sent.fate, Fate::Answered(_)));
        let rest: String = rest.map(|sent| self.told(sent)).collect();
        let unread = output::handed_over(&rest);
        let Failed::CannotRun(says) = failed else {
            return Err(failed);
        };
        // What could not be printed stands in the reason.
        let known = all.iter().filter(|sent| unread.is_err() && sent.is_sent());
        let known = known
            .map(as_text)
            .fold(says, |text, line| text + "\n  " + &line);
        Err(Failed::CannotRun(known))
    }

    fn told(&self, sent: &Sent<'_>) -> String {
        if self.json {
            format!("{}\n", as_json(sent))
        } else {
            format!("{}\n", as_text(sent))
        }
    }
}

fn in_words(notice: &Notice, sent: &Sent<'_>) -> String {
    let (file, id) = (sent.file.display(), &sent.message.id);
    match notice {
        Notice::Blocked(why) => format!(
            "the broker takes nothing now: {why}; waiting with {file}, which `--id {id}` sends again"
        ),
        Notice::Unblocked => "the broker takes messages again".to_owned(),
    }
}

fn as_text(sent: &Sent<'_>) -> String {
    let (file, id) = (sent.file.display(), &sent.message.id);
    match &sent.fate {
        Fate::Answered(Answer::Accepted) => format!("accepted  {file}  id {id}"),
        Fate::Answered(Answer::Refused { code, says }) => {
            format!("refused   {file}  id {id}  {code} {says}")
        }
        Fate::Answered(Answer::NotStored) => {
            format!("not taken {file}  id {id}  send it again with --id {id}")
        }
        Fate::InDoubt => {
            format!("in doubt  {file}  id {id}  send it again with --id {id}: it counts once")
        }
        Fate::NotSent => format!("not sent  {file}"),
    }
}

fn as_json(sent: &Sent<'_>) -> Value {
    let (outcome, code, says) = match &sent.fate {
        Fate::Answered(Answer::Accepted) => ("accepted", None, None),
        Fate::Answered(Answer::Refused { code, says }) => ("refused", Some(code), Some(says)),
        Fate::Answered(Answer::NotStored) => ("not_taken", None, None),
        Fate::InDoubt => ("in_doubt", None, None),
        Fate::NotSent => ("not_sent", None, None),
    };
    let (file, id) = (sent.file.display().to_string(), &sent.message.id);
    json!({"file": file, "message_id": id, "outcome": outcome, "code": code, "says": says})
}
