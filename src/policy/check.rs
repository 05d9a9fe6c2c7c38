//! What a rulebook must satisfy beyond being readable: each fault with its place and cure.
//!
//! An agency's file opens that agency's data alone, the floor only forbids, every name names
//! something. What Cedar's validator finds is passed on with the line it stands in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{PolicySet, ValidationMode, Validator};

use crate::agency::board::BOARD_PATH;
use crate::agency::officer::BOARD;
use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::Catalogue;
use crate::message::nearest;

use super::agreement::Board;
use super::change::agency_file;
use super::head::Recipient;
use super::parts::Parts;
use super::schema::committed_schema_fault;
use super::source::{FLOOR_PATH, Rule, diagnostic, line_with};
use super::vocabulary::{Terms, Vocabulary};
use super::wording::types_of;
use super::words::{LEVELS, PolicyId};

/// What a system may send beside the catalogue's types: steps of a case.
pub(super) const CASE_STEPS: [&str; 3] = ["case.open", "case.join", "case.close"];
/// How far conditions may look: the message, and what stands at its sender; the recipient, and what
/// stands at its agency. `World::with_message` gives no more than that.
pub(crate) const LEVEL: u32 = 2;

/// Everything that is told of what was read; `broken` is what could not be.
pub(super) fn faults(parts: &Parts, bundle: &Bundle, broken: &[Fault]) -> Vec<Fault> {
    let Parts {
        registry, rules, ..
    } = parts;
    let mut faults = words(parts, bundle);
    faults.extend(patterns(registry, &parts.catalogue, bundle));
    faults.extend(committed_schema_fault(bundle, &parts.schema_text));
    faults.extend(owned(rules, registry));
    let is_read = |path: &str| !broken.iter().any(|fault| fault.place.starts_with(path));
    // What is wrong inside one file is told there alone.
    if is_read(FLOOR_PATH) && is_read(BOARD_PATH) {
        faults.extend(floor(rules, &parts.board, bundle));
    }
    let mut unknown = literals(&parts.policies, rules, registry, &parts.board);
    unknown.extend(types(rules, &parts.catalogue));
    // A rule with a name of nobody is not read further: all else would follow from it.
    let misnamed: BTreeSet<&String> = unknown.iter().map(|fault| &fault.place).collect();
    let is_misnamed = |rule: &Rule| misnamed.contains(&rule.place);
    let rules: Vec<Arc<Rule>> = rules
        .iter()
        .filter(|rule| !is_misnamed(rule))
        .cloned()
        .collect();
    faults.extend(policies(parts, &rules, bundle));
    faults.extend(unknown.into_iter().map(|fault| {
        let path = fault.place.rsplit_once(':').map_or("", |(path, _)| path);
        let text = bundle.text(path).unwrap_or_default();
        let name = fault.says.split('"').nth(1).unwrap_or_default();
        let quoted = line_with(text, &fault.place, &format!("\"{name}\""));
        let place = if quoted == fault.place {
            line_with(text, &fault.place, &format!("Border::{name}"))
        } else {
            quoted
        };
        Fault { place, ..fault }
    }));
    faults
}

/// Message types that rules name and the catalogue does not have.
fn types(rules: &[Arc<Rule>], catalogue: &Catalogue) -> Vec<Fault> {
    let known: Vec<&str> = catalogue
        .entries()
        .map(|entry| entry.entity.as_str())
        .collect();
    let mut faults = Vec::new();
    for rule in rules {
        let parts = rule.condition.iter().flat_map(|condition| &condition.parts);
        let named = parts.flat_map(|part| types_of(&part.tree));
        let named: BTreeSet<String> = named.chain(rule.head.entity.clone()).collect();
        for name in named.iter().filter(|name| !known.contains(&name.as_str())) {
            let cure = match nearest(name, &known) {
                Some(near) => format!("write Border::{near}"),
                None => format!("messages/ has these: {}", known.join(", ")),
            };
            let says = format!("{} names {name:?}, which is no message type", rule.id);
            faults.push(Fault::new(&rule.place, says, cure));
        }
    }
    faults
}

/// The floor has the rules that the board lists, and no others.
fn floor(rules: &[Arc<Rule>], board: &Board, bundle: &Bundle) -> Vec<Fault> {
    let there = rules.iter().filter(|rule| rule.path() == FLOOR_PATH);
    let there: BTreeSet<&PolicyId> = there.map(|rule| &rule.id).collect();
    let text = bundle.text(BOARD_PATH).unwrap_or_default();
    let line = text.lines().position(|line| line.starts_with("floor"));
    let place = match line {
        Some(line) => format!("{BOARD_PATH}:{}", line.saturating_add(1)),
        None => BOARD_PATH.to_owned(),
    };
    let listed = match &board.floor {
        Some(listed) if !listed.is_empty() => listed,
        _ => {
            let names = there.iter().map(|id| format!("{:?}", id.as_str()));
            let names = names.collect::<Vec<_>>().join(", ");
            let says = "names no rules of the floor: without it agencies open what they like";
            let cure = format!("list under [board] those that must exist: floor = [{names}]");
            return vec![Fault::new(place, says, cure)];
        }
    };
    let decided = "leaving one out is a change of `floor` in board.toml, which the board decides";
    if bundle.get(FLOOR_PATH).is_none() {
        let says = format!(
            "is missing, with {} rules that board.toml lists",
            listed.len()
        );
        return vec![Fault::new(
            FLOOR_PATH,
            says,
            format!("add the file; {decided}"),
        )];
    }
    let gone = listed.iter().filter(|id| !there.contains(id)).map(|id| {
        let says = format!("lacks {id}, which board.toml lists");
        Fault::new(FLOOR_PATH, says, format!("put it back; {decided}"))
    });
    let besides = there.iter().filter(|id| !listed.contains(**id)).map(|id| {
        let says = format!("does not list {id}, which stands in the floor");
        Fault::new(
            &place,
            says,
            "add it to `floor`, or take it out of the floor",
        )
    });
    gone.chain(besides).collect()
}

/// Words of agencies and message types that are not in the board's vocabulary.
fn words(parts: &Parts, bundle: &Bundle) -> Vec<Fault> {
    let Parts {
        registry,
        catalogue,
        vocabulary,
        ..
    } = parts;
    let mut faults = Vec::new();
    let mut closed = |path: &str, what: &str, word: &str, words: &Terms| {
        if !words.has(word) {
            let known: Vec<&str> = words.words().collect();
            let cure = match nearest(word, &known) {
                Some(near) => format!("write {near}"),
                None => format!("choose one of {words}; the board adds others in {BOARD_PATH}"),
            };
            let place = line_of_word(path, word, bundle);
            faults.push(Fault::new(place, format!("{word:?} is no {what}"), cure));
        }
    };
    for agency in registry.agencies() {
        let path = agency_file(&agency.id);
        closed(&path, "kind of agency", &agency.kind, &vocabulary.kinds);
        for unit in agency.units.values() {
            let purpose = unit.purpose.as_str();
            closed(&path, "purpose", purpose, &vocabulary.purposes);
            for word in &unit.clearances {
                closed(&path, "clearance", word, &vocabulary.clearances);
            }
        }
    }
    for entry in catalogue.entries() {
        let path = format!("messages/{}/message.toml", entry.message_type);
        for kind in &entry.senders {
            closed(&path, "kind of agency", kind, &vocabulary.kinds);
        }
    }
    faults
}

/// The line of a file that a word stands in.
fn line_of_word(path: &str, word: &str, bundle: &Bundle) -> String {
    let text = bundle.text(path).unwrap_or_default();
    let quoted = format!("\"{word}\"");
    match text.lines().position(|line| line.contains(&quoted)) {
        Some(line) => format!("{path}:{}", line.saturating_add(1)),
        None => path.to_owned(),
    }
}

/// Patterns of agencies over message types that cover none: misspelt, or a type that has gone.
fn patterns(registry: &Registry, catalogue: &Catalogue, bundle: &Bundle) -> Vec<Fault> {
    let mut faults = Vec::new();
    let types = catalogue.entries().map(|entry| entry.message_type.as_str());
    let types: Vec<&str> = types.chain(CASE_STEPS).collect();
    for agency in registry.agencies() {
        let sends = agency.systems.values().flat_map(|system| &system.sends);
        let receives = agency.units.values().flat_map(|unit| &unit.receives);
        let kept = agency.retention.iter().map(|(pattern, _)| pattern);
        let patterns = sends.chain(receives).chain(kept);
        for pattern in patterns.filter(|pattern| !types.iter().any(|it| pattern.covers(it))) {
            let cure = "`carnet message list` names the types";
            let says = format!("\"{pattern}\" covers no message type");
            let path = agency_file(&agency.id);
            let place = line_of_word(&path, &pattern.to_string(), bundle);
            faults.push(Fault::new(place, says, cure));
        }
    }
    faults
}

/// Faults of rules that have another owner than their file, are over another agency's data, or permit
/// everything.
fn owned(rules: &[Arc<Rule>], registry: &Registry) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut strange: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in rules {
        let path = rule.path();
        let mut fault = |says: String, cure: &str| {
            faults.push(Fault::new(&rule.place, format!("{} {says}", rule.id), cure));
        };
        if path == FLOOR_PATH {
            if rule.owner != BOARD {
                fault(
                    format!("is owned by {:?}", rule.owner),
                    "the floor is owned by \"board\"",
                );
            }
            continue;
        }
        let name = path
            .strip_prefix("policies/")
            .and_then(|name| name.strip_suffix(".cedar"));
        let Some(agency) = name.and_then(|name| registry.agency(name)) else {
            *strange.entry(path).or_default() += 1;
            continue;
        };
        let agency = agency.id.as_str();
        if rule.owner != agency {
            let cure = "a rule is owned by the agency whose file it stands in";
            fault(
                format!("is owned by {:?} in the file of {agency}", rule.owner),
                cure,
            );
        }
        if rule.head.originator.as_deref() != Some(agency) {
            let cure = format!("write in its head: resource in Border::Agency::\"{agency}\"");
            fault(format!("is over data that are not {agency}'s own"), &cure);
        }
        if rule.permits && rule.condition.is_none() && is_unrestricted(rule) {
            let cure = "say to whom, or when";
            fault("permits everybody everything".to_owned(), cure);
        }
    }
    for (path, count) in strange {
        let says = format!("is a file of no agency: its rules ({count}) are nobody's");
        let cure = "name it as their owner in agencies/, or floor.cedar if they are the board's";
        faults.push(Fault::new(path, says, cure));
    }
    faults
}

fn is_unrestricted(rule: &Rule) -> bool {
    rule.head.recipient == Recipient::Any && rule.head.entity.is_none()
}

/// What Cedar's validator says: errors and warnings alike, since a rule that warns does not do what
/// its author meant.
fn policies(parts: &Parts, rules: &[Arc<Rule>], bundle: &Bundle) -> Vec<Fault> {
    let validator = Validator::new(parts.schema.clone());
    let result = validator.validate_with_level(&parts.policies, ValidationMode::Strict, LEVEL);
    let place = |id: &cedar_policy::PolicyId| {
        let id: &str = id.as_ref();
        let rule = rules.iter().find(|rule| rule.id.as_str() == id);
        rule.map_or("policies", |rule| rule.place.as_str())
    };
    let is_read = |id: &cedar_policy::PolicyId| {
        let id: &str = id.as_ref();
        rules.iter().any(|rule| rule.id.as_str() == id)
    };
    let fault = |id: &cedar_policy::PolicyId, error: &dyn miette::Diagnostic| {
        let place = place(id);
        let path = place.rsplit_once(':').map_or(place, |(path, _)| path);
        let text = bundle.text(path).unwrap_or_default();
        let cure = "policies/border.cedarschema has the type of every attribute";
        let mut fault = diagnostic(path, text, place, error, cure);
        if let Some(cure) = of_a_vocabulary(&fault.says, &parts.vocabulary) {
            fault.cure = cure;
        }
        fault
    };
    let errors = result
        .validation_errors()
        .filter(|error| is_read(error.policy_id()))
        .map(|error| fault(error.policy_id(), error));
    let warnings = result
        .validation_warnings()
        .filter(|warning| is_read(warning.policy_id()))
        .map(|warning| fault(warning.policy_id(), warning));
    errors.chain(warnings).collect()
}

/// What to write in place of a text that is compared with a word of a vocabulary, where this is what
/// Cedar says: a word is an entity, and no text equals it.
fn of_a_vocabulary(says: &str, vocabulary: &Vocabulary) -> Option<String> {
    let types = says.strip_prefix("the types ")?;
    let types = types.strip_suffix(" are not compatible")?;
    let (one, other) = types.split_once(" and ")?;
    let entity = match (one, other) {
        ("String", entity) | (entity, "String") => entity.strip_prefix("Border::")?,
        _ => return None,
    };
    let written = format!("write Border::{entity}::\"...\" in place of the text");
    let words = match entity {
        "Level" => Some(LEVELS.join(", ")),
        entity => vocabulary.of_entity(entity).map(Terms::to_string),
    };
    Some(match words {
        Some(words) => format!("{written}, with one of: {words}"),
        None => written,
    })
}

/// Agencies, units and groups that rules name and that do not exist: Cedar does not know which do.
fn literals(
    policies: &PolicySet,
    rules: &[Arc<Rule>],
    registry: &Registry,
    board: &Board,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for policy in policies.policies() {
        let id: &str = policy.id().as_ref();
        let Some(rule) = rules.iter().find(|rule| rule.id.as_str() == id) else {
            continue;
        };
        for literal in policy.entity_literals() {
            let name: &str = literal.id().as_ref();
            let kind = literal.type_name().basename();
            let (what, place, known): (_, _, Vec<String>) = match kind {
                "Agency" => {
                    let agencies = registry.agencies().map(|agency| agency.id.to_string());
                    ("agency", "agencies/", agencies.collect())
                }
                "Unit" => {
                    let units = registry.units().map(|unit| unit.id.to_string());
                    ("unit", "agencies/", units.collect())
                }
                "Group" => {
                    let groups = board.groups.keys().map(ToString::to_string);
                    ("group", "policies/board.toml", groups.collect())
                }
                _ => continue,
            };
            if known.iter().any(|known| known == name) {
                continue;
            }
            // An unlisted unit is named to no reader who did not name it.
            let unlisted: BTreeSet<String> = registry
                .units()
                .filter(|unit| !unit.listed)
                .map(|unit| unit.id.to_string())
                .collect();
            let known = known.iter().filter(|name| !unlisted.contains(*name));
            let known: Vec<&str> = known.map(String::as_str).collect();
            let cure = match (nearest(name, &known), known.join(", ")) {
                (Some(near), _) => format!("write Border::{kind}::\"{near}\""),
                (None, none) if none.is_empty() => format!("add it to {place}, which names none"),
                (None, all) => format!("{place} names these: {all}"),
            };
            let says = format!("{} names {name:?}, which is no {what}", rule.id);
            faults.push(Fault::new(&rule.place, says, cure));
        }
    }
    faults.dedup();
    faults
}
