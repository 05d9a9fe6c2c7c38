//! Counts changes of cases by agency and second. Forgotten by a restart: it bounds work, and is no
//! evidence of anything.

use std::collections::BTreeMap;

use crate::broker::limits::{CASE_CHANGES, CASE_CHANGES_SPAN};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

/// Changes since the beginning of each agency's present second.
#[derive(Debug, Default)]
pub(super) struct CaseChanges {
    by_agency: BTreeMap<AgencyId, (Timestamp, u32)>,
}

impl CaseChanges {
    /// Counts one more, where it may be.
    pub(super) fn may(&mut self, agency: &AgencyId, now: Timestamp) -> bool {
        let (since, count) = self.by_agency.entry(agency.clone()).or_insert((now, 0));
        if now < *since || now.since(*since) >= CASE_CHANGES_SPAN {
            (*since, *count) = (now, 0);
        }
        let may = *count < CASE_CHANGES;
        *count += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_agency_has_its_own_changes_and_new_ones_each_second() {
        let mut changes = CaseChanges::default();
        let (customs, police) = ("customs".parse().unwrap(), "police".parse().unwrap());
        let start = Timestamp::from_millis(1_000);
        for _ in 0..CASE_CHANGES {
            assert!(changes.may(&customs, start));
        }
        let later = |ms| start.plus(Duration::from_millis(ms));
        assert!(!changes.may(&customs, later(999)));
        assert!(changes.may(&police, later(999)));
        assert!(changes.may(&customs, later(1_000)));
    }
}
