//! Ids that were used: what makes a repeat a repeat.
//!
//! The key is the unit's and `message_id`'s keyed digest; the content's digest tells a repeat from
//! another message under the same id. Time is the journal's, so replay forgets what live forgot.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::limits::KNOWN_IDS;
use super::record::{Exchange, Outcome};
use crate::journal::Lsn;
use crate::message::id::KeyedDigest;
use crate::message::time::Timestamp;
use crate::policy::standing::Reads;

/// What is known of a used id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The content's digest.
    pub content: KeyedDigest,
    /// The exchange's record.
    pub lsn: Lsn,
    /// Until when a repeat is recognised.
    until: Timestamp,
    /// What the ruling rested on, where it was refused for all: when that changes, a repeat is
    /// ruled anew.
    pub refused: Option<Box<Reads>>,
}

impl Known {
    /// What to remember of an exchange.
    pub fn of(exchange: &Exchange, lsn: Lsn) -> Self {
        let released = exchange.recipients.iter();
        let released = released.filter(|recipient| recipient.known);
        let any = released
            .into_iter()
            .any(|r| matches!(r.outcome, Outcome::Released(_)));
        let refused = (!any).then(|| Box::new(exchange.reads.clone()));
        let until = exchange.at.plus(exchange.window);
        Self {
            content: exchange.content,
            lsn,
            until,
            refused,
        }
    }
}

/// The ids of the window that are in memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KnownIds {
    by_key: BTreeMap<KeyedDigest, Known>,
    by_age: VecDeque<(Timestamp, KeyedDigest)>,
}

impl KnownIds {
    /// What is known of an id at `now`.
    pub fn get(&self, key: KeyedDigest, now: Timestamp) -> Option<&Known> {
        self.by_key.get(&key).filter(|known| known.until > now)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Remembers an id; forgets those whose window has passed, and the oldest past the bound.
    pub fn insert(&mut self, key: KeyedDigest, known: Known, now: Timestamp) {
        self.by_age.push_back((known.until, key));
        self.by_key.insert(key, known);
        while let Some((until, oldest)) = self.by_age.front().copied() {
            if until > now && self.by_age.len() <= KNOWN_IDS {
                break;
            }
            self.by_age.pop_front();
            // A later use of the same id has a later end, and stays.
            if self
                .by_key
                .get(&oldest)
                .is_some_and(|known| known.until == until)
            {
                self.by_key.remove(&oldest);
            }
        }
    }
}
