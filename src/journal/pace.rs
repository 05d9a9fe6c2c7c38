//! When zeros are written ahead of the writer, and how far. Arithmetic alone: `fill` writes them.

/// Bytes of zeros that are written and synced at once: one unsynced mebibyte beside the writer costs
/// 23 ms.
pub(super) const PIECE: u64 = 256 << 10;
/// Bytes of zeros ahead of the writer, at most: more would only be space that nothing else can use.
pub(super) const AHEAD_MAX: u64 = 64 << 20;
/// Pieces of one order at most: what a switch of segments may have to wait for.
const ORDER_PIECES: u64 = 4;

/// Zeros that the writer has earned: 1.2 bytes for each byte written over, until enough lie ahead.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Earned and not yet ordered, in fifths of a byte, so that nothing is lost by rounding.
    earned: u64,
}

const PIECE_IN_FIFTHS: u64 = PIECE * 5;

impl Pace {
    /// Notes that batches have written over so many bytes of zeros.
    pub(super) fn consumed(&mut self, bytes: u64) {
        self.earned = self.earned.saturating_add(bytes.saturating_mul(6));
    }

    /// How many bytes are to be written now, in whole pieces, where `ahead` lie there already.
    pub(super) fn due(&mut self, ahead: u64) -> u64 {
        let room = AHEAD_MAX.saturating_sub(ahead) / PIECE;
        let pieces = (self.earned / PIECE_IN_FIFTHS).min(room).min(ORDER_PIECES);
        self.earned = self.earned.saturating_sub(pieces * PIECE_IN_FIFTHS);
        if pieces == room {
            // Enough lies ahead: what was earned above it is not owed later, in a burst.
            self.earned = self.earned.min(PIECE_IN_FIFTHS);
        }
        pieces * PIECE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lead_grows_by_a_fifth_of_what_is_written_and_ends_at_its_bound() {
        let mut pace = Pace::default();
        let (mut ahead, mut written) = (8 << 20, 0_u64);
        let (mut lowest, mut at_100_mib) = (ahead, 0);
        while written < 1 << 30 {
            let batch = 2 << 10;
            written += batch;
            pace.consumed(batch);
            ahead = ahead - batch + pace.due(ahead - batch);
            lowest = lowest.min(ahead);
            if written == 100 << 20 {
                at_100_mib = ahead;
            }
        }
        assert!(lowest > (8 << 20) - PIECE, "{lowest}");
        let expected = (8 << 20) + (20 << 20);
        assert!((expected - PIECE..=expected).contains(&at_100_mib));
        assert!((AHEAD_MAX - 2 * PIECE..=AHEAD_MAX).contains(&ahead));
    }

    #[test]
    fn what_was_written_while_enough_lay_ahead_is_no_debt() {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            pace.consumed(1 << 20);
            assert_eq!(pace.due(AHEAD_MAX), 0);
        }
        assert_eq!(pace.due(0), PIECE);
        assert_eq!(pace.due(0), 0);
    }

    proptest! {
        #[test]
        fn never_more_than_its_pace_nor_than_its_bound(batches in prop::collection::vec((0_u64..3_000_000, 0_u64..AHEAD_MAX + PIECE), 1..200)) {
            let mut pace = Pace::default();
            let (mut consumed, mut filled) = (0, 0);
            for (bytes, ahead) in batches {
                pace.consumed(bytes);
                consumed += bytes;
                let due = pace.due(ahead);
                filled += due;
                prop_assert_eq!(due % PIECE, 0);
                prop_assert!(due <= ORDER_PIECES * PIECE);
                prop_assert!(due == 0 || ahead + due <= AHEAD_MAX);
                prop_assert!(filled * 5 <= consumed * 6);
            }
        }
    }
}
