//! `carnet log`: what the log of a data folder says, also while it is served.
//!
//! Only of a folder made by `--dev`: whoever reads a real log does so by an officer's right, and
//! that is not the command line's to judge. Never a body: messages stay with their recipients.

mod describe;
mod earlier;
mod exchange;
mod rulebook;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;

use self::describe::Described;
use self::earlier::{About, Earlier};
use self::rulebook::RulebookOf;
use super::output::{self, Reader};
use super::serve::{development_end_file, failed};
use super::{Failed, on_a_runtime};
use crate::backbone::end_file::EndFile;
use crate::backbone::loss::{Loss, Witnesses};
use crate::backbone::start::{StartError, decoded};
use crate::broker::delivery::confidential;
use crate::broker::record::{Genesis, Record};
use crate::config::Config;
use crate::journal::vfs::DiskVfs;
use crate::journal::{Follower, Lsn, OpenError};
use crate::message::id::{Digest, ExchangeId};
use crate::message::time::Timestamp;
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
        after_help = "Examples:\n  carnet log show 0\n  carnet log show 1 --json\n  carnet log show --message-id item-1    # all that came of it\n\nAlso by its address in the journal, as `log tail` shows it: @ and a number."
    )]
    Show {
        #[command(flatten)]
        wanted: Wanted,
        /// As JSON, one record a line
        #[arg(long)]
        json: bool,
    },
    /// The rulebooks that were in force: their files, and one of them
    Rulebook(RulebookOf),
}

/// Which records to show.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Wanted {
    /// Number of a piece of evidence, or @ and the address of any record
    #[arg(value_name = "N|@LSN")]
    record: Option<Place>,
    /// Every exchange and rejection that a sender published under this id, whichever sender
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// The exchange of this id, as the records show it
    #[arg(long, value_name = "ID")]
    exchange: Option<ExchangeId>,
}

/// Where one record stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Number(u64),
    At(Lsn),
}

impl FromStr for Place {
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

impl Wanted {
    fn is(&self, entry: &Entry) -> bool {
        match (self.record, &entry.record) {
            (Some(Place::Number(number)), _) => entry.number == Some(number),
            (Some(Place::At(lsn)), _) => entry.lsn == lsn,
            (None, Record::Exchange(exchange)) => {
                self.exchange == Some(exchange.id) || self.is_sealed_in(&exchange.sealed)
            }
            (None, Record::Rejected(rejected)) => self.is_sealed_in(&rejected.sealed),
            (None, _) => false,
        }
    }

    fn is_sealed_in(&self, sealed: &[u8]) -> bool {
        let wanted = self.message_id.as_ref();
        wanted.is_some_and(|id| confidential(sealed).message_id == *id)
    }

    /// Why nothing was found in a log of so many records of evidence.
    fn absent(&self, evidence: u64, folder: &Path) -> String {
        match self.record {
            Some(Place::Number(number)) => {
                format!("the log has {evidence} records of evidence, no {number}")
            }
            Some(Place::At(lsn)) => format!(
                "no record begins at {lsn} in {}; `carnet log tail --all` shows addresses",
                folder.display()
            ),
            None => "no sender has published under this id; a recipient knows the message by \
                 another id, and by the number in x-carnet-sequence: docs/log.md says how to look"
                .to_owned(),
        }
    }
}

impl Log {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let (mut log, loss) = DevelopmentLog::open(config)?;
        // What is left of a log is shown, and that it is not all.
        let told = self.tell(&mut log, loss.is_some());
        loss.map_or(told, |loss| Err(failed(StartError::Lost(loss))))
    }

    fn tell(&self, log: &mut DevelopmentLog, is_cut: bool) -> Result<(), Failed> {
        match self {
            Self::Show { wanted, json } => log.show(wanted, *json),
            Self::Rulebook(rulebook) => rulebook.run(log),
            &Self::Tail {
                records,
                follow,
                all,
                json,
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

/// The log of a folder made by `--dev`, read in order.
struct DevelopmentLog {
    folder: PathBuf,
    follower: Follower<DiskVfs>,
    /// Number of the next piece of evidence.
    next: u64,
    /// What was read before it.
    earlier: Earlier,
}

/// A record as it is read: with its number, where it is evidence.
struct Entry {
    number: Option<u64>,
    lsn: Lsn,
    record: Record,
    /// What earlier records say of it.
    about: Option<About>,
    /// What the clock said when it was written.
    clock: Option<Timestamp>,
}

impl DevelopmentLog {
    /// The log, and what is gone of it.
    fn open(config: &Config) -> Result<(Self, Option<Loss>), Failed> {
        let folder = config.data.join("journal");
        let place = config.data.display();
        let end_file = EndFile::new(DiskVfs, development_end_file(config));
        // Before the log is looked at: it is never behind what was read here.
        let witnesses = Witnesses::read(&DiskVfs, &config.data, Some(&end_file)).map_err(failed)?;
        let follower = Follower::open(DiskVfs, &folder, witnesses.expected());
        let follower = follower.map_err(|error| match error {
            OpenError::Io(error) => {
                Failed::CannotRun(format!("{place} holds no log to read: {error}; see --data"))
            }
            damaged => failed(damaged),
        })?;
        let mut log = Self {
            folder,
            follower,
            next: 0,
            earlier: Earlier::default(),
        };
        let first = log.entries(Lsn::START).next().transpose()?;
        (log.next, log.earlier) = (0, Earlier::default());
        match first.map(|entry| entry.record) {
            Some(Record::Genesis(genesis)) if genesis.development => {
                let loss = witnesses.judge(log.follower.extent()).map_err(failed)?;
                Ok((log, loss))
            }
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
        let (next, earlier) = (&mut self.next, &mut self.earlier);
        scan.map(move |stored| {
            let stored = stored.map_err(failed)?;
            let record = decoded(&stored).map_err(failed)?;
            let number = record.is_evidence().then_some(*next);
            *next += u64::from(number.is_some());
            let about = earlier.read(number, &record);
            Ok(Entry {
                about,
                number,
                lsn: stored.lsn,
                record,
                clock: stored.clock.map(Timestamp::from_millis),
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
        let mut rulebooks: Vec<Genesis> = Vec::new();
        let mut found = Vec::new();
        for entry in self.entries(Lsn::START) {
            let entry = entry?;
            if let Record::Genesis(genesis) | Record::Activated(genesis) = &entry.record {
                rulebooks.push(genesis.clone());
            }
            if wanted.is(&entry) {
                found.push(entry);
                // An id may have been used by several, and again when it was free.
                if wanted.message_id.is_none() {
                    break;
                }
            }
        }
        if found.is_empty() {
            return Err(Failed::Usage(wanted.absent(self.next, &self.folder)));
        }
        for entry in &found {
            entry.print_in_full(&rulebooks, json)?;
        }
        Ok(())
    }
}

/// The rulebook that decided: it is in the log for ever, as it was.
fn parse(rulebooks: &[Genesis], wanted: Digest) -> Option<Rulebook> {
    let mut rulebooks = rulebooks.iter();
    let genesis = rulebooks.find(|genesis| genesis.digest == wanted)?;
    Rulebook::load(&genesis.bundle).ok()
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

    /// Everything of it, by the rulebook that decided.
    fn print_in_full(&self, rulebooks: &[Genesis], json: bool) -> Result<(), Failed> {
        let decided_by = match &self.record {
            Record::Exchange(exchange) => Some(exchange.rulebook),
            _ => None,
        };
        let rulebook = decided_by.and_then(|wanted| parse(rulebooks, wanted));
        let rulebook = rulebook.as_ref();
        let described = Described::of(self.number, self.lsn, &self.record, rulebook);
        let described = described
            .with_its_id(&self.record)
            .with_earlier(self.about.as_ref())
            .at_clock(self.clock);
        if json {
            output::line(&described.to_json_with_policies(rulebook).to_string())
        } else {
            output::text(&described.to_text())?;
            output::text(&described.policies_as_text(rulebook))
        }
    }

    fn text(&self, json: bool) -> String {
        let described = Described::of(self.number, self.lsn, &self.record, None);
        let described = described.with_earlier(self.about.as_ref());
        let described = described.at_clock(self.clock);
        if json {
            format!("{}\n", described.to_json())
        } else {
            described.to_text()
        }
    }
}
