//! The unit that sends, where it is not listed: its recipients may know its agency alone, and not by
//! any length what it is called.

use crate::border::{Change, replaced};
use crate::letter::Letter;
use crate::play::{PLAIN, Trial, nobody_excluded_sees_in};

const FILE: &str = "agencies/customs/agency.toml";

const SHORT: &[Change] = &[
    replaced(
        FILE,
        "id = \"investigation\"\npurpose",
        "id = \"ops\"\npurpose",
    ),
    replaced(FILE, "unit = \"investigation\"", "unit = \"ops\""),
];

const LONG: &[Change] = &[
    replaced(
        FILE,
        "id = \"investigation\"\npurpose",
        "id = \"investigation-of-organised-crime\"\npurpose",
    ),
    replaced(
        FILE,
        "unit = \"investigation\"",
        "unit = \"investigation-of-organised-crime\"",
    ),
];

#[test]
fn ids_of_deliveries_do_not_tell_how_long_its_name_is() {
    let trial = Trial {
        without: SHORT,
        with: LONG,
        excluded: &[
            "environment/permits",
            "customs-xa/gateway",
            "police/operations",
        ],
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, _| {
        let seizure = Letter::example("seizure.report/valid/story-14").id("seizure");
        world.publish("customs/investigation", &seizure);
        for system in [
            "environment/permits",
            "customs-xa/gateway",
            "police/operations",
        ] {
            world.look(system);
        }
    });
}

#[test]
fn an_answer_to_it_is_told_the_same_whatever_it_is_called() {
    let trial = Trial {
        without: SHORT,
        with: LONG,
        excluded: &["police/operations"],
        ..PLAIN
    };
    nobody_excluded_sees_in(&trial, |world, _| {
        let seizure = Letter::example("seizure.report/valid/story-14").id("seizure");
        world.publish("customs/investigation", &seizure);
        world.look("police/operations");
        let id = world.received("police/operations", "seizure.report.customs");
        let result = Letter::example("control.result/valid/conform").id("answer");
        let result = result.with(|publish| publish.correlation_id = id);
        world.publish("police/operations", &result);
        world.publish_again(0);
        world.look("police/operations");
    });
}
