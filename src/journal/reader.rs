//! Reading back what is durable: a record by its address, a payload frame, or all in order.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::batch::{BATCH_HEADER, Header, Kind, RecordHeader};
use super::error::{OpenError, ReadError};
use super::frame::FrameDigest;
use super::layout::{BLOCK, wide};
use super::listing::vouches;
use super::listing::{Listing, Segment};
use super::lsn::Lsn;
use super::segment::{Position, SegmentHeader};
use super::vfs::{Access, Through, Vfs, VfsFile};

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
#[derive(Clone, Copy)]
struct Sealed {
    first: Lsn,
    /// What the next one names as its end, once that was read.
    end: Option<Lsn>,
}

/// The segment that is written.
pub(super) struct Active<V: Vfs> {
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<V::File>,
}

impl<V: Vfs> Active<V> {
    pub(super) fn of(segment: &Segment<V>) -> Self {
        Self {
            header: segment.header,
            file: Arc::clone(&segment.file),
        }
    }
}

struct Segments<V: Vfs> {
    sealed: Vec<Sealed>,
    active: Active<V>,
}

impl<V: Vfs> Segments<V> {
    /// The sealed segment that holds an address, or would, and where the next one begins.
    fn sealed_at(&self, lsn: Lsn) -> Option<(Sealed, Lsn)> {
        let after = self.sealed.partition_point(|it| it.first <= lsn);
        let sealed = *self.sealed.get(after.checked_sub(1)?)?;
        let next = self.sealed.get(after).map(|next| next.first);
        Some((sealed, next.unwrap_or(self.active.header.first)))
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
    pub(super) fn new(vfs: &V, folder: &Path, sealed: &[Lsn], active: Active<V>, end: Lsn) -> Self {
        let journal = active.header.journal;
        let sealed = sealed.iter().map(|first| Sealed {
            first: *first,
            end: None,
        });
        Self {
            vfs: vfs.clone(),
            folder: folder.to_owned(),
            seed: super::batch::seed(&journal),
            journal,
            segments: RwLock::new(Segments {
                sealed: sealed.collect(),
                active,
            }),
            opened: Mutex::default(),
            end: AtomicU64::new(end.0),
        }
    }

    /// Of a journal whose segments are listed, the last of which is the one that is written.
    pub(super) fn listed(listing: &Listing<V>, last: &Segment<V>, end: Lsn) -> Self {
        let firsts = listing.firsts();
        let before = firsts.partition_point(|first| *first < last.header.first);
        let sealed = firsts.get(..before).unwrap_or_default();
        Self::new(&listing.vfs, &listing.folder, sealed, Active::of(last), end)
    }

    /// Another segment, behind the durable end; in place of one that took no batch, which was never
    /// read from.
    pub(super) fn add(&self, active: Active<V>) {
        let segments = self.segments.write();
        let mut segments = segments.unwrap_or_else(PoisonError::into_inner);
        let SegmentHeader {
            first, predecessor, ..
        } = active.header;
        let before = std::mem::replace(&mut segments.active, active).header.first;
        if before < first {
            segments.sealed.push(Sealed {
                first: before,
                end: Some(predecessor.lsn),
            });
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
        let active = &segments.active;
        if active.header.first <= lsn {
            return Ok(Holder {
                first: active.header.first,
                file: Arc::clone(&active.file),
                end: self.end(),
            });
        }
        let (sealed, next) = segments.sealed_at(lsn).ok_or(ReadError::Damaged(lsn))?;
        drop(segments);
        let end = self.named_end(sealed, next)?;
        let first = sealed.first;
        let file = self.file(first)?;
        Ok(Holder { first, file, end })
    }

    /// The end of a sealed segment, as the next one names it. Nothing is locked while that is read: the
    /// thread that writes would wait for it.
    fn named_end(&self, sealed: Sealed, next: Lsn) -> Result<Lsn, ReadError> {
        if let Some(end) = sealed.end {
            return Ok(end);
        }
        let header = Segment::open(&self.vfs, &self.folder, next, Access::Read)?.header;
        let end = header.predecessor.lsn;
        let segments = self.segments.write();
        let mut segments = segments.unwrap_or_else(PoisonError::into_inner);
        let place = segments
            .sealed
            .binary_search_by_key(&sealed.first, |it| it.first);
        if let Some(known) = place.ok().and_then(|place| segments.sealed.get_mut(place)) {
            known.end = Some(end);
        }
        Ok(end)
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
        if segments.active.header.first <= end {
            return Ok(end);
        }
        let Some((sealed, next)) = segments.sealed_at(end) else {
            return Ok(end);
        };
        drop(segments);
        let is_over = self.named_end(sealed, next)? <= end;
        Ok(if is_over { next } else { end })
    }
}

/// A reader of what is durable in a journal; on any thread, at any time.
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
        self.shared.segments().active.header.begins()
    }

    /// Where each segment begins, in order; the last is the active one.
    pub fn segments(&self) -> Vec<Lsn> {
        let segments = self.shared.segments();
        let sealed = segments.sealed.iter().map(|sealed| sealed.first);
        sealed.chain([segments.active.header.first]).collect()
    }

    /// The position at which a segment begins, by the first of its addresses.
    pub fn begins(&self, first: Lsn) -> Result<Position, ReadError> {
        let active = self.sealed_end();
        if active.end.lsn == first {
            return Ok(active);
        }
        Ok(self.segment(first)?.header.begins())
    }

    /// Whether what was made of all before this position is of this very journal: see
    /// [`vouches`].
    pub fn vouches(&self, position: &Position) -> Result<bool, OpenError> {
        vouches(&self.shared.vfs, &self.shared.folder, position)
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

    /// Where the batch begins that a record is in: a start for [`Self::scan`].
    pub fn batch_of(&self, lsn: Lsn) -> Result<Lsn, ReadError> {
        let head = self.read(lsn, FIRST_READ)?;
        let header = RecordHeader::parse(&head);
        let batch = header.and_then(|header| lsn.0.checked_sub(wide(header.back)));
        batch.map(Lsn).ok_or(ReadError::Damaged(lsn))
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
    /// Where the batch begins that the last record was in: a start for another scan.
    pub fn batch(&self) -> Lsn {
        self.start
    }

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
