//! `carnet measure`: what officers declare of their own agency without a change of its rules.

use std::fmt::Write as _;

use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, AsOfficer};
use super::failed::Failed;
use super::names::instant;
use super::output;
use super::policy::decide::{sign, statement};
use super::policy::show::member;
use crate::agency::officer::OfficerId;
use crate::broker::governance::MeasureStatement;
use crate::config::Config;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// Levels and suspended permits of an agency.
#[derive(Debug, clap::Subcommand)]
pub(super) enum MeasureCommand {
    /// Your agency's measures: those in force, those that wait, and the last that ended
    #[command(after_help = "Example:\n  carnet measure list --as post/m-0042")]
    List(List),
    /// Declare how far your agency's systems work; it holds once a second officer has confirmed it
    #[command(
        after_help = "Example:\n  carnet measure level fallback --until 2026-07-01T06:00:00Z --reason \"Fire in the data centre\" --as customs/o-2117"
    )]
    Level(AtLevel),
    /// Suspend permits of your own agency, at once and for 72 hours unless a second officer confirms it
    #[command(
        after_help = "Examples:\n  carnet measure suspend post-customs --reason \"A key is lost\" --as post/m-0042\n  carnet measure suspend --all --reason \"A break-in\" --as post/m-0042"
    )]
    Suspend(Suspend),
    /// End a measure before its time; it ends once a second officer has confirmed it
    #[command(
        after_help = "Example:\n  carnet measure lift 3 --reason \"The key is replaced\" --as post/m-0042"
    )]
    Lift(Lift),
    /// Withdraw a measure that you declared, while it waits to be confirmed
    #[command(after_help = "Example:\n  carnet measure withdraw 3 --as post/m-0042")]
    Withdraw(Withdraw),
    /// Confirm a measure that another officer declared: signed here, with your own key
    #[command(after_help = "Example:\n  carnet measure confirm 3 --as post/m-0077")]
    Confirm(Confirm),
}

/// Who acts, and how he is answered.
#[derive(Debug, clap::Args)]
struct Acting {
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// An agency's measures.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    acting: Acting,
}

/// How far an agency's systems work.
#[derive(Debug, clap::Args)]
pub(super) struct AtLevel {
    /// How far
    #[arg(value_parser = ["degraded", "fallback", "closed"])]
    level: String,
    /// When it ends, at most 72 hours ahead
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: String,
    /// Why, in one line
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

/// Permits of an agency that are to give nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Suspend {
    /// Ids of permits
    #[arg(
        value_name = "PERMIT",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    permits: Vec<String>,
    /// All permits of your agency
    #[arg(long)]
    all: bool,
    /// Why, in one line
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

/// A measure that is to end.
#[derive(Debug, clap::Args)]
pub(super) struct Lift {
    /// Its number
    number: u64,
    /// Why, in one line
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    acting: Acting,
}

/// A measure that is taken back.
#[derive(Debug, clap::Args)]
pub(super) struct Withdraw {
    /// Its number
    number: u64,
    #[command(flatten)]
    acting: Acting,
}

/// A measure that is to be confirmed.
#[derive(Debug, clap::Args)]
pub(super) struct Confirm {
    /// Its number
    number: u64,
    #[command(flatten)]
    acting: Acting,
}

impl MeasureCommand {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        match self {
            Self::List(list) => list.run(config),
            Self::Level(level) => {
                let asked = json!({"measure": {"kind": "level", "level": level.level},
                    "until": level.until, "reason": level.reason});
                level.acting.declare(config, &asked)
            }
            Self::Suspend(suspend) => {
                let measure = if suspend.all {
                    json!({"kind": "suspend-all"})
                } else {
                    json!({"kind": "suspend", "permits": suspend.permits})
                };
                let asked = json!({"measure": measure, "reason": suspend.reason});
                suspend.acting.declare(config, &asked)
            }
            Self::Lift(lift) => {
                let measure = json!({"kind": "lift", "measure": lift.number});
                let asked = json!({"measure": measure, "reason": lift.reason});
                lift.acting.declare(config, &asked)
            }
            Self::Withdraw(withdraw) => withdraw.run(config),
            Self::Confirm(confirm) => confirm.run(config),
        }
    }
}

impl Acting {
    fn declare(&self, config: &Config, asked: &Value) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let request = api.request(Method::POST, "measures")?.json(asked);
            self.print(&api.json(request).await?)
        })
    }

    fn print(&self, measure: &Value) -> Result<(), Failed> {
        if self.json {
            return output::line(&measure.to_string());
        }
        output::line(&told(measure))
    }
}

impl List {
    fn run(&self, config: &Config) -> Result<(), Failed> {
        self.acting.officer.run(config, async |api| {
            let all = api.all("measures").await?;
            if self.acting.json {
                return output::line(&Value::Array(all).to_string());
            }
            if all.is_empty() {
                return output::line("no measure was declared");
            }
            all.iter()
                .try_for_each(|measure| output::line(&told(measure)))
        })
    }
}

impl Withdraw {
    fn run(&self, config: &Config) -> Result<(), Failed> {
        self.acting.officer.run(config, async |api| {
            let path = format!("measures/{}", self.number);
            let withdrawn = api.request(Method::DELETE, &path)?;
            self.acting.print(&api.json(withdrawn).await?)
        })
    }
}

impl Confirm {
    fn run(&self, config: &Config) -> Result<(), Failed> {
        self.acting.officer.run(config, async |api| {
            let told = self.confirm(&api).await?;
            self.acting.print(&told)
        })
    }

    async fn confirm(&self, api: &Api) -> Result<Value, Failed> {
        let number = self.number;
        let measure = api.get(&format!("measures/{number}")).await?;
        let path = format!("measures/{number}/statement");
        let statement = statement(api, &path, |log| {
            expected(&measure, number, api.officer(), log)
        })
        .await?;
        // What is signed is what is seen.
        output::note(statement.trim_end());
        let signature = sign(api.key(), statement.as_bytes())?;
        let confirm = api.request(Method::POST, &format!("measures/{number}/confirmation"))?;
        let confirmation = json!({"signature": BASE64.encode(&signature)});
        api.json(confirm.json(&confirmation)).await
    }
}

/// What an officer signs to confirm a measure that is told so.
fn expected(
    measure: &Value,
    number: u64,
    officer: &OfficerId,
    log: Digest,
) -> Option<MeasureStatement> {
    Some(MeasureStatement {
        log,
        agency: officer.holder.agency()?.clone(),
        number,
        does: member(measure, "does").to_owned(),
        until: Timestamp::from_rfc3339(member(measure, "until"))?,
        reason: member(measure, "reason").to_owned(),
        officer: officer.clone(),
    })
}

/// A measure as text.
fn told(measure: &Value) -> String {
    let number = measure.get("number").and_then(Value::as_u64);
    let [stage, does, reason, by, at, says] =
        ["stage", "does", "reason", "by", "at", "says"].map(|name| member(measure, name));
    let mut text = format!(
        "measure {}  {stage}  {does}: {reason}\n  declared by {by} at {at}",
        number.unwrap_or_default()
    );
    let confirmed = measure.get("confirmed");
    if let Some(confirmed) = confirmed {
        let (by, at) = (member(confirmed, "by"), member(confirmed, "at"));
        _ = write!(text, "\n  confirmed by {by} at {at}");
    }
    let until = measure.get("until").and_then(Value::as_str);
    match (stage, until) {
        ("holds", Some(until)) if confirmed.is_none() => {
            _ = write!(
                text,
                "\n  until {until}, unless a second officer confirms it"
            );
        }
        ("holds", Some(until)) => _ = write!(text, "\n  until {until}"),
        ("holds", None) => text.push_str("\n  until two officers lift it"),
        ("waits", Some(until)) => {
            _ = write!(text, "\n  waits for a second officer; over at {until}");
        }
        _ => _ = write!(text, "\n  {says}"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::policy::decide::reads_as;

    #[test]
    fn a_statement_is_signed_where_it_is_the_one_of_the_measure_and_nothing_else() {
        let officer = "post/m-0077".parse().unwrap();
        let measure =
            json!({"does": "suspend orchids", "until": "2026-07-01T06:00:00.000Z", "reason": "x"});
        let good = expected(&measure, 3, &officer, Digest::of(b"log")).unwrap();
        let reads =
            |statement: String| reads_as(&statement, |log| expected(&measure, 3, &officer, log));
        let good = good.to_string();
        assert!(reads(good.clone()));
        for (part, instead) in [
            ("orchids", "orchids lilies"),
            ("06:00", "07:00"),
            ("reason x", "reason y"),
            ("reason x", "reason x\ndoes suspend all permits"),
            ("measure 3", "measure 4"),
            ("post", "police"),
            ("m-0077", "m-0042"),
            ("log ", "log 0"),
        ] {
            assert!(!reads(good.replace(part, instead)), "{instead}");
        }
    }
}
