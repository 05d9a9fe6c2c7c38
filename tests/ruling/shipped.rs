//! The rulebook of the repository: whole, and doing what its tables say.

use carnet::agency::development::{DevelopmentPki, development_bundle};
use carnet::message::bundle::{Bundle, Fault};
use carnet::policy::headings;
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
