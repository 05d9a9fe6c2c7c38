//! As many as there may be, and one more: who is refused is told why, and who is there goes on.

use std::net::TcpStream;
use std::time::Duration;

use carnet::server::clock::Clock;

use crate::broker::Broker;
use crate::client::{Client, consume, plain};
use crate::octets::{Octets, Table, method};

/// What the limits page says.
const CONSUMERS: usize = 1_000;
const HANDSHAKES: usize = 1_000;
const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// So many consumers of a queue on a channel, all at once.
fn start_consumers(client: &mut Client, channel: u16, queue: &str, count: usize) {
    let tag = |n: usize| format!("{channel}-{queue}-{n}");
    let all = (0..count).flat_map(|n| method(channel, (60, 20), consume(queue, &tag(n), 0)));
    client.wire.send(&all.collect::<Vec<u8>>());
    for _ in 0..count {
        client.wire.expect(channel, (60, 21));
    }
}

fn one_more(client: &mut Client, channel: u16, queue: &str) -> String {
    let one_more = consume(queue, "one more", 0);
    client.wire.send(&method(channel, (60, 20), one_more));
    let closed = client.wire.closed();
    assert_eq!((closed.channel, closed.code), (channel, 406), "{closed:?}");
    closed.text
}

#[test]
fn a_consumer_too_many_of_a_channel_or_a_queue_is_refused_and_the_connection_goes_on() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items");
    for queue in ["one", "other"] {
        client.declare(queue, 2, &Table::new());
    }
    for channel in 2..=4 {
        client.open_channel(channel);
    }
    start_consumers(&mut client, 1, "one", CONSUMERS - 400);
    start_consumers(&mut client, 1, "other", 400);
    let says = one_more(&mut client, 1, "other");
    assert!(
        says.contains("a channel has at most 1000 consumers"),
        "{says}"
    );
    // Those of the channel went with it.
    start_consumers(&mut client, 2, "one", 500);
    start_consumers(&mut client, 3, "one", CONSUMERS - 500);
    let says = one_more(&mut client, 4, "one");
    assert!(
        says.contains("a queue has at most 1000 consumers"),
        "{says}"
    );
    client.open_channel(4);
    start_consumers(&mut client, 4, "other", 1);
    client.call(2, (60, 30), Octets::new().name("2-one-0").octet(0));
    start_consumers(&mut client, 4, "one", 1);
}

/// Strangers who say nothing, in each place that there is for finding out who somebody is.
fn in_every_place(broker: &Broker) -> Vec<TcpStream> {
    (0..HANDSHAKES)
        .map(|_| plain(broker).expect("a connection"))
        .collect()
}

#[test]
fn strangers_in_every_place_hold_a_client_up_for_their_deadline_alone() {
    let broker = Broker::start();
    let first = Clock::default();
    let strangers = in_every_place(&broker);
    // They are there yet: it gets in because their time is over.
    broker.connect("post-items").quiet();
    let since_first = first.monotonic();
    assert!(
        since_first >= TLS_HANDSHAKE,
        "they held no place: {since_first:?}"
    );
    drop(strangers);
}

#[test]
fn a_stop_with_strangers_in_every_place_ends_in_its_bound() {
    let broker = Broker::start_with(|command| {
        command.env("CARNET__DRAIN_S", "2");
    });
    let strangers = in_every_place(&broker);
    // One more, who waits for a place.
    let waiting = plain(&broker).expect("a connection");
    broker.terminate();
    // Their deadline is later than the time that a stop has.
    broker.logged("some connections did not end in time and are cut");
    assert_eq!(broker.ended().code(), Some(0));
    drop((strangers, waiting));
}
