//! What is wrong with a message, and what its sender is told: a return with the reason, then the
//! ack, and never the end of a channel.

use serde_json::{Value as Json, json};

use crate::broker::{Broker, example};
use crate::client::{Client, Message};
use crate::faults::Faults;
use crate::octets::{Properties, Value, field, text_field};

fn item(id: &str) -> Message {
    Message::of_type("postal.item", id, &example("postal.item/valid/ornaments"))
}

/// The next receipt, as JSON.
fn receipt(client: &mut Client, queue: &str) -> Json {
    let got = client.wait_for(queue);
    assert_eq!(got.key, "carnet.receipt");
    serde_json::from_str(&got.body).expect("a receipt is JSON")
}

struct Fault {
    what: &'static str,
    message: Message,
    code: u16,
    says: &'static [&'static str],
}

fn fault(what: &'static str, message: Message, code: u16, says: &'static [&'static str]) -> Fault {
    Fault {
        what,
        message,
        code,
        says,
    }
}

fn property_faults() -> Vec<Fault> {
    let set = |change: fn(&mut Properties)| item("e").with(change);
    let frameworks = &["message_id", "pika", "Spring", "Celery", "amqplib", ".NET"];
    let another = |p: &mut Properties| p.user_id = Some("police-operations".into());
    let zip = |p: &mut Properties| p.content_encoding = Some("gzip".into());
    let capitals = |p: &mut Properties| p.content_encoding = Some("GZIP".into());
    let xml = |p: &mut Properties| p.content_type = Some("text/xml".into());
    vec![
        fault("no id", set(|p| p.message_id = None), 406, frameworks),
        fault(
            "empty id",
            set(|p| p.message_id = Some(String::new())),
            406,
            frameworks,
        ),
        fault(
            "another's user_id",
            set(another),
            406,
            &["user_id", "post-items"],
        ),
        fault("compressed", set(zip), 406, &["content_encoding"]),
        fault(
            "compressed, in capitals",
            set(capitals),
            406,
            &["content_encoding"],
        ),
        fault("another media type", set(xml), 406, &["content_type"]),
        fault(
            "expires soon",
            set(|p| p.expiration = Some("soon".into())),
            406,
            &["expiration"],
        ),
        fault(
            "expires at -5",
            set(|p| p.expiration = Some("-5".into())),
            406,
            &["expiration"],
        ),
        fault(
            "expires at 1.5",
            set(|p| p.expiration = Some("1.5".into())),
            406,
            &["expiration"],
        ),
    ]
}

fn header_faults() -> Vec<Fault> {
    let header = |name: &str| item("e").header(name, "1");
    vec![
        fault(
            "the broker's",
            header("x-carnet-sender"),
            406,
            &["x-carnet-sender", "broker"],
        ),
        fault(
            "in capitals",
            header("X-Carnet-Rulebook"),
            406,
            &["X-Carnet-Rulebook"],
        ),
        fault("a death of its own", header("x-death"), 406, &["x-death"]),
        fault("further routing keys", header("CC"), 406, &["CC"]),
        fault("hidden routing keys", header("BCC"), 406, &["BCC"]),
        fault(
            "addressed in capitals",
            item("e").header("To", "nobody/main"),
            406,
            &["header to", "'To'", "write it to,", "(spelling)"],
        ),
        fault(
            "a slip in a longer name",
            item("e").header("handeling", "no-onward"),
            406,
            &["write it handling,"],
        ),
        fault(
            "a purpose that is empty",
            item("e").header("purpose", " "),
            406,
            &["header purpose", "(minLength)"],
        ),
        fault(
            "addressed to nobody",
            item("e").header("to", " , "),
            406,
            &["header to", "leave the header out", "(minItems)"],
        ),
        fault(
            "addressed to what is no unit",
            item("e").header("to", "customs"),
            406,
            &["header to", "environment/main", "(address)"],
        ),
    ]
}

fn type_faults() -> Vec<Fault> {
    let of = |key: &str| Message::of_type(key, "e", "{}");
    vec![
        fault("unknown type", of("postal.parcel"), 312, &["NO_ROUTE - "]),
        fault(
            "another agency's type",
            of("police.alert"),
            403,
            &["ACCESS_REFUSED - ", "sends"],
        ),
        fault(
            "a case",
            of("case.open"),
            403,
            &["ACCESS_REFUSED - ", "sends"],
        ),
    ]
}

#[test]
fn each_fault_of_an_envelope_is_returned_with_its_reason_and_uses_no_id_up() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let faults = property_faults().into_iter();
    for fault in faults.chain(header_faults()).chain(type_faults()) {
        let (code, text) = post.publish(&fault.message).refusal();
        assert_eq!(code, fault.code, "{}: {text}", fault.what);
        let says = fault.says.iter().all(|word| text.contains(word));
        assert!(says && text.len() <= 255, "{}: {text}", fault.what);
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
        (twice, "", "duplicate-key"),
        (deep, "", "depth"),
        ("{".to_owned(), "", "syntax"),
        (String::new(), "", "syntax"),
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
        let told = receipt(&mut post, "receipts");
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

/// Up to five in a return, as many as fit; all of them, each with its text, in the receipt.
#[test]
fn several_faults_are_told_at_once_and_each_with_its_text_in_the_receipt() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let body = example("postal.item/valid/ornaments")
        .replace("CP618402774XA", "CP618402771XA")
        .replace("\"140.00\"", "\"140,00\"")
        .replace("\"NatureCode\"", "\"NaturCode\"");
    let slips = Message::of_type("postal.item", "s", &body).header("purpose", "no purpose");
    let (code, text) = post.publish(&slips).refusal();
    assert_eq!(code, 406);
    assert!(text.len() <= 255, "{text}");
    assert!(
        text.contains("header purpose") && text.contains("lacks NatureCode"),
        "{text}"
    );
    assert!(text.ends_with(" more in the receipt"), "{text}");
    let told = receipt(&mut post, "receipts");
    let faults = told["faults"].as_array().expect("a list");
    let rules: Vec<_> = faults
        .iter()
        .map(|fault| fault["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules[0], "purpose");
    for rule in ["additionalProperties", "required", "amount", "s10"] {
        assert!(rules.contains(&rule), "{rule}: {told}");
    }
    assert!(
        faults
            .iter()
            .all(|fault| fault["text"].as_str().is_some_and(|text| !text.is_empty()))
    );
    assert_eq!(
        (&told["place"], &told["rule"]),
        (&faults[0]["place"], &faults[0]["rule"])
    );
    let digit =
        json!({"place": "/ID", "rule": "s10", "text": "its check digit (character 11) must be 4"});
    assert!(faults.contains(&digit), "{told}");
    let other = Message::of_type("postal.item", "u", &example("postal.item/valid/orchids"));
    assert_eq!(post.publish(&item("u")).returned, None);
    assert_eq!(post.publish(&other).refusal().0, 406);
    let mut told = receipt(&mut post, "receipts");
    while told["outcome"] != "invalid" {
        told = receipt(&mut post, "receipts");
    }
    let text = told["faults"][0]["text"].as_str().expect("a text");
    assert!(text.contains("another message"), "{told}");
}

/// What a sender is told never comes into the broker's log.
#[test]
fn the_log_has_no_name_and_no_digit_of_a_refused_message() {
    let broker = Broker::start_with(|command| _ = command.env("CARNET_LOG", "trace"));
    let mut post = broker.connect("post-items").confirming();
    let body = example("postal.item/valid/ornaments").replace("\"NatureCode\"", "\"CanaryName\"");
    let slip = Message::of_type("postal.item", "s", &body);
    assert!(post.publish(&slip).refusal().1.contains("CanaryName"));
    broker.terminate();
    let lines = broker.logged_until("stopped");
    assert!(
        lines.iter().all(|line| !line.contains("CanaryName")),
        "{lines:#?}"
    );
}

#[test]
fn an_addressee_unknown_unlisted_or_hidden_gets_one_answer() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut answers = Vec::new();
    for (turn, to) in ["nobody/main", "customs/nobody", "customs/investigation"]
        .iter()
        .enumerate()
    {
        let told = post
            .publish(&item(&format!("to-{turn}")).header("to", to))
            .refusal();
        let mut receipt = receipt(&mut post, "receipts");
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
    for system in ["police-operations", "environment-permits"] {
        assert_eq!(broker.connect(system).get("inbox", true), None);
    }
    let mut cleared = broker.connect("customs-investigation");
    assert_eq!(cleared.get("inbox.investigation", true), None);
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
fn what_recipients_may_do_with_it_and_what_it_answers_are_content_as_the_body_is() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let asked = item("asked").header("handling", "no-onward");
    let answer = |to: &str| {
        let to = Some(to.to_owned());
        item("answer").with(|p| p.correlation_id = to)
    };
    for (first, other) in [
        (asked.clone(), item("asked")),
        (asked, item("asked").header("handling", "none")),
        (answer("one"), answer("another")),
        (
            item("answers"),
            item("answers").with(|p| p.correlation_id = Some("one".into())),
        ),
    ] {
        assert_eq!(post.publish(&first).returned, None);
        assert_eq!(post.publish(&first).returned, None);
        let (code, text) = post.publish(&other).refusal();
        assert!(code == 406 && text.contains("message_id"), "{text}");
    }
}

#[test]
fn a_repeat_is_answered_again_long_after_its_id_left_memory() {
    let broker = Broker::start_with(|command| {
        command.envs([("CARNET__KNOWN_IDS", "16"), ("CARNET__SEGMENT_MIB", "8")]);
    });
    let mut post = broker.connect("post-items").confirming();
    let refused = item("refused").header("to", "environment/main");
    let first = post.publish(&refused).refusal();
    post.declare("other", 2, &Vec::new());
    let large = Message::to_queue("other", &"x".repeat(1_000_000));
    for number in 0..40 {
        assert_eq!(post.publish(&item(&number.to_string())).returned, None);
        if number % 2 == 0 {
            // Some segments, so that ids are in files as well.
            assert_eq!(post.publish(&large).returned, None);
        }
    }
    for number in 0..40 {
        assert_eq!(post.publish(&item(&number.to_string())).returned, None);
    }
    assert_eq!(post.publish(&refused).refusal(), first);
    let other = Message::of_type("postal.item", "0", &example("postal.item/valid/orchids"));
    assert_eq!(post.publish(&other).refusal().0, 406);
    let mut customs = broker.connect("customs-declarations");
    for number in 1..=40 {
        let item = customs.wait_for("inbox");
        let sequence = item.properties.header("x-carnet-sequence");
        assert_eq!(sequence, number.to_string());
    }
    assert_eq!(customs.get("inbox", true), None);
}

#[test]
fn an_invented_case_opens_nothing_and_is_a_warning() {
    let broker = Broker::start();
    let mut customs = broker.connect("customs-investigation").confirming();
    let order = example("control.order/valid/story-11");
    let order = Message::of_type("control.order", "c", &order).header("case", "CASE-2026-0317");
    assert_eq!(customs.publish(&order).refusal().0, 403);
    let told = receipt(&mut customs, "receipts.investigation");
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
    let told = receipt(&mut post, "receipts");
    assert_eq!(
        told["warnings"],
        json!([
            {"place": "header smuggled", "rule": "dropped"},
            {"place": "property correlation_id", "rule": "unknown"},
        ])
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
    // What was meant for `carnet` is never acknowledged and gone, whatever `mandatory` says.
    for key in ["postal.item", "police.alert", "case.open"] {
        for mandatory in [true, false] {
            let misdirected = Message {
                mandatory,
                ..Message::to_queue(key, "{}")
            };
            let (code, text) = post.publish(&misdirected).refusal();
            assert_eq!(code, 312);
            assert!(text.contains("publish it to exchange carnet"), "{text}");
        }
    }
    post.declare("postal.item", 2, &crate::octets::Table::new());
    assert_eq!(
        post.publish(&Message::to_queue("postal.item", "{}"))
            .returned,
        None
    );
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

#[test]
fn outcomes_of_a_channel_that_is_gone_confirm_nothing_on_the_next_of_its_number() {
    let faults = Faults::new();
    let broker = Broker::start_with(|command| faults.load(command));
    let mut client = broker.connect("post-items").confirming();
    // What comes in with the second read is decided long after the first is answered.
    faults.slow_syncs(200);
    let mut octets = Message {
        exchange: "missing",
        ..item("nowhere")
    }
    .frames(1);
    for nth in 0..200 {
        octets.extend(item(&format!("before-{nth}")).frames(1));
    }
    client.wire.send(&octets);
    let closed = client.wire.closed();
    assert_eq!((closed.channel, closed.code), (1, 404), "{closed:?}");
    client.open_channel(1);
    let mut client = client.confirming();
    assert_eq!(client.publish(&item("after")).returned, None);
    client.quiet();
}
