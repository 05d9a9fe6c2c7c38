//! `carnet publish`: sends files as a system does, and says what the broker answered.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::client::{Answer, Broker, Client, Outgoing, Server};
use super::{Failed, on_a_runtime, output};
use crate::config::{Config, read_file};
use crate::message::id::SystemId;
use crate::server::clock::Entropy;

/// Publish messages as a system does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet publish postal.item item.json --as post/items\n  \
        carnet publish inquiry.request question.json --as customs/declarations --to environment/main\n\n\
        A message that is refused is told with its reason, and the exit code is 1."
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
    /// Addressees, such as environment/main; it narrows who may receive, and adds nobody
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
    /// The id of the message, for one file; a repeat with the same id is sent once [default: random]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    server: Server,
    /// What was answered as JSON, a line for each file
    #[arg(long)]
    json: bool,
}

impl Publish {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        if self.id.is_some() && self.files.len() > 1 {
            let says = "--id names one message, but there are several files";
            return Err(Failed::CannotRun(says.to_owned()));
        }
        let messages = self.messages()?;
        let refused = on_a_runtime(self.send(&Broker::of(config, &self.server), &messages))?;
        match refused {
            0 => Ok(()),
            1 => Err(Failed::Refused("1 message was not accepted".to_owned())),
            more => Err(Failed::Refused(format!(
                "{more} messages were not accepted"
            ))),
        }
    }

    fn messages(&self) -> Result<Vec<Outgoing>, Failed> {
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
        let message = |file: &PathBuf| {
            let random: [u8; 16] = entropy.draw().map_err(Failed::cannot_run)?;
            let random = data_encoding::HEXLOWER.encode(&random);
            Ok(Outgoing {
                message_type: self.message_type.clone(),
                id: self.id.clone().unwrap_or(random),
                correlation_id: None,
                headers: headers.clone(),
                body: read_file(file).map_err(Failed::cannot_run)?,
            })
        };
        self.files.iter().map(message).collect()
    }

    /// Sends one after the other; how many were not accepted.
    async fn send(&self, broker: &Broker, messages: &[Outgoing]) -> Result<usize, Failed> {
        let client = Client::connect(broker, &self.system).await?;
        let mut not_accepted = 0;
        for (file, message) in self.files.iter().zip(messages) {
            let (file, id) = (file.display(), &message.id);
            let answer = client.publish(message).await?;
            not_accepted += usize::from(answer != Answer::Accepted);
            if self.json {
                output::line(&as_json(&file.to_string(), id, &answer).to_string());
                continue;
            }
            output::line(&match answer {
                Answer::Accepted => format!("accepted  {file}  id {id}"),
                Answer::Refused { code, says } => {
                    format!("refused   {file}  id {id}  {code} {says}")
                }
                Answer::NotStored => {
                    format!("not taken {file}  id {id}  the broker cannot store it: send it again")
                }
            });
        }
        client.close().await?;
        Ok(not_accepted)
    }
}

fn as_json(file: &str, id: &str, answer: &Answer) -> Value {
    let (outcome, code, says) = match answer {
        Answer::Accepted => ("accepted", None, None),
        Answer::Refused { code, says } => ("refused", Some(code), Some(says)),
        Answer::NotStored => ("not_taken", None, None),
    };
    json!({"file": file, "message_id": id, "outcome": outcome, "code": code, "says": says})
}
