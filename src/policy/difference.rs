//! What a change means: the things of two rulebooks that differ, as values and in words.
//!
//! ```text
//!   rulebook -> rules, people, catalogue -> things by kind and name --+
//!   rulebook -> rules, people, catalogue -> things by kind and name --+-> Difference
//! ```
//!
//! Each thing is all that is said of it, so nothing that has a meaning can change untold. A file of
//! which no thing differs, though its text does, is told as a file.

mod catalogue;
mod people;
mod rules;
mod thing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::rules::{CONDITION, WRITTEN};
pub use self::thing::{Kind, Said};
use self::thing::{Thing, Things};
use super::change::owner_of;
use super::rulebook::Rulebook;
use crate::agency::officer::Holder;

/// All that differs between two rulebooks, by kind and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Difference {
    /// The things that differ, in the order in which they are told.
    pub things: Vec<Differing>,
}

/// A thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Differing {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name, such as `post-customs`.
    pub name: String,
    /// The file that says it: the next one, where there is one.
    pub path: String,
    /// Whether it comes, goes or changes.
    pub change: Fate,
    /// What is said of one that comes or goes; of one that changes, what is said otherwise.
    pub aspects: Vec<Aspect>,
}

/// What becomes of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was not there before.
    Added,
    /// It is there no more.
    Gone,
    /// It is there, and another.
    Changed,
}

/// What is said of one side of a thing, before and after.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Aspect {
    /// Which side, such as `purpose`.
    pub name: &'static str,
    /// Before; none of a thing that comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Said>,
    /// After; none of a thing that goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Said>,
}

impl Difference {
    /// What differs from `base` to `next`.
    pub fn between(base: &Rulebook, next: &Rulebook) -> Self {
        let (mut before, mut after) = (things(base), things(next));
        let names: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        let mut told: Vec<Differing> = Vec::new();
        let mut covered = BTreeSet::new();
        for key in names {
            let (old, new) = (before.remove(&key), after.remove(&key));
            let paths = [&old, &new].map(|it| it.as_ref().map(|thing| thing.path.clone()));
            if let Some(differing) = differing(key, old, new) {
                covered.extend(paths.into_iter().flatten());
                told.push(differing);
            }
        }
        let whole: BTreeSet<String> = told
            .iter()
            .filter(|it| it.kind == Kind::Type && it.change != Fate::Changed)
            .map(|it| it.name.clone())
            .collect();
        // A type that comes or goes is told as one.
        told.retain(|it| {
            let of = it.name.split(' ').next().unwrap_or_default();
            !(matches!(it.kind, Kind::Element | Kind::Key) && whole.contains(of))
        });
        let changed = base.bundle().differences(next.bundle()).into_iter();
        let files = changed.filter(|path| !covered.contains(*path));
        told.extend(files.map(|path| file(path, base, next)));
        Self { things: told }
    }

    /// As it is told to officers who see these files: of another agency that comes or goes, that it does.
    #[must_use]
    pub fn seen(mut self, sees: impl Fn(&str) -> bool) -> Self {
        let is_whole = |it: &Differing| it.kind == Kind::Agency && it.change != Fate::Changed;
        let mut whole = BTreeSet::new();
        let others = self.things.iter_mut().filter(|it| !sees(&it.path));
        for agency in others.filter(|it| is_whole(it)) {
            agency.aspects.clear();
            whole.insert(agency.name.clone());
        }
        let is_of_whole =
            |path: &str| owner_of(path, |agency| whole.contains(agency)) != Holder::Board;
        self.things.retain(|it| {
            let is_told = it.change != Fate::Gone && !is_of_whole(&it.path);
            sees(&it.path) || is_whole(it) || is_told
        });
        self
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }
}

fn things(rulebook: &Rulebook) -> Things {
    let mut things = BTreeMap::new();
    rules::of(rulebook, &mut things);
    people::of(rulebook, &mut things);
    catalogue::of(rulebook, &mut things);
    things
}

/// A file of which nothing else is told.
fn file(path: &str, base: &Rulebook, next: &Rulebook) -> Differing {
    let there = |rulebook: &Rulebook| rulebook.bundle().get(path).is_some();
    let change = match (there(base), there(next)) {
        (false, _) => Fate::Added,
        (_, false) => Fate::Gone,
        _ => Fate::Changed,
    };
    Differing {
        kind: Kind::File,
        name: path.to_owned(),
        path: path.to_owned(),
        change,
        aspects: Vec::new(),
    }
}

/// A thing before and after; none where it is the same.
fn differing(key: (Kind, String), old: Option<Thing>, new: Option<Thing>) -> Option<Differing> {
    let change = match (&old, &new) {
        (None, _) => Fate::Added,
        (_, None) => Fate::Gone,
        _ => Fate::Changed,
    };
    let path = [&new, &old].into_iter().flatten().next()?.path.clone();
    let said = |thing: Option<Thing>| thing.map(|thing| thing.aspects).unwrap_or_default();
    let (old, new) = (said(old), said(new));
    let mut names: Vec<&'static str> = new.iter().map(|aspect| aspect.0).collect();
    names.extend(
        old.iter()
            .map(|aspect| aspect.0)
            .filter(|name| !new.iter().any(|it| it.0 == *name)),
    );
    let of = |said: &[(&'static str, Said)], name| {
        let found = said.iter().find(|aspect| aspect.0 == name);
        found.map(|aspect| aspect.1.clone())
    };
    let aspects = names.into_iter().map(|name| Aspect {
        name,
        before: of(&old, name),
        after: of(&new, name),
    });
    let says_something = |it: &Aspect| match change {
        Fate::Changed => it.before != it.after,
        // What is empty of a thing that comes or goes says nothing.
        _ => [&it.before, &it.after]
            .into_iter()
            .flatten()
            .any(|said| !said.is_empty()),
    };
    let mut aspects: Vec<Aspect> = aspects.filter(says_something).collect();
    // As it is written, where words alone do not tell it.
    if aspects.iter().any(|it| it.name == CONDITION) || change != Fate::Changed {
        aspects.retain(|it| it.name != WRITTEN);
    }
    (change != Fate::Changed || !aspects.is_empty()).then_some(Differing {
        kind: key.0,
        name: key.1,
        path,
        change,
        aspects,
    })
}

/// A thing a paragraph: `+` comes, `-` goes, `~` changes.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.things.iter().try_for_each(|thing| thing.fmt(f))
    }
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            Fate::Added => '+',
            Fate::Gone => '-',
            Fate::Changed => '~',
        };
        write!(f, "{sign} {} {}", self.kind, self.name)?;
        if self.kind != Kind::File {
            write!(f, "  ({})", self.path)?;
        }
        writeln!(f)?;
        self.aspects.iter().try_for_each(|aspect| aspect.fmt(f))
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match (&self.before, &self.after) {
            (Some(Said::List(before)), Some(Said::List(after))) => {
                let gone = before.difference(after).map(|text| format!("- {text}"));
                let come = after.difference(before).map(|text| format!("+ {text}"));
                let all: Vec<String> = gone.chain(come).collect();
                writeln!(f, "    {name}: {}", all.join(", "))
            }
            (Some(before), Some(after)) => {
                writeln!(f, "    {name}: {before}")?;
                writeln!(
                    f,
                    "    {:>width$}: {after}",
                    "now",
                    width = name.chars().count()
                )
            }
            (Some(said), None) | (None, Some(said)) => writeln!(f, "    {name}: {said}"),
            (None, None) => Ok(()),
        }
    }
}
