//! What a record says by those before it: which files a rulebook changes, which exchange was the order
//! that has ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::agency::registry::Party;
use crate::broker::record::{Genesis, OrderChange, Record};
use crate::broker::register::OrderKey;
use crate::message::bundle::Bundle;
use crate::message::id::{KeyedDigest, UnitId};

/// What was read so far, as far as later records rest on it.
#[derive(Default)]
pub(super) struct Earlier {
    rulebook: Option<Bundle>,
    listed: BTreeSet<UnitId>,
    /// The evidence of the last order of a number, by number and owner.
    orders: BTreeMap<(KeyedDigest, Party), u64>,
}

/// What earlier records say of one.
pub(super) enum About {
    /// A rulebook's files beside those of the one before.
    Changes(Changes),
    /// The evidence by which an order was given.
    Order(u64),
}

/// The files in which a rulebook differs from the one before; of the first one none.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) new: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) gone: Vec<String>,
}

impl Earlier {
    /// Reads one record on, and says what is known of it.
    pub(super) fn read(&mut self, number: Option<u64>, record: &Record) -> Option<About> {
        match record {
            Record::Genesis(genesis) | Record::Activated(genesis) => Some(self.activate(genesis)),
            Record::Exchange(exchange) => {
                if let Some(OrderChange::Opens { number: of, .. }) = &exchange.order {
                    let listed = self.listed.contains(&exchange.unit);
                    let owner = Party::of(&exchange.unit, listed);
                    // A repeat reaches others with the order that was given.
                    let given = self.orders.entry((*of, owner));
                    let given = given.or_default();
                    *given = number.filter(|_| !exchange.is_repeat()).unwrap_or(*given);
                }
                None
            }
            Record::OrderEnded { order, .. } => {
                let OrderKey { number, owner } = order;
                let given = self.orders.get(&(*number, owner.clone()));
                given.copied().map(About::Order)
            }
            _ => None,
        }
    }

    fn activate(&mut self, genesis: &Genesis) -> About {
        let units = genesis.units.iter().filter(|unit| unit.listed);
        self.listed = units.map(|unit| unit.id.clone()).collect();
        let before = self.rulebook.replace(genesis.bundle.clone());
        About::Changes(Changes::between(before.as_ref(), &genesis.bundle))
    }
}

impl Changes {
    /// What `after` changes of `before`.
    fn between(before: Option<&Bundle>, after: &Bundle) -> Self {
        let mut changes = Self::default();
        let Some(before) = before else { return changes };
        for path in after.differences(before) {
            let paths = match (before.get(path), after.get(path)) {
                (None, _) => &mut changes.new,
                (_, None) => &mut changes.gone,
                _ => &mut changes.changed,
            };
            paths.push(path.to_owned());
        }
        changes
    }

    /// A line for each file.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let kinds = [
            ("new", &self.new),
            ("changed", &self.changed),
            ("gone", &self.gone),
        ];
        let lines = kinds.into_iter();
        lines.flat_map(|(what, paths)| paths.iter().map(move |path| format!("{what} {path}")))
    }
}
