//! What officers of each body have proposed today, in octets of files: a budget of its own for each, so
//! that none fills the disk with texts that it proposes and withdraws.

use std::collections::BTreeMap;

use crate::agency::officer::Holder;
use crate::broker::record::{Proposed, octets};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;

const DAY_MS: i64 = 86_400_000;

/// Octets of files that officers of a body proposed on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct Spent {
    /// The day, counted from 1970 in UTC.
    pub(in crate::broker) day: u64,
    pub(in crate::broker) octets: u64,
}

/// What officers of each body proposed on the last day on which there was a proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::broker) struct Budgets {
    pub(in crate::broker) spent: BTreeMap<Holder, Spent>,
}

impl Budgets {
    /// How much officers of `holder` have proposed on the day of `now`.
    pub(super) fn today(&self, holder: &Holder, now: Timestamp) -> u64 {
        let spent = self.spent.get(holder);
        let spent = spent.filter(|spent| spent.day == day(now));
        spent.map_or(0, |spent| spent.octets)
    }

    /// Counts a proposal. What was proposed on other days is forgotten.
    pub(super) fn spend(&mut self, proposed: &Proposed) {
        let draft = &proposed.draft;
        let (day, holder) = (day(proposed.at), &draft.act.by.holder);
        let octets = self.today(holder, proposed.at);
        let octets = octets.saturating_add(octets_of(&draft.changes));
        self.spent.retain(|_, spent| spent.day == day);
        self.spent.insert(holder.clone(), Spent { day, octets });
    }
}

pub(super) fn octets_of(changes: &Changes) -> u64 {
    u64::try_from(octets(changes)).unwrap_or(u64::MAX)
}

fn day(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis().div_euclid(DAY_MS)).unwrap_or_default()
}
