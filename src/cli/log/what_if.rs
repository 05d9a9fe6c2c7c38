//! `carnet log what-if`: what another rulebook would have made of the exchanges of a log.

use serde_json::{Value, json};

use super::super::check::with_issuers;
use super::super::failed::Failed;
use super::super::output;
use super::entries::DevelopmentLog;
use super::replay::Times;
use crate::backbone::replay::{Progress, Told, replay};
use crate::broker::record::Record;
use crate::broker::replay::{Change, Changes, Impact, Often};
use crate::config::{Config, read_bundle};
use crate::http::log::{About, InForce};
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::UnitId;
use crate::policy::explain;
use crate::policy::rulebook::Rulebook;
use crate::server::clock::Clock;

/// Rules every exchange by another rulebook, with the standing facts of its moment.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log what-if --policies next/policies\n  carnet log what-if --proposal 3 --since 2026-11-01T00:00:00Z --json\n\nThe other rulebook is what the folders say, as `carnet check` reads them, or what a proposal in the log asks for. A message is ruled by the facts that were taken from it when it came: what a changed catalogue would take from it is not known. Of a folder made by --dev."
)]
pub(in crate::cli) struct WhatIf {
    /// The rulebook that this proposal asks for
    #[arg(long, value_name = "N")]
    proposal: Option<u64>,
    #[command(flatten)]
    times: Times,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl WhatIf {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let (mut log, _) = DevelopmentLog::open(config)?;
        let bundle = match self.proposal {
            Some(number) => proposed(&mut log, number)?,
            None => with_issuers(read_bundle(config)?, Clock::default().now())?,
        };
        let rulebook = Rulebook::parse(&bundle)?;
        let mut impact = Impact::default();
        let judge = |told: &Told| {
            let (replayed, basis) = told.replayed()?;
            let by = explain::InForce {
                rulebook: &rulebook,
                ..basis.at(told.at)
            };
            Some(Changes::of(&replayed, &by))
        };
        let take = |found: Vec<(Told, Option<Changes>)>, _: Progress| -> Result<(), Failed> {
            let found = found
                .into_iter()
                .filter(|(told, _)| told.narrowed.is_none());
            for (told, changes) in found {
                impact.count(told.number, &told.exchange, changes);
            }
            Ok(())
        };
        replay(
            log.follower.reader(),
            &log.ring,
            self.times.span(),
            judge,
            take,
        )?;
        let digest = rulebook.digest().to_string();
        if self.json {
            return output::line(&as_json(&digest, &impact).to_string());
        }
        tell(&digest, &impact)
    }
}

/// The rulebook that a proposal of this log asks for, where it would take effect on what it rests on.
fn proposed(log: &mut DevelopmentLog, number: u64) -> Result<Bundle, Failed> {
    let mut in_force: Option<InForce> = None;
    for entry in log.entries(Lsn::START) {
        let entry = entry?;
        if let Some(About::Rulebook(rulebook)) = entry.about {
            in_force = Some(rulebook);
        }
        if let (Record::Proposed(proposed), Some(base)) = (&entry.record, &in_force)
            && proposed.number == number
        {
            return Ok(proposed.draft.changes.applied(&base.bundle));
        }
    }
    let says = format!("the log has no proposal {number}; `carnet policy log` lists them");
    Err(Failed::Usage(says))
}

fn tell(digest: &str, impact: &Impact) -> Result<(), Failed> {
    let Impact {
        exchanges,
        unread,
        changed,
        unsendable,
        units,
    } = impact;
    output::line(&format!(
        "{exchanges} exchanges by rulebook {digest}: {changed} come out otherwise, {unread} cannot be read"
    ))?;
    if unsendable.count > 0 {
        output::line(&format!("could not be sent: {}", in_words(unsendable)))?;
    }
    let mut unit: Option<&UnitId> = None;
    for ((of, change), often) in units {
        if unit.replace(of) != Some(of) {
            output::line(&of.to_string())?;
        }
        let what = match change {
            Change::Receives => "gets messages that it did not get".to_owned(),
            Change::ReceivesNoMore => "gets nothing of messages that it got".to_owned(),
            Change::Gains(category) => format!("gains {category}"),
            Change::Loses(category) => format!("loses {category}"),
            Change::Milder => "may keep it longer, or pass it on further".to_owned(),
            Change::Stricter => "must delete it earlier, or may pass it on less".to_owned(),
        };
        output::line(&format!("   {what}: {}", in_words(often)))?;
    }
    Ok(())
}

fn in_words(often: &Often) -> String {
    let examples = often.examples.iter();
    let examples = examples.map(|it| format!("{} {}", it.number, it.message_type));
    let more = if often.count > u64::try_from(often.examples.len()).unwrap_or(u64::MAX) {
        ", ..."
    } else {
        ""
    };
    let examples = examples.collect::<Vec<_>>().join(", ");
    format!("{} ({examples}{more})", often.count)
}

fn as_json(digest: &str, impact: &Impact) -> Value {
    let units = impact.units.iter().map(|((unit, change), often)| {
        let mut told = json!(change);
        if let Value::Object(told) = &mut told {
            told.insert("unit".to_owned(), json!(unit));
            told.insert("count".to_owned(), json!(often.count));
            told.insert("examples".to_owned(), json!(often.examples));
        }
        told
    });
    json!({"rulebook": digest, "exchanges": impact.exchanges, "unread": impact.unread,
        "changed": impact.changed, "unsendable": impact.unsendable,
        "changes": units.collect::<Vec<_>>()})
}
