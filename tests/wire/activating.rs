//! Rulebooks that take effect while systems are connected: who publishes notices nothing, and what a
//! rulebook takes away is gone from that moment on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

use crate::broker::{Broker, example, read};
use crate::client::{Client, Delivery, Message, Told, Wire};
use crate::narrowed::sequence;
use crate::octets::Table;

const ACTIVATIONS: u64 = 20;
const DURABLE: u8 = 2;
const POST: &str = "policies/post.cedar";
const CUSTOMS: &str = "agencies/customs/agency.toml";
/// What the environment gets of an item that needs a permit.
const GOODS: &str =
    "     Border::Action::\"disclose:goods\",\n     Border::Action::\"disclose:postal\"],";
const NO_GOODS: &str = "     Border::Action::\"disclose:postal\"],";

/// The repository's folders, to be changed, and a broker that serves them.
struct Exchange {
    folders: TempDir,
    broker: Broker,
}

impl Exchange {
    fn start() -> Self {
        let folders = TempDir::new().expect("a temporary folder");
        for folder in ["agencies", "policies"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(from).arg(folders.path());
            assert!(copy.status().expect("cp").success());
        }
        let broker = Broker::start_with(|command| {
            for folder in ["agencies", "policies"] {
                let path = folders.path().join(folder);
                command.arg(format!("--{folder}")).arg(path);
            }
        });
        Self { folders, broker }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folders.path().join(file)
    }

    /// A file says something else; it is in force when this returns.
    #[expect(clippy::disallowed_methods, reason = "an officer writes a file")]
    fn activate(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let before = read(&self.path(file));
        let after = change(&before);
        assert_ne!(before, after, "{file} is to change");
        std::fs::write(self.path(file), after).expect("a file");
        self.broker.hang_up();
        self.broker.logged("the folders have changed: activated");
    }
}

/// A movement to a berth of this name, by which its recipient knows it.
fn movement(berth: &str) -> Message {
    let body = example("movement.event/valid/arrived");
    let body = body.replace("Port Meridia, berth 4", berth);
    Message::of_type("movement.event", berth, &body)
}

/// Publishes until it is to stop, each message behind the confirm of the one before; how many.
fn publish(mut client: Client, name: &'static str, load: &Load) -> u64 {
    let mut count = 0;
    while !load.stop.load(Ordering::Relaxed) {
        let outcome = client.publish(&movement(&format!("{name}-{count}")));
        assert_eq!(outcome.returned, None, "{name}-{count}");
        count += 1;
        load.confirmed.fetch_add(1, Ordering::Relaxed);
    }
    count
}

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    confirmed: AtomicU64,
}

impl Load {
    /// Waits until so many more are confirmed.
    fn goes_on(&self, further: u64) {
        let until = self.confirmed.load(Ordering::Relaxed) + further;
        while self.confirmed.load(Ordering::Relaxed) < until {
            thread::yield_now();
        }
    }
}

fn berth(delivery: &Delivery) -> String {
    let body: serde_json::Value = serde_json::from_str(&delivery.body).expect("JSON");
    body["Location"]["Name"]
        .as_str()
        .expect("a berth")
        .to_owned()
}

#[test]
fn twenty_activations_under_load_refuse_nothing_lose_nothing_and_keep_the_order() {
    let exchange = Exchange::start();
    let load = Arc::new(Load::default());
    let publishers = ["a", "b"].map(|name| {
        let client = exchange.broker.connect("post-items").confirming();
        let load = Arc::clone(&load);
        thread::spawn(move || publish(client, name, &load))
    });
    for nth in 0..ACTIVATIONS {
        load.goes_on(10);
        exchange.activate(POST, |text| format!("{text}\n// {nth}\n"));
    }
    load.goes_on(10);
    load.stop.store(true, Ordering::Relaxed);
    let [a, b] = publishers.map(|publisher| publisher.join().expect("no publisher fails"));
    let mut customs = exchange.broker.connect("customs-declarations");
    customs.consume("inbox", "i", 0);
    // Each publisher's own, in its order: another's may stand between them.
    let mut next = [("a", 0), ("b", 0)];
    for _ in 0..a + b {
        let delivery = customs.delivery();
        customs.ack(delivery.tag, false);
        let berth = berth(&delivery);
        let (name, number) = &mut next[usize::from(berth.starts_with('b'))];
        assert_eq!(berth, format!("{name}-{number}"));
        *number += 1;
    }
    assert_eq!(next, [("a", a), ("b", b)]);
    customs.quiet();
}

#[test]
fn a_system_that_a_rulebook_takes_away_is_closed_with_320_at_once_and_no_other_notices() {
    let exchange = Exchange::start();
    let mut gone = exchange.broker.connect("customs-investigation");
    let mut customs = exchange.broker.connect("customs-declarations");
    gone.consume("inbox.investigation", "c", 0);
    customs.consume("inbox", "c", 0);
    exchange.activate(CUSTOMS, |text| {
        let (before, rest) = text
            .split_once("[[system]]\nid = \"investigation\"")
            .unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        format!("{before}{after}")
    });
    // It does nothing but wait.
    let closed = gone.wire.closed();
    assert_eq!((closed.channel, closed.code), (0, 320), "{closed:?}");
    assert!(closed.text.contains("rulebook"), "{}", closed.text);
    customs.quiet();
    let identity = exchange.broker.identity("customs-investigation");
    let again = Wire::connect(&exchange.broker, Some(&identity));
    let refused = again.and_then(|mut wire| wire.read(1)).unwrap_err();
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
}

#[test]
fn what_a_connected_system_may_send_and_keep_follows_the_rulebook_in_force() {
    let exchange = Exchange::start();
    let mut post = exchange.broker.connect("post-items").confirming();
    assert_eq!(post.publish(&movement("m-1")).returned, None);
    post.declare("own", DURABLE, &Table::new());
    for text in ["1", "2"] {
        assert_eq!(post.publish(&Message::to_queue("own", text)).returned, None);
    }
    exchange.activate("agencies/post/agency.toml", |text| {
        let text = text.replace("\"postal.item\", \"movement.event\",", "\"postal.item\",");
        text.replace("[limits]", "[limits]\nprivate_messages = 2")
    });
    let (code, _) = post.publish(&movement("m-2")).refusal();
    assert_eq!(code, 403);
    post.wire.send(&Message::to_queue("own", "3").frames(1));
    let told = post.wire.told();
    assert!(
        matches!(told, Told::Method { id: (60, 120), .. }),
        "{told:?}"
    );
}

#[test]
fn a_thousand_queued_messages_that_a_rulebook_narrows_hold_nothing_that_it_forbids() {
    const QUEUED: usize = 1_000;
    let exchange = Exchange::start();
    let mut post = exchange.broker.connect("post-items").confirming();
    let item = |id: &str| {
        let body = example("postal.item/valid/orchids");
        Message::of_type("postal.item", id, &body)
    };
    let mut environment = exchange.broker.connect("environment-permits");
    assert_eq!(post.publish(&item("whole")).returned, None);
    let whole = environment.get("inbox", true).expect("it is there").body;
    for nth in 0..QUEUED {
        assert_eq!(post.publish(&item(&format!("q-{nth}"))).returned, None);
    }
    exchange.activate(POST, |text| text.replace(GOODS, NO_GOODS));
    assert_eq!(post.publish(&item("new")).returned, None);
    environment.prefetch(100, false);
    environment.consume("inbox", "i", 0);
    let mut bodies = Vec::new();
    for nth in 0..=QUEUED {
        let delivery = environment.delivery();
        environment.ack(delivery.tag, false);
        // The first one was got before.
        assert_eq!(sequence(&delivery.properties), (nth + 2).to_string());
        bodies.push(delivery.body);
    }
    let new = bodies.pop().expect("the one behind the queued ones");
    assert!(
        whole.contains("orchids") && !new.contains("orchids"),
        "{whole}\n{new}"
    );
    assert!(
        bodies.iter().all(|body| *body == new),
        "as one that is published now"
    );
    environment.quiet();
}
