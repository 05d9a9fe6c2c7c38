//! The entries of an `agency.toml`: units, systems and officers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::registry::{InboxMode, MessageIdRule, Officer, Receipts, System, TypePattern, Unit};
use super::section::{Faults, Section, Text};
use crate::message::id::{AgencyId, SystemName, UnitId, UnitName};
use crate::message::nearest;

/// Standing queues that a system may read.
const STANDING_QUEUES: [&str; 3] = ["inbox", "receipts", "dead"];
/// What an officer can be.
const ROLES: [&str; 4] = ["administrator", "approver", "auditor", "operator"];

/// An agency's units: those that could be read, and the names of all, so that a fault of one unit
/// is not reported again by the systems that belong to it.
#[derive(Default)]
pub(super) struct Units {
    pub(super) whole: BTreeMap<UnitName, Arc<Unit>>,
    names: BTreeSet<UnitName>,
}

pub(super) fn read_units(
    owner: &AgencyId,
    root: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> Units {
    let mut units = Units::default();
    for mut section in root.sections("unit", faults) {
        let span = section.span().clone();
        let name = section
            .required("id", faults)
            .and_then(|text| text.parse(faults));
        let purpose = section
            .required("purpose", faults)
            .and_then(|text| text.parse(faults));
        let clearances = section.texts("clearances", faults);
        let receives = read_patterns("receives", &mut section, faults);
        let listed = section.flag("listed", faults).unwrap_or(true);
        let inbox = [
            ("all", InboxMode::All),
            ("unbound", InboxMode::Unbound),
            ("off", InboxMode::Off),
        ];
        let inbox = one_of("inbox", &inbox, &mut section, faults);
        let delivery_limit = section.count("delivery_limit", faults);
        section.close(faults);
        let Some(name) = name else { continue };
        let name: UnitName = name;
        if !units.names.insert(name.clone()) {
            faults.add(
                &span,
                format!("unit {name} is there twice"),
                "rename or remove one",
            );
        }
        let Some(purpose) = purpose else { continue };
        let unit = Unit {
            id: UnitId {
                agency: owner.clone(),
                unit: name.clone(),
            },
            purpose,
            clearances: clearances
                .iter()
                .map(|text| text.value.to_owned())
                .collect(),
            receives,
            listed,
            inbox,
            delivery_limit,
        };
        units.whole.insert(name, Arc::new(unit));
    }
    if !units.names.contains("main") {
        let cure = "add a [[unit]] with id = \"main\"";
        faults.add(&(0..0), "the agency has no unit main", cure);
    }
    units
}

/// Where the entries of systems and officers leave what is compared across the registry.
pub(super) struct Entries<'e, 't> {
    pub(super) certificates: &'e mut Vec<(String, String)>,
    pub(super) owner: &'e AgencyId,
    pub(super) faults: &'e mut Faults<'t>,
}

pub(super) fn read_systems(
    units: &Units,
    root: &mut Section<'_>,
    entries: &mut Entries<'_, '_>,
) -> BTreeMap<SystemName, (Arc<System>, String)> {
    let mut systems = BTreeMap::new();
    for section in root.sections("system", entries.faults) {
        let span = section.span().clone();
        let Some(system) = read_system(units, section, entries) else {
            continue;
        };
        let name = system.name.clone();
        let place = entries.faults.place(span.start);
        if systems
            .insert(name.clone(), (Arc::new(system), place))
            .is_some()
        {
            entries.faults.add(
                &span,
                format!("system {name} is there twice"),
                "rename or remove one",
            );
        }
    }
    systems
}

fn read_system(
    units: &Units,
    mut section: Section<'_>,
    entries: &mut Entries<'_, '_>,
) -> Option<System> {
    let name = section.required("id", entries.faults);
    let name: Option<SystemName> = name.and_then(|text| text.parse(entries.faults));
    let unit = section.required("unit", entries.faults);
    let certificate = section.required("certificate", entries.faults);
    let certificate = certificate.and_then(|text| read_certificate(&text, true, entries));
    let faults = &mut *entries.faults;
    let unit: Option<UnitName> = unit.and_then(|text| {
        if units.names.contains(text.value) {
            return text.parse(faults);
        }
        let known: Vec<&str> = units.names.iter().map(UnitName::as_str).collect();
        let cure = format!("name one of its units: {}", known.join(", "));
        faults.add(
            &text.span,
            format!("the agency has no unit {:?}", text.value),
            &cure,
        );
        None
    });
    let sends = read_patterns("sends", &mut section, faults);
    let reads = read_words("reads", &STANDING_QUEUES, &mut section, faults);
    let networks = section.texts("networks", faults);
    let networks = networks
        .iter()
        .filter_map(|text| text.parse(faults))
        .collect();
    let rules = [
        ("required", MessageIdRule::Required),
        ("derived", MessageIdRule::Derived),
    ];
    let message_id = one_of("message_id", &rules, &mut section, faults);
    let receipts = [
        ("all", Receipts::All),
        ("exceptions", Receipts::Exceptions),
        ("off", Receipts::Off),
    ];
    let receipts = one_of("receipts", &receipts, &mut section, faults);
    section.close(faults);
    Some(System {
        name: name?,
        unit: unit?,
        certificate: certificate?,
        sends,
        reads,
        networks,
        message_id,
        receipts,
    })
}

pub(super) fn read_officers(
    has_provider: bool,
    root: &mut Section<'_>,
    entries: &mut Entries<'_, '_>,
) -> BTreeMap<String, Officer> {
    let mut officers: BTreeMap<String, Officer> = BTreeMap::new();
    for mut section in root.sections("officer", entries.faults) {
        let span = section.span().clone();
        let id = section.required("id", entries.faults);
        let id = id.and_then(|text| read_staff_number(&text, entries.faults));
        let certificate = section.text("certificate", entries.faults);
        let certificate = certificate.and_then(|text| read_certificate(&text, false, entries));
        let faults = &mut *entries.faults;
        let roles = read_words("roles", &ROLES, &mut section, faults);
        let token = section.text("token", faults);
        section.close(faults);
        if certificate.is_none() && token.is_none() {
            let cure = "give one, or remove the entry";
            faults.add(
                &span,
                "the officer has neither a certificate nor a token",
                cure,
            );
        }
        if roles.is_empty() {
            faults.add(
                &span,
                "the officer has no roles",
                "give one, or remove the entry",
            );
        }
        if let Some(token) = token.as_ref().filter(|_| !has_provider) {
            let cure = "add [identity_provider], or use a certificate";
            faults.add(&token.span, "a token, but nobody to vouch for it", cure);
        }
        let token = token.map(|text| text.value.to_owned());
        if token.is_some() && officers.values().any(|officer| officer.token == token) {
            faults.add(
                &span,
                "two officers with one token",
                "give each a token of their own",
            );
        }
        let Some(id) = id else { continue };
        let officer = Officer {
            id: id.clone(),
            roles,
            certificate,
            token,
        };
        if officers.insert(id.clone(), officer).is_some() {
            faults.add(&span, format!("officer {id} is there twice"), "remove one");
        }
    }
    officers
}

/// A staff number: this text stays in the log for ever, so it must not name a person.
fn read_staff_number(text: &Text<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let bytes = text.value.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let plain = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    // Letters are a prefix of a series, such as `o-`; four in a row begin to be a name.
    let wordless = bytes
        .split(|b| !b.is_ascii_lowercase())
        .all(|letters| letters.len() <= 3);
    if plain && wordless && digits >= 2 && bytes.len() <= 24 {
        return Some(text.value.to_owned());
    }
    let says = format!("{:?} is no staff number", text.value);
    let cure =
        "write digits with a short prefix, such as o-2117; never a name: it stays in the log";
    faults.add(&text.span, says, cure);
    None
}

/// The name of a certificate: a URI, or `CN=…` where that is allowed.
fn read_certificate(
    text: &Text<'_>,
    common_name_allowed: bool,
    entries: &mut Entries<'_, '_>,
) -> Option<String> {
    let owner = entries.owner;
    let cure = if let Some(rest) = text.value.strip_prefix("urn:carnet:") {
        let own = rest
            .strip_prefix(owner.as_str())
            .is_some_and(|rest| rest.starts_with(':'));
        (!own).then(|| format!("urn:carnet: names begin with urn:carnet:{owner}: in this file"))
    } else if let Some(name) = text.value.strip_prefix("CN=") {
        let wrong = !common_name_allowed || name.is_empty() || name.trim() != name;
        wrong.then(|| "write the URI of its subject alternative name".to_owned())
    } else {
        (!is_uri(text.value))
            .then(|| format!("write a URI, such as urn:carnet:{owner}:system:NAME"))
    };
    if let Some(cure) = cure {
        let says = format!("{:?} cannot name a certificate here", text.value);
        entries.faults.add(&text.span, says, &cure);
        return None;
    }
    let place = entries.faults.place(text.span.start);
    entries.certificates.push((text.value.to_owned(), place));
    Some(text.value.to_owned())
}

fn is_uri(text: &str) -> bool {
    let parts = text.split_once(':');
    parts.is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_graphic())
    })
}

fn read_patterns(
    key: &'static str,
    section: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> Vec<TypePattern> {
    let texts = section.texts(key, faults);
    texts.iter().filter_map(|text| text.parse(faults)).collect()
}

/// A list of words out of a closed vocabulary.
fn read_words(
    key: &'static str,
    known: &[&str],
    section: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> BTreeSet<String> {
    let texts = section.texts(key, faults);
    for text in texts.iter().filter(|text| !known.contains(&text.value)) {
        unknown_word(key, text, known, faults);
    }
    texts.iter().map(|text| text.value.to_owned()).collect()
}

/// One word out of a closed vocabulary; its default where the key is absent.
fn one_of<T: Copy + Default>(
    key: &'static str,
    known: &[(&str, T)],
    section: &mut Section<'_>,
    faults: &mut Faults<'_>,
) -> T {
    let Some(text) = section.text(key, faults) else {
        return T::default();
    };
    let found = known.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        unknown_word(key, &text, &words, faults);
    }
    found.map_or_else(T::default, |(_, value)| *value)
}

fn unknown_word(key: &str, text: &Text<'_>, known: &[&str], faults: &mut Faults<'_>) {
    let cure = match nearest(text.value, known) {
        Some(near) => format!("write {near}"),
        None => format!("write one of: {}", known.join(", ")),
    };
    faults.add(&text.span, format!("{key} has no {:?}", text.value), &cure);
}
