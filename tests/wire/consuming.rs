//! Consumers: credit, what comes back and where to, and those who take without giving back.

use crate::broker::Broker;
use crate::client::{Client, Delivery, Message, declare, named};
use crate::octets::{Octets, Table, method};

const DURABLE: u8 = 2;

/// A client with a queue `q` that holds these bodies.
fn filled(broker: &Broker, bodies: &[&str]) -> Client {
    let mut client = broker.connect("post-items");
    client.declare("q", DURABLE, &Table::new());
    let mut sender = broker.connect("post-items").confirming();
    for body in bodies {
        assert_eq!(sender.publish(&Message::to_queue("q", body)).returned, None);
    }
    client
}

fn shown(delivery: &Delivery) -> (u64, bool, &str) {
    (delivery.tag, delivery.redelivered, &delivery.body)
}

fn cancel(client: &mut Client, tag: &str) {
    client.call(1, (60, 30), Octets::new().name(tag).octet(0));
}

#[test]
fn prefetch_of_a_consumer_is_its_own_and_an_ack_gives_it_back() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b", "c", "d", "e"]);
    client.prefetch(2, false);
    client.consume("q", "one", 0);
    assert_eq!(shown(&client.delivery()), (1, false, "a"));
    assert_eq!(shown(&client.delivery()), (2, false, "b"));
    client.quiet();
    client.consume("q", "two", 0);
    let more = [client.delivery(), client.delivery()];
    assert_eq!(
        more.each_ref()
            .map(|d| (d.consumer.as_str(), d.body.as_str())),
        [("two", "c"), ("two", "d")]
    );
    client.quiet();
    client.ack(2, true);
    let last = client.delivery();
    assert_eq!(
        (last.consumer.as_str(), shown(&last)),
        ("one", (5, false, "e"))
    );
}

#[test]
fn prefetch_of_a_channel_is_shared_and_can_be_raised() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b", "c", "d", "e"]);
    client.prefetch(3, true);
    client.consume("q", "one", 0);
    let first: Vec<String> = (0..3).map(|_| client.delivery().body).collect();
    assert_eq!(first, ["a", "b", "c"]);
    client.consume("q", "two", 0);
    client
        .wire
        .send(&method(1, (20, 20), Octets::new().octet(1)));
    client.wire.expect(1, (20, 21));
    assert_eq!(
        client.get("q", true).expect("gets need no credit").body,
        "d"
    );
    client.wire.send(&method(
        1,
        (60, 10),
        Octets::new().long(0).short(4).octet(1),
    ));
    client.wire.expect(1, (60, 11));
    assert_eq!(client.delivery().body, "e");
}

#[test]
fn a_consumer_without_a_limit_gets_a_thousand_and_one_that_need_not_acknowledge_gets_all() {
    const COUNT: u64 = 1_100;
    let broker = Broker::start();
    let bodies = vec!["x"; usize::try_from(COUNT).unwrap()];
    let mut client = filled(&broker, &bodies);
    client.consume("q", "acknowledging", 0);
    for tag in 1..=1_000 {
        assert_eq!(client.delivery().tag, tag);
    }
    client.quiet();
    client.ack(50, true);
    for tag in 1_001..=1_050 {
        assert_eq!(client.delivery().tag, tag);
    }
    client.quiet();
    drop(client);
    let mut other = broker.connect("post-items");
    other.consume("q", "trusting", 2);
    for tag in 1..=COUNT - 50 {
        assert_eq!(other.delivery().tag, tag);
    }
    other.quiet();
}

#[test]
fn what_is_requeued_keeps_its_place_and_says_so() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b", "c"]);
    let a = client.get("q", false).expect("a");
    assert_eq!((shown(&a), a.left), ((1, false, "a"), Some(2)));
    let b = client.get("q", false).expect("b");
    client.nack(a.tag, true);
    client.nack(b.tag, true);
    let bodies = [true, true, false].map(|redelivered| {
        let got = client.get("q", false).expect("all three");
        assert_eq!(got.redelivered, redelivered, "{got:?}");
        got.body
    });
    assert_eq!(bodies, ["a", "b", "c"]);
    // What a channel leaves comes back to its place too.
    client.call(
        1,
        (20, 40),
        Octets::new().short(200).name("").short(0).short(0),
    );
    client.open_channel(1);
    let again = client.get("q", false).expect("back");
    assert_eq!(shown(&again), (1, true, "a"));
}

#[test]
fn pipelined_gets_are_answered_in_order() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b"]);
    let get = || method(1, (60, 70), named("q"));
    let count = method(1, (50, 10), declare("q", 1, &Table::new()));
    client
        .wire
        .send(&[get(), count.clone(), get(), get(), count].concat());
    assert_eq!(client.wire.content((60, 71)).body, b"a");
    let ready = |told: Vec<u8>| told[2..6].to_vec();
    assert_eq!(ready(client.wire.expect(1, (50, 11))), [0, 0, 0, 1]);
    assert_eq!(client.wire.content((60, 71)).body, b"b");
    client.wire.expect(1, (60, 72));
    assert_eq!(ready(client.wire.expect(1, (50, 11))), [0, 0, 0, 0]);
}

#[test]
fn what_has_expired_is_not_got() {
    let broker = Broker::start();
    let mut client = filled(&broker, &[]);
    let mut sender = broker.connect("post-items").confirming();
    let at_once =
        |body: &str| Message::to_queue("q", body).with(|p| p.expiration = Some("0".into()));
    sender.publish(&at_once("late"));
    sender.publish(&Message::to_queue("q", "in time"));
    assert_eq!(client.get("q", true).expect("the second").body, "in time");
    assert_eq!(client.get("q", true), None);
}

#[test]
fn an_expiration_is_decimal_digits_in_ones_own_queues_too() {
    let broker = Broker::start();
    let mut client = filled(&broker, &[]);
    for wrong in ["", "+5", "-5", "1.5", "soon"] {
        let wrong = Message::to_queue("q", "x").with(|p| p.expiration = Some(wrong.into()));
        client.wire.send(&wrong.frames(1));
        let closed = client.wire.closed();
        assert_eq!((closed.channel, closed.code), (1, 406), "{closed:?}");
        assert!(closed.text.contains("expiration"), "{closed:?}");
        client.open_channel(1);
    }
    assert_eq!(client.get("q", true), None);
}

#[test]
fn only_what_was_sent_is_called_redelivered() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b"]);
    client.prefetch(1, false);
    client.consume("q", "c", 0);
    assert_eq!(shown(&client.delivery()), (1, false, "a"));
    drop(client);
    let mut next = broker.connect("post-items");
    next.consume("q", "c", 0);
    assert_eq!(shown(&next.delivery()), (1, true, "a"));
    assert_eq!(shown(&next.delivery()), (2, false, "b"));
}

#[test]
fn after_a_cancel_nothing_comes_and_what_came_can_be_settled() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b"]);
    client.prefetch(1, false);
    client.consume("q", "c", 0);
    let a = client.delivery();
    cancel(&mut client, "c");
    cancel(&mut client, "never there");
    client.ack(a.tag, false);
    client.quiet();
    let b = client.get("q", true).expect("b waits");
    assert_eq!(shown(&b), (2, false, "b"));
    // Settled twice, or never given: the channel's fault.
    for tag in [a.tag, b.tag, 99, 0] {
        let (code, text) = client.refused((60, 80), Octets::new().longlong(tag).octet(0));
        assert_eq!(code, 406, "{tag}: {text}");
    }
}

#[test]
fn recover_brings_everything_back() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b"]);
    client.get("q", false).expect("a");
    client.get("q", false).expect("b");
    client.call(1, (60, 110), Octets::new().octet(1));
    assert_eq!(shown(&client.wait_for("q")), (3, true, "a"));
    assert_eq!(shown(&client.wait_for("q")), (4, true, "b"));
}

#[test]
fn a_purge_takes_what_waits_and_leaves_what_is_out() {
    let broker = Broker::start();
    let mut client = filled(&broker, &["a", "b", "c"]);
    let a = client.get("q", false).expect("a");
    let purged = client.call(1, (50, 30), named("q"));
    assert_eq!(purged, Octets::new().long(2).0);
    client.nack(a.tag, true);
    assert_eq!(shown(&client.wait_for("q")), (2, true, "a"));
    assert!(client.get("q", true).is_none());
}

#[test]
fn a_deleted_queue_cancels_its_consumers() {
    let broker = Broker::start();
    let mut client = filled(&broker, &[]);
    client.consume("q", "c", 0);
    let mut other = broker.connect("post-items");
    other.call(1, (50, 40), Octets::new().short(0).name("q").octet(0));
    let cancelled = client.wire.expect(1, (60, 30));
    assert_eq!(cancelled, Octets::new().name("c").octet(1).0);
    client.quiet();
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let broker = Broker::start();
    let mut client = filled(&broker, &[]);
    client.consume("q", "c", 4);
    let mut other = broker.connect("post-items");
    for bits in [0, 4] {
        let (code, text) = other.refused((60, 20), crate::client::consume("q", "d", bits));
        assert_eq!((code, text.contains("exclusive")), (403, true), "{text}");
    }
    cancel(&mut client, "c");
    other.consume("q", "d", 0);
}

#[test]
fn what_comes_back_too_often_is_given_up() {
    let broker = Broker::start();
    let mut client = broker.connect("post-items");
    let limit = vec![("x-delivery-limit".to_owned(), crate::octets::Value::Int(3))];
    client.declare("q", DURABLE, &limit);
    let mut sender = broker.connect("post-items").confirming();
    sender.publish(&Message::to_queue("q", "poison"));
    let deliveries = (0..10).map_while(|_| {
        let got = client.get("q", false)?;
        client.nack(got.tag, true);
        Some(got.redelivered)
    });
    assert_eq!(deliveries.collect::<Vec<_>>(), [false, true, true, true]);
}

/// A consumer that reads nothing costs memory up to its own bound, and others no time.
#[test]
fn a_consumer_that_never_reads_holds_up_nobody() {
    const COUNT: usize = 1_200;
    let broker = Broker::start();
    let body = "x".repeat(100_000);
    let mut deaf = filled(&broker, &[]);
    deaf.consume("q", "deaf", 2);
    let mut hoarder = broker.connect("post-items");
    hoarder.declare("hoard", DURABLE, &Table::new());
    hoarder.consume("hoard", "hoarder", 0);
    let mut sender = broker.connect("post-items").confirming();
    let before = broker.memory_bytes();
    for _ in 0..COUNT / 2 {
        sender.publish(&Message::to_queue("q", &body));
        sender.publish(&Message::to_queue("hoard", &body));
    }
    // 120 MB were published; recent payloads are kept up to 64 MiB, a connection's output to 1 MiB.
    let grown = broker.memory_bytes().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB more");
    let mut other = filled(&broker, &[]);
    other.declare("mine", DURABLE, &Table::new());
    other.consume("mine", "c", 0);
    sender.publish(&Message::to_queue("mine", "still here"));
    assert_eq!(other.delivery().body, "still here");
    // And once it reads, everything is there in order.
    for tag in 1..=COUNT / 2 {
        assert_eq!(deaf.delivery().tag, u64::try_from(tag).unwrap());
    }
    deaf.quiet();
}

#[test]
fn what_was_out_to_a_client_that_broke_the_protocol_goes_to_others_before_it_has_said_goodbye() {
    let broker = Broker::start();
    let mut publisher = broker.connect("post-items").confirming();
    publisher.declare("work", 2, &Table::new());
    for number in 0..50 {
        let task = Message::to_queue("work", &number.to_string());
        assert_eq!(publisher.publish(&task).returned, None);
    }
    let mut faulty = broker.connect("post-items");
    faulty.consume("work", "f", 0);
    assert_eq!(faulty.delivery().body, "0");
    // A method on a channel that is not open: the connection is closed, and this one never answers.
    faulty.wire.send(&method(9, (20, 40), Octets::new()));
    let mut other = broker.connect("post-items");
    other.consume("work", "o", 0);
    for number in 0..50 {
        let got = other.delivery();
        assert_eq!(got.body, number.to_string());
        other.ack(got.tag, false);
    }
    other.quiet();
}
