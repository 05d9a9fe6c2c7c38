//! Every budget, filled to its bound by one agency: what it is told, and what it costs nobody else.

use crate::broker::{Broker, example};
use crate::client::{Message, declare};
use crate::limits::confirmed;
use crate::octets::{Reader, Table, method};

/// What the limits page says.
const TURN_OCTETS: usize = 32 << 10;
const TURN_MOVED_PART: usize = 8;

const PASSIVE: u8 = 1;
const NO_WAIT: u8 = 16;

#[test]
fn requests_that_want_no_answer_are_read_as_they_are_answered() {
    const REQUESTS: usize = 200_000;
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    post.declare("work", 2, &Table::new());
    let one = declare("work", PASSIVE | NO_WAIT, &Table::new());
    let all = method(1, (50, 10), one).repeat(REQUESTS);
    broker.forget_peak();
    let before = broker.peak_bytes();
    post.wire.send(&all);
    post.quiet();
    let grown = broker.peak_bytes().saturating_sub(before);
    assert!(2 * grown < all.len(), "{grown} of {}", all.len());
}

/// A declaration of so many items, each of about 600 octets: valid.
fn declaration(id: &str, items: usize) -> Message {
    let body = example("declaration.import/valid/timber");
    let mut body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let mut item = body["GoodsShipment"]["GovernmentAgencyGoodsItem"][0].take();
    item["Commodity"]["Description"] = "cotton shirt ".repeat(18).into();
    let all = (1..=items).map(|n| {
        let mut item = item.clone();
        item["SequenceNumeric"] = n.into();
        item
    });
    body["GoodsShipment"]["GovernmentAgencyGoodsItem"] = all.collect();
    body["GoodsItemQuantity"] = items.into();
    Message::of_type("declaration.import", id, &body.to_string())
}

#[test]
fn between_two_looks_at_the_sockets_a_share_of_each_agency_is_worked_on_however_large_messages_are()
{
    let broker = Broker::start_with(|command| {
        command.env("CARNET_LOG", "carnet=info,carnet::server=debug");
        command.env("CARNET__RUNTIMES", "1");
    });
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Table::new());
    let mut large = Vec::new();
    let mut size = 0;
    for n in 0..4 {
        let message = declaration(&format!("d-{n}"), 999);
        size = message.body.len();
        large.extend(message.frames(1));
    }
    let mut small = Vec::new();
    for n in 0..150 {
        small.extend(Message::to_queue("work", &format!("{n}")).frames(1));
    }
    customs.wire.send(&large);
    post.wire.send(&small);
    confirmed(&mut post, 150);
    confirmed(&mut customs, 4);
    broker.terminate();
    let line = broker.logged("most work of a worker between two looks at its sockets");
    let (_, octets) = line.split_once("octets=").expect("a figure");
    let octets: usize = octets.trim().parse().expect("a number");
    // What is one piece of work may go beyond the share: a large message on its way to its thread.
    let share = TURN_OCTETS + size.div_euclid(TURN_MOVED_PART) + (1 << 10);
    assert!(
        size > 500 << 10 && octets <= 2 * share,
        "{octets} of {share}"
    );
}

#[test]
fn what_is_published_behind_a_large_message_is_taken_behind_it() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut all = Vec::new();
    for n in 0..6 {
        let items = if n % 3 == 0 { 400 } else { 1 };
        all.extend(declaration(&format!("d-{n}"), items).frames(1));
    }
    // The last of them is a question on the same channel.
    let look = declare("receipts", PASSIVE, &Table::new());
    all.extend(method(1, (50, 10), look));
    customs.wire.send(&all);
    confirmed(&mut customs, 6);
    let answer = customs.wire.expect(1, (50, 11));
    let mut answer = Reader(&answer);
    assert_eq!((answer.name(), answer.long()), ("receipts".to_owned(), 6));
    for n in 0..6 {
        let receipt = customs.get("receipts", true).expect("a receipt");
        assert_eq!(receipt.properties.correlation_id, Some(format!("d-{n}")));
    }
}
