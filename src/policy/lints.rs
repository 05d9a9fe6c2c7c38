//! What is to be said of a whole rulebook beside that it is one: tables that no longer hold, conditions
//! that can never be so, lists that nothing uses, files that nothing reads.
//!
//! It is told of what folders propose and of a proposed change; a rulebook of the log rules as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::headings;
use super::known::file_of;
use super::possible;
use super::rulebook::Rulebook;
use super::source::Rule;
use super::table::{admit_example, run_tables};
use super::words::PolicyId;
use crate::agency::registry::{Agency, Registry};
use crate::message::bundle::Fault;
use crate::message::catalogue::{MessageEntry, unused_lists};

/// What was found in a rulebook.
#[derive(Debug, Default)]
pub struct Findings {
    /// What must be mended before it takes effect.
    pub faults: Vec<Fault>,
    /// What should be seen to.
    pub warnings: Vec<Fault>,
    /// How many rows of decision tables were run, by their file.
    pub rows: BTreeMap<String, usize>,
    /// Rules that ask for a purpose or a clearance that no unit has yet.
    pub waiting: BTreeSet<PolicyId>,
}

/// Looks at all of it.
pub fn look(rulebook: &Rulebook) -> Findings {
    let bundle = rulebook.bundle();
    let mut faults = unused_lists(bundle);
    let issuers = rulebook.registry().issuers_by_profile();
    faults.extend(issuers.faults);
    let mut warnings = issuers.departures;
    faults.extend(headings::faults(rulebook));
    let impossible = possible::look(rulebook);
    faults.extend(impossible.faults);
    let mut admit = |entry: &MessageEntry, name: &str| admit_example(bundle, entry, name);
    let report = run_tables(rulebook, &mut admit);
    let shown = report.decided.union(&impossible.waiting).collect();
    warnings.extend(without_a_row(rulebook, &shown, &report.faults));
    faults.extend(report.faults);
    warnings.extend(strays(rulebook));
    Findings {
        faults,
        warnings,
        rows: report.rows,
        waiting: impossible.waiting,
    }
}

/// Rules that decide in no row of a table: they can change unseen. Of those whose table has rows that
/// do not hold nothing is said, since such a row shows nothing, and is told.
fn without_a_row(rulebook: &Rulebook, shown: &BTreeSet<&PolicyId>, rows: &[Fault]) -> Vec<Fault> {
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let is_shown = |rule: &&Rule| {
        let table = format!("policies/tables/{}.csv", rule.owner);
        shown.contains(&rule.id) || rows.iter().any(|fault| file_of(fault) == table)
    };
    for rule in rulebook.rules().filter(|rule| !is_shown(rule)) {
        by_file
            .entry(rule.path())
            .or_default()
            .push(rule.id.as_str());
    }
    let told = by_file.into_iter().map(|(file, rules)| {
        let says = format!(
            "{} decide in no row of a table: they can change unseen",
            rules.join(", ")
        );
        Fault::new(
            file,
            says,
            "give each a row in policies/tables/ that it decides",
        )
    });
    told.collect()
}

/// Files that are of no use in a rulebook, and would stay in the log.
fn strays(rulebook: &Rulebook) -> Vec<Fault> {
    let files = rulebook.bundle().files().map(|(path, _)| path);
    let strays = files.filter(|path| !is_read(path, rulebook.registry()));
    strays.map(stray).collect()
}

/// What is said of a file that nothing reads.
pub(super) fn stray(path: &str) -> Fault {
    let says = "is no file of a rulebook: nothing reads it, and it would stay in the log";
    Fault::new(path, says, "mend its name, or take it out of the folder")
}

/// Whether the file at `path` is one that a rulebook with these agencies is made of.
pub(super) fn is_read(path: &str, registry: &Registry) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let ends = |file: &str, ending: &str| file.strip_suffix(ending).is_some();
    match parts.as_slice() {
        ["policies", "board.toml" | "agreements.toml" | "border.cedarschema"]
        | ["agencies", _, "agency.toml"]
        | ["messages", _, "message.toml" | "schema.json"]
        | ["messages", _, "examples", "invalid", "expected.csv"]
        // What is no list of codes is told with the lists.
        | ["messages", _, "codes", _] => true,
        ["policies", file] => ends(file, ".cedar") || is_issuer(file, registry.board()),
        // What is no table is told with the tables.
        ["policies", "tables", file] => ends(file, ".csv"),
        ["agencies", agency, file] => is_issuer(file, registry.agency(agency)),
        ["messages", _, "examples", "valid" | "invalid", file] => ends(file, ".json"),
        _ => false,
    }
}

/// Whether the file is one of the certificates that its body names.
fn is_issuer(file: &str, body: Option<&Arc<Agency>>) -> bool {
    body.is_some_and(|body| body.trust_files().any(|name| name == file))
}
