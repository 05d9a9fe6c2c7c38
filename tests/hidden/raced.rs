//! A publish that was admitted before something hidden happened, and is handed over behind it: what it
//! is told is the same. That it goes back to be ruled again takes time, and a sync: the stated limit of
//! `docs/threats.md`.

use crate::exchange::opened;
use crate::letter::Letter;
use crate::order::ordered;
use crate::play::{PLAIN, Trial, nobody_excluded_sees_in};
use crate::scripts::{FOREIGN_CASE, GIVEN_CASE};

const POST: Trial = Trial {
    excluded: &["post/items"],
    seen_by: &["police/operations", "customs/declarations"],
    untimed: true,
    ..PLAIN
};

#[test]
fn an_order_of_others_on_its_item_shows_in_no_answer_to_an_event() {
    let trial = Trial {
        seen_by: &["police/operations", "customs/investigation"],
        ..POST
    };
    nobody_excluded_sees_in(&trial, |world, with| {
        world.apart(|world| opened(world, "customs/declarations", GIVEN_CASE));
        world.at_once(|world| {
            if with {
                ordered(world, "2026-03-17T20:00:00+01:00");
            }
            let event = Letter::example("movement.event/valid/story-04").id("event");
            world.publish("post/items", &event);
        });
        world.look("police/operations");
    });
}

#[test]
fn a_case_of_others_that_it_quotes_shows_in_no_answer_to_an_item() {
    nobody_excluded_sees_in(&POST, |world, with| {
        world.at_once(|world| {
            if with {
                opened(world, "customs/declarations", FOREIGN_CASE);
            }
            let item = Letter::example("postal.item/valid/ornaments").id("item");
            world.publish("post/items", &item.header("case", FOREIGN_CASE));
        });
    });
}
