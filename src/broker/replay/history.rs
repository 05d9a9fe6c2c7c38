//! What was in force when a record was written, as those before it say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agency::registry::Party;
use crate::broker::governance::Governance;
use crate::broker::record::{Activated, Narrowed, Record, Terms, Text, UnitEntry};
use crate::broker::register::Register;
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::{AgencyId, UnitId};
use crate::message::time::Timestamp;
use crate::policy::explain::InForce;
use crate::policy::rulebook::Rulebook;
use crate::policy::standing::Standing;

/// The texts of rulebooks that were in force, as their records have them.
#[derive(Debug, Default)]
pub struct Texts {
    /// Whole texts, by the addresses of their records.
    whole: BTreeMap<Lsn, Arc<Bundle>>,
}

/// Rulebook and standing facts, as the records make them that were read so far.
#[derive(Debug, Default)]
pub struct History {
    texts: Texts,
    rulebook: Option<InUse>,
    governance: Governance,
    register: Register,
    /// Whether others may know of a unit.
    listed: BTreeMap<UnitId, bool>,
    /// What is left of narrowed releases, by exchange and unit.
    narrowed: BTreeMap<(Lsn, UnitId), Terms>,
}

/// The rulebook in force: its text, until a ruling asks for it.
#[derive(Debug)]
enum InUse {
    Text(Arc<Bundle>),
    Read(Arc<Rulebook>),
}

/// What rulings are made from beside the message and the time: shared, so that threads may rule by it.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The rulebook.
    pub rulebook: Arc<Rulebook>,
    /// Standing facts.
    pub standing: Arc<Standing>,
}

impl Texts {
    /// The text that comes into force by this record; none of another record, and where the whole text
    /// is gone that it rests on.
    pub fn read(&mut self, at: Lsn, record: &Record) -> Option<Arc<Bundle>> {
        let whole = match record {
            Record::Genesis(genesis) => &genesis.bundle,
            Record::Activated(activated) => match &activated.text {
                Text::Whole(bundle) => bundle,
                Text::Since { whole, changes } => {
                    return Some(Arc::new(changes.applied(self.whole.get(whole)?)));
                }
            },
            _ => return None,
        };
        let whole = Arc::new(whole.clone());
        self.whole.insert(at, Arc::clone(&whole));
        Some(whole)
    }
}

impl Basis {
    /// With the time.
    pub fn at(&self, now: Timestamp) -> InForce<'_> {
        InForce {
            rulebook: &self.rulebook,
            standing: &self.standing,
            now,
        }
    }
}

impl History {
    /// What a ruling between the record that was read last and the next is made from; none before the
    /// first rulebook, and where its text cannot be read.
    pub fn basis(&mut self) -> Option<Basis> {
        if let Some(InUse::Text(text)) = &self.rulebook {
            let number = self.governance.active().map_or(0, |active| active.number);
            let read = Rulebook::load(text).ok()?.activated(number);
            self.enter(Arc::new(read));
        }
        let Some(InUse::Read(rulebook)) = &self.rulebook else {
            return None;
        };
        Some(Basis {
            rulebook: Arc::clone(rulebook),
            standing: Arc::clone(self.register.standing()),
        })
    }

    /// Takes a rulebook for the one in force, whatever its record says of its text.
    pub fn enter(&mut self, rulebook: Arc<Rulebook>) {
        self.rulebook = Some(InUse::Read(rulebook));
    }

    /// What was left of a release before it was narrowed to this; none where that was all of it.
    pub fn left_before(&self, narrowed: &Narrowed) -> Option<&Terms> {
        let release = (narrowed.exchange, narrowed.unit.clone());
        self.narrowed.get(&release)
    }

    /// Reads one record on.
    pub fn apply(&mut self, record: &Record, at: Lsn) {
        match record {
            Record::Genesis(genesis) => {
                self.governance.begun(genesis, at);
                self.activate(record, &genesis.units, at);
            }
            Record::Activated(activated) => {
                let Activated { units, .. } = &**activated;
                self.governance.activated(activated, at);
                self.activate(record, units, at);
            }
            Record::Declared(declared) => {
                self.governance.declared(declared, at);
                self.measured(&declared.agency, at);
            }
            Record::Confirmed(confirmed) => {
                self.governance.confirmed(confirmed, at);
                self.measured(&confirmed.agency, at);
            }
            Record::MeasureEnded(ended) => {
                self.governance.measure_ended(ended);
                self.measured(&ended.agency, at);
            }
            Record::Exchange(exchange) => {
                let listed = &self.listed;
                let party = |unit: &UnitId| Party::of(unit, *listed.get(unit).unwrap_or(&true));
                self.register.exchange(exchange, at, party);
            }
            Record::Narrowed(narrowed) => self.narrow(narrowed),
            Record::Case(change) => self.register.case(change, at),
            Record::OrderEnded { order, .. } => self.register.end_order(order, at),
            _ => {}
        }
    }

    fn activate(&mut self, record: &Record, units: &[UnitEntry], at: Lsn) {
        self.rulebook = self.texts.read(at, record).map(InUse::Text);
        let units = units.iter().map(|unit| (unit.id.clone(), unit.listed));
        self.listed.extend(units);
    }

    fn narrow(&mut self, narrowed: &Narrowed) {
        let left = match self.left_before(narrowed) {
            Some(before) => before.clone().and(&narrowed.left),
            None => narrowed.left.clone(),
        };
        let release = (narrowed.exchange, narrowed.unit.clone());
        self.narrowed.insert(release, left);
    }

    fn measured(&mut self, agency: &AgencyId, at: Lsn) {
        let in_force = self.governance.in_force(agency);
        self.register.measured(agency, in_force, at);
    }
}
