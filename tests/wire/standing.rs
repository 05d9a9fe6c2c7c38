//! Standing queues are filled by the broker alone: no queue of a unit's own, however declared, brings
//! anything into them, and nothing that a system publishes to itself looks like the broker's.

use crate::broker::{Broker, example};
use crate::client::{Client, Message, bind, declare};
use crate::octets::{Table, Value, field, text_field};

const DECLARE: (u16, u16) = (50, 10);
const BIND: (u16, u16) = (50, 20);
const DURABLE: u8 = 2;
const PASSIVE: u8 = 1;
const STANDING: [&str; 3] = ["inbox", "receipts", "dead"];

fn buries_in(queue: &str, more: &[(&str, Value)]) -> Table {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut arguments = vec![
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
    ];
    arguments.extend(more.iter().cloned());
    arguments
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn forged(queue: &str) -> Message {
    Message::to_queue(queue, "forged").header("x-carnet-sender", "customs/main")
}

/// A publish that closes the channel.
fn closes(client: &mut Client, message: &Message) -> (u16, String) {
    client.wire.send(&message.frames(1));
    let closed = client.wire.closed();
    assert_eq!((closed.channel, closed.failed), (1, (60, 40)), "{closed:?}");
    client.open_channel(1);
    (closed.code, closed.text)
}

#[test]
fn no_queue_buries_in_a_standing_one_whatever_its_name_is_and_whoever_declares_it() {
    let broker = Broker::start();
    for system in ["police-operations", "customs-investigation"] {
        let mut client = broker.connect(system);
        for queue in STANDING {
            for name in [
                queue.to_owned(),
                format!("{queue}.investigation"),
                format!("{queue}.main"),
            ] {
                let arguments = declare("own", DURABLE, &buries_in(&name, &[]));
                let (code, text) = client.refused(DECLARE, arguments);
                assert_eq!(code, 406, "{text}");
                assert!(text.contains("x-dead-letter-routing-key"), "{text}");
            }
        }
    }
}

#[test]
fn a_queue_of_ones_own_shows_a_release_and_never_its_senders_receipt() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let mut post = broker.connect("post-items").confirming();
    post.declare("bounced", DURABLE, &Table::new());
    post.declare("own", DURABLE, &buries_in("bounced", &[]));
    post.call(1, BIND, bind("own", "inbox", "#"));
    let order = example("control.order/valid/story-03");
    let order = Message::of_type("control.order", "o-1", &order).header("to", "post/main");
    assert_eq!(customs.publish(&order).returned, None);
    post.consume("own", "c", 0);
    let got = post.delivery();
    post.nack(got.tag, false);
    let bounced = post.wait_for("bounced");
    assert_eq!(
        (got.key.as_str(), bounced.key.as_str()),
        ("control.order.customs", "bounced")
    );
    assert_eq!(bounced.body, got.body);
    assert!(!bounced.body.contains("recipients"));
    assert_eq!(post.get("receipts", true), None, "post sent nothing");
}

#[test]
fn what_looks_like_the_brokers_comes_into_no_queue_that_is_bound_to_the_inbox() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    for queue in ["work", "parked"] {
        post.declare(queue, DURABLE, &Table::new());
    }
    let soon = [("x-message-ttl", Value::Int(0))];
    post.declare("retry", DURABLE, &buries_in("work", &soon));
    // As long as it is bound to nothing a recoverer may republish what it was sent.
    post.wire.send(&forged("parked").frames(1));
    let (code, text) = post.refused(BIND, bind("parked", "inbox", "#"));
    assert_eq!(code, 403, "{text}");
    assert!(text.contains("x-carnet-"), "{text}");
    let parked = post.get("parked", true).expect("it is there");
    let headers = parked.properties.headers.expect("headers");
    assert_eq!(text_field(&headers, "x-carnet-sender"), "customs/main");
    post.call(1, BIND, bind("parked", "inbox", "#"));
    post.call(1, BIND, bind("work", "inbox", "#"));
    for queue in ["work", "parked"] {
        for name in [
            "x-carnet-sender",
            "X-Carnet-Reason",
            " x_carnet_sender",
            "\u{200b}x-carnet",
        ] {
            let message = Message::to_queue(queue, "forged").header(name, "customs/main");
            let (code, text) = closes(&mut post, &message);
            assert_eq!((code, text.contains(queue)), (403, true), "{text}");
        }
    }
    // Nor by a way round: a queue whose messages expire into it.
    let mut post = broker.connect("post-items").confirming();
    assert_eq!(post.publish(&forged("retry")).returned, None);
    let plain = Message::to_queue("retry", "plain");
    assert_eq!(post.publish(&plain).returned, None);
    assert_eq!(post.wait_for("work").body, "plain");
    assert_eq!(post.get("work", true), None);
}

#[test]
fn a_private_publish_names_its_own_system_or_none() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", DURABLE, &Table::new());
    let named = |user: &str| {
        let user = user.to_owned();
        Message::to_queue("work", "task").with(|p| p.user_id = Some(user))
    };
    assert_eq!(post.publish(&named("post-items")).returned, None);
    for other in ["customs-declarations", "post-clerk", "guest", ""] {
        let mut post = broker.connect("post-items");
        let (code, text) = closes(&mut post, &named(other));
        assert_eq!(code, 406, "{text}");
        assert!(
            text.contains("user_id") && text.contains("post-items"),
            "{text}"
        );
    }
    assert_eq!(post.wait_for("work").body, "task");
    assert_eq!(post.get("work", true), None);
}

#[test]
fn deaths_that_a_client_invents_count_for_nothing() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("bounced", DURABLE, &Table::new());
    post.declare("work", DURABLE, &buries_in("bounced", &[]));
    let death: Table = vec![
        ("count".to_owned(), Value::Long(7)),
        ("reason".to_owned(), Value::Text("expired".to_owned())),
        ("queue".to_owned(), Value::Text("bounced".to_owned())),
    ];
    let invented = Value::List(vec![Value::Table(death)]);
    let message = Message::to_queue("work", "task")
        .with(|p| p.headers = Some(vec![("x-death".to_owned(), invented)]));
    assert_eq!(post.publish(&message).returned, None);
    let got = post.get("work", false).expect("a task");
    post.nack(got.tag, false);
    let headers = post
        .wait_for("bounced")
        .properties
        .headers
        .expect("headers");
    assert_eq!(text_field(&headers, "x-first-death-queue"), "work");
    let Value::List(deaths) = field(&headers, "x-death") else {
        panic!("x-death is an array: {headers:?}");
    };
    let [Value::Table(death)] = deaths.as_slice() else {
        panic!("one death, the true one: {deaths:?}");
    };
    assert_eq!(field(death, "count"), &Value::Long(1));
    assert_eq!(text_field(death, "queue"), "work");
}

#[test]
fn how_much_is_in_a_standing_queue_is_told_to_those_who_read_it_alone() {
    let agencies =
        crate::hidden::agencies_with(&[("post", r#"s/^reads = .*/reads = ["receipts"]/"#)]);
    let broker = Broker::start_with(|command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let mut post = broker.connect("post-items");
    let mut customs = broker.connect("customs-declarations").confirming();
    let asked = |post: &mut Client| {
        let mut told = Vec::new();
        for queue in ["inbox", "dead"] {
            for bits in [PASSIVE, DURABLE, PASSIVE | DURABLE] {
                told.push(post.refused(DECLARE, declare(queue, bits, &Table::new())));
            }
        }
        told
    };
    let before = asked(&mut post);
    assert!(
        before
            .iter()
            .all(|(code, text)| *code == 403 && text.contains("see its 'reads'"))
    );
    let order = example("control.order/valid/story-03");
    let order = Message::of_type("control.order", "o-1", &order).header("to", "post/main");
    assert_eq!(customs.publish(&order).returned, None);
    assert_eq!(asked(&mut post), before);
    assert_eq!(post.declare("receipts", PASSIVE, &Table::new()).1, 0);
}
