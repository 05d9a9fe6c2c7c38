//! The faults of files: of one in full, of several by kind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::ruled::Ruled;
use crate::message::bundle::Fault;
use crate::message::rule::Rule;
use crate::message::valid::{Faults, Invalid};
use crate::policy::rulebook::Rulebook;

/// What became of a file.
pub(super) enum Tried {
    /// It would be rejected before any ruling.
    Invalid(Refused),
    /// It would be ruled.
    Ruled(Box<Ruled>),
}

impl Tried {
    pub(super) fn is_released(&self) -> bool {
        matches!(self, Self::Ruled(ruled) if ruled.is_released())
    }

    pub(super) fn as_json(&self, file: &Path, rulebook: &Rulebook) -> Value {
        match self {
            Self::Invalid(refused) => json!({"valid": false, "faults": refused.as_json(file)}),
            Self::Ruled(ruled) => ruled.as_json(rulebook),
        }
    }

    /// What a trial says as JSON, with the file's name, as one of several.
    pub(super) fn named_json(&self, file: &Path, rulebook: &Rulebook) -> Value {
        let mut value = self.as_json(file, rulebook);
        if let Some(members) = value.as_object_mut() {
            members.insert("file".to_owned(), file.display().to_string().into());
        }
        value
    }

    /// As one of several: a line, and one for each fault.
    pub(super) fn line(&self, file: &Path) -> String {
        let file = file.display();
        match self {
            Self::Ruled(ruled) => format!("{file}: {}", ruled.line()),
            Self::Invalid(Refused(faults)) => {
                let count = faults.count();
                let plural = if count == 1 { "" } else { "s" };
                let told = faults.iter().map(|fault| format!("\n  {fault}"));
                format!("{file}: {count} fault{plural}{}", told.collect::<String>())
            }
        }
    }
}

/// The faults of one file.
pub(super) struct Refused(pub(super) Faults);

impl Refused {
    /// A block each, with its cure.
    pub(super) fn blocks(&self, file: &Path) -> Vec<Fault> {
        self.0.iter().map(|invalid| block(file, invalid)).collect()
    }

    fn as_json(&self, file: &Path) -> Value {
        let faults = self.0.iter().map(|invalid| {
            let Fault { place, says, cure } = block(file, invalid);
            json!({"place": place, "says": says, "cure": cure,
                "pointer": invalid.place, "rule": invalid.rule})
        });
        faults.collect()
    }
}

fn block(file: &Path, invalid: &Invalid) -> Fault {
    let at = format!("{}: {}", file.display(), invalid.place);
    let says = format!("{} ({})", invalid.says, invalid.rule);
    let cure = match invalid.rule.strip_prefix("code:") {
        Some(list) => format!("codes/{list}.txt of the type lists them"),
        None => Rule::named(&invalid.rule)
            .map_or("", |rule| rule.cure)
            .to_owned(),
    };
    Fault::new(at.trim_end_matches(": "), says, cure)
}

/// What became of several files.
#[derive(Default)]
pub(super) struct Summary {
    files: usize,
    invalid: usize,
    unreleased: usize,
    kinds: BTreeMap<(String, String), Kind>,
}

/// Faults by one rule at one place, whichever item of a list it is.
#[derive(Default)]
struct Kind {
    faults: usize,
    files: BTreeSet<PathBuf>,
}

impl Summary {
    pub(super) fn add(&mut self, file: &Path, tried: &Tried) {
        self.files += 1;
        match tried {
            Tried::Ruled(ruled) => self.unreleased += usize::from(!ruled.is_released()),
            Tried::Invalid(Refused(faults)) => {
                self.invalid += 1;
                for fault in faults.iter() {
                    let place = any_item(&fault.place);
                    let kind = self.kinds.entry((fault.rule.clone(), place)).or_default();
                    kind.faults += 1;
                    kind.files.insert(file.to_owned());
                }
            }
        }
    }

    /// The faults by their number.
    fn by_number(&self) -> Vec<(&(String, String), &Kind)> {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, kind)| std::cmp::Reverse((kind.files.len(), kind.faults)));
        kinds
    }

    pub(super) fn shown(&self, as_json: bool) -> String {
        let Self {
            files,
            invalid,
            unreleased,
            ..
        } = self;
        let valid = files - invalid;
        let first = |kind: &Kind| kind.files.first().map(|file| file.display().to_string());
        if as_json {
            let kinds = self.by_number().into_iter().map(|((rule, place), kind)| {
                json!({"rule": rule, "place": place, "faults": kind.faults,
                    "files": kind.files.len(), "first": first(kind)})
            });
            let summary = json!({"files": files, "valid": valid, "invalid": invalid,
                "released_to_nobody": unreleased, "faults": kinds.collect::<Vec<_>>()});
            return format!("{summary}\n");
        }
        let mut text = format!(
            "\n{files} files: {valid} valid, {unreleased} of them without a recipient; {invalid} invalid\n"
        );
        let kinds = self.by_number().into_iter().map(|((rule, place), kind)| {
            let place = if place.is_empty() {
                "the message"
            } else {
                place
            };
            let (count, of) = (kind.faults, kind.files.len());
            let first = first(kind).unwrap_or_default();
            let plural = if of == 1 { "" } else { "s" };
            format!("{count:>6}  {rule} at {place}: in {of} file{plural}, the first {first}\n")
        });
        text.extend(kinds);
        text
    }

    pub(super) fn outcome(&self) -> Result<(), Failed> {
        if self.invalid + self.unreleased == 0 {
            Ok(())
        } else {
            Err(Failed::Told)
        }
    }
}

/// A JSON pointer with `*` for each place in a list.
fn any_item(pointer: &str) -> String {
    let steps = pointer.split('/').map(|step| {
        let is_place = !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
        if is_place { "*" } else { step }
    });
    steps.collect::<Vec<_>>().join("/")
}
