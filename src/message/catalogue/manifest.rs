//! `message.toml`: what a type is called, who sends it, and what is read of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::message::bundle::Fault;
use crate::message::entry::{Addressed, KeyRule};
use crate::message::facts::{FactKind, FactRule};
use crate::message::id::{Category, MessageType};

/// The largest body that any type may allow: a megabyte, so that one message never holds up the
/// others of its connection for long.
const SIZE_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    r#type: String,
    entity: String,
    edition: String,
    title: BTreeMap<String, String>,
    standard: String,
    senders: Vec<String>,
    addressed: String,
    max_size: String,
    #[serde(default)]
    key: Vec<KeyTable>,
    #[serde(default)]
    facts: BTreeMap<String, FactTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    name: String,
    at: String,
    own: bool,
    qualifier: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactTable {
    at: Places,
    r#as: String,
    category: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Places {
    One(String),
    Several(Vec<String>),
}

/// A type's manifest.
pub(super) struct Manifest {
    pub(super) message_type: MessageType,
    pub(super) entity: String,
    pub(super) edition: String,
    pub(super) title: BTreeMap<String, String>,
    pub(super) standard: String,
    pub(super) senders: Vec<String>,
    pub(super) addressed: Addressed,
    pub(super) max_size_bytes: usize,
    pub(super) keys: Vec<KeyRule>,
    pub(super) facts: Vec<FactRule>,
}

/// Faults of one manifest.
struct Faults<'p> {
    place: &'p str,
    list: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, at: &str, says: impl Into<String>, cure: &str) {
        self.list
            .push(Fault::new(format!("{}: {at}", self.place), says, cure));
    }
}

/// Reads the manifest of the type in folder `name`. All faults that TOML itself lets be seen at
/// once.
pub(super) fn parse(name: &str, place: &str, text: &str) -> Result<Manifest, Vec<Fault>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let cure = "docs/joining.md shows the whole file";
        vec![Fault::new(format!("{place}:{line}"), error.message(), cure)]
    })?;
    let mut faults = Faults {
        place,
        list: Vec::new(),
    };
    let message_type = type_name(&file, name, &mut faults);
    named(&file, &mut faults);
    let addressed = addressed(&file.addressed, &mut faults);
    let max_size_bytes = size(&file.max_size).unwrap_or_else(|| {
        let says = format!("is {:?}", file.max_size);
        faults.add(
            "max_size",
            says,
            "give a size such as 64 KiB, at most 1 MiB",
        );
        SIZE_MAX
    });
    let tables = file.facts.into_iter();
    let facts = tables
        .filter_map(|(name, table)| fact(name, table, &mut faults))
        .collect();
    let key = |key: KeyTable| KeyRule {
        name: key.name,
        at: key.at,
        own: key.own,
        qualifier: key.qualifier,
    };
    match message_type {
        Some(message_type) if faults.list.is_empty() => Ok(Manifest {
            message_type,
            entity: file.entity,
            edition: file.edition,
            title: file.title,
            standard: file.standard,
            senders: file.senders,
            addressed,
            max_size_bytes,
            keys: file.key.into_iter().map(key).collect(),
            facts,
        }),
        _ => Err(faults.list),
    }
}

fn type_name(file: &File, folder: &str, faults: &mut Faults<'_>) -> Option<MessageType> {
    if file.r#type != folder {
        let says = format!("is {}, and its folder is {folder}", file.r#type);
        faults.add("type", says, "give both one name");
    }
    let parsed = folder.parse::<MessageType>();
    parsed
        .map_err(|bad| faults.add("type", bad.to_string(), "rename the folder"))
        .ok()
}

/// The names that policies and people use.
fn named(file: &File, faults: &mut Faults<'_>) {
    let is_entity = file.entity.starts_with(|c: char| c.is_ascii_uppercase())
        && file.entity.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_entity {
        let says = format!("{:?} is no name for policies", file.entity);
        faults.add("entity", says, "letters and digits, a capital first");
    }
    if file.senders.is_empty() {
        faults.add(
            "senders",
            "names no kind of agency",
            "name the kinds that may send it",
        );
    }
    if !file.title.contains_key("en") {
        faults.add("title", "has no English text", "add en = \"...\"");
    }
}

fn addressed(text: &str, faults: &mut Faults<'_>) -> Addressed {
    match text {
        "never" => Addressed::Never,
        "required" => Addressed::Required,
        "optional" => Addressed::Optional,
        other => {
            faults.add(
                "addressed",
                format!("is {other:?}"),
                "say never, optional or required",
            );
            Addressed::Optional
        }
    }
}

fn fact(name: String, table: FactTable, faults: &mut Faults<'_>) -> Option<FactRule> {
    let at = format!("facts.{name}");
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        let cure = "letters, digits and _, a small letter first";
        faults.add(&at, "is no name for policies", cure);
    }
    let kind = table.r#as.parse::<FactKind>();
    let kind = kind
        .map_err(|bad| faults.add(&at, bad.to_string(), "mend `as`"))
        .ok();
    let category = table.category.parse::<Category>();
    let cure = "name the category of the condition";
    let category = category
        .map_err(|bad| faults.add(&at, bad.to_string(), cure))
        .ok();
    let at = match table.at {
        Places::One(at) => vec![at],
        Places::Several(list) => list,
    };
    Some(FactRule {
        name,
        at,
        kind: kind?,
        category: category?,
        range: (i64::MIN, i64::MAX),
    })
}

/// `64 KiB` in bytes, up to the largest that is allowed.
fn size(text: &str) -> Option<usize> {
    let (number, unit) = text.split_once(' ')?;
    let unit = match unit {
        "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    let bytes = number.parse::<usize>().ok()?.checked_mul(unit)?;
    (1..=SIZE_MAX).contains(&bytes).then_some(bytes)
}
