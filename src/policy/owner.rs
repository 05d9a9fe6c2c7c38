//! Whose a change is: by the paths of its files, and of an agency's own file by what it says there.
//!
//! What an agency is to others it cannot give to itself: its kind, its country, clearances that a unit
//! gains and the purpose that it serves are the board's to change, though they stand in the agency's
//! file. Who comes and who goes is the board's, with all files of such an agency. And no change takes
//! away those who decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Changes, agency_file, owner_of};
use super::rulebook::Rulebook;
use crate::agency::board::BOARD_PATH;
use crate::agency::officer::{Holder, Role};
use crate::agency::registry::{Agency, Unit};
use crate::message::bundle::Fault;

/// A rulebook, and the one that is to take its place.
#[derive(Clone, Copy)]
pub(super) struct Step<'r> {
    /// The one that holds now.
    pub(super) base: &'r Rulebook,
    /// The one that is to hold.
    pub(super) next: &'r Rulebook,
}

impl<'r> Step<'r> {
    /// An agency as it is and as it is to be; none unless it is in both.
    fn agency(self, id: &str) -> Option<(&'r Agency, &'r Agency)> {
        let base = self.base.registry().agency(id)?;
        let next = self.next.registry().agency(id)?;
        Some((base, next))
    }
}

/// Whose the changes from `base` to `next` are, which an officer of `holder` wants. In the file of
/// another agency the board changes what is the board's, or adds officers and nothing else: so an agency
/// that has lost its own gets others. It takes them out again where it takes that back.
///
/// # Errors
/// Faults that name what belongs to whom, where it is more than one body's.
pub(super) fn ownership(
    step: Step<'_>,
    changes: &Changes,
    holder: &Holder,
    is_return: bool,
) -> Result<Holder, Vec<Fault>> {
    let gives = |base: &Agency, next: &Agency| {
        adds_officers_alone(base, next) || is_return && adds_officers_alone(next, base)
    };
    let mut owners: BTreeMap<Holder, Vec<&str>> = BTreeMap::new();
    for path in changes.paths() {
        let owner = owner_of(path, |agency| step.agency(agency).is_some());
        let file = owner.agency().and_then(|agency| {
            let is_file = path == agency_file(agency);
            step.agency(agency.as_str()).filter(|_| is_file)
        });
        let is_foreign = owner.agency().is_some() && owner != *holder;
        let owner = match file {
            Some((base, next)) if is_foreign && gives(base, next) => Holder::Board,
            Some((base, next)) if is_of_the_board(base, next) => {
                if let Some(fault) = mixed(base, next, path) {
                    return Err(vec![fault]);
                }
                Holder::Board
            }
            _ => owner,
        };
        owners.entry(owner).or_default().push(path);
    }
    match (owners.pop_first(), owners.is_empty()) {
        (Some((owner @ Holder::Agency(_), paths)), true) if owner != *holder => {
            let path = paths.first().copied().unwrap_or_default();
            let says = format!("is {owner}'s own to change");
            let cure = "have its officers propose it; the board adds officers alone";
            Err(vec![Fault::new(path, says, cure)])
        }
        (Some((owner, _)), true) => Ok(owner),
        (Some(first), false) => {
            let of = |holder: &Holder| match holder {
                Holder::Agency(agency) => agency.to_string(),
                Holder::Board => "the board".to_owned(),
            };
            let (first, path) = (of(&first.0), first.1.first().copied().unwrap_or_default());
            let others = owners.iter().filter_map(|(holder, paths)| {
                let says = format!("belongs to {}, and {path} to {first}", of(holder));
                let cure = "propose them separately: a proposal has one owner";
                Some(Fault::new(*paths.first()?, says, cure))
            });
            Err(others.collect())
        }
        (None, _) => Err(vec![Fault::new(
            "proposal",
            "changes nothing",
            "change a file",
        )]),
    }
}

/// What a unit gets that others' rules rest on.
struct Granted<'n> {
    unit: &'n Unit,
    /// In words, such as `clearance special of post/main`.
    what: String,
}

/// Clearances that units gain, and purposes that they get: another than the unit had, or one that no unit
/// of the agency had.
fn granted<'n>(base: &Agency, next: &'n Agency) -> Vec<Granted<'n>> {
    let mut granted = Vec::new();
    for unit in next.units.values() {
        let before = base.units.get(&unit.id.unit);
        let is_new = |word: &&String| before.is_none_or(|it| !it.clearances.contains(*word));
        let gained = unit.clearances.iter().filter(is_new);
        let mut words: Vec<String> = gained.map(|word| format!("clearance {word}")).collect();
        let mut served = base.units.values().map(|it| &it.purpose);
        let is_served = match before {
            Some(before) => before.purpose == unit.purpose,
            None => served.any(|purpose| *purpose == unit.purpose),
        };
        if !is_served {
            words.push(format!("purpose {}", unit.purpose));
        }
        granted.extend(words.into_iter().map(|word| Granted {
            unit,
            what: format!("{word} of {}", unit.id),
        }));
    }
    granted
}

fn is_of_the_board(base: &Agency, next: &Agency) -> bool {
    base.kind != next.kind || base.country != next.country || !granted(base, next).is_empty()
}

/// A fault where something of the agency's own changes in one file with what is the board's. A unit that
/// comes with something of the board's is so as a whole.
fn mixed(base: &Agency, next: &Agency, path: &str) -> Option<Fault> {
    let mut own = next.clone();
    own.kind.clone_from(&base.kind);
    own.country.clone_from(&base.country);
    let granted = granted(base, next);
    for Granted { unit, .. } in &granted {
        let name = &unit.id.unit;
        let Some(before) = base.units.get(name) else {
            own.units.remove(name);
            continue;
        };
        let mut without = Unit::clone(unit);
        without.purpose.clone_from(&before.purpose);
        let held = &before.clearances;
        without.clearances.retain(|word| held.contains(word));
        own.units.insert(name.clone(), Arc::new(without));
    }
    if own == *base {
        return None;
    }
    let kind = (base.kind != next.kind).then(|| "its kind".to_owned());
    let country = (base.country != next.country).then(|| "its country".to_owned());
    let words = granted.into_iter().map(|it| it.what);
    let parts: Vec<String> = kind.into_iter().chain(country).chain(words).collect();
    let says = format!(
        "changes what is {}'s own together with what is the board's to change: {}",
        base.id,
        parts.join(", ")
    );
    Some(Fault::new(path, says, "propose them separately"))
}

fn adds_officers_alone(base: &Agency, next: &Agency) -> bool {
    let mut others = next.clone();
    others.officers.clone_from(&base.officers);
    let keeps = |(id, officer)| next.officers.get(id) == Some(officer);
    others == *base && next.officers.len() > base.officers.len() && base.officers.iter().all(keeps)
}

/// Faults where, after the change, an agency or the board could change nothing more. Where the board takes
/// officers out again whom it gave, the agency is as it was, and gets others when the board decides so.
pub(super) fn undecidable(step: Step<'_>, changes: &Changes, is_return: bool) -> Vec<Fault> {
    let agencies = step.next.registry().agencies();
    let touched = agencies.filter_map(|agency| {
        let path = agency_file(&agency.id);
        let (base, next) = step.agency(agency.id.as_str())?;
        let is_touched = changes.paths().any(|changed| changed == path);
        let is_last = is_touched && is_able(base) && !is_able(next);
        (is_last && !is_return).then(|| {
            let says = format!(
                "leaves {} without an administrator and another officer who approves: it could \
                 change nothing of its own any more",
                agency.id
            );
            let cure = "keep one of each; the board can add an officer where all are gone";
            Fault::new(path, says, cure)
        })
    });
    let mut faults: Vec<Fault> = touched.collect();
    let (before, after) = (voices(step.base), voices(step.next));
    let quorum = step.next.board().quorum;
    if before >= step.base.board().quorum && after < quorum {
        let says = format!(
            "leaves the board with {after} members that have an officer who approves, and a quorum \
             of {quorum}: it could decide nothing any more"
        );
        let cure = "have members name officers who approve first, or keep the quorum";
        faults.push(Fault::new(BOARD_PATH, says, cure));
    }
    faults
}

/// Whether an agency can change what is its own: one officer proposes, another approves.
pub(super) fn is_able(agency: &Agency) -> bool {
    let with = |role: Role| {
        let officers = agency.officers.values();
        officers.filter(move |officer| officer.roles.contains(&role))
    };
    with(Role::Administrator).any(|one| with(Role::Approver).any(|other| other.id != one.id))
}

/// Members of the board that can give their vote.
fn voices(rulebook: &Rulebook) -> usize {
    let members = rulebook.board().members.iter();
    let members = members.filter_map(|id| rulebook.registry().agency(id.as_str()));
    let able = members.filter(|agency| {
        let mut officers = agency.officers.values();
        officers.any(|officer| officer.roles.contains(&Role::Approver))
    });
    able.count()
}
