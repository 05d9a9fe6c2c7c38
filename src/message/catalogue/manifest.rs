//! `message.toml`: what a type is called, who sends it, and what is read of it.

use std::collections::BTreeMap;

use crate::message::bundle::Fault;
use crate::message::entry::{Addressed, KeyRule};
use crate::message::facts::FactRule;
use crate::message::id::MessageType;
use crate::message::strict::{self, Table, Wrong};

/// The largest body that any type may allow: a megabyte, so that one message never holds up the
/// others of its connection for long.
const SIZE_MAX: usize = 1024 * 1024;
const ADDRESSED: [(&str, Addressed); 3] = [
    ("never", Addressed::Never),
    ("optional", Addressed::Optional),
    ("required", Addressed::Required),
];

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

/// Reads the manifest of the type in folder `name`, the file at `place`.
pub(super) fn parse(name: &str, place: &str, text: &str) -> Result<Manifest, Vec<Fault>> {
    strict::read(place, text, |root| manifest(name, root))
}

fn manifest(folder: &str, root: &Table<'_>) -> Option<Manifest> {
    let named = root.need("type");
    if let Some(name) = named.text().filter(|name| *name != folder) {
        let says = format!("type is {name}, and its folder is {folder}");
        named.spot.fault(says, "give both one name");
    }
    let message_type = named.parse();
    let entity = root.need("entity").read(entity);
    let edition = root.need("edition").parse();
    let title = root.need("title");
    let texts = title.table(|table| {
        let texts = table.entries();
        let texts = texts.filter_map(|text| Some((text.key.to_owned(), text.parse()?)));
        Some(texts.collect::<BTreeMap<String, String>>())
    });
    if texts
        .as_ref()
        .is_some_and(|texts| !texts.contains_key("en"))
    {
        title
            .spot
            .fault("title has no English text", "add en = \"...\"");
    }
    let standard = root.need("standard").parse();
    let senders = root.need("senders");
    let kinds = senders.list();
    if kinds.is_empty() && senders.is_there() {
        let cure = "name the kinds that may send it";
        senders.spot.fault("senders names no kind of agency", cure);
    }
    let addressed = root.need("addressed").word(&ADDRESSED);
    let max_size_bytes = root.need("max_size").read(size);
    let keys = root.at("key").tables(key);
    let facts = root.at("facts").table(|table| {
        let facts = table.entries();
        Some(
            facts
                .filter_map(|fact| fact.table(|table| self::fact(fact.key, table)))
                .collect(),
        )
    });
    Some(Manifest {
        message_type: message_type?,
        entity: entity?,
        edition: edition?,
        title: texts?,
        standard: standard?,
        senders: kinds,
        addressed: addressed?,
        max_size_bytes: max_size_bytes?,
        keys,
        facts: facts.unwrap_or_default(),
    })
}

/// The name of a type in policies.
fn entity(text: &str) -> Result<String, Wrong> {
    let is_name = text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_name {
        return Ok(text.to_owned());
    }
    let says = format!("entity {text:?} is no name for policies");
    Err(Wrong::new(says, "letters and digits, a capital first"))
}

fn key(table: &Table<'_>) -> Option<KeyRule> {
    let (name, at) = (table.need("name").parse(), table.need("at").parse());
    let own = table.need("own").flag();
    let qualifier = table.at("qualifier").parse();
    Some(KeyRule {
        name: name?,
        at: at?,
        own: own?,
        qualifier,
    })
}

fn fact(name: &str, table: &Table<'_>) -> Option<FactRule> {
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        let cure = "letters, digits and _, a small letter first";
        table
            .spot
            .fault(format!("facts.{name} is no name for policies"), cure);
    }
    let at = table.need("at").one_or_several();
    let kind = table.need("as").parse();
    let category = table.need("category").parse();
    Some(FactRule {
        name: name.to_owned(),
        at,
        kind: kind?,
        category: category?,
        range: (i64::MIN, i64::MAX),
    })
}

/// `64 KiB` in bytes, up to the largest that is allowed.
fn size(text: &str) -> Result<usize, Wrong> {
    let read = || {
        let (number, unit) = text.split_once(' ')?;
        let unit = match unit {
            "B" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            _ => return None,
        };
        let bytes = number.parse::<usize>().ok()?.checked_mul(unit)?;
        (1..=SIZE_MAX).contains(&bytes).then_some(bytes)
    };
    read().ok_or_else(|| {
        let cure = "give a size such as 64 KiB, at most 1 MiB";
        Wrong::new(format!("max_size is {text:?}"), cure)
    })
}
