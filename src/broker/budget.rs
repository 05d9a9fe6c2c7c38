//! What the connections of one agency hold together: octets of messages that are not whole, of those
//! that have no outcome, octets that their clients have not read, consumers.
//!
//! Each connection keeps its portion up to date, and gives it back when it ends. One atomic number an
//! agency and thing, no lock beside the one that finds it at connect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::{
    AGENCY_CONSUMERS, AGENCY_OUTPUT_BYTES, AGENCY_UNDECIDED_BYTES, AGENCY_UNFINISHED_BYTES,
    FAIR_BYTES, UNREAD_FAIR_BYTES,
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
    undecided: AtomicUsize,
    unread: AtomicUsize,
    consumers: AtomicUsize,
}

/// What one connection holds of its agency's budget; given back when dropped.
#[derive(Debug)]
pub struct Portion {
    budget: Arc<Budget>,
    unfinished: usize,
    undecided: usize,
    unread: usize,
    consumers: usize,
    /// Octets of messages under way that had room.
    begun: usize,
    room: Room,
}

/// What a connection holds of messages, in octets.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    /// Octets of messages under way, once they are whole.
    pub unfinished: usize,
    /// Octets of messages that are whole and have no outcome.
    pub undecided: usize,
}

/// Whether there is room for what a connection sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Free,
    /// There is none until others of its agency hold less.
    Awaited,
    /// There is none, and the connection holds a message under way that it could finish.
    Exceeded,
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
            undecided: 0,
            unread: 0,
            consumers: 0,
            begun: 0,
            room: Room::Free,
        }
    }

    /// How fast its agency may go on.
    pub fn pace(&self) -> &Pace {
        &self.budget.pace
    }

    /// The connection holds so much of messages; whether more may be read for it. Of those without an
    /// outcome one may hold as much as all leave free, and of those under way: there is room for who holds
    /// little, however many take what they can. What had room under way has it until it is whole.
    pub fn hold_messages(&mut self, messages: Messages) -> Room {
        let Messages {
            unfinished,
            undecided,
        } = messages;
        let all = hold(&self.budget.undecided, &mut self.undecided, undecided);
        self.begun = self.begun.min(unfinished);
        let begins = if unfinished > self.begun {
            unfinished
        } else {
            0
        };
        let both = begins.saturating_add(undecided);
        let fits = both <= FAIR_BYTES || both <= AGENCY_UNDECIDED_BYTES.saturating_sub(all);
        self.room = if !self.hold_unfinished(unfinished) && self.unfinished > FAIR_BYTES {
            Room::Exceeded
        } else if self.unfinished < unfinished || !fits {
            Room::Awaited
        } else {
            self.begun = unfinished;
            Room::Free
        };
        self.room
    }

    /// What [`Self::hold_messages`] said last.
    pub fn room(&self) -> Room {
        self.room
    }

    /// Holds so much, unless that is more than before and does not fit.
    fn hold_unfinished(&mut self, octets: usize) -> bool {
        let before = self.unfinished;
        let all = hold(&self.budget.unfinished, &mut self.unfinished, octets);
        let free = AGENCY_UNFINISHED_BYTES.saturating_sub(all);
        let holds = octets <= before.max(FAIR_BYTES) || octets <= free;
        if !holds {
            hold(&self.budget.unfinished, &mut self.unfinished, before);
        }
        holds
    }

    /// Sets how many octets wait to be read by the client.
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
        hold(&self.budget.undecided, &mut self.undecided, 0);
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

    fn unfinished(portion: &mut Portion, unfinished: usize) -> Room {
        portion.hold_messages(Messages {
            unfinished,
            undecided: 0,
        })
    }

    fn undecided(portion: &mut Portion, undecided: usize) -> Room {
        portion.hold_messages(Messages {
            unfinished: 0,
            undecided,
        })
    }

    #[test]
    fn however_many_connections_fill_the_budget_one_that_holds_little_finds_room() {
        let budgets = Budgets::default();
        let portion = || Portion::new(budgets.of(Party::Agency("post".parse().unwrap())));
        let mut all: Vec<Portion> = (0..1_000).map(|_| portion()).collect();
        let mut held = vec![0; all.len()];
        // Each takes another piece as long as it may.
        let piece = 16 << 10;
        let mut moved = true;
        while moved {
            moved = false;
            for (portion, held) in all.iter_mut().zip(&mut held) {
                if undecided(portion, *held) == Room::Free {
                    *held += piece;
                    moved |= undecided(portion, *held) == Room::Free;
                }
            }
        }
        let sum: usize = held.iter().sum();
        assert!(
            sum <= AGENCY_UNDECIDED_BYTES + 1_000 * (FAIR_BYTES + piece),
            "{sum}"
        );
        assert_eq!(undecided(&mut portion(), FAIR_BYTES), Room::Free);
        drop(all);

        let mut greedy: Vec<Portion> = (0..4).map(|_| portion()).collect();
        for portion in &mut greedy {
            let mut held = 0;
            while undecided(portion, held) == Room::Free {
                held += 1 << 20;
            }
        }
        assert_eq!(undecided(&mut portion(), 1 << 20), Room::Free);
        // What it is sending counts with what waits.
        let mut sends = portion();
        let messages = |unfinished| Messages {
            unfinished,
            undecided: 1 << 20,
        };
        assert_eq!(sends.hold_messages(messages(1 << 10)), Room::Free);
        assert_eq!(sends.hold_messages(messages(32 << 20)), Room::Awaited);
    }

    #[test]
    fn connections_of_an_agency_fill_one_budget_and_give_back_what_they_held() {
        let budgets = Budgets::default();
        let portion = |name: &str| {
            let party = Party::Agency(name.parse().unwrap());
            Portion::new(budgets.of(party))
        };
        let mut first = portion("post");
        let half = AGENCY_UNFINISHED_BYTES / 2;
        assert_eq!(unfinished(&mut first, half + 1), Room::Awaited);
        assert_eq!(unfinished(&mut first, half), Room::Free);
        assert_eq!(unfinished(&mut first, half + 1), Room::Exceeded);
        assert_eq!(unfinished(&mut first, half), Room::Free);
        let mut others = Vec::new();
        let mut piece = half / 2;
        while piece > FAIR_BYTES {
            others.push(portion("post"));
            let other = others.last_mut().unwrap();
            assert_eq!(unfinished(other, piece), Room::Free, "as much as is left");
            piece /= 2;
        }
        let (mut second, much) = (portion("post"), FAIR_BYTES + 1);
        assert_eq!(
            unfinished(&mut second, FAIR_BYTES),
            Room::Free,
            "a fair part"
        );
        assert_eq!(unfinished(&mut second, much), Room::Awaited);
        assert_eq!(second.unfinished, FAIR_BYTES, "it is not held");
        assert_eq!(unfinished(&mut portion("customs"), much), Room::Free);
        assert!(std::ptr::eq(first.pace(), second.pace()));
        drop(first);
        assert_eq!(unfinished(&mut second, much), Room::Free);

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
