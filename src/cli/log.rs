//! `carnet log`: what a log says: of a folder made by `--dev`, also while it is served, and of any running
//! broker to an auditor, who names himself by `--as`.
//!
//! A real log is read by an officer's right, which the command line cannot judge: the broker does.

mod audit;
mod entries;
pub(super) mod key;
mod outstanding;
mod place;
mod proof;
mod replay;
mod rulebook;
mod scrub;
mod search;
mod stats;
mod verify;
mod wanted;
mod what_if;
mod why_not;

use std::collections::VecDeque;
use std::time::Duration;

use clap::Subcommand;

use self::audit::{Auditor, Filter, Tail};
use self::entries::DevelopmentLog;
use self::key::Keys;
use self::outstanding::OutstandingOf;
use self::proof::Prove;
use self::replay::Replay;
use self::rulebook::RulebookOf;
use self::search::Search;
use self::stats::Stats;
use self::verify::Verify;
use self::wanted::Wanted;
use self::what_if::WhatIf;
use self::why_not::WhyNot;
use super::failed::Failed;
use super::output::{self, Reader};
use super::runtime::on_a_runtime;
use super::start::failed;
use crate::backbone::error::StartError;
use crate::config::Config;
use crate::http::log::{About, InForce};
use crate::journal::Lsn;

/// How often `--follow` looks for more.
const LOOK: Duration = Duration::from_millis(200);

/// What to know of the log.
#[derive(Debug, Subcommand)]
pub(super) enum Log {
    #[command(flatten)]
    Read(Box<Read>),
    /// What is known under an identifier, and what else you look for: of a running broker
    #[command(
        after_help = "Examples:\n  carnet log search --key CP618402774XA --why \"complaint 12\" --as post/m-0077\n  carnet log search --key 26XA00000000000018 --follow --why \"case 7\" --csv --as customs/o-0934\n  carnet log search --type control.order --outcome refused --since 2026-11-01 --why sample --as customs/o-0934\n  carnet log search --key CP618402774XA --grant inquiry --why \"case 7\" --as audit/a-01\n\nThe kind of an identifier need not be known. What was withheld from a unit finds nothing for its agency. Who looked, why, for what and how much was shown is written into the log before anything is shown."
    )]
    Search(Box<Search>),
    /// How far the log was looked through for damage while it is served, and what was found
    #[command(
        after_help = "Examples:\n  carnet log scrub\n  carnet log scrub --json\n\nThe scrub reads every full segment once a week. Exit code 4: it has found damage."
    )]
    Scrub {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The proof that the log has a record, for others to verify without the broker
    Proof(Box<Prove>),
    /// Whether a proof shows what it says: offline, without the log or its broker
    Verify(Verify),
    /// Whether every exchange comes out as recorded where it is ruled again
    Replay(Replay),
    /// The key by which others verify what the log signs
    Key(Keys),
    /// What another rulebook would have made of the exchanges
    WhatIf(WhatIf),
    /// Why a unit did not get a message: the rules that would give it, and what each lacked
    WhyNot(WhyNot),
    /// What of an agency's messages waits, and is delivered and not settled, of a running broker
    Outstanding(OutstandingOf),
    /// How many messages came by hour, agency, type and outcome
    Stats(Stats),
}

/// What is read from the log's records.
#[derive(Debug, Subcommand)]
pub(super) enum Read {
    /// The last records
    #[command(
        after_help = "Examples:\n  carnet log tail    # of a folder made by --dev\n  carnet log tail -n 50 --follow --json\n\nOf a running broker:\n  carnet log tail --why \"monthly sample\" --as post/m-0077\n  carnet log tail --why \"complaint 12\" --grant audit-2026 --as audit/a-01\n\nEvidence is numbered from 0, the genesis rulebook. With --all also what only keeps queues: without a number. An auditor is shown what his agency sent and was given, or what a grant opens; who looked, why, for what and how much was shown is written into the log before anything is shown."
    )]
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
        records: usize,
        /// Go on with what is written from now on, until interrupted
        #[arg(short, long)]
        follow: bool,
        /// Also records of queues: leases, acknowledgements, declarations
        #[arg(long, conflicts_with = "officer")]
        all: bool,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        auditor: Auditor,
        /// As JSON, one record a line
        #[arg(long)]
        json: bool,
    },
    /// One record: who received it and who did not, by which policies, on which basis
    #[command(
        after_help = "Examples:\n  carnet log show 0\n  carnet log show 1 --json\n  carnet log show --message-id item-1    # all that came of it\n\nOf a running broker:\n  carnet log show --sent post/main/1 --why complaint --as post/m-0077\n\nAlso by its address in the journal, as `log tail` shows it: @ and a number."
    )]
    Show {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        auditor: Auditor,
        /// As JSON, one record a line
        #[arg(long)]
        json: bool,
    },
    /// The rulebooks that were in force: their files, and one of them
    Rulebook(RulebookOf),
}

impl Log {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        match self {
            Self::Read(read) => read.run(config),
            Self::Scrub { json } => scrub::run(config, *json),
            Self::Search(search) => search.run(config),
            Self::Proof(prove) => prove.run(config),
            Self::Verify(verify) => verify.run(),
            Self::Replay(replay) => replay.run(config),
            Self::Key(keys) => keys.run(config),
            Self::WhatIf(what_if) => what_if.run(config),
            Self::WhyNot(why_not) => why_not.run(config),
            Self::Outstanding(outstanding) => outstanding.run(config),
            Self::Stats(stats) => stats.run(config),
        }
    }
}

impl Read {
    fn run(&self, config: &Config) -> Result<(), Failed> {
        let audit = match self {
            Self::Tail { auditor, .. } | Self::Show { auditor, .. } => auditor.audit()?,
            Self::Rulebook(rulebook) => rulebook.auditor().audit()?,
        };
        match (self, audit) {
            (
                Self::Tail {
                    records,
                    follow,
                    filter,
                    json,
                    ..
                },
                Some(audit),
            ) => {
                let tail = Tail {
                    records: *records,
                    follow: *follow,
                    filter,
                    json: *json,
                };
                audit.tail(config, &tail)
            }
            (Self::Show { wanted, json, .. }, Some(audit)) => {
                audit.show(config, wanted.sought()?, *json)
            }
            (Self::Rulebook(rulebook), Some(audit)) => rulebook.of_broker(config, &audit),
            (_, None) => self.of_folder(config),
        }
    }

    fn of_folder(&self, config: &Config) -> Result<(), Failed> {
        let (mut log, loss) = DevelopmentLog::open(config)?;
        // What is left of a log is shown, and that it is not all.
        let told = self.tell(&mut log, loss.is_some());
        loss.map_or(told, |loss| Err(failed(StartError::Lost(loss))))
    }

    fn tell(&self, log: &mut DevelopmentLog, is_cut: bool) -> Result<(), Failed> {
        match self {
            Self::Show { wanted, json, .. } => log.show(wanted, *json),
            Self::Rulebook(rulebook) => rulebook.run(log),
            &Self::Tail {
                records,
                follow,
                all,
                json,
                ..
            } => log.tail(records, all, json).and_then(|()| {
                if follow && !is_cut {
                    on_a_runtime(log.follow(all, json))
                } else {
                    Ok(())
                }
            }),
        }
    }
}

impl DevelopmentLog {
    fn tail(&mut self, count: usize, all: bool, json: bool) -> Result<(), Failed> {
        let mut last = VecDeque::new();
        for entry in self.entries(Lsn::START) {
            let entry = entry?;
            if all || entry.is_told() {
                last.push_back(entry);
            }
            if last.len() > count {
                last.pop_front();
            }
        }
        for entry in &last {
            output::text(&entry.text(json))?;
        }
        Ok(())
    }

    async fn follow(&mut self, all: bool, json: bool) -> Result<(), Failed> {
        loop {
            tokio::time::sleep(LOOK).await;
            let from = self.follower.advance().map_err(failed)?;
            let mut text = String::new();
            for entry in self.entries(from) {
                let entry = entry?;
                if all || entry.is_told() {
                    text.push_str(&entry.text(json));
                }
            }
            if output::while_read(text.as_bytes())? == Reader::Gone {
                return Ok(());
            }
        }
    }

    fn show(&mut self, wanted: &Wanted, json: bool) -> Result<(), Failed> {
        let mut rulebooks: Vec<InForce> = Vec::new();
        let (mut found, query) = (Vec::new(), wanted.query());
        for entry in self.entries(Lsn::START) {
            let entry = entry?;
            if let Some(About::Rulebook(in_force)) = &entry.about {
                rulebooks.push(in_force.clone());
            }
            if wanted.is(&entry, &query) {
                found.push(entry);
                // An id may have been used by several, and again when it was free.
                if wanted.message_id.is_none() {
                    break;
                }
            }
        }
        if found.is_empty() {
            return Err(Failed::Usage(
                wanted.absent(self.telling.next, &self.folder),
            ));
        }
        for entry in &found {
            let described = entry.in_full(&rulebooks);
            if json {
                output::line(&described.to_json().to_string())?;
            } else {
                output::text(&described.to_text())?;
                output::text(&described.law_as_text())?;
            }
        }
        Ok(())
    }
}
