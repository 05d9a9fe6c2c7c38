//! The segments of a folder: listed by their names, opened one at a time where they are wanted, so
//! that a log of any length costs a look at its folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::layout::BLOCK;
use super::lsn::Lsn;
use super::segment::{self, End, Position, SegmentHeader};
use super::vfs::{Access, Through, Vfs, VfsFile};

/// A segment that is open.
pub(super) struct Segment<V: Vfs> {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<V::File>,
}

impl<V: Vfs> Segment<V> {
    /// Opens the segment that begins at `first`.
    pub(super) fn open(
        vfs: &V,
        folder: &Path,
        first: Lsn,
        access: Access,
    ) -> Result<Self, OpenError> {
        let path = folder.join(segment::name(first));
        let file = vfs
            .open(&path, access)
            .or_else(|_| vfs.open(&path, Access::Read))?;
        let mut block = vec![0; BLOCK];
        file.pread(&mut block, 0, Through::Disk)?;
        if let Some(version) = SegmentHeader::foreign_version(&block) {
            let file = path.display().to_string();
            return Err(OpenError::Version { file, version });
        }
        let header = SegmentHeader::parse(&block).filter(|header| header.first == first);
        let Some(header) = header else {
            return Err(OpenError::Corrupt {
                file: path.display().to_string(),
                at: first,
                says: "its header is damaged",
            });
        };
        Ok(Self {
            path,
            header,
            file: Arc::new(file),
        })
    }

    pub(super) fn corrupt(&self, at: Lsn, says: &'static str) -> OpenError {
        let file = self.path.display().to_string();
        OpenError::Corrupt { file, at, says }
    }
}

/// The segments of a folder, in order.
pub(super) struct Listing<V: Vfs> {
    pub(super) vfs: V,
    pub(super) folder: PathBuf,
    access: Access,
    firsts: Vec<Lsn>,
}

impl<V: Vfs> Listing<V> {
    /// Looks at the names in a folder.
    pub(super) fn list(vfs: &V, folder: &Path, access: Access) -> io::Result<Self> {
        let names = vfs.list(folder)?;
        let mut firsts: Vec<Lsn> = names
            .iter()
            .filter_map(|name| segment::first_of(name))
            .collect();
        firsts.sort_unstable();
        Ok(Self {
            vfs: vfs.clone(),
            folder: folder.to_owned(),
            access,
            firsts,
        })
    }

    /// Where each begins.
    pub(super) fn firsts(&self) -> &[Lsn] {
        &self.firsts
    }

    pub(super) fn open(&self, first: Lsn) -> Result<Segment<V>, OpenError> {
        Segment::open(&self.vfs, &self.folder, first, self.access)
    }

    /// The segment that holds an address, or would, and the one behind it.
    pub(super) fn around(&self, at: Lsn) -> (Option<Lsn>, Option<Lsn>) {
        let next = self.firsts.partition_point(|first| *first <= at);
        let holds = next.checked_sub(1).and_then(|place| self.firsts.get(place));
        (holds.copied(), self.firsts.get(next).copied())
    }

    /// Whether a segment follows at this position: it names the batch before it and the running hash
    /// up to there, so what was made of all before is of this very journal.
    pub(super) fn follows(&self, position: &Position) -> Result<bool, OpenError> {
        let next = self
            .firsts
            .partition_point(|first| *first < position.end.lsn);
        match self.firsts.get(next) {
            Some(first) => Ok(self.open(*first)?.header.follows(position)),
            None => Ok(false),
        }
    }
}

impl SegmentHeader {
    /// Whether it goes on at this position, perhaps behind what was lost, and that accepted.
    pub(super) fn follows(&self, position: &Position) -> bool {
        let named = [self.begins().end, self.predecessor];
        self.journal == position.journal && named.contains(&position.end)
    }

    /// The position at which its first batch is written.
    pub(super) fn begins(&self) -> Position {
        Position {
            journal: self.journal,
            end: End {
                lsn: self.first,
                ..self.predecessor
            },
        }
    }
}

/// Whether the journal in `folder` goes on at this position: what was made of all before it is of this
/// very journal.
pub fn vouches<V: Vfs>(vfs: &V, folder: &Path, position: &Position) -> Result<bool, OpenError> {
    match Listing::list(vfs, folder, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        listing => listing?.follows(position),
    }
}
