//! The register: what stands behind the standing facts.
//!
//! Policies read [`Standing`]; the register knows in addition who opened a case, who is invited,
//! and which order put an agency on a key. Changed by records only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::AGENCY_CASES;
use super::record::{CaseChange, CaseStep, Exchange, OrderChange, Outcome};
use crate::journal::Lsn;
use crate::message::id::{AgencyId, KeyedDigest};
use crate::message::time::Timestamp;
use crate::policy::rule::Onward;
use crate::policy::standing::{CaseId, Standing, StandingCase};

/// Standing facts and what stands behind them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Register {
    standing: Arc<Standing>,
    cases: BTreeMap<CaseId, CaseFile>,
    orders: BTreeMap<KeyedDigest, OpenOrder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CaseFile {
    opener: AgencyId,
    invites: BTreeSet<AgencyId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OpenOrder {
    subjects: Vec<KeyedDigest>,
    agencies: BTreeSet<AgencyId>,
    deadline: Option<Timestamp>,
}

impl Register {
    /// What policies read. Cheap to clone: a snapshot.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Whether a case may change so; the reason for its sender where it may not.
    pub fn may(&self, change: &CaseChange) -> Result<(), String> {
        let agency = &change.sender.agency;
        let file = self.cases.get(&change.case);
        let open = self.standing.cases.get(&change.case).filter(|case| case.open);
        match (&change.what, file, open) {
            (CaseStep::Open { .. }, None, _) => {
                let opened = self.cases.values().filter(|file| file.opener == *agency).count();
                if opened >= AGENCY_CASES {
                    return Err(format!("an agency has at most {AGENCY_CASES} cases"));
                }
                Ok(())
            }
            (CaseStep::Open { .. }, Some(file), _) if file.opener == *agency => {
                Err(format!("case '{}' was opened before", change.case))
            }
            (CaseStep::Join, Some(file), Some(_)) if file.invites.contains(agency) => Ok(()),
            (CaseStep::Close, Some(file), Some(_)) if file.opener == *agency => Ok(()),
            // A case of others is nothing that this agency may learn of.
            _ => Err(format!("case '{}' is not open to this agency", change.case)),
        }
    }

    /// Applies a change of a case.
    pub fn case(&mut self, change: &CaseChange, at: Lsn) {
        let agency = change.sender.agency.clone();
        let standing = Arc::make_mut(&mut self.standing);
        match &change.what {
            CaseStep::Open { areas, invites } => {
                let invites = invites.iter().cloned().collect();
                self.cases.insert(change.case.clone(), CaseFile { opener: agency.clone(), invites });
                let case = StandingCase {
                    areas: areas.iter().cloned().collect(),
                    members: BTreeSet::from([agency]),
                    open: true,
                    epoch: at.0,
                };
                standing.cases.insert(change.case.clone(), case);
            }
            CaseStep::Join => {
                if let Some(case) = standing.cases.get_mut(&change.case) {
                    case.members.insert(agency);
                    case.epoch = at.0;
                }
            }
            CaseStep::Close => {
                if let Some(case) = standing.cases.get_mut(&change.case) {
                    case.open = false;
                    case.epoch = at.0;
                }
            }
        }
    }

    /// Applies what an exchange changes: onward bans within its case, orders. True where it did.
    pub fn exchange(&mut self, exchange: &Exchange, at: Lsn) -> bool {
        let released = exchange.recipients.iter().filter_map(|recipient| match &recipient.outcome {
            Outcome::Released(released) => Some((&recipient.unit.agency, released)),
            Outcome::Refused { .. } => None,
        });
        let mut changed = false;
        let originator = &exchange.sender.agency;
        if let Some(case) = &exchange.case {
            for (holder, release) in released.clone() {
                let bound = matches!(release.onward, Onward::NoOnward | Onward::AskOriginator);
                if bound && holder != originator {
                    let standing = Arc::make_mut(&mut self.standing);
                    changed |= standing.ban(case, holder, originator, at.0);
                }
            }
        }
        match &exchange.order {
            Some(OrderChange::Opens { number, subjects, deadline }) => {
                let agencies: BTreeSet<AgencyId> = released.map(|(agency, _)| agency.clone()).collect();
                if !agencies.is_empty() {
                    let standing = Arc::make_mut(&mut self.standing);
                    for subject in subjects {
                        standing.order(*subject, &agencies, *deadline, at.0);
                    }
                    let order =
                        OpenOrder { subjects: subjects.clone(), agencies, deadline: *deadline };
                    self.orders.insert(*number, order);
                    changed = true;
                }
            }
            Some(OrderChange::Closes { number }) => {
                if let Some(order) = self.orders.remove(number) {
                    self.withdraw(&order, at);
                    changed = true;
                }
            }
            None => {}
        }
        changed
    }

    /// Takes an order's agencies off its keys, unless another open order keeps them there.
    fn withdraw(&mut self, order: &OpenOrder, at: Lsn) {
        let standing = Arc::make_mut(&mut self.standing);
        for subject in &order.subjects {
            let others = self.orders.values().filter(|other| other.subjects.contains(subject));
            let kept: Vec<(BTreeSet<AgencyId>, Option<Timestamp>)> =
                others.map(|other| (other.agencies.clone(), other.deadline)).collect();
            standing.clear_orders(*subject, at.0);
            for (agencies, deadline) in kept {
                standing.order(*subject, &agencies, deadline, at.0);
            }
        }
    }
}
