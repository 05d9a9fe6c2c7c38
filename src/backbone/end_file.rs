//! The end file: where the log ended when that was last written down, kept apart from the log.
//!
//! ```text
//! {"journal":"<32 hex digits>","end":{"lsn":…,"batch":…,"chain":…},"evidence":…}
//! <CRC-32C of that line, 8 hex digits>
//! ```
//! A log that does not have this end any more was cut, or put back from an older copy. The file is
//! behind the log by a minute at most: a loss younger than that can pass unseen. A thread of its own
//! writes it; the committer notes the end for that thread, and never waits for it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::StartError;
use crate::broker::committer::Committer;
use crate::journal::vfs::{Vfs, is_full, put_in_place, read_whole};
use crate::journal::{End, Position, Reader};

/// How often a new sealed segment is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Looks after which the end is written down, whether a segment was sealed or not: a minute.
const LOOKS: u32 = 60;
/// Octets that are read of the file, at most: more than it ever has.
const BYTES_MAX: u64 = 4 << 10;

/// The end of a log, synced, with what vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synced {
    /// The journal's name, in hexadecimal digits.
    pub journal: String,
    /// Where it ended.
    pub end: End,
    /// How many pieces of evidence it held.
    pub evidence: u64,
}

/// A journal's name as the end file has it.
pub(super) fn hex(journal: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(journal))
}

impl Synced {
    /// Where a committer's journal ends now.
    pub fn of<V: Vfs>(committer: &Committer<V>) -> Self {
        let Position { journal, end } = committer.journal().position();
        Self {
            journal: hex(journal),
            end,
            evidence: committer.ledger().leaves(),
        }
    }

    fn to_text(&self) -> io::Result<String> {
        let line = serde_json::to_string(self).map_err(io::Error::other)?;
        let check = crc32c::crc32c(line.as_bytes());
        Ok(format!("{line}\n{check:08x}\n"))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (line, check) = str::from_utf8(text).ok()?.split_once('\n')?;
        let crc = u32::from_str_radix(check.trim_end(), 16).ok()?;
        (crc == crc32c::crc32c(line.as_bytes())).then_some(())?;
        serde_json::from_str(line).ok()
    }
}

/// The file on its disk.
#[derive(Debug, Clone)]
pub struct EndFile<V> {
    vfs: V,
    path: PathBuf,
}

impl<V: Vfs> EndFile<V> {
    /// The end file at a path.
    pub fn new(vfs: V, path: PathBuf) -> Self {
        Self { vfs, path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; nothing where there is none. One that cannot be read is no reason to believe that
    /// the log is whole.
    pub fn read(&self) -> Result<Option<Synced>, StartError> {
        let read = read_whole(&self.vfs, &self.path, BYTES_MAX);
        let Some(text) = read.map_err(|error| self.failed("cannot be read", error))? else {
            return Ok(None);
        };
        let damaged = || StartError::EndFileDamaged(self.path.clone());
        Synced::parse(&text).map(Some).ok_or_else(damaged)
    }

    /// Puts what it says now in its place; durable when this returns.
    pub fn write(&self, synced: &Synced) -> io::Result<()> {
        put_in_place(&self.vfs, &self.path, synced.to_text()?.as_bytes())
    }

    /// Writes the file at a start, where one that cannot be written is a wrong setting; but not on a
    /// full disk: a start needs no room.
    pub fn begin(&self, synced: &Synced) -> Result<(), StartError> {
        match self.write(synced) {
            Err(error) if is_full(&error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the end file is not written: its disk is full");
                Ok(())
            }
            Err(error) => Err(self.failed("cannot be written", error)),
            Ok(()) => Ok(()),
        }
    }

    /// Fails where the file could not be written: to be asked before the log is changed.
    pub fn probe(&self) -> Result<(), StartError> {
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(".probe");
        let beside = PathBuf::from(beside);
        let tried = put_in_place(&self.vfs, &beside, b"");
        match tried.and_then(|()| self.vfs.unlink(&beside)) {
            Err(error) if !is_full(&error) => Err(self.failed("cannot be written", error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, says: &'static str, error: io::Error) -> StartError {
        let file = self.path.display().to_string();
        StartError::EndFile { file, says, error }
    }
}

/// The end of the log as the committer noted it last, for the thread that writes the file.
#[derive(Debug, Default)]
pub(super) struct EndNote(Mutex<Option<Synced>>);

impl EndNote {
    /// Notes the committer's end, unless the writing thread reads the note in this very moment: then
    /// the next step does.
    pub(super) fn leave<V: Vfs>(&self, committer: &Committer<V>) {
        if let Ok(mut noted) = self.0.try_lock() {
            let end = committer.journal().position().end;
            let evidence = committer.ledger().leaves();
            match &mut *noted {
                // The journal's name stays, and no memory is asked for.
                Some(noted) => (noted.end, noted.evidence) = (end, evidence),
                none => *none = Some(Synced::of(committer)),
            }
        }
    }

    /// Notes the committer's last end; waits for the note where it must, as no client waits for the
    /// committer any more.
    pub(super) fn leave_last<V: Vfs>(&self, committer: &Committer<V>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Synced::of(committer));
    }

    fn read(&self) -> Option<Synced> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clone()
    }
}

/// Writes the end down at each seal, once a minute, and for the last time once `Sender` is dropped.
pub(super) fn start<V: Vfs>(
    file: EndFile<V>,
    note: Arc<EndNote>,
    reader: Reader<V>,
) -> io::Result<(Sender<()>, JoinHandle<()>)> {
    let (sender, stopped) = mpsc::channel::<()>();
    let run = move || {
        let mut keeper = Keeper {
            file,
            note,
            written: None,
            failed: None,
        };
        let (mut sealed, mut looks) = (reader.sealed_end(), 0);
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            looks += 1;
            let now = reader.sealed_end();
            if now != sealed || looks >= LOOKS {
                (sealed, looks) = (now, 0);
                keeper.keep();
            }
        }
        keeper.keep();
    };
    let thread = std::thread::Builder::new().name("end-file".into());
    Ok((sender, thread.spawn(run)?))
}

struct Keeper<V: Vfs> {
    file: EndFile<V>,
    note: Arc<EndNote>,
    written: Option<Synced>,
    /// Why it could not be written, as it was said last.
    failed: Option<String>,
}

impl<V: Vfs> Keeper<V> {
    fn keep(&mut self) {
        let noted = self.note.read();
        let Some(synced) = noted.filter(|noted| self.written.as_ref() != Some(noted)) else {
            return;
        };
        let path = self.file.path().display();
        let failed = self.file.write(&synced).err();
        let failed = failed.map(|error| error.to_string());
        match &failed {
            Some(error) if self.failed != failed => {
                tracing::warn!(%path, error, "the end file is not written: a loss would be noticed later, or not");
            }
            None if self.failed.is_some() => tracing::info!(%path, "the end file is written again"),
            _ => {}
        }
        if failed.is_none() {
            self.written = Some(synced);
        }
        self.failed = failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Lsn;
    use crate::journal::vfs::{Pattern, SimVfs};

    fn synced(batch: u64) -> Synced {
        let (lsn, chain) = (Lsn(batch * 512), 7);
        Synced {
            journal: hex([0xab; 16]),
            end: End { lsn, batch, chain },
            evidence: batch,
        }
    }

    #[test]
    fn it_reads_back_in_folders_of_its_own_and_a_damaged_one_is_an_error() {
        let vfs = SimVfs::new(1);
        let file = EndFile::new(vfs.clone(), PathBuf::from("/state/deep/journal.end"));
        assert!(file.read().unwrap().is_none());
        file.probe().unwrap();
        assert!(file.read().unwrap().is_none());
        for batch in 1..=3 {
            file.write(&synced(batch)).unwrap();
            assert_eq!(file.read().unwrap(), Some(synced(batch)));
        }
        assert_eq!(vfs.list(Path::new("/state/deep")).unwrap(), ["journal.end"]);
        let whole = synced(3).to_text().unwrap();
        for at in 0..whole.len() - 1 {
            let disk = vfs.crash(Pattern::Nothing, 1);
            disk.edit(file.path(), |text| text[at] ^= 1).unwrap();
            let damaged = EndFile::new(disk, file.path().to_owned()).read();
            assert!(damaged.is_err(), "octet {at}");
        }
    }

    #[test]
    fn a_crash_at_any_call_leaves_the_one_before_or_the_one_after() {
        let path = PathBuf::from("/state/journal.end");
        let calls = {
            let vfs = SimVfs::new(1);
            let file = EndFile::new(vfs.clone(), path.clone());
            file.write(&synced(1)).unwrap();
            let before = vfs.calls();
            file.write(&synced(2)).unwrap();
            before..vfs.calls()
        };
        for call in calls {
            let vfs = SimVfs::new(call);
            let file = EndFile::new(vfs.clone(), path.clone());
            file.write(&synced(1)).unwrap();
            vfs.plan(call, crate::journal::vfs::Fault::Crash);
            drop(file.write(&synced(2)));
            for pattern in Pattern::EACH {
                let left = EndFile::new(vfs.crash(pattern, call), path.clone());
                let left = left.read().unwrap().map(|synced| synced.evidence);
                assert!(matches!(left, Some(1 | 2)), "{call} {pattern:?}: {left:?}");
            }
        }
    }
}
