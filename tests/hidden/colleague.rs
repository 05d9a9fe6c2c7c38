//! What a unit is sent, and a system of that unit that does not read `inbox`: neither that something
//! came nor how much may show to it, in the standing queues or in those that its colleagues declared.

use crate::adapter;
use crate::letter::Letter;
use crate::play::{PLAIN, Trial, nobody_excluded_sees_in};
use crate::world::World;

const SORTING: Trial = Trial {
    excluded: &["post/sorting"],
    seen_by: &["post/items"],
    ..PLAIN
};

/// Customs' answers to the post: some wait in its inbox, one has expired there.
fn sent(world: &mut World) {
    for nth in 0..3 {
        let letter = Letter::example("postal.response/valid/story-13").header("to", "post/main");
        world.publish(
            "customs/declarations",
            &letter.id(format!("hidden-response-{nth}")),
        );
    }
    let letter = Letter::example("postal.response/valid/present").header("to", "post/main");
    let letter = letter.with(|publish| publish.expiration = Some("1".to_owned()));
    world.publish("customs/declarations", &letter.id("hidden-expired"));
}

fn looked_at(world: &mut World, system: &'static str, queue: &str, passive: bool) {
    let what = if passive { "look at" } else { "declare" };
    world.ask(system, &format!("{what} {queue}"), |peer| {
        adapter::declare(peer, queue, passive)
    });
}

#[test]
fn counts_of_standing_queues_do_not_show_what_came() {
    nobody_excluded_sees_in(&SORTING, |world, with| {
        for round in 0..2 {
            for queue in ["inbox", "receipts", "dead"] {
                looked_at(world, "post/sorting", queue, true);
                looked_at(world, "post/sorting", queue, false);
                world.drain("post/sorting", queue);
            }
            let item = Letter::example("postal.item/valid/orchids").id(round);
            world.publish("post/sorting", &item);
            world.meanwhile(10, with.then_some(sent));
        }
        world.look("post/items");
    });
}

#[test]
fn consumers_of_an_inbox_do_not_show() {
    nobody_excluded_sees_in(&SORTING, |world, with| {
        looked_at(world, "post/sorting", "inbox", true);
        world.meanwhile(
            3,
            with.then_some(|world| world.consume("post/items", "inbox")),
        );
        looked_at(world, "post/sorting", "inbox", true);
    });
}

/// A queue that takes what comes, for a while.
fn bound(world: &mut World) {
    looked_at(world, "post/items", "kept", false);
    world.ask("post/items", "bind", |peer| {
        adapter::bind(peer, "kept", "inbox", "#")
    });
}

#[test]
fn a_queue_that_is_bound_no_more_does_not_show_what_came() {
    nobody_excluded_sees_in(&SORTING, |world, with| {
        bound(world);
        looked_at(world, "post/sorting", "kept", true);
        world.meanwhile(10, with.then_some(sent));
        world.ask("post/items", "unbind", |_| {
            Ok(adapter::unbind("kept", "inbox", "#"))
        });
        looked_at(world, "post/sorting", "kept", true);
        looked_at(world, "post/sorting", "kept", false);
        world.drain("post/sorting", "kept");
        let mine = Letter::to_queue("kept", "mine").id("private");
        world.publish("post/sorting", &mine);
        world.drain("post/sorting", "kept");
        world.drain("post/items", "kept");
    });
}
