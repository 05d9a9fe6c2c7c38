//! The rulebook of the repository: whole, and doing what its tables say.

use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::{Bundle, Fault};
use carnet::policy::headings;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::table::{admit_example, run_tables};

use super::fixture::noon;
use crate::repository::shipped;

/// Its text, with issuers for development.
pub(super) fn bundle() -> Bundle {
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
    let rows: usize = report.rows.values().sum();
    assert!(rows >= 75, "the story has five cells a message: {rows}");
}

/// Rules that no row can show, with the reason.
const WITHOUT_A_ROW: [(&str, &str); 4] = [
    (
        "customs-police-special",
        "no unit here has the clearance special",
    ),
    (
        "customs-statistics",
        "no unit here has the purpose statistics",
    ),
    (
        "environment-police-special",
        "no unit here has the clearance special",
    ),
    ("post-statistics", "no unit here has the purpose statistics"),
];

#[test]
fn every_shipped_rule_decides_in_a_row_of_a_table() {
    let bundle = bundle();
    let rulebook = Rulebook::parse(&bundle).unwrap();
    let report = run_tables(&rulebook, &mut |entry, name| {
        admit_example(&bundle, entry, name)
    });
    let mut without: Vec<&str> = rulebook
        .rules()
        .map(|rule| rule.id.as_str())
        .filter(|id| !report.decided.iter().any(|decided| decided.as_str() == *id))
        .collect();
    without.sort_unstable();
    let known = WITHOUT_A_ROW.map(|(id, _)| id);
    assert_eq!(without, known, "a rule without a row can change unseen");
}

#[test]
fn a_category_that_a_rule_no_longer_gives_is_a_row_that_no_longer_holds() {
    let mut bundle = bundle();
    let rules = bundle.text("policies/post.cedar").unwrap();
    let (before, rule) = rules
        .split_once("@id(\"post-environment-regulated\")")
        .unwrap();
    let narrower = rule.replacen("     Border::Action::\"disclose:goods\",\n", "", 1);
    assert_ne!(narrower, rule);
    let text = format!("{before}@id(\"post-environment-regulated\"){narrower}");
    bundle.insert("policies/post.cedar", text);
    let rulebook = Rulebook::parse(&bundle).unwrap();
    let report = run_tables(&rulebook, &mut |entry, name| {
        admit_example(&bundle, entry, name)
    });
    let told = in_lines(&report.faults);
    assert!(told.contains("post.csv"), "{told}");
    assert!(
        told.contains("postal reference.token,post-environment-regulated"),
        "{told}"
    );
}

#[test]
fn the_regulated_headings_of_all_rules_are_the_one_code_list() {
    let mut bundle = bundle();
    let faults = |bundle: &Bundle| headings::faults(&Rulebook::parse(bundle).unwrap());
    assert_eq!(faults(&bundle), []);
    // Each rule that compares with them notices.
    let list = bundle.text("policies/tables/regulated-hs.csv").unwrap();
    let longer = format!("{list}93,arms\n");
    bundle.insert("policies/tables/regulated-hs.csv", longer);
    let told = faults(&bundle);
    assert!(told.len() > 1, "{told:?}");
    assert!(told.iter().all(|fault| fault.says.contains("it lacks 93")));
}
