//! Every budget, filled to its bound by one agency: what it is told, and what it costs nobody else.

use std::time::Duration;

use carnet::server::clock::Clock;

use crate::broker::{Broker, example};
use crate::client::{Client, Message, Told, consume, declare};
use crate::limits::{agencies, confirmed, start};
use crate::octets::{Octets, Properties, Reader, Table, Value, frame, header, method};

/// What the limits page says.
const TURN_OCTETS: usize = 32 << 10;
const TURN_MOVED_PART: usize = 8;
const UNDECIDED_BYTES: usize = 64 << 20;

const PASSIVE: u8 = 1;
const NO_WAIT: u8 = 16;
const CONSUME_NO_WAIT: u8 = 8;

#[test]
fn requests_that_want_no_answer_are_read_as_they_are_answered() {
    const REQUESTS: usize = 400_000;
    let broker = Broker::start();
    broker.wait_for_its_tree();
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

#[test]
fn requests_are_taken_in_the_pace_of_what_they_write_to_the_journal() {
    const ROUNDS: usize = 200;
    let agencies = agencies(
        "post",
        "messages_per_second = 5000\nprivate_octets_per_second = 131072",
    );
    let broker = start(&agencies);
    let mut post = broker.connect("post-items");
    let mut customs = broker.connect("customs-declarations").confirming();
    customs.declare("work", 2, &Table::new());
    let started = Clock::default();
    let declares = method(1, (50, 10), declare("work", 2, &Table::new()));
    let deletes = method(1, (50, 40), Octets::new().short(0).name("work").octet(0));
    post.wire.send(&[declares, deletes].concat().repeat(ROUNDS));
    // Another agency is not held up, nor is a connection that asks for nothing of its own.
    let message = Message::to_queue("work", "mine");
    assert_eq!(customs.publish(&message).returned, None);
    for _ in 0..ROUNDS {
        post.wire.expect(1, (50, 11));
        post.wire.expect(1, (50, 41));
    }
    // 1 KiB each: 128 at once, 272 in two seconds and an eighth.
    let took = started.monotonic();
    assert!(took > Duration::from_secs(2), "{took:?}");
}

/// A message on a channel of which the last octet is missing.
fn begun(channel: u16, octets: usize) -> Vec<u8> {
    let size = u64::try_from(octets).expect("a size");
    let mut all = Message::to_queue("work", "").method(channel);
    all.extend(header(channel, size, &Properties::default()));
    for part in vec![b'x'; octets - 1].chunks(131_064) {
        all.extend(frame(3, channel, part));
    }
    all
}

#[test]
fn messages_that_are_not_whole_have_a_budget_of_their_agency_and_none_of_anothers() {
    let broker = Broker::start();
    let mut others = Vec::new();
    for (system, octets) in [("customs-declarations", 1 << 20), ("post-items", 30_000)] {
        let mut other = broker.connect(system).confirming();
        other.declare("work", 2, &Table::new());
        other.wire.send(&begun(1, octets));
        others.push(other);
    }
    let mut full = Vec::new();
    let closed = loop {
        let mut post = broker.connect("post-items");
        let mut sent = Vec::new();
        for channel in 2..=15 {
            post.open_channel(channel);
            sent.extend(begun(channel, 1 << 20));
        }
        post.wire.send(&sent);
        // The last channel answers, or the connection is closed.
        post.wire.send(&method(
            1,
            (50, 10),
            declare("work", PASSIVE, &Table::new()),
        ));
        match post.wire.told() {
            Told::Method { id: (50, 11), .. } => full.push(post),
            Told::Method {
                id: (10, 50),
                arguments,
                ..
            } => break arguments,
            other => panic!("{other:?}"),
        }
        assert!(full.len() < 6, "it has 64 MiB");
    };
    let mut closed = Reader(&closed);
    assert_eq!(closed.short(), 530);
    let says = closed.name();
    assert!(
        says.contains("messages and frames under way of your agency"),
        "{says}"
    );
    // Of 64 MiB one takes no more than all leave free.
    assert_eq!(full.len(), 3);
    for other in &mut others {
        other.wire.send(&frame(3, 1, b"x"));
        confirmed(other, 1);
    }
}

/// A message of a megabyte that no queue takes.
fn megabyte() -> Vec<u8> {
    let body = "x".repeat((1 << 20) - 100);
    let message = Message {
        mandatory: false,
        ..Message::to_queue("none", &body)
    };
    message.frames(1)
}

#[test]
fn what_waits_for_the_pace_of_an_agency_takes_no_more_memory_than_its_budget() {
    const CONNECTIONS: usize = 16;
    let limits = "messages_per_second = 2000\nprivate_octets_per_second = 1000000000";
    let agencies = agencies("post", limits);
    let broker = start(&agencies);
    let connect = |_| broker.connect("post-items").confirming();
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(connect).collect();
    let all = megabyte().repeat(15);
    let before = broker.peak_bytes();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                client.wire.send(&all);
                confirmed(client, 15);
            });
        }
    });
    let grown = broker.peak_bytes().saturating_sub(before);
    // Beside it each connection has a frame, a read, and the message that it was sending.
    assert!(grown < 2 * UNDECIDED_BYTES, "{grown} of 240 MiB");
}

#[test]
fn no_connection_is_closed_for_what_others_of_its_agency_have_under_way() {
    const CONNECTIONS: usize = 120;
    let broker = Broker::start();
    let all = megabyte();
    let (first, rest) = all.split_at(all.len() / 8 * 5);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = broker.connect("post-items").confirming();
        client.wire.send(first);
        clients.push(client);
    }
    for client in &mut clients {
        client.wire.send(rest);
    }
    for client in &mut clients {
        confirmed(client, 1);
    }
}

#[test]
fn requests_that_wait_behind_a_publish_take_no_more_memory_than_publishes_may() {
    const REQUESTS: usize = 120;
    let agencies = agencies("post", "messages_per_second = 1");
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    // More fields than any queue has, each small: in memory they are many times as large.
    let many = (0..8_000).map(|n| (format!("{n:x}"), Value::Bool(true)));
    let large = method(1, (50, 10), declare("work", 0, &many.collect()));
    let mut all = Message::to_queue("none", "1").frames(1);
    all.extend(Message::to_queue("none", "2").frames(1));
    let before = broker.peak_bytes();
    all.extend(large.repeat(REQUESTS));
    post.wire.send(&all);
    // The first of them is refused once it has its turn, a second later, and the others with it.
    while !matches!(post.wire.told(), Told::Method { id: (20, 40), .. }) {}
    let grown = broker.peak_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown}");
}

#[test]
fn an_agency_has_so_many_consumers_and_another_has_its_own() {
    const EACH: usize = 1_000;
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    let mut all = Vec::new();
    for nth in 0..10 {
        let (channel, queue) = (nth + 2, format!("work-{nth}"));
        post.declare(&queue, 2, &Table::new());
        post.open_channel(channel);
        for tag in 0..EACH {
            let arguments = consume(&queue, &tag.to_string(), CONSUME_NO_WAIT);
            all.extend(method(channel, (60, 20), arguments));
        }
    }
    post.wire.send(&all);
    post.quiet();
    let mut again = broker.connect("post-items");
    let (code, says) = again.refused((60, 20), consume("work-0", "one more", 0));
    assert_eq!(code, 406);
    assert!(says.contains("your agency has 10000 consumers"), "{says}");
    let mut customs = broker.connect("customs-declarations");
    customs.declare("work", 2, &Table::new());
    customs.consume("work", "mine", 0);
    // A channel that ends gives its own back.
    post.call(
        2,
        (20, 40),
        Octets::new().short(200).name("").short(0).short(0),
    );
    again.consume("work-0", "one more", 0);
}
