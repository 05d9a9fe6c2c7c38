//! The catalogue: what may be exchanged, one folder of `messages/` a type.
//!
//! ```text
//! messages/<type>/message.toml            names, senders, keys, facts
//!                 schema.json             elements, categories, tokens
//!                 codes/NAME.txt          code lists: "format": "code:NAME"
//!                 examples/valid/*        are admitted
//!                 examples/invalid/*      are rejected as examples/invalid/expected.csv says
//! ```
//! [`Catalogue::parse`] reads one from folders: a type whose examples do not hold is none.
//! [`Catalogue::load`] reads what a log holds: its examples held when it was written, and a later
//! release may refuse what they show.

mod codes;
mod examples;
mod manifest;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bundle::{Bundle, Fault};
pub use super::entry::{Addressed, KeyRule, MessageEntry};
use super::facts::FactKind;
use super::id::MessageType;
use super::schema::{Node, Schema};
pub use codes::unused_lists;

/// All message types of a rulebook.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<MessageType, Arc<MessageEntry>>,
}

impl Catalogue {
    /// Reads `messages/` of a bundle. All faults, each with its place and cure.
    pub fn parse(bundle: &Bundle) -> Result<Self, Vec<Fault>> {
        Self::read(bundle, examples::run)
    }

    /// Reads `messages/` of a bundle without running the examples. All faults, each with its place and
    /// cure.
    pub fn load(bundle: &Bundle) -> Result<Self, Vec<Fault>> {
        Self::read(bundle, |_, _, _| Vec::new())
    }

    fn read(bundle: &Bundle, examples: Examples) -> Result<Self, Vec<Fault>> {
        let (mut entries, mut faults) = (BTreeMap::new(), Vec::new());
        let mut entities: BTreeMap<String, String> = BTreeMap::new();
        for name in bundle.folders("messages") {
            match entry(bundle, name, examples) {
                Ok(entry) => {
                    if let Some(other) = entities.insert(entry.entity.clone(), name.to_owned()) {
                        let says = format!("names the entity {}, as {other} does", entry.entity);
                        let place = format!("messages/{name}/message.toml: entity");
                        faults.push(Fault::new(place, says, "give each type its own"));
                    }
                    entries.insert(entry.message_type.clone(), Arc::new(entry));
                }
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() {
            Ok(Self { entries })
        } else {
            Err(faults)
        }
    }

    /// The type's entry.
    pub fn get(&self, message_type: &str) -> Option<&Arc<MessageEntry>> {
        self.entries.get(message_type)
    }

    /// All entries by name.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<MessageEntry>> {
        self.entries.values()
    }
}

/// What is wrong with the examples of a type in a folder.
type Examples = fn(&Bundle, &str, &MessageEntry) -> Vec<Fault>;

/// One type, from its folder.
fn entry(bundle: &Bundle, name: &str, examples: Examples) -> Result<MessageEntry, Vec<Fault>> {
    let folder = format!("messages/{name}");
    let place = format!("{folder}/message.toml");
    let mut faults = Vec::new();
    let manifest = match bundle.text(&place) {
        Ok(text) => manifest::parse(name, &place, text)
            .map_err(|found| faults.extend(found))
            .ok(),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let codes = codes::parse(bundle, &folder, &mut faults);
    let schema_place = format!("{folder}/schema.json");
    let schema = match bundle.text(&schema_place) {
        Ok(text) => Schema::compile(&schema_place, text.as_bytes(), &codes)
            .map_err(|found| faults.extend(found))
            .ok(),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let (Some(mut manifest), Some(mut schema)) = (manifest, schema) else {
        return Err(faults);
    };
    mark(&manifest, &place, schema.plan_mut(), &mut faults);
    for fact in &mut manifest.facts {
        let places = fact.at.iter().filter_map(|at| schema.plan().at(at));
        let ranges: Vec<(i64, i64)> = places.map(|node| node.range).collect();
        let least = ranges.iter().map(|range| range.0).min();
        let most = ranges.iter().map(|range| range.1).max();
        fact.range = least.zip(most).unwrap_or(fact.range);
    }
    let entry = MessageEntry {
        message_type: manifest.message_type,
        entity: manifest.entity,
        edition: manifest.edition,
        title: manifest.title,
        standard: manifest.standard,
        senders: manifest.senders,
        addressed: manifest.addressed,
        max_size_bytes: manifest.max_size_bytes,
        keys: manifest.keys,
        facts: manifest.facts,
        holds: schema.plan().holds(),
        has_tokens: schema.plan().has_token,
        schema,
    };
    if faults.is_empty() {
        faults = examples(bundle, &folder, &entry);
    }
    if faults.is_empty() {
        Ok(entry)
    } else {
        Err(faults)
    }
}

/// Marks in the plan what keys and facts read; a fault where there is no such place, or not of
/// their kind.
fn mark(manifest: &manifest::Manifest, place: &str, plan: &mut Node, faults: &mut Vec<Fault>) {
    let mut fault = |of: &str, says: String, cure: &str| {
        faults.push(Fault::new(format!("{place}: {of}"), says, cure));
    };
    for (index, key) in manifest.keys.iter().enumerate() {
        let of = format!("key {}", key.name);
        if key.name.parse::<super::id::UnitName>().is_err() {
            fault(
                &of,
                "is no key's name".to_owned(),
                "small letters, digits and hyphens",
            );
        }
        match plan.at_mut(&key.at) {
            Some(node) if node.types == ["string"] => node.keys.push(index),
            Some(_) => fault(
                &of,
                format!("reads {}, which is no text", key.at),
                "read an element of type string",
            ),
            None => fault(
                &of,
                format!("reads {}, which the schema does not have", key.at),
                "mend `at`",
            ),
        }
        let Some(at) = &key.qualifier else { continue };
        if at.contains('*') || plan.at_mut(at).is_none_or(|node| node.types != ["string"]) {
            let says = format!("is told apart by {at}, which is no single text of the schema");
            fault(&of, says, "name a text outside all arrays");
        }
    }
    for (index, fact) in manifest.facts.iter().enumerate() {
        let of = format!("facts.{}", fact.name);
        if fact.at.is_empty() {
            fault(&of, "reads nothing".to_owned(), "say where in `at`");
        }
        for at in &fact.at {
            match plan.at_mut(at) {
                Some(node) if suits(&fact.kind, node) => node.facts.push(index),
                Some(_) => {
                    let says = format!("cannot be made of {at}");
                    fault(
                        &of,
                        says,
                        "read an element that suits `as`: docs/joining.md has the list",
                    );
                }
                None => {
                    let says = format!("reads {at}, which the schema does not have");
                    fault(&of, says, "mend `at`");
                }
            }
        }
    }
    plan.settle();
}

/// Whether a fact of this kind can be made of such an element.
fn suits(kind: &FactKind, node: &Node) -> bool {
    let format = node.format.map(|format| format.name);
    match kind {
        FactKind::Present => true,
        FactKind::Integer => node.types == ["integer"],
        FactKind::Areas | FactKind::Equals(_) => node.types == ["string"],
        FactKind::HsPrefixes => format == Some("hs"),
        FactKind::Time => matches!(format, Some("date" | "date-time")),
    }
}

#[cfg(test)]
mod tests;
