//! The records of a development log, each with its number and what earlier ones say of it.

use std::path::{Path, PathBuf};

use super::super::failed::Failed;
use super::super::start::{development_end_file, failed};
use crate::backbone::end_file::EndFile;
use crate::backbone::error::Loss;
use crate::backbone::loss::Witnesses;
use crate::broker::record::Record;
use crate::config::Config;
use crate::http::log::{Entry, Telling};
use crate::journal::snapshot::Files;
use crate::journal::vfs::DiskVfs;
use crate::journal::{End, Follower, Known, Lsn, OpenError, vouches};

/// The log of a folder made by `--dev`, read in order.
pub(super) struct DevelopmentLog {
    pub(super) folder: PathBuf,
    pub(super) follower: Follower<DiskVfs>,
    /// What was read so far.
    pub(super) telling: Telling,
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
            telling: Telling::default(),
        };
        let first = log.entries(Lsn::START).next().transpose()?;
        log.telling = Telling::default();
        match first.map(|entry| entry.record) {
            Some(Record::Genesis(genesis)) if genesis.development => {
                let loss = witnesses.judge(log.follower.extent()).map_err(failed)?;
                Ok((log, loss))
            }
            Some(_) => Err(Failed::CannotRun(format!(
                "{place} was not begun with --dev: its log is read by an auditor, of the running broker; \
                 say who with --as, and why with --why"
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
        let telling = &mut self.telling;
        scan.map(move |stored| telling.read(&stored.map_err(failed)?).map_err(failed))
    }
}
