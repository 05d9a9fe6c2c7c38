//! Looking at what the folders say: message types, configuration.

use clap::Subcommand;
use serde_json::{Value, json};

use super::check::server_files;
use super::failed::Failed;
use super::names::no_type;
use super::trial::Trial;
use super::{output, rules};
use crate::agency::certificate::CertificateSummary;
use crate::config::{Config, read_bundle};
use crate::message::catalogue::{Catalogue, MessageEntry};
use crate::server::clock::Clock;

/// What to know of message types.
#[derive(Debug, Subcommand)]
pub(super) enum MessageCommand {
    /// All message types
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One message type
    Show {
        /// Its name, such as postal.item
        message_type: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Validate and rule files without sending them: who would receive what, and why
    Try(Trial),
    /// Every format and rule by which messages are refused, with meaning, example and cure
    Rules,
}

/// What to know of the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Every setting with its value in force
    Show,
}

impl MessageCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        match self {
            Self::Try(trial) => return trial.run(config),
            Self::Rules => return output::text(&rules::page()),
            Self::List { .. } | Self::Show { .. } => {}
        }
        let catalogue = Catalogue::parse(&read_bundle(config)?)?;
        match self {
            Self::Try(_) | Self::Rules => {}
            Self::List { json: true } => {
                let names = catalogue
                    .entries()
                    .map(|entry| entry.message_type.to_string());
                output::line(&json!(names.collect::<Vec<_>>()).to_string())?;
            }
            Self::List { json: false } => {
                for entry in catalogue.entries() {
                    let title = entry.title.get("en").map_or("", String::as_str);
                    output::line(&format!("{:<20} {title}", entry.message_type.as_str()))?;
                }
            }
            Self::Show { message_type, json } => {
                let Some(entry) = catalogue.get(message_type) else {
                    return Err(no_type(message_type, &catalogue));
                };
                if *json {
                    output::line(&entry_as_json(entry).to_string())?;
                } else {
                    print_entry(entry)?;
                }
            }
        }
        Ok(())
    }
}

fn entry_as_json(entry: &MessageEntry) -> Value {
    let keys = entry
        .keys
        .iter()
        .map(|key| json!({"name": key.name, "at": key.at, "own": key.own}));
    let facts = entry
        .facts
        .iter()
        .map(|fact| json!({"name": fact.name, "category": fact.category.to_string()}));
    json!({
        "type": entry.message_type.to_string(),
        "edition": entry.edition,
        "title": entry.title,
        "standard": entry.standard,
        "senders": entry.senders,
        "holds": entry.holds,
        "keys": keys.collect::<Vec<_>>(),
        "facts": facts.collect::<Vec<_>>(),
    })
}

fn print_entry(entry: &MessageEntry) -> Result<(), Failed> {
    output::line(&format!(
        "{}  edition {}",
        entry.message_type, entry.edition
    ))?;
    output::line(&format!("  follows {}", entry.standard))?;
    output::line(&format!("  sent by {}", entry.senders.join(" ")))?;
    output::line(&format!("  can hold {}", entry.holds))?;
    for key in &entry.keys {
        let whose = if key.own { "its own" } else { "quoted" };
        output::line(&format!("  key {}  at {}  {whose}", key.name, key.at))?;
    }
    for fact in &entry.facts {
        output::line(&format!(
            "  fact {}  of category {}",
            fact.name, fact.category
        ))?;
    }
    Ok(())
}

impl ConfigCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let Self::Show = self;
        let mut shown = serde_json::to_value(config).map_err(Failed::cannot_run)?;
        if let Some(settings) = shown.as_object_mut() {
            settings.insert("server_certificate".to_owned(), certificate(config));
        }
        let text = serde_json::to_string_pretty(&shown).map_err(Failed::cannot_run)?;
        output::line(&text)
    }
}

/// The server's certificate as it lies there, and what is to be said of it. Null where there is none.
fn certificate(config: &Config) -> Value {
    let Ok(files) = server_files(config) else {
        return Value::Null;
    };
    let looked = files.looked_at(Clock::default().now());
    let own = files.identity().ok();
    let own = own.and_then(|it| CertificateSummary::read(it.own()?));
    json!({
        "subject": own.as_ref().map(|own| own.subject.as_str()),
        "serial": own.as_ref().map(|own| own.serial.as_str()),
        "ends": own.as_ref().map(|own| own.not_after.to_string()),
        "faults": output::faults_as_json(&looked.faults),
        "warnings": output::faults_as_json(&looked.warnings),
    })
}
