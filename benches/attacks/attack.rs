//! What the attacker does: each in threads that go on until the broker is gone.

use std::net::{SocketAddr, TcpStream};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::broker::{ATTACKER, Broker, IS_KILLED, example};
use crate::client::{Client, Message, consume, declare, named};
use crate::octets::{Octets, Properties, Table, Value, frame, header, method};

/// The name of a thread that may end with the broker.
pub(crate) const THREAD: &str = "attacker";

const PASSIVE_NO_WAIT: u8 = 1 | 16;
const DURABLE_NO_WAIT: u8 = 2 | 16;

/// Something that one agency, or nobody known, does to a broker.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    threads: u16,
    /// One thread, with its number.
    run: fn(&Broker, u16),
}

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "requests-unanswered",
        threads: 12,
        run: |broker, _| {
            let one = declare("receipts", PASSIVE_NO_WAIT, &Table::new());
            forever(
                &mut attacker(broker),
                &method(1, (50, 10), one).repeat(2_000),
            );
        },
    },
    Attack {
        name: "purges",
        threads: 4,
        run: purge,
    },
    Attack {
        name: "declare-and-delete",
        threads: 16,
        run: |broker, n| {
            let name = format!("work-{n}");
            let declares = method(1, (50, 10), declare(&name, DURABLE_NO_WAIT, &Table::new()));
            // Bits of a delete: no-wait 4.
            let delete = Octets::new().short(0).name(&name).octet(4);
            let both = [declares, method(1, (50, 40), delete)].concat();
            forever(&mut attacker(broker), &both.repeat(500));
        },
    },
    Attack {
        name: "large-messages",
        threads: 3,
        run: send_large,
    },
    Attack {
        name: "own-queues",
        threads: 8,
        run: fill_own,
    },
    Attack {
        name: "unfinished",
        threads: 8,
        run: begin_and_stay,
    },
    Attack {
        name: "requeues",
        threads: 4,
        run: requeue,
    },
    Attack {
        name: "consumers",
        threads: 4,
        run: consume_and_cancel,
    },
    Attack {
        name: "prefetches",
        threads: 4,
        run: prefetch,
    },
    Attack {
        name: "reads-nothing",
        threads: 16,
        run: |broker, n| {
            // All come back whole, and are not read, until the connection is cut for it.
            let body = "x".repeat(60_000);
            let message = Message::of_type("declaration.export", &format!("r-{n}"), &body);
            loop {
                forever(&mut attacker(broker), &message.frames(1));
            }
        },
    },
    Attack {
        name: "invalid-messages",
        threads: 4,
        run: send_invalid,
    },
    Attack {
        name: "strangers",
        threads: 2,
        run: come_as_strangers,
    },
    Attack {
        name: "connects",
        threads: 8,
        run: |broker, _| loop {
            drop(attacker(broker));
        },
    },
];

/// An attack that is going on.
pub(crate) struct Attacking {
    /// How often a thread of it has ended, and begun anew.
    ends: Arc<AtomicUsize>,
}

impl Attack {
    pub(crate) fn start(&self, broker: &Broker) -> Attacking {
        let ends = Arc::<AtomicUsize>::default();
        for n in 0..self.threads {
            let (broker, run) = (broker.clone(), self.run);
            let ends = Arc::clone(&ends);
            let attacks = move || {
                rustix::process::nice(19).expect("a thread may be slow");
                while !IS_KILLED.load(Ordering::Relaxed) {
                    // It ends by an assertion where it waits for an answer longer than a client does.
                    drop(catch_unwind(|| run(&broker, n)));
                    ends.fetch_add(1, Ordering::Relaxed);
                }
            };
            let thread = thread::Builder::new().name(THREAD.to_owned());
            thread.spawn(attacks).expect("a thread");
        }
        Attacking { ends }
    }
}

impl Attacking {
    /// How often one of its threads has ended, and begun anew.
    pub(crate) fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }
}

fn attacker(broker: &Broker) -> Client {
    broker.connect(&format!("{ATTACKER}-gateway"))
}

/// Sends the same until the connection ends.
fn forever(client: &mut Client, octets: &[u8]) {
    while client.wire.try_send(octets).is_ok() {}
}

fn purge(broker: &Broker, n: u16) {
    const EACH: usize = 250;
    let mut client = attacker(broker);
    let name = format!("empty-{n}");
    client.declare(&name, 2, &Table::new());
    let all = method(1, (50, 30), named(&name)).repeat(EACH);
    loop {
        client.wire.send(&all);
        for _ in 0..EACH {
            client.wire.expect(1, (50, 31));
        }
    }
}

/// Valid declarations of about 600 KB.
fn send_large(broker: &Broker, n: u16) {
    let mut client = attacker(broker).confirming();
    let body = large();
    for serial in 0.. {
        let id = format!("l-{n}-{serial}");
        let message = Message::of_type("declaration.export", &id, &body);
        let outcome = client.publish(&message.header("to", "customs/main"));
        assert_eq!(outcome.returned, None, "a valid declaration");
    }
}

fn large() -> String {
    let body = example("declaration.export/valid/orchids");
    let mut body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let mut item = body["GoodsShipment"]["GovernmentAgencyGoodsItem"][0].take();
    item["Commodity"]["Description"] = "cotton shirt ".repeat(18).into();
    let all = (1..=999).map(|n| {
        let mut item = item.clone();
        item["SequenceNumeric"] = n.into();
        item
    });
    body["GoodsShipment"]["GovernmentAgencyGoodsItem"] = all.collect();
    body["GoodsItemQuantity"] = 999.into();
    body.to_string()
}

/// A queue that keeps its last messages, filled as fast as it may be.
fn fill_own(broker: &Broker, n: u16) {
    let mut client = attacker(broker);
    let name = format!("own-{n}");
    let most = vec![("x-max-length".to_owned(), Value::Long(100))];
    client.declare(&name, 2, &most);
    forever(
        &mut client,
        &Message::to_queue(&name, &"x".repeat(65_000)).frames(1),
    );
}

/// Messages of which the last octet is missing, until a connection is closed for it.
fn begin_and_stay(broker: &Broker, _: u16) {
    const OCTETS: u64 = 1 << 20;
    loop {
        let mut client = attacker(broker);
        for channel in 2..=15 {
            let mut all = method(channel, (20, 10), Octets::new().name(""));
            all.extend(Message::to_queue("work", "").method(channel));
            all.extend(header(channel, OCTETS, &Properties::default()));
            let body = vec![b'x'; usize::try_from(OCTETS - 1).expect("a size")];
            for part in body.chunks(131_064) {
                all.extend(frame(3, channel, part));
            }
            if client.wire.try_send(&all).is_err() {
                break;
            }
        }
        // Until it is closed.
        while client.wire.read(1).is_ok_and(|read| !read.is_empty()) {}
    }
}

/// Takes its messages, and gives them back.
fn requeue(broker: &Broker, n: u16) {
    const EACH: u64 = 200;
    let mut client = attacker(broker).confirming();
    let name = format!("again-{n}");
    client.declare(&name, 2, &Table::new());
    for _ in 0..EACH {
        client.publish(&Message::to_queue(&name, "again"));
    }
    client.prefetch(u16::try_from(EACH).expect("a count"), false);
    client.consume(&name, "c", 0);
    loop {
        let mut last = 0;
        for _ in 0..EACH {
            last = client.delivery().tag;
        }
        let nack = Octets::new().longlong(last).octet(1 | 2);
        client.wire.send(&method(1, (60, 120), nack));
    }
}

/// Consumers of one channel, as many as it may have but a few.
const CONSUMERS: usize = 900;

/// What starts them, of a queue that is declared.
fn start_consumers(client: &mut Client, queue: &str) -> Vec<u8> {
    const NO_WAIT: u8 = 8;
    client.declare(queue, 2, &Table::new());
    let start = |tag: usize| method(1, (60, 20), consume(queue, &tag.to_string(), NO_WAIT));
    (0..CONSUMERS).flat_map(start).collect()
}

/// Gives all of them another limit, and another.
fn prefetch(broker: &Broker, n: u16) {
    const EACH: u16 = 200;
    let mut client = attacker(broker);
    let consumers = start_consumers(&mut client, &format!("limited-{n}"));
    client.wire.send(&consumers);
    let limit = |count| method(1, (60, 10), Octets::new().long(0).short(count).octet(0));
    let all: Vec<u8> = (1..=EACH).flat_map(limit).collect();
    loop {
        client.wire.send(&all);
        for _ in 0..EACH {
            client.wire.expect(1, (60, 11));
        }
    }
}

fn consume_and_cancel(broker: &Broker, n: u16) {
    let mut client = attacker(broker);
    let mut all = start_consumers(&mut client, &format!("many-{n}"));
    for tag in 0..CONSUMERS {
        let cancel = Octets::new().name(&tag.to_string()).octet(1);
        all.extend(method(1, (60, 30), cancel));
    }
    forever(&mut client, &all);
}

fn send_invalid(broker: &Broker, n: u16) {
    let mut client = attacker(broker).confirming();
    let body = large().replace("\"SequenceNumeric\":999", "\"SequenceNumeric\":\"x\"");
    for serial in 0.. {
        let id = format!("i-{n}-{serial}");
        let message = Message::of_type("declaration.export", &id, &body);
        let outcome = client.publish(&message.header("to", "customs/main"));
        assert!(outcome.returned.is_some(), "an invalid declaration");
    }
}

/// Silent connections of one network each, in all its places and more; those that are closed come again.
fn come_as_strangers(broker: &Broker, n: u16) {
    const EACH: usize = 700;
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let network = u8::try_from(n).expect("few") + 9;
    let to = SocketAddr::from(([127, 0, 0, 1], broker.port()));
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    let one = || async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, network, network, 9], 0)))?;
        let stream = socket.connect(to).await?.into_std()?;
        stream.set_nonblocking(true)?;
        std::io::Result::Ok(stream)
    };
    let mut all: Vec<TcpStream> = Vec::new();
    loop {
        all.retain(|stranger| {
            let read = stranger.peek(&mut [0]);
            read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        });
        while all.len() < EACH {
            let Ok(stranger) = runtime.block_on(one()) else {
                return;
            };
            all.push(stranger);
        }
        runtime.block_on(async { tokio::time::sleep(LOOK_EVERY).await });
    }
}
