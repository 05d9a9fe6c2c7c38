//! Sizes and little-endian fields shared by every format of the journal. Knows no format itself.

/// Octets of a block: the segment's header takes one, and batches begin and end on this grain.
///
/// It is the largest physical sector in use and the page of the operating system's cache. A power cut
/// may leave a sector that was being written as garbage, so a write must never touch one that holds
/// something already promised; 512 octets are what most disks *say*, and write by reading and
/// rewriting 4,096.
pub(super) const BLOCK: usize = 4096;

/// A block of zeros.
pub(super) const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Whether all octets are zero.
pub(super) fn is_zero(octets: &[u8]) -> bool {
    let mut chunks = octets.chunks(BLOCK);
    chunks.all(|chunk| ZEROS.get(..chunk.len()) == Some(chunk))
}

/// A length in memory as an address on disk. Lossless wherever `usize` has at most 64 bits.
pub(super) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An address on disk as a length in memory; what memory cannot hold becomes its maximum, which
/// every later bound refuses.
pub(super) fn narrow(address: u64) -> usize {
    usize::try_from(address).unwrap_or(usize::MAX)
}

/// The next multiple of `grain`; saturates, which every later bound refuses.
pub(super) fn padded(length: usize, grain: usize) -> usize {
    length.checked_next_multiple_of(grain).unwrap_or(usize::MAX)
}

/// Reads fields one after another; `None` once the bytes do not suffice.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Cuts `bytes` before its last four and compares those with the CRC-32C of the rest.
pub(super) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (rest, crc) = bytes.split_last_chunk::<4>()?;
    (crc32c::crc32c(rest) == u32::from_le_bytes(*crc)).then_some(rest)
}

/// Appends the CRC-32C of all that `bytes` holds so far.
pub(super) fn append_crc(bytes: &mut Vec<u8>) {
    let crc = crc32c::crc32c(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}
