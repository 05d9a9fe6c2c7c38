//! What an oversight body's auditor sees of the log: of all agencies, as far as a grant of the board opens
//! it to him.

use std::sync::Arc;

use serde_json::{Value, json};

use super::describe::Described;
use super::entry::Entry;
use crate::broker::record::{Confidential, Record};
use crate::policy::rulebook::Rulebook;

/// What a grant opens to an officer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// That there was something, and its digests.
    pub evidence: bool,
    /// What it says: who got what, and by which rules.
    pub rulings: bool,
    /// What is sealed, and messages: what senders wrote and were told, what officers looked for and why.
    pub payload: bool,
}

/// What is told of an exchange besides, as far as the grant opens it.
#[derive(Default)]
pub(super) struct InFull {
    /// The rulebook that decided.
    pub(super) rulebook: Option<Arc<Rulebook>>,
    /// The message.
    pub(super) body: Option<String>,
}

impl Opened {
    /// Whether it opens nothing.
    pub(crate) const fn is_nothing(self) -> bool {
        !self.evidence && !self.rulings && !self.payload
    }

    /// What is told of a record.
    pub(super) fn tell(self, entry: Entry, full: Option<&InFull>) -> Value {
        let Entry {
            lsn, record, clock, ..
        } = entry;
        let record = if self.payload {
            record
        } else {
            record.closed()
        };
        let rulebook = full.and_then(|full| full.rulebook.as_deref());
        let mut told = Described::of(None, lsn, &record, rulebook);
        if !self.rulings {
            told = told.bare();
        }
        if self.payload {
            told = with_asked(told.with_its_id(&record), &record);
        }
        if let Some(digests) = digests(&record).filter(|_| self.evidence) {
            told = told.with("digests", digests);
        }
        if let Some(body) = full.and_then(|full| full.body.as_ref()) {
            told = told.with("body", json!(body));
        }
        told.at_clock(clock).without_number()
    }
}

/// With what the sender of a message set on it.
fn with_asked(told: Described, record: &Record) -> Described {
    match record {
        Record::Exchange(exchange) => {
            told.with("asked", json!(Confidential::read(&exchange.sealed)))
        }
        _ => told,
    }
}

/// The digests by which a record vouches for what it does not say, where there are any.
fn digests(record: &Record) -> Option<Value> {
    match record {
        Record::Exchange(exchange) => Some(
            json!({"rulebook": exchange.rulebook, "facts": exchange.facts,
                "frame": exchange.frame, "confidential": exchange.confidential}),
        ),
        Record::Genesis(genesis) => Some(json!({"rulebook": genesis.digest})),
        Record::Activated(activated) => Some(json!({"rulebook": activated.digest})),
        Record::Proposed(proposed) => {
            let (base, rulebook) = (proposed.draft.base, proposed.draft.digest);
            Some(json!({"base": base, "rulebook": rulebook}))
        }
        _ => None,
    }
}
