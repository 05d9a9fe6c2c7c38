//! What a record says by those before it: which files a rulebook changes, which exchange was the order
//! that has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::agency::registry::Party;
use crate::broker::record::{Activated, OrderChange, Record, UnitEntry};
use crate::broker::register::OrderKey;
use crate::broker::replay::Texts;
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::{Digest, KeyedDigest, UnitId};
use crate::message::time::Timestamp;

/// What was read so far, as far as later records rest on it.
#[derive(Default)]
pub(crate) struct Earlier {
    rulebook: Option<Arc<Bundle>>,
    texts: Texts,
    development: bool,
    listed: BTreeSet<UnitId>,
    /// The evidence of the last order of a number, by number and owner.
    orders: BTreeMap<(KeyedDigest, Party), u64>,
}

/// What earlier records say of one.
pub(crate) enum About {
    /// The rulebook that came into force.
    Rulebook(InForce),
    /// The evidence by which an order was given.
    Order(u64),
}

/// A rulebook that came into force.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) at: Timestamp,
    pub(crate) digest: Digest,
    /// The proposal that it came from.
    pub(crate) proposal: Option<u64>,
    /// Whether the log was begun with `--dev`.
    pub(crate) development: bool,
    pub(crate) bundle: Arc<Bundle>,
    /// Its files beside those of the one before.
    pub(crate) changes: Changes,
}

/// The files in which a rulebook differs from the one before; of the first one none.
#[derive(Clone, Default)]
pub(crate) struct Changes {
    pub(crate) new: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) gone: Vec<String>,
}

impl Earlier {
    /// Reads one record on, and says what is known of it.
    pub(crate) fn read(&mut self, lsn: Lsn, number: Option<u64>, record: &Record) -> Option<About> {
        match record {
            Record::Genesis(genesis) => {
                let bundle = self.texts.read(lsn, record)?;
                self.development = genesis.development;
                self.list(&genesis.units);
                Some(self.enter(bundle, genesis.at, genesis.digest, None))
            }
            Record::Activated(activated) => {
                // None where the whole text is gone that it is made from: the log is damaged.
                let bundle = self.texts.read(lsn, record)?;
                self.list(&activated.units);
                let Activated {
                    at,
                    digest,
                    proposal,
                    ..
                } = **activated;
                Some(self.enter(bundle, at, digest, proposal))
            }
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

    fn list(&mut self, units: &[UnitEntry]) {
        let units = units.iter().filter(|unit| unit.listed);
        self.listed = units.map(|unit| unit.id.clone()).collect();
    }

    fn enter(
        &mut self,
        bundle: Arc<Bundle>,
        at: Timestamp,
        digest: Digest,
        proposal: Option<u64>,
    ) -> About {
        let before = self.rulebook.replace(Arc::clone(&bundle));
        About::Rulebook(InForce {
            at,
            digest,
            proposal,
            development: self.development,
            changes: Changes::between(before.as_deref(), &bundle),
            bundle,
        })
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
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let kinds = [
            ("new", &self.new),
            ("changed", &self.changed),
            ("gone", &self.gone),
        ];
        let lines = kinds.into_iter();
        lines.flat_map(|(what, paths)| paths.iter().map(move |path| format!("{what} {path}")))
    }
}
