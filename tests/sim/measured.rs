//! Measures of agencies: what rules give under a level, and what a suspended permit gives no more, in what
//! is published and in what waits.

use std::time::Duration;

use carnet::backbone::start::recover;
use carnet::broker::command::{Command, Settle};
use carnet::broker::delivery::Rendered;
use carnet::broker::governance::{
    Act, Confirmation, Declaring, Deed, Done, Draft, Measure, Needs, NotDone, Stage, Ticket, When,
};
use carnet::broker::ledger::Ledger;
use carnet::broker::limits::MEASURE_LASTS;
use carnet::broker::record::{Expiring, Record};
use carnet::journal::vfs::Vfs;
use carnet::message::id::{AgencyId, Digest};
use carnet::message::time::Timestamp;
use carnet::policy::change::Changes;
use carnet::policy::measures::{Level, Permits};
use carnet_disk::{Pattern, SimVfs};

use crate::Tally;
use crate::desk::{Desk, Outcome, Place};
use crate::governed::signed;
use crate::recovered::{data, options};
use crate::watched::Watched;

const RULES: &str = "policies/post.cedar";

/// The post and customs, whose officers declare measures.
struct Border<V: Vfs = SimVfs> {
    desk: Desk<V>,
    post: Place,
    customs: Place,
}

impl<V: Vfs> Border<V> {
    fn at(mut desk: Desk<V>) -> Self {
        Self {
            post: desk.seat("post", "items"),
            customs: desk.seat("customs", "declarations"),
            desk,
        }
    }

    fn does(&mut self, deed: Deed) -> Result<Done, NotDone> {
        self.desk.now = self.desk.now.plus(Duration::from_millis(10));
        let command = Command::Govern(Ticket(1), Box::new(deed));
        let step = self.desk.committer.step(vec![command], self.desk.now);
        step.unwrap().governed.pop().unwrap().1
    }

    fn declare(&mut self, by: &str, measure: Measure, hours: Option<u64>) -> u64 {
        let until = hours.map(|hours| self.desk.now.plus(Duration::from_hours(hours)));
        let declaring = Declaring {
            act: act(by),
            measure,
            until,
            reason: "a test".to_owned(),
            board: ["customs", "post"].map(|it| it.parse().unwrap()).into(),
        };
        match self.does(Deed::Declare(declaring)) {
            Ok(Done::Declared(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    fn confirm(&mut self, measure: u64, by: &str) {
        let act = act(by);
        let governance = self.desk.committer.ledger().governance();
        let statement = governance.measure_statement(measure, &act.by).unwrap();
        let done = self.does(Deed::Confirm(Confirmation {
            act,
            measure,
            signed: signed(statement.to_string()),
        }));
        assert_eq!(done, Ok(Done::Confirmed));
    }

    fn stage(&self, agency: &str, measure: u64) -> Stage {
        let agency: AgencyId = agency.parse().unwrap();
        let governance = self.desk.committer.ledger().governance();
        governance.measure(&agency, measure).unwrap().stage
    }

    fn item(&mut self, id: &str) -> Outcome {
        let example = "postal.item/valid/ornaments";
        self.desk.example(self.post, example, id, &[])
    }

    /// An order to the post: fallback opens its goods.
    fn order(&mut self, id: &str) {
        let to = [("to", "post/main")];
        let example = "control.order/valid/story-03";
        let taken = self.desk.example(self.customs, example, id, &to);
        assert_eq!(taken, Outcome::Taken);
    }

    /// What a system is shown of the newest message of its inbox; all stay there.
    fn newest(&mut self, place: Place) -> Rendered {
        let mut all = Vec::new();
        while let Some(got) = self.desk.get(place, "inbox") {
            all.push(got);
        }
        let newest = all.pop().expect("a message");
        let shown = self.desk.shown(place, &newest);
        all.push(newest);
        for got in all.iter().rev() {
            self.desk.settle(got, Settle::Unsent);
        }
        shown
    }

    fn sees_goods(&mut self) -> bool {
        let shown = self.newest(self.post);
        String::from_utf8_lossy(&shown.body).contains("resin ornaments")
    }

    /// What waits in `receipts` of a unit that are notices, each with its body; it is taken.
    fn notices(&mut self, place: Place) -> Vec<serde_json::Value> {
        let mut notices = Vec::new();
        while let Some(got) = self.desk.get(place, "receipts") {
            let shown = self.desk.shown(place, &got);
            self.desk.settle(&got, Settle::Ack);
            if shown.routing_key == "carnet.notice" {
                notices.push(serde_json::from_slice(&shown.body).unwrap());
            }
        }
        notices
    }

    /// A proposal that `owner` has of a file.
    fn propose(&mut self, owner: &str, path: &str, members: &[&str]) {
        let base = self
            .desk
            .committer
            .ledger()
            .governance()
            .active()
            .unwrap()
            .digest;
        let mut changes = Changes::default();
        changes.insert(path, Some(b"x".to_vec()));
        let members = members.iter().map(|it| it.parse().unwrap()).collect();
        let done = self.does(Deed::Propose(Draft {
            act: act("customs/o-2117"),
            owner: owner.parse().unwrap(),
            base,
            digest: Digest::of(path.as_bytes()),
            impact: None,
            changes,
            title: "a test".to_owned(),
            when: When::Asked,
            returns: None,
            needs: Needs::quorum(1, members).unwrap(),
        }));
        assert!(done.is_ok(), "{done:?}");
    }
}

impl Border {
    fn open() -> Self {
        Self::at(Desk::open())
    }

    /// The process ends where it is, and another one begins.
    fn restarts(&mut self) {
        let disk = self.desk.disk.crash(Pattern::Nothing, 1);
        let before = self.desk.committer.ledger().clone();
        let (governance, standing) = (before.governance(), before.register().standing());
        let after = recover(&disk, data(), &options()).unwrap().committer;
        assert_eq!(after.ledger().governance(), governance);
        assert_eq!(after.ledger().register().standing(), standing);
        let kept = Ledger::of_snapshot(&before.to_snapshot()).unwrap();
        assert_eq!(kept.governance(), governance);
        assert_eq!(kept.register().standing(), standing);
    }
}

/// An officer whose key is his own.
fn act(by: &str) -> Act {
    Act {
        by: by.parse().unwrap(),
        key: Digest::of(by.as_bytes()),
        vouched_by: None,
    }
}

#[test]
fn a_level_opens_what_rules_give_in_it_up_to_its_end_for_what_waits_too() {
    let mut border = Border::open();
    border.order("o-1");
    assert!(!border.sees_goods());
    let fallback = Measure::Level(Level::Fallback);
    let level = border.declare("customs/o-2117", fallback, Some(24));
    border.order("o-2");
    assert!(!border.sees_goods(), "one officer declares no level");
    border.confirm(level, "customs/o-0934");
    assert!(!border.sees_goods(), "what waits is given no more");
    border.order("o-3");
    assert!(border.sees_goods());
    border.restarts();
    // Its time is over, and no record has said so yet.
    border.desk.now = border.desk.now.plus(Duration::from_hours(24));
    assert_eq!(border.stage("customs", level), Stage::Holds);
    assert!(!border.sees_goods(), "what waits is narrowed");
    border.order("o-4");
    assert!(!border.sees_goods());
    assert!(matches!(
        border.stage("customs", level),
        Stage::Ended { .. }
    ));
    border.restarts();
}

#[test]
fn a_suspended_permit_gives_nothing_and_withholds_what_waits_until_its_time_is_over() {
    let mut border = Border::open();
    assert_eq!(border.item("i-1"), Outcome::Taken);
    let named = Permits::Named(["post-customs".parse().unwrap()].into());
    // Customs have no say in what the post gives.
    border.declare("customs/o-2117", Measure::Suspend(named.clone()), None);
    border.declare("customs/o-2117", Measure::Suspend(Permits::All), None);
    assert_eq!(border.item("i-2"), Outcome::Taken);
    let suspended = border.declare("post/m-0042", Measure::Suspend(named), None);
    border.restarts();
    assert!(matches!(border.item("i-3"), Outcome::Returned(_)));
    assert_eq!(
        border.newest(border.customs).routing_key,
        "carnet.withdrawn"
    );
    // It holds by the permit's name, whatever the rulebook says of it.
    let title = (RULES, "@title(\"Customs receive", "@title(\"Customs get");
    border.desk.activate(&[title]);
    assert!(matches!(border.item("i-4"), Outcome::Returned(_)));
    border.desk.now = border.desk.now.plus(MEASURE_LASTS);
    assert_eq!(border.item("i-5"), Outcome::Taken);
    assert!(matches!(
        border.stage("post", suspended),
        Stage::Ended { .. }
    ));
    let newest = border.newest(border.customs);
    assert_ne!(newest.routing_key, "carnet.withdrawn");
    border.restarts();
}

#[test]
fn a_suspension_that_was_confirmed_lasts_until_two_officers_lift_it() {
    let mut border = Border::open();
    let suspended = border.declare("post/m-0042", Measure::Suspend(Permits::All), None);
    border.confirm(suspended, "post/m-0077");
    border.desk.now = border.desk.now.plus(2 * MEASURE_LASTS);
    assert!(matches!(border.item("i-1"), Outcome::Returned(_)));
    let lift = border.declare("post/m-0077", Measure::Lift(suspended), None);
    assert!(matches!(border.item("i-2"), Outcome::Returned(_)));
    border.confirm(lift, "post/m-0042");
    assert_eq!(border.item("i-3"), Outcome::Taken);
    border.restarts();
}

#[test]
fn an_agency_is_told_once_of_what_it_should_see_to_and_of_others_that_something_is_so() {
    let mut border = Border::open();
    let investigation = border.desk.seat("customs", "investigation");
    let told = |notices: Vec<serde_json::Value>| {
        let mut texts = notices.into_iter().map(|mut notice| {
            for at in ["time", "until", "ends"] {
                notice.as_object_mut().unwrap().remove(at);
            }
            notice.to_string()
        });
        let texts: Vec<String> = texts.by_ref().collect();
        texts.join("\n")
    };
    border.propose("post", "policies/post.cedar", &["post"]);
    border.propose("board", "policies/floor.cedar", &["customs", "police"]);
    border.propose("board", "agencies/post/agency.toml", &["customs"]);
    let named = Permits::Named(["post-customs".parse().unwrap()].into());
    border.declare("post/m-0042", Measure::Suspend(named), None);
    border.declare("post/m-0042", Measure::Level(Level::Closed), Some(1));
    let ends = border.desk.now.plus(Duration::from_hours(24 * 30));
    for (days, is_news) in [(30, true), (30, false), (7, true)] {
        let done = border.does(Deed::Tell(Expiring {
            at: ends,
            agency: "customs".parse().unwrap(),
            whose: "customs/declarations".to_owned(),
            ends,
            days,
        }));
        assert_eq!(done.is_ok(), is_news, "{done:?}");
    }
    border.restarts();
    let (post, customs) = (border.post, border.customs);
    insta::assert_snapshot!(told(border.notices(post)), @r#"
    {"approvals":1,"notice":"proposal","proposal":1,"owner":"post"}
    {"approvals":1,"notice":"proposal","proposal":3,"owner":"board","about":["recovery of post"]}
    {"does":"suspend","notice":"measure","measure":1}
    {"does":"level closed","notice":"measure","measure":2}
    "#);
    insta::assert_snapshot!(told(border.notices(customs)), @r#"
    {"approvals":1,"notice":"proposal","proposal":2,"owner":"board"}
    {"approvals":1,"notice":"proposal","proposal":3,"owner":"board","about":["recovery of post"]}
    {"measure":1,"notice":"suspension","agency":"post"}
    {"days":30,"notice":"certificate","whose":"customs/declarations"}
    {"days":7,"notice":"certificate","whose":"customs/declarations"}
    "#);
    assert!(
        border.notices(investigation).is_empty(),
        "it is not the main unit"
    );
    assert!(border.notices(post).is_empty() && border.notices(customs).is_empty());
}

/// Until when something holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    No,
    To(Timestamp),
    On,
}

/// What holds at a moment of a life: that customs get nothing of the post, and what fallback opens.
#[derive(Debug, Clone, Copy)]
struct Stands {
    suspended: Holds,
    level: Holds,
}

impl Border<SimVfs> {
    /// What was suspended is not back before its end, and what a level opened is closed at it.
    fn keeps_time(&mut self, stands: Stands) {
        let before = |end: Timestamp| Timestamp::from_millis(end.as_millis() - 100);
        let long = self.desk.now.plus(3 * MEASURE_LASTS);
        if let Holds::To(end) = stands.level {
            self.desk.now = self.desk.now.max(before(end));
            self.order("late");
            assert!(self.sees_goods(), "{stands:?}");
            self.desk.now = end;
        }
        self.order("later");
        assert!(!self.sees_goods(), "{stands:?}");
        let end = match stands.suspended {
            Holds::No => return assert_eq!(self.item("open"), Outcome::Taken, "{stands:?}"),
            Holds::To(end) => end,
            Holds::On => long,
        };
        self.desk.now = self.desk.now.max(before(end));
        let is_refused = matches!(self.item("late-item"), Outcome::Returned(_));
        assert!(is_refused, "{stands:?}");
        self.desk.now = end;
        let is_refused = matches!(self.item("later-item"), Outcome::Returned(_));
        assert_eq!(
            is_refused,
            matches!(stands.suspended, Holds::On),
            "{stands:?}"
        );
    }
}

/// A life of measures on a disk of which is known what each crash leaves.
struct Watching {
    border: Border<Watched>,
    stands: Stands,
    crashes: usize,
    tried: usize,
}

impl Watching {
    /// After a crash at any call of it, what was before it or what is after it stands, and ends in time.
    /// One in five is tried; each where `CARNET_TEST_LONG` is set.
    fn does(&mut self, does: impl FnOnce(&mut Border<Watched>, Stands) -> Stands) {
        let left = |ledger: &Ledger| {
            let (governance, register) = (ledger.governance().clone(), ledger.register());
            (governance, register.standing().clone())
        };
        let desk = &self.border.desk;
        let (before, now, stood) = (left(desk.committer.ledger()), desk.now, self.stands);
        self.stands = does(&mut self.border, stood);
        let desk = &self.border.desk;
        let after = left(desk.committer.ledger());
        let every = if Tally::is_long() { 1 } else { 5 };
        for crash in desk.disk.take() {
            self.crashes += 1;
            if !self.crashes.is_multiple_of(every) {
                continue;
            }
            self.tried += 1;
            let mut again = Desk::open_on(crash, desk.border.clone(), &Record::Recovered);
            let is_left = left(again.committer.ledger());
            let is_done = is_left == after;
            assert!(is_done || is_left == before, "other measures: {is_left:?}");
            again.now = if is_done { desk.now } else { now };
            let stands = if is_done { self.stands } else { stood };
            Border::at(again).keeps_time(stands);
        }
    }
}

#[test]
fn whatever_was_suspended_or_declared_stands_and_ends_in_time_after_a_crash_at_any_call() {
    let border = crate::border::Border::read();
    let genesis = border.genesis();
    let desk = Desk::open_on(Watched::with_sectors(512), border, &genesis);
    desk.disk.take();
    let mut life = Watching {
        border: Border::at(desk),
        stands: Stands {
            suspended: Holds::No,
            level: Holds::No,
        },
        crashes: 0,
        tried: 0,
    };
    let named = Permits::Named(["post-customs".parse().unwrap()].into());
    life.does(|it, stands| {
        it.declare("post/m-0042", Measure::Suspend(Permits::All), None);
        let suspended = Holds::To(it.desk.now.plus(MEASURE_LASTS));
        Stands {
            suspended,
            ..stands
        }
    });
    life.does(|it, stands| {
        it.declare("customs/o-2117", Measure::Level(Level::Fallback), Some(48));
        stands
    });
    let ends = life.border.desk.now;
    life.does(|it, stands| {
        it.confirm(1, "customs/o-0934");
        let level = Holds::To(ends.plus(Duration::from_hours(48)));
        Stands { level, ..stands }
    });
    // An hour before the first suspension is over, another officer has one of his own, confirmed.
    life.does(|it, _| {
        it.desk.now = it.desk.now.plus(Duration::from_hours(71));
        it.declare("post/m-0077", Measure::Suspend(named), None);
        let suspended = Holds::To(it.desk.now.plus(MEASURE_LASTS));
        let level = Holds::No;
        Stands { suspended, level }
    });
    life.does(|it, stands| {
        it.confirm(2, "post/m-0042");
        let suspended = Holds::On;
        Stands {
            suspended,
            ..stands
        }
    });
    life.does(|it, stands| {
        it.desk.now = it.desk.now.plus(2 * MEASURE_LASTS);
        it.declare("post/m-0042", Measure::Lift(2), None);
        stands
    });
    life.does(|it, stands| {
        it.confirm(3, "post/m-0077");
        let suspended = Holds::No;
        Stands {
            suspended,
            ..stands
        }
    });
    println!("{} crashes, {} tried", life.crashes, life.tried);
    assert!(life.tried >= 15, "{} of {}", life.tried, life.crashes);
}
