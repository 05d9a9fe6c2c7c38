//! What officers did: the rulebook and its changes, and the measures of their agencies.

use std::sync::Arc;

use super::{Change, Ledger};
use crate::broker::governance::Governance;
use crate::broker::notice::{told_of, unit_of};
use crate::broker::queue::Entry;
use crate::broker::record::Record;
use crate::journal::Lsn;
use crate::message::id::AgencyId;

impl Ledger {
    /// A record of the rulebook and its changes.
    pub(super) fn governed(&mut self, record: &Record, at: Lsn, changes: &mut Vec<Change>) {
        match record {
            Record::Genesis(genesis) => {
                self.time = self.time.max(genesis.at);
                self.development = genesis.development;
                self.activate(&genesis.units);
                self.govern(changes).begun(genesis, at);
            }
            Record::Activated(activated) => {
                self.time = self.time.max(activated.at);
                // An agency that takes part from here on knows it.
                self.notify(record, at, changes);
                self.activate(&activated.units);
                self.govern(changes).activated(activated, at);
            }
            Record::Proposed(proposed) => {
                self.time = self.time.max(proposed.at);
                self.govern(changes).proposed(proposed, at);
                self.notify(record, at, changes);
            }
            Record::Approved(approved) => {
                self.time = self.time.max(approved.at);
                self.govern(changes).approved(approved, at);
            }
            Record::Withdrawn(withdrawn) => {
                self.time = self.time.max(withdrawn.at);
                self.govern(changes).withdrawn(withdrawn);
            }
            Record::Scheduled(scheduled) => {
                self.time = self.time.max(scheduled.at);
                self.govern(changes).scheduled(scheduled);
            }
            _ => {}
        }
    }

    /// A record of what an agency's officers have declared, or what the agency is told.
    pub(super) fn of_agency(&mut self, record: &Record, at: Lsn, changes: &mut Vec<Change>) {
        match record {
            Record::Declared(declared) => {
                self.time = self.time.max(declared.at);
                self.govern(changes).declared(declared, at);
                self.measured(&declared.agency, at, changes);
                self.notify(record, at, changes);
            }
            Record::Confirmed(confirmed) => {
                self.time = self.time.max(confirmed.at);
                self.govern(changes).confirmed(confirmed, at);
                self.measured(&confirmed.agency, at, changes);
                self.notify(record, at, changes);
            }
            Record::MeasureEnded(ended) => {
                self.time = self.time.max(ended.at);
                self.govern(changes).measure_ended(ended);
                self.measured(&ended.agency, at, changes);
                self.notify(record, at, changes);
            }
            Record::Expiring(expiring) => {
                self.time = self.time.max(expiring.at);
                self.govern(changes).tell(expiring);
                self.notify(record, at, changes);
            }
            _ => {}
        }
    }

    /// Puts the record into `receipts` of those who are told of it.
    fn notify(&mut self, record: &Record, at: Lsn, changes: &mut Vec<Change>) {
        let units = told_of(record).into_iter();
        for unit in units.filter_map(|agency| unit_of(&agency)) {
            let receipts = self.units.get(&unit).map(|state| state.receipts);
            if let Some(receipts) = receipts {
                self.enqueue(receipts, Entry::new(at, None), changes);
            }
        }
    }

    fn govern(&mut self, changes: &mut Vec<Change>) -> &mut Governance {
        changes.push(Change::Governance);
        Arc::make_mut(&mut self.governance)
    }

    /// Puts the measures of an agency that are in force where policies read them.
    fn measured(&mut self, agency: &AgencyId, at: Lsn, changes: &mut Vec<Change>) {
        let in_force = self.governance.in_force(agency);
        if self.register.measured(agency, in_force, at) {
            changes.push(Change::Standing);
        }
    }
}
