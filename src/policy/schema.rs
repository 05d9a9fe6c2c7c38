//! The Cedar schema: generated from the catalogue, committed as `policies/border.cedarschema`.
//!
//! All message types have one shape, the union of all facts, so that a rule over several types
//! reads the same attribute of each; a fact that a type does not have holds its empty value.
//! The text is a pure function of the catalogue: the same catalogue gives the same bytes.

use std::collections::BTreeMap;

use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::Catalogue;
use crate::message::facts::FactKind;
use crate::message::id::Category;

use super::words::{AREAS, CLEARANCES, KINDS, LEVELS, PURPOSES};

/// Where the committed schema stands in a bundle.
pub const SCHEMA_PATH: &str = "policies/border.cedarschema";

/// Entity types that every rulebook has: no message type may take these names.
const RESERVED_ENTITIES: [&str; 12] = [
    "Action",
    "Agency",
    "Agreement",
    "Area",
    "Case",
    "Clearance",
    "Group",
    "Kind",
    "Level",
    "Purpose",
    "Standing",
    "Unit",
];
/// Attributes that the broker sets: no fact may take these names.
pub(super) const RESERVED_FACTS: [&str; 4] = ["addressees", "answers", "quotes", "sender"];
/// The longest line of the schema, in characters.
const WIDTH: usize = 100;

/// The schema's text for this catalogue; faults where its names cannot stand in one.
pub fn schema_text(catalogue: &Catalogue) -> Result<String, Vec<Fault>> {
    let entities = entities(catalogue)?;
    let facts = facts(catalogue)?;
    let types = format!("[{}]", entities.join(", "));
    let applies =
        format!(" appliesTo {{ principal: Unit, resource: {types}, context: Standing }};");
    let disclose = |name: &str| format!("\"disclose:{name}\"");
    let categories: Vec<String> = Category::ALL.iter().map(|c| disclose(c.name())).collect();
    let facts: Vec<String> = facts
        .iter()
        .map(|(name, kind)| format!("    {name}: {kind},"))
        .collect();
    let lines = [
        vocabulary("Purpose", &PURPOSES),
        vocabulary("Kind", &KINDS),
        vocabulary("Area", &AREAS),
        vocabulary("Level", &LEVELS),
        vocabulary("Clearance", &CLEARANCES),
        "\n  // Principal and sender: rulebook, constants once compiled.".to_owned(),
        wrap("type Agreement = { from: datetime, to: datetime, purposes: Set<Purpose> };"),
        wrap("entity Group;"),
        wrap("entity Agency in [Group] = { kind: Kind, country: String };"),
        wrap(
            "entity Unit in [Agency] = { agency: Agency, kind: Kind, country: String, \
             purpose: Purpose, clearances: Set<Clearance> } tags Agreement;",
        ),
        "\n  // Resource: this message, a child of the agency that sent it.".to_owned(),
        wrap(&format!("entity {} in [Agency] = {{", entities.join(", "))),
        "    sender: Unit,".to_owned(),
        facts.join(
            "
",
        ),
        "    addressees: Set<Unit>,  // header `to`".to_owned(),
        "    answers: Set<Unit>,  // whose message this replies to".to_owned(),
        "    quotes: Set<Agency> };  // originators of quoted tokens".to_owned(),
        "\n  // Context: clock and standing.".to_owned(),
        wrap("type Case = { areas: Set<Area>, members: Set<Agency> };"),
        wrap("type Standing = { now: datetime, level: Level, case?: Case, bans: Set<Agency>,"),
        "    // agencies that hold an open control.order on this message's own key".to_owned(),
        "    orders: Set<Agency> };\n".to_owned(),
        wrap("action \"disclose\";"),
        wrap(&format!("action \"receive\"{applies}")),
        wrap(&format!(
            "action {} in [\"disclose\"]{applies}",
            categories.join(", ")
        )),
        "  // A weaker level is a child: permit it alone; forbidding the category covers both."
            .to_owned(),
        wrap(&format!(
            "action {} in [{}]{applies}",
            disclose("reference.token"),
            disclose("reference")
        )),
    ];
    let head = "// Generated from messages/ by `carnet policy schema`: edit the catalogue instead.";
    Ok(format!(
        "{head}\nnamespace Border {{\n{}\n}}\n",
        lines.join("\n")
    ))
}

/// A fault where the committed schema is not what the catalogue gives.
pub fn committed_schema_fault(bundle: &Bundle, text: &str) -> Option<Fault> {
    let cure = "write it again: carnet policy schema --write";
    match bundle.text(SCHEMA_PATH) {
        Err(fault) => Some(Fault {
            cure: cure.to_owned(),
            ..fault
        }),
        Ok(committed) if committed == text => None,
        Ok(committed) => {
            let same = committed
                .lines()
                .zip(text.lines())
                .take_while(|(a, b)| a == b)
                .count();
            let place = format!("{SCHEMA_PATH}:{}", same + 1);
            Some(Fault::new(
                place,
                "is not the schema that messages/ gives",
                cure,
            ))
        }
    }
}

/// The Cedar type of a fact.
pub fn cedar_type(kind: &FactKind) -> &'static str {
    match kind {
        FactKind::HsPrefixes => "Set<String>",
        FactKind::Areas => "Set<Area>",
        FactKind::Integer => "Long",
        FactKind::Present | FactKind::Equals(_) => "Bool",
        FactKind::Time => "datetime",
    }
}

fn is_identifier(text: &str, first: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(first) && bytes.all(|b| b.is_ascii_alphanumeric())
}

fn entities(catalogue: &Catalogue) -> Result<Vec<String>, Vec<Fault>> {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for entry in catalogue.entries() {
        let place = format!("messages/{}/message.toml: entity", entry.message_type);
        let name = entry.entity.as_str();
        if !is_identifier(name, |b| b.is_ascii_uppercase()) || RESERVED_ENTITIES.contains(&name) {
            let says = format!("{name:?} cannot name an entity of the policies");
            faults.push(Fault::new(
                &place,
                says,
                "name it as the type in one word: PostalItem",
            ));
        } else if let Some(other) = taken.insert(name, entry.message_type.as_str()) {
            let says = format!("{name} is the entity of {other} already");
            faults.push(Fault::new(
                &place,
                says,
                "give each message type an entity of its own",
            ));
        }
    }
    if taken.is_empty() && faults.is_empty() {
        faults.push(Fault::new(
            "messages",
            "has no message type",
            "add one; see docs/joining.md",
        ));
    }
    if faults.is_empty() {
        Ok(taken.into_keys().map(ToOwned::to_owned).collect())
    } else {
        Err(faults)
    }
}

/// Every fact of the catalogue with its Cedar type, by name.
fn facts(catalogue: &Catalogue) -> Result<BTreeMap<&str, &'static str>, Vec<Fault>> {
    let mut facts: BTreeMap<&str, (&'static str, &str)> = BTreeMap::new();
    let mut faults = Vec::new();
    for entry in catalogue.entries() {
        for rule in &entry.facts {
            let place = format!(
                "messages/{}/message.toml: facts.{}",
                entry.message_type, rule.name
            );
            let name = rule.name.as_str();
            let kind = cedar_type(&rule.kind);
            let first = *facts
                .entry(name)
                .or_insert((kind, entry.message_type.as_str()));
            if !is_identifier(name, |b| b.is_ascii_lowercase()) || RESERVED_FACTS.contains(&name) {
                let says = format!("{name:?} cannot name a fact");
                faults.push(Fault::new(&place, says, "use one word in lower case"));
            } else if first.0 != kind {
                let says = format!("is a {kind}, but a {} in {}", first.0, first.1);
                faults.push(Fault::new(
                    &place,
                    says,
                    "one name, one kind: rename one of them",
                ));
            }
        }
    }
    if faults.is_empty() {
        Ok(facts
            .into_iter()
            .map(|(name, (kind, _))| (name, kind))
            .collect())
    } else {
        Err(faults)
    }
}

fn vocabulary(name: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    wrap(&format!("entity {name} enum [{}];", words.join(", ")))
}

/// Indents by 2 and breaks at blanks, with 4 before what follows.
fn wrap(text: &str) -> String {
    let mut out = String::from(" ");
    let mut column = 1;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 4 && column + 1 + length > WIDTH {
            out.push_str("\n   ");
            column = 3;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + length;
    }
    out
}
