//! Reading back what is durable: a record by its address, a payload frame, or all in order.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::batch::{BATCH_HEADER, Header, Kind, RecordHeader};
use super::frame::FrameDigest;
use super::layout::{BLOCK, wide};
use super::listing::Segment;
use super::lsn::Lsn;
use super::recovery::OpenError;
use super::segment::{End, Position};
use super::vfs::{Access, Through, Vfs, VfsFile};

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("reading the journal failed: {0}")]
    Io(#[from] io::Error),
    /// No whole record starts there.
    #[error("there is no whole record at {0}")]
    Damaged(Lsn),
}

impl From<OpenError> for ReadError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => Self::Io(error),
            OpenError::Read(error) => error,
            OpenError::Corrupt { at, .. } => Self::Damaged(at),
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}

/// A record as it lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its address.
    pub lsn: Lsn,
    /// Its kind and schema.
    pub kind: Kind,
    /// Its body.
    pub body: Vec<u8>,
    /// Its payload frame, if it has one.
    pub frame: Option<FrameRef>,
    /// What the clock said when its batch was closed, in milliseconds since 1970. Known to a scan alone,
    /// and of batches that say so.
    pub clock: Option<i64>,
}

/// Where a payload frame lies, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef {
    at: Lsn,
    length: usize,
    digest: FrameDigest,
}

impl FrameRef {
    /// Where the frame begins, and how many octets it has.
    pub fn place(&self) -> (Lsn, usize) {
        (self.at, self.length)
    }
}

/// A segment that is not written any more.
struct Sealed {
    first: Lsn,
    /// What the next one names as its end, once that was read.
    end: OnceLock<End>,
}

impl Sealed {
    fn new(first: Lsn) -> Self {
        let end = OnceLock::new();
        Self { first, end }
    }
}

/// The segment that is written.
pub(super) struct Active<V: Vfs> {
    pub(super) first: Lsn,
    pub(super) begins: Position,
    pub(super) file: Arc<V::File>,
}

impl<V: Vfs> Active<V> {
    pub(super) fn of(segment: &Segment<V>) -> Self {
        Self {
            first: segment.header.first,
            begins: segment.header.begins(),
            file: Arc::clone(&segment.file),
        }
    }
}

struct Segments<V: Vfs> {
    sealed: Vec<Sealed>,
    active: Active<V>,
}

impl<V: Vfs> Segments<V> {
    /// Where the segment behind a sealed one begins.
    fn after(&self, place: usize) -> Lsn {
        let next = self.sealed.get(place.saturating_add(1));
        next.map_or(self.active.first, |next| next.first)
    }
}

/// Files of sealed segments that are open at once, at most: with the active one, the spare and the
/// lock, and what a start and a scrub hold, fewer than 64.
const OPEN_SEALED: usize = 48;

/// Segments and the durable end, shared by the writer and all readers.
pub(super) struct Shared<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    pub(super) seed: u32,
    journal: [u8; 16],
    segments: RwLock<Segments<V>>,
    /// Files of sealed segments that were read from, the latest last.
    opened: Mutex<VecDeque<(Lsn, Arc<V::File>)>>,
    end: AtomicU64,
}

/// What holds an address: where it begins, its file, and where what it holds ends.
struct Holder<V: Vfs> {
    first: Lsn,
    file: Arc<V::File>,
    end: Lsn,
}

impl<V: Vfs> Shared<V> {
    pub(super) fn new(
        (vfs, folder): (V, &Path),
        sealed: Vec<Lsn>,
        active: Active<V>,
        end: Lsn,
    ) -> Self {
        let journal = active.begins.journal;
        let sealed = sealed.into_iter().map(Sealed::new).collect();
        Self {
            vfs,
            folder: folder.to_owned(),
            seed: super::writer::seed(&journal),
            journal,
            segments: RwLock::new(Segments { sealed, active }),
            opened: Mutex::default(),
            end: AtomicU64::new(end.0),
        }
    }

    /// Another segment, behind the durable end; in place of one that took no batch, which was never
    /// read from.
    pub(super) fn add(&self, active: Active<V>) {
        let segments = self.segments.write();
        let mut segments = segments.unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut segments.active, active);
        if before.first < segments.active.first {
            segments.sealed.push(Sealed::new(before.first));
        }
    }

    pub(super) fn advance(&self, end: Lsn) {
        self.end.store(end.0, Ordering::Release);
    }

    fn end(&self) -> Lsn {
        Lsn(self.end.load(Ordering::Acquire))
    }

    fn segments(&self) -> RwLockReadGuard<'_, Segments<V>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that holds `lsn`.
    fn holder(&self, lsn: Lsn) -> Result<Holder<V>, ReadError> {
        let segments = self.segments();
        if segments.active.first <= lsn {
            return Ok(Holder {
                first: segments.active.first,
                file: Arc::clone(&segments.active.file),
                end: self.end(),
            });
        }
        let after = segments.sealed.partition_point(|it| it.first <= lsn);
        let place = after.checked_sub(1).ok_or(ReadError::Damaged(lsn))?;
        let sealed = segments.sealed.get(place).ok_or(ReadError::Damaged(lsn))?;
        let first = sealed.first;
        let end = self.named_end(&segments, place)?.lsn;
        drop(segments);
        let file = self.file(first)?;
        Ok(Holder { first, file, end })
    }

    /// The end of a sealed segment, as the next one names it.
    fn named_end(&self, segments: &Segments<V>, place: usize) -> Result<End, ReadError> {
        let next = segments.after(place);
        let sealed = segments.sealed.get(place).ok_or(ReadError::Damaged(next))?;
        if let Some(end) = sealed.end.get() {
            return Ok(*end);
        }
        let header = Segment::open(&self.vfs, &self.folder, next, Access::Read)?.header;
        Ok(*sealed.end.get_or_init(|| header.predecessor))
    }

    fn file(&self, first: Lsn) -> Result<Arc<V::File>, ReadError> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = opened();
        if let Some(place) = known.iter().position(|(it, _)| *it == first)
            && let Some(found) = known.remove(place)
        {
            let file = Arc::clone(&found.1);
            known.push_back(found);
            return Ok(file);
        }
        drop(known);
        let file = Segment::open(&self.vfs, &self.folder, first, Access::Read)?.file;
        let mut known = opened();
        if known.len() >= OPEN_SEALED {
            known.pop_front();
        }
        known.push_back((first, Arc::clone(&file)));
        Ok(file)
    }

    /// Where the batch begins that follows one that ends at `end`: there, or behind a gap.
    fn after(&self, end: Lsn) -> Result<Lsn, ReadError> {
        let segments = self.segments();
        let next = segments.sealed.partition_point(|it| it.first <= end);
        if segments.active.first <= end {
            return Ok(end);
        }
        let Some(place) = next.checked_sub(1) else {
            return Ok(end);
        };
        let named = self.named_end(&segments, place)?.lsn;
        Ok(if named <= end {
            segments.after(place)
        } else {
            end
        })
    }
}

/// Reads what is durable; anyone, at any time.
pub struct Reader<V: Vfs> {
    shared: Arc<Shared<V>>,
}

impl<V: Vfs> Clone for Reader<V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A first read takes this much: most records with their headers.
const FIRST_READ: usize = 2048;

impl<V: Vfs> Reader<V> {
    pub(super) fn new(shared: Arc<Shared<V>>) -> Self {
        Self { shared }
    }

    /// The end of what is durable.
    pub fn end(&self) -> Lsn {
        self.shared.end()
    }

    /// The journal's name.
    pub fn journal(&self) -> [u8; 16] {
        self.shared.journal
    }

    /// Where the active segment begins: everything before it is never written again.
    pub fn sealed_end(&self) -> Position {
        self.shared.segments().active.begins
    }

    /// Where each segment begins, in order; the last is the active one.
    pub fn segments(&self) -> Vec<Lsn> {
        let segments = self.shared.segments();
        let sealed = segments.sealed.iter().map(|sealed| sealed.first);
        sealed.chain([segments.active.first]).collect()
    }

    /// The position at which a segment begins, by the first of its addresses.
    pub fn begins(&self, first: Lsn) -> Result<Position, ReadError> {
        let active = self.sealed_end();
        if active.end.lsn == first {
            return Ok(active);
        }
        Ok(self.segment(first)?.header.begins())
    }

    /// Whether the journal goes on at this position, perhaps behind a gap: what was made of all before
    /// it is of this very journal.
    pub fn vouches(&self, position: &Position) -> Result<bool, OpenError> {
        let mut segments = self.segments().into_iter();
        let Some(first) = segments.find(|first| *first >= position.end.lsn) else {
            return Ok(false);
        };
        Ok(self.segment(first)?.header.follows(position))
    }

    pub(super) fn segment(&self, first: Lsn) -> Result<Segment<V>, OpenError> {
        let Shared { vfs, folder, .. } = &*self.shared;
        Segment::open(vfs, folder, first, Access::Read)
    }

    pub(super) fn seed(&self) -> u32 {
        self.shared.seed
    }

    fn read(&self, at: Lsn, length: usize) -> Result<Vec<u8>, ReadError> {
        let Holder { first, file, end } = self.shared.holder(at)?;
        let left = super::layout::narrow(end.bytes_since(at));
        let mut bytes = vec![0; length.min(left)];
        let place = wide(BLOCK) + at.bytes_since(first);
        let read = file.pread(&mut bytes, place, Through::Cache)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The record at `lsn`.
    pub fn record(&self, lsn: Lsn) -> Result<StoredRecord, ReadError> {
        let mut bytes = self.read(lsn, FIRST_READ)?;
        let header = RecordHeader::parse(&bytes).ok_or(ReadError::Damaged(lsn))?;
        if header.stride() > bytes.len() {
            bytes = self.read(lsn, header.stride())?;
        }
        stored(lsn, &header, &bytes, self.shared.seed).ok_or(ReadError::Damaged(lsn))
    }

    /// A record's payload frame.
    pub fn frame(&self, frame: &FrameRef) -> Result<Bytes, ReadError> {
        let bytes = self.read(frame.at, frame.length)?;
        if bytes.len() != frame.length || !frame.digest.is_of(&bytes) {
            return Err(ReadError::Damaged(frame.at));
        }
        Ok(bytes.into())
    }

    /// All records from `from` on, which is the start of a batch: [`Lsn::START`], or an end that
    /// was durable once.
    pub fn scan(&self, from: Lsn) -> Scan<V> {
        let batch = Vec::new();
        Scan {
            reader: self.clone(),
            start: from,
            next: from,
            batch,
            clock: None,
            at: 0,
            records_end: 0,
        }
    }
}

fn stored(lsn: Lsn, header: &RecordHeader, bytes: &[u8], seed: u32) -> Option<StoredRecord> {
    let body = header.body(bytes, seed)?.to_vec();
    let batch = Lsn(lsn.0.checked_sub(wide(header.back))?);
    let frame = header.digest.map(|digest| FrameRef {
        at: batch.plus(header.frame_at),
        length: header.frame_length,
        digest,
    });
    Some(StoredRecord {
        lsn,
        kind: header.kind,
        body,
        frame,
        clock: None,
    })
}

/// Records in order, to the durable end.
pub struct Scan<V: Vfs> {
    reader: Reader<V>,
    /// The loaded batch's address.
    start: Lsn,
    /// The next batch's address.
    next: Lsn,
    batch: Vec<u8>,
    clock: Option<i64>,
    at: usize,
    records_end: usize,
}

impl<V: Vfs> Scan<V> {
    fn load(&mut self) -> Result<bool, ReadError> {
        let end = self.reader.end();
        if self.next < end {
            self.next = self.reader.shared.after(self.next)?;
        }
        if self.next >= end {
            return Ok(false);
        }
        let damaged = ReadError::Damaged(self.next);
        let head = self.reader.read(self.next, BATCH_HEADER)?;
        let seed = self.reader.shared.seed;
        let Some(header) = Header::parse(&head, seed) else {
            return Err(damaged);
        };
        // Frames are not loaded: a replay needs none of them.
        self.batch = self.reader.read(self.next, header.hashed())?;
        if header.lsn != self.next || header.marked(&self.batch, seed).is_none() {
            return Err(damaged);
        }
        self.clock = (header.clock != 0).then_some(header.clock);
        self.at = BATCH_HEADER;
        self.records_end = BATCH_HEADER + header.records;
        self.start = self.next;
        self.next = self.next.plus(header.total);
        Ok(true)
    }

    fn record(&mut self) -> Result<StoredRecord, ReadError> {
        let bytes = self.batch.get(self.at..).unwrap_or_default();
        let header = RecordHeader::parse(bytes).ok_or(ReadError::Damaged(self.next))?;
        let lsn = self.start.plus(self.at);
        let record = stored(lsn, &header, bytes, self.reader.shared.seed);
        let record = record.map(|record| StoredRecord {
            clock: self.clock,
            ..record
        });
        self.at += header.stride();
        record.ok_or(ReadError::Damaged(lsn))
    }
}

impl<V: Vfs> Iterator for Scan<V> {
    type Item = Result<StoredRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at >= self.records_end {
            match self.load() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.next = self.reader.end();
                    return Some(Err(error));
                }
            }
        }
        let record = self.record();
        if record.is_err() {
            self.next = self.reader.end();
            self.at = self.records_end;
        }
        Some(record)
    }
}
