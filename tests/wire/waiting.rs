//! Requests that need room wait while the disk has none for them: in their order, behind nobody else's,
//! and a crash meanwhile loses nothing of which anybody was told.

use std::process::Command;

use tempfile::TempDir;

use crate::broker::Broker;
use crate::client::{Client, Message, Told, declare};
use crate::disk::publish;
use crate::faults::Faults;
use crate::limits::agencies;
use crate::octets::{Octets, Reader, Table, Value, method};

const PASSIVE: u8 = 1;
const DURABLE: u8 = 2;

/// How often another connection is answered before one that is not answered is taken to wait. What is
/// not waiting is answered with the second, at the latest.
const ROUNDS: usize = 200;

/// A broker with small segments that is told when there is no room for another.
struct Full {
    faults: Faults,
    agencies: TempDir,
}

impl Full {
    fn new() -> Self {
        Self {
            faults: Faults::new(),
            agencies: agencies(
                "post",
                "messages_per_second = 5000\nprivate_octets_per_second = 1000000000",
            ),
        }
    }

    fn start(&self, data: TempDir) -> Broker {
        let set = |command: &mut Command| {
            self.faults.load(command);
            command.env("CARNET__SEGMENT_MIB", "8");
            command.arg("--agencies").arg(self.agencies.path());
        };
        Broker::start_in(data, set)
    }
}

fn queue(number: usize) -> String {
    format!("kept-{number}")
}

/// The request for a queue with as much to be written down as a queue may have.
fn request(name: &str) -> Vec<u8> {
    let note = ("note".to_owned(), Value::Text("x".repeat(3_500)));
    method(1, (50, 10), declare(name, DURABLE, &Table::from([note])))
}

fn ask_for(client: &mut Client, name: &str) {
    client.wire.send(&request(name));
}

fn look_at(client: &mut Client, name: &str) {
    let arguments = declare(name, PASSIVE, &Table::new());
    client.wire.send(&method(1, (50, 10), arguments));
}

/// The queue that an answer names, and how many messages it has.
fn answered(client: &mut Client) -> (String, u32) {
    let answer = client.wire.expect(1, (50, 11));
    let mut answer = Reader(&answer);
    (answer.name(), answer.long())
}

/// Whether what a client asked is not answered, while another is.
fn waits(client: &mut Client, other: &mut Client) -> bool {
    let mut silent = (0..ROUNDS).map(|_| {
        look_at(other, "receipts");
        answered(other);
        client.wire.is_silent()
    });
    silent.all(|silent| silent)
}

/// Writes down most of what one segment takes: 5 of 8 MiB. A unit may not have so many queues at once.
fn use_up(client: &mut Client) {
    const TOGETHER: usize = 50;
    let delete = Octets::new().short(0).name("short-lived").octet(0);
    let both = [request("short-lived"), method(1, (50, 40), delete)].concat();
    for _ in 0..30 {
        client.wire.send(&both.repeat(TOGETHER));
        for _ in 0..TOGETHER {
            client.wire.expect(1, (50, 11));
            client.wire.expect(1, (50, 41));
        }
    }
}

/// A queue with messages, and queues until there is no room for one more: how many of each there are.
/// The last of `asking`'s requests waits.
fn fill(asking: &mut Client, other: &mut Client) -> (u64, usize) {
    let (mut messages, mut queues) = (0, 0);
    let large = |n: u64| Message::to_queue("work", &format!("{n} {}", "x".repeat(60_000)));
    while publish(asking, &large(messages), &mut 0) {
        messages += 1;
        assert!(messages < 1_000, "the disk has an end");
    }
    // What is not a publish has a whole segment that stood by.
    use_up(asking);
    loop {
        ask_for(asking, &queue(queues));
        if waits(asking, other) {
            return (messages, queues);
        }
        assert_eq!(answered(asking), (queue(queues), 0));
        queues += 1;
    }
}

#[test]
fn requests_that_need_room_wait_in_their_order_and_hold_up_nobody_else() {
    let full = Full::new();
    let broker = full.start(TempDir::new().expect("a temporary folder"));
    full.faults.fill_disk(true);
    let mut asking = broker.connect("post-items").confirming();
    let mut consumer = broker.connect("post-items");
    let mut other = broker.connect("customs-declarations");
    asking.declare("work", DURABLE, &Table::new());
    let (messages, queues) = fill(&mut asking, &mut other);
    // What would not need room itself is not answered before it, and no publish is taken meanwhile.
    look_at(&mut asking, &queue(queues));
    ask_for(&mut asking, "last");
    assert!(waits(&mut asking, &mut other));
    // Others of the same unit empty its queue.
    for number in 0..messages {
        let delivery = consumer.get("work", false).expect("it was confirmed");
        assert!(delivery.body.starts_with(&format!("{number} ")));
        consumer.ack(delivery.tag, false);
    }
    consumer.quiet();
    assert_eq!(consumer.get("work", true), None);
    let small = Message::to_queue("work", "small");
    let mut publisher = broker.connect("post-items").confirming();
    assert!(!publish(&mut publisher, &small, &mut 0));
    assert!(asking.wire.is_silent());
    full.faults.fill_disk(false);
    asking.wire.is_patient = true;
    assert_eq!(answered(&mut asking), (queue(queues), 0));
    assert_eq!(answered(&mut asking), (queue(queues), 0));
    assert_eq!(answered(&mut asking), ("last".to_owned(), 0));
    publisher.wire.expect(0, (10, 61));
    assert!(publish(&mut publisher, &small, &mut 0));
    assert_eq!(consumer.wait_for("work").body, "small");
}

#[test]
fn killed_while_requests_wait_it_has_all_that_was_answered_and_nothing_that_was_not() {
    let full = Full::new();
    let broker = full.start(TempDir::new().expect("a temporary folder"));
    full.faults.fill_disk(true);
    let mut asking = broker.connect("post-items").confirming();
    let mut other = broker.connect("customs-declarations");
    asking.declare("work", DURABLE, &Table::new());
    let (messages, queues) = fill(&mut asking, &mut other);
    let mut consumer = broker.connect("post-items");
    let first = consumer.get("work", false).expect("it was confirmed");
    consumer.ack(first.tag, false);
    // What frees room is written, and with it the acknowledgement before it.
    let delete = Octets::new().short(0).name(&queue(0)).octet(0);
    consumer.call(1, (50, 40), delete);
    assert!(asking.wire.is_silent());
    let data = broker.killed();
    drop((asking, consumer, other));
    let broker = full.start(data);
    broker.logged("the disk is full: publishes are not taken");
    let mut asking = broker.connect("post-items").confirming();
    let mut other = broker.connect("customs-declarations");
    for number in 1..queues {
        look_at(&mut asking, &queue(number));
        assert_eq!(answered(&mut asking), (queue(number), 0));
    }
    for gone in [0, queues] {
        let look = declare(&queue(gone), PASSIVE, &Table::new());
        assert_eq!(asking.refused((50, 10), look).0, 404);
    }
    look_at(&mut asking, "work");
    let (_, left) = answered(&mut asking);
    assert_eq!(u64::from(left), messages - 1);
    ask_for(&mut asking, &queue(queues));
    assert!(waits(&mut asking, &mut other));
    full.faults.fill_disk(false);
    loop {
        match asking.wire.told() {
            Told::Method {
                id: (10, 60 | 61), ..
            } => {}
            Told::Method { id: (50, 11), .. } => break,
            other => panic!("{other:?}"),
        }
    }
}
