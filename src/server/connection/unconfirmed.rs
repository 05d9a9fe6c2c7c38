//! Publishes of a connection whose outcome is not known, or not told yet: how many, and their bytes.
//!
//! Pure. Sizes leave in the order in which they came, whichever channel's outcome comes first: what
//! is bounded is their sum.

use std::collections::VecDeque;

use crate::broker::limits::{UNCONFIRMED_BYTES, UNCONFIRMED_PUBLISHES};

#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl Unconfirmed {
    /// One more, of so many bytes.
    pub(super) fn add(&mut self, bytes: usize) {
        self.sizes.push_back(bytes);
        self.bytes += bytes;
    }

    /// The last one is not handed over after all.
    pub(super) fn take_back(&mut self) {
        let bytes = self.sizes.pop_back().unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// One has its outcome.
    pub(super) fn end_one(&mut self) {
        let bytes = self.sizes.pop_front().unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// How many bytes they have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no more are to be read.
    pub(super) fn is_full(&self) -> bool {
        self.sizes.len() >= UNCONFIRMED_PUBLISHES || self.bytes >= UNCONFIRMED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_ones_or_few_large_ones_are_enough() {
        for (bytes, count) in [
            (0, UNCONFIRMED_PUBLISHES),
            (600, UNCONFIRMED_PUBLISHES),
            (1 << 20, UNCONFIRMED_BYTES.div_euclid(1 << 20)),
        ] {
            let mut unconfirmed = Unconfirmed::default();
            for _ in 0..count {
                assert!(!unconfirmed.is_full(), "{bytes}");
                unconfirmed.add(bytes);
            }
            assert!(unconfirmed.is_full(), "{bytes}");
            unconfirmed.end_one();
            assert!(!unconfirmed.is_full(), "{bytes}");
            unconfirmed.add(bytes);
            unconfirmed.take_back();
            assert!(!unconfirmed.is_full(), "{bytes}");
            (0..count).for_each(|_| unconfirmed.end_one());
            assert_eq!((unconfirmed.bytes, unconfirmed.sizes.len()), (0, 0));
        }
    }
}
