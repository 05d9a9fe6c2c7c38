//! `carnet log why-not`: what the rules lacked that would have given an exchange to a unit.

use serde_json::json;

use super::super::failed::Failed;
use super::super::output;
use super::entries::DevelopmentLog;
use super::place::Place;
use crate::backbone::replay::{Progress, Span, Told, replay};
use crate::broker::record::Outcome;
use crate::broker::replay::outcome_in_words;
use crate::config::Config;
use crate::message::id::UnitId;
use crate::policy::explain::Unmet;

/// Tells why a unit did not get a message, by the rules and standing facts of its moment.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log why-not police/main 17\n  carnet log why-not police/main @489008 --json\n\nThe number or the address of the exchange is as `log tail` shows it. Told are the rules that would give it, and what each of them lacked. Of a folder made by --dev."
)]
pub(in crate::cli) struct WhyNot {
    /// The unit that did not get it
    #[arg(value_name = "UNIT")]
    unit: UnitId,
    /// Number of the exchange among the evidence, or @ and its address
    #[arg(value_name = "N|@LSN")]
    record: Place,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Why a unit did not get an exchange.
struct Why {
    /// Whether its rulebook has the unit at all.
    is_known: bool,
    rulebook: String,
    standing: Vec<String>,
    unmet: Vec<Unmet>,
}

impl WhyNot {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let (log, _) = DevelopmentLog::open(config)?;
        let mut found = None;
        let take = |all: Vec<(Told, Option<Why>)>, _: Progress| -> Result<(), Failed> {
            let all = all.into_iter();
            let mut those = all.filter_map(|(told, why)| Some((told, why?)));
            found = found.take().or_else(|| those.next());
            Ok(())
        };
        replay(
            log.follower.reader(),
            &log.ring,
            Span::default(),
            |told| self.why(told),
            take,
        )?;
        let (told, why) = found.ok_or_else(|| {
            let says = "there is no exchange of this number or address whose facts can be read; \
                        `carnet log tail` shows them";
            Failed::Usage(says.to_owned())
        })?;
        self.tell(&told, &why)
    }

    fn why(&self, told: &Told) -> Option<Why> {
        let is_it = match self.record {
            Place::Number(number) => told.number == number,
            Place::At(lsn) => told.lsn == lsn,
        };
        if !is_it || told.narrowed.is_some() {
            return None;
        }
        let (replayed, basis) = told.replayed()?;
        let in_force = basis.at(told.at);
        Some(Why {
            is_known: basis.rulebook.registry().unit(&self.unit).is_some(),
            rulebook: basis.rulebook.digest().to_string(),
            standing: replayed.standing(&in_force),
            unmet: replayed.unmet(&self.unit, &in_force),
        })
    }

    fn tell(&self, told: &Told, why: &Why) -> Result<(), Failed> {
        let (unit, exchange) = (&self.unit, &told.exchange);
        let mut recipients = exchange.recipients.iter();
        let outcome = recipients.find(|it| it.unit == *unit).map(|it| &it.outcome);
        if self.json {
            let told = json!({"number": told.number, "lsn": told.lsn.0, "at": told.at, "unit": unit,
                "outcome": outcome, "rulebook": why.rulebook, "standing": why.standing,
                "known": why.is_known, "unmet": why.unmet});
            return output::line(&told.to_string());
        }
        let Told {
            number, lsn, at, ..
        } = told;
        let (kind, sender) = (&exchange.message_type, &exchange.sender);
        output::line(&format!("{number:>5}  @{lsn}  {at}  {kind} from {sender}"))?;
        let got = outcome_in_words(outcome);
        output::line(&format!("       {unit}  recorded: {got}"))?;
        output::line(&format!("       rulebook  {}", why.rulebook))?;
        let standing = why.standing.iter();
        standing
            .map(|it| format!("       {it}"))
            .try_for_each(|it| output::line(&it))?;
        if matches!(outcome, Some(Outcome::Released(_))) {
            return Ok(());
        }
        let none = if why.is_known {
            "no rule gives it messages of this type and sender"
        } else {
            "the rulebook of that time has no such unit"
        };
        let unmet = why.unmet.iter().map(ToString::to_string);
        let mut lines: Vec<String> = unmet.collect();
        if lines.is_empty() {
            lines.push(none.to_owned());
        }
        lines
            .iter()
            .try_for_each(|it| output::line(&format!("       {it}")))
    }
}
