//! Agreements and the board: data that policies and procedures rest on, with their dates.
//!
//! An agreement becomes a tag of the units of each party; policies test its dates and purposes. A
//! suspended one is no tag at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;

use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::{AgencyId, Purpose};
use crate::message::time::Timestamp;

use super::words::PURPOSES;

const AGREEMENTS_PATH: &str = "policies/agreements.toml";
const BOARD_PATH: &str = "policies/board.toml";

/// An agreement between agencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Its name, the tag's in policies.
    pub id: String,
    /// The agencies bound by it.
    pub parties: BTreeSet<AgencyId>,
    /// The first instant at which it is in force.
    pub from: Timestamp,
    /// The first instant at which it no longer is.
    pub to: Timestamp,
    /// The purposes that it serves.
    pub purposes: BTreeSet<Purpose>,
    /// Whether it is suspended.
    pub suspended: bool,
}

/// The agencies together: who owns the floor and says who takes part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    /// How many members must approve.
    pub quorum: usize,
    /// Its members.
    pub members: BTreeSet<AgencyId>,
    /// Groups of agencies that policies may name, by their names.
    pub groups: BTreeMap<String, BTreeSet<AgencyId>>,
}

impl Board {
    /// The groups that an agency is in.
    pub fn groups_of(&self, agency: &AgencyId) -> Vec<String> {
        let groups = self
            .groups
            .iter()
            .filter(|(_, members)| members.contains(agency));
        groups.map(|(name, _)| name.clone()).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementsFile {
    #[serde(default)]
    agreement: Vec<toml::Spanned<AgreementEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementEntry {
    id: String,
    parties: Vec<String>,
    from: String,
    to: String,
    purposes: Vec<String>,
    #[serde(default)]
    suspended: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardFile {
    board: BoardEntry,
    #[serde(default)]
    group: Vec<GroupEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardEntry {
    quorum: usize,
    members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupEntry {
    id: String,
    members: Vec<String>,
}

fn parse_toml<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> Result<T, Fault> {
    toml::from_str(text).map_err(|error| {
        let place = at_line(path, text, &error.span().unwrap_or_default());
        Fault::new(place, error.message(), "see docs/policies.md for the keys")
    })
}

fn at_line(path: &str, text: &str, span: &Range<usize>) -> String {
    let line = 1 + text
        .bytes()
        .take(span.start)
        .filter(|b| *b == b'\n')
        .count();
    format!("{path}:{line}")
}

fn known_agencies(
    names: &[String],
    registry: &Registry,
    fault: &mut impl FnMut(String, &str),
) -> BTreeSet<AgencyId> {
    let mut known = BTreeSet::new();
    for name in names {
        match registry.agency(name) {
            None => fault(
                format!("names {name:?}, which is no agency"),
                "see agencies/",
            ),
            Some(agency) if !known.insert(agency.id.clone()) => {
                fault(format!("names {name} twice"), "name each agency once");
            }
            Some(_) => {}
        }
    }
    known
}

/// Reads `policies/agreements.toml`; a bundle without one has no agreements.
pub fn agreements(bundle: &Bundle, registry: &Registry) -> Result<Vec<Agreement>, Vec<Fault>> {
    if bundle.get(AGREEMENTS_PATH).is_none() {
        return Ok(Vec::new());
    }
    let text = bundle.text(AGREEMENTS_PATH).map_err(|fault| vec![fault])?;
    let file: AgreementsFile = parse_toml(AGREEMENTS_PATH, text).map_err(|fault| vec![fault])?;
    let mut agreements: Vec<Agreement> = Vec::new();
    let mut faults = Vec::new();
    for entry in file.agreement {
        let place = at_line(AGREEMENTS_PATH, text, &entry.span());
        let entry = entry.into_inner();
        if agreements.iter().any(|other| other.id == entry.id) {
            let says = format!("{} is an agreement already", entry.id);
            faults.push(Fault::new(
                &place,
                says,
                "give each agreement a name of its own",
            ));
        }
        match agreement(entry, registry) {
            Ok(agreement) => agreements.push(agreement),
            Err(found) => {
                let found = found.into_iter();
                faults.extend(found.map(|(says, cure)| Fault::new(&place, says, cure)));
            }
        }
    }
    if faults.is_empty() {
        Ok(agreements)
    } else {
        Err(faults)
    }
}

fn agreement(
    entry: AgreementEntry,
    registry: &Registry,
) -> Result<Agreement, Vec<(String, String)>> {
    let mut faults = Vec::new();
    let mut fault = |says: String, cure: &str| faults.push((says, cure.to_owned()));
    let parties = known_agencies(&entry.parties, registry, &mut fault);
    if entry.parties.len() < 2 {
        fault(
            format!("{} has fewer than two parties", entry.id),
            "name both sides",
        );
    }
    let mut purposes = BTreeSet::new();
    for name in &entry.purposes {
        match name.parse() {
            Ok(purpose) if PURPOSES.contains(&name.as_str()) => _ = purposes.insert(purpose),
            _ => fault(
                format!("names {name:?}, which is no purpose"),
                &PURPOSES.join(", "),
            ),
        }
    }
    if entry.purposes.is_empty() {
        fault(
            format!("{} serves no purpose", entry.id),
            "name at least one",
        );
    }
    let day = |text: &str| Timestamp::from_rfc3339(&format!("{text}T00:00:00Z"));
    let (from, to) = (day(&entry.from), day(&entry.to));
    if from.is_none() || to.is_none() {
        fault(
            format!("{} has a bad date", entry.id),
            "write days as 2026-07-01",
        );
    } else if from >= to {
        fault(
            format!("{} ends before it begins", entry.id),
            "from is the first day, to the end",
        );
    }
    match (from, to) {
        (Some(from), Some(to)) if faults.is_empty() => {
            let AgreementEntry { id, suspended, .. } = entry;
            Ok(Agreement {
                id,
                parties,
                from,
                to,
                purposes,
                suspended,
            })
        }
        _ => Err(faults),
    }
}

/// Reads `policies/board.toml`.
pub fn board(bundle: &Bundle, registry: &Registry) -> Result<Board, Vec<Fault>> {
    let text = bundle.text(BOARD_PATH).map_err(|fault| {
        vec![Fault {
            cure: "add it: [board] with quorum and members".to_owned(),
            ..fault
        }]
    })?;
    let file: BoardFile = parse_toml(BOARD_PATH, text).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut fault = |says: String, cure: &str| faults.push(Fault::new(BOARD_PATH, says, cure));
    let members = known_agencies(&file.board.members, registry, &mut fault);
    let quorum = file.board.quorum;
    if quorum == 0 || quorum > file.board.members.len() {
        let says = format!(
            "has a quorum of {quorum} of {} members",
            file.board.members.len()
        );
        fault(says, "the quorum is between 1 and the number of members");
    }
    let mut groups = BTreeMap::new();
    for group in &file.group {
        let members = known_agencies(&group.members, registry, &mut fault);
        if groups.insert(group.id.clone(), members).is_some() {
            fault(
                format!("has two groups {}", group.id),
                "give each group a name of its own",
            );
        }
    }
    if faults.is_empty() {
        Ok(Board {
            quorum,
            members,
            groups,
        })
    } else {
        Err(faults)
    }
}
