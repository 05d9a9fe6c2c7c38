//! The day of the story, without its accidents: fifteen messages of five agencies and two cases.

use super::look;
use crate::letter::Letter;
use crate::play::Script;
use crate::world::World;

pub(crate) const STORY: Script = Script {
    name: "the day of the story",
    limits: &[],
    round,
};

const IPR: &str = "CASE-2026-0317";
const WILDLIFE: &str = "CASE-2026-0318";

/// Who sends which example, to whom, in which case.
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

const MORNING: [Row; 4] = [
    ("post/items", "postal.item/valid/story-01", None, None),
    (
        "customs/declarations",
        "risk.assessment/valid/story-02",
        None,
        None,
    ),
    (
        "customs/declarations",
        "control.order/valid/story-03",
        Some("environment/main,post/main"),
        None,
    ),
    ("post/items", "movement.event/valid/story-04", None, None),
];

const NOON: [Row; 3] = [
    (
        "customs/declarations",
        "cargo.report/valid/story-07",
        None,
        None,
    ),
    (
        "customs/declarations",
        "declaration.import/valid/story-08",
        None,
        None,
    ),
    (
        "police/operations",
        "police.alert/valid/story-09",
        None,
        None,
    ),
];

const AFTERNOON: [Row; 6] = [
    (
        "customs/declarations",
        "declaration.import/valid/story-10",
        None,
        Some(IPR),
    ),
    (
        "customs/investigation",
        "control.order/valid/story-11",
        None,
        Some(IPR),
    ),
    (
        "customs/declarations",
        "control.result/valid/story-12",
        None,
        Some(WILDLIFE),
    ),
    (
        "customs/declarations",
        "postal.response/valid/story-13",
        Some("post/main"),
        None,
    ),
    (
        "customs/declarations",
        "seizure.report/valid/story-14",
        None,
        Some(WILDLIFE),
    ),
    (
        "customs/declarations",
        "aeo.status/valid/story-15",
        None,
        None,
    ),
];

const ALL: [&str; 5] = [
    "post/items",
    "environment/permits",
    "customs-xa/gateway",
    "police/operations",
    "customs/declarations",
];

fn send(world: &mut World, round: u32, rows: &[Row]) {
    for (system, example, to, case) in rows {
        if !world.has(system) {
            continue;
        }
        let mut letter = Letter::example(example).id(format!("{round}-{example}"));
        for (name, value) in [("to", to), ("case", case)] {
            if let Some(value) = value {
                letter = letter.header(name, value);
            }
        }
        world.publish(system, &letter);
    }
}

fn case(world: &mut World, system: &'static str, (step, case): (&str, &str), round: u32) {
    let invites: &[&str] = match system {
        "police/operations" => &["customs"],
        _ => &["police"],
    };
    let letter = Letter::case(step, case, invites).id(format!("{round}-{step}-{case}"));
    world.publish(system, &letter);
}

fn inquiry(world: &mut World, round: u32) {
    let asked = Letter::example("inquiry.request/valid/story-05").id(format!("{round}-asked"));
    world.publish(
        "customs/declarations",
        &asked.header("to", "environment/main"),
    );
    world.look("environment/permits");
    let id = world.received("environment/permits", "inquiry.request.customs");
    let answer = Letter::example("inquiry.response/valid/story-06").id(format!("{round}-answer"));
    let answer = answer.header("to", "customs/main");
    world.publish(
        "environment/permits",
        &answer.with(|publish| publish.correlation_id = id),
    );
}

fn round(world: &mut World, round: u32) {
    send(world, round, &MORNING);
    case(world, "customs/declarations", ("open", WILDLIFE), round);
    inquiry(world, round);
    send(world, round, &NOON);
    case(world, "police/operations", ("open", IPR), round);
    case(world, "customs/declarations", ("join", IPR), round);
    case(world, "police/operations", ("join", WILDLIFE), round);
    send(world, round, &AFTERNOON);
    look(world, &ALL);
}
