//! In what a ruling comes out otherwise than it was recorded.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::broker::exchange::Recorded;
use crate::broker::record::{Exchange, Outcome, Recipient, Released, Terms};
use crate::message::id::{Digest, UnitId};
use crate::policy::explain::InForce;

/// One thing in which a record and the ruling repeated from it differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Differs {
    /// The message, or its facts, are not those whose digests the record holds.
    Message,
    /// Another rulebook was in force than the one that it names.
    Rulebook {
        /// The one that it names.
        recorded: Digest,
        /// The one that was in force.
        in_force: Digest,
    },
    /// The rulebook has no such unit or type.
    Sender,
    /// What the type can hold.
    Holds,
    /// What a unit gets; none where nothing is recorded of it.
    Unit {
        /// The unit.
        unit: UnitId,
        /// As it is recorded.
        recorded: Option<Outcome>,
        /// As it comes out.
        again: Option<Outcome>,
    },
    /// Whether a unit may be known to the sender.
    Known {
        /// The unit.
        unit: UnitId,
    },
    /// What was left of a release that was narrowed; none where there was no such release.
    Narrowed {
        /// The unit.
        unit: UnitId,
        /// As it is recorded.
        recorded: Terms,
        /// As it comes out.
        again: Option<Terms>,
    },
    /// The case that counts, and to whom.
    Case,
    /// The rules that could not be evaluated.
    Errors,
    /// The standing facts that it rests on, and until when.
    Reads,
}

impl Differs {
    /// Its word: what differs, and nothing of what the log holds.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Rulebook { .. } => "rulebook",
            Self::Sender => "sender",
            Self::Holds => "holds",
            Self::Unit { .. } => "recipient",
            Self::Known { .. } => "known",
            Self::Narrowed { .. } => "narrowed",
            Self::Case => "case",
            Self::Errors => "errors",
            Self::Reads => "reads",
        }
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message => {
                f.write_str("the message, or its facts, are not those that the record vouches for")
            }
            Self::Rulebook { recorded, in_force } => write!(
                f,
                "the record names rulebook {recorded}, in force was {in_force}"
            ),
            Self::Sender => f.write_str("the rulebook has no such sender or type"),
            Self::Holds => f.write_str("the rulebook says otherwise what the type can hold"),
            Self::Unit {
                unit,
                recorded,
                again,
            } => {
                let (recorded, again) = (recorded.as_ref(), again.as_ref());
                let recorded = outcome_in_words(recorded);
                let again = outcome_in_words(again);
                write!(f, "{unit}: recorded {recorded}; the rules give {again}")
            }
            Self::Known { unit } => {
                write!(f, "{unit}: the record says otherwise whether it is listed")
            }
            Self::Narrowed {
                unit,
                recorded,
                again,
            } => {
                let (recorded, again) = (terms_in_words(recorded), again.as_ref());
                let again = again.map_or_else(|| "nothing".to_owned(), terms_in_words);
                write!(f, "{unit}: recorded {recorded}; the rules leave {again}")
            }
            Self::Case => f.write_str("the record says otherwise whether its case counts"),
            Self::Errors => f.write_str("other rules could not be evaluated"),
            Self::Reads => f.write_str("the record names other standing facts that it rests on"),
        }
    }
}

fn terms_in_words(terms: &Terms) -> String {
    let Terms {
        mask,
        retain_days,
        onward,
        rulebook,
        ..
    } = terms;
    format!("{mask}, {retain_days} days, onward {onward}, by rulebook {rulebook}")
}

/// An outcome in a line.
pub fn outcome_in_words(outcome: Option<&Outcome>) -> String {
    let by = |policies: &[_]| {
        let ids = policies.iter().map(ToString::to_string);
        ids.collect::<Vec<_>>().join(", ")
    };
    match outcome {
        None => "nothing".to_owned(),
        Some(Outcome::Released(it)) => {
            let without = match it.withholding.as_slice() {
                [] => String::new(),
                rules => format!(", less by {}", by(rules)),
            };
            format!(
                "{} by {}{without}, {} days, onward {}",
                it.mask,
                by(&it.policies),
                it.retain_days,
                it.onward
            )
        }
        Some(Outcome::Refused { policies }) if policies.is_empty() => {
            "a refusal that no rule names".to_owned()
        }
        Some(Outcome::Refused { policies }) => format!("a refusal by {}", by(policies)),
    }
}

/// In what a record differs from what was ruled again; `vouched` where its message is the one that it
/// vouches for.
pub(super) fn differs(
    recorded: &Exchange,
    again: Option<Recorded>,
    vouched: bool,
    in_force: &InForce<'_>,
) -> Vec<Differs> {
    let rulebook = in_force.rulebook;
    let (named, in_force) = (recorded.rulebook, rulebook.digest());
    let mut found = Vec::new();
    let is_other = |is: bool, differs| is.then_some(differs);
    found.extend(is_other(!vouched, Differs::Message));
    found.extend(is_other(
        named != in_force,
        Differs::Rulebook {
            recorded: named,
            in_force,
        },
    ));
    let Some(again) = again else {
        found.push(Differs::Sender);
        return found;
    };
    let entry = rulebook.catalogue().get(recorded.message_type.as_str());
    let holds = entry.map(|entry| entry.holds);
    found.extend(is_other(holds != Some(recorded.holds), Differs::Holds));
    found.extend(units(&recorded.recipients, &again.recipients));
    let case = again.case != recorded.case || again.case_shown != recorded.case_shown;
    found.extend(is_other(case, Differs::Case));
    found.extend(is_other(again.errors != recorded.errors, Differs::Errors));
    found.extend(is_other(again.reads != recorded.reads, Differs::Reads));
    found
}

fn units(recorded: &[Recipient], again: &[Recipient]) -> Vec<Differs> {
    let mut both: BTreeMap<&UnitId, [Option<&Recipient>; 2]> = BTreeMap::new();
    for it in recorded {
        both.entry(&it.unit).or_default()[0] = Some(it);
    }
    for it in again {
        both.entry(&it.unit).or_default()[1] = Some(it);
    }
    let mut found = Vec::new();
    for (unit, [recorded, again]) in both {
        let outcomes = [recorded, again].map(|it| it.map(|it| &it.outcome));
        let unit = unit.clone();
        match outcomes {
            [Some(one), Some(other)] if is_same(one, other) => {
                let known = [recorded, again].map(|it| it.map(|it| it.known));
                found.extend((known[0] != known[1]).then_some(Differs::Known { unit }));
            }
            [recorded, again] => found.push(Differs::Unit {
                unit,
                recorded: recorded.cloned(),
                again: again.cloned(),
            }),
        }
    }
    found
}

/// Whether two outcomes are one decision: number and queues are the ledger's to give.
fn is_same(one: &Outcome, other: &Outcome) -> bool {
    match (one, other) {
        (Outcome::Released(one), Outcome::Released(other)) => {
            let decided = |it: &Released| (it.mask, it.retain_days, it.onward);
            decided(one) == decided(other)
                && one.policies == other.policies
                && one.withholding == other.withholding
        }
        (one, other) => one == other,
    }
}
