//! What is wrong with a message, and what its sender is told: a return with the reason, then the
//! ack, and never the end of a channel.

use serde_json::{Value as Json, json};

use crate::broker::{Broker, example};
use crate::client::{Client, Message};
use crate::octets::{Value, field, text_field};

fn item(id: &str) -> Message {
    Message::of_type("postal.item", id, &example("postal.item/valid/ornaments"))
}

/// The next receipt, as JSON.
fn receipt(client: &mut Client) -> Json {
    let got = client.wait_for("receipts");
    assert_eq!(got.key, "carnet.receipt");
    serde_json::from_str(&got.body).expect("a receipt is JSON")
}

#[test]
fn each_fault_of_an_envelope_is_returned_with_its_reason_and_uses_no_id_up() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let headers = |name: &str| item("e").header(name, "1");
    let set = |change: fn(&mut crate::octets::Properties)| item("e").with(change);
    let unknown = Message::of_type("postal.parcel", "e", "{}");
    let foreign = Message::of_type("police.alert", "e", "{}");
    let cases: [(&str, Message, u16, &[&str]); 15] = [
        ("unknown type", unknown, 312, &["NO_ROUTE - "]),
        (
            "another agency's type",
            foreign,
            403,
            &["ACCESS_REFUSED - ", "sends"],
        ),
        (
            "no id",
            set(|p| p.message_id = None),
            406,
            &["message_id", "pika", "Spring", "Celery"],
        ),
        (
            "empty id",
            set(|p| p.message_id = Some(String::new())),
            406,
            &["message_id"],
        ),
        (
            "another's user_id",
            set(|p| p.user_id = Some("police-operations".into())),
            406,
            &["user_id", "post-items"],
        ),
        (
            "compressed",
            set(|p| p.content_encoding = Some("gzip".into())),
            406,
            &["content_encoding"],
        ),
        (
            "compressed, in capitals",
            set(|p| p.content_encoding = Some("GZIP".into())),
            406,
            &["content_encoding"],
        ),
        (
            "another media type",
            set(|p| p.content_type = Some("text/xml".into())),
            406,
            &["content_type"],
        ),
        (
            "expiration in words",
            set(|p| p.expiration = Some("soon".into())),
            406,
            &["expiration"],
        ),
        (
            "expiration below zero",
            set(|p| p.expiration = Some("-5".into())),
            406,
            &["expiration"],
        ),
        (
            "the broker's header",
            headers("x-carnet-sender"),
            406,
            &["x-carnet-sender", "broker"],
        ),
        (
            "the broker's header in capitals",
            headers("X-Carnet-Rulebook"),
            406,
            &["X-Carnet-Rulebook"],
        ),
        ("a death of its own", headers("x-death"), 406, &["x-death"]),
        ("further routing keys", headers("CC"), 406, &["CC"]),
        ("hidden routing keys", headers("BCC"), 406, &["BCC"]),
    ];
    for (what, message, code, says) in cases {
        let (told, text) = post.publish(&message).refusal();
        assert_eq!(told, code, "{what}: {text}");
        for word in says {
            assert!(text.contains(word), "{what}: {text}");
        }
        assert!(text.len() <= 255, "{what}: {text}");
    }
    // Its own name may stand there, and what frameworks set does no harm.
    let plain = item("e").with(|p| {
        p.user_id = Some("post-items".into());
        p.content_encoding = Some("UTF-8".into());
    });
    assert_eq!(post.publish(&plain).returned, None);
}

#[test]
fn a_fault_of_the_body_is_named_by_place_and_rule() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let plain = example("postal.item/valid/ornaments");
    let twice = plain.replacen('{', "{\"ID\": \"CP618402774XA\",", 1);
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let cases = [
        (
            example("postal.item/invalid/wrong-check-digit"),
            "/ID",
            "s10",
        ),
        (
            example("postal.item/invalid/unknown-element"),
            "/Consignee",
            "additionalProperties",
        ),
        (
            example("postal.item/invalid/no-address"),
            "/Consignor",
            "required",
        ),
        (twice, "", "unique"),
        (deep, "", "depth"),
        ("{".to_owned(), "", "json"),
        (String::new(), "", "json"),
    ];
    for (body, place, rule) in cases {
        let (code, text) = post
            .publish(&Message::of_type("postal.item", "b", &body))
            .refusal();
        assert_eq!(code, 406, "{text}");
        assert!(text.starts_with("PRECONDITION_FAILED - "), "{text}");
        assert!(
            text.contains(place) && text.contains(rule),
            "{place} {rule}: {text}"
        );
        let told = receipt(&mut post);
        assert_eq!(
            (&told["outcome"], &told["code"]),
            (&json!("invalid"), &json!(406))
        );
        assert_eq!(told["rule"], rule, "{told}");
    }
    assert_eq!(
        post.publish(&item("b")).returned,
        None,
        "the id was not used up"
    );
}

#[test]
fn an_addressee_unknown_unlisted_or_unreadable_gets_one_answer() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut answers = Vec::new();
    for (turn, to) in [
        "nobody/main",
        "customs/nobody",
        "customs/investigation",
        "%&!",
    ]
    .iter()
    .enumerate()
    {
        let told = post
            .publish(&item(&format!("to-{turn}")).header("to", to))
            .refusal();
        let mut receipt = receipt(&mut post);
        let named = receipt["recipients"][0]["unit"].take();
        assert_eq!(named, json!(to), "it is called as it was addressed");
        for varying in ["time", "sequence"] {
            receipt[varying].take();
        }
        answers.push((told, receipt));
    }
    assert_eq!(answers[0].0.0, 403);
    assert!(answers[0].0.1.contains("not permitted"), "{:?}", answers[0]);
    assert!(answers[0].1["recipients"][0].get("policy").is_none());
    for other in &answers[1..] {
        assert_eq!(other, &answers[0]);
    }
}

#[test]
fn a_recipient_from_whom_a_message_is_hidden_looks_like_nobody() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let secret = example("control.order/valid/story-11");
    let mut answers = Vec::new();
    for to in [
        "police/main",
        "environment/main",
        "nobody/main",
        "customs/investigation",
    ] {
        let order = Message::of_type("control.order", to, &secret).header("to", to);
        answers.push(customs.publish(&order).refusal());
    }
    assert_eq!(answers[0].0, 403);
    assert!(answers[0].1.contains("not permitted"), "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
    for system in [
        "police-operations",
        "environment-permits",
        "customs-investigation",
    ] {
        assert_eq!(broker.connect(system).get("inbox", true), None);
    }
}

#[test]
fn a_repeat_is_answered_again_and_delivered_once_and_other_content_is_refused() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    assert_eq!(post.publish(&item("same")).returned, None);
    assert_eq!(post.publish(&item("same")).returned, None);
    let other = Message::of_type("postal.item", "same", &example("postal.item/valid/orchids"));
    let (code, text) = post.publish(&other).refusal();
    assert_eq!(code, 406);
    assert!(
        text.contains("message_id") && text.contains("another"),
        "{text}"
    );
    // Over a connection of its own too: the id is the unit's.
    let mut again = broker.connect("post-items").confirming();
    assert_eq!(again.publish(&item("same")).returned, None);
    // A refusal for all is the answer of its repeat too.
    let refused = item("refused").header("to", "environment/main");
    let first = post.publish(&refused).refusal();
    assert_eq!(post.publish(&refused).refusal(), first);

    let only = customs.wait_for("inbox");
    assert_eq!(only.properties.header("x-carnet-sequence"), "1");
    assert_eq!(customs.get("inbox", true), None);
}

#[test]
fn an_invented_case_opens_nothing_and_is_a_warning() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-investigation").confirming();
    let order = example("control.order/valid/story-11");
    let order = Message::of_type("control.order", "c", &order).header("case", "CASE-2026-0317");
    assert_eq!(customs.publish(&order).refusal().0, 403);
    let told = receipt(&mut customs);
    assert_eq!(
        told["warnings"],
        json!([{"place": "header case", "rule": "case"}])
    );
    assert_eq!(broker.connect("police-operations").get("inbox", true), None);
}

#[test]
fn headers_that_nobody_knows_are_dropped_and_named_as_warnings() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    let message = item("h").header("smuggled", "canary").with(|p| {
        p.app_id = Some("canary".into());
        p.kind = Some("canary".into());
        p.reply_to = Some("canary".into());
        p.correlation_id = Some("canary".into());
    });
    assert_eq!(post.publish(&message).returned, None);
    let told = receipt(&mut post);
    assert_eq!(
        told["warnings"],
        json!([{"place": "header smuggled", "rule": "dropped"}])
    );
    let got = customs.wait_for("inbox");
    assert!(!format!("{got:?}").contains("canary"), "{got:?}");
    assert_eq!(
        (got.exchange.as_str(), got.key.as_str()),
        ("inbox", "postal.item.post")
    );
    assert_ne!(got.properties.message_id.as_deref(), Some("h"));
}

#[test]
fn what_expires_in_an_inbox_goes_to_dead_with_its_death() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    let short = item("x").with(|p| p.expiration = Some("1".into()));
    assert_eq!(post.publish(&short).returned, None);
    let dead = customs.wait_for("dead");
    let headers = dead.properties.headers.clone().expect("headers");
    assert_eq!(text_field(&headers, "x-first-death-reason"), "expired");
    assert_eq!(text_field(&headers, "x-first-death-queue"), "inbox");
    assert_eq!(text_field(&headers, "x-first-death-exchange"), "inbox");
    let Value::List(deaths) = field(&headers, "x-death") else {
        panic!("x-death is an array: {headers:?}");
    };
    let [Value::Table(death)] = deaths.as_slice() else {
        panic!("one death: {deaths:?}");
    };
    assert_eq!(field(death, "count"), &Value::Long(1));
    assert_eq!(text_field(death, "reason"), "expired");
    assert_eq!(text_field(death, "queue"), "inbox");
    assert!(matches!(field(death, "time"), Value::Time(seconds) if *seconds > 1_700_000_000));
    let keys = Value::List(vec![Value::Text("postal.item.post".into())]);
    assert_eq!(field(death, "routing-keys"), &keys);
    assert_eq!(customs.get("inbox", true), None);
}

#[test]
fn a_private_publish_goes_nowhere_but_into_a_queue_of_ones_own() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let (code, text) = post.publish(&Message::to_queue("nowhere", "x")).refusal();
    assert_eq!(code, 312);
    assert!(
        text.starts_with("NO_ROUTE - ") && text.contains("nowhere"),
        "{text}"
    );
    let silent = Message {
        mandatory: false,
        ..Message::to_queue("nowhere", "x")
    };
    assert_eq!(post.publish(&silent).returned, None);
    for (exchange, key, code) in [
        ("", "inbox", 403),
        ("inbox", "postal.item.customs", 403),
        ("none", "k", 404),
    ] {
        let mut post = broker.connect("post-items").confirming();
        let message = Message {
            exchange,
            ..Message::to_queue(key, "x")
        };
        post.wire.send(&message.frames(1));
        let closed = post.wire.closed();
        assert_eq!((closed.channel, closed.code), (1, code), "{closed:?}");
    }
}
