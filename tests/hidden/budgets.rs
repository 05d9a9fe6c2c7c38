//! Limits that all units of an agency share: what one of them does, or is sent, and what another,
//! which may not know of it, is told when it comes near them.

use carnet::message::time::Timestamp;

use crate::adapter;
use crate::border::{Change, replaced};
use crate::letter::Letter;
use crate::play::{PLAIN, Trial, nobody_excluded_sees_in};
use crate::world::World;

const LIMITS: &str = "messages_per_second = 2000\nrefusals_per_minute = 600";
const FILE: &str = "agencies/customs/agency.toml";

const FEW_REFUSALS: &[Change] = &[replaced(
    FILE,
    LIMITS,
    "messages_per_second = 2000\nrefusals_per_minute = 3",
)];
const FEW_MESSAGES: &[Change] = &[replaced(
    FILE,
    LIMITS,
    "messages_per_second = 5\nrefusals_per_minute = 600",
)];
const FEW_KEPT: &[Change] = &[replaced(
    FILE,
    LIMITS,
    "messages_per_second = 2000\nrefusals_per_minute = 600\nprivate_messages = 3",
)];

/// The declarants may not know what the investigators do.
const DECLARANTS: Trial = Trial {
    excluded: &["customs/declarations"],
    seen_by: &["customs/investigation"],
    ..PLAIN
};

fn refused_order(nth: u32) -> Letter {
    let order = Letter::example("control.order/valid/scan").id(format!("hidden-{nth}"));
    order.header("to", "nobody/main")
}

#[test]
fn refusals_of_another_unit_do_not_use_up_the_minute() {
    let trial = Trial {
        without: FEW_REFUSALS,
        with: FEW_REFUSALS,
        ..DECLARANTS
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        world.wait_until(Timestamp::from_rfc3339("2026-03-17T07:30:00Z").unwrap());
        let refused = |world: &mut World| {
            for nth in 0..4 {
                world.publish("customs/investigation", &refused_order(nth));
            }
        };
        world.meanwhile(10, with.then_some(refused));
        let report = Letter::example("cargo.report/valid/story-07").id("report");
        world.publish("customs/declarations", &report);
        world.look("customs/declarations");
    });
}

#[test]
fn messages_of_another_unit_take_no_places_in_the_pace() {
    let trial = Trial {
        without: FEW_MESSAGES,
        with: FEW_MESSAGES,
        ..DECLARANTS
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        world.at_once(|world| {
            if with {
                let orders: Vec<Letter> = (0..5).map(refused_order).collect();
                world.burst("customs/investigation", &orders);
            }
            let report = |nth| Letter::example("cargo.report/valid/story-07").id(nth);
            let reports: Vec<Letter> = (0..3).map(report).collect();
            world.burst("customs/declarations", &reports);
        });
    });
}

/// A private message of the declarants, to a queue of their own.
fn kept(world: &mut World) {
    let declare = |peer: &_| adapter::declare(peer, "own", false);
    world.ask("customs/declarations", "declare own", declare);
    let mine = Letter::to_queue("own", "mine").id("private");
    world.publish("customs/declarations", &mine);
    world.drain("customs/declarations", "own");
}

#[test]
fn private_messages_of_another_unit_take_no_room() {
    let trial = Trial {
        without: FEW_KEPT,
        with: FEW_KEPT,
        ..DECLARANTS
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        let theirs = |world: &mut World| {
            let declare = |peer: &_| adapter::declare(peer, "theirs", false);
            world.ask("customs/investigation", "declare theirs", declare);
            for nth in 0..3 {
                let letter = Letter::to_queue("theirs", "theirs").id(nth);
                world.publish("customs/investigation", &letter);
            }
        };
        world.meanwhile(10, with.then_some(theirs));
        kept(world);
    });
}

#[test]
fn what_another_unit_is_sent_takes_no_room() {
    let trial = Trial {
        without: FEW_KEPT,
        with: FEW_KEPT,
        ..DECLARANTS
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        let watch = |world: &mut World| {
            let declare = |peer: &_| adapter::declare(peer, "watch", false);
            world.ask("customs/investigation", "declare watch", declare);
            world.ask("customs/investigation", "bind watch", |peer| {
                adapter::bind(peer, "watch", "inbox.investigation", "#")
            });
        };
        world.apart(watch);
        let sent = |world: &mut World| {
            for nth in 0..4 {
                let seizure = Letter::example("seizure.report/valid/drugs").id(nth);
                let seizure = seizure.header("purpose", "law-enforcement");
                world.publish("police/operations", &seizure);
            }
        };
        world.meanwhile(10, with.then_some(sent));
        kept(world);
        world.look("customs/investigation");
    });
}
