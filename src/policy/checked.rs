//! A proposed change, checked: whose it is, whether its rulebook is whole, whom it would break.
//!
//! Pure: of a rulebook and changes of its text. What is wrong with the rulebook already is not held
//! against a change of something else: a release may know more faults than the one that took it in,
//! and an agency is not kept from its own rules by a fault of another's.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use super::change::{Changes, agency_file};
use super::contract::{Broken, broken};
use super::known::{Known, file_of, unknown};
use super::lints;
use super::names::borrowed;
use super::owner::{Step, is_able, ownership, undecidable};
use super::rulebook::Rulebook;
use super::vocabulary::Vocabulary;
use crate::agency::board::BOARD_PATH;
use crate::agency::officer::Holder;
use crate::agency::registry::Registry;
use crate::message::bundle::{Bundle, Fault};

/// A path of a proposal, in octets at most.
const PATH_MAX: usize = 200;

/// A change that may be put to approval.
#[derive(Debug)]
pub struct Checked {
    /// The body whose change it is.
    pub owner: Holder,
    /// The rulebook with the change.
    pub rulebook: Rulebook,
    /// What should be seen to, and hinders nothing.
    pub warnings: Vec<Fault>,
    /// Systems that a change of the catalogue would break.
    pub broken: BTreeSet<Broken>,
    /// Rows of the own decision table that were run.
    pub rows: usize,
}

/// Checks `changes` of the rulebook that holds now, for an officer of `holder`. What is told rests on
/// nothing that he may not know ([`known`](super::known)), but for one answer: that something else is
/// in the way.
///
/// # Errors
/// All that must be mended first, each with its place and cure.
pub fn check(base: &Rulebook, changes: &Changes, holder: &Holder) -> Result<Checked, Vec<Fault>> {
    checked(base, changes, holder, false)
}

/// Checks as [`check`] does what the broker itself makes of its log: files as they were before the board
/// gave an agency officers, or ended it.
///
/// # Errors
/// As with [`check`].
pub fn check_return(
    base: &Rulebook,
    changes: &Changes,
    holder: &Holder,
) -> Result<Checked, Vec<Fault>> {
    checked(base, changes, holder, true)
}

fn checked(
    base: &Rulebook,
    changes: &Changes,
    holder: &Holder,
    is_return: bool,
) -> Result<Checked, Vec<Fault>> {
    let misplaced: Vec<Fault> = changes.paths().filter_map(misplaced).collect();
    if !misplaced.is_empty() {
        return Err(misplaced);
    }
    let text = changes.applied(base.bundle());
    if text == *base.bundle() {
        let cure = "it is as the rulebook has it: there is nothing to propose";
        return Err(vec![Fault::new("proposal", "changes nothing", cure)]);
    }
    let known = Known::of(base, holder);
    let Seen {
        mut faults,
        mut warnings,
        broken,
        rows,
    } = Seen::of(&known, &text)?;
    let next = whole(base, &text)?;
    let step = Step { base, next: &next };
    faults.extend(undecidable(step, changes, is_return));
    faults.extend(strays(changes, next.registry()));
    warnings.extend(unable(step));
    match ownership(step, changes, holder, is_return) {
        Ok(owner) if faults.is_empty() => Ok(Checked {
            owner,
            rulebook: next,
            warnings: known.told(warnings),
            broken,
            rows,
        }),
        owner => {
            faults.extend(owner.err().unwrap_or_default());
            Err(known.told(faults))
        }
    }
}

/// What is found of a change in the rulebook as one body knows it.
struct Seen {
    /// What hinders it, in files that officers of the body see.
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    broken: BTreeSet<Broken>,
    rows: usize,
}

impl Seen {
    /// Looks at `text` by what is `known`, beside what holds now.
    fn of(known: &Known<'_>, text: &Bundle) -> Result<Self, Vec<Fault>> {
        let borrowed = borrowed(known.base, text);
        if !borrowed.is_empty() {
            return Err(known.told(borrowed));
        }
        let (next, found) = match known.partial(text) {
            Ok((next, found)) => (Some(next), found),
            Err(found) => (None, found),
        };
        let base = LazyCell::new(|| known.partial(known.base.bundle()));
        let before = || {
            base.as_ref()
                .map(|(_, faults)| &**faults)
                .unwrap_or_default()
        };
        // What is advised against the one that holds hinders no change.
        let (mut old, new) = parted(found, before);
        let Some(next) = next.filter(|_| new.is_empty()) else {
            // All else would follow from a word that is gone.
            let gone = words_in_use(known, text);
            let mut told = known.told(if gone.is_empty() { new } else { gone });
            if told.is_empty() {
                told.push(unknown());
            }
            return Err(told);
        };
        let found = lints::look(&next);
        let looked = LazyCell::new(|| base.as_ref().ok().map(|(base, _)| lints::look(base).faults));
        let (still, new) = parted(found.faults, || looked.as_deref().unwrap_or_default());
        // Rows and conditions are their owner's to mend: those of others do not bind who changes his own.
        let (faults, others): (Vec<Fault>, Vec<Fault>) = new
            .into_iter()
            .partition(|fault| known.sees(file_of(fault)));
        old.extend(still);
        old.extend(found.warnings);
        let changed = known.base.bundle().differences(text);
        old.retain(|fault| {
            let file = file_of(fault);
            known.owns(file) || known.sees(file) && changed.contains(&file)
        });
        old.extend(others);
        let rows = found.rows.iter().filter(|(path, _)| known.owns(path));
        let mut of_catalogue = changed.iter().filter(|it| it.starts_with("messages/"));
        let broken = of_catalogue.next().and_then(|_| {
            let (base, _) = base.as_ref().ok()?;
            Some(broken(Step { base, next: &next }))
        });
        Ok(Self {
            faults,
            warnings: old,
            rows: rows.map(|(_, rows)| rows).sum(),
            broken: broken.unwrap_or_default(),
        })
    }
}

/// Findings that stand before already, and those that are new.
fn parted<'f>(found: Vec<Fault>, before: impl Fn() -> &'f [Fault]) -> (Vec<Fault>, Vec<Fault>) {
    found.into_iter().partition(|fault| stands(fault, before()))
}

/// The rulebook of a text, of which nothing is to be told. One fault that is always the same stands for
/// all that it has beside those of the one before.
fn whole(base: &Rulebook, text: &Bundle) -> Result<Rulebook, Vec<Fault>> {
    let found = match Rulebook::parse(text) {
        Ok(next) => return Ok(next),
        Err(found) => found,
    };
    let before = Rulebook::parse(base.bundle()).err().unwrap_or_default();
    let next = Rulebook::load(text).ok();
    let is_new = |fault: &Fault| !stands(fault, &before);
    let next = next.filter(|_| !found.iter().any(is_new));
    next.ok_or_else(|| vec![unknown()])
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
        Fault::new(agency_file(&agency.id), says, cure)
    });
    unable.collect()
}

/// Words that the board takes out of its vocabulary and that something uses, with where it does.
fn words_in_use(known: &Known<'_>, text: &Bundle) -> Vec<Fault> {
    let Ok(words) = Vocabulary::read(text) else {
        return Vec::new();
    };
    let before = known.base.vocabulary();
    let mut faults = Vec::new();
    for entity in ["Kind", "Purpose", "Area", "Clearance"] {
        let (Some(before), Some(after)) = (before.of_entity(entity), words.of_entity(entity))
        else {
            continue;
        };
        for word in before.words().filter(|word| !after.has(word)) {
            let used = uses(entity, word, text, known);
            if used.is_empty() {
                continue;
            }
            let what = entity.to_ascii_lowercase();
            let used: Vec<String> = used.into_iter().collect();
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

/// The lines that use a word of a vocabulary, and the agencies that use it otherwise.
fn uses(entity: &str, word: &str, text: &Bundle, known: &Known<'_>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
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
        // What an agency's entries say is told by the units that are known.
        if !(is_policy || is_toml && known.sees(path)) {
            continue;
        }
        let lines = text.text(path).unwrap_or_default().lines();
        for (line, at) in lines.zip(1_u32..) {
            let key = line.split('=').next().unwrap_or_default().trim();
            let is_named = keys.contains(&key) && line.contains(&quoted);
            if (is_policy && line.contains(&of_policies)) || (is_toml && is_named) {
                used.insert(known.place(path, at));
            }
        }
    }
    for agency in known.seen(known.base.registry()).agencies() {
        let is_used = match entity {
            "Kind" => agency.kind == word,
            "Purpose" => agency.units.values().any(|it| it.purpose.as_str() == word),
            "Clearance" => agency.units.values().any(|it| it.clearances.contains(word)),
            _ => false,
        };
        let file = agency_file(&agency.id);
        if is_used && !known.sees(&file) {
            used.insert(known.place(&file, 0));
        }
    }
    used
}
