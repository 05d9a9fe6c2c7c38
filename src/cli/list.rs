//! Looking at what the folders say: agencies, message types, configuration, the policies' schema.

use clap::Subcommand;
use serde_json::{Value, json};

use super::check::with_issuers;
use super::trial::Trial;
use super::{Failed, output};
use crate::agency::registry::Registry;
use crate::config::{Config, read_bundle};
use crate::message::catalogue::{Catalogue, MessageEntry};
use crate::policy::schema::schema_text;
use crate::server::clock::Clock;
use crate::server::refusals::{self, TurnedAway};

/// What to know of agencies.
#[derive(Debug, Subcommand)]
pub(super) enum AgencyCommand {
    /// All agencies with their units and systems
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One agency, and which of its clients were turned away lately and why
    Show {
        /// Its name, such as customs
        agency: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

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
    /// Validate and rule a file without sending it: who would receive what of it, and why
    Try(Trial),
}

/// What to know of policies.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// The Cedar schema that the catalogue gives: policies/border.cedarschema
    Schema,
}

/// What to know of the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Every setting with its value in force
    Show,
}

impl AgencyCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let bundle = with_issuers(read_bundle(config)?, Clock::default().now())?;
        let registry = Registry::parse(&bundle)?;
        let place = config.data.display();
        let refused = refusals::read(&config.data);
        let refused = refused.map_err(|error| {
            Failed::CannotRun(format!("refusals in {place} cannot be read: {error}"))
        })?;
        match self {
            Self::List { json: true } => {
                let agencies = registry.agencies().map(|agency| agency_as_json(agency));
                output::line(&Value::Array(agencies.collect()).to_string());
            }
            Self::List { json: false } => {
                let agencies = registry.agencies().map(|agency| agency_as_json(agency));
                agencies.for_each(|agency| print_agency(&agency));
                let nobodys = refused.iter().filter(|one| one.agencies().next().is_none());
                print_refused("refused lately, of no agency:", nobodys);
            }
            Self::Show { agency, json } => {
                let Some(agency) = registry.agency(agency) else {
                    let says =
                        format!("there is no agency '{agency}'; `carnet agency list` names them");
                    return Err(Failed::Usage(says));
                };
                let its = |one: &&TurnedAway| one.agencies().any(|id| *id == agency.id);
                let its = refused.iter().filter(its);
                let mut value = agency_as_json(agency);
                if *json {
                    if let Some(fields) = value.as_object_mut() {
                        let refused: Vec<&TurnedAway> = its.collect();
                        fields.insert("refused".to_owned(), json!(refused));
                    }
                    output::line(&Value::Array(vec![value]).to_string());
                } else {
                    print_agency(&value);
                    print_refused("  refused lately:", its);
                }
            }
        }
        Ok(())
    }
}

/// Clients that were turned away, the last first. What comes from their certificates is escaped
/// already.
fn print_refused<'r>(title: &str, refused: impl DoubleEndedIterator<Item = &'r TurnedAway>) {
    for (place, one) in refused.rev().enumerate() {
        if place == 0 {
            output::line(title);
        }
        let TurnedAway {
            at, times, remote, ..
        } = one;
        let alarm = if one.alarm { "ALARM  " } else { "" };
        let times = if *times == 1 {
            String::new()
        } else {
            format!(", {times} times")
        };
        output::line(&format!("    {at}  {remote}{times}  {alarm}{}", one.code));
        output::line(&format!("      {}", one.detail));
        output::line(&format!("      {}", one.cure));
    }
}

fn agency_as_json(agency: &crate::agency::registry::Agency) -> Value {
    let units = agency.units.values().map(|unit| {
        json!({
            "id": unit.id.to_string(),
            "purpose": unit.purpose.to_string(),
            "clearances": unit.clearances,
            "listed": unit.listed,
        })
    });
    let systems = agency.systems.values().map(|system| {
        json!({
            "name": system.name.to_string(),
            "unit": system.unit.to_string(),
            "certificate": system.certificate,
            "sends": system.sends.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "reads": system.reads,
        })
    });
    json!({
        "id": agency.id.to_string(),
        "kind": agency.kind,
        "country": agency.country,
        "name": agency.name,
        "units": units.collect::<Vec<_>>(),
        "systems": systems.collect::<Vec<_>>(),
    })
}

fn print_agency(agency: &Value) {
    let text = |value: &Value, key: &str| value.get(key).map_or_else(String::new, plain);
    output::line(&format!(
        "{}  {} of {}",
        text(agency, "id"),
        text(agency, "kind"),
        text(agency, "country")
    ));
    let parts = |key: &str| {
        agency
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    for unit in parts("units") {
        output::line(&format!(
            "  unit {}  receives for {}",
            text(&unit, "id"),
            text(&unit, "purpose")
        ));
    }
    for system in parts("systems") {
        output::line(&format!(
            "  system {}  {}",
            text(&system, "name"),
            text(&system, "certificate")
        ));
        output::line(&format!("    sends {}", text(&system, "sends")));
        output::line(&format!("    reads {}", text(&system, "reads")));
    }
}

/// Texts without quotes, lists joined by blanks.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

impl MessageCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        if let Self::Try(trial) = self {
            return trial.run(config);
        }
        let catalogue = Catalogue::parse(&read_bundle(config)?)?;
        match self {
            Self::Try(_) => {}
            Self::List { json: true } => {
                let names = catalogue
                    .entries()
                    .map(|entry| entry.message_type.to_string());
                output::line(&json!(names.collect::<Vec<_>>()).to_string());
            }
            Self::List { json: false } => {
                for entry in catalogue.entries() {
                    let title = entry.title.get("en").map_or("", String::as_str);
                    output::line(&format!("{:<20} {title}", entry.message_type.as_str()));
                }
            }
            Self::Show { message_type, json } => {
                let Some(entry) = catalogue.get(message_type) else {
                    let says =
                        format!("no type '{message_type}'; `carnet message list` names them");
                    return Err(Failed::Usage(says));
                };
                if *json {
                    output::line(&entry_as_json(entry).to_string());
                } else {
                    print_entry(entry);
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
        "holds": super::trial::names(entry.holds),
        "keys": keys.collect::<Vec<_>>(),
        "facts": facts.collect::<Vec<_>>(),
    })
}

fn print_entry(entry: &MessageEntry) {
    output::line(&format!(
        "{}  edition {}",
        entry.message_type, entry.edition
    ));
    output::line(&format!("  follows {}", entry.standard));
    output::line(&format!("  sent by {}", entry.senders.join(" ")));
    output::line(&format!("  can hold {}", entry.holds));
    for key in &entry.keys {
        let whose = if key.own { "its own" } else { "quoted" };
        output::line(&format!("  key {}  at {}  {whose}", key.name, key.at));
    }
    for fact in &entry.facts {
        output::line(&format!(
            "  fact {}  of category {}",
            fact.name, fact.category
        ));
    }
}

impl PolicyCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let Self::Schema = self;
        let catalogue = Catalogue::parse(&read_bundle(config)?)?;
        output::text(&schema_text(&catalogue)?);
        Ok(())
    }
}

impl ConfigCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let Self::Show = self;
        let text = serde_json::to_string_pretty(config).map_err(Failed::cannot_run)?;
        output::line(&text);
        Ok(())
    }
}
