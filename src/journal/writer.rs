//! The writer: one open batch, one active segment, one sync a batch. Owned by the committer thread.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::batch::Open;
use super::layout::{SECTOR, narrow, padded, wide};
use super::lsn::Lsn;
use super::reader::{Reader, Shared};
use super::segment::{self, Beside, End, SegmentHeader};
use super::vfs::{Vfs, VfsFile, is_full};

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of one segment; a batch takes at most a quarter.
    pub segment_bytes: usize,
    /// Whether the next segment is made by a thread of its own. Simulated disks make it inline.
    pub background: bool,
    /// Names a new journal; random.
    pub journal: [u8; 16],
    /// The record kind that only a clean stop writes, as its last.
    pub stopped_kind: u8,
}

/// There is no room for another segment. Nothing is lost, nothing more can be stored; it is tried
/// again with the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full")]
pub struct NoRoom;

/// A write or sync failed. What reached the disk is unknown, and a second sync would lie: the
/// process ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal cannot be written: {0}; the process ends, a restart recovers what was confirmed"
)]
pub struct Poisoned(pub String);

/// The journal's writing side.
pub struct Journal<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    config: Config,
    shared: Arc<Shared<V>>,
    file: Arc<V::File>,
    /// The active segment's first address.
    first: Lsn,
    end: End,
    open: Open,
    spare: Spare,
    poisoned: Option<Poisoned>,
    _lock: V::Lock,
}

#[derive(Debug)]
enum Spare {
    Missing,
    Making(JoinHandle<io::Result<PathBuf>>),
    Ready,
}

/// What recovery hands to the writer.
pub(super) struct Parts<V: Vfs> {
    pub(super) vfs: V,
    pub(super) folder: PathBuf,
    pub(super) config: Config,
    pub(super) shared: Arc<Shared<V>>,
    pub(super) file: Arc<V::File>,
    pub(super) first: Lsn,
    pub(super) end: End,
    pub(super) lock: V::Lock,
}

impl<V: Vfs> Journal<V> {
    pub(super) fn new(parts: Parts<V>) -> Self {
        let Parts {
            vfs,
            folder,
            config,
            shared,
            file,
            first,
            end,
            lock,
        } = parts;
        Self {
            vfs,
            folder,
            config,
            shared,
            file,
            first,
            end,
            open: Open::default(),
            spare: Spare::Missing,
            poisoned: None,
            _lock: lock,
        }
    }

    /// The end of what is durable.
    pub fn end(&self) -> Lsn {
        self.end.lsn
    }

    /// The address past everything in the open batch.
    pub fn next(&self) -> Lsn {
        self.end.lsn.plus(if self.open.is_empty() {
            0
        } else {
            self.open.size()
        })
    }

    /// Whether nothing waits for a commit.
    pub fn is_batch_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// A reader over what is durable.
    pub fn reader(&self) -> Reader<V> {
        Reader::new(Arc::clone(&self.shared))
    }

    fn capacity(&self) -> usize {
        self.config.segment_bytes
    }

    fn used(&self) -> u64 {
        self.end.lsn.bytes_since(self.first)
    }

    /// Makes sure that the open batch can take so many bytes more; switches to the next segment
    /// where it must, which it can only between synced batches.
    pub fn reserve(&mut self, records: usize, frames: usize) -> Result<(), NoRoom> {
        let wanted = padded(self.open.size() + records + frames, SECTOR);
        if self.poisoned.is_some() {
            return Err(NoRoom);
        }
        if self.used() + wide(wanted) <= wide(self.capacity()) {
            self.prepare_spare();
            return Ok(());
        }
        if !self.open.is_empty() && self.commit().is_err() {
            return Err(NoRoom);
        }
        let wanted = padded(self.open.size() + records + frames, SECTOR);
        if wanted > self.capacity() {
            return Err(NoRoom);
        }
        match self.switch() {
            Ok(()) => Ok(()),
            Err(error) if is_full(&error) => Err(NoRoom),
            Err(error) => {
                self.poison(&error);
                Err(NoRoom)
            }
        }
    }

    /// Whether a segment of its own could take so many bytes.
    pub fn can_hold(&self, bytes: usize) -> bool {
        padded(Open::default().size().saturating_add(bytes), SECTOR) <= self.capacity()
    }

    /// Bytes that the open batch can still take without a reservation: what is on the disk already.
    pub fn left(&self) -> usize {
        let taken = self.used().saturating_add(wide(self.open.size()));
        self.capacity().saturating_sub(narrow(taken))
    }

    /// Starts on the next segment once half of this one is used.
    fn prepare_spare(&mut self) {
        if matches!(self.spare, Spare::Missing)
            && self.config.background
            && self.used() > wide(self.capacity() / 2)
        {
            let (vfs, folder) = (self.vfs.clone(), self.folder.clone());
            let size = SECTOR + self.capacity();
            let make = move || segment::make_spare(&vfs, &folder, size, Beside::TheWriter);
            let thread = std::thread::Builder::new()
                .name("journal-fill".into())
                .spawn(make);
            self.spare = thread.map_or(Spare::Missing, Spare::Making);
        }
    }

    fn switch(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.spare, Spare::Missing) {
            Spare::Ready => {}
            Spare::Making(thread) => {
                let made = thread
                    .join()
                    .map_err(|_| io::Error::other("the filling thread died"))?;
                made.map(drop)?;
            }
            Spare::Missing => {
                let size = SECTOR + self.capacity();
                segment::make_spare(&self.vfs, &self.folder, size, Beside::Nobody).map(drop)?;
            }
        }
        self.spare = Spare::Ready;
        let journal = self.config.journal;
        let header = SegmentHeader {
            journal,
            first: self.end.lsn,
            predecessor: self.end,
        };
        let file = Arc::new(segment::adopt_spare(&self.vfs, &self.folder, &header)?);
        self.spare = Spare::Missing;
        if self.first != self.end.lsn {
            self.protect_sealed();
        }
        self.first = self.end.lsn;
        self.shared.add(self.first, Arc::clone(&file));
        self.file = file;
        Ok(())
    }

    /// Nobody writes a sealed segment again; a failure to say so to the file system harms nothing.
    /// (One that held no batch was replaced: its name is the active segment's.)
    fn protect_sealed(&self) {
        let sealed = self.folder.join(segment::name(self.first));
        if let Err(error) = self.vfs.protect(&sealed) {
            tracing::warn!(file = %sealed.display(), %error, "a sealed segment stays writable");
        }
    }

    /// Adds a record to the open batch. Its address is final, and means nothing before `commit`.
    pub fn push(&mut self, kind: u8, schema: u16, body: &[u8], frame: Option<&[u8]>) -> Lsn {
        let number = self.end.batch + 1;
        let at = self.open.push((kind, schema), number, body, frame);
        self.end.lsn.plus(at)
    }

    /// Makes the open batch durable: one write, one sync.
    pub fn commit(&mut self) -> Result<(), Poisoned> {
        if let Some(poisoned) = &self.poisoned {
            return Err(poisoned.clone());
        }
        if self.open.is_empty() {
            return Ok(());
        }
        let number = self.end.batch + 1;
        let seed = seed(&self.config.journal);
        let place = wide(SECTOR) + self.end.lsn.bytes_since(self.first);
        // On a full disk small records go on without a reservation, as long as this segment lasts.
        if place + wide(self.open.size()) > wide(SECTOR + self.config.segment_bytes) {
            return Err(self.poison(&io::ErrorKind::StorageFull.into()));
        }
        let bytes = self.open.close(number, self.end.lsn, seed);
        let chain = crc32c::crc32c_append(self.end.chain, bytes);
        let written = self
            .file
            .pwrite(&[bytes], place)
            .and_then(|()| self.file.fdatasync());
        let length = bytes.len();
        if let Err(error) = written {
            return Err(self.poison(&error));
        }
        self.end = End {
            lsn: self.end.lsn.plus(length),
            batch: number,
            chain,
        };
        self.shared.advance(self.end.lsn);
        self.open.clear();
        Ok(())
    }

    fn poison(&mut self, error: &io::Error) -> Poisoned {
        let poisoned = Poisoned(error.to_string());
        self.poisoned = Some(poisoned.clone());
        poisoned
    }

    /// Whether a write or sync has failed.
    pub fn poisoned(&self) -> Option<&Poisoned> {
        self.poisoned.as_ref()
    }

    /// Seals the active segment where it must not be written again.
    pub(super) fn leave_segment(&mut self) -> io::Result<()> {
        self.switch()
    }
}

/// What every CRC of a journal begins with.
pub(super) fn seed(journal: &[u8; 16]) -> u32 {
    crc32c::crc32c(journal)
}
