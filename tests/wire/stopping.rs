//! A stop: what is under way is finished, clients are told, and the exit code says that it went well.

use crate::broker::{Broker, example};
use crate::client::{Message, Told, plain};
use crate::octets::{Octets, Reader, method};

/// More than may be unconfirmed: what is not read yet does not keep the client from being heard.
const PUBLISHES: u64 = 600;

#[test]
fn a_stop_confirms_what_is_under_way_and_tells_everybody_320() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut idle = broker.connect("customs-declarations");
    let body = example("postal.item/valid/ornaments");
    let message = |n: u64| Message::of_type("postal.item", &format!("s-{n}"), &body).frames(1);
    let all: Vec<u8> = (0..PUBLISHES).flat_map(message).collect();
    post.wire.send(&all);
    // Some are confirmed, so the rest is under way.
    let mut confirmed = Reader(&post.wire.expect(1, (60, 80))).longlong();
    broker.terminate();
    let reason = loop {
        match post.wire.told() {
            Told::Method {
                id: (60, 80),
                arguments,
                ..
            } => confirmed = Reader(&arguments).longlong(),
            Told::Method {
                channel: 0,
                id: (10, 50),
                arguments,
            } => break arguments,
            other => panic!("{other:?}"),
        }
    };
    let mut from = Reader(&reason);
    assert_eq!(from.short(), 320);
    assert!(from.name().starts_with("CONNECTION_FORCED - "));
    assert_eq!((from.short(), from.short()), (0, 0));
    post.wire.send(&method(0, (10, 51), Octets::new()));
    assert_eq!(post.wire.told(), Told::End);
    assert!(confirmed >= 1);
    let closed = idle.wire.closed();
    assert_eq!((closed.channel, closed.code), (0, 320));
    assert!(plain(&broker).is_err(), "a stopping broker lets nobody in");
    assert_eq!(broker.ended().code(), Some(0));
}

#[test]
fn a_client_that_does_not_answer_holds_a_stop_up_for_its_bound_alone() {
    let broker = Broker::start_with(|command| {
        command.env("CARNET__DRAIN_S", "1");
    });
    let silent = broker.connect("post-items");
    broker.terminate();
    assert_eq!(broker.ended().code(), Some(0));
    drop(silent);
}
