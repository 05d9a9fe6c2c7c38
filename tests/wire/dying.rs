//! Messages that leave a queue by no acknowledgement: which ones, where to, and what is said of them,
//! as RabbitMQ's clients know it.

use crate::broker::{Broker, example};
use crate::client::{Client, Delivery, Message, bind};
use crate::octets::{Octets, Table, Value, field, text_field};

const DURABLE: u8 = 2;
const PASSIVE: u8 = 1;

fn int(name: &str, value: i32) -> (String, Value) {
    (name.to_owned(), Value::Int(value))
}

/// Arguments of a queue whose dead letters go to the queue `to`.
fn dead_letters(to: &str) -> Table {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        ("x-dead-letter-exchange".to_owned(), text("")),
        ("x-dead-letter-routing-key".to_owned(), text(to)),
    ]
}

fn with(mut table: Table, more: (String, Value)) -> Table {
    table.push(more);
    table
}

fn put(client: &mut Client, queue: &str, bodies: &[&str]) {
    for body in bodies {
        assert_eq!(
            client.publish(&Message::to_queue(queue, body)).returned,
            None
        );
    }
}

/// What is in a queue, in order, once so many have come.
fn all(client: &mut Client, queue: &str, count: usize) -> Vec<Delivery> {
    let mut got: Vec<Delivery> = (0..count).map(|_| client.wait_for(queue)).collect();
    got.extend(client.get(queue, true));
    got
}

fn bodies(got: &[Delivery]) -> Vec<&str> {
    got.iter().map(|it| it.body.as_str()).collect()
}

fn headers(got: &Delivery) -> Table {
    got.properties.headers.clone().unwrap_or_default()
}

/// Deaths, newest first, each as its queue, reason, exchange and routing keys.
fn deaths(got: &Delivery) -> Vec<(String, String, String, Vec<String>)> {
    let headers = headers(got);
    let Value::List(deaths) = field(&headers, "x-death") else {
        panic!("x-death is an array: {headers:?}");
    };
    let death = |death: &Value| {
        let Value::Table(death) = death else {
            panic!("a death is a table: {death:?}");
        };
        let text = |name| text_field(death, name).to_owned();
        let Value::List(keys) = field(death, "routing-keys") else {
            panic!("routing-keys is an array: {death:?}");
        };
        let keys = keys.iter().map(|key| match key {
            Value::Text(key) => key.clone(),
            other => panic!("a key is a text: {other:?}"),
        });
        (
            text("queue"),
            text("reason"),
            text("exchange"),
            keys.collect(),
        )
    };
    deaths.iter().map(death).collect()
}

fn death(
    queue: &str,
    reason: &str,
    exchange: &str,
    key: &str,
) -> (String, String, String, Vec<String>) {
    let text = str::to_owned;
    (text(queue), text(reason), text(exchange), vec![text(key)])
}

#[test]
fn a_queue_too_long_buries_the_oldest_that_wait_and_none_that_is_out() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("bounced", DURABLE, &Table::new());
    post.declare(
        "buries",
        DURABLE,
        &with(dead_letters("bounced"), int("x-max-length", 2)),
    );
    post.declare("drops", DURABLE, &vec![int("x-max-length", 2)]);
    for queue in ["buries", "drops"] {
        let mut consumer = broker.connect("post-items");
        consumer.prefetch(1, false);
        consumer.consume(queue, "c", 0);
        put(&mut post, queue, &["out"]);
        let out = consumer.delivery();
        put(&mut post, queue, &["1", "2", "3", "4"]);
        if queue == "buries" {
            let dead = all(&mut post, "bounced", 2);
            assert_eq!(bodies(&dead), ["1", "2"]);
            assert_eq!(deaths(&dead[0]), [death(queue, "maxlen", "", queue)]);
        }
        assert_eq!(post.declare(queue, PASSIVE, &Table::new()).1, 2);
        // What was out is there still, and is settled as ever.
        consumer.nack(out.tag, true);
        let again = consumer.delivery();
        assert_eq!((again.body.as_str(), again.redelivered), ("out", true));
        consumer.ack(again.tag, false);
        assert_eq!(consumer.delivery().body, "3");
        // What is out comes back to its place before the close is answered.
        let close = Octets::new().short(200).name("").short(0).short(0);
        consumer.call(1, (20, 40), close);
        let rest = all(&mut post, queue, 2);
        assert_eq!(bodies(&rest), ["3", "4"]);
    }
    assert_eq!(post.get("bounced", true), None);
}

#[test]
fn what_others_sent_and_a_queue_has_no_room_for_goes_to_dead() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    customs.declare("few", DURABLE, &vec![int("x-max-length", 1)]);
    customs.call(1, (50, 20), bind("few", "inbox", "postal.#"));
    let body = example("postal.item/valid/ornaments");
    for id in ["first", "second"] {
        let item = Message::of_type("postal.item", id, &body);
        assert_eq!(post.publish(&item).returned, None);
    }
    let dead = customs.wait_for("dead");
    assert_eq!(
        deaths(&dead),
        [death("few", "maxlen", "inbox", "postal.item.post")]
    );
    assert_eq!(text_field(&headers(&dead), "x-carnet-sequence"), "1");
    let kept = customs.wait_for("few");
    assert_eq!(text_field(&headers(&kept), "x-carnet-sequence"), "2");
}

#[test]
fn each_death_tells_how_the_message_came_to_that_queue_and_its_expiration_goes() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("last", DURABLE, &Table::new());
    post.declare("middle", DURABLE, &dead_letters("last"));
    post.declare("first", DURABLE, &dead_letters("middle"));
    let short = Message::to_queue("first", "task").with(|p| p.expiration = Some("20".to_owned()));
    assert_eq!(post.publish(&short).returned, None);
    let mut got = None;
    for _ in 0..2_000 {
        got = post.get("middle", false);
        if got.is_some() {
            break;
        }
    }
    let got = got.expect("it expired");
    assert_eq!((got.exchange.as_str(), got.key.as_str()), ("", "middle"));
    assert_eq!(got.properties.expiration, None);
    assert_eq!(deaths(&got), [death("first", "expired", "", "first")]);
    // It does not expire again: its time to live was the first queue's.
    post.nack(got.tag, false);
    let got = post.wait_for("last");
    assert_eq!((got.exchange.as_str(), got.key.as_str()), ("", "last"));
    let newest = death("middle", "rejected", "", "middle");
    assert_eq!(
        deaths(&got),
        [newest, death("first", "expired", "", "first")]
    );
    let headers = headers(&got);
    let Value::List(all) = field(&headers, "x-death") else {
        panic!("an array");
    };
    let Value::Table(oldest) = &all[1] else {
        panic!("a table");
    };
    assert_eq!(text_field(oldest, "original-expiration"), "20");
    let Value::Table(newest) = &all[0] else {
        panic!("a table");
    };
    assert!(newest.iter().all(|(name, _)| name != "original-expiration"));
}

#[test]
fn a_release_keeps_in_its_first_death_the_key_under_which_it_was_sent() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    customs.declare("bounced", DURABLE, &Table::new());
    customs.declare("items", DURABLE, &dead_letters("bounced"));
    customs.call(1, (50, 20), bind("items", "inbox", "postal.#"));
    let body = example("postal.item/valid/ornaments");
    let item = Message::of_type("postal.item", "i", &body);
    assert_eq!(post.publish(&item).returned, None);
    customs.consume("items", "c", 0);
    let got = customs.delivery();
    assert_eq!(
        (got.exchange.as_str(), got.key.as_str()),
        ("inbox", "postal.item.post")
    );
    customs.nack(got.tag, false);
    let got = customs.wait_for("bounced");
    assert_eq!((got.exchange.as_str(), got.key.as_str()), ("", "bounced"));
    assert_eq!(
        deaths(&got),
        [death("items", "rejected", "inbox", "postal.item.post")]
    );
}

#[test]
fn what_is_rejected_without_a_key_for_it_comes_back_under_its_own() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let to_default = vec![dead_letters("").remove(0)];
    post.declare("q", DURABLE, &to_default);
    put(&mut post, "q", &["x"]);
    let got = post.get("q", false).expect("it is there");
    post.nack(got.tag, false);
    let got = post.wait_for("q");
    assert_eq!(deaths(&got), [death("q", "rejected", "", "q")]);
    // Where nobody has rejected it, that would go round for ever.
    post.declare("r", DURABLE, &with(to_default, int("x-max-length", 1)));
    put(&mut post, "r", &["1", "2"]);
    assert_eq!(bodies(&all(&mut post, "r", 1)), ["2"]);
}

#[test]
fn without_time_to_live_a_message_goes_to_who_waits_for_it_or_dies() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("bounced", DURABLE, &Table::new());
    post.declare("q", DURABLE, &dead_letters("bounced"));
    post.declare(
        "by-queue",
        DURABLE,
        &with(dead_letters("bounced"), int("x-message-ttl", 0)),
    );
    let mut consumer = broker.connect("post-items");
    consumer.prefetch(1, false);
    consumer.consume("q", "c", 0);
    let at_once =
        |body: &str| Message::to_queue("q", body).with(|p| p.expiration = Some("0".to_owned()));
    assert_eq!(post.publish(&at_once("first")).returned, None);
    let got = consumer.delivery();
    assert_eq!((got.body.as_str(), got.redelivered), ("first", false));
    // Its prefetch is used up: nobody waits.
    assert_eq!(post.publish(&at_once("second")).returned, None);
    assert_eq!(post.wait_for("bounced").body, "second");
    consumer.ack(got.tag, false);
    put(&mut post, "by-queue", &["third"]);
    assert_eq!(post.wait_for("bounced").body, "third");
    consumer.consume("by-queue", "d", 2);
    put(&mut post, "by-queue", &["fourth"]);
    assert_eq!(consumer.delivery().body, "fourth");
    consumer.quiet();
}

#[test]
fn what_has_expired_behind_what_has_not_is_counted_until_it_is_the_first() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("bounced", DURABLE, &Table::new());
    post.declare("q", DURABLE, &dead_letters("bounced"));
    put(&mut post, "q", &["lasts"]);
    let short = Message::to_queue("q", "short").with(|p| p.expiration = Some("1".to_owned()));
    assert_eq!(post.publish(&short).returned, None);
    // Two more die at the front of another queue after it did in its place.
    post.declare(
        "other",
        DURABLE,
        &with(dead_letters("bounced"), int("x-message-ttl", 5)),
    );
    put(&mut post, "other", &["later"]);
    assert_eq!(post.wait_for("bounced").body, "later");
    assert_eq!(post.declare("q", PASSIVE, &Table::new()).1, 2);
    assert_eq!(post.get("q", true).expect("the first").body, "lasts");
    assert_eq!(post.get("q", true), None, "no client gets what has expired");
    assert_eq!(post.wait_for("bounced").body, "short");
}

/// How often each delivery says that the message came back before, until nothing comes any more.
fn counts(client: &mut Client, queue: &str, most: usize) -> Vec<Option<i64>> {
    let counts = (0..most).map_while(|_| {
        let got = client.get(queue, false)?;
        let headers = headers(&got);
        let count = headers.iter().find(|(name, _)| name == "x-delivery-count");
        let count = count.map(|(_, value)| match value {
            Value::Long(count) => *count,
            other => panic!("a count is a long: {other:?}"),
        });
        client.nack(got.tag, true);
        Some(count)
    });
    counts.collect()
}

#[test]
fn a_message_comes_back_as_often_as_its_queue_allows_and_says_how_often_it_has() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("bounced", DURABLE, &Table::new());
    let limited = |limit| with(dead_letters("bounced"), int("x-delivery-limit", limit));
    for (queue, limit, seen) in [
        ("once", 0, vec![None]),
        ("thrice", 2, vec![None, Some(1), Some(2)]),
    ] {
        post.declare(queue, DURABLE, &limited(limit));
        put(&mut post, queue, &[queue]);
        assert_eq!(counts(&mut post, queue, 10), seen, "{queue}");
        let dead = post.wait_for("bounced");
        assert_eq!(deaths(&dead), [death(queue, "delivery_limit", "", queue)]);
    }
    post.declare("default", DURABLE, &Table::new());
    put(&mut post, "default", &["x"]);
    assert_eq!(counts(&mut post, "default", 50).len(), 21);
    post.declare("ever", DURABLE, &vec![int("x-delivery-limit", -1)]);
    put(&mut post, "ever", &["x"]);
    assert_eq!(counts(&mut post, "ever", 50).len(), 50);
}

#[test]
fn an_inbox_has_the_limit_of_deliveries_that_its_unit_says() {
    let limit = r#"0,/^id = "main"/s//&\ndelivery_limit = 1/"#;
    let agencies = crate::hidden::agencies_with(&[("customs", limit)]);
    let broker = Broker::start_with(|command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    let body = example("postal.item/valid/ornaments");
    let item = Message::of_type("postal.item", "i", &body);
    assert_eq!(post.publish(&item).returned, None);
    customs.consume("inbox", "c", 0);
    let got = customs.delivery();
    customs.nack(got.tag, true);
    let got = customs.delivery();
    customs.nack(got.tag, true);
    let dead = customs.wait_for("dead");
    assert_eq!(
        deaths(&dead),
        [death(
            "inbox",
            "delivery_limit",
            "inbox",
            "postal.item.post"
        )]
    );
}

#[test]
fn a_publish_to_an_exchange_that_is_not_there_closes_the_channel_in_its_name() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    for (mandatory, exchange) in [(true, "nowhere"), (false, "amq.nothing")] {
        let message = Message {
            exchange,
            mandatory,
            ..Message::to_queue("q", "x")
        };
        post.wire.send(&message.frames(1));
        let closed = post.wire.closed();
        assert_eq!((closed.code, closed.channel), (404, 1), "{closed:?}");
        assert_eq!(closed.failed, (60, 40), "{closed:?}");
        post.open_channel(1);
    }
}

fn keys(name: &str, keys: &[&str]) -> (String, Value) {
    let keys = keys.iter().map(|key| Value::Text((*key).to_owned()));
    (name.to_owned(), Value::List(keys.collect()))
}

#[test]
fn copies_go_to_the_queues_that_are_named_and_a_blind_one_is_named_to_nobody() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    for queue in ["a", "b", "c"] {
        post.declare(queue, DURABLE, &dead_letters("bounced"));
    }
    post.declare("bounced", DURABLE, &Table::new());
    let message = Message::to_queue("a", "x").with(|p| {
        p.headers = Some(vec![keys("CC", &["b", "a", "none"]), keys("BCC", &["c"])]);
    });
    // It comes back to its publisher as it was: `publish` compares.
    let nowhere = Message {
        key: "nowhere".to_owned(),
        ..message.clone()
    };
    let nowhere = nowhere.with(|p| p.headers = Some(vec![keys("BCC", &["none"])]));
    assert_eq!(post.publish(&nowhere).refusal().0, 312);
    assert_eq!(post.publish(&message).returned, None);
    for queue in ["a", "b", "c"] {
        let got = post.get(queue, false).expect("a copy");
        assert_eq!((got.exchange.as_str(), got.key.as_str()), ("", "a"));
        assert_eq!(headers(&got), [keys("CC", &["b", "a", "none"])]);
        assert_eq!(post.get(queue, true), None, "one copy in {queue}");
        post.nack(got.tag, false);
        let dead = post.wait_for("bounced");
        let (in_queue, _, _, routing_keys) = deaths(&dead).remove(0);
        assert_eq!(in_queue, queue);
        assert_eq!(routing_keys, ["a", "b", "a", "none"]);
    }
    for (name, value) in [
        ("CC", Value::Text("b".to_owned())),
        ("BCC", Value::List(vec![Value::Int(1)])),
    ] {
        let bad =
            Message::to_queue("a", "x").with(|p| p.headers = Some(vec![(name.to_owned(), value)]));
        post.wire.send(&bad.frames(1));
        let closed = post.wire.closed();
        assert_eq!((closed.code, closed.failed), (406, (60, 40)), "{closed:?}");
        assert!(closed.text.contains(name), "{closed:?}");
        post.open_channel(1);
    }
}
