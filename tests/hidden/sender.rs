//! Who sends, where recipients may not know it: of a unit that is not listed its agency alone, of a
//! quoted reference not even that. No length tells what they are called.

use std::collections::BTreeSet;
use std::sync::Arc;

use carnet::agency::keys::Token;
use carnet::policy::standing::Standing;

use crate::border::{Border, Change, replaced};
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

#[test]
fn a_token_does_not_tell_by_its_length_whose_reference_it_is() {
    let border = Border::with([].iter());
    let keys = border.view(&Arc::new(Standing::default())).keys;
    let unit = "environment/main".parse().unwrap();
    for (kind, value) in [
        ("s10", "CP618402774XA"),
        ("container", "CALU4188309"),
        ("mrn", "26XM00714HH41QD2R1"),
    ] {
        let sealed = border.rulebook.registry().agencies().map(|agency| {
            let token = Token {
                kind: kind.to_owned(),
                originator: agency.id.clone(),
                value: value.to_owned(),
            };
            keys.seal_token(&unit, &token).unwrap().len()
        });
        let lengths: BTreeSet<usize> = sealed.collect();
        assert_eq!(lengths.len(), 1, "{kind}: {lengths:?}");
    }
}
