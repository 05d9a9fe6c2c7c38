//! What one does to find out: orders, results and events on the very item that something hidden is
//! about, tokens and ids of others quoted, steps of the case.

use super::{FOREIGN_CASE, GIVEN_CASE, SECRET_CASE, look};
use crate::letter::Letter;
use crate::play::Script;
use crate::world::World;

pub(crate) const PROBES: Script = Script {
    name: "probes",
    limits: &[],
    round,
};

const EXCLUDED: [&str; 3] = ["post/items", "environment/permits", "customs-xa/gateway"];

fn orders(world: &mut World, round: u32) {
    for to in ["police/main", "customs/investigation", "nobody/main"] {
        let letter = Letter::example("control.order/valid/story-11").header("to", to);
        for case in [FOREIGN_CASE, SECRET_CASE, GIVEN_CASE] {
            let id = format!("{round}-{to}-{case}");
            let letter = letter.clone().id(id).header("case", case);
            for system in EXCLUDED {
                world.publish(system, &letter);
            }
        }
        // Customs may send orders: to whom, is another matter.
        let letter = letter.id(format!("{round}-{to}"));
        world.publish("customs/declarations", &letter);
    }
}

/// Events on the item and on the container: released to some, and refused for all.
fn events(world: &mut World, round: u32) {
    let id = |what: &str| format!("{round}-{what}");
    let item = Letter::example("movement.event/valid/story-04");
    let container = Letter::example("movement.event/valid/arrived");
    world.publish("post/items", &item.clone().id(id("event")));
    for to in ["police/main", "environment/main"] {
        let refused = item.clone().id(id(to)).header("to", to);
        world.publish("post/items", &refused);
        let refused = refused.id(id(&format!("{to}-sorted")));
        world.publish("post/sorting", &refused);
    }
    for (what, letter) in [("item", item), ("container", container.clone())] {
        world.publish("customs/declarations", &letter.id(id(what)));
    }
    let quoting = container.header("case", GIVEN_CASE);
    world.publish("customs/declarations", &quoting.id(id("quoting")));
    let report = Letter::example("cargo.report/valid/story-07");
    world.publish("customs/declarations", &report.id(id("report")));
    let result = Letter::example("control.result/valid/timber");
    world.publish("environment/permits", &result.id(id("result")));
}

/// Tokens and ids that are another unit's, or nobody's.
fn quoted(world: &mut World, round: u32) {
    let id = |what: &str| format!("{round}-{what}");
    let token = format!("ct1~AA{}", "Q".repeat(80));
    let item = Letter::example("postal.item/valid/ornaments").edit("CP618402774XA", &token);
    world.publish("post/items", &item.id(id("token")));
    let customs = world.received("customs/declarations", "postal.item.post");
    for (nth, correlation) in [customs, Some(format!("cd1~AA{}", "Q".repeat(103)))]
        .into_iter()
        .enumerate()
    {
        let answer = Letter::example("inquiry.response/valid/story-06");
        let answer = answer.id(id(&format!("answer-{nth}")));
        let answer = answer.with(|publish| publish.correlation_id = correlation);
        for system in EXCLUDED {
            world.publish(system, &answer);
        }
    }
}

fn round(world: &mut World, round: u32) {
    let item = Letter::example("postal.item/valid/orchids").id(format!("{round}-item"));
    world.publish("post/items", &item);
    world.look("customs/declarations");
    orders(world, round);
    events(world, round);
    quoted(world, round);
    look(world, &EXCLUDED);
    world.look("customs/declarations");
}
