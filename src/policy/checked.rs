//! A proposed change, checked: whose it is, whether its rulebook is whole, whom it would break.
//!
//! Pure: of a rulebook and changes of its text. What is wrong with the rulebook already is not held
//! against a change of something else: a release may know more faults than the one that took it in,
//! and an agency is not kept from its own rules by a fault of another's.

use std::collections::BTreeSet;

use super::change::Changes;
use super::contract::{Broken, broken};
use super::lints::{self, Findings};
use super::owner::{Ownership, Step, is_able, ownership, undecidable};
use super::rulebook::Rulebook;
use super::vocabulary::Vocabulary;
use super::words::PolicyId;
use crate::agency::board::BOARD_PATH;
use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};

/// A path of a proposal, in octets at most.
const PATH_MAX: usize = 200;

/// A change that may be put to approval.
#[derive(Debug)]
pub struct Checked {
    /// The body whose change it is.
    pub ownership: Ownership,
    /// The rulebook with the change.
    pub rulebook: Rulebook,
    /// What should be seen to, and hinders nothing.
    pub warnings: Vec<Fault>,
    /// Systems that a change of the catalogue would break.
    pub broken: BTreeSet<Broken>,
    /// Rows of decision tables that were run.
    pub rows: usize,
    /// Rules that ask for a purpose or a clearance that no unit has yet.
    pub waiting: BTreeSet<PolicyId>,
}

/// Checks `changes` of the rulebook that holds now.
///
/// # Errors
/// All that must be mended first, each with its place and cure.
pub fn check(base: &Rulebook, changes: &Changes) -> Result<Checked, Vec<Fault>> {
    let misplaced: Vec<Fault> = changes.paths().filter_map(misplaced).collect();
    if !misplaced.is_empty() {
        return Err(misplaced);
    }
    let text = changes.applied(base.bundle());
    if text == *base.bundle() {
        let cure = "it is as the rulebook has it: there is nothing to propose";
        return Err(vec![Fault::new("proposal", "changes nothing", cure)]);
    }
    let (next, mut warnings) = whole(base, &text)?;
    let step = Step { base, next: &next };
    let ownership = ownership(step, changes);
    let mut faults = undecidable(step, changes);
    faults.extend(strays(changes, next.registry()));
    let Findings {
        faults: found,
        warnings: told,
        rows,
        waiting,
    } = lints::look(&next);
    if !found.is_empty() {
        let before = lints::look(base).faults;
        let (old, new): (Vec<Fault>, Vec<Fault>) =
            found.into_iter().partition(|fault| stands(fault, &before));
        warnings.extend(old);
        faults.extend(new);
    }
    warnings.extend(told);
    warnings.extend(unable(step));
    let broken = broken(step);
    match ownership {
        Ok(ownership) if faults.is_empty() => Ok(Checked {
            ownership,
            rulebook: next,
            warnings,
            broken,
            rows,
            waiting,
        }),
        ownership => {
            faults.extend(ownership.err().unwrap_or_default());
            faults.sort();
            faults.dedup();
            Err(faults)
        }
    }
}

/// The rulebook of a text, and the faults that it has from the one before.
fn whole(base: &Rulebook, text: &Bundle) -> Result<(Rulebook, Vec<Fault>), Vec<Fault>> {
    let found = match Rulebook::parse(text) {
        Ok(next) => return Ok((next, Vec::new())),
        Err(found) => found,
    };
    let gone = words_in_use(base, text);
    if !gone.is_empty() {
        // All else would follow from it.
        return Err(gone);
    }
    let before = Rulebook::parse(base.bundle()).err().unwrap_or_default();
    let (old, new): (Vec<Fault>, Vec<Fault>) =
        found.into_iter().partition(|fault| stands(fault, &before));
    if !new.is_empty() {
        return Err(new);
    }
    Rulebook::load(text).map(|next| (next, old))
}

/// Whether a fault is one of those, on whatever line of its file it stands.
fn stands(fault: &Fault, among: &[Fault]) -> bool {
    let file = |fault: &Fault| {
        let place = fault.place.split(':').next();
        place.unwrap_or_default().to_owned()
    };
    let mut among = among.iter();
    among.any(|other| other.says == fault.says && file(other) == file(fault))
}

/// A fault where no file of a rulebook can have such a path.
fn misplaced(path: &str) -> Option<Fault> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_plain = |part: &&str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed)
    };
    let is_of_a_folder = matches!(
        parts.as_slice(),
        ["agencies" | "messages" | "policies", _, ..]
    );
    let is_path = is_of_a_folder && parts.iter().all(is_plain) && path.len() <= PATH_MAX;
    (!is_path).then(|| {
        let shown: String = path.chars().take(PATH_MAX).collect();
        let cure = "name a file in agencies/, messages/ or policies/";
        Fault::new(format!("{shown:?}"), "is no path of a rulebook", cure)
    })
}

/// New files that nothing would read, and that would stay in the log.
fn strays(changes: &Changes, registry: &Registry) -> Vec<Fault> {
    let written = changes.files().filter(|(_, content)| content.is_some());
    let strays = written.filter(|(path, _)| !lints::is_read(path, registry));
    strays.map(|(path, _)| lints::stray(path)).collect()
}

/// Agencies that come and could change nothing of their own.
fn unable(step: Step<'_>) -> Vec<Fault> {
    let agencies = step.next.registry().agencies();
    let new = agencies.filter(|it| step.base.registry().agency(it.id.as_str()).is_none());
    let unable = new.filter(|agency| !is_able(agency)).map(|agency| {
        let says = "has no administrator and another officer who approves: it can change nothing \
                    of its own";
        let cure = "name both; the board can add them later";
        Fault::new(format!("agencies/{}/agency.toml", agency.id), says, cure)
    });
    unable.collect()
}

/// Words that the board takes out of its vocabulary and that something uses, with where it does.
fn words_in_use(base: &Rulebook, text: &Bundle) -> Vec<Fault> {
    let Ok(words) = Vocabulary::read(text) else {
        return Vec::new();
    };
    let before = base.vocabulary();
    let mut faults = Vec::new();
    for entity in ["Kind", "Purpose", "Area", "Clearance"] {
        let (Some(before), Some(after)) = (before.of_entity(entity), words.of_entity(entity))
        else {
            continue;
        };
        for word in before.words().filter(|word| !after.has(word)) {
            let used = uses(entity, word, text);
            if used.is_empty() {
                continue;
            }
            let what = entity.to_ascii_lowercase();
            let says = format!(
                "no longer has the {what} {word:?}, which is used: {}",
                used.join(", ")
            );
            let cure = "put it back, or take it out of these first";
            faults.push(Fault::new(BOARD_PATH, says, cure));
        }
    }
    faults
}

/// The lines that use a word of a vocabulary.
fn uses(entity: &str, word: &str, text: &Bundle) -> Vec<String> {
    let mut used = Vec::new();
    let quoted = format!("\"{word}\"");
    let of_policies = format!("Border::{entity}::{quoted}");
    let keys: &[&str] = match entity {
        "Kind" => &["kind", "senders"],
        "Purpose" => &["purpose", "purposes"],
        "Clearance" => &["clearances"],
        _ => &[],
    };
    for (path, _) in text.files() {
        let is_policy = path.strip_suffix(".cedar").is_some();
        let is_toml = path.strip_suffix(".toml").is_some() && path != BOARD_PATH;
        if !is_policy && !is_toml {
            continue;
        }
        let lines = text.text(path).unwrap_or_default().lines();
        for (line, at) in lines.zip(1_u32..) {
            let key = line.split('=').next().unwrap_or_default().trim();
            let is_named = keys.contains(&key) && line.contains(&quoted);
            if (is_policy && line.contains(&of_policies)) || (is_toml && is_named) {
                used.push(format!("{path}:{at}"));
            }
        }
    }
    used
}
