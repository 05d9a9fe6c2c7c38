//! Refusals of a minute: how many have a record of their own, and how many are only counted.
//!
//! A minute is one of journal time, so replay counts as live did. What is counted is noted in the
//! batch that tells the sender, for a confirm must be true of what is on the disk; when the minute
//! is over one piece of evidence takes the place of all of them.

use std::collections::BTreeMap;

use super::record::CountedRefusals;
use crate::agency::registry::Party;
use crate::message::time::Timestamp;

/// What the ledger knows of the refusals of each party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalCounts {
    /// The last minute with a recorded refusal, and how many it had.
    pub(super) recorded: BTreeMap<Party, (i64, u32)>,
    /// Counted, and not told as evidence yet.
    pub(super) open: BTreeMap<Party, CountedRefusals>,
}

fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000)
}

impl RefusalCounts {
    /// Whether this minute's refusals of `party` already have `max` records.
    pub fn is_used_up(&self, party: &Party, max: u32, now: Timestamp) -> bool {
        let recorded = self.recorded.get(party);
        recorded.is_some_and(|(of, count)| *of == minute(now) && *count >= max)
    }

    /// Counts that are to become evidence: those of minutes before `now`'s. Asked in every step: as
    /// what is due is told before anything else is counted, all that is open is of one minute, and
    /// where the first is not due none is.
    pub fn due(&self, now: Timestamp) -> Vec<CountedRefusals> {
        let over = |counted: &&CountedRefusals| minute(counted.from) < minute(now);
        match self.open.values().next().filter(over) {
            Some(_) => self.open.values().filter(over).cloned().collect(),
            None => Vec::new(),
        }
    }

    /// All counts that are not evidence yet, for a stop.
    pub fn open(&self) -> Vec<CountedRefusals> {
        self.open.values().cloned().collect()
    }

    /// A refusal got a record.
    pub(super) fn recorded(&mut self, party: &Party, at: Timestamp) {
        if let Some((of, count)) = self.recorded.get_mut(party) {
            *count = if *of == minute(at) {
                count.saturating_add(1)
            } else {
                1
            };
            *of = minute(at);
        } else {
            self.recorded.insert(party.clone(), (minute(at), 1));
        }
    }

    /// Refusals without a record were counted in a batch.
    pub(super) fn noted(&mut self, noted: &CountedRefusals) {
        if let Some(open) = self.open.get_mut(&noted.party) {
            open.to = open.to.max(noted.to);
            open.count = open.count.saturating_add(noted.count);
        } else {
            self.open.insert(noted.party.clone(), noted.clone());
        }
    }

    /// The count became evidence.
    pub(super) fn told(&mut self, party: &Party) {
        self.open.remove(party);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn noted(party: &Party, ms: i64, count: u64) -> CountedRefusals {
        CountedRefusals {
            party: party.clone(),
            from: at(ms),
            to: at(ms),
            count,
        }
    }

    #[test]
    fn a_minute_has_so_many_records_and_the_next_one_as_many_again() {
        let post = Party::Agency("post".parse().unwrap());
        let police = Party::Agency("police".parse().unwrap());
        let mut counts = RefusalCounts::default();
        for ms in [59_000, 59_999] {
            assert!(!counts.is_used_up(&post, 2, at(59_999)));
            counts.recorded(&post, at(ms));
        }
        assert!(counts.is_used_up(&post, 2, at(59_999)));
        assert!(!counts.is_used_up(&police, 2, at(59_999)));
        assert!(!counts.is_used_up(&post, 2, at(60_000)));
        counts.recorded(&post, at(60_000));
        assert!(!counts.is_used_up(&post, 2, at(60_001)));
    }

    #[test]
    fn counts_of_several_batches_become_one_when_their_minute_is_over() {
        let post = Party::Agency("post".parse().unwrap());
        let mut counts = RefusalCounts::default();
        counts.noted(&noted(&post, 10_000, 3));
        counts.noted(&noted(&post, 20_000, 4));
        assert!(counts.due(at(59_999)).is_empty());
        let whole = CountedRefusals {
            to: at(20_000),
            ..noted(&post, 10_000, 7)
        };
        assert_eq!(counts.due(at(60_000)), counts.open());
        assert_eq!(counts.open(), [whole]);
        counts.told(&post);
        assert!(counts.open().is_empty());
    }
}
