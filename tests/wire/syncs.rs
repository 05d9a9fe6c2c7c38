//! How many syncs a publish waits for, whatever another agency has waiting: agencies take turns by octets
//! within a step, and each step has one sync.

use crate::broker::Broker;
use crate::client::{Client, Message, Told, declare};
use crate::faults::Faults;
use crate::files::agencies;
use crate::limits::confirmed;
use crate::octets::{Octets, Table, Value, method};

const DURABLE: u8 = 2;

/// Connections of the agency that asks for much.
const CONNECTIONS: usize = 12;

/// Requests of one of them, and publishes: as many as may have no answer yet, but for a few.
const REQUESTS: usize = 254;

/// Messages that one of them has out, where it rejects any.
const OUT: usize = 150;

/// The sync of the step under way, and that of the next step, in which the other agency has its turn.
const NEXT: i64 = 2;

/// What is larger than all that a step takes has a step of its own before that.
const BEHIND_THE_LARGEST: i64 = 3;

/// Two agencies, and a committer that is held in a sync once it is told.
struct Held {
    faults: Faults,
    _broker: Broker,
    /// Asks for what the committer is held in.
    first: Client,
    attackers: Vec<Client>,
    /// Publishes to a queue of its own.
    customs: Client,
}

fn own(nth: usize) -> String {
    format!("own-{nth}")
}

impl Held {
    fn new() -> Self {
        const FAST: &str = "messages_per_second = 5000\nprivate_octets_per_second = 1000000000";
        let (faults, agencies) = (Faults::new(), agencies("post", FAST));
        let broker = Broker::start_with(|command| {
            faults.load(command);
            command.arg("--agencies").arg(agencies.path());
        });
        let attacker = |nth| {
            let mut attacker = broker.connect("post-items");
            attacker.declare(&own(nth), DURABLE, &Table::new());
            attacker
        };
        let attackers = (0..CONNECTIONS).map(attacker).collect();
        let mut customs = broker.connect("customs-declarations").confirming();
        customs.declare("work", DURABLE, &Table::new());
        customs.publish(&Message::to_queue("work", "first"));
        Self {
            first: broker.connect("post-items"),
            faults,
            _broker: broker,
            attackers,
            customs,
        }
    }

    /// Holds the committer in the sync of a step.
    fn hold(&mut self) {
        self.faults.hold_commits();
        let asked = declare("held", DURABLE, &Table::new());
        self.first.wire.send(&method(1, (50, 10), asked));
        self.faults.wait_for_held_commit();
    }

    /// Sends what `attack` says for each connection. When this returns it all waits for the committer: a
    /// channel that is opened behind it needs no committer.
    fn send(&mut self, attack: impl Fn(usize) -> Vec<u8>) {
        for (nth, attacker) in self.attackers.iter_mut().enumerate() {
            attacker.wire.send(&attack(nth));
        }
        for attacker in &mut self.attackers {
            attacker.open_channel(2);
        }
    }

    /// Publishes as the other agency: it has its confirm with so many syncs, that of the step under
    /// way included, and not one more.
    fn confirms_within(&mut self, syncs: i64) {
        let message = Message::to_queue("work", "mine");
        self.customs.wire.send(&message.frames(1));
        // A turn of a connection may leave what it took in to the next two.
        for channel in 2..=4 {
            self.customs.open_channel(channel);
        }
        assert!(self.customs.wire.is_silent());
        self.faults.let_commits(syncs);
        confirmed(&mut self.customs, 2);
    }

    /// All that was asked for is answered, so much on each connection.
    fn ends(mut self, answers: usize) {
        self.faults.let_all_commits();
        for attacker in &mut self.attackers {
            for _ in 0..answers {
                match attacker.wire.told() {
                    Told::Method {
                        channel: 1,
                        id: (50, _),
                        ..
                    } => {}
                    other => panic!("{other:?}"),
                }
            }
            attacker.quiet();
        }
    }
}

#[test]
fn a_publish_waits_for_the_step_under_way_and_its_own_whatever_another_agency_declares() {
    let mut held = Held::new();
    held.hold();
    held.send(|nth| {
        let note = ("note".to_owned(), Value::Text("x".repeat(3_500)));
        let name = format!("large-{nth}");
        let large = declare(&name, DURABLE, &Table::from([note]));
        let delete = Octets::new().short(0).name(&name).octet(0);
        let both = [method(1, (50, 10), large), method(1, (50, 40), delete)];
        both.concat().repeat(REQUESTS / 2)
    });
    held.confirms_within(NEXT);
    held.ends(REQUESTS);
}

#[test]
fn a_publish_waits_for_the_step_under_way_and_its_own_whatever_another_agency_purges() {
    let mut held = Held::new();
    held.hold();
    held.send(|nth| {
        let purge = Octets::new().short(0).name(&own(nth)).octet(0);
        let message = Message::to_queue(&own(nth), "purged").frames(1);
        [message, method(1, (50, 30), purge)]
            .concat()
            .repeat(REQUESTS)
    });
    held.confirms_within(NEXT);
    held.ends(REQUESTS);
}

#[test]
fn a_publish_waits_for_the_step_under_way_and_its_own_whatever_another_agency_rejects() {
    let mut held = Held::new();
    for (nth, attacker) in held.attackers.iter_mut().enumerate() {
        for n in 0..OUT {
            let message = Message::to_queue(&own(nth), &n.to_string());
            attacker.wire.send(&message.frames(1));
        }
        attacker.quiet();
        for _ in 0..OUT {
            let got = attacker.get(&own(nth), false);
            assert!(got.is_some(), "of a channel all is taken in its order");
        }
    }
    held.hold();
    held.send(|_| {
        let reject = |tag| {
            let tag = u64::try_from(tag).expect("a tag");
            method(1, (60, 90), Octets::new().longlong(tag).octet(0))
        };
        (1..=OUT).flat_map(reject).collect()
    });
    held.confirms_within(NEXT);
    held.ends(0);
}

#[test]
fn a_publish_waits_for_the_step_under_way_and_its_own_however_many_messages_another_agency_has_waiting()
 {
    let mut held = Held::new();
    held.hold();
    held.send(|nth| {
        Message::to_queue(&own(nth), "small")
            .frames(1)
            .repeat(REQUESTS)
    });
    held.confirms_within(NEXT);
    held.ends(0);
}

#[test]
fn a_publish_waits_for_one_step_more_where_another_agency_has_messages_as_large_as_a_step() {
    // An agency may have 16 MiB waiting, and each is counted twice: with what a return would carry.
    const MESSAGES: usize = 7;
    let mut held = Held::new();
    held.hold();
    let large = "x".repeat((1 << 20) - 100);
    held.send(|nth| {
        let message = Message::to_queue(&own(nth), &large).frames(1);
        message.repeat(usize::from(nth < MESSAGES))
    });
    held.confirms_within(BEHIND_THE_LARGEST);
    held.ends(0);
}
