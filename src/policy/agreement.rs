//! Agreements and the board: data that policies and procedures rest on, with their dates.
//!
//! An agreement is a tag of the units of each party while it is in force: from its first to its last
//! millisecond, unless it is suspended. Policies test its purposes, and dates by wish.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;

use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::{AgencyId, Purpose};
use crate::message::time::Timestamp;

use super::source::line_with;
use super::words::{PURPOSES, PolicyId};

const AGREEMENTS_PATH: &str = "policies/agreements.toml";
pub(super) const BOARD_PATH: &str = "policies/board.toml";

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
    /// Where it stands: `policies/agreements.toml:6`.
    pub place: String,
}

/// How an agreement stands to a date, where that should be seen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// It is suspended.
    Suspended,
    /// It has not begun.
    NotBegun,
    /// It ends within so many days, the smallest of [`NOTICE_DAYS`] that is so.
    EndsWithin(u32),
    /// It has ended.
    Ended,
}

/// How many days before its end an agreement is warned of, the last first: a quarter is the least in
/// which governments renew one.
pub const NOTICE_DAYS: [u32; 3] = [7, 30, 90];

impl Agreement {
    /// How it stands at `now`; nothing where it is in force and stays so for a quarter of a year.
    pub fn notice(&self, now: Timestamp) -> Option<Notice> {
        if self.suspended {
            return Some(Notice::Suspended);
        }
        if self.to <= now {
            return Some(Notice::Ended);
        }
        if now < self.from {
            return Some(Notice::NotBegun);
        }
        let day = Duration::from_hours(24);
        let ends = |days: &u32| self.to <= now.plus(day.saturating_mul(*days));
        NOTICE_DAYS.into_iter().find(ends).map(Notice::EndsWithin)
    }

    /// The notice in words: `MAT-2019-7 ended on 2029-07-01`.
    pub fn in_words(&self, notice: Notice) -> String {
        let day = |time: Timestamp| time.to_string().chars().take(10).collect::<String>();
        match notice {
            Notice::Suspended => format!("{} is suspended", self.id),
            Notice::NotBegun => format!("{} begins on {}", self.id, day(self.from)),
            Notice::EndsWithin(_) => format!("{} ends on {}", self.id, day(self.to)),
            Notice::Ended => format!("{} ended on {}", self.id, day(self.to)),
        }
    }

    /// The notice as a warning, for a report that lists them.
    pub fn warning(&self, notice: Notice) -> Fault {
        let (gives, cure) = match notice {
            Notice::EndsWithin(_) => (
                "from then on it gives nothing",
                "renew it, and with it its `to`, or tell its parties",
            ),
            Notice::Ended => (
                "it gives nothing, whatever rules say",
                "renew it, and with it its `to`, or take it out with the rules that ask for it",
            ),
            Notice::NotBegun => (
                "until then it gives nothing, whatever rules say",
                "nothing, if that is meant: it begins by itself",
            ),
            Notice::Suspended => (
                "it gives nothing, whatever rules say",
                "nothing, if that is meant; else suspended = false",
            ),
        };
        Fault::new(
            &self.place,
            format!("{}: {gives}", self.in_words(notice)),
            cure,
        )
    }

    /// Whether it gives anything at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        !self.suspended && self.from <= now && now < self.to
    }
}

/// The agencies together: who owns the floor and says who takes part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Board {
    /// How many members must approve.
    pub quorum: usize,
    /// Its members.
    pub members: BTreeSet<AgencyId>,
    /// The rules of the floor that must exist; `None` where the file does not say, as those of older
    /// releases did not.
    pub floor: Option<BTreeSet<PolicyId>>,
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
    floor: Option<BTreeSet<PolicyId>>,
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
                fault(format!("names {name:?} twice"), "name each agency once");
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
        match agreement(entry, &place, registry) {
            Ok(agreement) => agreements.push(agreement),
            Err(found) => {
                let found = found.into_iter();
                faults.extend(found.map(|(says, cure)| {
                    let name = says.split('"').nth(1).map(|name| format!("\"{name}\""));
                    let place = line_with(text, &place, &name.unwrap_or_default());
                    Fault::new(place, says, cure)
                }));
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
    place: &str,
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
                place: place.to_owned(),
            })
        }
        _ => Err(faults),
    }
}

/// Reads `policies/board.toml`.
pub fn board(bundle: &Bundle, registry: &Registry) -> Result<Board, Vec<Fault>> {
    let text = bundle.text(BOARD_PATH).map_err(|fault| {
        vec![Fault {
            cure: "add it: [board] with quorum, members and floor".to_owned(),
            ..fault
        }]
    })?;
    let file: BoardFile = parse_toml(BOARD_PATH, text).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut fault = |says: String, cure: &str| {
        // What it quotes, or the number that it speaks of.
        let name = says.split('"').nth(1).map(|name| format!("\"{name}\""));
        let what = name.unwrap_or_else(|| "quorum".to_owned());
        let lines = (1_usize..).zip(text.lines());
        let mut lines = lines.filter(|(_, line)| line.contains(&what));
        let place = lines.next().map(|(line, _)| format!("{BOARD_PATH}:{line}"));
        let place = place.unwrap_or_else(|| BOARD_PATH.to_owned());
        faults.push(Fault::new(place, says, cure));
    };
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
                format!("has two groups {:?}", group.id),
                "give each group a name of its own",
            );
        }
    }
    if faults.is_empty() {
        Ok(Board {
            quorum,
            members,
            floor: file.board.floor,
            groups,
        })
    } else {
        Err(faults)
    }
}
