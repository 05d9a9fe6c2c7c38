//! What was recorded is ruled again: the same where nothing was altered, and what was altered is named.

use std::sync::Arc;

use carnet::backbone::keeper::decoded;
use carnet::broker::record::{Exchange, Outcome, Record, Released};
use carnet::broker::replay::{Basis, Differs, History, Replayed};
use carnet::journal::Lsn;
use carnet::message::id::Mask;

use carnet::policy::rulebook::Rulebook;
use carnet::policy::words::Onward;
use carnet_disk::SimVfs;

use crate::border::{Border, publish};
use crate::desk::Desk;
use crate::ring::ring;

const POST: (&str, &str, &str) = (
    "policies/post.cedar",
    "     Border::Action::\"disclose:goods\",\n     Border::Action::\"disclose:postal\"],",
    "     Border::Action::\"disclose:postal\"],",
);

/// An exchange as it was recorded, with what was in force.
struct Told {
    exchange: Exchange,
    frame: bytes::Bytes,
    basis: Basis,
}

impl Told {
    fn differs(&self) -> Vec<&'static str> {
        let replayed = Replayed::open(&self.exchange, &self.frame, &ring()).unwrap();
        let differs = replayed.differences(&self.basis.at(self.exchange.at));
        differs.iter().map(Differs::name).collect()
    }

    /// With something else in its record.
    fn altered(&self, alter: impl FnOnce(&mut Exchange)) -> Vec<&'static str> {
        let mut exchange = self.exchange.clone();
        alter(&mut exchange);
        let (frame, basis) = (self.frame.clone(), self.basis.clone());
        let told = Self {
            exchange,
            frame,
            basis,
        };
        told.differs()
    }
}

/// All exchanges of a log, with what its records say was in force.
fn told(desk: &Desk<SimVfs>, rulebooks: &[Arc<Rulebook>]) -> Vec<Told> {
    let reader = desk.committer.journal().reader();
    let (mut history, mut found) = (History::default(), Vec::new());
    let mut rulebooks = rulebooks.iter();
    for stored in reader.scan(Lsn::START) {
        let stored = stored.unwrap();
        let record = decoded(&stored).unwrap();
        if let Record::Exchange(exchange) = &record {
            found.push(Told {
                exchange: (**exchange).clone(),
                frame: reader.frame(stored.frame.as_ref().unwrap()).unwrap(),
                basis: history.basis().unwrap(),
            });
        }
        history.apply(&record, stored.lsn);
        if matches!(record, Record::Genesis(_) | Record::Activated(_)) {
            history.enter(Arc::clone(rulebooks.next().unwrap()));
        }
    }
    found
}

/// A day with a case, an order, a hidden exchange and another rulebook.
fn day() -> Vec<Told> {
    let mut desk = Desk::open();
    let rulebook = |border: &Border| border.view(&Arc::default()).rulebook;
    let mut rulebooks = vec![rulebook(&desk.border)];
    let post = desk.seat("post", "items");
    let customs = desk.seat("customs", "declarations");
    let police = desk.seat("police", "operations");
    let case = |step: &str, id: &str, more: &str| {
        publish(
            step,
            id,
            format!("{{\"CaseID\": \"C-1\"{more}}}").as_bytes(),
            &[],
        )
    };
    let opens = r#", "Areas": ["drugs"], "Invites": ["police"]"#;
    desk.publish(customs, &case("case.open", "c-1", opens));
    desk.publish(police, &case("case.join", "c-2", ""));
    desk.example(post, "postal.item/valid/orchids", "p-1", &[]);
    let in_case = [("case", "C-1")];
    desk.example(
        customs,
        "declaration.import/valid/story-10",
        "d-1",
        &in_case,
    );
    let to = [("to", "environment/main+post/main")];
    desk.example(customs, "control.order/valid/story-03", "o-1", &to);
    desk.example(post, "movement.event/valid/story-04", "m-1", &[]);
    desk.activate(&[POST]);
    rulebooks.push(rulebook(&desk.border));
    desk.example(post, "postal.item/valid/orchids", "p-2", &[]);
    desk.publish(customs, &case("case.close", "c-3", ""));
    desk.example(
        customs,
        "declaration.import/valid/story-10",
        "d-2",
        &in_case,
    );
    told(&desk, &rulebooks)
}

#[test]
fn an_exchange_comes_out_as_it_was_recorded_and_whatever_is_altered_of_it_is_named() {
    let day = day();
    assert_eq!(day.len(), 6);
    for told in &day {
        assert!(told.differs().is_empty(), "{:?}", told.exchange);
    }
    assert_ne!(day[0].exchange.rulebook, day[4].exchange.rulebook);
    assert_ne!(day[1].exchange.recipients, day[5].exchange.recipients);
    what_is_altered_is_named(&day[0]);
    what_was_not_in_force_is_found(&day);
}

/// What the first of its recipients got.
fn first(exchange: &mut Exchange) -> &mut Released {
    match &mut exchange.recipients[0].outcome {
        Outcome::Released(released) => released,
        Outcome::Refused { .. } => panic!("it got nothing"),
    }
}

fn what_is_altered_is_named(item: &Told) {
    let recipient = ["recipient"];
    assert_eq!(item.altered(|it| drop(it.recipients.remove(0))), recipient);
    let alters: [fn(&mut Released); 5] = [
        |it| it.mask = Mask::NONE,
        |it| it.policies.clear(),
        |it| it.withholding.push("floor-secret".parse().unwrap()),
        |it| it.retain_days += 1,
        |it| it.onward = Onward::NoOnward,
    ];
    for alter in alters {
        assert_eq!(item.altered(|it| alter(first(it))), recipient);
    }
    assert_eq!(item.altered(|it| it.recipients[0].known ^= true), ["known"]);
    assert_eq!(item.altered(|it| it.holds = Mask::NONE), ["holds"]);
    assert_eq!(item.altered(|it| it.case_shown = false), ["case"]);
    assert_eq!(
        item.altered(|it| it.errors.push("x".parse().unwrap())),
        ["errors"]
    );
    assert_eq!(item.altered(|it| it.reads.keys.clear()), ["reads"]);
    assert_eq!(item.altered(|it| it.facts.0[0] ^= 1), ["message"]);
    assert_eq!(item.altered(|it| it.rulebook.0[0] ^= 1), ["rulebook"]);
    // Numbers and queues are no ruling.
    let numbered = item.altered(|it| {
        first(it).number += 7;
        first(it).queues.clear();
    });
    assert!(numbered.is_empty());
}

fn what_was_not_in_force_is_found(day: &[Told]) {
    // The rules of the morning do not give what those of the afternoon gave.
    let later = Told {
        exchange: day[4].exchange.clone(),
        frame: day[4].frame.clone(),
        basis: Basis {
            rulebook: Arc::clone(&day[0].basis.rulebook),
            standing: Arc::clone(&day[4].basis.standing),
        },
    };
    assert_eq!(later.differs(), ["rulebook", "recipient", "reads"]);
    // A case that is left out of the log.
    let declared = Told {
        exchange: day[1].exchange.clone(),
        frame: day[1].frame.clone(),
        basis: Basis {
            standing: Arc::default(),
            ..day[1].basis.clone()
        },
    };
    let found = declared.differs();
    assert!(
        found.contains(&"recipient") && found.contains(&"reads"),
        "{found:?}"
    );
    // The frame of another message does not even open; one that was altered is not the one vouched for.
    assert!(Replayed::open(&day[0].exchange, &day[1].frame, &ring()).is_err());
}
