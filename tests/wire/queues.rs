//! Queues: an agency's own are its own, what stands cannot be moved, and what is another's is not
//! there.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Message, bind, consume, declare, named};
use crate::octets::{Octets, Table, Value, field, method, text_field};

const DECLARE: (u16, u16) = (50, 10);
const BIND: (u16, u16) = (50, 20);
const UNBIND: (u16, u16) = (50, 50);
const CONSUME: (u16, u16) = (60, 20);
const GET: (u16, u16) = (60, 70);
const PURGE: (u16, u16) = (50, 30);
const DELETE: (u16, u16) = (50, 40);
const PASSIVE: u8 = 1;
const DURABLE: u8 = 2;
const EXCLUSIVE: u8 = 4;

fn item(id: &str) -> Message {
    Message::of_type("postal.item", id, &example("postal.item/valid/ornaments"))
}

fn unbind(queue: &str, key: &str) -> Octets {
    let names = Octets::new().short(0).name(queue).name("inbox").name(key);
    names.table(&none())
}

fn none() -> Table {
    Table::new()
}

#[test]
fn anothers_queue_looks_as_if_it_were_not_there() {
    let broker = Broker::start();
    let mut police = broker.connect("police-operations");
    police.declare("work", DURABLE, &none());
    let mut customs = broker.connect("customs-declarations");
    customs.declare("declared", DURABLE, &none());
    let mut investigation = broker.connect("customs-investigation");
    // Of another agency; of another unit of one's own agency; of nobody. What is named as standing
    // queues are is answered with one's own, whether there is such a unit or not.
    let foreign = [
        ("work", ""),
        ("declared", ""),
        ("inbox.main", "; your unit's is 'inbox.investigation'"),
        ("inbox.nobody", "; your unit's is 'inbox.investigation'"),
        ("dead.main", "; your unit's is 'dead.investigation'"),
        ("absent", ""),
    ];
    for (queue, own) in foreign {
        let absent = |text: &str| text.replace(queue, "absent");
        let asked = [
            (DECLARE, declare(queue, PASSIVE, &none())),
            (BIND, bind(queue, "inbox", "#")),
            (CONSUME, consume(queue, "", 0)),
            (GET, named(queue)),
            (PURGE, named(queue)),
        ];
        for (id, arguments) in asked {
            let (code, text) = investigation.refused(id, arguments);
            assert_eq!(code, 404, "{queue} {id:?}: {text}");
            assert_eq!(
                absent(&text),
                format!("NOT_FOUND - no queue 'absent' in vhost '/'{own}"),
                "{id:?}"
            );
        }
        let deleted = investigation.call(1, DELETE, named(queue));
        assert_eq!(deleted, [0; 4], "{queue}");
        let told = Message::to_queue(queue, "x");
        let (code, text) = broker
            .connect("customs-investigation")
            .confirming()
            .publish(&told)
            .refusal();
        assert_eq!(
            (code, absent(&text).contains("absent")),
            (312, true),
            "{text}"
        );
    }
    // Nor is a name taken by another's queue.
    assert_eq!(investigation.declare("work", DURABLE, &none()).1, 0);
    assert_eq!(customs.declare("declared", PASSIVE, &none()).2, 0);
}

fn with(name: &str, value: Value) -> Table {
    vec![(name.to_owned(), value)]
}

#[test]
fn an_argument_works_or_means_nothing_here_or_is_refused_with_what_is_there_instead() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    for (name, value, says) in [
        (
            "x-max-length-bytes",
            Value::Int(1_000),
            "'x-max-length' bounds",
        ),
        ("x-max-priority", Value::Int(5), "a queue for each priority"),
        ("x-consumer-timeout", Value::Int(1_000), "is not supported"),
        ("x-max-age", Value::Text("1h".into()), "no streams"),
        (
            "x-stream-max-segment-size-bytes",
            Value::Int(1),
            "no streams",
        ),
        (
            "x-expires",
            Value::Text("1000".into()),
            "an integer above 0",
        ),
        (
            "x-overflow",
            Value::Text("reject-publish".into()),
            "'drop-head'",
        ),
    ] {
        let (code, text) = post.refused(DECLARE, declare("new", DURABLE, &with(name, value)));
        assert_eq!(code, 406, "{text}");
        assert!(text.contains(name) && text.contains(says), "{text}");
    }
    let (code, _) = post.refused(DECLARE, declare("new", PASSIVE, &none()));
    assert_eq!(code, 404, "nothing was declared");
    for (name, value) in [
        ("x-queue-mode", Value::Text("lazy".into())),
        ("x-queue-leader-locator", Value::Text("balanced".into())),
        ("x-quorum-initial-group-size", Value::Int(3)),
        ("note", Value::Text("of ours".into())),
    ] {
        let arguments = with(name, value);
        post.declare(name, DURABLE, &arguments);
        post.declare(name, DURABLE, &arguments);
        let (code, text) = post.refused(DECLARE, declare(name, DURABLE, &none()));
        assert!(code == 406 && text.contains(name), "{text}");
    }
    let consume = |arguments: Table| {
        let names = Octets::new().short(0).name("note").name("");
        names.octet(0).table(&arguments)
    };
    for (name, value) in [
        ("x-priority", Value::Text("high".into())),
        ("x-priority", Value::Long(1 << 40)),
        ("x-stream-offset", Value::Text("first".into())),
    ] {
        let (code, text) = post.refused(CONSUME, consume(with(name, value)));
        assert!(code == 406 && text.contains(name), "{text}");
    }
    for value in [Value::Int(-3), Value::Long(3)] {
        post.call(1, CONSUME, consume(with("x-priority", value)));
    }
    let alternate = with("alternate-exchange", Value::Text("mine".into()));
    let inbox = Octets::new().short(0).name("inbox").name("topic");
    let (code, text) = post.refused((40, 10), inbox.octet(DURABLE).table(&alternate));
    assert!(
        code == 406 && text.contains("'alternate-exchange'"),
        "{text}"
    );
}

/// The repository's agencies, with a second system of the post's that reads receipts alone.
fn agencies() -> TempDir {
    let folder = TempDir::new().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("agencies/.");
    let script = r#"cp -r "$1" "$2" && cat >> "$2/post/agency.toml" <<'END'

[[system]]
id = "clerk"
unit = "main"
certificate = "urn:carnet:post:system:clerk"
sends = ["postal.item"]
reads = ["receipts"]
message_id = "derived"
END"#;
    let copied = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(from)
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    folder
}

#[test]
fn a_system_reads_no_more_than_its_entry_says() {
    let agencies = agencies();
    let broker = Broker::start_with(|command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let mut clerk = broker.connect("post-clerk");
    for queue in ["inbox", "dead", "inbox.main"] {
        let expected = if queue == "inbox.main" { 404 } else { 403 };
        let (code, text) = clerk.refused(CONSUME, consume(queue, "", 0));
        assert_eq!(code, expected, "{text}");
        let (code, text) = clerk.refused(GET, named(queue));
        assert_eq!(code, expected, "{text}");
        assert!(code == 404 || text.contains("reads"), "{text}");
    }
    // Nor round about, through a queue of its own that takes what the inbox takes.
    clerk.declare("round-about", DURABLE, &none());
    let (code, text) = clerk.refused(BIND, bind("round-about", "inbox", "#"));
    assert_eq!(code, 403, "{text}");
    assert!(text.contains("reads"), "{text}");
    // The entry derives ids: none is needed, and the same again is a repeat.
    let mut clerk = clerk.confirming();
    let nameless = item("").with(|p| p.message_id = None);
    assert_eq!(clerk.publish(&nameless).returned, None);
    assert_eq!(clerk.publish(&nameless).returned, None);
    let mut customs = broker.connect("customs-declarations");
    customs.wait_for("inbox");
    assert_eq!(customs.get("inbox", true), None);
}

/// Arguments of a queue whose dead letters go to queue `bounced`.
fn bounces() -> Table {
    let bounces = [
        ("x-dead-letter-exchange", Value::Text(String::new())),
        ("x-dead-letter-routing-key", Value::Text("bounced".into())),
    ];
    bounces.map(|(name, value)| (name.to_owned(), value)).into()
}

#[test]
fn what_died_in_a_queue_of_ones_own_tells_its_deaths_beside_its_own_properties() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", DURABLE, &bounces());
    post.declare("bounced", DURABLE, &none());
    let task = Message::to_queue("work", "task").header("attempt", "first");
    assert_eq!(post.publish(&task).returned, None);
    let got = post.get("work", false).expect("a task");
    post.nack(got.tag, false);
    let dead = post.wait_for("bounced");
    let headers = dead.properties.headers.clone().expect("headers");
    assert_eq!(text_field(&headers, "attempt"), "first");
    assert_eq!(text_field(&headers, "x-first-death-queue"), "work");
    assert_eq!(text_field(&headers, "x-first-death-reason"), "rejected");
    let Value::List(deaths) = field(&headers, "x-death") else {
        panic!("x-death is an array: {headers:?}");
    };
    let [Value::Table(death)] = deaths.as_slice() else {
        panic!("one death: {deaths:?}");
    };
    assert_eq!(field(death, "count"), &Value::Long(1));
    assert_eq!(dead.body, "task");
}

#[test]
fn what_others_sent_goes_from_no_queue_to_a_system_that_does_not_read_the_inbox() {
    let agencies = agencies();
    let broker = Broker::start_with(|command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let mut items = broker.connect("post-items").confirming();
    let mut clerk = broker.connect("post-clerk");
    items.declare("orders", DURABLE, &bounces());
    items.declare("bounced", DURABLE, &none());
    items.declare("both", DURABLE, &none());
    // What others sent is not the oldest in every queue.
    for queue in ["bounced", "bounced"] {
        let own = Message::to_queue(queue, "own");
        assert_eq!(items.publish(&own).returned, None);
    }
    assert_eq!(clerk.get("bounced", true).expect("its unit's").body, "own");
    clerk.consume("both", "c", 0);
    assert_eq!(
        items.publish(&Message::to_queue("both", "own")).returned,
        None
    );
    assert_eq!(clerk.delivery().body, "own");
    for queue in ["orders", "both"] {
        items.call(1, BIND, bind(queue, "inbox", "control.#"));
    }
    let mut customs = broker.connect("customs-declarations").confirming();
    let order = example("control.order/valid/story-03");
    let order = Message::of_type("control.order", "o-1", &order).header("to", "post/main");
    assert_eq!(customs.publish(&order).returned, None);
    items.consume("orders", "i", 0);
    let got = items.delivery();
    items.wire.send(&method(
        1,
        (60, 90),
        Octets::new().longlong(got.tag).octet(0),
    ));
    items.wait_for("inbox");
    // Bound, bound with a consumer of its own, and what died in a bound one.
    for queue in ["orders", "both", "bounced"] {
        let asked = [
            (DECLARE, declare(queue, DURABLE, &none())),
            (DECLARE, declare(queue, PASSIVE, &none())),
            (CONSUME, consume(queue, "", 0)),
            (GET, named(queue)),
            (PURGE, named(queue)),
            (DELETE, named(queue)),
            (UNBIND, unbind(queue, "control.#")),
        ];
        let mut other = broker.connect("post-clerk");
        for (id, arguments) in asked {
            let (code, text) = other.refused(id, arguments);
            assert_eq!(code, 403, "{queue} {id:?}: {text}");
            assert!(text.contains("see its 'reads'"), "{queue} {id:?}: {text}");
        }
    }
    clerk.quiet();
    assert_eq!(items.get("bounced", true).expect("its unit's").body, "own");
    for (queue, key) in [("both", "control.order.customs"), ("bounced", "bounced")] {
        let got = items.get(queue, true).expect("what others sent");
        assert_eq!(got.key, key, "{queue}");
    }
}

#[test]
fn where_one_consumer_is_active_it_is_the_first_that_may_read_what_the_queue_takes() {
    let agencies = agencies();
    let broker = Broker::start_with(|command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let mut items = broker.connect("post-items");
    let mut sender = broker.connect("post-items").confirming();
    let mut clerk = broker.connect("post-clerk");
    let single = with("x-single-active-consumer", Value::Bool(true));
    items.declare("orders", DURABLE, &single);
    clerk.consume("orders", "c", 0);
    items.consume("orders", "i", 0);
    let own = Message::to_queue("orders", "own");
    assert_eq!(sender.publish(&own).returned, None);
    assert_eq!(clerk.delivery().body, "own");
    items.call(1, BIND, bind("orders", "inbox", "control.#"));
    let mut customs = broker.connect("customs-declarations").confirming();
    let order = example("control.order/valid/story-03");
    let order = Message::of_type("control.order", "o-1", &order).header("to", "post/main");
    assert_eq!(customs.publish(&order).returned, None);
    assert_eq!(items.delivery().key, "control.order.customs");
    // All that comes now goes to one consumer, so it keeps its order.
    assert_eq!(sender.publish(&own).returned, None);
    assert_eq!(items.delivery().body, "own");
    clerk.quiet();
}

#[test]
fn a_queue_of_ones_own_takes_what_is_bound_to_the_inbox() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items").confirming();
    let mut customs = broker.connect("customs-declarations");
    assert_eq!(
        customs.declare("items", DURABLE, &none()),
        ("items".into(), 0, 0)
    );
    customs.declare("orders", DURABLE, &none());
    customs.call(1, BIND, bind("items", "inbox", "postal.*.post"));
    customs.call(1, BIND, bind("items", "inbox", "postal.#"));
    customs.call(1, BIND, bind("orders", "inbox", "control.#"));
    customs.consume("items", "c", 0);
    assert_eq!(post.publish(&item("1")).returned, None);
    let got = customs.delivery();
    assert_eq!(
        (got.consumer.as_str(), got.key.as_str()),
        ("c", "postal.item.post")
    );
    customs.ack(got.tag, false);
    // One copy for two bindings, and none for the other queue.
    customs.quiet();
    assert_eq!(
        customs.declare("items", PASSIVE, &none()),
        ("items".into(), 0, 1)
    );
    assert_eq!(customs.get("orders", true), None);
    customs.call(1, UNBIND, unbind("items", "postal.#"));
    customs.call(1, UNBIND, unbind("items", "postal.*.post"));
    assert_eq!(post.publish(&item("2")).returned, None);
    customs.quiet();
    assert_eq!(customs.declare("items", PASSIVE, &none()).1, 0);
}

#[test]
fn a_declaration_that_differs_is_told_406_and_an_equal_one_is_welcome() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    let limit = |value: Value| vec![("x-delivery-limit".to_owned(), value)];
    post.declare("q", DURABLE, &limit(Value::Int(5)));
    // By value, not by type code; passively whatever it is.
    post.declare("q", DURABLE, &limit(Value::Long(5)));
    post.declare("q", PASSIVE, &none());
    let differing = [
        (declare("q", 0, &limit(Value::Int(5))), "'durable'"),
        (
            declare("q", DURABLE | 8, &limit(Value::Int(5))),
            "'auto_delete'",
        ),
        (
            declare("q", DURABLE, &limit(Value::Int(6))),
            "'x-delivery-limit'",
        ),
        (declare("q", DURABLE, &none()), "'x-delivery-limit'"),
        (declare("inbox", DURABLE | 8, &none()), "'auto_delete'"),
        (
            declare(
                "new",
                DURABLE,
                &vec![("x-queue-type".into(), Value::Text("stream".into()))],
            ),
            "'x-queue-type'",
        ),
        (
            declare("new", DURABLE, &vec![("x-expires".into(), Value::Int(0))]),
            "'x-expires'",
        ),
    ];
    for (arguments, says) in differing {
        let (code, text) = post.refused(DECLARE, arguments);
        assert_eq!(code, 406, "{text}");
        assert!(text.contains(says), "{text}");
    }
    // What stands may be declared as it is, by whoever does so at each start.
    for queue in ["inbox", "receipts", "dead"] {
        post.declare(queue, DURABLE, &none());
        post.declare(
            queue,
            DURABLE,
            &vec![("x-queue-type".into(), Value::Text("quorum".into()))],
        );
    }
    let exchange = |name: &str, kind: &str, bits: u8| {
        Octets::new()
            .short(0)
            .name(name)
            .name(kind)
            .octet(bits)
            .table(&none())
    };
    post.call(1, (40, 10), exchange("carnet", "topic", DURABLE));
    post.call(1, (40, 10), exchange("inbox", "topic", DURABLE));
    post.call(1, (40, 10), exchange("carnet", "whatever", PASSIVE));
    let (code, text) = post.refused((40, 10), exchange("carnet", "fanout", DURABLE));
    assert_eq!((code, text.contains("'type'")), (406, true), "{text}");
    let (code, _) = post.refused((40, 10), exchange("amq.mine", "topic", DURABLE));
    assert_eq!(code, 403);
    let (code, _) = post.refused((40, 10), exchange("absent", "topic", PASSIVE));
    assert_eq!(code, 404);
}

#[test]
fn what_stands_is_not_moved_emptied_or_listened_in_on() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    post.declare("mine", DURABLE, &none());
    // kombu does this with every queue it consumes.
    post.call(1, BIND, bind("inbox", "inbox", "inbox"));
    let refused = [
        (BIND, bind("inbox", "carnet", "#")),
        (BIND, bind("mine", "carnet", "#")),
        (BIND, bind("mine", "", "#")),
        (BIND, bind("receipts", "inbox", "#")),
        (PURGE, named("inbox")),
        (DELETE, named("receipts")),
        (DECLARE, declare("amq.mine", DURABLE, &none())),
        (CONSUME, consume("amq.rabbitmq.reply-to", "", 2)),
        ((40, 20), Octets::new().short(0).name("carnet").octet(0)),
    ];
    for (id, arguments) in refused {
        let (code, text) = post.refused(id, arguments);
        assert_eq!(code, 403, "{id:?}: {text}");
        assert!(text.starts_with("ACCESS_REFUSED - "), "{text}");
    }
    let (code, text) = post.refused(BIND, bind("mine", "absent", "#"));
    assert_eq!(code, 404, "{text}");
}

#[test]
fn a_refusal_waits_for_the_answers_before_it() {
    let broker = Broker::start();
    let mut post = broker.connect("post-items");
    let delete = Octets::new().short(0).name("inbox").octet(0);
    let declared = method(1, DECLARE, declare("mine", DURABLE, &none()));
    post.wire
        .send(&[declared, method(1, (40, 20), delete)].concat());
    post.wire.expect(1, (50, 11));
    let closed = post.wire.closed();
    assert_eq!((closed.code, closed.failed), (403, (40, 20)), "{closed:?}");
}

#[test]
fn an_exclusive_queue_is_locked_to_others_and_ends_with_its_connection() {
    let broker = Broker::start();
    let mut owner = broker.connect("post-items");
    let (name, ..) = owner.declare("", EXCLUSIVE, &none());
    assert!(name.starts_with("amq.gen-") && name.len() == 30, "{name}");
    let mut other = broker.connect("post-items");
    let asked = [
        (DECLARE, declare(&name, EXCLUSIVE, &none())),
        (DECLARE, declare(&name, PASSIVE, &none())),
        (BIND, bind(&name, "inbox", "#")),
        (CONSUME, consume(&name, "", 0)),
        (GET, named(&name)),
        (PURGE, named(&name)),
        (DELETE, named(&name)),
    ];
    for (id, arguments) in asked {
        let (code, text) = other.refused(id, arguments);
        assert_eq!(code, 405, "{id:?}: {text}");
        assert!(text.starts_with("RESOURCE_LOCKED - "), "{text}");
    }
    // Replies come into it from others all the same.
    let mut other = other.confirming();
    assert_eq!(
        other.publish(&Message::to_queue(&name, "reply")).returned,
        None
    );
    assert_eq!(owner.get(&name, true).expect("a reply").body, "reply");
    // The last declared queue stands for the empty name.
    assert_eq!(owner.get("", true), None);
    drop(owner);
    let gone = (0..500).any(|_| other.refused(GET, named(&name)).0 == 404);
    assert!(gone, "the queue outlives its connection");
}
