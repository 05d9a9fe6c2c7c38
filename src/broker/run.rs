//! A run: keyed digests of what one segment of the journal holds, sorted, each with the address of a
//! record, to be searched by one read or a few.
//!
//! ```text
//! block | block | … | last block, shorter
//! block  170 entries at most, then the CRC-32C of them
//! entry  key 16 | address of the record u64, little endian
//! ```
//! The ids that were used are searched for by every publish: of these memory keeps a [`Run`], a Bloom
//! filter and the first key of each block, 1.6 bytes an entry. The keys of the index are searched for
//! by who looks into the log: memory keeps nothing of them, and [`find_all`] reads two or three blocks,
//! for digests lie evenly.

mod bloom;

use std::ops::Range;

use self::bloom::Bloom;
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
#[error("a run of keys is damaged")]
pub struct DamagedRun;

/// The bytes of a run of these entries, which are in order and none of which is there twice.
pub fn encode(entries: impl IntoIterator<Item = (KeyedDigest, Lsn)>) -> Vec<u8> {
    let (mut out, mut block) = (Vec::new(), 0);
    for (place, (key, lsn)) in entries.into_iter().enumerate() {
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
    /// Reads a whole run. It must be what [`encode`] gives: blocks whole, entries in order.
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
            for entry in entries {
                if last.is_some_and(|last| last >= entry) {
                    return Err(DamagedRun);
                }
                last = Some(entry);
                run.bloom.insert(entry.0);
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

/// The record of `key`, by the block where it must stand.
pub fn find(block: &[u8], key: KeyedDigest) -> Result<Option<Lsn>, DamagedRun> {
    let mut entries = entries(block)?;
    Ok(entries.find(|(other, _)| *other == key).map(|(_, lsn)| lsn))
}

/// The records of `key`, in order, by a run of so many bytes of which `read` gives blocks.
///
/// # Errors
/// Where `read` fails, or a block is not what was written.
pub fn find_all<E: From<DamagedRun>>(
    length: usize,
    key: KeyedDigest,
    mut read: impl FnMut(Range<usize>) -> Result<Vec<u8>, E>,
) -> Result<Vec<Lsn>, E> {
    let mut block = |nth: usize| {
        let start = nth.saturating_mul(BLOCK);
        let bytes = read(start..start.saturating_add(BLOCK).min(length))?;
        Ok::<Vec<_>, E>(entries(&bytes)?.collect())
    };
    let blocks = length.div_ceil(BLOCK);
    let mut nth = first_of(blocks, key, &mut block)?;
    let mut found = Vec::new();
    while nth < blocks {
        let entries = block(nth)?;
        let of_key = entries.iter().filter(|(other, _)| *other == key);
        found.extend(of_key.map(|(_, lsn)| *lsn));
        if entries.last().is_none_or(|(last, _)| *last > key) {
            break;
        }
        nth = nth.saturating_add(1);
    }
    Ok(found)
}

/// How often a place is guessed by how far a key lies between others; from then on in the midst.
const GUESSES: usize = 8;

/// The first block whose last key is not before `key`.
fn first_of<E>(
    blocks: usize,
    key: KeyedDigest,
    block: &mut impl FnMut(usize) -> Result<Vec<(KeyedDigest, Lsn)>, E>,
) -> Result<usize, E> {
    let (mut low, mut high) = ((0, 0), (blocks, u64::MAX));
    for guess in 0.. {
        let between = high.0.saturating_sub(low.0);
        if between == 0 {
            break;
        }
        let part = if guess < GUESSES {
            share(
                between,
                lead(key).saturating_sub(low.1),
                high.1.saturating_sub(low.1),
            )
        } else {
            between >> 1
        };
        let nth = low.0.saturating_add(part);
        let entries = block(nth)?;
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
            break;
        };
        if *last < key {
            low = (nth.saturating_add(1), lead(*last));
        } else if *first < key {
            return Ok(nth);
        } else {
            high = (nth, lead(*first));
        }
    }
    Ok(low.0)
}

/// The first octets of a key as a number, by which keys are in order.
fn lead(key: KeyedDigest) -> u64 {
    key.0
        .first_chunk()
        .map_or(0, |lead| u64::from_be_bytes(*lead))
}

/// The part of `whole` places, less than all, at which `of` stands that may be up to `most`.
fn share(whole: usize, of: u64, most: u64) -> usize {
    let wide = u128::try_from(whole).unwrap_or(u128::MAX);
    let part = wide.saturating_mul(of.into()) / u128::from(most).saturating_add(1);
    let part = usize::try_from(part).unwrap_or(usize::MAX);
    part.min(whole.saturating_sub(1))
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
    use std::collections::{BTreeMap, BTreeSet};

    type Ids = BTreeMap<KeyedDigest, Lsn>;

    fn ids() -> impl Strategy<Value = Ids> {
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

    /// All records of a key, and how many blocks were read for them.
    fn all(bytes: &[u8], key: KeyedDigest) -> (Vec<Lsn>, usize) {
        let mut reads = 0;
        let read = |part: Range<usize>| {
            reads += 1;
            Ok::<_, DamagedRun>(bytes[part].to_vec())
        };
        (find_all(bytes.len(), key, read).unwrap(), reads)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_id_is_found_and_no_other(ids in ids(), strangers in proptest::collection::vec(any::<[u8; 16]>(), 50)) {
            let bytes = encode(ids.clone());
            prop_assert!(bytes.len() <= ids.len() * 25 + 4);
            let run = Run::parse(&bytes).unwrap();
            for (key, lsn) in &ids {
                prop_assert_eq!(found(&bytes, &run, *key), Some(*lsn));
                prop_assert_eq!(all(&bytes, *key).0, [*lsn]);
            }
            for stranger in strangers.into_iter().map(KeyedDigest) {
                let of = ids.get(&stranger).copied();
                prop_assert_eq!(found(&bytes, &run, stranger), of);
                prop_assert_eq!(all(&bytes, stranger).0, Vec::from_iter(of));
            }
        }

        #[test]
        fn every_record_of_a_key_is_found_wherever_blocks_end(counts in proptest::collection::vec(0..400_u64, 1..8), spread in any::<u8>()) {
            let key = |nth: u8| KeyedDigest([nth.wrapping_mul(spread | 1); 16]);
            let mut entries = BTreeSet::new();
            for (nth, count) in (0..).zip(&counts) {
                entries.extend((0..*count).map(|lsn| (key(nth), Lsn(lsn))));
            }
            let bytes = encode(entries);
            prop_assert!(Run::parse(&bytes).is_ok());
            for (nth, count) in (0..).zip(&counts) {
                let of: Vec<Lsn> = (0..*count).map(Lsn).collect();
                prop_assert_eq!(all(&bytes, key(nth)).0, of);
            }
        }

        #[test]
        fn one_changed_bit_or_a_lost_end_is_damage(ids in ids(), place in any::<usize>(), bit in 0..8_u32) {
            prop_assume!(!ids.is_empty());
            let mut bytes = encode(ids);
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
        let bytes = encode(Ids::new());
        let run = Run::parse(&bytes).unwrap();
        assert_eq!(run.block_of(KeyedDigest([7; 16])), None);
        assert_eq!(all(&bytes, KeyedDigest([7; 16])), (Vec::new(), 0));
    }

    #[test]
    fn a_key_among_many_is_found_by_few_reads() {
        let key = |nth: u32| {
            let digest = crate::message::id::Digest::of(&nth.to_be_bytes()).0;
            KeyedDigest(*digest.first_chunk().unwrap())
        };
        let entries: BTreeMap<_, _> = (0..200_000)
            .map(|nth| (key(nth), Lsn(nth.into())))
            .collect();
        let bytes = encode(entries);
        let reads = (0..1_000).map(|nth| {
            let (found, reads) = all(&bytes, key(nth * 397));
            assert!(found.len() <= 1);
            reads
        });
        let reads: usize = reads.sum();
        assert!(
            reads <= 4_000,
            "{reads} reads of 1,177 blocks for 1,000 keys"
        );
    }
}
