//! `carnet log`: what the log of a data folder says, also while it is served.
//!
//! Only of a folder made by `--dev`: whoever reads a real log does so by an officer's right, and
//! that is not the command line's to judge. Never a body: messages stay with their recipients.

mod describe;
mod exchange;
mod rulebook;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;

use self::describe::Described;
use self::rulebook::RulebookOf;
use super::{Failed, on_a_runtime, output};
use crate::broker::record::{Genesis, Record};
use crate::config::Config;
use crate::journal::vfs::DiskVfs;
use crate::journal::{Follower, Lsn};
use crate::message::id::Digest;
use crate::policy::rulebook::Rulebook;

/// How often `--follow` looks for more.
const LOOK: Duration = Duration::from_millis(200);

/// What to know of the log.
#[derive(Debug, Subcommand)]
pub(super) enum Log {
    /// The last records
    #[command(
        after_help = "Examples:\n  carnet log tail\n  carnet log tail -n 50 --follow --json\n\nEvidence is numbered from 0, the genesis rulebook. With --all also what only keeps queues: without a number."
    )]
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
        records: usize,
        /// Go on with what is written from now on, until interrupted
        #[arg(short, long)]
        follow: bool,
        /// Also records of queues: leases, acknowledgements, declarations
        #[arg(long)]
        all: bool,
        /// As JSON, one record a line
        #[arg(long)]
        json: bool,
    },
    /// One record: who received it and who did not, by which policies, on which basis
    #[command(
        after_help = "Examples:\n  carnet log show 0\n  carnet log show 12 --json\n  carnet log show @4144    by its address in the journal"
    )]
    Show {
        /// Number of a piece of evidence, or @ and the address of any record
        #[arg(value_name = "N|@LSN")]
        record: Wanted,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The rulebooks that were in force: their files, and one of them
    Rulebook(RulebookOf),
}

/// Which record to show.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    Number(u64),
    At(Lsn),
}

impl FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = match text.strip_prefix('@') {
            Some(lsn) => lsn.parse().map(Self::At),
            None => text.parse().map(Self::Number),
        };
        wanted.map_err(
            |_| "is neither a number of evidence nor @ and an address, as `log tail` shows them",
        )
    }
}

impl Log {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let mut log = DevelopmentLog::open(config)?;
        match self {
            Self::Show { record, json } => log.show(*record, *json),
            Self::Rulebook(rulebook) => rulebook.run(&mut log),
            &Self::Tail {
                records,
                follow,
                all,
                json,
            } => log.tail(records, all, json).and_then(|()| {
                if follow {
                    on_a_runtime(log.follow(all, json))
                } else {
                    Ok(())
                }
            }),
        }
    }
}

/// The log of a folder made by `--dev`, read in order.
struct DevelopmentLog {
    folder: PathBuf,
    follower: Follower<DiskVfs>,
    /// Number of the next piece of evidence.
    next: u64,
}

/// A record as it is read: with its number, where it is evidence.
struct Entry {
    number: Option<u64>,
    lsn: Lsn,
    record: Record,
}

impl DevelopmentLog {
    fn open(config: &Config) -> Result<Self, Failed> {
        let folder = config.data.join("journal");
        let place = config.data.display();
        let follower = Follower::open(DiskVfs, &folder);
        let follower = follower.map_err(|error| {
            Failed::CannotRun(format!("{place} holds no log to read: {error}; see --data"))
        })?;
        let mut log = Self {
            folder,
            follower,
            next: 0,
        };
        let first = log.entries(Lsn::START).next().transpose()?;
        log.next = 0;
        match first.map(|entry| entry.record) {
            Some(Record::Genesis(genesis)) if genesis.development => Ok(log),
            Some(_) => Err(Failed::CannotRun(format!(
                "{place} was not begun with --dev: its log is read with an officer's access alone, \
                 which this version does not have yet"
            ))),
            None => Err(Failed::CannotRun(format!("the log in {place} is empty"))),
        }
    }

    /// Records from `from` on, the next piece of evidence having number `self.next`.
    fn entries(&mut self, from: Lsn) -> impl Iterator<Item = Result<Entry, Failed>> + '_ {
        let scan = self.follower.reader().scan(from);
        let next = &mut self.next;
        scan.map(move |stored| {
            let stored = stored.map_err(Failed::cannot_run)?;
            let record = Record::decode(stored.schema, &stored.body).map_err(Failed::cannot_run)?;
            let number = record.is_evidence().then_some(*next);
            *next += u64::from(number.is_some());
            Ok(Entry {
                number,
                lsn: stored.lsn,
                record,
            })
        })
    }

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
            output::text(&entry.text(json));
        }
        Ok(())
    }

    async fn follow(&mut self, all: bool, json: bool) -> Result<(), Failed> {
        loop {
            tokio::time::sleep(LOOK).await;
            let from = self.follower.advance().map_err(Failed::cannot_run)?;
            let mut text = String::new();
            for entry in self.entries(from) {
                let entry = entry?;
                if all || entry.is_told() {
                    text.push_str(&entry.text(json));
                }
            }
            if output::lines_to_a_reader(&text).is_err() {
                return Ok(());
            }
        }
    }

    fn show(&mut self, wanted: Wanted, json: bool) -> Result<(), Failed> {
        let mut rulebooks: Vec<Genesis> = Vec::new();
        let mut found = None;
        for entry in self.entries(Lsn::START) {
            let entry = entry?;
            if let Record::Genesis(genesis) | Record::Activated(genesis) = &entry.record {
                rulebooks.push(genesis.clone());
            }
            let is_it = match wanted {
                Wanted::Number(number) => entry.number == Some(number),
                Wanted::At(lsn) => entry.lsn == lsn,
            };
            if is_it {
                found = Some(entry);
                break;
            }
        }
        let Some(entry) = found else {
            let says = match wanted {
                Wanted::Number(number) => {
                    format!("the log has {} records of evidence, no {number}", self.next)
                }
                Wanted::At(lsn) => format!(
                    "no record begins at {lsn} in {}; `carnet log tail --all` shows addresses",
                    self.folder.display()
                ),
            };
            return Err(Failed::Usage(says));
        };
        let decided_by = match &entry.record {
            Record::Exchange(exchange) => Some(exchange.rulebook),
            _ => None,
        };
        let rulebook = decided_by.and_then(|wanted| parse(rulebooks, wanted));
        let described = Described::of(entry.number, entry.lsn, &entry.record, rulebook.as_ref());
        let described = described.with_its_id(&entry.record);
        if json {
            output::line(
                &described
                    .to_json_with_policies(rulebook.as_ref())
                    .to_string(),
            );
        } else {
            output::text(&described.to_text());
            output::text(&described.policies_as_text(rulebook.as_ref()));
        }
        Ok(())
    }
}

/// The rulebook that decided: it is in the log for ever, as it was.
fn parse(rulebooks: Vec<Genesis>, wanted: Digest) -> Option<Rulebook> {
    let mut rulebooks = rulebooks.into_iter();
    let genesis = rulebooks.find(|genesis| genesis.digest == wanted)?;
    Rulebook::parse(&genesis.bundle).ok()
}

impl Entry {
    /// Whether it says what happened, and not only how queues are kept.
    fn is_told(&self) -> bool {
        let is_story = matches!(
            self.record,
            Record::OrderEnded { .. }
                | Record::Recovered
                | Record::Stopped { .. }
                | Record::Repeats(_)
        );
        is_story || self.record.is_evidence()
    }

    fn text(&self, json: bool) -> String {
        let described = Described::of(self.number, self.lsn, &self.record, None);
        if json {
            format!("{}\n", described.to_json())
        } else {
            described.to_text()
        }
    }
}
