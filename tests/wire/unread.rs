//! Clients that stop reading: what they hold is others' again, whatever is still to be told to them.

use crate::broker::Broker;
use crate::client::{Client, Message, Told, Wire, consume, declare};
use crate::octets::{Octets, Reader, Table, method};

const EXCLUSIVE: u8 = 4;

/// A connection with a heartbeat of a second, channel 1 open.
fn impatient(broker: &Broker) -> Wire {
    let identity = broker.identity("post-items");
    let mut wire = Wire::connect(broker, Some(&identity)).expect("TLS");
    wire.log_in(1);
    wire.send(&method(1, (20, 10), Octets::new().name("")));
    wire.expect(1, (20, 11));
    wire
}

/// Makes an exclusive queue, which is locked for others as long as this connection is there.
fn lock(wire: &mut Wire) {
    let arguments = declare("mine", EXCLUSIVE, &Table::new());
    wire.send(&method(1, (50, 10), arguments));
    wire.expect(1, (50, 11));
}

/// Whether the queue is still another connection's.
fn is_locked(other: &mut Client) -> bool {
    let arguments = declare("mine", EXCLUSIVE, &Table::new());
    other.wire.send(&method(1, (50, 10), arguments));
    match other.wire.told() {
        Told::Method { id: (50, 11), .. } => false,
        Told::Method {
            id: (20, 40),
            arguments,
            ..
        } => {
            assert_eq!(Reader(&arguments).short(), 405);
            other.wire.send(&method(1, (20, 41), Octets::new()));
            other.open_channel(1);
            true
        }
        told => panic!("neither declared nor refused: {told:?}"),
    }
}

/// Returns once the one who locked it is cut, which two intervals of a second bring about.
fn wait_until_unlocked(other: &mut Client) {
    while is_locked(other) {}
}

#[test]
fn what_a_client_that_stops_reading_had_out_comes_back_to_another() {
    const MESSAGES: u8 = 24;
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Table::new());
    // More than all buffers on the way take.
    let body = "x".repeat(1 << 20);
    for _ in 0..MESSAGES {
        let message = Message::to_queue("work", &body);
        assert_eq!(post.publish(&message).returned, None);
    }
    let mut silent = impatient(&broker);
    lock(&mut silent);
    silent.send(&method(1, (60, 20), consume("work", "silent", 0)));
    // From here it neither reads nor writes.
    wait_until_unlocked(&mut post);
    post.consume("work", "w", 0);
    for _ in 0..MESSAGES {
        let delivery = post.delivery();
        assert_eq!((delivery.redelivered, delivery.body.len()), (true, 1 << 20));
        post.ack(delivery.tag, false);
    }
    drop(silent);
}

#[test]
fn a_publisher_that_does_not_read_its_returns_is_cut() {
    let broker = Broker::start();
    let mut other = broker.connect("post-items");
    let mut deaf = impatient(&broker);
    lock(&mut deaf);
    let body = "x".repeat(256 << 10);
    let frames = Message::to_queue("nowhere", &body).frames(1);
    // It is read no further at some point: then this waits until the broker closes.
    while deaf.try_send(&frames).is_ok() {}
    wait_until_unlocked(&mut other);
}
