//! The catalogue of the repository: every type is whole, and every example is judged as it says.
#![cfg(test)]

#[path = "support/shipped.rs"]
mod shipped;

use std::collections::BTreeSet;

use carnet::message::catalogue::Catalogue;
use carnet::message::facts::FactKind;
use carnet::message::id::Mask;
use carnet::message::{fields, project};
use serde_json::Value;
use shipped::shipped;

#[test]
fn every_type_is_whole_and_its_examples_hold() {
    if let Err(faults) = Catalogue::parse(&shipped()) {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", faults.join("\n"));
    }
}

#[test]
fn every_valid_example_is_projected_to_every_single_category_as_json() {
    let bundle = shipped();
    let catalogue = Catalogue::parse(&bundle).unwrap();
    for entry in catalogue.entries() {
        let folder = format!("messages/{}/examples/valid", entry.message_type);
        for (file, body) in bundle.below(&folder) {
            let content = fields::read(entry, body, &|_| None).unwrap();
            let present = content.spans.present();
            assert!(present.without(entry.holds).is_empty(), "{folder}/{file}");
            let mut token = |_: &project::TokenElement<'_>| "ct1~x".to_owned();
            let whole = project::project(body, &content.spans, Mask::ALL, &mut token);
            assert_eq!(whole.as_deref(), Some(body), "{folder}/{file}");
            for category in entry.holds.categories() {
                let seen = project::project(body, &content.spans, Mask::of(category), &mut token);
                assert_eq!(
                    seen.is_some(),
                    present.has(category),
                    "{folder}/{file} {category}"
                );
                if let Some(seen) = seen {
                    let seen = fields::read(entry, &seen, &|_| None).map(|c| c.spans.present());
                    // What is left mostly lacks what the schema requires; it is JSON all the same.
                    let rule = seen.err().map(|invalid| invalid.rule).unwrap_or_default();
                    assert!(
                        !["syntax", "utf-8", "trailing"].contains(&rule.as_str()),
                        "{file} {rule}"
                    );
                }
            }
        }
    }
}

/// Each time that rules read, in each example that has it, moved beyond what rules can read.
#[test]
fn no_type_takes_a_time_that_its_rules_could_not_read() {
    let bundle = shipped();
    let catalogue = Catalogue::parse(&bundle).unwrap();
    let mut moved = BTreeSet::new();
    for entry in catalogue.entries() {
        let read = entry
            .facts
            .iter()
            .filter(|fact| fact.kind == FactKind::Time);
        let places = read.flat_map(|fact| &fact.at).collect::<Vec<_>>();
        let folder = format!("messages/{}/examples/valid", entry.message_type);
        for (file, body) in bundle.below(&folder) {
            let body: Value = serde_json::from_slice(body).unwrap();
            for place in &places {
                let mut body = body.clone();
                let Some(found) = body.pointer_mut(place) else {
                    continue;
                };
                let is_day = found.as_str().unwrap().len() == 10;
                *found = Value::from(if is_day {
                    "9999-12-31"
                } else {
                    "9999-12-31T00:00:00Z"
                });
                let body = body.to_string();
                let invalid = fields::read(entry, body.as_bytes(), &|_| None).unwrap_err();
                let told = (invalid.place.as_str(), invalid.rule.as_str());
                assert_eq!(told, (place.as_str(), "range"), "{folder}/{file}");
                moved.insert(entry.message_type.clone());
            }
        }
    }
    assert_eq!(moved.len(), 7, "{moved:?}");
}
