//! What an officer looks for in the log.

use super::entry::{Entry, Part};
use crate::broker::record::{Confidential, Outcome, Record};
use crate::message::id::{ExchangeId, UnitId};
use crate::message::time::Timestamp;

/// What an officer looks for in the log; all of it that he may see, where it says nothing.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of this kind alone.
    pub kind: Option<String>,
    /// What a sender published under this id.
    pub message_id: Option<String>,
    /// Messages of this type.
    pub message_type: Option<String>,
    /// The exchange of this id.
    pub exchange: Option<ExchangeId>,
    /// The one message of this number.
    pub number: Option<Numbered>,
    /// The first instant.
    pub since: Option<Timestamp>,
    /// The first instant that is not.
    pub until: Option<Timestamp>,
}

/// A message by a unit's own number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The unit.
    pub unit: UnitId,
    /// Whether it sent it, or was given it.
    pub sent: bool,
    /// Its number.
    pub number: u64,
}

impl Query {
    /// Whether it looks for this record, for a reader who may see all of it.
    pub(crate) fn is_of(&self, entry: &Entry) -> bool {
        self.is(Part::Whole, entry)
    }

    /// Whether it may look for part of a record, its kind and time apart.
    pub(super) fn is(&self, part: Part, entry: &Entry) -> bool {
        let record = &entry.record;
        let is_type = |wanted: &String| match record {
            Record::Exchange(exchange) => exchange.message_type.as_str() == wanted,
            Record::Rejected(rejected) => rejected.message_type == *wanted,
            _ => false,
        };
        self.message_type.as_ref().is_none_or(is_type)
            && self.number.as_ref().is_none_or(|it| it.is(part, record))
            && self.exchange.is_none_or(|id| is_exchange(id, part, record))
            && (self.message_id.as_deref()).is_none_or(|id| is_sent_as(id, part, record))
    }
}

impl Numbered {
    fn is(&self, part: Part, record: &Record) -> bool {
        let (is_all, is_sent) = (part == Part::Whole, part != Part::Sent);
        match record {
            Record::Exchange(exchange) if self.sent => {
                let is_it = exchange.unit == self.unit && exchange.number == Some(self.number);
                is_it && (is_all || !is_sent)
            }
            Record::Exchange(exchange) => {
                let recipients = exchange.recipients.iter().enumerate();
                let mut own = recipients.filter(|(at, _)| is_all || part == Part::Received(*at));
                own.any(|(_, it)| match &it.outcome {
                    Outcome::Released(released) => {
                        it.unit == self.unit && released.number == self.number
                    }
                    Outcome::Refused { .. } => false,
                })
            }
            Record::Rejected(rejected) => {
                self.sent && rejected.unit == self.unit && rejected.number == self.number
            }
            _ => false,
        }
    }
}

/// Whether this is the exchange: its id is told by grants alone, which tell of records as a whole.
fn is_exchange(id: ExchangeId, part: Part, record: &Record) -> bool {
    part == Part::Whole && matches!(record, Record::Exchange(exchange) if exchange.id == id)
}

/// Whether this was published under that id: recipients know it by others.
fn is_sent_as(id: &str, part: Part, record: &Record) -> bool {
    let sealed = match record {
        Record::Exchange(exchange) if !matches!(part, Part::Received(_)) => &exchange.sealed,
        Record::Rejected(rejected) => &rejected.sealed,
        _ => return false,
    };
    Confidential::read(sealed).is_some_and(|it| it.message_id == id)
}
