//! Counts identical repeats by agency, and writes them down once an hour, or at once where one of
//! them repeats a refusal.
//!
//! A crash loses what was counted since: a repeat is answered from the first record, and its count
//! is a hint for operators and no evidence of anything.

use std::collections::BTreeMap;

use crate::broker::record::Repeats;
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// Repeats since the last record of them.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// When the first of them came; any where there is none.
    since: Timestamp,
    by_agency: BTreeMap<AgencyId, u64>,
    /// Whether a repeat of a refusal is among them.
    pub(super) refused: bool,
}

impl Counted {
    pub(super) fn count(&mut self, agency: &AgencyId, now: Timestamp) {
        if self.by_agency.is_empty() {
            self.since = now;
        }
        if let Some(count) = self.by_agency.get_mut(agency) {
            *count += 1;
        } else {
            self.by_agency.insert(agency.clone(), 1);
        }
    }

    /// A repeat of what was refused for all. It waits for a sync, whether something is to be recorded or
    /// not: its sender must not be able to tell by the time.
    pub(super) fn count_refused(&mut self, agency: &AgencyId, now: Timestamp) {
        self.count(agency, now);
        self.refused = true;
    }

    /// Whether their hour, by the clock, is over.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let hour = |time: Timestamp| time.as_millis().div_euclid(HOUR_MS);
        !self.by_agency.is_empty() && hour(now) != hour(self.since)
    }

    pub(super) fn take(&mut self, now: Timestamp) -> Option<Repeats> {
        let counts = std::mem::take(&mut self.by_agency);
        self.refused = false;
        (!counts.is_empty()).then(|| Repeats {
            at: now,
            since: self.since,
            counts: counts.into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_the_clocks_and_ends_what_began_within_it() {
        let agency: AgencyId = "post".parse().unwrap();
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let mut counted = Counted::default();
        assert!(!counted.is_due(at(500)));
        counted.count(&agency, at(59));
        assert!(!counted.is_due(at(59)));
        counted.count(&agency, at(59));
        assert!(counted.is_due(at(60)));
        let taken = counted.take(at(60)).unwrap();
        assert_eq!((taken.since, taken.counts), (at(59), vec![(agency, 2)]));
        assert!(!counted.is_due(at(500)) && counted.take(at(500)).is_none());
    }
}
