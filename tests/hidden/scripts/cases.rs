//! Steps of cases, one's own and others', and messages that quote them.

use super::{FOREIGN_CASE, GIVEN_CASE, SECRET_CASE, look};
use crate::letter::Letter;
use crate::play::Script;
use crate::world::World;

pub(crate) const CASES: Script = Script {
    name: "cases",
    limits: &[],
    round,
};

/// Cases that are customs' and the police's, and one that there never is.
const OTHERS: [&str; 4] = [FOREIGN_CASE, SECRET_CASE, GIVEN_CASE, "CASE-2026-0999"];

fn steps_of_others(world: &mut World, round: u32) {
    for case in OTHERS {
        for step in ["join", "close"] {
            let letter = Letter::case(step, case, &[]).id(format!("{round}-{step}-{case}"));
            for system in ["environment/permits", "post/items"] {
                world.publish(system, &letter);
            }
        }
    }
}

/// Quotes each of them: in a message that is released, and in one that is refused for all.
fn quotes(world: &mut World, round: u32) {
    for case in OTHERS {
        let id = format!("{round}-in-{case}");
        let item = Letter::example("postal.item/valid/ornaments").header("case", case);
        world.publish("post/items", &item.clone().id(&id));
        let refused = item.id(format!("{id}-refused")).header("to", "police/main");
        world.publish("post/items", &refused);
        world.publish("post/sorting", &refused.id(format!("{id}-sorted")));
        let seizure = Letter::example("seizure.report/valid/story-14").header("case", case);
        world.publish("customs-xa/gateway", &seizure.clone().id(&id));
        let refused = seizure.id(format!("{id}-refused"));
        let refused = refused.header("to", "environment/main");
        world.publish("customs-xa/gateway", &refused);
        let permit = Letter::example("permit.cites/valid/ivory").header("case", case);
        let permit = permit.id(&id).header("purpose", "law-enforcement");
        world.publish("environment/permits", &permit);
    }
    // What who is in the case sends, and others receive.
    let seizure = Letter::example("seizure.report/valid/story-14").header("case", FOREIGN_CASE);
    world.publish("police/operations", &seizure.id(format!("{round}-police")));
}

/// A case of the post and the environment.
fn own(world: &mut World, round: u32) {
    let case = format!("CASE-POST-{round}");
    let id = |what: &str| format!("{round}-own-{what}");
    for invites in [&["internal"][..], &["nobody"], &["environment"]] {
        let open = Letter::case("open", &case, invites).id(id(invites[0]));
        world.publish("post/items", &open);
    }
    let join = Letter::case("join", &case, &[]);
    for system in ["environment/permits", "customs-xa/gateway"] {
        world.publish(system, &join.clone().id(id("join")));
    }
    let item = Letter::example("postal.item/valid/orchids").header("case", &case);
    world.publish("post/items", &item.id(id("item")));
    world.publish(
        "post/items",
        &Letter::case("close", &case, &[]).id(id("close")),
    );
}

/// A case of the police and customs, quoted where whoever counts may be one that is not listed.
fn of_the_police(world: &mut World, round: u32) {
    let case = format!("CASE-POLICE-{round}");
    let id = |what: &str| format!("{round}-police-{what}");
    let open = Letter::case("open", &case, &["customs"]).id(id("open"));
    world.publish("police/operations", &open);
    let join = Letter::case("join", &case, &[]).id(id("join"));
    world.publish("customs/declarations", &join);
    let seizure = Letter::example("seizure.report/valid/story-14").header("case", &case);
    world.publish("police/operations", &seizure.clone().id(id("all")));
    for (name, value) in [
        ("purpose", "law-enforcement"),
        ("to", "customs/investigation"),
        ("to", "customs/main"),
        ("to", "environment/main"),
    ] {
        let letter = seizure.clone().id(id(value)).header(name, value);
        world.publish("police/operations", &letter);
    }
}

fn round(world: &mut World, round: u32) {
    steps_of_others(world, round);
    quotes(world, round);
    own(world, round);
    of_the_police(world, round);
    look(
        world,
        &[
            "post/items",
            "environment/permits",
            "customs-xa/gateway",
            "police/operations",
        ],
    );
}
