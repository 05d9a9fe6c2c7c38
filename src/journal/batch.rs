//! The format of a batch: everything that one sync makes durable.
//!
//! ```text
//! +-----------+--------+-----+--------+--------+--------+-----+--------+-----------------+
//! | header 48 | record | ... | record | marker | frame  | ... | frame  | zero to a block |
//! +-----------+--------+-----+--------+--------+--------+-----+--------+-----------------+
//! header  magic u32 | total u32 | records u32 | frames u32 | number u64 | lsn u64
//!         | clock i64 | version u16 | 0 u16 | crc u32 of what stands before
//! record  length u32 | kind u8 | framed u8 | schema u16 | number u64 | back u32 | frame at u32
//!         | frame length u32 | crc u32 of the rest of this record
//!         | SHA-256 of the frame, where framed is 1 | body | zero to 8
//! marker  magic u32 | crc u32 of header and records | number u64
//! ```
//! Little-endian. `total` is all octets of the batch, `records` and `frames` those of its records and
//! of its frames; `length` is the body's. `clock` is what the wall clock said when the batch was
//! closed, in milliseconds since 1970. `back` and `frame at` count from the batch's first octet. Every
//! CRC-32C begins with the journal's own seed, so nothing of another journal is ever valid here.
//!
//! Marker and running hash cover header and records, and with them the digests of the frames, but no
//! octet of a frame: a batch is the same batch once its frames were given back. A frame is held
//! against its digest where it is read, and by who looks at whole batches.

use super::frame::{Frame, FrameDigest};
use super::layout::{BLOCK, Fields, ZEROS, is_zero, narrow, padded};
use super::lsn::Lsn;

pub(super) const BATCH_HEADER: usize = 48;
const RECORD_HEADER: usize = 32;
const MARKER: usize = 16;
const BATCH_MAGIC: u32 = 0xCA_12_BA_7C;
const MARKER_MAGIC: u32 = 0xCA_12_E0_DD;
/// The version of batches written now.
const VERSION: u16 = 2;

/// What every CRC of a journal begins with.
pub(super) fn seed(journal: &[u8; 16]) -> u32 {
    crc32c::crc32c(journal)
}

/// A batch in the making. Buffers are kept for the next.
#[derive(Debug, Default)]
pub(super) struct Open {
    bytes: Vec<u8>,
    frames: Vec<u8>,
    /// Where each record starts, and where its frame does among the frames.
    records: Vec<(usize, Option<usize>)>,
}

/// What a closed batch is told to have been written as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    pub(super) number: u64,
    pub(super) lsn: Lsn,
    pub(super) clock: i64,
    pub(super) seed: u32,
}

/// A closed batch: what is written, in order, and what the running hash covers of it.
pub(super) struct Closed<'a> {
    pub(super) hashed: &'a [u8],
    pub(super) frames: &'a [u8],
    pub(super) padding: &'a [u8],
}

impl Closed<'_> {
    pub(super) fn len(&self) -> usize {
        self.hashed.len() + self.frames.len() + self.padding.len()
    }
}

impl Open {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Octets on disk if it were closed now.
    pub(super) fn size(&self) -> usize {
        padded(
            self.bytes.len().max(BATCH_HEADER) + self.frames.len() + MARKER,
            BLOCK,
        )
    }

    /// The offset that the next record will have.
    pub(super) fn next_record(&self) -> usize {
        self.bytes.len().max(BATCH_HEADER)
    }

    /// Adds a record of this kind and schema; returns its offset in the batch.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        number: u64,
        body: &[u8],
        frame: Option<&Frame>,
    ) -> usize {
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEADER, 0);
        }
        let at = self.bytes.len();
        let out = &mut self.bytes;
        out.extend_from_slice(&short(body.len()).to_le_bytes());
        out.extend_from_slice(&[kind.kind, u8::from(frame.is_some())]);
        out.extend_from_slice(&kind.schema.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&short(at).to_le_bytes());
        // Where the frame is, and the CRC, is written when the batch is closed.
        out.extend_from_slice(&[0; 4]);
        let length = frame.map_or(0, |frame| frame.octets().len());
        out.extend_from_slice(&short(length).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        if let Some(frame) = frame {
            out.extend_from_slice(frame.digest());
        }
        out.extend_from_slice(body);
        out.resize(padded(out.len(), 8), 0);
        let offset = frame.map(|frame| {
            let offset = self.frames.len();
            self.frames.extend_from_slice(frame.octets());
            offset
        });
        self.records.push((at, offset));
        at
    }

    /// Closes the batch. One without records is a batch too.
    pub(super) fn close(&mut self, closing: Closing) -> Closed<'_> {
        let Closing {
            number,
            lsn,
            clock,
            seed,
        } = closing;
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEADER, 0);
        }
        let total = self.size();
        let records_end = self.bytes.len();
        for (at, offset) in &self.records {
            let frame_at = offset.map_or(0, |offset| records_end + MARKER + offset);
            put(&mut self.bytes, at + 20, &short(frame_at).to_le_bytes());
            let crc = record_crc(self.bytes.get(*at..).unwrap_or_default(), seed);
            put(&mut self.bytes, at + 28, &crc.to_le_bytes());
        }
        let mut header = Vec::with_capacity(BATCH_HEADER);
        let lengths = [total, records_end - BATCH_HEADER, self.frames.len()];
        header.extend_from_slice(&BATCH_MAGIC.to_le_bytes());
        for length in lengths {
            header.extend_from_slice(&short(length).to_le_bytes());
        }
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&lsn.0.to_le_bytes());
        header.extend_from_slice(&clock.to_le_bytes());
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 2]);
        let crc = crc32c::crc32c_append(seed, &header);
        header.extend_from_slice(&crc.to_le_bytes());
        put(&mut self.bytes, 0, &header);
        let crc = crc32c::crc32c_append(seed, &self.bytes);
        self.bytes.extend_from_slice(&MARKER_MAGIC.to_le_bytes());
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        self.bytes.extend_from_slice(&number.to_le_bytes());
        let rest = total - self.bytes.len() - self.frames.len();
        Closed {
            hashed: &self.bytes,
            frames: &self.frames,
            padding: ZEROS.get(..rest).unwrap_or_default(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
        self.records.clear();
    }
}

/// What a record is, to who reads it: its kind, and the number of the schema it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The kind, a stable number.
    pub kind: u8,
    /// The schema's number.
    pub schema: u16,
}

/// Octets from a record with a body of so many to the next one in its batch, frames not counted.
pub fn stride(body: usize, framed: bool) -> usize {
    let digest = if framed { size_of::<FrameDigest>() } else { 0 };
    padded(RECORD_HEADER.saturating_add(digest).saturating_add(body), 8)
}

fn short(length: usize) -> u32 {
    // A batch is bounded by a segment, which is bounded by 1 GiB.
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// The CRC of a record that starts `bytes`; 0, which is as good as wrong, where it is cut.
fn record_crc(bytes: &[u8], seed: u32) -> u32 {
    let Some(end) = RecordHeader::parse(bytes).map(|header| header.body_at() + header.length)
    else {
        return 0;
    };
    let head = bytes.get(..RECORD_HEADER - 4);
    let (Some(head), Some(rest)) = (head, bytes.get(RECORD_HEADER..end)) else {
        return 0;
    };
    crc32c::crc32c_append(crc32c::crc32c_append(seed, head), rest)
}

/// A batch's header as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) total: usize,
    pub(super) records: usize,
    frames: usize,
    pub(super) number: u64,
    pub(super) lsn: Lsn,
    pub(super) clock: i64,
}

/// What becomes of the frames of a batch where it is looked at as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    /// Each must be there.
    Present,
    /// Each may have been given back: then its octets are zero.
    MayBeGivenBack,
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
        let header = Self {
            total,
            records,
            frames,
            number: fields.u64()?,
            lsn: Lsn(fields.u64()?),
            clock: i64::from_le_bytes(fields.array()?),
        };
        let is_known = fields.u16()? == VERSION && fields.u16()? == 0;
        let end = header.hashed().saturating_add(frames);
        (is_known && padded(end, BLOCK) == total).then_some(header)
    }

    /// Octets that the running hash covers: header, records and marker. Frames follow.
    pub(super) fn hashed(&self) -> usize {
        BATCH_HEADER
            .saturating_add(self.records)
            .saturating_add(MARKER)
    }

    /// Header, records and marker, where they are there and belong together.
    pub(super) fn marked<'b>(&self, bytes: &'b [u8], seed: u32) -> Option<&'b [u8]> {
        let hashed = bytes.get(..self.hashed())?;
        let (content, marker) = hashed.split_at_checked(hashed.len() - MARKER)?;
        let mut fields = Fields(marker);
        let is_right = fields.u32() == Some(MARKER_MAGIC)
            && fields.u32() == Some(crc32c::crc32c_append(seed, content))
            && fields.u64() == Some(self.number);
        is_right.then_some(hashed)
    }

    /// What the running hash covers of a batch that is whole: marked, each frame by its digest, and
    /// nothing but zeros behind.
    pub(super) fn whole<'b>(&self, bytes: &'b [u8], seed: u32, frames: Frames) -> Option<&'b [u8]> {
        let bytes = bytes.get(..self.total)?;
        let hashed = self.marked(bytes, seed)?;
        let mut at = BATCH_HEADER;
        while at < BATCH_HEADER + self.records {
            let record = RecordHeader::parse(hashed.get(at..)?)?;
            (record.number == self.number).then_some(())?;
            if let Some(digest) = &record.digest {
                let frame = bytes.get(record.frame_at..)?.get(..record.frame_length)?;
                let may_be_zero = frames == Frames::MayBeGivenBack;
                let is_given_back = || may_be_zero && is_zero(frame);
                if !digest.is_of(frame) && !is_given_back() {
                    return None;
                }
            }
            at += record.stride();
        }
        let behind = bytes.get(self.hashed() + self.frames..)?;
        is_zero(behind).then_some(hashed)
    }
}

/// A record's header as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: usize,
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) back: usize,
    pub(super) frame_at: usize,
    pub(super) frame_length: usize,
    /// The frame's, where it has one.
    pub(super) digest: Option<FrameDigest>,
}

impl RecordHeader {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let length = narrow(u64::from(fields.u32()?));
        let kind = fields.u8()?;
        let framed = fields.u8()?;
        let schema = fields.u16()?;
        let number = fields.u64()?;
        let mut address = || fields.u32().map(|at| narrow(u64::from(at)));
        let (back, frame_at, frame_length) = (address()?, address()?, address()?);
        fields.u32()?;
        let digest = match framed {
            0 => None,
            1 => Some(FrameDigest(fields.array()?)),
            _ => return None,
        };
        Some(Self {
            length,
            kind: Kind { kind, schema },
            number,
            back,
            frame_at,
            frame_length,
            digest,
        })
    }

    /// Where its body begins.
    fn body_at(&self) -> usize {
        let digest = self.digest.map_or(0, |_| size_of::<FrameDigest>());
        RECORD_HEADER + digest
    }

    /// The body, where the record is whole.
    pub(super) fn body<'a>(&self, bytes: &'a [u8], seed: u32) -> Option<&'a [u8]> {
        let crc = bytes.get(RECORD_HEADER - 4..RECORD_HEADER)?;
        if Fields(crc).u32()? != record_crc(bytes, seed) {
            return None;
        }
        let end = self.body_at() + self.length;
        let padding = bytes.get(end..self.stride())?;
        is_zero(padding).then(|| bytes.get(self.body_at()..end))?
    }

    /// Octets from this record to the next.
    pub(super) fn stride(&self) -> usize {
        padded(self.body_at().saturating_add(self.length), 8)
    }
}
