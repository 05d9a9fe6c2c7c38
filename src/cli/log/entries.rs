//! The records of a development log, each with its number and what earlier ones say of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::failed::Failed;
use super::super::start::{development_end_file, failed, read_master_key};
use crate::agency::keys::Ring;
use crate::backbone::end_file::EndFile;
use crate::backbone::error::Loss;
use crate::backbone::keeper::decoded;
use crate::backbone::loss::Witnesses;
use crate::backbone::ring;
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
    /// What opens what is sealed in it.
    pub(super) ring: Arc<Ring>,
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

/// The log of any data folder, beside the broker that serves it or without one.
pub(super) struct FolderLog {
    pub(super) follower: Follower<DiskVfs>,
    /// Whether it was begun with `--dev`: what is in another is told to officers alone.
    pub(super) development: bool,
    /// What opens what is sealed in it.
    pub(super) ring: Arc<Ring>,
}

impl FolderLog {
    /// The log, and what is gone of it.
    pub(super) fn open(config: &Config) -> Result<(Self, Option<Loss>), Failed> {
        let folder = config.data.join("journal");
        let place = config.data.display();
        let own = development_end_file(config);
        let end_file = if own.exists() {
            own
        } else {
            config.end_file.clone()
        };
        let end_file = EndFile::new(DiskVfs, end_file);
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
        let first = follower.reader().scan(Lsn::START).next();
        let first = first.transpose().map_err(failed)?;
        let first = first
            .map(|stored| decoded(&stored))
            .transpose()
            .map_err(failed)?;
        let development = match first {
            Some(Record::Genesis(genesis)) => genesis.development,
            Some(_) => false,
            None => return Err(Failed::CannotRun(format!("the log in {place} is empty"))),
        };
        let loss = witnesses.judge(follower.extent()).map_err(failed)?;
        let master = if development {
            read_master_key(&config.data.join("master.key"))?
        } else {
            read_master_key(&config.master_key)?
        };
        // Behind the look at the log: a key is in the ring before anything is sealed under it.
        let (_, ring) = ring::read(&DiskVfs, &config.data, &master).map_err(failed)?;
        let log = Self {
            follower,
            development,
            ring: Arc::new(ring),
        };
        Ok((log, loss))
    }
}

impl DevelopmentLog {
    /// The log, and what is gone of it.
    pub(super) fn open(config: &Config) -> Result<(Self, Option<Loss>), Failed> {
        let (log, loss) = FolderLog::open(config)?;
        if !log.development {
            return Err(Failed::CannotRun(format!(
                "{} was not begun with --dev: its log is read by an auditor, of the running broker; \
                 say who with --as, and why with --why",
                config.data.display()
            )));
        }
        let log = Self {
            folder: config.data.join("journal"),
            follower: log.follower,
            telling: Telling::default(),
            ring: log.ring,
        };
        Ok((log, loss))
    }

    /// Records from `from` on, the next piece of evidence having number `self.next`.
    pub(super) fn entries(
        &mut self,
        from: Lsn,
    ) -> impl Iterator<Item = Result<Entry, Failed>> + '_ {
        let scan = self.follower.reader().scan(from);
        let (telling, ring) = (&mut self.telling, &self.ring);
        scan.map(move |stored| {
            let entry = telling.read(&stored.map_err(failed)?).map_err(failed)?;
            Ok(entry.opened(ring))
        })
    }
}
