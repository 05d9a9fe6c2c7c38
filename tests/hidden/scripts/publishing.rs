//! Publishes with each kind of fault, to each kind of addressee, and ids used again for other content.

use super::look;
use crate::letter::Letter;
use crate::play::Script;
use crate::world::World;

pub(crate) const PUBLISHING: Script = Script {
    name: "publishing",
    limits: &[],
    round,
};

fn item(id: &str) -> Letter {
    Letter::example("postal.item/valid/ornaments").id(id)
}

fn faults(world: &mut World, round: u32) {
    let id = format!("{round}-fault");
    let plain = || item(&id);
    let encoding = |publish: &mut carnet::message::envelope::Publish| {
        publish.content_encoding = Some("gzip".to_owned());
    };
    let letters = [
        plain().with(|publish| publish.message_id = None),
        plain().with(|publish| publish.user_id = Some("police-operations".to_owned())),
        plain().with(encoding),
        plain().with(|publish| publish.expiration = Some("soon".to_owned())),
        plain().header("x-carnet-sender", "police/main"),
        plain().header("to", " , "),
        plain().header("to", "customs"),
        plain().header("purpose", "curiosity"),
        Letter::new("postal.parcel", "{}").id(&id),
        Letter::new("police.alert", "{}").id(&id),
        Letter::example("postal.item/invalid/wrong-check-digit").id(&id),
        Letter::new("postal.item", "{").id(&id),
    ];
    for letter in &letters {
        world.publish("post/items", letter);
    }
}

/// Known, unlisted, absent, and lists of them.
const ADDRESSEES: [&str; 8] = [
    "customs/main",
    "police/main",
    "customs/investigation",
    "customs/nobody",
    "nobody/main",
    "internal/main",
    "customs/main,customs/investigation",
    "environment/main,customs/investigation,nobody/main",
];

fn addressed(world: &mut World, round: u32) {
    for to in ADDRESSEES {
        world.publish(
            "post/items",
            &item(&format!("{round}-to-{to}")).header("to", to),
        );
    }
    for to in ["customs/investigation", "customs/nobody", "police/main"] {
        let id = format!("{round}-to-{to}");
        let seizure = Letter::example("seizure.report/valid/story-14").id(&id);
        for system in ["environment/permits", "customs-xa/gateway"] {
            world.publish(system, &seizure.clone().header("to", to));
        }
        let alert = Letter::example("police.alert/valid/item").id(&id);
        world.publish("police/operations", &alert.header("to", to));
    }
    for purpose in ["law-enforcement", "integrity", "customs-control"] {
        let id = format!("{round}-for-{purpose}");
        let seizure = Letter::example("seizure.report/valid/drugs").id(&id);
        for system in ["environment/permits", "police/operations"] {
            world.publish(system, &seizure.clone().header("purpose", purpose));
        }
        world.publish("post/items", &item(&id).header("purpose", purpose));
        let status = Letter::example("continuity.status/valid/fallback").id(&id);
        let status = status.header("purpose", purpose);
        world.publish("customs-xa/gateway", &status);
    }
}

fn others(world: &mut World, round: u32) {
    let id = |what: &str| format!("{round}-{what}");
    let odd = item(&id("odd")).header("smuggled", "canary");
    let odd = odd.with(|publish| publish.correlation_id = Some("canary".to_owned()));
    world.publish("post/items", &odd);
    let examples = [
        ("environment/permits", "permit.cites/valid/ivory"),
        ("customs-xa/gateway", "declaration.export/valid/orchids"),
        ("customs-xa/gateway", "continuity.status/valid/fallback"),
        ("police/operations", "risk.assessment/valid/drugs"),
        ("customs/declarations", "release.notice/valid/permit-used"),
        ("customs/declarations", "movement.event/valid/arrived"),
        ("post/sorting", "postal.item/valid/orchids"),
    ];
    for (system, example) in examples {
        world.publish(system, &Letter::example(example).id(id(example)));
    }
    let refused = item(&id("exception")).header("to", "police/main");
    world.publish("post/sorting", &refused);
    // The same ids for other messages: after a release, after a refusal, and by the other system.
    let other = Letter::example("postal.item/valid/letter");
    for (system, what) in [
        ("post/items", "odd"),
        ("post/items", "to-police/main"),
        ("post/sorting", "exception"),
        ("post/sorting", "postal.item/valid/orchids"),
        ("post/sorting", "odd"),
    ] {
        let again = other.clone().id(id(what));
        world.publish(system, &again);
        world.publish(system, &again.header("to", "police/main"));
    }
}

fn round(world: &mut World, round: u32) {
    faults(world, round);
    addressed(world, round);
    others(world, round);
    look(
        world,
        &[
            "post/items",
            "environment/permits",
            "customs-xa/gateway",
            "police/operations",
            "customs/declarations",
        ],
    );
}
