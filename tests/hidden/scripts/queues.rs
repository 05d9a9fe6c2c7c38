//! Declarations, passive and active, of standing queues and of one's own; what is in them.

use crate::adapter;
use crate::letter::Letter;
use crate::play::Script;
use crate::world::World;

pub(crate) const QUEUES: Script = Script {
    name: "queues",
    limits: &[],
    round,
};

const SYSTEMS: [&str; 5] = [
    "post/items",
    "post/sorting",
    "environment/permits",
    "customs-xa/gateway",
    "customs/declarations",
];

/// Standing queues of the unit, of another unit of the agency, and of nobody.
const STANDING: [&str; 6] = [
    "inbox",
    "receipts",
    "dead",
    "inbox.investigation",
    "receipts.investigation",
    "inbox.nobody",
];

fn declared(world: &mut World, system: &'static str, queue: &str, passive: bool) {
    let what = if passive { "look at" } else { "declare" };
    world.ask(system, &format!("{what} {queue}"), |peer| {
        adapter::declare(peer, queue, passive)
    });
}

fn bound(world: &mut World, system: &'static str, queue: &str) {
    for exchange in ["inbox", "inbox.investigation"] {
        world.ask(system, &format!("bind {queue} to {exchange}"), |peer| {
            adapter::bind(peer, queue, exchange, "#")
        });
    }
}

fn queues_of(world: &mut World, system: &'static str, round: u32) {
    for queue in STANDING {
        declared(world, system, queue, true);
        declared(world, system, queue, false);
        world.drain(system, queue);
    }
    for exchange in ["carnet", "inbox", "inbox.investigation", "inbox.nobody"] {
        for passive in [true, false] {
            world.ask(system, &format!("exchange {exchange}"), |_| {
                Ok(adapter::declare_exchange(exchange, passive))
            });
        }
    }
    let own = format!("own-{round}");
    declared(world, system, &own, true);
    declared(world, system, &own, false);
    bound(world, system, &own);
    let letter = Letter::to_queue(&own, "mine").id(format!("{round}-private"));
    world.publish(system, &letter);
    declared(world, system, &own, true);
    world.drain(system, &own);
    world.ask(system, &format!("delete {own}, if empty"), |_| {
        Ok(adapter::delete(&own, true))
    });
}

/// A queue of the post's that has had releases and is bound no more, looked at by the system that may
/// not have them.
fn shared(world: &mut World, round: u32) {
    let queue = format!("shared-{round}");
    declared(world, "post/items", &queue, false);
    declared(world, "post/sorting", &queue, true);
    bound(world, "post/items", &queue);
    let response = Letter::example("postal.response/valid/story-13").header("to", "post/main");
    world.publish(
        "customs/declarations",
        &response.id(format!("{round}-response")),
    );
    let unbind = |_: &_| Ok(adapter::unbind(&queue, "inbox", "#"));
    world.ask("post/items", "unbind", unbind);
    declared(world, "post/sorting", &queue, true);
    world.drain("post/sorting", &queue);
    world.drain("post/items", &queue);
}

fn round(world: &mut World, round: u32) {
    let item = Letter::example("postal.item/valid/orchids").id(format!("{round}-item"));
    world.publish("post/items", &item);
    if round == 0 {
        world.consume("post/items", "inbox");
        world.consume("post/sorting", "receipts");
    }
    for system in SYSTEMS {
        queues_of(world, system, round);
    }
    shared(world, round);
}
