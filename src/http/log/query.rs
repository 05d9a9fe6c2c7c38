//! What an officer looks for in the log.

use super::entry::{Entry, Part};
use crate::broker::record::{Confidential, Exchange, Outcome, Record};
use crate::message::id::{AgencyId, ExchangeId, UnitId};
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
    /// What is known under this identifier, whatever its kind.
    pub key: Option<String>,
    /// Kinds of identifiers that lead from what was found by it to more.
    pub follow: Vec<String>,
    /// What this unit sent or was given.
    pub unit: Option<UnitId>,
    /// What an agency sent or was given.
    pub agency: Option<AgencyId>,
    /// What was sent in this case.
    pub case: Option<String>,
    /// What came of it.
    pub ending: Option<Ending>,
    /// What this rule decided.
    pub rule: Option<String>,
    /// The first instant.
    pub since: Option<Timestamp>,
    /// The first instant that is not.
    pub until: Option<Timestamp>,
}

/// What came of a message, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was released to a unit.
    Released,
    /// It was refused to one; to its sender: to all.
    Refused,
    /// It was not ruled.
    Rejected,
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
            && self
                .unit
                .as_ref()
                .is_none_or(|unit| is_of_any(part, record, |it| it == unit))
            && (self.agency.as_ref())
                .is_none_or(|agency| is_of_any(part, record, |it| it.agency == *agency))
            && self
                .case
                .as_deref()
                .is_none_or(|case| is_in_case(case, part, record))
            && self.ending.is_none_or(|ending| ending.is(part, record))
            && self
                .rule
                .as_deref()
                .is_none_or(|rule| is_by(rule, part, record))
    }
}

impl Ending {
    fn is(self, part: Part, record: &Record) -> bool {
        let exchange = match record {
            Record::Exchange(exchange) => exchange,
            Record::Rejected(_) => return self == Self::Rejected,
            _ => return false,
        };
        match part {
            // Whom its sender may not know of changes nothing for him.
            Part::Sent if exchange.answer.is_some() => self == Self::Refused,
            Part::Sent | Part::Received(_) => self == Self::Released,
            Part::Whole => exchange.recipients.iter().any(|it| match it.outcome {
                Outcome::Released(_) => self == Self::Released,
                Outcome::Refused { .. } => self == Self::Refused,
            }),
        }
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

/// Whether one of these units sent it, or was given it; as far as it is told.
fn is_of_any(part: Part, record: &Record, is: impl Fn(&UnitId) -> bool) -> bool {
    let is_given = |exchange: &Exchange, at: Option<usize>| {
        let mut recipients = exchange.recipients.iter().enumerate();
        recipients.any(|(nth, it)| at.is_none_or(|at| at == nth) && is(&it.unit))
    };
    match (record, part) {
        (Record::Exchange(exchange), Part::Sent) => is(&exchange.unit),
        (Record::Exchange(exchange), Part::Received(at)) => is_given(exchange, Some(at)),
        (Record::Exchange(exchange), Part::Whole) => is(&exchange.unit) || is_given(exchange, None),
        (Record::Rejected(rejected), _) => is(&rejected.unit),
        (Record::Narrowed(narrowed), _) => is(&narrowed.unit),
        (Record::Case(change), _) => is(&change.unit),
        _ => false,
    }
}

/// Whether it was sent in a case, to who is told of that: its sender, where the case counted for a unit
/// that he may know of.
fn is_in_case(case: &str, part: Part, record: &Record) -> bool {
    let found = match record {
        Record::Exchange(exchange) => {
            let is_told = part == Part::Whole || (part == Part::Sent && exchange.case_shown);
            exchange.case.as_ref().filter(|_| is_told)
        }
        Record::Case(change) => Some(&change.case),
        _ => None,
    };
    found.is_some_and(|it| it.as_str() == case)
}

/// Whether a rule decided, to who is told by which: its sender of what was refused.
fn is_by(rule: &str, part: Part, record: &Record) -> bool {
    match (record, part) {
        (Record::Exchange(exchange), Part::Whole) => exchange.recipients.iter().any(|it| {
            let withholding = match &it.outcome {
                Outcome::Released(released) => released.withholding.as_slice(),
                Outcome::Refused { .. } => &[],
            };
            let mut policies = it.outcome.policies().iter().chain(withholding);
            policies.any(|policy| policy.as_str() == rule)
        }),
        (Record::Exchange(exchange), Part::Sent) => Confidential::read(&exchange.sealed)
            .is_some_and(|it| it.told.iter().any(|told| told.policy == Some(rule))),
        (Record::Rejected(rejected), _) => rejected.rule == rule,
        _ => false,
    }
}
