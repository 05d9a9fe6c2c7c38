//! What a sender writes stands in clear nowhere on the disk: evidence is never erased. What is sealed has
//! it, and opens with the key ring alone.

use std::sync::Arc;

use carnet::agency::keys::{FramePart, OpenFrame};
use carnet::agency::registry::{Agency, Peer};
use carnet::backbone::load::load;
use carnet::broker::record::{Record, Stored};
use carnet::journal::Lsn;
use carnet::message::envelope::{HeaderValue, Publish};
use serde_json::{Map, Value};

use crate::border::publish;
use crate::desk::{Desk, Outcome, Place};
use crate::recovered::data;
use crate::ring::ring;

/// A name, as a client may write it anywhere: the name of a case too.
const SECRET: &str = "MARROW-ILSE/1957";

fn holds(octets: &[u8]) -> usize {
    let looked: Vec<u8> = octets.iter().map(u8::to_ascii_lowercase).collect();
    let found = looked.windows(6).filter(|six| *six == b"marrow");
    found.count()
}

/// Each body that differs from `body` by the secret in one element: as its text, its name, and what
/// it holds.
fn planted(body: &Value) -> Vec<Value> {
    let secret = || Value::from(SECRET);
    let mut all = vec![
        secret(),
        Value::from(vec![SECRET]),
        [(SECRET, secret())].into_iter().collect(),
    ];
    match body {
        Value::Object(members) => {
            for (name, member) in members {
                let with = |name: &str, value: Value| {
                    let mut members: Map<String, Value> = members.clone();
                    members.insert(name.to_owned(), value);
                    Value::from(members)
                };
                all.extend(planted(member).into_iter().map(|inner| with(name, inner)));
                all.push(with(SECRET, member.clone()));
                let mut renamed = members.clone();
                renamed.remove(name);
                renamed.insert(SECRET.to_owned(), member.clone());
                all.push(renamed.into());
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                let more =
                    |inner: Value| -> Value { items.iter().cloned().chain([inner]).collect() };
                all.extend(planted(first).into_iter().map(more));
            }
        }
        _ => {}
    }
    all
}

/// A system that sends a type, where there is one: of an agency that is told of each of its faults.
fn sender(desk: &Desk, message_type: &str) -> Option<Peer> {
    let mut agencies = desk.border.registry().agencies();
    agencies.find_map(|agency| {
        let mut systems = agency.systems.values();
        let system = systems.find(|it| it.sends.iter().any(|it| it.covers(message_type)))?;
        let mut told = Agency::clone(agency);
        told.limits.refusals_per_minute = u32::MAX;
        Some(Peer {
            unit: Arc::clone(&agency.units[&system.unit]),
            system: Arc::clone(system),
            agency: Arc::new(told),
        })
    })
}

/// Bodies with the secret, of each type with one that sends it.
fn slips_of_bodies(desk: &mut Desk) -> Vec<(Place, Publish)> {
    let examples = desk.border.shortest_examples();
    let examples: Vec<(String, Value)> = (examples.into_iter())
        .map(|(name, body)| (name.to_owned(), serde_json::from_slice(body).unwrap()))
        .collect();
    let mut slips = Vec::new();
    for (message_type, body) in examples {
        let Some(peer) = sender(desk, &message_type) else {
            continue;
        };
        let place = desk.seat_peer(peer);
        for (body, nth) in planted(&body).into_iter().zip(1_u32..) {
            let id = format!("{message_type}-{nth}");
            let body = body.to_string();
            slips.push((place, publish(&message_type, &id, body.as_bytes(), &[])));
        }
    }
    slips
}

/// Envelopes with the secret, and bodies that are no JSON.
fn slips_of_an_item(desk: &mut Desk) -> Vec<(Place, Publish)> {
    let peer = sender(desk, "postal.item").expect("the post");
    let place = desk.seat_peer(peer);
    let item = desk.border.publish("postal.item/valid/orchids", "", &[]);
    let item = |id: &str| Publish {
        message_id: Some(format!("envelope-{id}")),
        ..item.clone()
    };
    let header = |name: &str, value: HeaderValue| Publish {
        headers: vec![(name.to_owned(), value)],
        ..item(name)
    };
    let text = || HeaderValue::Text(SECRET.to_owned());
    let body = |body: &str| Publish {
        body: body.replace("SECRET", SECRET).into(),
        ..item(body)
    };
    let keyed = |key: &str| Publish {
        message_type: key.into(),
        ..item(key)
    };
    let mut slips = vec![
        keyed(SECRET),
        keyed(&format!("postal.item.{SECRET}")),
        keyed(&format!("case.{SECRET}")),
        header(&format!("x-carnet-{SECRET}"), text()),
        header(&format!(" X_CARNET {SECRET}"), text()),
        header("purpose", text()),
        header("handling", text()),
        header("Purpose", text()),
        header("case", HeaderValue::Text(format!("{SECRET} {SECRET}"))),
        header("justification", HeaderValue::Text(format!("{SECRET}\0"))),
        header("to", HeaderValue::List(vec![format!("{SECRET}/main")])),
        header("to", text()),
        body(r#"{"SECRET": 1, "SECRET": 2}"#),
        body(r#"{"SECRET": {"SECRET": "#),
        body(r#"{"ID": "SECRET", "ID": "SECRET"}"#),
        body(r#"{"ID": "ct1~SECRET"}"#),
        body("SECRET"),
        body(r#"{"ID": "SECRET"} SECRET"#),
    ];
    let set = |set: fn(&mut Publish)| {
        let mut item = item("property");
        set(&mut item);
        item
    };
    slips.extend([
        set(|it| it.user_id = Some(SECRET.to_owned())),
        set(|it| it.content_type = Some(SECRET.to_owned())),
        set(|it| it.content_encoding = Some(SECRET.to_owned())),
        set(|it| it.message_id = Some(format!("{SECRET}\n"))),
    ]);
    slips.into_iter().map(|slip| (place, slip)).collect()
}

/// Steps of cases that there are none of, or with the secret beside their name.
fn slips_of_cases(desk: &mut Desk) -> Vec<(Place, Publish)> {
    let peer = sender(desk, "case.open").expect("one that opens cases");
    let place = desk.seat_peer(peer);
    let bodies = [
        ("case.join", r#"{"CaseID": "SECRET"}"#),
        ("case.close", r#"{"CaseID": "SECRET"}"#),
        ("case.open", r#"{"CaseID": "not a case SECRET"}"#),
        ("case.open", r#"{"CaseID": "C-1", "SECRET": 1}"#),
        ("case.open", r#"{"CaseID": "C-1", "Areas": ["SECRET"]}"#),
        ("case.open", r#"{"CaseID": "C-1", "Invites": ["SECRET"]}"#),
    ];
    let slips = bodies.into_iter().zip(1_u32..).map(|((step, body), nth)| {
        let body = body.replace("SECRET", SECRET);
        (
            place,
            publish(step, &format!("step-{nth}"), body.as_bytes(), &[]),
        )
    });
    slips.collect()
}

/// Messages that quote a case that there is none of: they are ruled.
fn quoted_cases(desk: &mut Desk) -> Vec<(Place, Publish)> {
    let peer = sender(desk, "postal.item").expect("the post");
    let place = desk.seat_peer(peer);
    let item = desk.border.publish("postal.item/valid/orchids", "", &[]);
    let header = ("case".to_owned(), HeaderValue::Text(SECRET.to_owned()));
    let item = Publish {
        message_id: Some("quoted".to_owned()),
        headers: vec![header],
        ..item
    };
    vec![(place, item)]
}

/// How often what is sealed of a message holds the secret, in its record and in its frame.
fn sealed(stored: Stored) -> (usize, usize) {
    let ring = ring();
    let part = match stored.record.opened(&ring) {
        Record::Rejected(rejected) => rejected.sealed,
        Record::Exchange(exchange) => exchange.sealed,
        _ => return (0, 0),
    };
    let parts = [FramePart::Body, FramePart::Facts];
    let frame = OpenFrame::any(&stored.frame, &ring).ok();
    let contents = parts.map(|part| frame.as_ref()?.1.content(part).ok());
    let in_frame = contents.iter().flatten().map(|octets| holds(octets));
    (holds(part.content().unwrap()), in_frame.sum())
}

/// Whether the journal holds the secret nowhere in clear, and sealed in records and in frames.
fn assert_sealed_alone(desk: &Desk) {
    let reader = desk.committer.journal().reader();
    let (mut in_records, mut in_frames) = (0, 0);
    for record in reader.scan(Lsn::START) {
        let (record, frame) = sealed(load(&reader, record.unwrap().lsn).unwrap());
        in_records += record;
        in_frames += frame;
    }
    for first in reader.segments() {
        let segment = data().join(format!("journal/{:016x}.segment", first.0));
        let look = |octets: &mut Vec<u8>| assert_eq!(holds(octets), 0, "segment {first}");
        desk.disk.edit(&segment, look).unwrap();
    }
    assert!(in_records > 0, "no slip was told to its sender");
    assert!(in_frames > 0, "no message with the secret was ruled");
}

#[test]
fn what_a_sender_writes_stands_nowhere_on_the_disk_in_clear() {
    let mut desk = Desk::open();
    let bodies = slips_of_bodies(&mut desk);
    let mut rejected = 0;
    for (place, slip) in bodies {
        let outcome = desk.publish(place, &slip);
        rejected += usize::from(matches!(outcome, Outcome::Returned(_)));
    }
    assert!(rejected > 1_000, "{rejected} bodies of them alone");
    let others = [slips_of_an_item(&mut desk), slips_of_cases(&mut desk)];
    for (place, slip) in others.into_iter().flatten() {
        let outcome = desk.publish(place, &slip);
        assert!(matches!(outcome, Outcome::Returned(_)), "{slip:?}");
    }
    for (place, slip) in quoted_cases(&mut desk) {
        let outcome = desk.publish(place, &slip);
        assert!(!matches!(outcome, Outcome::Returned(_)), "{slip:?}");
    }
    assert_sealed_alone(&desk);
}
