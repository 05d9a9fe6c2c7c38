//! A Bloom filter over keyed digests: says "surely not here" from memory, so that almost no search
//! of an id that is new reads a file.
//!
//! Digests are uniform already, so their own bits are the hash: the first half chooses a block of
//! one cache line, the second half seven of its bits. One look costs one miss of the cache.

use crate::message::id::KeyedDigest;

/// Bits for each key: about 1 of 120 looks in vain.
const BITS_PER_KEY: usize = 12;
const WORDS: usize = 8;
const BLOCK_BITS: usize = WORDS * 64;
const PROBES: usize = 7;

/// A Bloom filter: says of each key that was put in that it may be there, and of few others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bloom {
    blocks: Vec<[u64; WORDS]>,
}

impl Bloom {
    /// Holds nothing, with room for so many keys.
    pub(super) fn with_room(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_BITS).max(1);
        Self {
            blocks: vec![[0; WORDS]; blocks],
        }
    }

    pub(super) fn insert(&mut self, key: KeyedDigest) {
        let (place, bits) = self.place(key);
        for (word, bits) in self.blocks.get_mut(place).into_iter().flatten().zip(bits) {
            *word |= bits;
        }
    }

    /// Whether the key may be held; false is certain.
    pub(super) fn may_hold(&self, key: KeyedDigest) -> bool {
        let (place, bits) = self.place(key);
        let block = self.blocks.get(place);
        block.is_some_and(|block| {
            block
                .iter()
                .zip(bits)
                .all(|(word, bits)| word & bits == bits)
        })
    }

    fn place(&self, key: KeyedDigest) -> (usize, [u64; WORDS]) {
        let whole = u128::from_be_bytes(key.0);
        let high = u64::try_from(whole >> 64).unwrap_or(u64::MAX);
        let mut low = u64::try_from(whole & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        // Scales the half to the number of blocks: below it by construction.
        let count = u128::try_from(self.blocks.len()).unwrap_or(1);
        let block = usize::try_from((u128::from(high) * count) >> 64).unwrap_or_default();
        let mut bits = [0; WORDS];
        for _ in 0..PROBES {
            let bit = usize::try_from(low & 511).unwrap_or_default();
            if let Some(word) = bits.get_mut(bit / 64) {
                *word |= 1_u64 << (bit % 64);
            }
            low >>= 9;
        }
        (block, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::id::Digest;
    use proptest::prelude::*;

    fn key(number: u32) -> KeyedDigest {
        let digest = Digest::of(&number.to_be_bytes()).0;
        KeyedDigest(*digest.first_chunk().unwrap())
    }

    #[test]
    fn few_strangers_are_let_through() {
        let mut bloom = Bloom::with_room(20_000);
        (0..20_000).for_each(|number| bloom.insert(key(number)));
        let through = (100_000..200_000).filter(|number| bloom.may_hold(key(*number)));
        let through = through.count();
        assert!((1..2_000).contains(&through), "{through} of 100,000");
    }

    proptest! {
        #[test]
        fn no_key_is_denied(keys in proptest::collection::vec(any::<[u8; 16]>(), 0..300), room in 0_usize..400) {
            let mut bloom = Bloom::with_room(room);
            for key in &keys {
                bloom.insert(KeyedDigest(*key));
            }
            for key in keys {
                prop_assert!(bloom.may_hold(KeyedDigest(key)));
            }
        }
    }
}
