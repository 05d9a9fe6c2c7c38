//! The catalogue of the repository: every type is whole, and every example is judged as it says.
#![cfg(test)]

#[path = "message_catalogue/laws.rs"]
mod laws;
#[path = "support/shipped.rs"]
mod shipped;

use std::collections::BTreeSet;

use carnet::message::catalogue::Catalogue;
use carnet::message::facts::FactKind;
use carnet::message::id::Mask;
use carnet::message::schema::Node;
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
                    let rule = seen
                        .err()
                        .map(|faults| faults.first.rule)
                        .unwrap_or_default();
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
                let told = (invalid.first.place.as_str(), invalid.first.rule.as_str());
                assert_eq!(told, (place.as_str(), "range"), "{folder}/{file}");
                moved.insert(entry.message_type.clone());
            }
        }
    }
    assert_eq!(moved.len(), 7, "{moved:?}");
}

/// Every text of the body, one after the other.
fn texts(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(place.to_owned()),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(nth, item)| texts(item, &format!("{place}/{nth}"), found));
        }
        Value::Object(members) => {
            let members = members.iter();
            members.for_each(|(name, member)| texts(member, &format!("{place}/{name}"), found));
        }
        _ => {}
    }
}

#[test]
fn no_text_of_any_type_is_empty_blank_or_has_control_characters() {
    let bundle = shipped();
    let catalogue = Catalogue::parse(&bundle).unwrap();
    for entry in catalogue.entries() {
        let folder = format!("messages/{}/examples/valid", entry.message_type);
        for (file, body) in bundle.below(&folder) {
            let body: Value = serde_json::from_slice(body).unwrap();
            let mut places = Vec::new();
            texts(&body, "", &mut places);
            for place in places {
                for text in [
                    "", "   ", "\n", "\u{200b}", "a\u{0}b", "a\u{7f}b", "a\u{85}b",
                ] {
                    let mut body = body.clone();
                    *body.pointer_mut(&place).unwrap() = Value::from(text);
                    let body = body.to_string();
                    let read = fields::read(entry, body.as_bytes(), &|_| None);
                    let faults = read.expect_err(&format!("{folder}/{file} {place} {text:?}"));
                    let is_there = faults.iter().any(|fault| fault.place == place);
                    assert!(is_there, "{folder}/{file} {place} {text:?}: {faults:?}");
                }
            }
        }
    }
}

/// The place of each amount, with the name of its currency.
fn amounts(node: &Node, place: &str, found: &mut Vec<(String, Option<String>)>) {
    if node.is_amount() {
        let currency = node.currency.as_ref().map(ToString::to_string);
        found.push((place.to_owned(), currency));
    }
    for name in node.names() {
        amounts(
            node.member(name).unwrap(),
            &format!("{place}/{name}"),
            found,
        );
    }
    if let Some(items) = &node.items {
        amounts(items, &format!("{place}/0"), found);
    }
}

#[test]
fn every_amount_is_held_to_the_currency_beside_it_and_zeros_at_its_end_are_no_decimals() {
    let bundle = shipped();
    let catalogue = Catalogue::parse(&bundle).unwrap();
    let mut held = BTreeSet::new();
    for entry in catalogue.entries() {
        let mut places = Vec::new();
        amounts(entry.schema().plan(), "", &mut places);
        let folder = format!("messages/{}/examples/valid", entry.message_type);
        for (place, currency) in places {
            let name = currency.unwrap_or_else(|| panic!("{folder} {place} has no currency"));
            // Beside it, or around it.
            let steps = place
                .rmatch_indices('/')
                .map(|(at, _)| place.split_at(at).0);
            let currencies: Vec<_> = steps.map(|around| format!("{around}/{name}")).collect();
            for (file, body) in bundle.below(&folder) {
                let mut body: Value = serde_json::from_slice(body).unwrap();
                let (around, amount) = place.rsplit_once('/').unwrap();
                let object = body.pointer_mut(around).and_then(Value::as_object_mut);
                let Some(object) = object else { continue };
                if !object.contains_key(amount) {
                    object.insert(amount.to_owned(), Value::from("1"));
                    object.insert(name.clone(), Value::from("EUR"));
                }
                let mut currencies = currencies.iter();
                let currency = currencies.find(|currency| body.pointer(currency).is_some());
                let Some(currency) = currency else { continue };
                let read = |amount: &str, of: &str| {
                    let mut body = body.clone();
                    *body.pointer_mut(&place).unwrap() = Value::from(amount);
                    *body.pointer_mut(currency).unwrap() = Value::from(of);
                    fields::read(entry, body.to_string().as_bytes(), &|_| None)
                };
                // Others in the object may have decimals, so the fault is looked for by its place.
                let is_held = |amount: &str, of: &str| {
                    let faults = read(amount, of).err();
                    faults.is_some_and(|all| all.iter().any(|fault| fault.place == place))
                };
                for (amount, of) in [("1500.5", "JPY"), ("1.234", "EUR"), ("1.2345", "KWD")] {
                    assert!(is_held(amount, of), "{folder}/{file} {place} {amount} {of}");
                }
                for (amount, of) in [("1500.00", "JPY"), ("1.2300", "EUR"), ("1.1250", "KWD")] {
                    assert!(
                        !is_held(amount, of),
                        "{folder}/{file} {place} {amount} {of}"
                    );
                }
                held.insert(format!("{} {place}", entry.message_type));
            }
        }
    }
    assert!(held.contains("postal.item /PostageAmount"), "{held:?}");
}

#[test]
fn each_rule_that_an_example_breaks_is_on_the_page_of_refusals() {
    let page = include_str!("../docs/refusals.md");
    let bundle = shipped();
    let catalogue = Catalogue::parse(&bundle).unwrap();
    for entry in catalogue.entries() {
        let folder = format!("messages/{}/examples/invalid", entry.message_type);
        let examples = bundle.below(&folder);
        for (file, body) in examples.filter(|(file, _)| *file != "expected.csv") {
            let faults = fields::read(entry, body, &|_| None).unwrap_err();
            for fault in faults.iter() {
                let rule = fault.rule.split(':').next().unwrap();
                let is_there = page.contains(&format!("| `{rule}"));
                assert!(
                    is_there && !fault.says.is_empty(),
                    "{folder}/{file} {fault}"
                );
            }
        }
    }
}
