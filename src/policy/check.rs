//! What a rulebook must satisfy beyond being readable: each fault with its place and cure.
//!
//! An agency's file opens that agency's data alone, the floor only forbids, every name names
//! something. What Cedar's validator finds is passed on with the line it stands in.

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use std::sync::Arc;

use crate::agency::nearest;
use crate::agency::registry::{Agency, Registry};
use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::Catalogue;

use super::agreement::Board;
use super::head::Recipient;
use super::source::{Rule, diagnostic};
use super::words::{AREAS, CLEARANCES, KINDS, LEVELS, PURPOSES};

/// The file of the rules that no agency's rule can override.
const FLOOR_PATH: &str = "policies/floor.cedar";
/// What a system may send beside the catalogue's types: steps of a case.
pub(super) const CASE_STEPS: [&str; 3] = ["case.open", "case.join", "case.close"];
/// The owner of the floor.
const BOARD: &str = "board";
/// How far conditions may look: the message, and what stands at its sender; the recipient, and what
/// stands at its agency. `World::with_message` gives no more than that.
pub const LEVEL: u32 = 2;

/// Words of the registry that policies could never name.
pub fn registry(registry: &Registry, bundle: &Bundle) -> Vec<Fault> {
    let mut faults = Vec::new();
    for agency in registry.agencies() {
        let mut closed = |what: &str, word: &str, words: &[&str]| {
            if !words.contains(&word) {
                let cure = format!("choose one of {}", words.join(", "));
                let place = agency_place(agency, word, bundle);
                faults.push(Fault::new(place, format!("{word:?} is no {what}"), cure));
            }
        };
        closed("kind of agency", &agency.kind, &KINDS);
        for unit in agency.units.values() {
            closed("purpose", unit.purpose.as_str(), &PURPOSES);
            unit.clearances
                .iter()
                .for_each(|word| closed("clearance", word, &CLEARANCES));
        }
    }
    faults
}

/// The line of an agency's file that a word stands in.
fn agency_place(agency: &Agency, word: &str, bundle: &Bundle) -> String {
    let path = format!("agencies/{}/agency.toml", agency.id);
    let text = bundle.text(&path).unwrap_or_default();
    let line = text
        .lines()
        .position(|line| line.contains(&format!("\"{word}\"")));
    line.map_or(path.clone(), |line| {
        format!("{path}:{}", line.saturating_add(1))
    })
}

/// Patterns of agencies over message types that cover none: misspelt, or a type that has gone.
pub fn patterns(registry: &Registry, catalogue: &Catalogue, bundle: &Bundle) -> Vec<Fault> {
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
            let place = agency_place(agency, &pattern.to_string(), bundle);
            faults.push(Fault::new(place, says, cure));
        }
    }
    faults
}

/// Whose rule may say what.
pub fn rules(rules: &[Arc<Rule>], registry: &Registry) -> Vec<Fault> {
    let mut faults = Vec::new();
    for rule in rules {
        let path = rule
            .place
            .rsplit_once(':')
            .map_or(rule.place.as_str(), |(path, _)| path);
        let mut fault = |says: String, cure: &str| {
            faults.push(Fault::new(&rule.place, format!("{} {says}", rule.id), cure));
        };
        if path == FLOOR_PATH {
            if rule.permits {
                let cure = "move it to the file of the agency whose data it opens";
                fault("permits, but the floor only forbids".to_owned(), cure);
            }
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
            fault(
                format!("stands in {path}, a file of no agency"),
                "name the file as its owner",
            );
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
    faults
}

fn is_unrestricted(rule: &Rule) -> bool {
    rule.head.recipient == Recipient::Any && rule.head.entity.is_none()
}

/// What Cedar's validator says: errors and warnings alike, since a rule that warns does not do what
/// its author meant.
pub fn policies(
    policies: &PolicySet,
    schema: &Schema,
    rules: &[Arc<Rule>],
    bundle: &Bundle,
) -> Vec<Fault> {
    let validator = Validator::new(schema.clone());
    let result = validator.validate_with_level(policies, ValidationMode::Strict, LEVEL);
    let place = |id: &cedar_policy::PolicyId| {
        let id: &str = id.as_ref();
        let rule = rules.iter().find(|rule| rule.id.as_str() == id);
        rule.map_or("policies", |rule| rule.place.as_str())
    };
    let fault = |id: &cedar_policy::PolicyId, error: &dyn miette::Diagnostic| {
        let place = place(id);
        let path = place.rsplit_once(':').map_or(place, |(path, _)| path);
        let text = bundle.text(path).unwrap_or_default();
        let cure = "policies/border.cedarschema has the type of every attribute";
        let mut fault = diagnostic((path, text), place, error, cure);
        if let Some(cure) = of_a_vocabulary(&fault.says) {
            fault.cure = cure;
        }
        fault
    };
    let errors = result
        .validation_errors()
        .map(|error| fault(error.policy_id(), error));
    let warnings = result
        .validation_warnings()
        .map(|warning| fault(warning.policy_id(), warning));
    errors.chain(warnings).collect()
}

/// What to write in place of a text that is compared with a word of a vocabulary, where this is what
/// Cedar says: a word is an entity, and no text equals it.
fn of_a_vocabulary(says: &str) -> Option<String> {
    let types = says.strip_prefix("the types ")?;
    let types = types.strip_suffix(" are not compatible")?;
    let (one, other) = types.split_once(" and ")?;
    let entity = match (one, other) {
        ("String", entity) | (entity, "String") => entity.strip_prefix("Border::")?,
        _ => return None,
    };
    let words: &[&str] = match entity {
        "Purpose" => &PURPOSES,
        "Kind" => &KINDS,
        "Area" => &AREAS,
        "Level" => &LEVELS,
        "Clearance" => &CLEARANCES,
        _ => {
            return Some(format!(
                "write Border::{entity}::\"...\" in place of the text"
            ));
        }
    };
    let words = words.join(", ");
    Some(format!(
        "write Border::{entity}::\"...\" in place of the text, with one of: {words}"
    ))
}

/// Agencies, units and groups that rules name and nobody is: Cedar does not know which exist.
pub fn literals(
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
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
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
