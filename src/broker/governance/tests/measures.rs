//! Measures: who declares and confirms them, and when they hold.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::broker::limits::{AGENCY_MEASURES, CLOSED_MEASURES, MEASURE_LASTS, OFFICER_MEASURES};
use crate::broker::record::{EndedBy, Expiring};
use crate::policy::measures::{Level, Measures, Permits};

const SUSPEND: Measure = Measure::Suspend(Permits::All);
const FALLBACK: Measure = Measure::Level(Level::Fallback);

impl Log {
    fn declare(&mut self, by: &str, measure: Measure) -> Result<u64, NotDone> {
        let is_level = matches!(measure, Measure::Level(_));
        let until = is_level.then(|| self.now().plus(Duration::from_hours(1)));
        let declaring = Declaring {
            act: act(by, number(by)),
            measure,
            until,
            reason: "a key is lost".to_owned(),
            board: BTreeSet::from([agency("customs")]),
        };
        match self.does(Deed::Declare(declaring))? {
            Done::Declared(number) => Ok(number),
            other => panic!("{other:?}"),
        }
    }

    /// As an officer who signs what he is to sign.
    fn confirmation(&self, measure: u64, by: &str, key: u8) -> Confirmation {
        let act = act(by, key);
        let statement = self.governance().measure_statement(measure, &act.by);
        Confirmation {
            act,
            measure,
            signed: signed(statement.map_or(String::new(), |it| it.to_string())),
        }
    }

    fn confirm(&mut self, measure: u64, by: &str) -> Result<Done, NotDone> {
        self.does(Deed::Confirm(self.confirmation(measure, by, number(by))))
    }

    fn measures(&self) -> Measures {
        let standing = self.ledger.register().standing();
        let measures = standing.measures.get("post");
        measures.map(|it| it.value.clone()).unwrap_or_default()
    }

    fn stage(&self, measure: u64) -> Stage {
        let of = self.governance().measure(&agency("post"), measure);
        of.unwrap().stage
    }

    /// Time passes, and the broker looks at what is over.
    fn passes(&mut self, time: Duration) {
        self.at += time.as_secs();
        let (now, at) = (self.now(), Lsn(self.at));
        for ended in self.governance().ended_measures(now, usize::MAX) {
            self.ledger.apply(&Record::MeasureEnded(ended), at);
        }
    }
}

/// An officer's key is his own: it has his number.
fn number(by: &str) -> u8 {
    by.rsplit('-').next().unwrap().parse().unwrap()
}

#[test]
fn a_level_holds_once_a_second_officer_has_signed_it_and_to_its_end() {
    let mut log = Log::begin(false);
    let level = log.declare("post/o-11", FALLBACK).unwrap();
    assert_eq!(
        (log.stage(level), log.measures()),
        (Stage::Waits, Measures::default())
    );
    log.confirm(level, "post/o-12").unwrap();
    assert_eq!(log.measures().level(log.now()), Level::Fallback);
    let other = log
        .declare("post/o-12", Measure::Level(Level::Closed))
        .unwrap();
    assert_eq!(log.measures().level(log.now()), Level::Fallback);
    log.confirm(other, "post/o-11").unwrap();
    assert!(matches!(log.stage(level), Stage::Replaced { by, .. } if by == other));
    assert_eq!(log.measures().level(log.now()), Level::Closed);
    log.passes(Duration::from_hours(1));
    assert!(matches!(
        log.stage(other),
        Stage::Ended {
            why: EndedBy::Time,
            ..
        }
    ));
    assert_eq!(log.measures(), Measures::default());
    let normal = log.declare("post/o-11", Measure::Level(Level::Normal));
    assert_eq!(normal, Err(NotDone::NormalLevel));
}

#[test]
fn a_suspension_holds_at_once_and_longer_than_its_time_only_where_it_is_confirmed() {
    let mut log = Log::begin(false);
    let one = log.declare("post/o-11", SUSPEND).unwrap();
    let other = log.declare("post/o-11", SUSPEND).unwrap();
    assert_eq!(log.measures().suspended.len(), 2);
    log.confirm(other, "post/o-12").unwrap();
    log.passes(MEASURE_LASTS);
    assert!(matches!(
        log.stage(one),
        Stage::Ended {
            why: EndedBy::Time,
            ..
        }
    ));
    assert_eq!(
        (log.stage(other), log.measures().suspended.len()),
        (Stage::Holds, 1)
    );
    // One officer, and the one who wants it lifted, cannot lift it.
    let lift = log.declare("post/o-11", Measure::Lift(other)).unwrap();
    assert_eq!(log.stage(other), Stage::Holds);
    let own = log.confirm(lift, "post/o-11");
    assert_eq!(own, Err(NotDone::OwnMeasure("post/o-11".parse().unwrap())));
    log.confirm(lift, "post/o-12").unwrap();
    assert!(matches!(log.stage(other), Stage::Lifted { by, .. } if by == lift));
    assert!(matches!(log.stage(lift), Stage::Done { .. }));
    assert_eq!(log.measures(), Measures::default());
}

#[test]
fn a_measure_is_of_the_agency_of_two_of_its_officers_with_two_keys() {
    let mut log = Log::begin(false);
    let board = log.declare("board/o-90", SUSPEND);
    assert_eq!(board, Err(NotDone::NoPart("board/o-90".parse().unwrap())));
    let level = log.declare("post/o-11", FALLBACK).unwrap();
    let mut refused = |by: &str, key: u8| {
        let confirmation = log.confirmation(level, by, key);
        log.does(Deed::Confirm(confirmation)).unwrap_err()
    };
    // Customs have no measure of this number.
    assert_eq!(refused("customs/o-21", 21), NotDone::NoMeasure(level));
    assert_eq!(
        refused("board/o-90", 90),
        NotDone::NoPart("board/o-90".parse().unwrap())
    );
    assert_eq!(
        refused("post/o-11", 12),
        NotDone::OwnMeasure("post/o-11".parse().unwrap())
    );
    assert_eq!(refused("post/o-12", 11), NotDone::SameKey);
    let lift = log.declare("post/o-12", Measure::Lift(level));
    let closed = NotDone::MeasureClosed {
        number: level,
        stage: Stage::Waits,
    };
    assert_eq!(lift, Err(closed));
}

#[test]
fn a_confirmation_counts_for_one_measure_once() {
    let mut log = Log::begin(false);
    let level = log.declare("post/o-11", FALLBACK).unwrap();
    let own = log
        .governance()
        .measure_statement(level, &"post/o-12".parse().unwrap());
    let own = own.unwrap();
    let others = [
        MeasureStatement {
            log: digest(9),
            ..own.clone()
        },
        MeasureStatement {
            agency: agency("customs"),
            ..own.clone()
        },
        MeasureStatement {
            number: 2,
            ..own.clone()
        },
        MeasureStatement {
            does: SUSPEND.to_string(),
            ..own.clone()
        },
        MeasureStatement {
            until: log.now(),
            ..own.clone()
        },
        MeasureStatement {
            reason: String::new(),
            ..own.clone()
        },
        MeasureStatement {
            officer: "post/o-13".parse().unwrap(),
            ..own.clone()
        },
    ];
    for other in others {
        let confirmation = Confirmation {
            signed: signed(other.to_string()),
            ..log.confirmation(level, "post/o-12", 12)
        };
        let refused = log.does(Deed::Confirm(confirmation));
        assert_eq!(refused, Err(NotDone::OtherStatement));
    }
    let good = log.confirmation(level, "post/o-12", 12);
    log.does(Deed::Confirm(good.clone())).unwrap();
    let again = log.does(Deed::Confirm(good.clone()));
    assert!(
        matches!(again, Err(NotDone::MeasureClosed { .. })),
        "{again:?}"
    );
    let next = log.declare("post/o-11", FALLBACK).unwrap();
    let replayed = Confirmation {
        measure: next,
        ..good
    };
    let replayed = log.does(Deed::Confirm(replayed));
    assert_eq!(replayed, Err(NotDone::OtherStatement));
    // Too late, whether its end is on record or not.
    let late = log.confirmation(next, "post/o-12", 12);
    log.at += 3_600;
    let late = log.does(Deed::Confirm(late));
    assert!(
        matches!(late, Err(NotDone::MeasureClosed { .. })),
        "{late:?}"
    );
}

#[test]
fn what_is_declared_has_an_end_a_reason_and_no_more_permits_than_it_may() {
    let mut log = Log::begin(false);
    let ids = |count: usize| {
        let ids = (0..count).map(|nth| format!("p-{nth}").parse().unwrap());
        Measure::Suspend(Permits::Named(ids.collect()))
    };
    let now = log.now();
    let hour = Some(now.plus(Duration::from_hours(1)));
    let late = Some(now.plus(MEASURE_LASTS + Duration::from_mins(1)));
    let wrong = [
        (FALLBACK, None, "x"),
        (FALLBACK, Some(now), "x"),
        (FALLBACK, late, "x"),
        (SUSPEND, hour, "x"),
        (SUSPEND, None, " "),
        (SUSPEND, None, "two\nlines"),
        (ids(0), None, "x"),
        (ids(257), None, "x"),
        (Measure::Lift(1), None, "x"),
    ];
    for (measure, until, reason) in wrong {
        let declaring = Declaring {
            act: act("post/o-11", 11),
            measure,
            until,
            reason: reason.to_owned(),
            board: BTreeSet::new(),
        };
        let done = log.does(Deed::Declare(declaring.clone()));
        assert!(done.is_err(), "{declaring:?}");
    }
    assert_eq!(log.declare("post/o-11", ids(256)), Ok(1));
}

#[test]
fn no_officer_takes_all_places_of_his_agency_and_no_agency_those_of_another() {
    let mut log = Log::begin(false);
    let mut taken = 0;
    for officer in 1..=20 {
        for _ in 0..1_000 / 20 {
            taken += usize::from(log.declare(&format!("post/o-0{officer}"), SUSPEND).is_ok());
        }
        assert_eq!(taken, (officer * OFFICER_MEASURES).min(AGENCY_MEASURES));
    }
    assert_eq!(log.declare("customs/o-21", SUSPEND), Ok(1));
    for _ in 0..=CLOSED_MEASURES / AGENCY_MEASURES {
        log.passes(MEASURE_LASTS);
        log.passes(MEASURE_LASTS);
        for officer in 1..=8 {
            for _ in 0..OFFICER_MEASURES {
                log.declare(&format!("post/o-0{officer}"), SUSPEND).unwrap();
            }
        }
    }
    log.passes(MEASURE_LASTS);
    let of = log.governance().measures(&agency("post")).unwrap();
    assert_eq!(of.all().count(), CLOSED_MEASURES);
    let kept = Ledger::of_snapshot(&log.ledger.to_snapshot()).unwrap();
    assert_eq!(**kept.governance(), *log.governance());
}

#[test]
fn one_officer_alone_suspends_for_a_weekend_and_not_for_ever() {
    let mut log = Log::begin(false);
    let first = log.declare("post/o-11", SUSPEND).unwrap();
    log.passes(MEASURE_LASTS / 2);
    let second = log.declare("post/o-11", SUSPEND).unwrap();
    let end = |number| {
        let measure = log.governance().measure(&agency("post"), number);
        measure.unwrap().until
    };
    assert_eq!(end(second), end(first), "no new weekend");
    log.passes(MEASURE_LASTS / 2);
    assert!(log.measures().suspended.is_empty());
    let from = log.now().plus(MEASURE_LASTS);
    let again = log.declare("post/o-11", SUSPEND);
    assert_eq!(again, Err(NotDone::SuspendedBefore { from }));
    log.declare("post/o-12", SUSPEND)
        .expect("another officer can");
    log.passes(MEASURE_LASTS);
    log.declare("post/o-11", SUSPEND)
        .expect("so can he, in the end");
}

#[test]
fn where_all_places_are_taken_a_measure_can_still_be_lifted() {
    let mut log = Log::begin(false);
    let taken: Vec<u64> = std::iter::repeat_with(|| log.declare("post/o-11", SUSPEND))
        .map_while(Result::ok)
        .collect();
    assert_eq!(taken.len(), OFFICER_MEASURES);
    log.declare("post/o-11", Measure::Lift(taken[0])).unwrap();
}

#[test]
fn who_declared_a_measure_takes_it_back_while_it_waits_and_a_suspension_never() {
    let mut log = Log::begin(false);
    let undeclare = |measure, by: &str| Deed::Undeclare {
        act: act(by, number(by)),
        measure,
    };
    let level = log.declare("post/o-11", FALLBACK).unwrap();
    let other = log.does(undeclare(level, "post/o-12"));
    let his = "post/o-11".parse().unwrap();
    assert_eq!(other, Err(NotDone::OthersMeasure(his)));
    let foreign = log.does(undeclare(level, "customs/o-11"));
    assert_eq!(foreign, Err(NotDone::NoMeasure(level)));
    log.does(undeclare(level, "post/o-11")).unwrap();
    let late = log.confirm(level, "post/o-12");
    assert!(matches!(late, Err(NotDone::MeasureClosed { .. })));
    let suspension = log.declare("post/o-11", SUSPEND).unwrap();
    let held = log.does(undeclare(suspension, "post/o-11"));
    assert!(matches!(held, Err(NotDone::MeasureClosed { .. })));
    assert_eq!(log.stage(suspension), Stage::Holds);
}

#[test]
fn a_lift_is_over_once_what_it_was_to_lift_has_ended_otherwise() {
    let mut log = Log::begin(false);
    let level = log.declare("post/o-11", FALLBACK).unwrap();
    log.confirm(level, "post/o-12").unwrap();
    let [one, other] =
        ["post/o-11", "post/o-12"].map(|by| log.declare(by, Measure::Lift(level)).unwrap());
    log.confirm(one, "post/o-12").unwrap();
    assert!(matches!(log.stage(one), Stage::Done { .. }));
    let is_needless = |stage| {
        let why = EndedBy::Needless;
        matches!(stage, Stage::Ended { why: told, .. } if told == why)
    };
    assert!(is_needless(log.stage(other)));
    let suspension = log.declare("post/o-11", SUSPEND).unwrap();
    log.passes(MEASURE_LASTS / 2);
    let lift = log.declare("post/o-11", Measure::Lift(suspension)).unwrap();
    log.passes(MEASURE_LASTS / 2);
    assert!(is_needless(log.stage(lift)));
    let kept = Ledger::of_snapshot(&log.ledger.to_snapshot()).unwrap();
    assert_eq!(**kept.governance(), *log.governance());
}

#[test]
fn a_suspension_ends_with_its_permits_by_the_rulebook_in_force_alone() {
    let mut log = Log::begin(true);
    let suspended = log.declare("post/o-11", SUSPEND).unwrap();
    let gone = |rulebook| {
        Deed::Gone(Gone {
            agency: agency("post"),
            measure: suspended,
            rulebook,
        })
    };
    let (base, active) = (digest(2), digest(1));
    assert_eq!(
        log.does(gone(base)),
        Err(NotDone::StaleBase { base, active })
    );
    log.does(activation(None, 2)).unwrap();
    assert_eq!(log.measures().suspended.len(), 1, "it outlasts a rulebook");
    log.does(gone(base)).unwrap();
    assert!(matches!(
        log.stage(suspended),
        Stage::Ended {
            why: EndedBy::Gone,
            ..
        }
    ));
    assert!(log.does(gone(base)).is_err());
}

#[test]
fn an_end_of_a_certificate_is_told_once_at_each_stage() {
    let mut log = Log::begin(false);
    let ends = log.now().plus(Duration::from_hours(24 * 60));
    let expiring = |days, ends| {
        Deed::Tell(Expiring {
            at: Timestamp::default(),
            agency: agency("post"),
            whose: "post/items".to_owned(),
            ends,
            days,
        })
    };
    let mut tell = |days, ends| {
        log.at += 1;
        let decided = log
            .governance()
            .decide(expiring(days, ends), log.now(), false)?;
        log.ledger.apply(&decided.record, Lsn(log.at));
        Ok(())
    };
    let renewed = ends.plus(Duration::from_hours(24));
    let told = [
        (60, ends),
        (60, ends),
        (30, ends),
        (30, renewed),
        (30, renewed),
    ];
    let told: Vec<bool> = told
        .into_iter()
        .map(|stage| tell(stage.0, stage.1) == Ok::<(), NotDone>(()))
        .collect();
    assert_eq!(told, [true, false, true, true, false]);
    // A record of something else copies none of it.
    let before = Arc::clone(log.ledger.governance());
    log.propose(draft(1, 2));
    let of = |governance: &Governance| Arc::clone(&governance.told[&agency("post")]);
    assert!(Arc::ptr_eq(&of(&before), &of(log.governance())));
}
