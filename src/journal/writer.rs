//! The writer: one open batch, one active segment, one sync a batch. Owned by the committer thread.
//!
//! A reservation is given only while a whole spare segment stands by: its space is taken, whatever
//! else fills the disk. Where there is none the disk is full. What must be written then (settles,
//! the records of starts and of a clean stop) goes without a reservation into what the active
//! segment has left, which is space of its own too: after the last switch a whole segment. A start
//! that must leave a segment finds the spare, or goes on where it is ([`Journal::go_on`]).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::batch::{Closing, Kind, Open, seed};
use super::clear::clear_behind;
use super::fill::{Part, Zeros};
use super::frame::Frame;
use super::layout::{BLOCK, narrow, padded, wide};
use super::lsn::Lsn;
use super::reader::{Active, Reader, Shared};
use super::segment::{self, End, Position, SegmentHeader};
use super::vfs::{Vfs, VfsFile, is_full};

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of one segment; a batch takes at most a quarter.
    pub segment_bytes: usize,
    /// Whether zeros are written ahead by a thread of its own. Simulated disks do it inline.
    pub background: bool,
    /// Names a new journal; random.
    pub journal: [u8; 16],
    /// The record kind that only a clean stop writes, as its last.
    pub stopped_kind: u8,
}

impl Config {
    /// Octets of a segment's file: its header, and as many whole blocks as it may have.
    pub(super) fn whole(&self) -> u64 {
        wide(BLOCK + self.segment_bytes / BLOCK * BLOCK)
    }
}

/// There is no room for a spare segment. Nothing is lost, no publish can be stored; it is tried
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
    /// The active segment's first address, and the end that it names.
    first: Lsn,
    predecessor: End,
    end: End,
    open: Open,
    /// Dropped before the lock is: it may still write.
    zeros: Zeros<V>,
    /// What the clock said last, in milliseconds since 1970.
    clock: i64,
    /// Whether a batch with records is the last one.
    unmarked: bool,
    poisoned: Option<Poisoned>,
    _lock: V::Lock,
}

/// What recovery hands to the writer.
pub(super) struct Parts<V: Vfs> {
    pub(super) vfs: V,
    pub(super) folder: PathBuf,
    pub(super) config: Config,
    pub(super) shared: Arc<Shared<V>>,
    pub(super) file: Arc<V::File>,
    pub(super) zeros: Zeros<V>,
    pub(super) first: Lsn,
    pub(super) predecessor: End,
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
            zeros,
            first,
            predecessor,
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
            predecessor,
            end,
            open: Open::default(),
            zeros,
            clock: 0,
            unmarked: false,
            poisoned: None,
            _lock: lock,
        }
    }

    /// The end of what is durable.
    pub fn end(&self) -> Lsn {
        self.end.lsn
    }

    /// Where the journal ends, with what vouches for that, and the journal's name.
    pub fn position(&self) -> Position {
        Position {
            journal: self.config.journal,
            end: self.end,
        }
    }

    /// The address past everything in the open batch.
    pub fn next(&self) -> Lsn {
        self.end.lsn.plus(if self.open.is_empty() {
            0
        } else {
            self.open.size()
        })
    }

    /// The address that the next record pushed will have, unless a reservation comes before it.
    pub fn next_record(&self) -> Lsn {
        self.end.lsn.plus(self.open.next_record())
    }

    /// Whether nothing waits for a commit.
    pub fn is_batch_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Says what the clock says, in milliseconds since 1970: batches bear it from now on.
    pub fn read_clock(&mut self, clock: i64) {
        self.clock = clock;
    }

    /// A reader over what is durable.
    pub fn reader(&self) -> Reader<V> {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Where the next batch begins in the active segment's file.
    fn place(&self) -> u64 {
        wide(BLOCK) + self.end.lsn.bytes_since(self.first)
    }

    /// Makes sure that the open batch can take so many bytes more, that zeros for them are on the
    /// disk, and that a whole spare stands by; switches to the next segment where it must, which it
    /// can only between synced batches.
    pub fn reserve(&mut self, records: usize, frames: usize) -> Result<(), NoRoom> {
        if self.poisoned.is_some() {
            return Err(NoRoom);
        }
        match self.make_room(records + frames) {
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
        bytes <= self.most()
    }

    /// The most bytes that a segment of its own could take.
    pub fn most(&self) -> usize {
        let batches = narrow(self.whole()).saturating_sub(BLOCK);
        batches.saturating_sub(Open::default().size())
    }

    /// Bytes that the open batch can still take without a reservation: the segment has space for
    /// them.
    pub fn left(&self) -> usize {
        let taken = self.place() + wide(self.open.size());
        narrow(self.zeros.space().saturating_sub(taken))
    }

    /// Whether the segment has space for the open batch as it is.
    pub fn fits(&self) -> bool {
        self.place() + wide(self.open.size()) <= self.zeros.space()
    }

    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        self.zeros.keep()?;
        let until = self.place() + wide(padded(self.open.size() + bytes, BLOCK));
        if until <= self.whole() {
            self.zeros.reach(Part::Active, until)?;
            return self.zeros.keep_ahead(self.place());
        }
        if !self.can_hold(bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // What rides and has no place here any more (a start's record, on a full disk) is written
        // there: nothing of it is on the disk yet, and its addresses are the same.
        if self.fits()
            && let Err(poisoned) = self.commit()
        {
            return Err(io::Error::other(poisoned.0));
        }
        let fresh = wide(BLOCK) + wide(padded(self.open.size() + bytes, BLOCK));
        self.zeros.reach(Part::Spare, fresh)?;
        self.switch(self.end.lsn)?;
        // Where there is no other the disk is full, with a whole segment for what must go on.
        self.zeros.keep()
    }

    /// Bytes of a whole segment file.
    fn whole(&self) -> u64 {
        self.config.whole()
    }

    /// Makes the spare the active segment, which begins at `first`. It names where this one ends; from
    /// then on this one is never written again.
    fn switch(&mut self, first: Lsn) -> io::Result<()> {
        // INVARIANT: a segment has its space before its name, and no address is given twice.
        assert!(self.zeros.is_kept() && first >= self.end.lsn);
        // One that held no batch is replaced: its name, and the end that it names, are the new one's.
        let replaces = self.first == first;
        if !replaces {
            self.predecessor = self.end;
        }
        let header = SegmentHeader {
            journal: self.config.journal,
            first,
            predecessor: self.predecessor,
        };
        let file = Arc::new(segment::adopt_spare(&self.vfs, &self.folder, &header)?);
        self.zeros.adopted()?;
        if !replaces {
            let sealed = self.folder.join(segment::name(self.first));
            self.zeros.seal(sealed, self.place())?;
        }
        self.first = first;
        self.shared.add(Active {
            header,
            file: Arc::clone(&file),
        });
        self.end.lsn = first;
        self.shared.advance(first);
        self.file = file;
        Ok(())
    }

    /// Adds a record to the open batch. Its address is final, and means nothing before `commit`.
    pub fn push(&mut self, kind: Kind, body: &[u8], frame: Option<&Frame>) -> Lsn {
        let number = self.end.batch + 1;
        let at = self.open.push(kind, number, body, frame);
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
        // On a full disk small records go on without a reservation, as long as what was kept lasts.
        let end = self.place() + wide(self.open.size());
        if let Err(error) = self.zeros.reach(Part::Active, end) {
            return Err(self.poison(&error));
        }
        self.write()?;
        self.unmarked = true;
        Ok(())
    }

    /// Writes an empty batch behind the last one, once: damage to that one is then corruption, and
    /// cannot be taken for a write that was torn. Does nothing where a batch is open, or the disk is
    /// full.
    pub fn mark_end(&mut self) -> Result<(), Poisoned> {
        if let Some(poisoned) = &self.poisoned {
            return Err(poisoned.clone());
        }
        let room = self.place() + wide(BLOCK) <= self.zeros.active();
        if !self.unmarked || !self.open.is_empty() || !room || !self.zeros.is_kept() {
            return Ok(());
        }
        self.write()?;
        self.unmarked = false;
        Ok(())
    }

    fn write(&mut self) -> Result<(), Poisoned> {
        let number = self.end.batch + 1;
        let seed = seed(&self.config.journal);
        let place = self.place();
        let closed = self.open.close(Closing {
            number,
            lsn: self.end.lsn,
            clock: self.clock,
            seed,
        });
        let chain = crc32c::crc32c_append(self.end.chain, closed.hashed);
        let length = closed.len();
        // INVARIANT: a batch lies within zeros that are on the disk. Nothing else writes there.
        assert!(place + wide(length) <= self.zeros.active());
        let written = self
            .file
            .pwrite(&[closed.hashed, closed.frames, closed.padding], place)
            .and_then(|()| self.file.fdatasync());
        if let Err(error) = written {
            return Err(self.poison(&error));
        }
        self.end = End {
            lsn: self.end.lsn.plus(length),
            batch: number,
            chain,
        };
        self.zeros.consumed(length);
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

    /// Where an earlier start's journal is written on. After an unclean stop that is a new segment,
    /// where there is a spare or room for one; nothing is ever written over what the disk may still
    /// hold of an unfinished batch.
    ///
    /// On a full disk it is the segment that was written last, once that holds nothing behind its
    /// end any more: see [`clear_behind`]. So a start never needs room that it has not got, however
    /// many of them die one after the other.
    pub(super) fn go_on(&mut self, clean: bool) -> io::Result<()> {
        if !clean {
            match self.leave_segment_for(self.end.lsn) {
                Err(error) if is_full(&error) => {
                    tracing::warn!(
                        "the disk is full: the segment is written on behind what was confirmed"
                    );
                    clear_behind(&*self.file, self.place())?;
                    // Who gave the segment its name may have died before that was durable.
                    self.vfs.fsync_dir(&self.folder)?;
                }
                left => return left.and_then(|()| self.zeros.prepare()),
            }
        }
        self.zeros.claim(&self.file);
        self.zeros.prepare()
    }

    /// Leaves the segment that was written last, and goes on at an address behind all that the
    /// journal may once have had.
    pub(super) fn go_on_at(&mut self, further: Lsn) -> io::Result<()> {
        self.leave_segment_for(further)?;
        self.zeros.prepare()
    }

    /// Seals the active segment where it must not be written again.
    fn leave_segment_for(&mut self, first: Lsn) -> io::Result<()> {
        self.zeros.keep()?;
        // Zeros for the first records, in one piece while nobody else writes.
        let until = wide(BLOCK) + 1;
        self.zeros.reach_at_start(Part::Spare, until)?;
        self.switch(first)
    }
}
