//! What an oversight body's auditor sees of the log: of all agencies, as far as a grant of the board opens
//! it to him.

use serde_json::{Value, json};

use super::item::{Item, message_id};
use super::{Described, Entry};
use crate::broker::record::{Confidential, Record};

/// What a grant opens to an officer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// That there was something, and its digests.
    pub(crate) evidence: bool,
    /// What it says: who got what, and by which rules.
    pub(crate) rulings: bool,
    /// What is sealed: what senders wrote and were told, what officers looked for and why.
    pub(crate) payload: bool,
}

impl Opened {
    /// Whether it opens nothing.
    pub(crate) const fn is_nothing(self) -> bool {
        !self.evidence && !self.rulings && !self.payload
    }

    /// What is told of a record; nothing where it is no evidence.
    pub(crate) fn of(self, entry: Entry) -> Option<Item> {
        entry.number?;
        let message_id = message_id(&entry.record);
        let Entry {
            number,
            lsn,
            record,
            about,
            clock,
        } = entry;
        let record = if self.payload {
            record
        } else {
            record.closed()
        };
        let mut told = Described::of(number, lsn, &record, None).with_earlier(about.as_ref());
        if !self.rulings {
            told = told.bare();
        }
        if self.payload {
            told = with_asked(told.with_its_id(&record), &record);
        }
        if let Some(digests) = digests(&record).filter(|_| self.evidence) {
            told = told.with("digests", digests);
        }
        Some(Item {
            kind: told.kind(),
            message_id,
            told: told.at_clock(clock).to_json(),
        })
    }
}

/// With what the sender of a message set on it.
fn with_asked(told: Described, record: &Record) -> Described {
    match record {
        Record::Exchange(exchange) => {
            told.with("asked", json!(Confidential::open(&exchange.sealed)))
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
