//! Looking through a journal without changing it: where it ends, and whether what must be there is.
//!
//! Let k be the batch of the first invalid byte. A valid batch above k, damage before the named end
//! of an earlier segment: corruption. Otherwise k was being written when the power went: it was
//! never confirmed. (Sectors of one unsynced batch persist in any order, so anything valid *of batch
//! k* behind the first damage proves nothing.)
//!
//! A start and every command that reads go by the same look: what one refuses the other does. Beside
//! a process that writes, k may have become whole between two reads; it is read once more before it
//! counts as damaged.
//!
//! Stated limit: damage inside the last batch before an unclean stop looks like a torn write.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{BATCH_HEADER, Header, RecordHeader};
use super::layout::{SECTOR, narrow, wide};
use super::lsn::Lsn;
use super::recovery::OpenError;
use super::segment::{self, End, SegmentHeader};
use super::vfs::{Access, Through, Vfs, VfsFile};

pub(super) struct Segment<V: Vfs> {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<V::File>,
}

impl<V: Vfs> Segment<V> {
    fn corrupt(&self, at: Lsn, says: &'static str) -> OpenError {
        let file = self.path.display().to_string();
        OpenError::Corrupt { file, at, says }
    }
}

/// All segments of a folder, in order.
pub(super) fn load_segments<V: Vfs>(
    vfs: &V,
    folder: &Path,
    access: Access,
) -> Result<Vec<Segment<V>>, OpenError> {
    let mut segments = Vec::new();
    for name in vfs.list(folder)? {
        let Some(first) = segment::first_of(&name) else {
            continue;
        };
        let path = folder.join(&name);
        let file = vfs
            .open(&path, access)
            .or_else(|_| vfs.open(&path, Access::Read))?;
        let mut sector = vec![0; SECTOR];
        file.pread(&mut sector, 0, Through::Disk)?;
        let header = SegmentHeader::parse(&sector).filter(|header| header.first == first);
        let Some(header) = header else {
            return Err(OpenError::Corrupt {
                file: path.display().to_string(),
                at: first,
                says: "its header is damaged",
            });
        };
        segments.push(Segment {
            path,
            header,
            file: Arc::new(file),
        });
    }
    segments.sort_by_key(|segment| segment.header.first);
    Ok(segments)
}

/// How far a journal was looked through, and what was found on the way.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    seed: u32,
    stopped_kind: u8,
    /// The end of what is whole.
    pub(super) end: End,
    /// Whether the last record is that of a clean stop.
    pub(super) clean: bool,
    /// Whether something lies behind the end: a batch that is being written, or was not finished.
    pub(super) begun: bool,
    /// An end that the journal must have had, and whether it was met.
    expected: Option<End>,
    pub(super) met: bool,
}

/// Looks at what was written meanwhile, before what is not whole yet is left to the next look.
const LOOKS: usize = 16;
/// How far behind the end a second look searches for a later batch: no batch is as long.
pub(super) const NEAR: u64 = 4 << 20;

impl Survey {
    pub(super) fn new(seed: u32, stopped_kind: u8, expected: Option<End>) -> Self {
        let end = End::default();
        Self {
            seed,
            stopped_kind,
            end,
            clean: false,
            begun: false,
            expected,
            met: expected == Some(end),
        }
    }

    pub(super) fn seed(&self) -> u32 {
        self.seed
    }

    /// Goes on from where the last look ended, to the end of these segments; behind that, so far.
    pub(super) fn go_on<V: Vfs>(
        &mut self,
        segments: &[Segment<V>],
        behind: u64,
    ) -> Result<(), OpenError> {
        for (place, segment) in segments.iter().enumerate() {
            let next = segments.get(place + 1).map(|next| next.header.predecessor);
            let until = next.map(|next| next.lsn);
            let entered = segment.header.first < self.end.lsn;
            if entered && until.is_some_and(|until| until <= self.end.lsn) {
                continue;
            }
            if !entered {
                self.enter(segment)?;
            }
            self.walk(segment, until)?;
            if next.is_some_and(|next| next != self.end) {
                let says = "a batch before its named end is damaged";
                return Err(segment.corrupt(self.end.lsn, says));
            }
        }
        segments
            .last()
            .map_or(Ok(()), |last| self.look_behind(last, behind))
    }

    /// Looks at the first batch alone; behind it where it is not whole.
    pub(super) fn first_batch<V: Vfs>(&mut self, segments: &[Segment<V>]) -> Result<(), OpenError> {
        for segment in segments {
            self.walk(segment, Some(Lsn::START.plus(1)))?;
            if self.end == End::default() {
                self.look_behind(segment, u64::MAX)?;
            }
        }
        Ok(())
    }

    /// Where a segment begins, its predecessor's end is named. It may begin further on: what is
    /// between was lost, and that accepted.
    fn enter<V: Vfs>(&mut self, segment: &Segment<V>) -> Result<(), OpenError> {
        let SegmentHeader {
            first, predecessor, ..
        } = segment.header;
        let begin = End {
            lsn: first,
            ..predecessor
        };
        if (predecessor != self.end && begin != self.end) || first < predecessor.lsn {
            let says = "its predecessor does not end where it names";
            return Err(segment.corrupt(self.end.lsn, says));
        }
        self.reach(begin);
        Ok(())
    }

    fn reach(&mut self, end: End) {
        self.end = end;
        self.met |= self.expected == Some(end);
    }

    /// Walks whole batches from where the one before ends.
    fn walk<V: Vfs>(&mut self, segment: &Segment<V>, until: Option<Lsn>) -> Result<(), OpenError> {
        let mut window = Window::new(&*segment.file);
        while until.is_none_or(|until| self.end.lsn < until) {
            let place = wide(SECTOR) + self.end.lsn.bytes_since(segment.header.first);
            let Some(header) = Header::parse(window.read(place, SECTOR)?, self.seed) else {
                break;
            };
            if header.number != self.end.batch + 1 || header.lsn != self.end.lsn {
                break;
            }
            let bytes = window.read(place, header.total)?;
            if bytes.len() < header.total || !header.is_whole(bytes, self.seed) {
                break;
            }
            if let Some(kind) = last_kind_of(bytes, &header) {
                self.clean = kind == self.stopped_kind;
            }
            self.reach(End {
                lsn: self.end.lsn.plus(header.total),
                batch: header.number,
                chain: crc32c::crc32c_append(self.end.chain, bytes),
            });
        }
        Ok(())
    }

    /// Looks behind the end for a later batch: it was first written after the sync of the one that
    /// is not whole had returned.
    fn look_behind<V: Vfs>(&mut self, last: &Segment<V>, behind: u64) -> Result<(), OpenError> {
        for _ in 0..LOOKS {
            let found = inspect_behind(last, self.end, self.seed, behind)?;
            self.begun = found != Behind::Nothing;
            if found != Behind::ALaterBatch {
                break;
            }
            let before = self.end;
            self.walk(last, None)?;
            if self.end == before {
                let says = "a damaged batch is followed by a later one";
                return Err(last.corrupt(self.end.lsn, says));
            }
        }
        Ok(())
    }
}

/// A file as the disk has it, read in long pieces: past the cache each read waits for the disk, and
/// two of them a batch made a start after a million messages last ten seconds.
struct Window<'f, F> {
    file: &'f F,
    at: u64,
    bytes: Vec<u8>,
}

const WINDOW: usize = 4 << 20;

impl<'f, F: VfsFile> Window<'f, F> {
    fn new(file: &'f F) -> Self {
        let (at, bytes) = (0, Vec::new());
        Self { file, at, bytes }
    }

    /// Bytes from `place` on; fewer only where the file ends.
    fn read(&mut self, place: u64, length: usize) -> io::Result<&[u8]> {
        let held = place.checked_sub(self.at).map(narrow);
        let held = held.filter(|skipped| skipped.saturating_add(length) <= self.bytes.len());
        let skipped = if let Some(skipped) = held {
            skipped
        } else {
            self.bytes.resize(length.max(WINDOW), 0);
            let read = self.file.pread(&mut self.bytes, place, Through::Disk)?;
            self.bytes.truncate(read);
            self.at = place;
            0
        };
        let found = self.bytes.get(skipped..).unwrap_or_default();
        Ok(found.get(..length).unwrap_or(found))
    }
}

fn last_kind_of(bytes: &[u8], header: &Header) -> Option<u8> {
    let (mut at, end) = (BATCH_HEADER, BATCH_HEADER + header.records);
    let mut kind = None;
    while at < end {
        let record = RecordHeader::parse(bytes.get(at..)?)?;
        kind = Some(record.kind);
        at += record.stride();
    }
    kind
}

/// What lies behind the end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    AnUnfinishedBatch,
    ALaterBatch,
}

/// What is read at once where a segment is looked through for what should not be there.
const PIECE: usize = 1 << 20;
const ZEROS: [u8; SECTOR] = [0; SECTOR];

fn inspect_behind<V: Vfs>(
    segment: &Segment<V>,
    end: End,
    seed: u32,
    behind: u64,
) -> Result<Behind, OpenError> {
    let mut place = wide(SECTOR) + end.lsn.bytes_since(segment.header.first);
    let until = segment.file.size()?.min(place.saturating_add(behind));
    let mut found = Behind::Nothing;
    let mut piece = vec![0; PIECE];
    while place < until {
        let want = narrow(until - place).min(piece.len());
        let Some(into) = piece.get_mut(..want) else {
            break;
        };
        let read = segment.file.pread(into, place, Through::Disk)?;
        if read == 0 {
            break;
        }
        for sector in piece.get(..read).unwrap_or_default().chunks(SECTOR) {
            if ZEROS.get(..sector.len()) != Some(sector) {
                found = Behind::AnUnfinishedBatch;
            }
            let later = Header::parse(sector, seed).filter(|h| h.number > end.batch + 1);
            if later.is_some_and(|h| h.lsn >= end.lsn) {
                return Ok(Behind::ALaterBatch);
            }
        }
        place += wide(read);
    }
    Ok(found)
}
