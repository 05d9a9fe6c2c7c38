//! Standing: facts that change between messages, as policies read them.
//!
//! The ledger owns and changes a [`Standing`], by records only; rulings read a snapshot. Each value
//! carries the epoch at which it was set, so that a ruling can say exactly what it read and the
//! committer can see whether that still holds. Absence has epoch 0: what went away reads as what
//! never was, so nothing has to be kept for its epoch alone.
//!
//! INVARIANT (the ledger's): an epoch is never given twice, and never is 0.

use std::collections::{BTreeMap, BTreeSet};

use rpds::RedBlackTreeMapSync;

use crate::agency::registry::Party;
use crate::message::id::{AgencyId, KeyedDigest, name};
use crate::message::time::Timestamp;

use super::measures::Measures;

name!(
    /// A case's name, as its opener gave it: `CASE-2026-0317`. Its form is that of `CaseID` in every
    /// message type, so that a case that was opened can be quoted anywhere.
    CaseId, is_case,
    "a case: capital letters, digits, - and /, at most 35, such as CASE-2026-0317"
);

fn is_case(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let allowed = |b: u8| is_letter(b) || matches!(b, b'-' | b'/');
    let begins = text.bytes().next().is_some_and(is_letter);
    begins && text.len() <= 35 && text.bytes().all(allowed)
}

/// An open case. One that was closed is no fact, and is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its risk areas.
    pub areas: BTreeSet<String>,
    /// The agencies that have joined, the opener among them.
    pub members: BTreeSet<AgencyId>,
}

/// A value with the epoch at which it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// When it was set, counted by the ledger; never 0.
    pub epoch: u64,
    /// The value.
    pub value: T,
}

/// Standing facts of one kind by what they are about. A copy shares all that a change leaves as it
/// is, so that a change costs as much beside a million others as alone.
pub type ByKey<K, V> = RedBlackTreeMapSync<K, Versioned<V>>;

/// A snapshot of all standing facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Open cases.
    pub cases: ByKey<CaseId, Case>,
    /// The epoch of the case that was opened last.
    pub newest_case: u64,
    /// What officers have declared of their agencies; absent means nothing.
    pub measures: ByKey<AgencyId, Measures>,
    /// Per case and holder: the originators whose restricted data the holder has got in it.
    pub bans: ByKey<(CaseId, Party), BTreeSet<AgencyId>>,
    /// Per digest of a message's own key: who holds an open `control.order` on it, each until
    /// when; `None` where no deadline ends it. From then on it binds nothing, here still or not.
    pub orders: ByKey<KeyedDigest, BTreeMap<Party, Option<Timestamp>>>,
}

impl Standing {
    /// The epoch of what `key` names; 0 where there is nothing.
    pub fn epoch(&self, key: &StandingKey) -> u64 {
        let epoch = match key {
            StandingKey::Case(case) => self.cases.get(case).map(|v| v.epoch),
            StandingKey::NewestCase => Some(self.newest_case),
            StandingKey::Measures(agency) => self.measures.get(agency).map(|v| v.epoch),
            StandingKey::Bans(case, holder) => self
                .bans
                .get(&(case.clone(), holder.clone()))
                .map(|v| v.epoch),
            StandingKey::Orders(own_key) => self.orders.get(own_key).map(|v| v.epoch),
        };
        epoch.unwrap_or(0)
    }
}

/// One value of a [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StandingKey {
    /// An open case.
    Case(CaseId),
    /// That no case was opened since: a case that a message quotes is not open. Its name stays out of
    /// evidence, for where there is no such case its sender made it up.
    NewestCase,
    /// An agency's continuity level and its suspended permits.
    Measures(AgencyId),
    /// The originators that bind a holder in a case.
    Bans(CaseId, Party),
    /// The holders of orders on a message's own key.
    Orders(KeyedDigest),
}

/// What a ruling was made from, besides the message: as long as it holds, so does the ruling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// The epoch of the rulebook.
    pub rulebook_epoch: u64,
    /// Every standing value looked at, with its epoch.
    pub keys: Vec<(StandingKey, u64)>,
    /// The first instant at which time alone may change the ruling; `None`: never.
    pub valid_until: Option<Timestamp>,
}

impl Reads {
    /// Whether a ruling made again at `now` from this standing and rulebook would be the same.
    pub fn still_hold(&self, standing: &Standing, rulebook_epoch: u64, now: Timestamp) -> bool {
        self.rulebook_epoch == rulebook_epoch
            && self.valid_until.is_none_or(|until| now < until)
            && self
                .keys
                .iter()
                .all(|(key, epoch)| standing.epoch(key) == *epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_stale_once_a_key_the_rulebook_or_the_time_has_moved() {
        let agency: AgencyId = "customs".parse().unwrap();
        let key = StandingKey::Measures(agency.clone());
        let until = Timestamp::from_millis(1000);
        let reads = Reads {
            rulebook_epoch: 3,
            keys: vec![(key, 0)],
            valid_until: Some(until),
        };
        let mut standing = Standing::default();
        assert!(reads.still_hold(&standing, 3, Timestamp::from_millis(999)));
        assert!(!reads.still_hold(&standing, 3, until));
        assert!(!reads.still_hold(&standing, 4, Timestamp::default()));
        standing.measures.insert_mut(
            agency,
            Versioned {
                epoch: 9,
                value: Measures::default(),
            },
        );
        assert!(!reads.still_hold(&standing, 3, Timestamp::default()));
    }

    #[test]
    fn what_quotes_a_case_that_is_not_open_is_stale_once_any_is_opened() {
        let reads = Reads {
            keys: vec![(StandingKey::NewestCase, 4)],
            ..Reads::default()
        };
        let mut standing = Standing {
            newest_case: 4,
            ..Standing::default()
        };
        assert!(reads.still_hold(&standing, 0, Timestamp::default()));
        standing.newest_case = 5;
        assert!(!reads.still_hold(&standing, 0, Timestamp::default()));
    }
}
