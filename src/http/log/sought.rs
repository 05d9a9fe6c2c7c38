//! Identifiers that an officer looks for, and who may find a message by each.
//!
//! A message is found by what is known of it: by its sender as he wrote it, by a recipient as his release
//! gave it. What policy withheld from a unit finds nothing for its auditor, or he could try values until one
//! is found; a reference that the unit has as a token is found by that token, or he would learn what it
//! stands for. That is the one rule of this file, [`identifiers`].

use std::collections::{BTreeMap, BTreeSet};

use super::entry::Part;
use super::sight::Sight;
use crate::broker::exchange::View;
use crate::broker::record::{Exchange, Identifier, KnownAs, Outcome, Record};
use crate::journal::Lsn;
use crate::message::id::{KeyedDigest, Mask, UnitId};

/// The kinds of identifiers by which all that belongs to one consignment is found. Others, of a trader, a
/// container or a permit, lead to other consignments.
pub(crate) const CONSIGNMENT: [&str; 5] = ["awb", "mrn", "s10", "transport-document", "ucr"];

/// What an officer looks for, under whatever name he knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// As it was typed.
    text: String,
    /// As the `message_id` of each unit whose messages he sees.
    ids: BTreeSet<KeyedDigest>,
    /// As an identifier of each kind.
    values: BTreeSet<KeyedDigest>,
    /// As a token of a unit.
    tokens: BTreeSet<(UnitId, KeyedDigest)>,
    /// As the id of a delivery: the record, and whom it was delivered to.
    delivered: BTreeSet<(Lsn, UnitId)>,
}

/// What was left to units of an exchange before its delivery.
pub(super) type Left = BTreeMap<UnitId, Mask>;

impl Sought {
    /// What an officer with this sight may mean by a text.
    pub fn of(text: &str, sight: &Sight, view: &View) -> Self {
        let (keys, rulebook) = (&view.keys, &view.rulebook);
        let kinds = rulebook.catalogue().entries();
        let kinds = kinds.flat_map(|entry| entry.keys.iter().map(|key| key.name.as_str()));
        let kinds: BTreeSet<&str> = kinds.chain(["case"]).collect();
        let of_each = |value: &str| -> BTreeSet<KeyedDigest> {
            let digests = kinds.iter().map(|kind| keys.of_identifier(kind, value));
            digests.collect()
        };
        let mut sought = Self {
            text: text.to_owned(),
            values: of_each(text),
            ..Self::default()
        };
        for unit in rulebook.registry().units().map(|unit| &unit.id) {
            if matches!(sight, Sight::Own(agency) if unit.agency != *agency) {
                continue;
            }
            sought.ids.insert(keys.of_message(unit, text));
            if let Some(delivered) = keys.open_delivery(unit, text) {
                let at = Lsn(delivered.address);
                sought.delivered.insert((at, unit.clone()));
            }
            if let Some(token) = keys.open_token(unit, text) {
                let tokens = of_each(&token.value).into_iter();
                sought
                    .tokens
                    .extend(tokens.map(|digest| (unit.clone(), digest)));
            }
        }
        sought
    }

    /// The keys of the index that may lead to it.
    pub(super) fn wanted(&self) -> BTreeSet<KeyedDigest> {
        let tokens = self.tokens.iter().map(|(_, digest)| digest);
        let all = self.ids.iter().chain(&self.values).chain(tokens);
        all.copied().collect()
    }

    /// Records that were named by their addresses.
    pub(super) fn named(&self) -> impl Iterator<Item = Lsn> + '_ {
        self.delivered.iter().map(|(lsn, _)| *lsn)
    }

    /// Whether a record has one of the keys, told to this officer or not: where it has none, an index that
    /// named it is not what the log says.
    pub(super) fn is_named_by(&self, lsn: Lsn, record: &Record) -> bool {
        let is_of = |exchange: &Exchange| {
            let wanted = self.wanted();
            let mut keys = exchange.keys.iter();
            let is_case = |case: &str| case == self.text;
            wanted.contains(&exchange.key)
                || keys.any(|key| wanted.contains(&key.digest))
                || exchange
                    .case
                    .as_ref()
                    .is_some_and(|case| is_case(case.as_str()))
        };
        let is_named = self.named().any(|at| at == lsn);
        is_named
            || match record {
                Record::Exchange(exchange) => is_of(exchange),
                Record::Case(change) => change.case.as_str() == self.text,
                _ => false,
            }
    }

    /// Whether part of a record is found, of what was left of it to each unit.
    pub(super) fn is(&self, part: Part, lsn: Lsn, record: &Record, left: &Left) -> bool {
        let exchange = match record {
            Record::Exchange(exchange) => exchange,
            Record::Case(change) => return change.case.as_str() == self.text,
            _ => return false,
        };
        let case = exchange
            .case
            .as_ref()
            .is_some_and(|case| case.as_str() == self.text);
        let is_told = match part {
            Part::Whole => {
                case || self.ids.contains(&exchange.key) || self.named().any(|at| at == lsn)
            }
            Part::Sent => (case && exchange.case_shown) || self.ids.contains(&exchange.key),
            Part::Received(at) => exchange
                .recipients
                .get(at)
                .is_some_and(|recipient| self.delivered.contains(&(lsn, recipient.unit.clone()))),
        };
        is_told
            || identifiers(part, exchange, left).any(|known| match known {
                Known::Value(key) => self.values.contains(&key.digest),
                Known::Token(unit, key) => self.tokens.contains(&(unit.clone(), key.digest)),
                Known::Both(key) => {
                    let mut tokens = self.tokens.iter();
                    let is_token = tokens.any(|(_, digest)| *digest == key.digest);
                    is_token || self.values.contains(&key.digest)
                }
            })
    }

    /// Identifiers of these kinds by which part of a record is known, and that are not looked for yet.
    pub(super) fn further(
        &self,
        part: Part,
        record: &Record,
        left: &Left,
        kinds: &[String],
    ) -> Self {
        let mut further = Self::default();
        let Record::Exchange(exchange) = record else {
            return further;
        };
        for known in identifiers(part, exchange, left) {
            match known {
                Known::Value(key) | Known::Both(key) if kinds.contains(&key.kind) => {
                    further.values.insert(key.digest);
                }
                Known::Token(unit, key) if kinds.contains(&key.kind) => {
                    further.tokens.insert((unit.clone(), key.digest));
                }
                _ => {}
            }
        }
        further
            .values
            .retain(|digest| !self.values.contains(digest));
        further.tokens.retain(|token| !self.tokens.contains(token));
        further
    }

    /// Whether tokens of units are among it.
    pub(super) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// How many identifiers lead on.
    pub(super) fn len(&self) -> usize {
        self.values.len() + self.tokens.len()
    }

    /// With these too.
    pub(super) fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
        self.tokens.extend(other.tokens);
    }
}

/// An identifier as it is known to whom part of an exchange is told.
enum Known<'a> {
    /// By its value.
    Value(&'a Identifier),
    /// By a token of this unit's.
    Token(&'a UnitId, &'a Identifier),
    /// By its value, and by whatever token stands for it.
    Both(&'a Identifier),
}

/// The identifiers by which part of an exchange may be found: those that are in what this party wrote or
/// was given.
fn identifiers<'a>(
    part: Part,
    exchange: &'a Exchange,
    left: &'a Left,
) -> impl Iterator<Item = Known<'a>> {
    let recipient = match part {
        Part::Received(at) => exchange.recipients.get(at),
        Part::Whole | Part::Sent => None,
    };
    exchange.keys.iter().filter_map(move |key| {
        let (unit, known) = match (part, recipient) {
            (Part::Whole, _) => return Some(Known::Both(key)),
            (Part::Sent, _) => (&exchange.unit, key.to_sender()),
            (Part::Received(_), recipient) => {
                let recipient = recipient?;
                let Outcome::Released(released) = &recipient.outcome else {
                    return None;
                };
                let left = left.get(&recipient.unit).copied();
                let mask = left.map_or(released.mask, |left| released.mask.both(left));
                (&recipient.unit, key.to_recipient(mask)?)
            }
        };
        Some(match known {
            KnownAs::Value => Known::Value(key),
            KnownAs::Token => Known::Token(unit, key),
        })
    })
}

#[cfg(test)]
mod tests;
