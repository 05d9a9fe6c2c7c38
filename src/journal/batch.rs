//! The format of a batch: everything that one sync makes durable.
//!
//! ```text
//! +--------------+----------+----------+-----+----------+--------+------------------+
//! | header 48    | record   | record   | ... | frames   | marker | zero to a sector |
//! +--------------+----------+----------+-----+----------+--------+------------------+
//! header  magic u32 | total u32 | records u32 | frames u32 | number u64 | lsn u64
//!         | clock i64 | reserved 4 | crc u32 of what stands before
//! record  length u32 | kind u8 | 0 u8 | schema u16 | number u64 | back u32 | frame at u32
//!         | frame length u32 | frame crc u32 | reserved u32 | crc u32 of header and body
//!         | body | zero to 8
//! marker  magic u32 | crc u32 of the batch before the marker | number u64
//! ```
//! Little-endian. `clock` is what the wall clock said when the batch was closed, in milliseconds since
//! 1970; 0 where that was not written yet. `back` and `frame at` count from the batch's first byte. Every CRC-32C begins with
//! the journal's own seed, so nothing of another journal is ever valid here.

use super::layout::{Fields, SECTOR, narrow, padded};
use super::lsn::Lsn;

pub(super) const BATCH_HEADER: usize = 48;
pub(super) const RECORD_HEADER: usize = 40;
pub(super) const MARKER: usize = 16;
const BATCH_MAGIC: u32 = 0xCA_12_BA_7C;
const MARKER_MAGIC: u32 = 0xCA_12_E0_DD;

/// A batch in the making. Buffers are kept for the next.
#[derive(Debug, Default)]
pub(super) struct Open {
    bytes: Vec<u8>,
    frames: Vec<u8>,
    /// Where each record starts, and its frame.
    records: Vec<(usize, Option<Placed>)>,
}

/// A frame among the frames of its batch.
#[derive(Debug, Clone, Copy, Default)]
struct Placed {
    offset: usize,
    length: usize,
    crc: u32,
}

impl Open {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes on disk if it were closed now.
    pub(super) fn size(&self) -> usize {
        padded(
            self.bytes.len().max(BATCH_HEADER) + self.frames.len() + MARKER,
            SECTOR,
        )
    }

    /// Adds a record; returns its offset in the batch.
    pub(super) fn push(
        &mut self,
        (kind, schema): (u8, u16),
        number: u64,
        body: &[u8],
        frame: Option<&[u8]>,
    ) -> usize {
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEADER, 0);
        }
        let at = self.bytes.len();
        let out = &mut self.bytes;
        out.extend_from_slice(&short(body.len()).to_le_bytes());
        out.extend_from_slice(&[kind, 0]);
        out.extend_from_slice(&schema.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&short(at).to_le_bytes());
        // Frame and CRC are written when the batch is closed: only then is it known where they are.
        out.resize(at + RECORD_HEADER, 0);
        out.extend_from_slice(body);
        out.resize(padded(out.len(), 8), 0);
        let frame = frame.map(|frame| {
            let offset = self.frames.len();
            self.frames.extend_from_slice(frame);
            Placed {
                offset,
                length: frame.len(),
                crc: crc32c::crc32c(frame),
            }
        });
        self.records.push((at, frame));
        at
    }

    /// Closes the batch: its bytes, to be written at `lsn`. One without records is a batch too.
    pub(super) fn close(&mut self, (number, lsn): (u64, Lsn), clock: i64, seed: u32) -> &[u8] {
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEADER, 0);
        }
        let records_end = self.bytes.len();
        for (at, frame) in &self.records {
            let Placed {
                offset,
                length,
                crc,
            } = frame.unwrap_or_default();
            let frame_at = if frame.is_some() {
                records_end + offset
            } else {
                0
            };
            put(&mut self.bytes, at + 20, &short(frame_at).to_le_bytes());
            put(&mut self.bytes, at + 24, &short(length).to_le_bytes());
            put(&mut self.bytes, at + 28, &crc.to_le_bytes());
            let crc = record_crc(self.bytes.get(*at..).unwrap_or_default(), seed);
            put(&mut self.bytes, at + 36, &crc.to_le_bytes());
        }
        let total = self.size();
        self.bytes.extend_from_slice(&self.frames);
        let mut header = Vec::with_capacity(BATCH_HEADER);
        let lengths = [total, records_end - BATCH_HEADER, self.frames.len()];
        header.extend_from_slice(&BATCH_MAGIC.to_le_bytes());
        for length in lengths {
            header.extend_from_slice(&short(length).to_le_bytes());
        }
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&lsn.0.to_le_bytes());
        header.extend_from_slice(&clock.to_le_bytes());
        header.resize(BATCH_HEADER - 4, 0);
        let crc = crc32c::crc32c_append(seed, &header);
        header.extend_from_slice(&crc.to_le_bytes());
        put(&mut self.bytes, 0, &header);
        let crc = crc32c::crc32c_append(seed, &self.bytes);
        self.bytes.extend_from_slice(&MARKER_MAGIC.to_le_bytes());
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.resize(total, 0);
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
        self.records.clear();
    }
}

fn short(length: usize) -> u32 {
    // A batch is bounded by a quarter of a segment, which is bounded by 1 GiB.
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// The CRC of a record that starts `bytes`; 0, which is as good as wrong, where it is cut.
fn record_crc(bytes: &[u8], seed: u32) -> u32 {
    let length = Fields(bytes)
        .u32()
        .map_or(0, |length| narrow(u64::from(length)));
    let body = bytes.get(RECORD_HEADER..RECORD_HEADER + length);
    let (Some(head), Some(body)) = (bytes.get(..RECORD_HEADER - 4), body) else {
        return 0;
    };
    crc32c::crc32c_append(crc32c::crc32c_append(seed, head), body)
}

/// A batch's header as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) total: usize,
    pub(super) records: usize,
    pub(super) frames: usize,
    pub(super) number: u64,
    pub(super) lsn: Lsn,
    pub(super) clock: i64,
}

impl Header {
    /// Reads a header; `None` where it is not a valid one of this journal.
    pub(super) fn parse(bytes: &[u8], seed: u32) -> Option<Self> {
        let bytes = bytes.get(..BATCH_HEADER)?;
        let (rest, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields(rest);
        if fields.u32()? != BATCH_MAGIC {
            return None;
        }
        if crc32c::crc32c_append(seed, rest) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut length = || fields.u32().map(|length| narrow(u64::from(length)));
        let (total, records, frames) = (length()?, length()?, length()?);
        Some(Self {
            total,
            records,
            frames,
            number: fields.u64()?,
            lsn: Lsn(fields.u64()?),
            clock: i64::from_le_bytes(fields.array()?),
        })
    }

    /// Whether the whole batch is there: its marker stands where it should and covers it.
    pub(super) fn is_whole(&self, bytes: &[u8], seed: u32) -> bool {
        let end = BATCH_HEADER + self.records + self.frames;
        let Some(marker) = bytes.get(end..end + MARKER) else {
            return false;
        };
        let Some(content) = bytes.get(..end) else {
            return false;
        };
        let mut fields = Fields(marker);
        fields.u32() == Some(MARKER_MAGIC)
            && fields.u32() == Some(crc32c::crc32c_append(seed, content))
            && fields.u64() == Some(self.number)
    }
}

/// A record's header as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) schema: u16,
    pub(super) number: u64,
    pub(super) back: usize,
    pub(super) frame_at: usize,
    pub(super) frame_length: usize,
    pub(super) frame_crc: u32,
}

impl RecordHeader {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes.get(..RECORD_HEADER)?);
        let length = narrow(u64::from(fields.u32()?));
        let kind = fields.u8()?;
        fields.u8()?;
        let schema = fields.u16()?;
        let number = fields.u64()?;
        let mut address = || fields.u32().map(|at| narrow(u64::from(at)));
        let (back, frame_at, frame_length) = (address()?, address()?, address()?);
        let frame_crc = fields.u32()?;
        Some(Self {
            length,
            kind,
            schema,
            number,
            back,
            frame_at,
            frame_length,
            frame_crc,
        })
    }

    /// The body, where the record is whole.
    pub(super) fn body<'a>(&self, bytes: &'a [u8], seed: u32) -> Option<&'a [u8]> {
        let crc = bytes.get(RECORD_HEADER - 4..RECORD_HEADER)?;
        if Fields(crc).u32()? != record_crc(bytes, seed) {
            return None;
        }
        bytes.get(RECORD_HEADER..RECORD_HEADER + self.length)
    }

    /// Bytes from this record to the next.
    pub(super) fn stride(&self) -> usize {
        padded(RECORD_HEADER + self.length, 8)
    }
}
