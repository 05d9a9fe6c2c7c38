//! Limits of an agency: what it does beyond them is neither lost nor anybody else's burden.

use std::process::Command;
use std::time::Duration;

use carnet::server::clock::Clock;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Client, Message, Told, Wire, bind, consume, declare};
pub(crate) use crate::files::agencies;
use crate::octets::{Octets, Reader, method};

pub(crate) fn start(agencies: &TempDir) -> Broker {
    Broker::start_with(|command| {
        command.arg("--agencies").arg(agencies.path());
    })
}

/// What `carnet log tail` says of the folder.
fn log(broker: &Broker) -> Vec<Json> {
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(["log", "tail", "-n", "1000", "--all", "--json", "--data"])
        .arg(broker.data())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn of_kind<'l>(log: &'l [Json], kind: &str) -> Vec<&'l Json> {
    log.iter().filter(|record| record["kind"] == kind).collect()
}

fn sum(records: &[&Json]) -> u64 {
    records.iter().filter_map(|r| r["count"].as_u64()).sum()
}

/// Invalid, refused for its addressee, of an unknown type: each a refusal.
fn refused(n: u64) -> Message {
    let id = format!("r-{n}");
    match n % 3 {
        0 => Message::of_type("postal.item", &id, r#"{"FunctionCode": "9"}"#),
        1 => {
            let body = example("postal.item/valid/ornaments");
            Message::of_type("postal.item", &id, &body).header("to", "nobody/main")
        }
        _ => Message::of_type("postal.parcel", &id, "{}"),
    }
}

#[test]
fn refusals_beyond_the_limit_are_told_and_counted_by_one_record() {
    const REFUSALS: u64 = 30;
    let agencies = agencies(
        "post",
        "messages_per_second = 5000\nrefusals_per_minute = 4",
    );
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    let mut beyond = 0;
    for n in 0..REFUSALS {
        let (code, text) = post.publish(&refused(n)).refusal();
        assert_eq!(code, [406, 403, 312][usize::try_from(n % 3).unwrap()]);
        beyond += u64::from(text.contains(" - beyond 4 refusals a minute, counted without"));
        assert!(text.len() <= 255, "{text}");
    }
    // A minute may end in the midst of it.
    assert!((REFUSALS - 8..=REFUSALS - 4).contains(&beyond), "{beyond}");
    // What is not refused goes on as ever, under an id that a refusal had: it used none up.
    let body = example("postal.item/valid/ornaments");
    let item = Message::of_type("postal.item", "r-28", &body);
    assert_eq!(post.publish(&item).returned, None);
    let receipts = std::iter::from_fn(|| post.get("receipts", true)).count();
    let receipts = u64::try_from(receipts).unwrap();
    assert_eq!(receipts, REFUSALS - beyond + 1);
    // A confirm is true of what is on the disk, before the minute is over.
    let live = log(&broker);
    let noted = sum(&of_kind(&live, "refusals-noted"));
    let counted = sum(&of_kind(&live, "refusals-counted"));
    assert!(noted.max(counted) <= beyond && noted + counted >= beyond);
    broker.terminate();
    let (_, data) = broker.ended_with_data();
    let broker = Broker::start_in(data, |command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let log = log(&broker);
    let counts = of_kind(&log, "refusals-counted");
    assert_eq!(sum(&counts), beyond, "{counts:?}");
    assert!(counts.len() <= 2 && counts.iter().all(|r| r["agency"] == "post"));
    assert!(counts.iter().all(|r| r["number"].is_u64()), "evidence");
    let of_their_own = of_kind(&log, "rejected").len() + of_kind(&log, "exchange").len();
    assert_eq!(u64::try_from(of_their_own).unwrap(), receipts);
}

#[test]
fn counted_refusals_outlive_a_kill_and_are_told_by_the_next_life() {
    let agencies = agencies(
        "post",
        "messages_per_second = 5000\nrefusals_per_minute = 1",
    );
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    let beyond = (0..10)
        .map(|n| post.publish(&refused(n)).refusal().1)
        .filter(|text| text.contains(" - beyond 1 refusals a minute"))
        .count();
    let data = broker.killed();
    let broker = Broker::start_in(data, |command| {
        command.arg("--agencies").arg(agencies.path());
    });
    broker.terminate();
    let (_, data) = broker.ended_with_data();
    let broker = Broker::start_in(data, |command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let log = log(&broker);
    let counted = sum(&of_kind(&log, "refusals-counted"));
    assert_eq!(counted, u64::try_from(beyond).unwrap());
}

/// Waits until so many publishes of channel 1 are confirmed. Nothing else may come: least of all a
/// notice that nothing can be stored, at which some clients give up.
pub(crate) fn confirmed(client: &mut Client, count: u64) {
    let mut acked = 0;
    while acked < count {
        acked = Reader(&client.wire.expect(1, (60, 80))).longlong();
    }
}

#[test]
fn an_agency_beyond_its_messages_a_second_is_read_slowly_and_loses_nothing() {
    const EACH: u64 = 180;
    let agencies = agencies(
        "post",
        "messages_per_second = 100\nrefusals_per_minute = 600",
    );
    let broker = start(&agencies);
    let mut reader = broker.connect("post-items");
    reader.declare("work", 2, &Vec::new());
    reader.consume("work", "w", 0);
    let mut ends = [
        broker.connect("post-items").confirming(),
        broker.connect("post-items").confirming(),
    ];
    let started = Clock::default();
    for (end, client) in ends.iter_mut().zip(0..) {
        // One for its own consumer, in front of all the others.
        let mut all = Message::to_queue("work", &format!("{client}-0")).frames(1);
        for n in 1..EACH {
            all.extend(Message::to_queue("work", &format!("{client}-{n}")).frames(1));
        }
        end.wire.send(&all);
    }
    // A connection of its own that only consumes is not: its deliveries come, its acks are read.
    for _ in 0..2 * EACH {
        let delivery = reader.delivery();
        reader.ack(delivery.tag, false);
    }
    for client in &mut ends {
        confirmed(client, EACH);
    }
    // 100 at once, 260 in 2.6 s.
    let took = started.monotonic();
    assert!(took > Duration::from_millis(2_400), "{took:?}");
    reader.quiet();
    assert_eq!(reader.declare("work", 2, &Vec::new()).1, 0);
}

#[test]
fn others_are_not_held_up_by_an_agency_beyond_its_messages_a_second() {
    const COUNT: u32 = 200;
    let agencies = agencies("post", "messages_per_second = 1\nrefusals_per_minute = 600");
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Vec::new());
    let all = Message::to_queue("work", "one of many").frames(1);
    for _ in 0..COUNT {
        post.wire.send(&all);
    }
    let mut customs = broker.connect("customs-declarations").confirming();
    customs.declare("work", 2, &Vec::new());
    for _ in 0..10 {
        let message = Message::to_queue("work", "mine");
        assert_eq!(customs.publish(&message).returned, None);
    }
    // The last of them is read minutes later.
    let mut other = broker.connect("post-items");
    let (_, taken, _) = other.declare("work", 2, &Vec::new());
    assert!(taken < COUNT, "{taken}");
}

#[test]
fn more_steps_of_cases_than_a_second_allows_wait_for_the_next_and_none_is_refused() {
    const STEPS: u64 = 50;
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let started = Clock::default();
    let mut all = Vec::new();
    for n in 0..STEPS {
        let body = format!(r#"{{"CaseID": "C-{n}"}}"#);
        all.extend(Message::of_type("case.open", &format!("s-{n}"), &body).frames(1));
    }
    customs.wire.send(&all);
    confirmed(&mut customs, STEPS);
    // Twenty at once, thirty in a second and a half.
    let took = started.monotonic();
    assert!(took > Duration::from_millis(1_300), "{took:?}");
    let opened = log(&broker);
    let opened = u64::try_from(of_kind(&opened, "case").len()).unwrap();
    assert_eq!(opened, STEPS);
}

#[test]
fn who_connects_anew_for_each_step_of_a_case_waits_as_well() {
    const STEPS: u64 = 50;
    let broker = Broker::start();
    let started = Clock::default();
    for n in 0..STEPS {
        let mut customs = broker.connect("customs-declarations").confirming();
        let body = format!(r#"{{"CaseID": "C-{n}"}}"#);
        let step = Message::of_type("case.open", &format!("s-{n}"), &body);
        customs.wire.send(&step.frames(1));
        confirmed(&mut customs, 1);
    }
    // Twenty at once, thirty in a second and a half.
    let took = started.monotonic();
    assert!(took > Duration::from_millis(1_300), "{took:?}");
}

#[test]
fn heartbeats_come_while_a_publisher_is_held_up() {
    let agencies = agencies("post", "messages_per_second = 2\nrefusals_per_minute = 600");
    let broker = start(&agencies);
    let identity = broker.identity("post-items");
    let mut wire = Wire::connect(&broker, Some(&identity)).expect("TLS");
    wire.log_in(1);
    wire.send(&method(1, (20, 10), Octets::new().name("")));
    wire.expect(1, (20, 11));
    let mut all = Vec::new();
    for n in 0..10 {
        let message = Message {
            mandatory: false,
            ..Message::to_queue("none", &n.to_string())
        };
        all.extend(message.frames(1));
    }
    let close = Octets::new().short(200).name("").short(0).short(0);
    all.extend(method(1, (20, 40), close));
    // All at once; then four seconds of heartbeats alone, at an interval of one.
    wire.send(&all);
    wire.answers_heartbeats = true;
    wire.expect(1, (20, 41));
    assert!(wire.heartbeats >= 4, "{}", wire.heartbeats);
}

#[test]
fn what_waits_for_its_pace_holds_up_neither_acknowledgements_nor_other_channels() {
    const WAITING: u64 = 6;
    let agencies = agencies("post", "messages_per_second = 2\nrefusals_per_minute = 600");
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    post.open_channel(2);
    post.declare("work", 2, &Vec::new());
    let task = Message::to_queue("work", "task");
    assert_eq!(post.publish(&task).returned, None);
    post.call(2, (60, 20), consume("work", "c", 0));
    assert_eq!(post.delivery().body, "task");
    // Behind publishes that wait: on their channel a question, on the other one an acknowledgement, a
    // cancel and a question.
    let mut all = Vec::new();
    for n in 0..WAITING {
        all.extend(Message::to_queue("work", &n.to_string()).frames(1));
    }
    let look = || declare("work", 1, &Vec::new());
    all.extend(method(1, (50, 10), look()));
    all.extend(method(2, (60, 80), Octets::new().longlong(1).octet(0)));
    all.extend(method(2, (60, 30), Octets::new().name("c").octet(0)));
    all.extend(method(2, (50, 10), look()));
    post.wire.send(&all);
    let mut told = Vec::new();
    loop {
        let Told::Method {
            channel,
            id,
            arguments,
        } = post.wire.told()
        else {
            // Delivered before its consumer is gone, as one may be.
            continue;
        };
        let last = (channel, id) == (1, (50, 11));
        told.push((channel, id));
        if last {
            // It was asked behind all of them.
            let mut from = Reader(&arguments);
            assert_eq!(from.name(), "work");
            assert!(u64::from(from.long()) >= WAITING - 2, "{told:?}");
            break;
        }
    }
    let place = |of: (u16, (u16, u16))| told.iter().position(|it| *it == of).expect("it came");
    let confirms = told
        .iter()
        .rposition(|it| *it == (1, (60, 80)))
        .expect("a confirm");
    assert!(place((2, (60, 31))) < place((2, (50, 11))));
    assert!(
        place((2, (50, 11))) < confirms,
        "the other channel waited: {told:?}"
    );
    assert!(
        confirms < place((1, (50, 11))),
        "it overtook what was published: {told:?}"
    );
}

/// Channel 1 anew, after the broker has closed it with this code: behind confirms, and nothing else.
fn reopened_behind_confirms(mut client: Client, code: u16) -> Client {
    let closed = loop {
        match client.wire.told() {
            Told::Method { id: (60, 80), .. } => {}
            Told::Method {
                id: (20, 40),
                channel: 1,
                arguments,
            } => break arguments,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(Reader(&closed).short(), code);
    client.wire.send(&method(1, (20, 41), Octets::new()));
    client.open_channel(1);
    client.confirming()
}

#[test]
fn what_waits_for_its_pace_on_a_channel_that_ends_is_not_taken_for_the_next_of_its_number() {
    let agencies = agencies("post", "messages_per_second = 2\nrefusals_per_minute = 600");
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Vec::new());
    let task = |body: &str| Message::to_queue("work", body);
    // Behind publishes that wait the channel asks for what is not there, and then for a consumer.
    let mut all: Vec<u8> = (0..6)
        .flat_map(|n| task(&n.to_string()).frames(1))
        .collect();
    all.extend(method(1, (50, 10), declare("nowhere", 1, &Vec::new())));
    all.extend(method(1, (60, 20), consume("work", "c", 0)));
    post.wire.send(&all);
    let mut post = reopened_behind_confirms(post, 404);
    assert_eq!(post.publish(&task("new")).returned, None);
    // All were published, and nobody consumes.
    let (_, messages, consumers) = post.declare("work", 1, &Vec::new());
    assert_eq!((messages, consumers), (7, 0));
    // One that cannot be published ends its channel, and what waits behind it is not published.
    let bad = task("bad").with(|p| p.expiration = Some("soon".to_owned()));
    let mut all = Vec::new();
    for message in [task("a"), task("b"), bad, task("c"), task("d")] {
        all.extend(message.frames(1));
    }
    post.wire.send(&all);
    let mut post = reopened_behind_confirms(post, 406);
    assert_eq!(post.publish(&task("last")).returned, None);
    assert_eq!(post.declare("work", 1, &Vec::new()).1, 10);
}

#[test]
fn what_an_agency_keeps_in_queues_of_its_own_has_a_bound() {
    let limits = "messages_per_second = 5000\nrefusals_per_minute = 600\nprivate_messages = 5";
    let agencies = agencies("post", limits);
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    for queue in ["one", "other"] {
        post.declare(queue, 2, &Vec::new());
    }
    for n in 0..5 {
        let queue = if n % 2 == 0 { "one" } else { "other" };
        let message = Message::to_queue(queue, &n.to_string());
        assert_eq!(post.publish(&message).returned, None);
    }
    post.wire
        .send(&Message::to_queue("one", "too much").frames(1));
    let nack = post.wire.expect(1, (60, 120));
    assert_eq!(Reader(&nack).longlong(), 6);
    let line = broker.logged("private_messages");
    assert!(line.contains("post"), "{line}");
    // What is there stays, others have a bound of their own, and what goes makes room.
    let mut customs = broker.connect("customs-declarations").confirming();
    customs.declare("one", 2, &Vec::new());
    let message = Message::to_queue("one", "mine");
    assert_eq!(customs.publish(&message).returned, None);
    let body = example("postal.item/valid/ornaments");
    post.published = 6;
    let item = Message::of_type("postal.item", "i-1", &body);
    assert_eq!(post.publish(&item).returned, None);
    let got: Vec<String> = std::iter::from_fn(|| post.get("one", true))
        .map(|delivery| delivery.body)
        .collect();
    assert_eq!(got, ["0", "2", "4"]);
    for n in 5..8 {
        let message = Message::to_queue("other", &n.to_string());
        assert_eq!(post.publish(&message).returned, None, "{n}");
    }
    post.wire.send(&Message::to_queue("other", "8").frames(1));
    post.wire.expect(1, (60, 120));
}

#[test]
fn what_an_agency_keeps_in_queues_of_its_own_has_a_bound_in_octets_too() {
    let agencies = agencies("post", "messages_per_second = 5000\nprivate_mib = 1");
    let broker = start(&agencies);
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Vec::new());
    let large = Message::to_queue("work", &"x".repeat(400 << 10));
    for _ in 0..2 {
        assert_eq!(post.publish(&large).returned, None);
    }
    post.wire.send(&large.frames(1));
    let nack = post.wire.expect(1, (60, 120));
    assert_eq!(Reader(&nack).longlong(), 3);
    let line = broker.logged("private_mib");
    assert!(line.contains("post"), "{line}");
    // What is small still fits; what is taken out makes room, also where it was there at the start.
    post.published = 3;
    assert_eq!(
        post.publish(&Message::to_queue("work", "small")).returned,
        None
    );
    let broker = Broker::start_in(broker.killed(), |command| {
        command.arg("--agencies").arg(agencies.path());
    });
    let mut post = broker.connect("post-items").confirming();
    post.wire.send(&large.frames(1));
    post.wire.expect(1, (60, 120));
    assert_eq!(post.get("work", true).unwrap().body.len(), 400 << 10);
    post.published = 1;
    assert_eq!(post.publish(&large).returned, None);
}

#[test]
fn what_a_unit_is_sent_takes_no_octets_of_what_its_agency_may_keep() {
    const SENT: u64 = 1_000;
    let agencies = agencies("customs", "messages_per_second = 2000\nprivate_mib = 1");
    let broker = start(&agencies);
    let mut customs = broker.connect("customs-declarations").confirming();
    customs.declare("work", 2, &Vec::new());
    let told = customs.call(1, (50, 20), bind("work", "inbox", "postal.#"));
    assert!(told.is_empty());
    let half = Message::to_queue("work", &"x".repeat(500 << 10));
    assert_eq!(customs.publish(&half).returned, None);
    // More in all than what is left: else the room that is left would tell how much is withheld.
    let mut post = broker.connect("post-items").confirming();
    let body = example("postal.item/valid/ornaments");
    let mut all = Vec::new();
    for n in 0..SENT {
        let item = Message::of_type("postal.item", &format!("i-{n}"), &body);
        all.extend(item.header("to", "customs/main").frames(1));
    }
    assert!(all.len() > 524 << 10);
    post.wire.send(&all);
    confirmed(&mut post, SENT);
    assert_eq!(customs.declare("work", 1, &Vec::new()).1, 1_001);
    assert_eq!(customs.publish(&half).returned, None);
    customs.wire.send(&half.frames(1));
    customs.wire.expect(1, (60, 120));
}

#[test]
fn more_orders_than_a_second_allows_wait_for_the_next_and_all_are_taken() {
    const ORDERS: u64 = 45;
    let broker = Broker::start();
    let mut customs = broker.connect("customs-declarations").confirming();
    let started = Clock::default();
    let body = example("control.order/valid/story-03");
    let mut all = Vec::new();
    for n in 0..ORDERS {
        let order = Message::of_type("control.order", &format!("o-{n}"), &body);
        all.extend(order.header("to", "post/main").frames(1));
    }
    customs.wire.send(&all);
    confirmed(&mut customs, ORDERS);
    // Twenty at once, twenty-five in a second and a quarter.
    let took = started.monotonic();
    assert!(took > Duration::from_millis(1_050), "{took:?}");
    assert_eq!(of_kind(&log(&broker), "exchange").len(), 45);
}
