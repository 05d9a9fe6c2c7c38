//! The walk-through of `docs/policies.md`, command by command as it stands there.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use carnet::config::write_text;
use serde_json::json;

use crate::broker::Broker;
use crate::lines::lines_of;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies.md");

const ORNAMENTS: &str = "messages/postal.item/examples/valid/ornaments.json";

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
    broker.publishes(ORNAMENTS, "before", "post/items");
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
    broker.publishes(ORNAMENTS, "after", "post/items");
    ends_and_comes_back(&broker);
}

/// A system that shows what waits in a queue of its, and leaves it there.
struct Consumer {
    child: Child,
    lines: Receiver<String>,
}

impl Consumer {
    fn of(broker: &Broker, queue: &str, system: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.args(["consume", queue, "--as", system, "--no-ack", "--json"]);
        let command = broker.as_user(&mut command);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for a message that says this.
    fn waits_for(&self, text: &str) {
        let mut lines = self.lines.iter();
        assert!(lines.any(|line| line.contains(text)), "{text} came");
    }

    /// Why it ended.
    fn ended(self) -> String {
        let output = self.child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The veterinary agency takes part no more, and again once that is taken back.
fn ends_and_comes_back(broker: &Broker) {
    let decided = |number: u64| {
        for officer in ["customs/o-0934", "police/p-1209", "post/m-0077"] {
            broker.told(&format!("policy approve {number} --as {officer}"));
        }
    };
    let vet = Consumer::of(broker, "receipts", "vet/posts");
    let mut customs = Consumer::of(broker, "inbox", "customs/declarations");
    // What was published so far.
    (0..3).for_each(|_| customs.waits_for("postal.item"));

    let ends = "policy agency vet --ends --title \"No border posts\" --as customs/o-2117";
    let told = broker.told(ends);
    assert!(told.contains("\n  end of vet\n"), "{told}");
    vet.waits_for("end of vet");
    let statement = broker.get("post/m-0077", "/api/v1/proposals/4/statement");
    let says = "\nowner board\nend of vet\nbase ";
    assert!(statement.text.contains(says), "{}", statement.text);
    told_without_its_files(broker, 4);
    decided(4);
    broker.told("policy activate 4 --as customs/o-2117");
    let why = vet.ended();
    assert!(why.contains("CONNECTION_FORCED"), "{why}");
    // Nobody vouches any more for its systems, or officers.
    let why = Consumer::of(broker, "receipts", "vet/posts").ended();
    assert!(!why.contains("CONNECTION_FORCED"), "{why}");
    // The others are served on the connections that they had.
    broker.publishes(ORNAMENTS, "without-vet", "post/items");
    customs.waits_for("postal.item");
    assert!(customs.child.try_wait().unwrap().is_none());

    let told = broker.told("policy rollback 5 --as customs/o-2117");
    assert!(told.contains("\n  end of vet taken back\n"), "{told}");
    told_without_its_files(broker, 5);
    decided(5);
    let log = broker.told("policy log --as customs/o-2117");
    assert!(log.contains("end of vet taken back"), "{log}");
    // What waited for it was kept.
    Consumer::of(broker, "receipts", "vet/posts").waits_for("end of vet");
}

/// The board sees of such a proposal that an agency goes, or comes back, and nothing of what it has: neither
/// while it takes part nor once it does not.
fn told_without_its_files(broker: &Broker, number: u64) {
    for seat in ["customs/o-2117", "police/p-1209"] {
        let whole = broker.get(seat, &format!("/api/v1/proposals/{number}"));
        assert_eq!(whole.json["files"], json!([]), "{seat}");
        for path in ["agencies/vet/agency.toml", "agencies/vet/vet-ca.pem"] {
            let file = format!("/api/v1/proposals/{number}/file?path={path}");
            assert_eq!(broker.get(seat, &file).code(), "absent", "{seat} {path}");
        }
        let told = broker.get(seat, &format!("/api/v1/proposals/{number}/difference"));
        let things = told.json["things"].as_array().unwrap();
        assert_eq!(things.len(), 1, "{told:?}");
        assert_eq!(
            (&things[0]["name"], &things[0]["aspects"]),
            (&json!("vet"), &json!([]))
        );
    }
}
