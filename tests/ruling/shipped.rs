//! The rulebook of the repository: whole, and doing what its tables say.

use std::collections::BTreeSet;

use carnet::agency::development::{DevelopmentPki, development_bundle};
use carnet::message::bundle::{Bundle, Fault};
use carnet::policy::rulebook::Rulebook;
use carnet::policy::table::{admit_example, run_tables};

use super::fixture::noon;
use crate::repository::shipped;

fn bundle() -> Bundle {
    let bundle = shipped();
    let pki = DevelopmentPki::create(&bundle, noon()).unwrap();
    development_bundle(&bundle, &pki).unwrap()
}

fn in_lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_shipped_rulebook_has_no_fault_and_its_tables_hold() {
    let bundle = bundle();
    let rulebook =
        Rulebook::parse(&bundle).unwrap_or_else(|faults| panic!("{}", in_lines(&faults)));
    let report = run_tables(&rulebook, &mut |entry, name| {
        admit_example(&bundle, entry, name)
    });
    assert!(report.faults.is_empty(), "{}", in_lines(&report.faults));
    assert!(
        report.rows >= 75,
        "the story has five cells a message: {}",
        report.rows
    );
}

/// Every set of headings that a rule compares with, as it stands in the text.
fn sets_of_headings(text: &str) -> Vec<BTreeSet<String>> {
    let sets = text.split("resource.hs.containsAny([").skip(1);
    let sets = sets.map(|rest| rest.split(']').next().unwrap_or_default());
    sets.map(|set| {
        set.split('"')
            .skip(1)
            .step_by(2)
            .map(ToOwned::to_owned)
            .collect()
    })
    .collect()
}

#[test]
fn the_regulated_headings_of_all_rules_are_the_one_code_list() {
    let bundle = bundle();
    let list = bundle.text("policies/tables/regulated-hs.csv").unwrap();
    let list: BTreeSet<String> = list
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .map(ToOwned::to_owned)
        .collect();
    let mut found = 0;
    let names = bundle
        .below("policies")
        .filter_map(|(path, _)| path.strip_suffix(".cedar"));
    for path in names.map(|name| format!("policies/{name}.cedar")) {
        for set in sets_of_headings(bundle.text(&path).unwrap()) {
            assert_eq!(set, list, "in {path}");
            found += 1;
        }
    }
    assert!(found > 1);
}
