//! `carnet agency`: what the folders say of agencies, and which clients were declined lately.

use clap::Subcommand;
use serde_json::{Value, json};

use super::check::with_issuers;
use super::failed::{Failed, no_such};
use super::output;
use crate::agency::registry::{Agency, Registry};
use crate::agency::registry::{System, TypePattern};
use crate::config::{Config, read_bundle};
use crate::server::clock::Clock;
use crate::server::refusals::{self, DeclinedClient};

/// What to know of agencies.
#[derive(Debug, Subcommand)]
pub(super) enum AgencyCommand {
    /// All agencies with their units and systems
    List {
        /// As JSON, with all that `show` tells
        #[arg(long)]
        json: bool,
    },
    /// One agency: units, systems, limits, retention, and which of its clients were declined
    Show {
        /// Its name, such as customs
        agency: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// All clients that were declined lately and why, of whatever agency and of none
    Refused {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl AgencyCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let bundle = with_issuers(read_bundle(config)?, Clock::default().now())?;
        let registry = Registry::parse(&bundle)?;
        let declined = match self {
            Self::Refused { .. } => Some(declined(config)?),
            _ => declined(config).map_err(|why| unknown(&why)).ok(),
        };
        match self {
            Self::List { json: true } => {
                let agencies = registry.agencies().map(|agency| as_json(agency));
                output::line(&Value::Array(agencies.collect()).to_string())?;
            }
            Self::List { json: false } => {
                for agency in registry.agencies() {
                    print_briefly(agency)?;
                }
                let declined = declined.iter().flatten();
                let nobodys = declined.filter(|one| one.agencies().next().is_none());
                print_declined("declined lately, of no agency:", nobodys)?;
            }
            Self::Show { agency, json } => {
                let Some(agency) = registry.agency(agency) else {
                    let agencies = registry.agencies().map(|agency| agency.id.as_str());
                    let agencies: Vec<&str> = agencies.collect();
                    return Err(no_such("agency", agency, &agencies, "`carnet agency list`"));
                };
                let its = |one: &&DeclinedClient| one.agencies().any(|id| *id == agency.id);
                let its: Option<Vec<_>> =
                    declined.as_ref().map(|it| it.iter().filter(its).collect());
                show(agency, its.as_deref(), *json)?;
            }
            Self::Refused { json: true } => output::line(&json!(declined).to_string())?,
            Self::Refused { json: false } if declined.iter().flatten().next().is_none() => {
                output::line("no client was declined lately")?;
            }
            Self::Refused { json: false } => {
                print_declined("declined lately:", declined.iter().flatten())?;
            }
        }
        Ok(())
    }
}

/// Clients that were declined, as the data folder says.
fn declined(config: &Config) -> Result<Vec<DeclinedClient>, Failed> {
    let place = config.data.display();
    if !config.data.join("journal").is_dir() {
        let says = format!("{place} is no data folder of a broker; see --data");
        return Err(Failed::CannotRun(says));
    }
    let declined = refusals::read(&config.data);
    declined
        .map_err(|error| Failed::CannotRun(format!("refusals in {place} cannot be read: {error}")))
}

/// What an agency is does not depend on it, so that is told aside.
fn unknown(failed: &Failed) {
    output::note(&format!(
        "which clients were declined is not known: {failed}"
    ));
}

/// Prints an agency, with its clients that were declined where that is known.
fn show(agency: &Agency, declined: Option<&[&DeclinedClient]>, json: bool) -> Result<(), Failed> {
    if !json {
        print_in_full(agency)?;
        return print_declined(
            "  declined lately:",
            declined.iter().copied().flatten().copied(),
        );
    }
    let mut value = as_json(agency);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("refused".to_owned(), json!(declined));
    }
    output::line(&Value::Array(vec![value]).to_string())
}

/// Prints clients that were declined, the last first. What comes from their certificates is escaped
/// already.
fn print_declined<'r>(
    title: &str,
    declined: impl DoubleEndedIterator<Item = &'r DeclinedClient>,
) -> Result<(), Failed> {
    for (place, one) in declined.rev().enumerate() {
        if place == 0 {
            output::line(title)?;
        }
        let DeclinedClient {
            at, times, remote, ..
        } = one;
        let alarm = if one.alarm { "  ALARM" } else { "" };
        let times = if *times == 1 {
            String::new()
        } else {
            format!(", {times} times")
        };
        output::line(&format!("    {at}  {remote}{times}{alarm}"))?;
        output::line(&format!("      {}", one.in_a_line()))?;
    }
    Ok(())
}

fn as_json(agency: &Agency) -> Value {
    let units = agency.units.values().map(|unit| {
        json!({
            "id": unit.id.to_string(),
            "purpose": unit.purpose.to_string(),
            "clearances": unit.clearances,
            "receives": texts(&unit.receives),
            "listed": unit.listed,
            "inbox": unit.inbox.name(),
        })
    });
    let systems = agency.systems.values().map(|system| {
        json!({
            "name": system.name.to_string(),
            "unit": system.unit.to_string(),
            "certificate": system.certificate,
            "sends": texts(&system.sends),
            "reads": system.reads,
            "networks": texts(&system.networks),
            "message_id": system.message_id.name(),
            "receipts": system.receipts.name(),
        })
    });
    let retention = retention(agency);
    let retention = retention.map(|(pattern, days)| (pattern, json!(format!("{days}d"))));
    json!({
        "id": agency.id.to_string(),
        "kind": agency.kind,
        "country": agency.country,
        "name": agency.name,
        "contact": {"desk": agency.contact.desk, "email": agency.contact.email},
        "units": units.collect::<Vec<_>>(),
        "systems": systems.collect::<Vec<_>>(),
        "limits": {
            "messages_per_second": agency.limits.messages_per_second,
            "refusals_per_minute": agency.limits.refusals_per_minute,
            "private_messages": agency.limits.private_messages,
            "private_mib": agency.limits.private_mib,
            "private_octets_per_second": agency.limits.private_octets_per_second,
        },
        "retention": retention.collect::<serde_json::Map<_, _>>(),
    })
}

fn print_briefly(agency: &Agency) -> Result<(), Failed> {
    output::line(&format!(
        "{}  {} of {}",
        agency.id, agency.kind, agency.country
    ))?;
    for unit in agency.units.values() {
        output::line(&format!(
            "  unit {}  receives for {}",
            unit.id, unit.purpose
        ))?;
    }
    for System {
        name, certificate, ..
    } in agency.systems.values().map(AsRef::as_ref)
    {
        output::line(&format!("  system {name}  {certificate}"))?;
    }
    Ok(())
}

/// All of it, in the words of `agency.toml`.
fn print_in_full(agency: &Agency) -> Result<(), Failed> {
    let name = agency.name.get("en").map_or("", String::as_str);
    output::line(&format!(
        "{}  {} of {}  {name}",
        agency.id, agency.kind, agency.country
    ))?;
    output::line(&format!(
        "  contact {}  {}",
        agency.contact.desk, agency.contact.email
    ))?;
    for unit in agency.units.values() {
        let unlisted = if unit.listed { "" } else { "  not listed" };
        output::line(&format!(
            "  unit {}  for {}{unlisted}",
            unit.id, unit.purpose
        ))?;
        output::line(&format!("    receives {}", texts(&unit.receives).join(" ")))?;
        let clearances: Vec<&str> = unit.clearances.iter().map(String::as_str).collect();
        line_of("clearances", &clearances.join(" "))?;
        line_of(
            "inbox",
            if unit.inbox.name() == "all" {
                ""
            } else {
                unit.inbox.name()
            },
        )?;
    }
    for system in agency.systems.values() {
        output::line(&format!(
            "  system {}  of unit {}",
            system.name, system.unit
        ))?;
        line_of("certificate", &system.certificate)?;
        line_of("sends", &texts(&system.sends).join(" "))?;
        let reads: Vec<&str> = system.reads.iter().map(String::as_str).collect();
        line_of("reads", &reads.join(" "))?;
        line_of("networks", &texts(&system.networks).join(" "))?;
        line_of("message_id", system.message_id.name())?;
        line_of("receipts", system.receipts.name())?;
    }
    let limits = &agency.limits;
    output::line(&format!(
        "  limits  {} messages a second, {} refusals a minute, {} private messages of {} MiB, {} private octets a second",
        limits.messages_per_second,
        limits.refusals_per_minute,
        limits.private_messages,
        limits.private_mib,
        limits.private_octets_per_second
    ))?;
    let kept = retention(agency).map(|(pattern, days)| format!("{pattern} {days}d"));
    output::line(&format!(
        "  retention  {}",
        kept.collect::<Vec<_>>().join(", ")
    ))
}

fn line_of(name: &str, text: &str) -> Result<(), Failed> {
    if text.is_empty() {
        return Ok(());
    }
    output::line(&format!("    {name} {text}"))
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Days by pattern, the most precise first.
fn retention(agency: &Agency) -> impl Iterator<Item = (String, u64)> + '_ {
    agency.retention.iter().map(|(pattern, kept)| {
        let name = match pattern {
            TypePattern::Any => "default".to_owned(),
            other => other.to_string(),
        };
        (name, kept.as_secs() / (24 * 3600))
    })
}
