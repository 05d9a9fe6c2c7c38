//! A run: the ids that one segment of the journal used, sorted, to be searched by one read.
//!
//! ```text
//! block | block | … | last block, shorter
//! block  170 entries at most, then the CRC-32C of them
//! entry  key 16 | address of the exchange u64, little endian
//! ```
//! Of an id that was used twice the newest counts. In memory a run is a Bloom filter and the first
//! key of each block: 1.6 bytes an id.

use std::collections::BTreeMap;
use std::ops::Range;

use super::bloom::Bloom;
use crate::journal::Lsn;
use crate::message::id::KeyedDigest;

const ENTRY: usize = 24;
const BLOCK_ENTRIES: usize = 170;
const CRC: usize = 4;
const BLOCK: usize = BLOCK_ENTRIES * ENTRY + CRC;

// A block is about a page of the file system's cache.
const _: () = assert!(BLOCK <= 4_096);

/// What memory keeps of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    bloom: Bloom,
    /// The first key of each block.
    fences: Vec<KeyedDigest>,
    length: usize,
}

/// A block is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a run of ids is damaged")]
pub struct DamagedRun;

/// The bytes of a run.
pub fn encode(ids: &BTreeMap<KeyedDigest, Lsn>) -> Vec<u8> {
    let mut out = Vec::with_capacity(ids.len() * ENTRY + ids.len().div_ceil(BLOCK_ENTRIES) * CRC);
    let mut block = 0;
    for (place, (key, lsn)) in ids.iter().enumerate() {
        if place > 0 && place % BLOCK_ENTRIES == 0 {
            close(&mut out, block);
            block = out.len();
        }
        out.extend_from_slice(&key.0);
        out.extend_from_slice(&lsn.0.to_le_bytes());
    }
    if out.len() > block {
        close(&mut out, block);
    }
    out
}

fn close(out: &mut Vec<u8>, block: usize) {
    let crc = crc32c::crc32c(out.get(block..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

impl Run {
    /// Reads a whole run. It must be what [`encode`] gives: blocks whole, keys in order.
    pub fn parse(bytes: &[u8]) -> Result<Self, DamagedRun> {
        let mut run = Self {
            bloom: Bloom::with_room(bytes.len() / ENTRY),
            fences: Vec::with_capacity(bytes.len().div_ceil(BLOCK)),
            length: bytes.len(),
        };
        let mut last = None;
        for block in bytes.chunks(BLOCK) {
            let mut entries = entries(block)?.peekable();
            run.fences.extend(entries.peek().map(|(key, _)| *key));
            for (key, _) in entries {
                if last.is_some_and(|last| last >= key) {
                    return Err(DamagedRun);
                }
                last = Some(key);
                run.bloom.insert(key);
            }
        }
        Ok(run)
    }

    /// Where in the run a key must stand, if it is there at all; none where it is not.
    pub fn block_of(&self, key: KeyedDigest) -> Option<Range<usize>> {
        if !self.bloom.may_hold(key) {
            return None;
        }
        let after = self.fences.partition_point(|first| *first <= key);
        let start = after.checked_sub(1)? * BLOCK;
        Some(start..(start + BLOCK).min(self.length))
    }
}

/// The exchange that used `key`, by the block where it must stand.
pub fn find(block: &[u8], key: KeyedDigest) -> Result<Option<Lsn>, DamagedRun> {
    let mut entries = entries(block)?;
    Ok(entries.find(|(other, _)| *other == key).map(|(_, lsn)| lsn))
}

fn entries(
    block: &[u8],
) -> Result<impl Iterator<Item = (KeyedDigest, Lsn)> + Clone + '_, DamagedRun> {
    let (bytes, crc) = block.split_last_chunk::<CRC>().ok_or(DamagedRun)?;
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    let whole = rest.is_empty() && !entries.is_empty();
    if !whole || crc32c::crc32c(bytes) != u32::from_le_bytes(*crc) {
        return Err(DamagedRun);
    }
    Ok(entries.iter().filter_map(|entry| {
        let (key, lsn) = entry.split_first_chunk::<16>()?;
        let lsn = u64::from_le_bytes(*lsn.first_chunk()?);
        Some((KeyedDigest(*key), Lsn(lsn)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids() -> impl Strategy<Value = BTreeMap<KeyedDigest, Lsn>> {
        let one = (any::<[u8; 16]>(), any::<u64>());
        let ids = proptest::collection::btree_map(any::<[u8; 16]>(), any::<u64>(), 0..600);
        (ids, proptest::collection::vec(one, 0..3)).prop_map(|(ids, more)| {
            let all = ids.into_iter().chain(more);
            all.map(|(key, lsn)| (KeyedDigest(key), Lsn(lsn))).collect()
        })
    }

    fn found(bytes: &[u8], run: &Run, key: KeyedDigest) -> Option<Lsn> {
        let block = run.block_of(key)?;
        find(&bytes[block], key).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_id_is_found_and_no_other(ids in ids(), strangers in proptest::collection::vec(any::<[u8; 16]>(), 50)) {
            let bytes = encode(&ids);
            prop_assert!(bytes.len() <= ids.len() * 25 + 4);
            let run = Run::parse(&bytes).unwrap();
            for (key, lsn) in &ids {
                prop_assert_eq!(found(&bytes, &run, *key), Some(*lsn));
            }
            for stranger in strangers.into_iter().map(KeyedDigest) {
                prop_assert_eq!(found(&bytes, &run, stranger), ids.get(&stranger).copied());
            }
        }

        #[test]
        fn one_changed_bit_or_a_lost_end_is_damage(ids in ids(), place in any::<usize>(), bit in 0..8_u32) {
            prop_assume!(!ids.is_empty());
            let mut bytes = encode(&ids);
            let place = place % bytes.len();
            prop_assert!(Run::parse(&bytes[..place]).is_err() || place.is_multiple_of(BLOCK));
            bytes[place] ^= 1 << bit;
            prop_assert_eq!(Run::parse(&bytes), Err(DamagedRun));
            let block = place / BLOCK * BLOCK;
            let block = &bytes[block..bytes.len().min(block + BLOCK)];
            prop_assert_eq!(find(block, KeyedDigest([0; 16])), Err(DamagedRun));
        }
    }

    #[test]
    fn a_run_of_no_ids_is_empty_and_finds_none() {
        let run = Run::parse(&encode(&BTreeMap::new())).unwrap();
        assert_eq!(run.block_of(KeyedDigest([7; 16])), None);
    }
}
