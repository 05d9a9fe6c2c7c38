//! Segment files: their names, their headers, how one comes to be.
//!
//! ```text
//! <first address, 16 hex digits>.segment
//! | header, one block | batches, each of whole blocks | zeros, written ahead |
//! header  magic 8 | version u32 | journal 16 | first lsn u64
//!         | predecessor: end lsn u64, last batch u64, chain u32 | crc u32 | zero to a block
//! ```
//! The header names where its predecessor ends; what lies behind that end is ignored for ever, and
//! cut off once the name is durable. A segment that begins further on than its predecessor ends says
//! that what was between is lost, and that this was accepted: no address is given twice. A file grows while it is used: zeros are written ahead, by
//! `fill`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::{BLOCK, Fields, append_crc, checked, is_zero};
use super::lsn::Lsn;
use super::vfs::{Access, Vfs, VfsFile};

const MAGIC: [u8; 8] = *b"CARNETJ1";
/// The version of segments written now.
const VERSION: u32 = 2;
/// Octets of a header that its CRC-32C covers, and the CRC.
const HEADER: usize = 60;
/// The next segment, ready but for its header.
pub(super) const SPARE: &str = "next.spare";
const SUFFIX: &str = ".segment";

/// Where a journal ends, or ended once: the place behind a synced batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The address behind the batch.
    pub lsn: Lsn,
    /// Number of the last batch; 0 before the first.
    pub batch: u64,
    /// The running hash: CRC-32C over header, records and marker of all batches so far. Two journals
    /// that differ before here differ in it.
    pub chain: u32,
}

/// A place in a journal: which one, and where in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The journal's name.
    pub journal: [u8; 16],
    /// A batch of it, and all before.
    pub end: End,
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) journal: [u8; 16],
    pub(super) first: Lsn,
    pub(super) predecessor: End,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.journal);
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.predecessor.lsn.0.to_le_bytes());
        out.extend_from_slice(&self.predecessor.batch.to_le_bytes());
        out.extend_from_slice(&self.predecessor.chain.to_le_bytes());
        append_crc(&mut out);
        out.resize(BLOCK, 0);
        out
    }

    /// The version of the segment that begins with these octets, where it is another one than is
    /// written now.
    pub(super) fn foreign_version(block: &[u8]) -> Option<u32> {
        let mut fields = Fields(checked(block.get(..HEADER)?)?);
        let version = (fields.array()? == MAGIC).then(|| fields.u32())??;
        (version != VERSION).then_some(version)
    }

    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let (header, rest) = block.get(..BLOCK)?.split_at_checked(HEADER)?;
        is_zero(rest).then_some(())?;
        let mut fields = Fields(checked(header)?);
        (fields.array()? == MAGIC && fields.u32()? == VERSION).then_some(())?;
        let journal = fields.array()?;
        let first = Lsn(fields.u64()?);
        let lsn = Lsn(fields.u64()?);
        let predecessor = End {
            lsn,
            batch: fields.u64()?,
            chain: fields.u32()?,
        };
        Some(Self {
            journal,
            first,
            predecessor,
        })
    }
}

/// The name of the segment that starts at `first`.
pub(super) fn name(first: Lsn) -> String {
    format!("{:016x}{SUFFIX}", first.0)
}

/// The first address of a segment by its file's name.
pub(super) fn first_of(name: &str) -> Option<Lsn> {
    let digits = name
        .strip_suffix(SUFFIX)
        .filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(Lsn)
}

/// Turns the spare into the next segment. Until the rename is durable it does not exist.
pub(super) fn adopt_spare<V: Vfs>(
    vfs: &V,
    folder: &Path,
    header: &SegmentHeader,
) -> io::Result<V::File> {
    let spare = folder.join(SPARE);
    let file = vfs.open(&spare, Access::Write)?;
    file.pwrite(&[&header.encode()], 0)?;
    file.fdatasync()?;
    vfs.rename(&spare, &folder.join(name(header.first)))?;
    // From here on the old segment's end is named, and there is no way back: were this taken for a
    // full disk, small batches would go on behind that end.
    vfs.fsync_dir(folder)
        .map_err(|error| io::Error::other(format!("a new segment's name: {error}")))?;
    Ok(file)
}
