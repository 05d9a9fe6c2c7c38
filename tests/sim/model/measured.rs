//! Measures of agencies in a random life, beside a plain list of what holds, and until when.

use std::collections::BTreeSet;

use carnet::broker::governance::{Act as By, Confirmation, Declaring, Deed, Gone, Measure, Stage};
use carnet::broker::limits::{AGENCY_MEASURES, MEASURE_LASTS, OFFICER_MEASURES};
use carnet::broker::record::EndedBy;
use carnet::message::id::{AgencyId, Digest};
use carnet::policy::measures::{Level, Measures, Permits, Until};

use super::governed::{MEMBERS, act};
use super::*;
use crate::governed::signed;

const LEVELS: [Level; 4] = [
    Level::Normal,
    Level::Degraded,
    Level::Fallback,
    Level::Closed,
];
/// Permits that are suspended together; where none is named, all.
const PERMITS: [&[&str]; 3] = [
    &[],
    &["post-customs"],
    &["customs-post-order", "post-inquiry"],
];
/// Half of the time of a measure; more than that for which ids of messages are known, and than an order
/// takes to its deadline.
pub(super) const HALF: Duration = Duration::from_hours(36);

/// What an officer, who comes with a key, does about a measure of his agency.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    /// It is to end so many tens of milliseconds ahead.
    Level {
        level: usize,
        tens: i64,
    },
    Suspend(usize),
    Lift(usize),
    Confirm(usize),
    Withdraw(usize),
    /// By the broker, whether the permits are gone or not; with the rulebook in force, or with another.
    Gone {
        which: usize,
        in_force: bool,
    },
    /// As often 36 hours go by.
    Pass(u32),
}

/// A measure as it should be.
#[derive(Debug)]
struct Naive {
    measure: Measure,
    by: By,
    /// None where a second officer has confirmed what was suspended.
    until: Option<Timestamp>,
    confirmed: bool,
    stage: &'static str,
    /// When it was closed.
    closed: Timestamp,
}

/// The measures of each agency, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Plain {
    of: BTreeMap<AgencyId, Vec<Naive>>,
}

impl Naive {
    fn is_open(&self) -> bool {
        matches!(self.stage, "waits" | "holds")
    }

    fn close(&mut self, stage: &'static str, now: Timestamp) {
        (self.stage, self.closed) = (stage, now);
    }
}

impl Plain {
    /// What is over by its time ends.
    pub(super) fn pass(&mut self, now: Timestamp) {
        let open = self.of.values_mut().flatten().filter(|it| it.is_open());
        for it in open.filter(|it| it.until.is_some_and(|until| until <= now)) {
            it.close("ended", now);
        }
        self.end_needless(now);
    }

    /// What was to lift another one ends with it.
    fn end_needless(&mut self, now: Timestamp) {
        for of in self.of.values_mut() {
            let holds: Vec<bool> = of.iter().map(|it| it.stage == "holds").collect();
            for it in of.iter_mut().filter(|it| it.is_open()) {
                if let Measure::Lift(number) = it.measure
                    && !holds[usize::try_from(number).unwrap() - 1]
                {
                    it.close("ended", now);
                }
            }
        }
    }

    /// What a deed comes to: a word for it, where it is done at all.
    fn take(&mut self, deed: &Deed, in_force: Digest, now: Timestamp) -> Option<&'static str> {
        let come_to = match deed {
            Deed::Declare(declaring) => self.declare(declaring, now),
            Deed::Confirm(confirmation) => self.confirm(confirmation, now),
            Deed::Undeclare { act, measure } => {
                let it = self.get(act.by.holder.agency(), *measure)?;
                let it = Some(it).filter(|it| it.by.by == act.by && it.stage == "waits")?;
                it.close("ended", now);
                Some("taken back")
            }
            Deed::Gone(gone) => {
                let it = self.holding(Some(&gone.agency), gone.measure);
                let it = it.filter(|_| gone.rulebook == in_force)?;
                it.close("gone", now);
                Some("ended without its permits")
            }
            other => panic!("{other:?}"),
        };
        self.end_needless(now);
        come_to
    }

    fn get(&mut self, agency: Option<&AgencyId>, number: u64) -> Option<&mut Naive> {
        let nth = usize::try_from(number).unwrap() - 1;
        self.of.get_mut(agency?)?.get_mut(nth)
    }

    fn holding(&mut self, agency: Option<&AgencyId>, number: u64) -> Option<&mut Naive> {
        self.get(agency, number).filter(|it| it.stage == "holds")
    }

    fn declare(&mut self, declaring: &Declaring, now: Timestamp) -> Option<&'static str> {
        let (by, measure) = (&declaring.act, &declaring.measure);
        let agency = by.by.holder.agency()?;
        let latest = now.plus(MEASURE_LASTS);
        let until = match measure {
            Measure::Level(Level::Normal) => None,
            Measure::Level(_) => declaring.until.filter(|it| now < *it && *it <= latest),
            Measure::Suspend(_) => self.alone_until(by, now),
            Measure::Lift(number) => self.holding(Some(agency), *number).map(|_| latest),
        };
        let of = self.of.entry(agency.clone()).or_default();
        let kind = |measure: &Measure| matches!(measure, Measure::Lift(_));
        let open = of.iter().filter(|it| it.is_open());
        let alike = open.filter(|it| kind(&it.measure) == kind(measure));
        let own = alike
            .clone()
            .filter(|it| it.by.by == by.by && !it.confirmed);
        let has_place = own.count() < OFFICER_MEASURES && alike.count() < AGENCY_MEASURES;
        let suspends = matches!(measure, Measure::Suspend(_));
        of.push(Naive {
            measure: measure.clone(),
            by: by.clone(),
            until: Some(until.filter(|_| has_place)?),
            confirmed: false,
            stage: if suspends { "holds" } else { "waits" },
            closed: now,
        });
        Some(if suspends { "suspended" } else { "declared" })
    }

    /// What an officer suspends is over with the first that holds by his word alone; while as long a time
    /// as that lasts goes by since one ended, he suspends nothing.
    fn alone_until(&self, by: &By, now: Timestamp) -> Option<Timestamp> {
        let all = self.of.values().flatten();
        let own = all.filter(|it| it.by.by == by.by && matches!(it.measure, Measure::Suspend(_)));
        let mut until = now.plus(MEASURE_LASTS);
        for it in own.filter(|it| !it.confirmed) {
            match it.stage {
                "holds" => until = until.min(it.until?),
                "ended" | "lifted" if now < it.closed.plus(MEASURE_LASTS) => return None,
                _ => {}
            }
        }
        Some(until)
    }

    fn confirm(&mut self, confirmation: &Confirmation, now: Timestamp) -> Option<&'static str> {
        let Confirmation { act, measure, .. } = confirmation;
        let agency = act.by.holder.agency();
        let it = self.get(agency, *measure)?;
        let is_other = it.by.by != act.by && it.by.key != act.key;
        let can_be = is_other && it.is_open() && !it.confirmed;
        let what = it.measure.clone();
        let lifted = match what {
            Measure::Lift(lifted) => Some(self.holding(agency, lifted)?),
            Measure::Level(_) | Measure::Suspend(_) => None,
        };
        if !can_be {
            return None;
        }
        if let Some(lifted) = lifted {
            lifted.close("lifted", now);
        }
        let of = self.of.get_mut(agency?)?;
        let is_level = |it: &&mut Naive| matches!(it.measure, Measure::Level(_));
        let mut holding = of
            .iter_mut()
            .filter(|it| it.stage == "holds")
            .filter(is_level);
        let before = holding.next().filter(|_| matches!(what, Measure::Level(_)));
        let replaces = before.map(|before| before.close("replaced", now)).is_some();
        let it = self.get(agency, *measure)?;
        it.confirmed = true;
        Some(match what {
            Measure::Level(_) => {
                it.stage = "holds";
                if replaces { "replaced" } else { "confirmed" }
            }
            Measure::Suspend(_) => {
                it.until = None;
                "suspended for longer"
            }
            Measure::Lift(_) => {
                it.close("done", now);
                "lifted"
            }
        })
    }

    /// What policies are to read.
    fn in_force(of: &[Naive]) -> Measures {
        let mut measures = Measures::default();
        for it in of.iter().filter(|it| it.stage == "holds") {
            let end = it.until;
            match it.measure.clone() {
                Measure::Level(value) => measures.level = Some(Until { value, end }),
                Measure::Suspend(value) => measures.suspended.push(Until { value, end }),
                Measure::Lift(number) => panic!("it lifts {number} and is done"),
            }
        }
        measures
    }

    /// The ledger has what the list has, where officers look and where policies do.
    pub(super) fn agrees(&self, ledger: &Ledger) {
        let (governance, register) = (ledger.governance(), ledger.register());
        for (agency, of) in &self.of {
            for (nth, naive) in of.iter().enumerate() {
                let it = governance
                    .measure(agency, wide(nth + 1))
                    .expect("it is known");
                let word = match it.stage {
                    Stage::Ended {
                        why: EndedBy::Gone, ..
                    } => "gone",
                    stage => stage.name(),
                };
                assert_eq!((word, it.until), (naive.stage, naive.until), "{naive:?}");
            }
            let count = governance.measures(agency).map_or(0, |it| it.all().count());
            assert_eq!(count, of.len());
            let stands = register.standing().measures.get(agency);
            let stands = stands.map(|it| it.value.clone()).unwrap_or_default();
            assert_eq!(stands, Self::in_force(of), "{agency}");
        }
    }
}

impl Life {
    pub(super) fn measure(&mut self, does: Does, by: (usize, usize)) {
        if let Does::Pass(halves) = does {
            self.known.clear();
            return self.wait(u64::try_from((HALF * halves).as_millis()).unwrap());
        }
        self.step(|life, turn| {
            let deed = life.measuring(does, by);
            let (at, in_force) = (turn.next, life.border.in_force().digest);
            let done = life.does(deed.clone(), turn);
            let come_to = life.measures.take(&deed, in_force, life.now);
            assert_eq!(done.is_ok(), come_to.is_some(), "{deed:?}: {done:?}");
            if let (Some(word), Deed::Declare(declaring)) = (come_to, &deed) {
                let suspends = word == "suspended";
                let told = if suspends {
                    declaring.board.clone()
                } else {
                    BTreeSet::new()
                };
                let own = declaring.act.by.holder.agency().cloned();
                life.notified(told.into_iter().chain(own).collect(), at);
            }
            life.seen.extend(come_to);
        });
    }

    fn measuring(&self, does: Does, by: (usize, usize)) -> Deed {
        let act = act(by);
        let agency = act.by.holder.agency().cloned();
        let count = agency.as_ref().and_then(|it| self.measures.of.get(it));
        let count = count.map_or(0, Vec::len);
        // The newest first: most of what is old is closed.
        let number =
            |which: usize| wide(count - which.checked_rem(count).unwrap_or_default()).max(1);
        let (measure, until) = match does {
            Does::Level { level, tens } => (Measure::Level(LEVELS[level]), Some(self.at(tens))),
            Does::Suspend(0) => (Measure::Suspend(Permits::All), None),
            Does::Suspend(permits) => {
                let named = PERMITS[permits].iter().map(|id| id.parse().unwrap());
                (Measure::Suspend(Permits::Named(named.collect())), None)
            }
            Does::Lift(which) => (Measure::Lift(number(which)), None),
            Does::Confirm(which) => {
                let measure = number(which);
                let governance = self.core.ledger().governance();
                let statement = governance.measure_statement(measure, &act.by);
                let signed = signed(statement.map_or(String::new(), |it| it.to_string()));
                return Deed::Confirm(Confirmation {
                    act,
                    measure,
                    signed,
                });
            }
            Does::Withdraw(which) => {
                let measure = number(which);
                return Deed::Undeclare { act, measure };
            }
            Does::Gone { which, in_force } => {
                let rulebook = self.border.in_force().digest;
                return Deed::Gone(Gone {
                    agency: agency.unwrap_or_else(|| MEMBERS[0].parse().unwrap()),
                    measure: number(which),
                    rulebook: if in_force { rulebook } else { Digest([0; 32]) },
                });
            }
            Does::Pass(_) => unreachable!("nobody is asked"),
        };
        Deed::Declare(Declaring {
            act,
            measure,
            until,
            reason: "A reason".to_owned(),
            board: MEMBERS.map(|name| name.parse().unwrap()).into(),
        })
    }
}

pub(super) fn does() -> impl Strategy<Value = Does> {
    let longest = i64::try_from(MEASURE_LASTS.as_millis() / 10).unwrap();
    let tens = prop_oneof![8 => -1..60_i64, 1 => longest..longest + 2];
    let which = 0..6_usize;
    prop_oneof![
        3 => (0..LEVELS.len(), tens).prop_map(|(level, tens)| Does::Level { level, tens }),
        4 => (0..PERMITS.len()).prop_map(Does::Suspend),
        2 => which.clone().prop_map(Does::Lift),
        6 => which.clone().prop_map(Does::Confirm),
        1 => which.clone().prop_map(Does::Withdraw),
        1 => (which, any::<bool>()).prop_map(|(which, in_force)| Does::Gone { which, in_force }),
        1 => (1..3_u32).prop_map(Does::Pass),
    ]
}
