//! Reading back what is durable: a record by its address, a payload frame, or all in order.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::batch::{BATCH_HEADER, Header, RECORD_HEADER, RecordHeader};
use super::layout::{SECTOR, wide};
use super::lsn::Lsn;
use super::vfs::{Through, Vfs, VfsFile};

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

/// A record as it lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its address.
    pub lsn: Lsn,
    /// Its kind.
    pub kind: u8,
    /// The schema it was written with.
    pub schema: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// Its payload frame, if it has one.
    pub frame: Option<FrameRef>,
    /// What the clock said when its batch was closed, in milliseconds since 1970. Known to a scan alone,
    /// and of batches that say so.
    pub clock: Option<i64>,
}

/// Where a payload frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef {
    at: Lsn,
    length: usize,
    crc: u32,
}

/// A segment, as readers need it.
pub(super) struct Placed<V: Vfs> {
    pub(super) first: Lsn,
    pub(super) file: Arc<V::File>,
    /// Its named end; none of the active one.
    pub(super) end: Option<Lsn>,
}

impl<V: Vfs> Placed<V> {
    pub(super) fn active(first: Lsn, file: Arc<V::File>) -> Self {
        let end = None;
        Self { first, file, end }
    }
}

/// Segments and the durable end, shared by the writer and all readers.
pub(super) struct Shared<V: Vfs> {
    pub(super) seed: u32,
    segments: RwLock<Vec<Placed<V>>>,
    end: AtomicU64,
}

impl<V: Vfs> Shared<V> {
    pub(super) fn new(seed: u32, segments: Vec<Placed<V>>, end: Lsn) -> Self {
        Self {
            seed,
            segments: RwLock::new(segments),
            end: AtomicU64::new(end.0),
        }
    }

    /// Another segment, behind the durable end; in place of one that took no batch, which nobody has
    /// read from.
    pub(super) fn add(&self, first: Lsn, file: Arc<V::File>) {
        let segments = self.segments.write();
        let mut segments = segments.unwrap_or_else(PoisonError::into_inner);
        // Its file has no name any more: open, it would keep its space.
        segments.pop_if(|last| last.first == first);
        if let Some(last) = segments.last_mut() {
            last.end.get_or_insert(self.end());
        }
        segments.push(Placed::active(first, file));
    }

    pub(super) fn advance(&self, end: Lsn) {
        self.end.store(end.0, Ordering::Release);
    }

    fn end(&self) -> Lsn {
        Lsn(self.end.load(Ordering::Acquire))
    }

    /// The segment that holds `lsn`, and where what it holds ends.
    fn segment(&self, lsn: Lsn) -> Option<(Lsn, Arc<V::File>, Lsn)> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|segment| segment.first <= lsn);
        let segment = segments.get(after.checked_sub(1)?)?;
        let end = segment.end.unwrap_or_else(|| self.end());
        Some((segment.first, Arc::clone(&segment.file), end))
    }

    /// Where the batch begins that follows one that ends at `end`: there, or behind a gap.
    fn after(&self, end: Lsn) -> Lsn {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let next = segments.partition_point(|segment| segment.first <= end);
        let before = next.checked_sub(1).and_then(|at| segments.get(at));
        let is_over = before.is_some_and(|before| before.end.is_some_and(|named| named <= end));
        match segments.get(next) {
            Some(next) if is_over => next.first,
            _ => end,
        }
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

    /// Where the active segment begins: everything before it is never written again.
    pub fn sealed_end(&self) -> Lsn {
        let segments = self.shared.segments.read();
        let segments = segments.unwrap_or_else(PoisonError::into_inner);
        segments.last().map_or(Lsn::START, |last| last.first)
    }

    /// Where each segment begins, in order; the last is the active one.
    pub fn segments(&self) -> Vec<Lsn> {
        let segments = self.shared.segments.read();
        let segments = segments.unwrap_or_else(PoisonError::into_inner);
        segments.iter().map(|segment| segment.first).collect()
    }

    fn read(&self, at: Lsn, length: usize) -> Result<Vec<u8>, ReadError> {
        let (first, file, end) = self.shared.segment(at).ok_or(ReadError::Damaged(at))?;
        let left = super::layout::narrow(end.bytes_since(at));
        let mut bytes = vec![0; length.min(left)];
        let place = wide(SECTOR) + at.bytes_since(first);
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
        if bytes.len() != frame.length || crc32c::crc32c(&bytes) != frame.crc {
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
    let frame = (header.frame_at > 0).then(|| FrameRef {
        at: batch.plus(header.frame_at),
        length: header.frame_length,
        crc: header.frame_crc,
    });
    Some(StoredRecord {
        lsn,
        kind: header.kind,
        schema: header.schema,
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
            self.next = self.reader.shared.after(self.next);
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
        self.batch = self.reader.read(self.next, BATCH_HEADER + header.records)?;
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
        self.at += header.stride().max(RECORD_HEADER);
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
