//! Addressees of whom a sender may not know, or from whom the message is hidden: told, paced and
//! repeated like one that is not there.

use crate::letter::Letter;
use crate::play::{PLAIN, Trial, nobody_excluded_sees_in};
use crate::world::World;

/// More than a second's.
const ORDERS: u32 = 24;

#[test]
fn one_from_whom_orders_are_hidden_is_as_one_that_is_not_there() {
    let trial = Trial {
        blank: &["police/main", "nobody/main"],
        excluded: &["customs/declarations"],
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        let to = if with { "police/main" } else { "nobody/main" };
        let order = |nth: u32| {
            let order = Letter::example("control.order/valid/story-11").id(nth);
            order.header("to", to)
        };
        let orders: Vec<Letter> = (0..ORDERS).map(order).collect();
        world.burst("customs/declarations", &orders);
        world.publish_again(0);
        let other = order(0).edit("851830", "392640");
        world.publish("customs/declarations", &other);
        world.look("customs/declarations");
    });
}

const UNLISTED: &str = "customs/investigation";
const ABSENT: &str = "customs/investigators";

const SENDERS: [&str; 3] = [
    "police/operations",
    "environment/permits",
    "customs-xa/gateway",
];

fn sent_to(world: &mut World, to: &str) {
    let seizure = |id: &str| Letter::example("seizure.report/valid/story-14").id(id);
    let both = format!("customs/main,{to}");
    for system in SENDERS {
        world.publish(system, &seizure("alone").header("to", to));
        world.publish(system, &seizure("both").header("to", &both));
        let quoting = seizure("quoting").header("to", to);
        world.publish(system, &quoting.header("case", "CASE-2026-0700"));
        let narrow = seizure("narrow").header("to", to);
        world.publish(system, &narrow.header("purpose", "law-enforcement"));
        let other = Letter::example("seizure.report/valid/drugs").id("alone");
        world.publish(system, &other.header("to", to));
    }
}

#[test]
fn one_that_is_not_listed_is_as_one_that_is_not_there() {
    let trial = Trial {
        blank: &[UNLISTED, ABSENT],
        excluded: &SENDERS,
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        let open = Letter::case("open", "CASE-2026-0700", &["customs"]).id("open");
        world.publish("police/operations", &open);
        let join = Letter::case("join", "CASE-2026-0700", &[]).id("join");
        world.publish("customs/declarations", &join);
        sent_to(world, if with { UNLISTED } else { ABSENT });
        world.publish_again(0);
        for system in SENDERS {
            world.look(system);
        }
    });
}
