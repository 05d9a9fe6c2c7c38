//! Inputs as large as frames and bodies allow, where something small is meant: refused in plain
//! words, with nothing of them kept.

use crate::broker::{Broker, example};
use crate::client::{LARGEST_BODY, Message, declare};
use crate::octets::{Table, Value};

#[test]
fn arguments_of_a_queue_have_a_bound_however_they_are_written() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    let long = Value::Text("x".repeat(60_000));
    let voids = Value::List(vec![Value::Void; 30_000]);
    for value in [long, voids] {
        let arguments: Table = vec![("x-note".to_owned(), value)];
        for passive in [0, 1] {
            let (code, text) = post.refused((50, 10), declare("big", 2 | passive, &arguments));
            assert_eq!(code, 406, "{text}");
            assert!(text.ends_with("take more than 4096 octets"), "{text}");
        }
    }
    let (code, _) = post.refused((50, 10), declare("big", 1, &Table::new()));
    assert_eq!(code, 404, "nothing was declared");
    let arguments = vec![("x-note".to_owned(), Value::Text("x".repeat(4_000)))];
    post.declare("big", 2, &arguments);
}

#[test]
fn a_case_has_no_more_areas_than_there_are_and_invites_no_crowd() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-investigation").confirming();
    let case = |areas: usize, invites: usize| {
        let areas = vec![r#""ipr""#; areas].join(",");
        let invites = vec![r#""police""#; invites].join(",");
        format!(r#"{{"CaseID": "C-1", "Areas": [{areas}], "Invites": [{invites}]}}"#)
    };
    for (n, (body, place)) in [
        (case(150_000, 1), "/Areas"),
        (case(1, 100_000), "/Invites"),
        (case(8, 1), "/Areas"),
        (case(1, 257), "/Invites"),
    ]
    .iter()
    .enumerate()
    {
        let open = Message::of_type("case.open", &format!("c-{n}"), body);
        let (code, text) = customs.publish(&open).refusal();
        assert_eq!(code, 406, "{text}");
        assert!(text.contains(place) && text.contains("limit"), "{text}");
    }
    let open = Message::of_type("case.open", "c-9", &case(1, 256));
    assert_eq!(customs.publish(&open).returned, None);
}

const READ_OVER: usize = 8 << 20;

fn large(message: Message, octets: usize) -> Message {
    let body = "x".repeat(octets);
    Message { body, ..message }
}

#[test]
fn a_body_that_is_too_large_comes_back_without_itself_and_the_channel_goes_on() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations").confirming();
    post.declare("work", 2, &Table::new());
    let item = || Message::of_type("postal.item", "large", "").header("correlate", "7");
    let task = || Message::to_queue("work", "").header("correlate", "7");
    let close = || Message::of_type("case.close", "large", "");
    assert_eq!(post.publish(&large(task(), LARGEST_BODY)).returned, None);
    assert_eq!(post.wait_for("work").body.len(), LARGEST_BODY);
    for octets in [LARGEST_BODY + 1, READ_OVER] {
        for (message, client) in [(item(), &mut post), (close(), &mut customs)] {
            let (code, text) = client.publish(&large(message, octets)).refusal();
            assert_eq!(code, 406, "{text}");
            let says = text.contains("body") && text.contains(&octets.to_string());
            assert!(says, "{text}");
        }
        let (code, text) = post.publish(&large(task(), octets)).refusal();
        assert_eq!(code, 406, "{text}");
        assert!(text.contains(&octets.to_string()), "{text}");
    }
    assert_eq!(post.get("work", true), None);
    let told = post.wait_for("receipts").body;
    assert!(told.contains("\"max_size\""), "{told}");
    let small = example("postal.item/valid/ornaments");
    let small = Message::of_type("postal.item", "large", &small);
    assert_eq!(
        post.publish(&small).returned,
        None,
        "the id was not used up"
    );
    post.wire.send(&large(item(), READ_OVER + 1).frames(1));
    let closed = post.wire.closed();
    assert_eq!((closed.channel, closed.code), (1, 311), "{closed:?}");
    assert!(closed.text.contains("1048576"), "{closed:?}");
}

#[test]
fn what_is_read_over_takes_no_memory() {
    let broker = Broker::start();
    let connect = |_| broker.connect("post-items").confirming();
    let mut clients: Vec<_> = (0..4).map(connect).collect();
    let before = broker.memory_bytes();
    let item = large(Message::of_type("postal.item", "large", ""), READ_OVER);
    let frames = item.frames(1);
    let (begun, end) = frames.split_at(frames.len() - 100);
    for client in &mut clients {
        client.wire.send(begun);
    }
    for client in &mut clients {
        client.wire.send(end);
        assert_eq!(client.outcome(&item).refusal().0, 406);
    }
    let grown = broker.memory_bytes().saturating_sub(before);
    assert!(
        grown < READ_OVER,
        "{grown} bytes for 32 MiB that were read over"
    );
}
