//! The scan of a body: what it takes, another reader reads as the same values, and its positions
//! tile the body; what it refuses for its grammar, another reader refuses.

use carnet::message::json::{Document, Element, Kind};
use serde_json::Value;

/// The rules that are JSON's own; the others are stricter than it.
const GRAMMAR: [&str; 3] = ["utf-8", "syntax", "trailing"];

/// Whether the octets are a body that is taken.
pub(crate) fn holds(octets: &[u8]) -> bool {
    let read = serde_json::from_slice::<Value>(octets);
    let document = match Document::scan(octets) {
        Ok(document) => document,
        Err(fault) => {
            assert!(fault.at <= octets.len());
            let is_grammar = GRAMMAR.contains(&fault.rule.name);
            assert!(
                !is_grammar || read.is_err(),
                "refused by {}",
                fault.rule.name
            );
            return false;
        }
    };
    let root = document.root();
    assert_eq!(root.segment(), 0..octets.len());
    same(root, &read.expect("another reader takes it"));
    let mut elements = 0;
    tiled(root, &mut elements);
    assert_eq!(elements, document.count());
    true
}

fn same(element: Element<'_>, value: &Value) {
    match value {
        Value::Null => assert_eq!(element.kind(), Kind::Null),
        Value::Bool(true) => assert_eq!(element.kind(), Kind::True),
        Value::Bool(false) => assert_eq!(element.kind(), Kind::False),
        Value::Number(number) => {
            assert_eq!(element.kind(), Kind::Number);
            assert_eq!(
                element.raw().parse(),
                Ok(number.as_f64().unwrap_or(f64::NAN))
            );
        }
        Value::String(text) => assert_eq!(element.text().as_deref(), Some(text.as_str())),
        Value::Array(items) => {
            assert_eq!(element.kind(), Kind::Array);
            assert_eq!(element.children().count(), items.len());
            element
                .children()
                .zip(items)
                .for_each(|(child, item)| same(child, item));
        }
        Value::Object(members) => {
            assert_eq!(element.kind(), Kind::Object);
            assert_eq!(element.children().count(), members.len());
            for (child, (name, member)) in element.children().zip(members) {
                assert_eq!(child.name(), name.as_str());
                same(child, member);
            }
        }
    }
}

/// Every octet between the brackets of a container is a separator, or of one of its elements.
fn tiled(element: Element<'_>, elements: &mut usize) {
    *elements += 1;
    assert_eq!(element.raw().len(), element.range().len());
    if !matches!(element.kind(), Kind::Object | Kind::Array) {
        return;
    }
    let mut at = element.range().start + 1;
    for child in element.children() {
        let segment = child.segment();
        assert_eq!(segment.start, at);
        assert!(segment.start <= child.range().start && child.range().end <= segment.end);
        at = segment.end + 1;
        tiled(child, elements);
    }
    if element.children().next().is_some() {
        assert_eq!(at, element.range().end);
    }
}
