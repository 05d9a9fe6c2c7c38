//! The walk-through of `docs/policies.md`, command by command as it stands there.

use std::process::Command;

use carnet::config::write_text;

use crate::broker::Broker;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies.md");

/// The blocks of the walk-through, as one script.
fn script() -> String {
    let page = carnet::config::read_file(PAGE.as_ref()).unwrap();
    let page = String::from_utf8(page).unwrap();
    let blocks = page.split("```sh walk\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 5, "the walk-through has its blocks");
    let lines = blocks.iter().flat_map(|block| block.lines());
    // A shell's `!` does not end a script where the command succeeds.
    let lines = lines.map(|line| match line.strip_prefix("! ") {
        Some(refused) => format!("if {refused}; then exit 1; fi"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_walk_through_of_the_manual_goes_from_a_new_agency_to_a_return() {
    let broker = Broker::start();
    broker.publishes(
        "messages/postal.item/examples/valid/ornaments.json",
        "before",
        "post/items",
    );
    let run = format!("set -euo pipefail\nset -x\n{}", script());
    write_text(&broker.path().join("walk.sh"), run.as_bytes()).unwrap();
    let mut shell = Command::new("bash");
    let output = broker.as_user(shell.arg("walk.sh")).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{says}");
    let refused = says
        .lines()
        .filter(|line| line.contains("policies/tables/post.csv:"))
        .count();
    assert_eq!(refused, 2, "two rows: {says}");
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.contains("Return from activation 3"), "{log}");
    // Who was connected before is served as before.
    broker.publishes(
        "messages/postal.item/examples/valid/ornaments.json",
        "after",
        "post/items",
    );
}
