//! `message.toml`: what a type is called, who sends it, and what is read of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Addressed, KeyRule};
use crate::message::bundle::Fault;
use crate::message::facts::{FactKind, FactRule};
use crate::message::id::MessageType;

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

/// Reads the manifest of the type in folder `name`. All faults that TOML itself lets be seen at
/// once.
pub(super) fn parse(name: &str, place: &str, text: &str) -> Result<Manifest, Vec<Fault>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let cure = "docs/joining.md shows the whole file";
        vec![Fault::new(format!("{place}:{line}"), error.message(), cure)]
    })?;
    let mut faults = Vec::new();
    let mut fault = |at: &str, says: String, cure: &str| {
        faults.push(Fault::new(format!("{place}: {at}"), says, cure));
    };
    if file.r#type != name {
        fault(
            "type",
            format!("is {}, and its folder is {name}", file.r#type),
            "give both one name",
        );
    }
    let message_type = name
        .parse()
        .map_err(|bad| fault("type", format!("{bad}"), "rename the folder"));
    let is_entity = file.entity.starts_with(|c: char| c.is_ascii_uppercase())
        && file.entity.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_entity {
        fault(
            "entity",
            format!("{:?} is no name for policies", file.entity),
            "letters and digits, a capital first",
        );
    }
    if file.senders.is_empty() {
        fault(
            "senders",
            "names no kind of agency".to_owned(),
            "name the kinds that may send it",
        );
    }
    let addressed = match file.addressed.as_str() {
        "never" => Addressed::Never,
        "required" => Addressed::Required,
        "optional" => Addressed::Optional,
        other => {
            fault(
                "addressed",
                format!("is {other:?}"),
                "say never, optional or required",
            );
            Addressed::Optional
        }
    };
    let max_size_bytes = size(&file.max_size).unwrap_or_else(|| {
        fault(
            "max_size",
            format!("is {:?}", file.max_size),
            "give a size such as 64 KiB, at most 1 MiB",
        );
        SIZE_MAX
    });
    let keys = file.key.into_iter().map(|key| KeyRule {
        name: key.name,
        at: key.at,
        own: key.own,
        qualifier: key.qualifier,
    });
    let keys = keys.collect();
    let facts = file
        .facts
        .into_iter()
        .filter_map(|(name, table)| fact(name, table, &mut fault));
    let facts = facts.collect();
    match message_type {
        Ok(message_type) if faults.is_empty() => Ok(Manifest {
            message_type,
            entity: file.entity,
            edition: file.edition,
            title: file.title,
            standard: file.standard,
            senders: file.senders,
            addressed,
            max_size_bytes,
            keys,
            facts,
        }),
        _ => Err(faults),
    }
}

fn fact(
    name: String,
    table: FactTable,
    fault: &mut dyn FnMut(&str, String, &str),
) -> Option<FactRule> {
    let at = format!("facts.{name}");
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        fault(
            &at,
            "is no name for policies".to_owned(),
            "letters, digits and _, a small letter first",
        );
    }
    let kind = table
        .r#as
        .parse::<FactKind>()
        .map_err(|bad| fault(&at, bad.to_string(), "mend `as`"));
    let category = table
        .category
        .parse()
        .map_err(|bad: crate::message::id::BadName| {
            fault(&at, bad.to_string(), "name the category of the condition");
        });
    let at = match table.at {
        Places::One(at) => vec![at],
        Places::Several(list) => list,
    };
    Some(FactRule {
        name,
        at,
        kind: kind.ok()?,
        category: category.ok()?,
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
