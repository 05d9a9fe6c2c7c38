//! `carnet log replay`: every exchange of a log is ruled again by what was in force, and must come out as
//! it is recorded.

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::output;
use super::super::start::failed;
use super::entries::FolderLog;
use crate::backbone::error::StartError;
use crate::backbone::replay::{Progress, Span, Told, replay};
use crate::broker::replay::Differs;
use crate::config::Config;
use crate::message::time::Timestamp;

/// Exchanges between two notes of how far it has come.
const NOTED: u64 = 100_000;

/// Rules every exchange again by the rulebook and the standing facts of its moment.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log replay\n  carnet log replay --since 2026-11-01T00:00:00Z --json\n\nIt reads the data folder, also beside a broker that serves it. Recipients, categories, rules, terms and what it rested on must be as recorded, default refusals included. Exit code 4: an exchange differs, or its facts cannot be read. Of a log that was not begun with --dev it tells which differ and in what, and nothing of what is in them."
)]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    times: Times,
    /// As JSON: an object for each exchange that differs, and one of how many there are
    #[arg(long)]
    json: bool,
}

/// From when to when.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Times {
    /// Exchanges of this time and later, such as 2026-11-30T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Exchanges before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl Times {
    pub(super) fn span(&self) -> Span {
        Span {
            since: self.since,
            until: self.until,
        }
    }
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::from_rfc3339(text).ok_or("is no time, such as 2026-11-30T08:00:00Z")
}

/// How many exchanges were ruled again, and how many of them are not as recorded.
#[derive(Default)]
struct Counted {
    exchanges: u64,
    narrowed: u64,
    differ: u64,
    unread: u64,
}

impl Replay {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let (log, loss) = FolderLog::open(config)?;
        let (mut counted, mut noted) = (Counted::default(), 0);
        let (reader, span) = (log.follower.reader(), self.times.span());
        let take =
            |found: Vec<(Told, Option<Vec<Differs>>)>, progress: Progress| -> Result<(), Failed> {
                for (told, differs) in found {
                    counted.count(&told, differs.as_deref());
                    match differs {
                        Some(differs) if differs.is_empty() => {}
                        differs => self.tell(&told, differs.as_deref(), log.development)?,
                    }
                }
                if progress.exchanges >= noted + NOTED {
                    noted = progress.exchanges;
                    note(&progress);
                }
                Ok(())
            };
        replay(reader, &log.ring, span, Told::differences, take)?;
        self.sum(&counted)?;
        match loss {
            Some(loss) => Err(failed(StartError::Lost(loss))),
            None => counted.verdict(),
        }
    }

    /// An exchange that differs, or whose facts cannot be read; `in_full` where its reader may know what
    /// is in it.
    fn tell(&self, told: &Told, differs: Option<&[Differs]>, in_full: bool) -> Result<(), Failed> {
        let Told { number, lsn, .. } = told;
        let names = differs.into_iter().flatten().map(Differs::name);
        let mut names: Vec<&str> = names.collect();
        names.dedup();
        if self.json {
            let mut found = json!({"number": number, "lsn": lsn.0, "differs": names});
            if let (true, Value::Object(found)) = (in_full, &mut found) {
                let exchange = &told.exchange;
                found.insert("id".to_owned(), json!(exchange.id));
                found.insert("at".to_owned(), json!(told.at));
                found.insert("details".to_owned(), json!(differs));
            }
            return output::line(&found.to_string());
        }
        let what = match differs {
            Some(_) => format!("DIFFERS in {}", names.join(", ")),
            None => "its facts, or its rulebook, cannot be read".to_owned(),
        };
        output::line(&format!("{number:>5}  @{lsn}  {what}"))?;
        let mut all = differs.filter(|_| in_full).into_iter().flatten();
        all.try_for_each(|it| output::line(&format!("       {it}")))
    }

    fn sum(&self, counted: &Counted) -> Result<(), Failed> {
        let Counted {
            exchanges,
            narrowed,
            differ,
            unread,
        } = counted;
        if self.json {
            let sum = json!({"exchanges": exchanges, "narrowed": narrowed, "differ": differ,
                "unread": unread});
            return output::line(&sum.to_string());
        }
        output::line(&format!(
            "{exchanges} exchanges and {narrowed} narrowed releases ruled again: {differ} differ, \
             {unread} cannot be read"
        ))
    }
}

impl Counted {
    fn count(&mut self, told: &Told, differs: Option<&[Differs]>) {
        match told.narrowed {
            None => self.exchanges += 1,
            Some(_) => self.narrowed += 1,
        }
        match differs {
            Some([]) => {}
            Some(_) => self.differ += 1,
            None => self.unread += 1,
        }
    }

    fn verdict(&self) -> Result<(), Failed> {
        match self.differ + self.unread {
            0 => Ok(()),
            alarms => Err(Failed::Damaged(format!(
                "{alarms} rulings are not what the rules and facts of their time give: the log was \
                 altered, or decided by other rules than it names (docs/log.md)"
            ))),
        }
    }
}

/// Says how far it has come.
fn note(progress: &Progress) {
    let Progress {
        exchanges,
        passed,
        octets,
    } = *progress;
    let percent = passed.saturating_mul(100) / octets.max(1);
    output::note(&format!("{exchanges} exchanges, {percent} % of the log"));
}
