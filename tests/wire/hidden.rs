//! A hidden exchange leaves no trace: an agency that is excluded from it sees the same octets.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Client, Message, bind, named};
use crate::octets::Table;

/// Customs opens the case and the police joins it, as agencies; these are the others.
const EXCLUDED: [&str; 3] = ["post-items", "environment-permits", "customs-xa-gateway"];

/// The repository's agencies, of which the environment's may try to join and close cases.
fn agencies() -> TempDir {
    let also = r#"s/"permit.cites",/"permit.cites", "case.join", "case.close", "control.order",/"#;
    agencies_with("environment", also)
}

/// The repository's agencies, one of them changed by a script of `sed`.
pub(crate) fn agencies_with(agency: &str, change: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("agencies/.");
    let script = r#"cp -r "$1" "$2" && sed -i "$3" "$2/$4/agency.toml""#;
    let copied = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(from)
        .arg(folder.path())
        .args([change, agency])
        .status();
    assert!(copied.unwrap().success());
    folder
}

/// A folder with the same certificates, so that both brokers have one rulebook.
fn folder_like(broker: &Broker) -> TempDir {
    let folder = TempDir::new().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(broker.certs())
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    folder
}

/// Customs' investigation and the police agree on a controlled delivery: a case, an order, its
/// result.
fn hidden_exchange(broker: &Broker) {
    let mut customs = broker.connect("customs-investigation").confirming();
    let open = r#"{"CaseID": "CASE-2026-0317", "Areas": ["ipr"], "Invites": ["police"]}"#;
    assert_eq!(
        customs
            .publish(&Message::of_type("case.open", "h-1", open))
            .returned,
        None
    );
    let mut police = broker.connect("police-operations").confirming();
    let join = r#"{"CaseID": "CASE-2026-0317"}"#;
    assert_eq!(
        police
            .publish(&Message::of_type("case.join", "h-2", join))
            .returned,
        None
    );
    let order = example("control.order/valid/story-11");
    let order = Message::of_type("control.order", "h-3", &order).header("case", "CASE-2026-0317");
    assert_eq!(customs.publish(&order).returned, None);
    let got = police.wait_for("inbox");
    assert_eq!(got.key, "control.order.customs");
}

/// What an excluded system does to find out, and everything it was told.
fn script(broker: &Broker, system: &str, step: u8, turn: &mut Client) {
    turn.declare("probe", 2, &Table::new());
    turn.call(1, (50, 20), bind("probe", "inbox", "#"));
    for queue in ["inbox", "receipts", "dead", "probe"] {
        turn.declare(queue, 1, &Table::new());
        while turn.get(queue, true).is_some() {}
        turn.refused((60, 70), named(&format!("{queue}.investigation")));
    }
    let subject = example("control.order/valid/story-11");
    for (nth, to) in ["police/main", "customs/investigation", "nobody/main"]
        .iter()
        .enumerate()
    {
        for key in ["control.order", "case.join", "case.close"] {
            let id = format!("{step}-{nth}-{key}");
            let body = if key == "control.order" {
                subject.as_str()
            } else {
                r#"{"CaseID": "CASE-2026-0317"}"#
            };
            let probe = Message::of_type(key, &id, body).header("case", "CASE-2026-0317");
            let probe = if key == "control.order" {
                probe.header("to", to)
            } else {
                probe
            };
            turn.publish(&probe);
        }
    }
    if system == "post-items" {
        let item = example("postal.item/valid/ornaments");
        turn.publish(&Message::of_type(
            "postal.item",
            &format!("{step}-item"),
            &item,
        ));
        broker.connect("customs-declarations").quiet();
    }
    while turn.get("receipts", true).is_some() {}
}

fn told(broker: &Broker, meanwhile: impl Fn(&Broker)) -> Vec<(&'static str, Vec<u8>)> {
    let mut clients: Vec<(&str, Client)> = EXCLUDED
        .iter()
        .map(|system| (*system, broker.connect(system).confirming()))
        .collect();
    for (system, client) in &mut clients {
        script(broker, system, 1, client);
    }
    meanwhile(broker);
    for (system, client) in &mut clients {
        script(broker, system, 2, client);
    }
    let all = clients.into_iter();
    all.map(|(system, client)| (system, without_ids_and_times(client.wire.seen)))
        .collect()
}

/// Every octet, but those of a delivery's own id and of times: both differ between any two runs.
fn without_ids_and_times(mut octets: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while at + 7 <= octets.len() {
        let size = u32::from_be_bytes(octets[at + 3..at + 7].try_into().unwrap());
        let end = at + 8 + usize::try_from(size).unwrap();
        if octets[at] == 2 {
            blank_properties(&mut octets[at + 19..end - 1]);
        } else if octets[at] == 3 {
            blank_time(&mut octets[at + 7..end - 1]);
        }
        at = end;
    }
    octets
}

/// Properties of the broker's end in message id and timestamp, where they have them.
fn blank_properties(properties: &mut [u8]) {
    let flags = u16::from_be_bytes(properties[..2].try_into().unwrap());
    let has = |bit: u16| flags & (1 << bit) != 0;
    let is_the_brokers = has(6) && !has(5) && !has(4) && !has(3);
    if !is_the_brokers {
        return;
    }
    let end = properties.len();
    properties[end - 8..].fill(0);
    if has(7) {
        let read = crate::octets::Properties::read(properties);
        let length = read.message_id.expect("flag 7").len();
        properties[end - 8 - length..end - 8].fill(b'.');
    }
}

fn blank_time(body: &mut [u8]) {
    let text = String::from_utf8(body.to_vec()).expect("JSON");
    let Some((before, after)) = text.split_once("\"time\":\"") else {
        return;
    };
    let from = before.len() + 8;
    let length = after.find('"').expect("a time ends");
    body[from..from + length].fill(b'.');
}

/// A policy gives this one to the environment.
fn open_exchange(broker: &Broker) {
    let mut post = broker.connect("post-items").confirming();
    let item = example("postal.item/valid/orchids");
    let item = Message::of_type("postal.item", "open", &item);
    assert_eq!(post.publish(&item).returned, None);
}

/// Where two records of what was told part, and what stands there.
fn difference(one: &[u8], other: &[u8]) -> Option<(usize, String, String)> {
    let parts = one.iter().zip(other).position(|(a, b)| a != b);
    let shorter = one.len().min(other.len());
    let at = parts.or((one.len() != other.len()).then_some(shorter))?;
    let part = |octets: &[u8]| {
        let around = at.saturating_sub(200)..(at + 120).min(octets.len());
        String::from_utf8_lossy(&octets[around]).into_owned()
    };
    Some((at, part(one), part(other)))
}

#[test]
fn with_and_without_a_hidden_exchange_not_one_octet_differs() {
    let agencies = agencies();
    let with_them = |command: &mut Command| {
        command.arg("--agencies").arg(agencies.path());
    };
    let first = Broker::start_with(with_them);
    let second = Broker::start_in(folder_like(&first), with_them);
    let third = Broker::start_in(folder_like(&first), with_them);
    let without = told(&first, |_| {});
    let with = told(&second, hidden_exchange);
    for ((system, without), (_, with)) in without.iter().zip(&with) {
        assert!(without.len() > 2_000, "{system} was told next to nothing");
        assert_eq!(difference(without, with), None, "{system}");
    }
    // What is not hidden shows, or the comparison would prove nothing.
    let open = told(&third, open_exchange);
    let differ = without.iter().zip(&open);
    let differ = differ.filter(|((_, one), (_, other))| difference(one, other).is_some());
    let differ: Vec<&str> = differ.map(|((system, _), _)| *system).collect();
    assert!(differ.contains(&"environment-permits"), "{differ:?}");
}

/// What the police are told of a seizure, and what the unlisted unit of customs got of it.
fn seizure_told(broker: &Broker, purpose: Option<&str>) -> (Vec<String>, bool) {
    let mut police = broker.connect("police-operations").confirming();
    let seizure = example("seizure.report/valid/story-14");
    let id = format!("s-{}", purpose.unwrap_or("any"));
    let seizure = Message::of_type("seizure.report", &id, &seizure);
    let seizure = match purpose {
        Some(purpose) => seizure.header("purpose", purpose),
        None => seizure,
    };
    let outcome = police.publish(&seizure);
    let receipt = police.wait_for("receipts").body;
    let mut receipt: serde_json::Value = serde_json::from_str(&receipt).expect("JSON");
    for differs in ["time", "rulebook"] {
        assert!(receipt[differs].is_string());
        receipt[differs].take();
    }
    let told = vec![format!("{:?}", outcome.returned), receipt.to_string()];
    let mut unlisted = broker.connect("customs-investigation");
    (told, unlisted.get("inbox.investigation", true).is_some())
}

#[test]
fn neither_return_nor_ack_nor_receipt_tells_of_a_recipient_that_is_not_listed() {
    let without = agencies_with(
        "customs",
        r#"s/"control.result", "seizure.report"]$/"control.result"]/"#,
    );
    let with = Broker::start();
    let without = Broker::start_with(|command| {
        command.arg("--agencies").arg(without.path());
    });
    for purpose in [None, Some("law-enforcement")] {
        let (told_with, got) = seizure_told(&with, purpose);
        let (told_without, got_none) = seizure_told(&without, purpose);
        assert!(
            got && !got_none,
            "{purpose:?}: the unlisted unit receives, or it does not"
        );
        assert_eq!(told_with, told_without, "{purpose:?}");
    }
}
