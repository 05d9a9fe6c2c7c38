//! Steps of cases: whose they are, what a repeat of one is told, and what stays of one refused.

use std::process::Command;

use serde_json::Value as Json;

use crate::broker::Broker;
use crate::client::{Client, Message};

const OPEN: &str = r#"{"CaseID": "CASE-2026-0318", "Areas": ["ipr"], "Invites": ["police"]}"#;
const NAMED: &str = r#"{"CaseID": "CASE-2026-0318"}"#;

fn step(client: &mut Client, key: &str, id: &str, body: &str) -> Option<(u16, String)> {
    client.publish(&Message::of_type(key, id, body)).returned
}

/// What `carnet log tail` says of cases and refusals.
fn log(broker: &Broker) -> Vec<Json> {
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(["log", "tail", "-n", "1000", "--json", "--data"])
        .arg(broker.data())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let records = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    records
        .filter(|record: &Json| record["kind"] == "case" || record["kind"] == "rejected")
        .collect()
}

#[test]
fn a_step_that_is_not_its_agencys_is_refused_and_stays_in_evidence() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut police = broker.connect("police-operations").confirming();
    let uninvited = OPEN.replace(r#""police""#, "");
    assert_eq!(step(&mut customs, "case.open", "o-1", &uninvited), None);
    let attempts = ["case.join", "case.close", "case.open"];
    for (key, sequence) in attempts.into_iter().zip(1_u64..) {
        let body = if key == "case.open" { OPEN } else { NAMED };
        let body = body.replace("police", "post");
        let (code, text) = step(&mut police, key, key, &body).expect("a refusal");
        let says = "ACCESS_REFUSED - this case is not open to this agency";
        assert_eq!((code, text.as_str()), (403, says), "{key}");
        let receipt: Json = serde_json::from_str(&police.wait_for("receipts").body).unwrap();
        assert_eq!(receipt["sequence"], sequence, "{receipt}");
        let told = ["outcome", "place", "rule"].map(|name| receipt[name].as_str().unwrap());
        assert_eq!(told, ["refused", "/CaseID", "case"]);
        let fault = &receipt["faults"][0];
        assert_eq!(fault["text"], "this case is not open to this agency");
    }
    let log = log(&broker);
    assert_eq!(log.len(), 1 + attempts.len(), "{log:?}");
    for (record, key) in log[1..].iter().zip(attempts) {
        assert!(record["number"].is_u64(), "it is evidence: {record}");
        let said = ["kind", "sender", "type", "case"].map(|name| record[name].as_str().unwrap());
        assert_eq!(
            said,
            ["rejected", "police/operations", key, "CASE-2026-0318"]
        );
        assert_eq!(record["code"], 403, "{record}");
    }
}

#[test]
fn who_comes_back_and_sends_again_is_told_what_it_was_told_and_it_is_logged_once() {
    let broker = Broker::start();
    let (opener, invited) = ("customs-declarations", "police-operations");
    for id in ["first", "first", "later"] {
        // A connection of its own each time, as after a cut.
        let mut customs = broker.connect(opener).confirming();
        assert_eq!(
            step(&mut customs, "case.open", &format!("{id}-o"), OPEN),
            None
        );
        let mut police = broker.connect(invited).confirming();
        assert_eq!(
            step(&mut police, "case.join", &format!("{id}-j"), NAMED),
            None
        );
    }
    let data = broker.killed();
    let broker = Broker::start_in(data, |_| {});
    let mut customs = broker.connect(opener).confirming();
    let other = OPEN.replace("ipr", "drugs");
    let (code, text) = step(&mut customs, "case.open", "first-o", &other).expect("a refusal");
    assert!(code == 403 && text.contains("open already, opened by this agency at 20"));
    for id in ["first-c", "later-c"] {
        assert_eq!(step(&mut customs, "case.close", id, NAMED), None);
    }
    // The whole of it again: its steps were taken, whatever has become of the case.
    assert_eq!(step(&mut customs, "case.open", "first-o", OPEN), None);
    let mut police = broker.connect(invited).confirming();
    assert_eq!(step(&mut police, "case.join", "first-j", NAMED), None);
    // Another message is another matter.
    let (code, text) = step(&mut customs, "case.open", "again", OPEN).expect("a refusal");
    assert!(code == 403 && text.contains("and closed at 20"), "{text}");
    let (code, text) = step(&mut police, "case.join", "again", NAMED).expect("a refusal");
    assert!(code == 403 && text.contains("is not open to this agency"));
    let log = log(&broker);
    let steps = log.iter().filter_map(|record| record["step"].as_str());
    assert_eq!(steps.collect::<Vec<_>>(), ["opened", "joined", "closed"]);
    assert_eq!(log.len(), 3 + 3, "{log:?}");
}

/// Routing key, body, and the place and rule that are told.
const FAULTS: [[&str; 4]; 9] = [
    [
        "case.open",
        r#"{"CaseID": "C-1", "Invites": ["police", "polize"]}"#,
        "/Invites/1",
        "agency",
    ],
    [
        "case.open",
        r#"{"CaseID": "C-1", "Invites": ["Not a name"]}"#,
        "/Invites/0",
        "agency",
    ],
    [
        "case.open",
        r#"{"CaseID": "C-1", "Invites": ["customs"]}"#,
        "/Invites/0",
        "agency",
    ],
    [
        "case.open",
        r#"{"CaseID": "C-1", "Areas": ["ipr", "parking"]}"#,
        "/Areas/1",
        "area",
    ],
    ["case.open", r#"{"CaseID": "c-1"}"#, "/CaseID", "case"],
    ["case.open", r#"{"CaseID": ""}"#, "/CaseID", "case"],
    [
        "case.open",
        r#"{"CaseID": "C-1", "Agencies": []}"#,
        "the message",
        "schema",
    ],
    [
        "case.join",
        r#"{"CaseID": "C-1", "Areas": ["ipr"]}"#,
        "/Areas",
        "maxItems",
    ],
    [
        "case.close",
        r#"{"CaseID": "C-1", "Invites": ["police"]}"#,
        "/Invites",
        "maxItems",
    ],
];

#[test]
fn a_step_with_a_fault_is_returned_with_its_place_and_rule() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-investigation").confirming();
    let long = format!(r#"{{"CaseID": "{}"}}"#, "C".repeat(36));
    let too_long = ["case.open", &long, "/CaseID", "case"];
    for [key, body, place, rule] in FAULTS.into_iter().chain([too_long]) {
        let (code, text) = step(&mut customs, key, "f", body).expect("a refusal");
        assert_eq!(code, 406, "{body}: {text}");
        let says = text.starts_with(&format!("PRECONDITION_FAILED - {place}: "));
        assert!(says && text.ends_with(&format!(" ({rule})")), "{text}");
        let receipt = customs.wait_for("receipts.investigation").body;
        let receipt: Json = serde_json::from_str(&receipt).unwrap();
        assert_eq!(receipt["rule"], rule, "{receipt}");
    }
    let whole = r#"{"CaseID": "C-1"}"#;
    let plain = Message::of_type("case.open", "f", whole);
    let forged = [
        plain
            .clone()
            .with(|p| p.user_id = Some("police-operations".to_owned())),
        plain.clone().header("x-carnet-sender", "police/main"),
        plain.with(|p| p.content_encoding = Some("gzip".to_owned())),
    ];
    for (message, place) in forged
        .iter()
        .zip(["user_id", "x-carnet-sender", "encoding"])
    {
        let (code, text) = customs.publish(message).refusal();
        assert!(code == 406 && text.contains(place), "{text}");
    }
    assert_eq!(step(&mut customs, "case.open", "f", whole), None);
}
