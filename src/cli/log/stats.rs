//! `carnet log stats`: how many messages came in each hour, by agency, type and what became of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::output;
use super::entries::DevelopmentLog;
use super::replay::Times;
use crate::broker::record::{Outcome, Record};
use crate::config::Config;
use crate::journal::Lsn;
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// Counts the messages of a log by hour, agency, type and outcome.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log stats\n  carnet log stats --since 2026-11-30T00:00:00Z --json\n\nOutcomes: released to some unit, refused for all, rejected, and counted: refused or rejected beyond an agency's limit, without records of their own. Repeats are none of these. Of a folder made by --dev."
)]
pub(in crate::cli) struct Stats {
    #[command(flatten)]
    times: Times,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    hour: Timestamp,
    agency: AgencyId,
    message_type: String,
    outcome: &'static str,
}

impl Stats {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let (mut log, _) = DevelopmentLog::open(config)?;
        let (mut counts, span) = (BTreeMap::<Line, u64>::new(), self.times.span());
        for entry in log.entries(Lsn::START) {
            if let Some((line, count)) = line(&entry?.record, |at| span.has(at)) {
                let counted = counts.entry(line).or_default();
                *counted = counted.saturating_add(count);
            }
        }
        if self.json {
            let all = counts.iter().map(|(line, count)| {
                let Line {
                    hour,
                    agency,
                    message_type,
                    outcome,
                } = line;
                json!({"hour": hour, "agency": agency, "type": message_type, "outcome": outcome,
                    "count": count})
            });
            return output::line(&Value::Array(all.collect()).to_string());
        }
        for (line, count) in &counts {
            let Line {
                hour,
                agency,
                message_type,
                outcome,
            } = line;
            output::line(&format!(
                "{hour}  {agency:<16} {message_type:<24} {outcome:<9} {count:>9}"
            ))?;
        }
        Ok(())
    }
}

/// What a record counts for, and how often, where its time is asked for.
fn line(record: &Record, is_asked: impl Fn(Timestamp) -> bool) -> Option<(Line, u64)> {
    let (at, agency, message_type, outcome, count) = match record {
        Record::Exchange(it) if !it.is_repeat() => {
            let mut recipients = it.recipients.iter();
            let released = recipients.any(|it| matches!(it.outcome, Outcome::Released(_)));
            let outcome = if released { "released" } else { "refused" };
            let agency = &it.sender.agency;
            (it.at, agency, it.message_type.to_string(), outcome, 1)
        }
        Record::Rejected(it) => {
            let agency = &it.sender.agency;
            (it.at, agency, it.message_type.clone(), "rejected", 1)
        }
        Record::RefusalsCounted(it) => {
            let agency = it.party.agency();
            (it.to, agency, String::new(), "counted", it.count)
        }
        _ => return None,
    };
    let ms = at.as_millis();
    let line = Line {
        hour: Timestamp::from_millis(ms - ms.rem_euclid(HOUR_MS)),
        agency: agency.clone(),
        message_type,
        outcome,
    };
    is_asked(at).then_some((line, count))
}
