//! A hidden exchange leaves no trace: an agency that is excluded from it sees the same octets.

use std::process::Command;

use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Client, Message, bind, named};
use crate::octets::Table;

const EXCLUDED: [&str; 4] = [
    "post-items",
    "environment-permits",
    "customs-declarations",
    "customs-xa-gateway",
];

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

fn told(broker: &Broker, is_there: bool) -> Vec<(&'static str, Vec<u8>)> {
    let mut clients: Vec<(&str, Client)> = EXCLUDED
        .iter()
        .map(|system| (*system, broker.connect(system).confirming()))
        .collect();
    for (system, client) in &mut clients {
        script(broker, system, 1, client);
    }
    if is_there {
        hidden_exchange(broker);
    }
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
    let Some(start) = text.find("\"time\":\"") else {
        return;
    };
    let from = start + 8;
    let length = text[from..].find('"').expect("a time ends");
    body[from..from + length].fill(b'.');
}

#[test]
fn with_and_without_a_hidden_exchange_not_one_octet_differs() {
    let first = Broker::start();
    let second = Broker::start_in(folder_like(&first), |_| {});
    let without = told(&first, false);
    let with = told(&second, true);
    for ((system, without), (_, with)) in without.iter().zip(&with) {
        assert!(without.len() > 2_000, "{system} was told next to nothing");
        let differs = without.iter().zip(with).position(|(a, b)| a != b);
        let shown = differs.map(|at| {
            let part = |octets: &[u8]| {
                let end = (at + 120).min(octets.len());
                String::from_utf8_lossy(&octets[at.saturating_sub(200)..end]).into_owned()
            };
            (at, part(without), part(with))
        });
        assert_eq!(shown, None, "{system}");
        assert_eq!(without.len(), with.len(), "{system}");
    }
    // The comparison can fail: what is not hidden is seen.
    let mut customs = second.connect("police-operations");
    assert_eq!(
        customs.get("inbox", true),
        None,
        "the hidden order was taken by its recipient"
    );
}
