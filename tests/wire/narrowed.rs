//! A release that a newer ruling narrows before it is delivered: it keeps its place, on its channel
//! and among the answers there.

use crate::broker::{Broker, example};
use crate::client::{Client, Message, Told, consume, declare, named};
use crate::octets::{Octets, Reader, Table, method};

const CASE: &str = "C-1";

fn case(client: &mut Client, step: &str, id: &str) {
    let body = match step {
        "case.open" => r#"{"CaseID": "C-1", "Areas": ["ipr"], "Invites": ["police"]}"#,
        _ => r#"{"CaseID": "C-1"}"#,
    };
    let change = Message::of_type(step, id, body);
    assert_eq!(client.publish(&change).returned, None, "{step}");
}

/// One that police get for the case alone.
fn in_case(id: &str) -> Message {
    let body = example("declaration.import/valid/story-10");
    Message::of_type("declaration.import", id, &body).header("case", CASE)
}

/// One that police get whatever the case is.
fn in_any_case(id: &str) -> Message {
    Message::of_type(
        "seizure.report",
        id,
        &example("seizure.report/valid/story-14"),
    )
}

/// Messages wait for police, and those for the case alone are for nobody any more.
fn waiting(messages: &[Message]) -> (Broker, Client) {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut police = broker.connect("police-operations").confirming();
    case(&mut customs, "case.open", "c-1");
    case(&mut police, "case.join", "c-2");
    for message in messages {
        assert_eq!(customs.publish(message).returned, None);
    }
    case(&mut customs, "case.close", "c-3");
    let police = broker.connect("police-operations");
    (broker, police)
}

#[test]
fn a_narrowed_message_is_not_overtaken_by_those_behind_it() {
    let mut messages = Vec::new();
    for n in 0..20 {
        messages.push(in_case(&format!("a-{n}")));
        messages.push(in_any_case(&format!("b-{n}")));
    }
    let (_broker, mut police) = waiting(&messages);
    police.consume("inbox", "i", 0);
    for n in 1..=40 {
        let delivery = police.delivery();
        let kind = if n % 2 == 1 {
            "carnet.withdrawn"
        } else {
            "seizure.report.customs"
        };
        assert_eq!((delivery.tag, &*delivery.key), (n, kind));
        assert_eq!(sequence(&delivery.properties), n.to_string());
    }
    police.quiet();
}

pub(crate) fn sequence(properties: &crate::octets::Properties) -> String {
    let headers = properties.headers.iter().flatten();
    let mut sequence = headers.filter(|(name, _)| name == "x-carnet-sequence");
    match sequence.next() {
        Some((_, crate::octets::Value::Text(number))) => number.clone(),
        other => panic!("no number: {other:?}"),
    }
}

#[test]
fn a_get_whose_message_is_narrowed_is_answered_before_what_was_asked_behind_it() {
    for no_ack in [0, 1] {
        let (_broker, mut police) = waiting(&[in_case("a-1"), in_any_case("b-1")]);
        police.open_channel(2);
        let get = || {
            method(
                1,
                (60, 70),
                Octets::new().short(0).name("inbox").octet(no_ack),
            )
        };
        let count = method(1, (50, 10), declare("inbox", 1, &Table::new()));
        let asks = [get(), count.clone(), get(), get(), count, consume_inbox()];
        police.wire.send(&asks.concat());
        let key = |told: Told| match told {
            Told::Content(content) if content.id == (60, 71) => {
                let mut from = Reader(&content.arguments);
                let _ = (from.longlong(), from.octet(), from.name());
                from.name()
            }
            other => panic!("not got: {other:?}"),
        };
        assert_eq!(key(police.wire.told()), "carnet.withdrawn");
        police.wire.expect(1, (50, 11));
        assert_eq!(key(police.wire.told()), "seizure.report.customs");
        police.wire.expect(1, (60, 72));
        let told = police.wire.expect(1, (50, 11));
        assert_eq!(told.get(6..10), Some(&[0, 0, 0, 0][..]), "nothing is ready");
        police.wire.expect(1, (60, 21));
        police.quiet();
    }
}

fn consume_inbox() -> Vec<u8> {
    method(1, (60, 20), consume("inbox", "i", 0))
}

#[test]
fn a_channel_or_connection_that_ends_meanwhile_loses_nothing() {
    let (broker, mut police) = waiting(&[in_case("a-1"), in_any_case("b-1")]);
    let close = || Octets::new().short(200).name("").short(0).short(0);
    let get = || method(1, (60, 70), named("inbox"));
    // The channel: its answer is the last.
    for _ in 0..3 {
        let asks = [get(), method(1, (20, 40), close())];
        police.wire.send(&asks.concat());
        while !matches!(police.wire.told(), Told::Method { id: (20, 41), .. }) {}
        police.open_channel(1);
    }
    // The connection, with a goodbye and without one.
    police
        .wire
        .send(&[get(), method(0, (10, 50), close())].concat());
    while !matches!(police.wire.told(), Told::Method { id: (10, 51), .. }) {}
    for _ in 0..3 {
        let mut police = broker.connect("police-operations");
        police.wire.send(&get());
    }
    let mut police = broker.connect("police-operations");
    assert_eq!(police.wait_for("inbox").key, "carnet.withdrawn");
    assert_eq!(police.wait_for("inbox").key, "seizure.report.customs");
    assert_eq!(police.get("inbox", true), None);
}
