//! The disk fails: it is full, or broken. Whoever was told that a message is safe, was told the truth.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use carnet::journal::vfs::DiskVfs;
use carnet::journal::{Follower, Known, Lsn};
use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::{Client, Message, Told, declare, named};
use crate::faults::Faults;
use crate::limits::confirmed;
use crate::octets::{Octets, Reader, Table, Value, method};

/// A file system of its own below the data folder, small, and with something in it that goes once
/// the file `go` is there. All of it ends with the broker.
const ON_A_SMALL_DISK: &str = r#"
data="$1"; shift
mkdir -p "$data/journal" && mount -t tmpfs -o size=36m tmpfs "$data/journal" || exit 1
head -c 16m /dev/zero > "$data/journal/ballast" || exit 1
( while [ ! -e "$data/go" ] && kill -0 $$; do sleep 0.05; done
  rm "$data/journal/ballast" ) </dev/null >/dev/null 2>&1 &
exec "$@"
"#;

/// The ends of the setting `segment_mib`.
const SMALLEST: &str = "8";
const LARGEST: &str = "1024";

/// A broker whose disk becomes full soon, and how to make room.
struct Tight {
    broker: Broker,
    room: Room,
}

enum Room {
    /// The disk is really full.
    Ballast(PathBuf),
    /// Where no file system may be mounted, it says that it is.
    Said(Faults),
}

impl Tight {
    fn start() -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let folder = data.path().to_owned();
        if may_mount() {
            let broker = Broker::start_in(data, |command| {
                wrap(command, &folder);
                command.env("CARNET__SEGMENT_MIB", SMALLEST);
            });
            let room = Room::Ballast(folder.join("go"));
            return Self { broker, room };
        }
        let faults = Faults::new();
        let broker = Broker::start_in(data, |command| {
            faults.load(command);
            command.env("CARNET__SEGMENT_MIB", SMALLEST);
        });
        faults.fill_disk(true);
        let room = Room::Said(faults);
        Self { broker, room }
    }

    fn make_room(&self) {
        match &self.room {
            Room::Ballast(go) => drop(File::create(go).expect("a file")),
            Room::Said(faults) => faults.fill_disk(false),
        }
    }
}

pub(crate) fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

fn wrap(command: &mut Command, data: &Path) {
    let mut wrapped = Command::new("unshare");
    wrapped
        .args(["-rm", "sh", "-c", ON_A_SMALL_DISK, "sh"])
        .arg(data)
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARNET__DRAIN_S", "5")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    *command = wrapped;
}

/// Whether a publish was taken; counts notices.
pub(crate) fn publish(client: &mut Client, message: &Message, blocked: &mut u32) -> bool {
    client.wire.send(&message.frames(1));
    client.published += 1;
    loop {
        match client.wire.told() {
            Told::Method {
                id: (60, id @ (80 | 120)),
                arguments,
                ..
            } => {
                assert_eq!(Reader(&arguments).longlong(), client.published);
                return id == 80;
            }
            Told::Method {
                channel: 0,
                id: (10, 60),
                arguments,
            } => {
                assert_eq!(Reader(&arguments).name(), "the disk is full");
                *blocked += 1;
            }
            other => panic!("neither a confirm nor a notice: {other:?}"),
        }
    }
}

#[test]
fn on_a_full_disk_publishes_are_nacked_consumers_go_on_and_so_does_all_once_there_is_room() {
    let tight = Tight::start();
    let mut post = tight.broker.connect("post-items").confirming();
    let mut consumer = tight.broker.connect("post-items");
    post.declare("work", 2, &Vec::new());
    let large = |n: u32| Message::to_queue("work", &format!("{n} {}", "x".repeat(60_000)));
    let mut blocked = 0;
    let mut taken = 0;
    while publish(&mut post, &large(taken), &mut blocked) {
        taken += 1;
        assert!(taken < 1_000, "the disk has an end");
    }
    assert!(taken > 50, "{taken}");
    assert_eq!(blocked, 1, "it is told once, before the nack");
    // What is small is not taken either, and it is not told again with each.
    let small = Message::to_queue("work", "small");
    for _ in 0..20 {
        assert!(!publish(&mut post, &small, &mut blocked));
    }
    let item = example("postal.item/valid/ornaments");
    let item = Message::of_type("postal.item", "i-1", &item);
    assert!(!publish(&mut post, &item, &mut blocked));
    assert_eq!(blocked, 1);
    // A consumer gets what is there, its acks are heard, and it is told nothing of it.
    consumer.prefetch(3, false);
    consumer.consume("work", "w", 0);
    for n in 0..taken {
        let delivery = consumer.delivery();
        assert!(delivery.body.starts_with(&format!("{n} ")));
        consumer.ack(delivery.tag, false);
    }
    consumer.quiet();
    assert_eq!(consumer.declare("work", 2, &Vec::new()).1, 0);
    tight.make_room();
    post.wire.expect(0, (10, 61));
    let said = tight.broker.logged_until("there is room again");
    let of_the_disk = said.iter().filter(|line| line.contains("the disk is full"));
    let of_the_disk: Vec<&String> = of_the_disk.collect();
    assert_eq!(of_the_disk.len(), 1, "the operator is told once: {said:#?}");
    let journal = tight.broker.data().join("journal").display().to_string();
    for word in ["WARN", &journal, "disk_free_bytes="] {
        assert!(of_the_disk[0].contains(word), "{of_the_disk:?}");
    }
    assert!(publish(&mut post, &item, &mut blocked));
    assert!(publish(&mut post, &large(taken), &mut blocked));
    assert!(consumer.delivery().body.starts_with(&format!("{taken} ")));
    assert_eq!(blocked, 1);
    tight.broker.terminate();
    drop((post, consumer));
    assert_eq!(tight.broker.ended().code(), Some(0));
}

/// A command as post's or customs' engineer runs it: its exit code, and what it said on both ways.
fn run(broker: &Broker, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(arguments)
        .arg("--certs")
        .arg(broker.certs())
        .args(["--amqp", &format!("localhost:{}", broker.port())])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    (output.status.code(), said)
}

#[test]
fn on_a_full_disk_the_commands_tell_so_keep_the_id_and_end_in_their_time() {
    const ITEM: &str = "messages/postal.item/examples/valid/ornaments.json";
    let tight = Tight::start();
    let broker = &tight.broker;
    let send = [
        "publish",
        "--as",
        "post/items",
        "--id",
        "i-1",
        "postal.item",
        ITEM,
    ];
    assert_eq!(run(broker, &send).0, Some(0));
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Vec::new());
    let large = Message::to_queue("work", &"x".repeat(60_000));
    while publish(&mut post, &large, &mut 0) {}
    let send = [
        "publish",
        "--as",
        "post/items",
        "--id",
        "i-2",
        "postal.item",
        ITEM,
    ];
    let (code, said) = run(broker, &send);
    assert_eq!(code, Some(3), "{said}");
    for words in ["the disk is full", "not taken", "--id i-2"] {
        assert!(said.contains(words), "{said}");
    }
    // What is there is shown and acknowledged; where nothing more comes, its time is over.
    let take = ["consume", "--as", "customs/declarations", "--count", "1"];
    let (code, said) = run(broker, &take);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(broker, &[&take[..], &["--seconds", "1"]].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("0 of 1 messages came within 1 s"), "{said}");
    tight.make_room();
    post.wire.expect(0, (10, 61));
    let (code, said) = run(broker, &send);
    assert_eq!(code, Some(0), "{said}");
    let mut customs = broker.connect("customs-declarations");
    let only = customs.wait_for("inbox");
    assert_eq!(only.properties.header("x-carnet-sequence"), "2");
    assert_eq!(customs.get("inbox", true), None);
}

#[test]
fn after_a_failed_sync_nobody_gets_an_ack_the_process_ends_and_what_was_confirmed_is_there() {
    let faults = Faults::new();
    let broker = Broker::start_with(|command| faults.load(command));
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Vec::new());
    for n in 0..20 {
        let message = Message::to_queue("work", &n.to_string());
        assert_eq!(post.publish(&message).returned, None);
    }
    faults.break_syncs();
    let lost: Vec<u8> = (0..50)
        .flat_map(|n| Message::to_queue("work", &format!("lost {n}")).frames(1))
        .collect();
    post.wire.send(&lost);
    loop {
        match post.wire.told() {
            Told::Method { id: (60, 80), .. } => panic!("an ack of what is on no disk"),
            Told::Method { id: (60, 120), .. } => {}
            Told::Method {
                channel: 0,
                id: (10, 50),
                arguments,
            } => {
                assert_eq!(Reader(&arguments).short(), 320);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    drop(post);
    broker.logged("the journal cannot be written");
    let (status, data) = broker.ended_with_data();
    assert_eq!(status.code(), Some(3));
    // On a disk that works again, whatever of the rest got there: all that was confirmed is.
    let broker = Broker::start_in(data, |_| {});
    let mut post = broker.connect("post-items");
    let got: Vec<String> = std::iter::from_fn(|| post.get("work", true))
        .map(|delivery| delivery.body)
        .collect();
    let confirmed: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(got[..20], confirmed);
    assert!(got[20..].iter().all(|body| body.starts_with("lost ")));
}

/// Turns over an octet of the message that was written last: of its frame, wherever it stands.
fn damage_the_last_message(journal: &Path) {
    let follower = Follower::open(DiskVfs, journal, &Known::default()).expect("a journal");
    let reader = follower.reader();
    let records = reader.scan(Lsn::START).map(|record| record.expect("whole"));
    let last = records.filter_map(|record| record.frame).last();
    let (at, octets) = last.expect("a message").place();
    let first = reader.segments().into_iter().rfind(|first| *first <= at);
    let first = first.expect("a segment");
    let segment = journal.join(format!("{:016x}.segment", first.0));
    // Records and frames begin behind the header's block.
    let middle = 4_096 + at.0 - first.0 + u64::try_from(octets / 2).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(segment);
    let (file, mut octet) = (file.expect("a file"), [0]);
    file.read_exact_at(&mut octet, middle).expect("read");
    file.write_all_at(&[octet[0] ^ 0xff], middle)
        .expect("written");
}

#[test]
fn who_waits_for_a_message_that_is_on_the_disk_alone_holds_up_nobody_on_its_core() {
    const MESSAGES: usize = 100;
    let broker = Broker::start();
    let mut sender = broker.connect("post-items").confirming();
    sender.declare("old", 2, &Table::new());
    for n in 0..MESSAGES {
        sender.publish(&Message::to_queue("old", &n.to_string()));
    }
    broker.terminate();
    let (status, data) = broker.ended_with_data();
    assert!(status.success());
    let faults = Faults::new();
    let broker = Broker::start_in(data, |command| {
        faults.load(command);
        command.env("CARNET__RUNTIMES", "1");
    });
    let mut reader = broker.connect("post-items");
    let mut other = broker.connect("post-items").confirming();
    other.declare("new", 2, &Table::new());
    faults.hold_reads(true);
    reader.consume("old", "c", 0);
    faults.wait_for_held_read();
    for n in 0..MESSAGES {
        let body = n.to_string();
        let message = Message::to_queue("new", &body);
        assert_eq!(other.publish(&message).returned, None);
        let got = other.get("new", true).expect("what was just published");
        assert_eq!(got.body, body);
    }
    // Once the disk answers, each message comes, in its order.
    faults.hold_reads(false);
    for n in 0..MESSAGES {
        let delivery = reader.delivery();
        assert_eq!(delivery.body, n.to_string());
        reader.ack(delivery.tag, false);
    }
    assert_eq!(reader.get("old", true), None);
}

#[test]
fn a_message_that_cannot_be_read_back_is_neither_passed_over_nor_hidden() {
    let broker = Broker::start();
    let mut sender = broker.connect("post-items").confirming();
    sender.declare("q", 2, &Table::new());
    sender.publish(&Message::to_queue("q", "to be read back"));
    broker.terminate();
    let (status, data) = broker.ended_with_data();
    assert!(status.success());
    // Started again, it has the message nowhere but on the disk.
    let broker = Broker::start_in(data, |_| {});
    damage_the_last_message(&broker.data().join("journal"));
    for _ in 0..2 {
        let mut reader = broker.connect("post-items");
        reader.wire.send(&method(1, (60, 70), named("q")));
        let closed = reader.wire.closed();
        assert_eq!((closed.channel, closed.code), (0, 541), "{closed:?}");
        assert!(closed.text.contains("cannot be read back"), "{closed:?}");
        broker.logged("cannot be read back");
    }
    broker.connect("customs-declarations").quiet();
}

#[test]
fn requests_that_wait_for_the_disk_are_few_and_the_rest_is_not_read() {
    const REQUESTS: usize = 50_000;
    let faults = Faults::new();
    let broker = Broker::start_with(|command| {
        faults.load(command);
        command.env("CARNET__RUNTIMES", "1");
    });
    let mut asking = broker.connect("customs-declarations");
    faults.hold_syncs(true);
    // It is answered once it is on the disk, and all behind it after it.
    let kept = declare("kept", 2, &Table::new());
    asking.wire.send(&method(1, (50, 10), kept));
    let passive_no_wait = 1 | 16;
    let look = Octets::new().short(0).name("amq.topic").name("topic");
    // Long ones: more than the operating system takes on its own account, at both ends.
    let note = Table::from([("note".to_owned(), Value::Text("x".repeat(400)))]);
    let look = look.octet(passive_no_wait).table(&note);
    let looks = method(1, (40, 10), look).repeat(REQUESTS);
    let before = broker.memory_bytes();
    let (done, all_is_read) = mpsc::channel();
    let asks = thread::spawn(move || {
        asking.wire.send(&looks);
        done.send(()).expect("somebody waits");
        asking
    });
    // The same thread of the broker's lets others in, again and again: so often it has looked.
    for _ in 0..100 {
        drop(broker.connect("customs-declarations"));
    }
    assert_eq!(all_is_read.try_recv(), Err(TryRecvError::Empty));
    let more = broker.memory_bytes().saturating_sub(before);
    assert!(more < 8 << 20, "{more} bytes more");
    faults.hold_syncs(false);
    let mut asking = asks.join().expect("all is read in the end");
    asking.wire.expect(1, (50, 11));
    asking.quiet();
}

#[test]
fn a_disk_that_is_full_and_has_room_again_is_served_and_told_at_both_ends_of_segment_mib() {
    for segment_mib in [SMALLEST, LARGEST] {
        let faults = Faults::new();
        let start = |data| {
            Broker::start_in(data, |command| {
                faults.load(command);
                command.env("CARNET__SEGMENT_MIB", segment_mib);
            })
        };
        let broker = start(TempDir::new().expect("a temporary folder"));
        let mut post = broker.connect("post-items").confirming();
        post.declare("work", 2, &Table::new());
        // As large as a body may be, and as many at once as a connection has under way.
        let largest = Message::to_queue("work", &"x".repeat(1 << 20));
        let pipelined = Message::to_queue("work", "y").frames(1).repeat(200);
        let mut frames = largest.frames(1).repeat(10);
        frames.extend(pipelined);
        post.wire.send(&frames);
        confirmed(&mut post, 210);
        // Killed, its next start takes the spare; another one finds no room.
        drop(post);
        faults.fill_disk(true);
        let broker = start(broker.killed());
        broker.logged("the disk is full: publishes are not taken");
        let mut post = broker.connect("post-items").confirming();
        let mut blocked = 0;
        for message in [&largest, &Message::to_queue("work", "small")] {
            assert!(!publish(&mut post, message, &mut blocked));
        }
        assert_eq!(blocked, 1);
        faults.fill_disk(false);
        post.wire.expect(0, (10, 61));
        broker.logged("there is room again: publishes are taken");
        for message in [&largest, &Message::to_queue("work", "small")] {
            assert!(
                publish(&mut post, message, &mut blocked),
                "{segment_mib} MiB"
            );
        }
        assert_eq!(post.declare("work", 1, &Table::new()).1, 212);
    }
}

#[test]
fn while_the_clock_is_behind_the_log_a_disk_with_room_again_is_served_at_once() {
    let faults = Faults::new();
    let start = |data| {
        Broker::start_in(data, |command| {
            faults.load(command);
            command.env("CARNET__SEGMENT_MIB", SMALLEST);
        })
    };
    let broker = start(TempDir::new().expect("a temporary folder"));
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Table::new());
    faults.step_clock(7_200);
    let message = Message::to_queue("work", "of two hours later");
    assert_eq!(post.publish(&message).returned, None);
    faults.step_clock(0);
    drop(post);
    faults.fill_disk(true);
    let broker = start(broker.killed());
    broker.logged("the disk is full: publishes are not taken");
    let mut post = broker.connect("post-items").confirming();
    assert!(!publish(&mut post, &message, &mut 0));
    faults.fill_disk(false);
    post.wire.expect(0, (10, 61));
    assert!(publish(&mut post, &message, &mut 0));
    // What is acknowledged is written down without waiting for two hours either.
    let delivery = post.get("work", false).expect("it was confirmed");
    post.ack(delivery.tag, false);
    post.quiet();
}
