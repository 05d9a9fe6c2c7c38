//! Agreements and the board: data that policies and procedures rest on, with their dates.
//!
//! An agreement is a tag of the units of each party while it is in force: from its first to its last
//! millisecond, unless it is suspended. Policies test its purposes, and dates by wish.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::agency::board::{BOARD_KEYS, BOARD_PATH};
use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::{AgencyId, Purpose};
use crate::message::strict::{self, Table, Value, Wrong};
use crate::message::time::Timestamp;

use super::vocabulary::Vocabulary;
use super::words::PolicyId;

const AGREEMENTS_PATH: &str = "policies/agreements.toml";

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
pub(crate) const NOTICE_DAYS: [u32; 3] = [7, 30, 90];

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

/// Agencies that are named, each once.
fn agencies(named: &[Value<'_>], registry: &Registry) -> BTreeSet<AgencyId> {
    let mut known = BTreeSet::new();
    for item in named {
        let agency = item.read(|name| {
            let agency = registry.agency(name).map(|agency| agency.id.clone());
            agency.ok_or_else(|| {
                let says = format!("names {name:?}, which is no agency");
                Wrong::new(says, "see agencies/")
            })
        });
        if let Some(twice) = agency.and_then(|agency| known.replace(agency)) {
            let says = format!("names {:?} twice", twice.as_str());
            item.spot.fault(says, "name each agency once");
        }
    }
    known
}

/// Reads `policies/agreements.toml`; a bundle without one has no agreements.
pub(crate) fn agreements(
    bundle: &Bundle,
    registry: &Registry,
    vocabulary: &Vocabulary,
) -> Result<Vec<Agreement>, Vec<Fault>> {
    if bundle.get(AGREEMENTS_PATH).is_none() {
        return Ok(Vec::new());
    }
    let text = bundle.text(AGREEMENTS_PATH).map_err(|fault| vec![fault])?;
    strict::read(AGREEMENTS_PATH, text, |root| {
        let mut names = BTreeSet::new();
        let agreements = root.at("agreement").tables(|table| {
            let agreement = agreement(table, registry, vocabulary)?;
            if !names.insert(agreement.id.clone()) {
                let says = format!("{} is an agreement already", agreement.id);
                table
                    .spot
                    .fault(says, "give each agreement a name of its own");
            }
            Some(agreement)
        });
        Some(agreements)
    })
}

fn agreement(table: &Table<'_>, registry: &Registry, vocabulary: &Vocabulary) -> Option<Agreement> {
    let id = table.need("id").parse::<String>();
    let name = id.as_deref().unwrap_or("it");
    let bound = table.need("parties");
    let named = bound.items();
    let parties = agencies(&named, registry);
    if bound.is_there() && named.len() < 2 {
        let says = format!("{name} has fewer than two parties");
        bound.spot.fault(says, "name both sides");
    }
    let served = table.need("purposes");
    let purposes = served.items();
    if served.is_there() && purposes.is_empty() {
        let says = format!("{name} serves no purpose");
        served.spot.fault(says, "name at least one");
    }
    let purposes = purposes
        .iter()
        .filter_map(|item| item.read(|name| purpose(name, vocabulary)));
    let purposes: BTreeSet<Purpose> = purposes.collect();
    let day = |key| table.need(key).read(|text| day(text, name));
    let (from, to) = (day("from"), day("to"));
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        let says = format!("{name} ends before it begins");
        table.spot.fault(says, "from is the first day, to the end");
    }
    let suspended = table.at("suspended").flag().unwrap_or_default();
    Some(Agreement {
        id: id?,
        parties,
        from: from?,
        to: to?,
        purposes,
        suspended,
        place: table.spot.place(),
    })
}

fn purpose(name: &str, vocabulary: &Vocabulary) -> Result<Purpose, Wrong> {
    let known = vocabulary.purposes.has(name).then(|| name.parse().ok());
    known.flatten().ok_or_else(|| {
        let says = format!("names {name:?}, which is no purpose");
        Wrong::new(says, vocabulary.purposes.to_string())
    })
}

fn day(text: &str, agreement: &str) -> Result<Timestamp, Wrong> {
    Timestamp::from_date(text).ok_or_else(|| {
        let says = format!("{agreement} has a bad date");
        Wrong::new(says, "write days as 2026-07-01")
    })
}

/// Reads `policies/board.toml`.
pub(crate) fn board(bundle: &Bundle, registry: &Registry) -> Result<Board, Vec<Fault>> {
    let text = bundle.text(BOARD_PATH).map_err(|fault| {
        vec![Fault {
            cure: "add it: [board] with quorum, members and floor".to_owned(),
            ..fault
        }]
    })?;
    strict::read(BOARD_PATH, text, |root| {
        root.leave(&["vocabulary"]);
        root.leave(&BOARD_KEYS);
        let board = root
            .need("board")
            .table(|table| read_board(table, registry));
        let mut groups = BTreeMap::new();
        root.at("group").tables(|table| {
            let id = table.need("id");
            let members = agencies(&table.need("members").items(), registry);
            if groups.insert(id.parse()?, members).is_some() {
                let says = format!("has two groups {:?}", id.text()?);
                id.spot.fault(says, "give each group a name of its own");
            }
            Some(())
        });
        Some(Board { groups, ..board? })
    })
}

fn read_board(table: &Table<'_>, registry: &Registry) -> Option<Board> {
    let counted = table.need("quorum");
    let named = table.need("members").items();
    let quorum = counted
        .count()
        .and_then(|quorum| usize::try_from(quorum).ok());
    let members = agencies(&named, registry);
    let count = named.len();
    if quorum.is_some_and(|quorum| quorum > count) {
        let says = format!("has a quorum of {} of {count} members", quorum?);
        let cure = "the quorum is between 1 and the number of members";
        counted.spot.fault(says, cure);
    }
    let floor = table.at("floor");
    let floor = floor.is_there().then(|| floor.list().into_iter().collect());
    Some(Board {
        quorum: quorum?,
        members,
        floor,
        groups: BTreeMap::new(),
    })
}
