//! What the connections of one agency hold together: octets of messages that are not whole, octets
//! that their clients have not read, consumers.
//!
//! Each connection keeps its portion up to date, and gives it back when it ends. One atomic number an
//! agency and thing, no lock beside the one that finds it at connect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::{
    AGENCY_CONSUMERS, AGENCY_OUTPUT_BYTES, AGENCY_UNFINISHED_BYTES, UNFINISHED_FAIR_BYTES,
    UNREAD_FAIR_BYTES,
};
use super::pace::Pace;
use crate::agency::registry::Party;

/// The budgets of all agencies that have connected.
#[derive(Debug, Default)]
pub struct Budgets {
    of: Mutex<BTreeMap<Party, Arc<Budget>>>,
}

/// The budget of one agency, shared by its connections.
#[derive(Debug, Default)]
pub struct Budget {
    /// How fast it may go on.
    pub pace: Pace,
    unfinished: AtomicUsize,
    unread: AtomicUsize,
    consumers: AtomicUsize,
}

/// What one connection holds of its agency's budget; given back when dropped.
#[derive(Debug)]
pub struct Portion {
    budget: Arc<Budget>,
    unfinished: usize,
    unread: usize,
    consumers: usize,
}

impl Budgets {
    /// The one of `party`.
    pub fn of(&self, party: Party) -> Arc<Budget> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(of.entry(party).or_default())
    }
}

impl Portion {
    /// One of a connection that holds nothing yet.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            unfinished: 0,
            unread: 0,
            consumers: 0,
        }
    }

    /// How fast its agency may go on.
    pub fn pace(&self) -> &Pace {
        &self.budget.pace
    }

    /// So many octets have come of what is not whole yet. False where the agency holds too much, and
    /// this connection more than a fair part of it.
    pub fn hold_unfinished(&mut self, octets: usize) -> bool {
        let all = hold(&self.budget.unfinished, &mut self.unfinished, octets);
        all <= AGENCY_UNFINISHED_BYTES || octets <= UNFINISHED_FAIR_BYTES
    }

    /// So many octets wait to be read by the client.
    pub fn hold_unread(&mut self, octets: usize) {
        hold(&self.budget.unread, &mut self.unread, octets);
    }

    /// Whether the agency's clients have so much to read that no more is rendered for this one, which has
    /// more than a fair part of it.
    pub fn is_unread(&self) -> bool {
        self.unread > UNREAD_FAIR_BYTES
            && self.budget.unread.load(Ordering::Relaxed) >= AGENCY_OUTPUT_BYTES
    }

    /// The connection has so many consumers. False where the agency has too many.
    pub fn hold_consumers(&mut self, count: usize) -> bool {
        hold(&self.budget.consumers, &mut self.consumers, count) <= AGENCY_CONSUMERS
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        hold(&self.budget.unfinished, &mut self.unfinished, 0);
        hold(&self.budget.unread, &mut self.unread, 0);
        hold(&self.budget.consumers, &mut self.consumers, 0);
    }
}

/// Holds `now` of `all` instead of `mine`; gives what all hold.
fn hold(all: &AtomicUsize, mine: &mut usize, now: usize) -> usize {
    let before = std::mem::replace(mine, now);
    if now >= before {
        let more = now - before;
        all.fetch_add(more, Ordering::Relaxed).saturating_add(more)
    } else {
        let less = before - now;
        all.fetch_sub(less, Ordering::Relaxed).saturating_sub(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_an_agency_fill_one_budget_and_give_back_what_they_held() {
        let budgets = Budgets::default();
        let portion = |name: &str| {
            let party = Party::Agency(name.parse().unwrap());
            Portion::new(budgets.of(party))
        };
        let mut first = portion("post");
        assert!(first.hold_unfinished(AGENCY_UNFINISHED_BYTES));
        let mut second = portion("post");
        assert!(second.hold_unfinished(UNFINISHED_FAIR_BYTES), "a fair part");
        assert!(!second.hold_unfinished(UNFINISHED_FAIR_BYTES + 1));
        assert!(portion("customs").hold_unfinished(UNFINISHED_FAIR_BYTES + 1));
        assert!(std::ptr::eq(first.pace(), second.pace()));
        drop(first);
        assert!(second.hold_unfinished(UNFINISHED_FAIR_BYTES + 1));

        assert!(second.hold_consumers(AGENCY_CONSUMERS));
        assert!(!portion("post").hold_consumers(1));
        assert!(second.hold_consumers(AGENCY_CONSUMERS - 1));
        assert!(portion("post").hold_consumers(1));

        let mut third = portion("post");
        third.hold_unread(AGENCY_OUTPUT_BYTES);
        assert!(third.is_unread() && !portion("customs").is_unread());
        assert!(!second.is_unread(), "who reads waits for no other");
        second.hold_unread(UNREAD_FAIR_BYTES + 1);
        assert!(second.is_unread());
        third.hold_unread(0);
        assert!(!second.is_unread());
    }
}
