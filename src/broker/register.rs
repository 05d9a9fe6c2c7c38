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
use crate::policy::standing::{Case, CaseId, Standing, Versioned};
use crate::policy::words::Onward;

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
        let open = self
            .standing
            .cases
            .get(&change.case)
            .filter(|case| case.value.open);
        match (&change.what, file, open) {
            (CaseStep::Open { .. }, None, _) => {
                if self.open_cases(agency) >= AGENCY_CASES {
                    return Err(format!("an agency has at most {AGENCY_CASES} open cases"));
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

    fn open_cases(&self, opener: &AgencyId) -> usize {
        let is_open = |case: &CaseId| {
            let case = self.standing.cases.get(case);
            case.is_some_and(|case| case.value.open)
        };
        let own = self.cases.iter().filter(|(_, file)| file.opener == *opener);
        own.filter(|(case, _)| is_open(case)).count()
    }

    /// Applies a change of a case.
    pub fn case(&mut self, change: &CaseChange, at: Lsn) {
        let agency = change.sender.agency.clone();
        let standing = Arc::make_mut(&mut self.standing);
        match &change.what {
            CaseStep::Open { areas, invites } => {
                let invites = invites.iter().cloned().collect();
                self.cases.insert(
                    change.case.clone(),
                    CaseFile {
                        opener: agency.clone(),
                        invites,
                    },
                );
                let value = Case {
                    areas: areas.iter().cloned().collect(),
                    members: BTreeSet::from([agency]),
                    open: true,
                };
                let case = Versioned { epoch: at.0, value };
                standing.cases.insert(change.case.clone(), case);
            }
            CaseStep::Join => {
                if let Some(case) = standing.cases.get_mut(&change.case) {
                    case.value.members.insert(agency);
                    case.epoch = at.0;
                }
            }
            CaseStep::Close => {
                if let Some(case) = standing.cases.get_mut(&change.case) {
                    case.value.open = false;
                    case.epoch = at.0;
                }
            }
        }
    }

    /// Applies what an exchange changes: onward bans within its case, orders. True where it did.
    pub fn exchange(&mut self, exchange: &Exchange, at: Lsn) -> bool {
        let released =
            exchange
                .recipients
                .iter()
                .filter_map(|recipient| match &recipient.outcome {
                    Outcome::Released(released) => Some((&recipient.unit.agency, released)),
                    Outcome::Refused { .. } => None,
                });
        let mut changed = false;
        let originator = &exchange.sender.agency;
        if let Some(case) = &exchange.case {
            for (holder, release) in released.clone() {
                let bound = matches!(release.onward, Onward::NoOnward | Onward::AskOriginator);
                if bound && holder != originator {
                    changed |= self.ban(case, holder, originator, at);
                }
            }
        }
        match &exchange.order {
            Some(OrderChange::Opens {
                number,
                subjects,
                deadline,
            }) => {
                let agencies: BTreeSet<AgencyId> =
                    released.map(|(agency, _)| agency.clone()).collect();
                if !agencies.is_empty() {
                    let (subjects, deadline) = (subjects.clone(), *deadline);
                    self.orders.insert(
                        *number,
                        OpenOrder {
                            subjects,
                            agencies,
                            deadline,
                        },
                    );
                    self.publish_order(*number, at);
                    changed = true;
                }
            }
            Some(OrderChange::Closes { number }) => {
                changed |= self.orders.contains_key(number);
                self.end_order(*number, at);
            }
            None => {}
        }
        changed
    }

    fn ban(&mut self, case: &CaseId, holder: &AgencyId, originator: &AgencyId, at: Lsn) -> bool {
        let key = (case.clone(), holder.clone());
        let known = self.standing.bans.get(&key);
        if known.is_some_and(|originators| originators.value.contains(originator)) {
            return false;
        }
        let bans = &mut Arc::make_mut(&mut self.standing).bans;
        let value = BTreeSet::new();
        let originators = bans.entry(key).or_insert(Versioned { epoch: at.0, value });
        originators.epoch = at.0;
        originators.value.insert(originator.clone());
        true
    }

    /// Orders whose deadline has passed.
    pub fn overdue(&self, now: Timestamp) -> Vec<KeyedDigest> {
        let orders = self.orders.iter();
        let overdue = orders.filter(|(_, order)| order.deadline.is_some_and(|end| end <= now));
        overdue.map(|(number, _)| *number).collect()
    }

    /// An order is done, or its deadline has passed.
    pub fn end_order(&mut self, number: KeyedDigest, at: Lsn) {
        let Some(order) = self.orders.remove(&number) else {
            return;
        };
        for subject in &order.subjects {
            self.publish_subject(*subject, at);
        }
    }

    fn publish_order(&mut self, number: KeyedDigest, at: Lsn) {
        let subjects = self.orders.get(&number).map(|order| order.subjects.clone());
        for subject in subjects.unwrap_or_default() {
            self.publish_subject(subject, at);
        }
    }

    /// The agencies with any open order on a key, as policies read them. Kept when empty: its epoch
    /// says that rulings which saw the order are stale.
    fn publish_subject(&mut self, subject: KeyedDigest, at: Lsn) {
        let orders = self
            .orders
            .values()
            .filter(|order| order.subjects.contains(&subject));
        let value = orders
            .flat_map(|order| order.agencies.iter().cloned())
            .collect();
        let standing = Arc::make_mut(&mut self.standing);
        standing
            .orders
            .insert(subject, Versioned { epoch: at.0, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: usize, what: CaseStep) -> CaseChange {
        CaseChange {
            at: Timestamp::default(),
            sender: "customs/declarations".parse().unwrap(),
            unit: "customs/main".parse().unwrap(),
            case: format!("C-{number}").parse().unwrap(),
            what,
        }
    }

    fn open(number: usize) -> CaseChange {
        let (areas, invites) = (Vec::new(), Vec::new());
        change(number, CaseStep::Open { areas, invites })
    }

    #[test]
    fn an_agency_has_so_many_open_cases_and_closed_ones_do_not_count() {
        let mut register = Register::default();
        for number in 0..AGENCY_CASES {
            register.case(&open(number), Lsn(1));
        }
        let one_more = open(AGENCY_CASES);
        assert!(register.may(&one_more).is_err());
        register.case(&change(7, CaseStep::Close), Lsn(2));
        assert_eq!(register.may(&one_more), Ok(()));
        assert!(register.may(&open(7)).is_err(), "its name stays taken");
    }
}
