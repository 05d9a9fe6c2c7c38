//! The entries of an `agency.toml`: units, systems and officers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::officer::Role;
use super::registry::{InboxMode, MessageIdRule, Officer, Receipts, System, Unit};
use crate::message::id::{AgencyId, OfficerName, SystemName, UnitId, UnitName};
use crate::message::strict::{Table, Value, Wrong};

/// Standing queues that a system may read.
const STANDING_QUEUES: [&str; 3] = ["inbox", "receipts", "dead"];
const INBOX_MODES: [InboxMode; 3] = [InboxMode::All, InboxMode::Unbound, InboxMode::Off];
const MESSAGE_ID_RULES: [MessageIdRule; 2] = [MessageIdRule::Required, MessageIdRule::Derived];
const RECEIPTS: [Receipts; 3] = [Receipts::All, Receipts::Exceptions, Receipts::Off];

/// An agency's units: those that could be read, and the names of all, so that a fault of one unit
/// is not reported again by the systems that belong to it.
#[derive(Default)]
pub(super) struct Units {
    pub(super) whole: BTreeMap<UnitName, Arc<Unit>>,
    names: BTreeSet<UnitName>,
}

pub(super) fn read_units(owner: &AgencyId, root: &Table<'_>) -> Units {
    let mut names = BTreeSet::new();
    let whole = root.at("unit").tables(|table| {
        let name = table.need("id").parse::<UnitName>();
        let purpose = table.need("purpose").parse();
        let clearances = table.at("clearances").list();
        let receives = table.at("receives").list();
        let listed = table.at("listed").flag();
        let inbox = table
            .at("inbox")
            .word(&INBOX_MODES.map(|it| (it.name(), it)));
        let delivery_limit = table.at("delivery_limit").count();
        let name = name?;
        if !names.insert(name.clone()) {
            let says = format!("unit {name} is there twice");
            table.spot.fault(says, "rename or remove one");
        }
        let unit = Unit {
            id: UnitId {
                agency: owner.clone(),
                unit: name.clone(),
            },
            purpose: purpose?,
            clearances: clearances.into_iter().collect(),
            receives,
            listed: listed.unwrap_or(true),
            inbox: inbox.unwrap_or_default(),
            delivery_limit,
        };
        Some((name, Arc::new(unit)))
    });
    if !names.contains("main") {
        let cure = "add a [[unit]] with id = \"main\"";
        root.spot.fault("the agency has no unit main", cure);
    }
    Units {
        whole: whole.into_iter().collect(),
        names,
    }
}

/// The agency whose entries are read, and the certificates that they name, with their places.
pub(super) struct Entries {
    pub(super) owner: AgencyId,
    pub(super) certificates: Vec<(String, String)>,
}

impl Entries {
    /// The name of a certificate: a URI; of a system also `CN=...`.
    fn certificate(&mut self, named: &Value<'_>, of_system: bool) -> Option<String> {
        let name = named.read(|text| certificate(text, of_system, &self.owner))?;
        self.certificates.push((name.clone(), named.spot.place()));
        Some(name)
    }
}

/// An agency's systems by name, each with the place of its entry.
pub(super) fn read_systems(
    units: &Units,
    root: &Table<'_>,
    entries: &mut Entries,
) -> BTreeMap<SystemName, (Arc<System>, String)> {
    let mut systems = BTreeMap::new();
    root.at("system").tables(|table| {
        let system = read_system(units, table, entries)?;
        let name = system.name.clone();
        let placed = (Arc::new(system), table.spot.place());
        if systems.insert(name.clone(), placed).is_some() {
            let says = format!("system {name} is there twice");
            table.spot.fault(says, "rename or remove one");
        }
        Some(())
    });
    systems
}

fn read_system(units: &Units, table: &Table<'_>, entries: &mut Entries) -> Option<System> {
    let name = table.need("id").parse();
    let unit = table.need("unit").read(|text| {
        let unit = units.names.get(text).cloned();
        unit.ok_or_else(|| {
            let known: Vec<&str> = units.names.iter().map(UnitName::as_str).collect();
            let cure = format!("name one of its units: {}", known.join(", "));
            Wrong::new(format!("the agency has no unit {text:?}"), cure)
        })
    });
    let certificate = entries.certificate(&table.need("certificate"), true);
    let sends = table.at("sends").list();
    let reads = table.at("reads").words(&STANDING_QUEUES);
    let networks = table.at("networks").list();
    let message_id = table
        .at("message_id")
        .word(&MESSAGE_ID_RULES.map(|it| (it.name(), it)));
    let receipts = table
        .at("receipts")
        .word(&RECEIPTS.map(|it| (it.name(), it)));
    Some(System {
        name: name?,
        unit: unit?,
        certificate: certificate?,
        sends,
        reads,
        networks,
        message_id: message_id.unwrap_or_default(),
        receipts: receipts.unwrap_or_default(),
    })
}

pub(super) fn read_officers(
    has_provider: bool,
    root: &Table<'_>,
    entries: &mut Entries,
) -> BTreeMap<OfficerName, Officer> {
    let mut officers: BTreeMap<OfficerName, Officer> = BTreeMap::new();
    root.at("officer").tables(|table| {
        let id = table.need("id").read(staff_number);
        let certificate = entries.certificate(&table.at("certificate"), false);
        let named = Role::ALL.map(|role| (role.name(), role));
        let roles = table.at("roles").items();
        let roles = roles.iter().filter_map(|item| item.word(&named));
        let roles: BTreeSet<Role> = roles.collect();
        let named = table.at("token");
        let token: Option<String> = named.parse();
        let one = "give one, or remove the entry";
        if certificate.is_none() && token.is_none() {
            let says = "the officer has neither a certificate nor a token";
            table.spot.fault(says, one);
        }
        if roles.is_empty() {
            table.spot.fault("the officer has no roles", one);
        }
        if token.is_some() && !has_provider {
            let cure = "add [identity_provider], or use a certificate";
            named
                .spot
                .fault("a token, but nobody to vouch for it", cure);
        }
        if token.is_some() && officers.values().any(|officer| officer.token == token) {
            let cure = "give each a token of their own";
            table.spot.fault("two officers with one token", cure);
        }
        let officer = Officer {
            id: id?,
            roles,
            certificate,
            token,
        };
        if let Some(other) = officers.insert(officer.id.clone(), officer) {
            let says = format!("officer {} is there twice", other.id);
            table.spot.fault(says, "remove one");
        }
        Some(())
    });
    officers
}

/// A staff number: this text stays in the log for ever, so it must not name a person.
fn staff_number(text: &str) -> Result<OfficerName, Wrong> {
    // Letters are a prefix of a series, such as `o-`; four in a row begin to be a name.
    let mut words = text.split(|c: char| !c.is_ascii_lowercase());
    let wordless = words.all(|letters| letters.len() <= 3);
    if let (true, Ok(number)) = (wordless, text.parse()) {
        return Ok(number);
    }
    let says = format!("{text:?} is no staff number");
    let cure =
        "write digits with a short prefix, such as o-2117; never a name: it stays in the log";
    Err(Wrong::new(says, cure))
}

fn certificate(text: &str, of_system: bool, owner: &AgencyId) -> Result<String, Wrong> {
    let cure = if let Some(rest) = text.strip_prefix("urn:carnet:") {
        let own = rest
            .strip_prefix(owner.as_str())
            .is_some_and(|rest| rest.starts_with(':'));
        (!own).then(|| format!("urn:carnet: names begin with urn:carnet:{owner}: in this file"))
    } else if let Some(name) = text.strip_prefix("CN=") {
        let wrong = !of_system || name.is_empty() || name.trim() != name;
        wrong.then(|| "write the URI of its subject alternative name".to_owned())
    } else {
        (!is_uri(text)).then(|| format!("write a URI, such as urn:carnet:{owner}:system:NAME"))
    };
    match cure {
        None => Ok(text.to_owned()),
        Some(cure) => Err(Wrong::new(
            format!("{text:?} cannot name a certificate here"),
            cure,
        )),
    }
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
