//! What another rulebook would have made of recorded exchanges: how often, for whom, with examples.

use std::collections::BTreeMap;

use serde::Serialize;

use super::replayed::Replayed;
use crate::broker::record::{Exchange, Outcome, Recipient, Released};
use crate::message::id::{Category, Mask, MessageType, UnitId};
use crate::policy::explain::InForce;

/// Examples that are kept of a difference.
const EXAMPLES: usize = 3;

/// In what one exchange would come out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Whether its system could not send it.
    pub unsendable: bool,
    units: Vec<(UnitId, Change)>,
}

/// What would be otherwise for a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what", content = "category", rename_all = "snake_case")]
pub enum Change {
    /// It gets a message that it did not get.
    Receives,
    /// It gets nothing of a message of which it got something.
    ReceivesNoMore,
    /// It gets a category that it did not get.
    Gains(&'static str),
    /// It does not get a category that it got.
    Loses(&'static str),
    /// It may keep it longer, or pass it on further.
    Milder,
    /// It must delete it earlier, or may pass it on less.
    Stricter,
}

/// How often something would be so, and the first times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Often {
    /// How often.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// One exchange of those that are counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The number of its evidence.
    pub number: u64,
    /// The message's type.
    #[serde(rename = "type")]
    pub message_type: MessageType,
}

/// What another rulebook would have made of exchanges.
#[derive(Debug, Default)]
pub struct Impact {
    /// Exchanges that were ruled by it.
    pub exchanges: u64,
    /// Exchanges whose facts cannot be read.
    pub unread: u64,
    /// Exchanges that would come out otherwise.
    pub changed: u64,
    /// Exchanges that could not be sent.
    pub unsendable: Often,
    /// What would be otherwise, for whom.
    pub units: BTreeMap<(UnitId, Change), Often>,
}

impl Changes {
    /// What `by` would have made of it.
    pub fn of(replayed: &Replayed<'_>, by: &InForce<'_>) -> Self {
        let ruled = replayed.ruled_by(by).filter(|_| replayed.is_sent_by(by));
        let after = ruled.as_ref().map_or(&[][..], |it| &it.recipients);
        let before = &replayed.exchange().recipients;
        let mut both: BTreeMap<&UnitId, [Option<&Released>; 2]> = BTreeMap::new();
        for (at, recipients) in [before, after].into_iter().enumerate() {
            for (unit, released) in releases(recipients) {
                if let Some(place) = both.entry(unit).or_default().get_mut(at) {
                    *place = Some(released);
                }
            }
        }
        let units = both.into_iter().flat_map(|(unit, [before, after])| {
            let changes = changes(before, after).into_iter();
            changes.map(|change| (unit.clone(), change))
        });
        Self {
            unsendable: ruled.is_none(),
            units: units.collect(),
        }
    }
}

impl Impact {
    /// Counts an exchange; none of one whose facts cannot be read.
    pub fn count(&mut self, number: u64, exchange: &Exchange, changes: Option<Changes>) {
        self.exchanges += 1;
        let Some(changes) = changes else {
            self.unread += 1;
            return;
        };
        let example = || Example {
            number,
            message_type: exchange.message_type.clone(),
        };
        self.changed += u64::from(changes.unsendable || !changes.units.is_empty());
        if changes.unsendable {
            self.unsendable.count(example());
        }
        for change in changes.units {
            self.units.entry(change).or_default().count(example());
        }
    }
}

impl Often {
    fn count(&mut self, example: Example) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example);
        }
    }
}

fn releases(recipients: &[Recipient]) -> impl Iterator<Item = (&UnitId, &Released)> {
    recipients.iter().filter_map(|it| match &it.outcome {
        Outcome::Released(released) => Some((&it.unit, released)),
        Outcome::Refused { .. } => None,
    })
}

fn changes(before: Option<&Released>, after: Option<&Released>) -> Vec<Change> {
    let mask = |released: Option<&Released>| released.map_or(Mask::NONE, |it| it.mask);
    let (was, is) = (mask(before), mask(after));
    let whole = match (before, after) {
        (None, Some(_)) => Some(Change::Receives),
        (Some(_), None) => Some(Change::ReceivesNoMore),
        _ => None,
    };
    let gains = names(is.without(was)).map(Change::Gains);
    let loses = names(was.without(is)).map(Change::Loses);
    let data = whole.into_iter().chain(gains).chain(loses);
    let terms = before.zip(after).into_iter().flat_map(|(before, after)| {
        let milder = after.retain_days > before.retain_days || after.onward < before.onward;
        let stricter = after.retain_days < before.retain_days || after.onward > before.onward;
        let milder = milder.then_some(Change::Milder);
        milder
            .into_iter()
            .chain(stricter.then_some(Change::Stricter))
    });
    data.chain(terms).collect()
}

fn names(mask: Mask) -> impl Iterator<Item = &'static str> {
    let token = mask.has_reference_token().then_some("reference.token");
    mask.categories().map(Category::name).chain(token)
}
