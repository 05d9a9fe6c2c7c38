//! Killed again and again on a full disk: each start succeeds, and whoever was told that a message is
//! safe, was told the truth.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::broker::{Broker, example};
use crate::client::Message;
use crate::disk::{may_mount, publish};
use crate::faults::Faults;

const KILLS: u64 = 10;

/// A small file system for all that a broker writes, which outlives each of them and ends with its
/// holder; something in it goes when the holder is told so.
const HOLDS_A_SMALL_DISK: &str = r#"
data="$1"
mkdir "$data/disk" && mount -t tmpfs -o size=28m tmpfs "$data/disk" || exit 1
for part in journal snapshots pages ids; do
    mkdir "$data/$part" "$data/disk/$part" || exit 1
    mount --bind "$data/disk/$part" "$data/$part" || exit 1
done
head -c 8m /dev/zero > "$data/disk/ballast" || exit 1
echo held
while read -r _; do rm "$data/disk/ballast" && echo free; done
"#;

/// Goes where the holder is and becomes the broker.
const IN_THERE: &str = r#"cd "$1" && shift && exec "$@""#;

/// Where a broker becomes full soon, and the next one after it finds it so.
enum SmallDisk {
    Held(Holder),
    /// Where no file system may be mounted, it says that it is full.
    Said(Faults),
}

struct Holder {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Holder {
    fn start(data: &Path) -> Self {
        let mut child = Command::new("unshare")
            .args(["-rm", "sh", "-c", HOLDS_A_SMALL_DISK, "sh"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a holder");
        let answers = child.stdout.take().expect("a pipe was asked for");
        let mut holder = Self {
            orders: child.stdin.take(),
            child,
            answers: BufReader::new(answers),
        };
        holder.hears("held");
        holder
    }

    fn hears(&mut self, word: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line");
        assert_eq!(line.trim_end(), word);
    }

    fn wrap(&self, command: &mut Command) {
        let mut wrapped = Command::new("nsenter");
        wrapped
            .args(["--user", "--mount", "--preserve-credentials", "--target"])
            .arg(self.child.id().to_string())
            .args(["sh", "-c", IN_THERE, "sh", env!("CARGO_MANIFEST_DIR")])
            .arg(command.get_program())
            .args(command.get_args())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in command.get_envs() {
            wrapped.env(name, value.expect("none is taken away"));
        }
        *command = wrapped;
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It reads the end of its orders, and all that it mounted goes with it.
        drop(self.orders.take());
        drop(self.child.wait());
    }
}

impl SmallDisk {
    fn new(data: &Path) -> Self {
        if may_mount() {
            Self::Held(Holder::start(data))
        } else {
            Self::Said(Faults::new())
        }
    }

    fn start(&self, data: TempDir) -> Broker {
        let broker = Broker::start_in(data, |command| {
            command.env("CARNET__SEGMENT_MIB", "8");
            match self {
                Self::Held(holder) => holder.wrap(command),
                Self::Said(faults) => faults.load(command),
            }
        });
        if let Self::Said(faults) = self {
            faults.fill_disk(true);
        }
        broker
    }

    fn make_room(&mut self) {
        match self {
            Self::Held(holder) => {
                let mut orders = holder.orders.as_ref().expect("it reads them");
                orders.write_all(b"go\n").expect("an order");
                holder.hears("free");
            }
            Self::Said(faults) => faults.fill_disk(false),
        }
    }
}

fn numbered(number: u64) -> Message {
    Message::to_queue("work", &format!("{number} {}", "x".repeat(60_000)))
}

#[test]
fn killed_ten_times_in_a_row_on_a_full_disk_it_starts_each_time_and_has_what_it_confirmed() {
    let data = TempDir::new().expect("a temporary folder");
    let mut disk = SmallDisk::new(data.path());
    let mut broker = disk.start(data);
    let mut post = broker.connect("post-items").confirming();
    post.declare("work", 2, &Vec::new());
    let event = example("movement.event/valid/arrived");
    let event = Message::of_type("movement.event", "e-1", &event);
    assert_eq!(post.publish(&event).returned, None);
    let (mut taken, mut blocked) = (0, 0);
    while publish(&mut post, &numbered(taken), &mut blocked) {
        taken += 1;
        assert!(taken < 1_000, "the disk has an end");
    }
    assert!(taken > 50, "{taken}");
    for life in 0..KILLS {
        drop(post);
        broker = disk.start(broker.killed());
        broker.logged("the disk is full: publishes are not taken");
        post = broker.connect("post-items").confirming();
        assert!(!publish(&mut post, &numbered(taken), &mut blocked));
        // Deliveries go out, and what is acknowledged stays so: a later answer is behind it.
        let mut consumer = broker.connect("post-items");
        for number in [2 * life, 2 * life + 1] {
            let delivery = consumer.get("work", false).expect("it was confirmed");
            assert!(delivery.body.starts_with(&format!("{number} ")));
            consumer.ack(delivery.tag, false);
        }
        consumer.quiet();
        post.declare(&format!("life-{life}"), 2, &Vec::new());
    }
    assert_eq!(u64::from(blocked), KILLS + 1, "each life tells it once");
    broker = disk.start(broker.killed());
    let mut customs = broker.connect("customs-declarations");
    assert_eq!(customs.wait_for("inbox").key, "movement.event.post");
    let mut post = broker.connect("post-items").confirming();
    assert!(post.get("receipts", true).is_some());
    let left = post.declare("work", 2, &Vec::new()).1;
    assert_eq!(u64::from(left), taken - 2 * KILLS);
    assert!(!publish(&mut post, &numbered(taken), &mut blocked));
    disk.make_room();
    post.wire.expect(0, (10, 61));
    assert!(publish(&mut post, &numbered(taken), &mut blocked));
    for number in 2 * KILLS..=taken {
        let delivery = post.get("work", true).expect("it was confirmed");
        assert!(delivery.body.starts_with(&format!("{number} ")));
    }
    assert_eq!(customs.get("inbox", true), None);
    broker.terminate();
    drop((post, customs));
    assert_eq!(broker.ended().code(), Some(0));
}
