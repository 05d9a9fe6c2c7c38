//! The register: cases and orders, from which the standing facts follow.
//!
//! Policies read [`Standing`]; the register knows in addition who opened a case, who is invited,
//! and which order put an agency on a key. Changed by records only. A table in `docs/policies.md` says
//! which message of which sender changes which fact.

mod orders;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::limits::{AGENCY_CASES, AGENCY_CLOSED_CASES};
use super::record::{CaseChange, CaseStep, Exchange, OrderChange, Outcome, Recipient, Released};
use crate::agency::registry::Party;
use crate::journal::Lsn;
use crate::message::id::{AgencyId, KeyedDigest, UnitId};
use crate::message::rule;
use crate::message::time::Timestamp;
use crate::policy::measures::Measures;
use crate::policy::standing::{Case, CaseId, Standing, Versioned};
use crate::policy::words::Onward;

pub use self::orders::Barred;
pub(super) use self::orders::{OpenOrder, Orders};
pub use super::ids::OrderKey;

/// The message type that opens orders.
pub const ORDER_TYPE: &str = "control.order";

/// Standing facts, and the cases and orders from which they follow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Register {
    pub(super) standing: Arc<Standing>,
    /// Open cases, and closed ones until they are forgotten.
    pub(super) cases: BTreeMap<CaseId, CaseFile>,
    /// The names of cases by opener: counting one opener's cases takes no look at those of others.
    pub(super) opened: BTreeMap<AgencyId, Opened>,
    pub(super) orders: Orders,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Opened {
    /// How many cases are open.
    pub(super) open: usize,
    /// Closed cases, the longest closed first.
    pub(super) closed: VecDeque<CaseId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CaseFile {
    pub(super) opener: AgencyId,
    pub(super) opened: Timestamp,
    /// Steps that were taken under an id.
    pub(super) taken: BTreeSet<KeyedDigest>,
    /// Parties that are bound in the case by data that they have got.
    pub(super) bound: BTreeSet<Party>,
    pub(super) state: CaseState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CaseState {
    Open { invites: BTreeSet<AgencyId> },
    Closed { at: Timestamp },
}

/// What a step of a case comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A fact: it is to be recorded.
    Changes,
    /// The step was taken before, or changes nothing: its sender is told what it was told then.
    IsSo,
}

impl Register {
    /// The standing facts that policies read. Cheap to clone: a snapshot.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Whether there is a case of this name, open or closed.
    pub fn has(&self, case: &CaseId) -> bool {
        self.cases.contains_key(case)
    }

    /// What a step of a case comes to.
    pub fn step(&self, change: &CaseChange) -> Result<Step, Barred> {
        let agency = &change.sender.agency;
        let Some(file) = self.cases.get(&change.case) else {
            return match change.what {
                CaseStep::Open { .. } => self.may_open(agency),
                CaseStep::Join | CaseStep::Close => Err(not_open()),
            };
        };
        if change.key.is_some_and(|key| file.taken.contains(&key)) {
            return Ok(Step::IsSo);
        }
        let own = file.opener == *agency;
        match (&change.what, &file.state) {
            (CaseStep::Open { areas, invites }, CaseState::Open { invites: known }) if own => {
                let case = self.standing.cases.get(&change.case);
                let same_areas = case.is_some_and(|case| case.value.areas.iter().eq(areas));
                if same_areas && known.iter().eq(invites) {
                    return Ok(Step::IsSo);
                }
                let says = format!(
                    "case '{}' is open already, opened by this agency at {} with other areas or invitations",
                    change.case, file.opened
                );
                Err(Barred {
                    rule: &rule::CASE_OPEN,
                    says,
                })
            }
            (CaseStep::Open { .. }, CaseState::Closed { at }) if own => {
                let says = format!(
                    "case '{}' was opened by this agency at {} and closed at {at}: give each case a name of its own",
                    change.case, file.opened
                );
                Err(Barred {
                    rule: &rule::CASE_CLOSED,
                    says,
                })
            }
            (CaseStep::Join, CaseState::Open { .. }) if self.is_member(&change.case, agency) => {
                Ok(Step::IsSo)
            }
            (CaseStep::Join, CaseState::Open { invites }) if invites.contains(agency) => {
                Ok(Step::Changes)
            }
            (CaseStep::Close, CaseState::Open { .. }) if own => Ok(Step::Changes),
            (CaseStep::Close, CaseState::Closed { .. }) if own => Ok(Step::IsSo),
            _ => Err(not_open()),
        }
    }

    fn is_member(&self, case: &CaseId, agency: &AgencyId) -> bool {
        let case = self.standing.cases.get(case);
        case.is_some_and(|case| case.value.members.contains(agency))
    }

    fn may_open(&self, opener: &AgencyId) -> Result<Step, Barred> {
        let own = self.opened.get(opener);
        if own.is_none_or(|own| own.open < AGENCY_CASES) {
            return Ok(Step::Changes);
        }
        let says = format!("an agency has at most {AGENCY_CASES} open cases");
        Err(Barred {
            rule: &rule::CASE_COUNT,
            says,
        })
    }

    /// Applies a change of a case.
    pub fn case(&mut self, change: &CaseChange, at: Lsn) {
        let agency = &change.sender.agency;
        match &change.what {
            CaseStep::Open { areas, invites } => {
                let invites = invites.iter().cloned().collect();
                let file = CaseFile {
                    opener: agency.clone(),
                    opened: change.at,
                    taken: BTreeSet::new(),
                    bound: BTreeSet::new(),
                    state: CaseState::Open { invites },
                };
                self.cases.insert(change.case.clone(), file);
                self.opened.entry(agency.clone()).or_default().open += 1;
                let value = Case {
                    areas: areas.iter().cloned().collect(),
                    members: BTreeSet::from([agency.clone()]),
                };
                let case = Versioned { epoch: at.0, value };
                let standing = Arc::make_mut(&mut self.standing);
                standing.cases.insert_mut(change.case.clone(), case);
                standing.newest_case = at.0;
            }
            CaseStep::Join => {
                let standing = Arc::make_mut(&mut self.standing);
                if let Some(case) = standing.cases.get(&change.case) {
                    let mut value = case.value.clone();
                    value.members.insert(agency.clone());
                    let case = Versioned { epoch: at.0, value };
                    standing.cases.insert_mut(change.case.clone(), case);
                }
            }
            CaseStep::Close => self.close(change),
        }
        if let Some(file) = self.cases.get_mut(&change.case) {
            file.taken.extend(change.key);
        }
    }

    /// Closes a case. Its name stays, its steps, and what its members may not pass on: for so many
    /// closed cases of each agency, so that one agency's cases do not make another's forgotten.
    fn close(&mut self, change: &CaseChange) {
        let standing = Arc::make_mut(&mut self.standing);
        standing.cases.remove_mut(&change.case);
        let Some(file) = self.cases.get_mut(&change.case) else {
            return;
        };
        file.state = CaseState::Closed { at: change.at };
        let own = self.opened.entry(file.opener.clone()).or_default();
        own.open = own.open.saturating_sub(1);
        own.closed.push_back(change.case.clone());
        if own.closed.len() > AGENCY_CLOSED_CASES
            && let Some(oldest) = own.closed.pop_front()
            && let Some(file) = self.cases.remove(&oldest)
        {
            for holder in file.bound {
                standing.bans.remove_mut(&(oldest.clone(), holder));
            }
        }
    }

    /// Puts what an agency's officers have declared where policies read it; where nothing is left it is
    /// left out. True where it has changed.
    pub fn measured(&mut self, agency: &AgencyId, value: Measures, at: Lsn) -> bool {
        let known = self.standing.measures.get(agency);
        let nothing = Measures::default();
        if known.map_or(&nothing, |known| &known.value) == &value {
            return false;
        }
        let measures = &mut Arc::make_mut(&mut self.standing).measures;
        if value == nothing {
            measures.remove_mut(agency);
        } else {
            let epoch = at.0;
            measures.insert_mut(agency.clone(), Versioned { epoch, value });
        }
        true
    }

    /// Whether an exchange of `owner` may open the order that it opens, if it opens one.
    pub fn may_order(&self, exchange: &Exchange, owner: &Party) -> Result<(), Barred> {
        match &exchange.order {
            Some(OrderChange::Opens {
                number, subjects, ..
            }) => {
                let (number, owner) = (*number, owner.clone());
                self.orders.may_open(&OrderKey { number, owner }, subjects)
            }
            Some(OrderChange::Withdraws { .. } | OrderChange::Reports { .. }) | None => Ok(()),
        }
    }

    /// Applies what an exchange changes: onward bans within its case, orders. True where it changed
    /// anything. `party` gives the party that holds what a unit gets, and owns what it sends.
    pub fn exchange(
        &mut self,
        exchange: &Exchange,
        at: Lsn,
        party: impl Fn(&UnitId) -> Party,
    ) -> bool {
        let bound = self.bind_holders(exchange, at, &party);
        let Some(change) = &exchange.order else {
            return bound;
        };
        let owner = party(&exchange.unit);
        let reached = || releases(exchange).map(|it| party(&it.0.unit)).collect();
        let key = |number: KeyedDigest| OrderKey {
            number,
            owner: owner.clone(),
        };
        let touched = match change {
            OrderChange::Opens { number, .. } if exchange.is_repeat() => {
                self.orders.reach(&key(*number), exchange.key, reached())
            }
            OrderChange::Opens {
                number,
                subjects,
                deadline,
            } if *deadline > exchange.at => {
                let order = OpenOrder {
                    subjects: subjects.clone(),
                    holders: reached(),
                    deadline: *deadline,
                    message: exchange.key,
                };
                self.orders.open(key(*number), order)
            }
            OrderChange::Opens { number, .. } | OrderChange::Withdraws { number } => {
                self.orders.end(&key(*number))
            }
            OrderChange::Reports { number } => self.orders.reported(*number, &owner, &reached()),
        };
        self.publish(touched, at) || bound
    }

    /// Binds the holders of restricted data to its originator, within its case; those of whom its
    /// sender may know only where it may know that the case counts.
    fn bind_holders(
        &mut self,
        exchange: &Exchange,
        at: Lsn,
        party: impl Fn(&UnitId) -> Party,
    ) -> bool {
        let Some(case) = &exchange.case else {
            return false;
        };
        let originator = &exchange.sender.agency;
        let mut changed = false;
        for (recipient, release) in releases(exchange) {
            let shown = exchange.case_shown || !recipient.known;
            if shown && is_bound(release) && recipient.unit.agency != *originator {
                changed |= self.ban(case, &party(&recipient.unit), originator, at);
            }
        }
        changed
    }

    fn ban(&mut self, case: &CaseId, holder: &Party, originator: &AgencyId, at: Lsn) -> bool {
        // They are forgotten with their case.
        let Some(file) = self.cases.get_mut(case) else {
            return false;
        };
        let key = (case.clone(), holder.clone());
        let known = self.standing.bans.get(&key);
        if known.is_some_and(|originators| originators.value.contains(originator)) {
            return false;
        }
        let mut value = known.map(|known| known.value.clone()).unwrap_or_default();
        value.insert(originator.clone());
        file.bound.insert(holder.clone());
        let bans = Versioned { epoch: at.0, value };
        let standing = Arc::make_mut(&mut self.standing);
        standing.bans.insert_mut(key, bans);
        true
    }

    /// Orders whose deadline has passed, at most `most`.
    pub fn overdue(&self, now: Timestamp, most: usize) -> Vec<OrderKey> {
        self.orders.overdue(now, most)
    }

    /// Ends an order whose deadline has passed.
    pub fn end_order(&mut self, key: &OrderKey, at: Lsn) {
        let touched = self.orders.end(key);
        self.publish(touched, at);
    }

    /// Puts the holders of open orders on these subjects where policies read them; a subject without
    /// holders is left out: no key is kept for its epoch alone. True where a subject's holders changed.
    fn publish(&mut self, subjects: BTreeSet<KeyedDigest>, at: Lsn) -> bool {
        let mut changed = false;
        for subject in subjects {
            let value = self.orders.holders(subject);
            let known = self.standing.orders.get(&subject);
            if known.map_or(value.is_empty(), |known| known.value == value) {
                continue;
            }
            changed = true;
            let orders = &mut Arc::make_mut(&mut self.standing).orders;
            if value.is_empty() {
                orders.remove_mut(&subject);
            } else {
                orders.insert_mut(subject, Versioned { epoch: at.0, value });
            }
        }
        changed
    }
}

/// The recipients that an exchange was released to, with their releases.
fn releases(exchange: &Exchange) -> impl Iterator<Item = (&Recipient, &Released)> {
    let recipients = exchange.recipients.iter();
    recipients.filter_map(|recipient| match &recipient.outcome {
        Outcome::Released(released) => Some((recipient, released)),
        Outcome::Refused { .. } => None,
    })
}

/// Whether the holder of a release may pass it on only with its originator's leave.
fn is_bound(released: &Released) -> bool {
    matches!(released.onward, Onward::NoOnward | Onward::AskOriginator)
}

/// The refusal for a case that is not open to an agency. A case of others gets the same one as a case
/// that never was: the agency may not learn of it.
fn not_open() -> Barred {
    // Without its name: what its sender made up may be a name of a person, and evidence is never erased.
    let says = "this case is not open to this agency".to_owned();
    Barred {
        rule: &rule::CASE,
        says,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(sender: &str, number: usize, what: CaseStep) -> CaseChange {
        let agency = sender.split_once('/').unwrap().0;
        CaseChange {
            at: Timestamp::from_millis(i64::try_from(number).unwrap()),
            sender: sender.parse().unwrap(),
            unit: format!("{agency}/main").parse().unwrap(),
            case: format!("C-{number}").parse().unwrap(),
            what,
            key: None,
        }
    }

    fn open(number: usize) -> CaseChange {
        let (areas, invites) = (vec!["ipr".to_owned()], vec!["police".parse().unwrap()]);
        change(CUSTOMS, number, CaseStep::Open { areas, invites })
    }

    fn keyed(change: CaseChange, key: u8) -> CaseChange {
        let key = Some(KeyedDigest([key; 16]));
        CaseChange { key, ..change }
    }

    const CUSTOMS: &str = "customs/declarations";
    const POLICE: &str = "police/operations";
    const POST: &str = "post/items";

    fn rule(answer: Result<Step, Barred>) -> &'static str {
        answer.unwrap_err().rule.name
    }

    #[test]
    fn an_agency_has_so_many_open_cases_and_closed_ones_do_not_count() {
        let mut register = Register::default();
        for number in 0..AGENCY_CASES {
            register.case(&open(number), Lsn(1));
        }
        let one_more = open(AGENCY_CASES);
        assert_eq!(rule(register.step(&one_more)), "case-count");
        register.case(&change(CUSTOMS, 7, CaseStep::Close), Lsn(2));
        assert_eq!(register.step(&one_more), Ok(Step::Changes));
        assert_eq!(rule(register.step(&open(7))), "case-closed");
    }

    #[test]
    fn what_is_so_already_is_told_again_and_others_learn_nothing() {
        let mut register = Register::default();
        let (join, close) = (CaseStep::Join, CaseStep::Close);
        let by = |sender, what: &CaseStep| change(sender, 1, what.clone());
        let unknown = register.step(&by(POST, &join)).unwrap_err();
        register.case(&open(1), Lsn(1));
        assert_eq!(register.step(&open(1)), Ok(Step::IsSo));
        let (areas, invites) = (Vec::new(), Vec::new());
        let other = change(CUSTOMS, 1, CaseStep::Open { areas, invites });
        assert_eq!(rule(register.step(&other)), "case-open");
        assert_eq!(register.step(&by(POLICE, &join)), Ok(Step::Changes));
        register.case(&by(POLICE, &join), Lsn(2));
        assert_eq!(register.step(&by(POLICE, &join)), Ok(Step::IsSo));
        assert_eq!(rule(register.step(&by(POLICE, &close))), "case");
        let to_the_post = |register: &Register| {
            let foreign = CaseChange {
                sender: POST.parse().unwrap(),
                ..open(1)
            };
            let steps = [by(POST, &join), by(POST, &close), foreign];
            let told = steps.iter().map(|step| register.step(step).unwrap_err());
            assert!(told.into_iter().all(|told| told == unknown));
        };
        to_the_post(&register);
        register.case(&by(CUSTOMS, &close), Lsn(3));
        assert_eq!(register.step(&by(CUSTOMS, &close)), Ok(Step::IsSo));
        assert_eq!(rule(register.step(&by(POLICE, &join))), "case");
        to_the_post(&register);
    }

    #[test]
    fn a_step_that_was_taken_is_told_again_whatever_has_become_of_its_case() {
        let mut register = Register::default();
        let opened = keyed(open(1), 1);
        let joined = keyed(change(POLICE, 1, CaseStep::Join), 2);
        let closed = keyed(change(CUSTOMS, 1, CaseStep::Close), 3);
        for step in [&opened, &joined, &closed] {
            assert_eq!(register.step(step), Ok(Step::Changes));
            register.case(step, Lsn(1));
        }
        for step in [&opened, &joined, &closed] {
            assert_eq!(register.step(step), Ok(Step::IsSo));
        }
        assert_eq!(rule(register.step(&keyed(open(1), 4))), "case-closed");
    }

    #[test]
    fn of_closed_cases_the_names_stay_and_the_oldest_are_forgotten() {
        let mut register = Register::default();
        let ended = |register: &mut Register, sender: &str, number| {
            let sender = |change| CaseChange {
                sender: sender.parse().unwrap(),
                ..change
            };
            register.case(&sender(open(number)), Lsn(1));
            register.case(&sender(change(CUSTOMS, number, CaseStep::Close)), Lsn(2));
        };
        let theirs = AGENCY_CLOSED_CASES + 7;
        ended(&mut register, POLICE, theirs);
        register.case(&open(0), Lsn(1));
        let holder = Party::Agency("police".parse().unwrap());
        let originator = "customs".parse().unwrap();
        assert!(register.ban(&open(0).case, &holder, &originator, Lsn(1)));
        register.case(&change(CUSTOMS, 0, CaseStep::Close), Lsn(2));
        for number in 1..AGENCY_CLOSED_CASES {
            ended(&mut register, CUSTOMS, number);
        }
        let standing = register.standing();
        assert!(standing.cases.is_empty() && standing.bans.size() == 1);
        assert_eq!(rule(register.step(&open(0))), "case-closed");
        ended(&mut register, CUSTOMS, AGENCY_CLOSED_CASES);
        let nothing = Standing {
            newest_case: 1,
            ..Standing::default()
        };
        assert_eq!(*register.standing, nothing);
        assert_eq!(register.cases.len(), AGENCY_CLOSED_CASES + 1);
        assert_eq!(register.step(&open(0)), Ok(Step::Changes));
        assert_eq!(rule(register.step(&open(1))), "case-closed");
        assert_eq!(rule(register.step(&open(theirs))), "case", "another's");
    }
}
