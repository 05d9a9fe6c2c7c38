//! The records of a development log, each with its number and what earlier ones say of it.

use std::path::{Path, PathBuf};

use super::super::failed::Failed;
use super::super::output;
use super::super::start::{development_end_file, failed};
use super::describe::Described;
use super::earlier::{About, Earlier, InForce};
use crate::backbone::end_file::EndFile;
use crate::backbone::error::Loss;
use crate::backbone::keeper::decoded;
use crate::backbone::loss::Witnesses;
use crate::broker::record::Record;
use crate::config::Config;
use crate::journal::snapshot::Files;
use crate::journal::vfs::DiskVfs;
use crate::journal::{End, Follower, Known, Lsn, OpenError, vouches};
use crate::message::id::Digest;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// The log of a folder made by `--dev`, read in order.
pub(super) struct DevelopmentLog {
    pub(super) folder: PathBuf,
    pub(super) follower: Follower<DiskVfs>,
    /// Number of the next piece of evidence.
    pub(super) next: u64,
    /// What was read before it.
    earlier: Earlier,
}

/// Up to where a snapshot says that the log was whole: its records are checked as they are read, and
/// not all before one is shown.
fn vouched(data: &Path, folder: &Path) -> Result<Option<End>, Failed> {
    let snapshots = Files::of_snapshots(DiskVfs, data);
    for whole in snapshots.whole().map_err(Failed::cannot_run)? {
        let (of, _) = whole.map_err(Failed::cannot_run)?;
        if vouches(&DiskVfs, folder, &of).map_err(failed)? {
            return Ok(Some(of.end));
        }
    }
    Ok(None)
}

/// A record as it is read: with its number, where it is evidence.
pub(super) struct Entry {
    pub(super) number: Option<u64>,
    pub(super) lsn: Lsn,
    pub(super) record: Record,
    /// What earlier records say of it.
    pub(super) about: Option<About>,
    /// What the clock said when it was written.
    pub(super) clock: Option<Timestamp>,
}

impl DevelopmentLog {
    /// The log, and what is gone of it.
    pub(super) fn open(config: &Config) -> Result<(Self, Option<Loss>), Failed> {
        let folder = config.data.join("journal");
        let place = config.data.display();
        let end_file = EndFile::new(DiskVfs, development_end_file(config));
        // Before the log is looked at: it is never behind what was read here.
        let witnesses = Witnesses::read(&DiskVfs, &config.data, Some(&end_file)).map_err(failed)?;
        let known = Known {
            expected: witnesses.expected(),
            vouched: vouched(&config.data, &folder)?,
        };
        let follower = Follower::open(DiskVfs, &folder, &known);
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
    pub(super) fn entries(
        &mut self,
        from: Lsn,
    ) -> impl Iterator<Item = Result<Entry, Failed>> + '_ {
        let scan = self.follower.reader().scan(from);
        let (next, earlier) = (&mut self.next, &mut self.earlier);
        scan.map(move |stored| {
            let stored = stored.map_err(failed)?;
            let record = decoded(&stored).map_err(failed)?;
            let number = record.is_evidence().then_some(*next);
            *next += u64::from(number.is_some());
            let about = earlier.read(stored.lsn, number, &record);
            Ok(Entry {
                about,
                number,
                lsn: stored.lsn,
                record,
                clock: stored.clock.map(Timestamp::from_millis),
            })
        })
    }
}

impl Entry {
    /// Whether it says what happened, and not only how queues are kept.
    pub(super) fn is_told(&self) -> bool {
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
    pub(super) fn print_in_full(&self, rulebooks: &[InForce], json: bool) -> Result<(), Failed> {
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
            output::line(&described.to_json().to_string())
        } else {
            output::text(&described.to_text())?;
            output::text(&described.law_as_text())
        }
    }

    pub(super) fn text(&self, json: bool) -> String {
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

/// The rulebook that decided: it is in the log for ever, as it was.
fn parse(rulebooks: &[InForce], wanted: Digest) -> Option<Rulebook> {
    let mut rulebooks = rulebooks.iter();
    let in_force = rulebooks.find(|it| it.digest == wanted)?;
    Rulebook::load(&in_force.bundle).ok()
}
