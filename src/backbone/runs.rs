//! The files of runs: one for each sealed segment of the journal, named after its first address.
//!
//! Each is made of its segment alone and never changed; one that is missing, damaged or of another
//! journal counts as absent, and is made again from the journal.

use std::io;
use std::ops::Range;

use crate::broker::format::RecordError;
use crate::broker::run::{DamagedRun, Run, encode};
use crate::journal::snapshot::{Files, name_at};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, ReadError, Reader};
use crate::message::id::KeyedDigest;

/// Why a run could not be searched or written down.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The disk.
    #[error("files of keys: {0}")]
    Io(#[from] io::Error),
    /// The journal.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What was just written is not what is read.
    #[error(transparent)]
    Damaged(#[from] DamagedRun),
}

/// A sealed segment's place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: Lsn,
    pub(super) end: Lsn,
}

/// The runs of one kind, and the journal that they are of.
pub(super) struct Runs<V: Vfs> {
    files: Files<V>,
    pub(super) reader: Reader<V>,
}

impl<V: Vfs> Runs<V> {
    pub(super) fn new(files: Files<V>, reader: Reader<V>) -> Self {
        Self { files, reader }
    }

    /// Sealed segments that end behind an address, in order.
    pub(super) fn sealed(&self, after: Lsn) -> impl DoubleEndedIterator<Item = Segment> + use<V> {
        let firsts = self.reader.segments();
        let ends: Vec<Lsn> = firsts.iter().skip(1).copied().collect();
        let sealed = firsts.into_iter().zip(ends);
        let sealed = sealed.map(|(first, end)| Segment { first, end });
        // A segment that took no batch has its successor's name.
        sealed.filter(move |segment| segment.end > after && segment.first < segment.end)
    }

    /// All of a segment's run; none where its file is not there, or not what it was.
    pub(super) fn whole(&self, segment: Segment) -> Result<Option<Vec<u8>>, RunError> {
        let Some((of, bytes)) = self.files.read(&name_at(segment.first))? else {
            return Ok(None);
        };
        let is_ours = of == self.reader.begins(segment.end)?;
        Ok(is_ours.then_some(bytes))
    }

    /// How many octets a segment's run has, by the head of its file; none where that is not there, or
    /// of another journal.
    pub(super) fn length(&self, segment: Segment) -> Result<Option<usize>, RunError> {
        let Some((of, length)) = self.files.head(&name_at(segment.first))? else {
            return Ok(None);
        };
        let is_ours = of == self.reader.begins(segment.end)?;
        Ok(is_ours.then_some(length))
    }

    /// Part of a segment's run, unchecked.
    pub(super) fn part(&self, segment: Segment, part: Range<usize>) -> Result<Vec<u8>, RunError> {
        Ok(self.files.read_part(&name_at(segment.first), part)?)
    }

    /// Puts a segment's run in place, of entries that are in order: what is in memory of it, and its octets.
    pub(super) fn write(
        &self,
        segment: Segment,
        entries: impl IntoIterator<Item = (KeyedDigest, Lsn)>,
    ) -> Result<(Run, usize), RunError> {
        let bytes = encode(entries);
        let run = Run::parse(&bytes)?;
        let of = self.reader.begins(segment.end)?;
        self.files.write(&name_at(segment.first), &of, &bytes)?;
        Ok((run, bytes.len()))
    }

    /// Takes away all files.
    pub(super) fn forget(&self) -> io::Result<()> {
        for name in self.files.names()? {
            self.files.remove(&name)?;
        }
        Ok(())
    }

    /// Takes away the files of all segments but these.
    pub(super) fn sweep(&self, kept: impl Fn(Lsn) -> bool) -> Result<(), RunError> {
        for name in self.files.names()? {
            let first = u64::from_str_radix(&name, 16).map(Lsn);
            if !first.is_ok_and(&kept) {
                self.files.remove(&name)?;
            }
        }
        Ok(())
    }
}
