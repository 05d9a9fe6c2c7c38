//! The committer on a disk that is full, and fills up in the midst of things.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::agency::keys::KeyCheck;
use crate::agency::registry::{InboxMode, Party};
use crate::broker::command::{Ask, Command, Private, Settle};
use crate::broker::effect::{Answer, NotTaken};
use crate::broker::event::Event;
use crate::broker::ids::{ConnectionId, DeliveryId, Origin};
use crate::broker::input::Input;
use crate::broker::ledger::Ledger;
use crate::broker::queue::Volume;
use crate::broker::record::{Argument, Genesis, LeafSecret, QueueProperties, Record, UnitEntry};
use crate::journal::vfs::SimVfs;
use crate::journal::{Config, Frame, Journal, Lsn};
use crate::message::bundle::Bundle;
use crate::message::id::Digest;

const PUBLISHER: ConnectionId = ConnectionId(1);
const CONSUMER: ConnectionId = ConnectionId(2);

struct Rig {
    vfs: SimVfs,
    committer: Committer<SimVfs>,
    now: Timestamp,
    published: u64,
}

impl Rig {
    fn new() -> Self {
        let vfs = SimVfs::new(1);
        let config = Config {
            segment_bytes: 1 << 20,
            background: false,
            journal: [7; 16],
            stopped_kind: Record::STOPPED,
        };
        let (journal, _) = Journal::open(vfs.clone(), Path::new("/journal"), config).unwrap();
        let mut committer = Committer::new(journal, Ledger::default(), LeafSecret::new([7; 32]));
        let genesis = Genesis {
            at: Timestamp::from_millis(1_000_000),
            bundle: Bundle::default(),
            digest: Digest([0; 32]),
            key_check: KeyCheck([0; 16]),
            development: true,
            units: vec![UnitEntry {
                id: "post/main".parse().unwrap(),
                inbox: InboxMode::All,
                listed: true,
                delivery_limit: None,
            }],
        };
        committer.begin(&Record::Genesis(genesis)).unwrap();
        let mut rig = Self {
            vfs,
            committer,
            now: Timestamp::from_millis(1_000_000),
            published: 0,
        };
        for connection in [PUBLISHER, CONSUMER] {
            rig.attach(connection);
        }
        let declare = Ask::DeclareQueue {
            name: "work".to_owned(),
            passive: false,
            properties: QueueProperties {
                durable: true,
                ..QueueProperties::default()
            },
        };
        rig.ask(PUBLISHER, declare);
        rig.ask(CONSUMER, consume(1, "work"));
        rig
    }

    fn attach(&mut self, connection: ConnectionId) {
        let unit = "post/main".parse().unwrap();
        self.step(vec![Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        }]);
    }

    fn step<I: Into<Input>>(&mut self, commands: Vec<I>) -> Vec<(ConnectionId, Effect)> {
        self.committer.step(commands, self.now).unwrap().effects
    }

    fn ask(&mut self, connection: ConnectionId, ask: Ask) -> Vec<(ConnectionId, Effect)> {
        let channel = 1;
        self.step(vec![Command::Ask {
            connection,
            channel,
            ask,
        }])
    }

    fn publish(&mut self, ttl_ms: Option<u64>) -> Command {
        self.published += 1;
        let origin = Origin {
            connection: PUBLISHER,
            channel: 1,
            serial: self.published,
            confirm: Some(self.published),
        };
        Command::from(Private {
            ttl: ttl_ms.map(Duration::from_millis),
            ..Private::to("work", origin, Frame::new(vec![7; 10_000]))
        })
    }

    /// A small one.
    fn publish_to(&mut self, queue: &str) -> Command {
        let mut publish = self.publish(None);
        if let Command::Private(private) = &mut publish {
            private.wire.routing_key = queue.into();
            private.frame = Frame::new(vec![7; 64]);
        }
        publish
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
    }

    /// Publishes until the disk is full; what was delivered until then.
    fn fill(&mut self) -> Vec<DeliveryId> {
        self.vfs.fill();
        let mut delivered = Vec::new();
        loop {
            let publish = self.publish(None);
            let effects = self.step(vec![publish]);
            delivered.extend(deliveries(&effects));
            if effects.iter().any(|(_, effect)| is_nack(effect)) {
                let blocked =
                    |(_, effect): &(_, Effect)| matches!(effect, Effect::Blocked(Some(_)));
                assert_eq!(effects.iter().filter(|it| blocked(it)).count(), 2);
                return delivered;
            }
        }
    }
}

fn is_nack(effect: &Effect) -> bool {
    let why = NotTaken::DiskFull;
    matches!(effect, Effect::Nacked { why: told, .. } if *told == why)
}

fn deliveries(effects: &[(ConnectionId, Effect)]) -> Vec<DeliveryId> {
    let all = effects.iter();
    all.filter_map(|(_, effect)| match effect {
        Effect::Deliver(deliver) => Some(deliver.delivery),
        _ => None,
    })
    .collect()
}

fn consume(number: u64, queue: &str) -> Ask {
    Ask::Consume {
        number,
        queue: queue.to_owned(),
        priority: 0,
        exclusive: false,
        may_read: true,
    }
}

fn ack(deliveries: Vec<DeliveryId>) -> Command {
    let how = Settle::Ack;
    Command::Settle { deliveries, how }
}

#[test]
fn acks_go_on_while_the_disk_is_full_and_it_is_not_said_twice() {
    let mut rig = Rig::new();
    let delivered = rig.fill();
    let count = delivered.len();
    assert!(count > 20, "{count}");
    let kept = rig
        .committer
        .ledger()
        .kept_by(&Party::Agency("post".parse().unwrap()));
    assert_eq!(usize::try_from(kept.messages).unwrap(), count);
    assert!(kept.octets > kept.messages);
    for delivery in delivered {
        rig.wait(100);
        let publish = rig.publish(None);
        let effects = rig.step::<Input>(vec![
            ack(vec![delivery]).into(),
            publish.into(),
            Event::Tick.into(),
        ]);
        assert!(matches!(&effects[..], [(PUBLISHER, effect)] if is_nack(effect)));
    }
    assert_eq!(
        rig.committer
            .ledger()
            .kept_by(&Party::Agency("post".parse().unwrap())),
        Volume::default()
    );
    rig.vfs.make_room();
    rig.wait(250);
    let publish = rig.publish(None);
    let effects = rig.step(vec![publish]);
    let kinds: Vec<String> = effects
        .iter()
        .map(|(_, effect)| format!("{effect:?}"))
        .collect();
    assert!(
        kinds[..2].iter().all(|kind| kind == "Blocked(None)"),
        "{kinds:?}"
    );
    assert!(kinds[2].starts_with("Outcome"), "{kinds:?}");
    assert!(kinds[3].starts_with("Deliver"), "{kinds:?}");
}

#[test]
fn what_needs_room_waits_in_its_connections_order_and_what_frees_it_goes_on() {
    let mut rig = Rig::new();
    let delivered = rig.fill();
    let declare = |n: usize, passive| {
        let properties = QueueProperties {
            arguments: vec![argument("note", &"x".repeat(1_500))],
            ..QueueProperties::default()
        };
        Ask::DeclareQueue {
            name: format!("q-{n}"),
            passive,
            properties,
        }
    };
    let look = |passive| Ask::DeclareQueue {
        name: "work".to_owned(),
        passive,
        properties: QueueProperties::default(),
    };
    // What there is for those who need room is used up: each declaration is a record, and a sync.
    let full = (1..1_000).find(|n| rig.ask(PUBLISHER, declare(*n, false)).is_empty());
    let full = full.expect("the reserve has an end");
    // Behind it on its connection all requests wait; a message gets its nack.
    assert!(rig.ask(PUBLISHER, look(true)).is_empty());
    let publish = rig.publish(None);
    let nacked = rig.step(vec![publish]);
    assert!(matches!(&nacked[..], [(PUBLISHER, effect)] if is_nack(effect)));
    // Others that free room, or need none, go on; and so does whatever was delivered.
    let told = rig.ask(CONSUMER, look(true));
    assert!(
        matches!(&told[..], [(CONSUMER, Effect::Answer { .. })]),
        "{told:?}"
    );
    let told = rig.ask(CONSUMER, Ask::Purge("work".to_owned()));
    let purged = |effect: &Effect| {
        matches!(
            effect,
            Effect::Answer {
                answer: Answer::Count(_),
                ..
            }
        )
    };
    assert!(
        matches!(&told[..], [(CONSUMER, effect)] if purged(effect)),
        "{told:?}"
    );
    rig.step(vec![ack(delivered)]);
    let party = Party::Agency("post".parse().unwrap());
    assert_eq!(rig.committer.ledger().kept_by(&party), Volume::default());
    // Once there is room all come, in their order.
    rig.vfs.make_room();
    rig.wait(1_000);
    let publish = rig.publish(None);
    let effects = rig.step(vec![publish]);
    let told: Vec<String> = effects
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Answer {
                answer: Answer::Queue { name, .. },
                ..
            } => Some(name.clone()),
            Effect::Outcome { .. } => Some("stored".to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [format!("q-{full}"), "work".to_owned(), "stored".to_owned()]
    );
    replays(&rig);
}

#[test]
fn who_is_gone_asks_for_nothing_any_more() {
    let mut rig = Rig::new();
    rig.fill();
    let declare = |n: usize| Ask::DeclareQueue {
        name: format!("q-{n}"),
        passive: false,
        properties: QueueProperties {
            arguments: vec![argument("note", &"x".repeat(1_500))],
            ..QueueProperties::default()
        },
    };
    let waits = (1..1_000).find(|n| rig.ask(PUBLISHER, declare(*n)).is_empty());
    rig.step(vec![Event::Gone(PUBLISHER)]);
    rig.vfs.make_room();
    rig.wait(1_000);
    rig.step(Vec::<Input>::new());
    let unit = "post/main".parse().unwrap();
    let name = format!("q-{}", waits.expect("the reserve has an end"));
    assert_eq!(rig.committer.ledger().queue_named(&unit, &name), None);
    replays(&rig);
}

fn replays(rig: &Rig) {
    let mut ledger = Ledger::default();
    let reader = rig.committer.journal().reader();
    for stored in reader.scan(Lsn::START) {
        let stored = stored.unwrap();
        let record = Record::decode(stored.kind, &stored.body).unwrap();
        ledger.apply(&record, stored.lsn);
    }
    assert!(ledger == *rig.committer.ledger(), "replay differs");
}

#[test]
fn a_connection_that_ends_with_thousands_out_finds_room_for_a_record_of_each() {
    const MESSAGES: usize = 3_800;
    let mut rig = Rig::new();
    let properties = QueueProperties {
        durable: true,
        arguments: vec![
            argument("x-dead-letter-exchange", ""),
            argument("x-dead-letter-routing-key", "work"),
            ("x-delivery-limit".to_owned(), Argument::Integer(0)),
        ],
        ..QueueProperties::default()
    };
    let (name, passive) = ("n".repeat(255), false);
    let declare = Ask::DeclareQueue {
        name: name.clone(),
        passive,
        properties,
    };
    rig.ask(PUBLISHER, declare);
    rig.ask(CONSUMER, Ask::Cancel(1));
    let (count, global) = (4_000, false);
    rig.ask(CONSUMER, Ask::Prefetch { count, global });
    rig.ask(CONSUMER, consume(2, &name));
    // Each may go out once, and the connection ends while all are out.
    let mut out = Vec::new();
    for _ in 0..MESSAGES.div_euclid(100) {
        let publishes = (0..100).map(|_| rig.publish_to(&name)).collect();
        out.extend(deliveries(&rig.step(publishes)));
    }
    assert_eq!(out.len(), MESSAGES);
    rig.step(vec![Event::Gone(CONSUMER)]);
    while rig.committer.has_more() {
        rig.step(Vec::<Input>::new());
    }
    let (name, passive) = ("work".to_owned(), true);
    let properties = QueueProperties::default();
    let look = Ask::DeclareQueue {
        name,
        passive,
        properties,
    };
    let told = rig.ask(PUBLISHER, look);
    let buried = told.iter().find_map(|(_, effect)| match effect {
        Effect::Answer {
            answer: Answer::Queue { messages, .. },
            ..
        } => usize::try_from(*messages).ok(),
        _ => None,
    });
    assert_eq!(buried, Some(MESSAGES), "{told:?}");
    replays(&rig);
}

#[test]
fn what_a_client_left_by_the_thousands_holds_up_no_other_client() {
    let mut rig = Rig::new();
    rig.ask(CONSUMER, Ask::Cancel(1));
    let (count, global) = (0, false);
    rig.ask(CONSUMER, Ask::Prefetch { count, global });
    for (n, number) in (2..=8).enumerate() {
        let name = format!("many-{n}");
        let properties = QueueProperties::default();
        let (queue, passive) = (name.clone(), false);
        let declare = Ask::DeclareQueue {
            name,
            passive,
            properties,
        };
        rig.ask(CONSUMER, declare);
        let publishes = (0..900).map(|_| rig.publish_to(&queue)).collect();
        rig.step(publishes);
        while rig.committer.has_more() {
            rig.step(Vec::<Input>::new());
        }
        rig.ask(CONSUMER, consume(number, &queue));
    }
    rig.step(vec![Event::Gone(CONSUMER)]);
    assert!(
        rig.committer.has_more(),
        "all of it was written down in one step"
    );
    // Another one comes while the rest is written down: what it asks for is done at once.
    rig.ask(PUBLISHER, consume(1, "work"));
    let publishes = (0..100).map(|_| rig.publish_to("work")).collect();
    assert_eq!(deliveries(&rig.step(publishes)).len(), 100);
    // What that one leaves in its turn comes back before all of the first one's.
    rig.attach(ConnectionId(3));
    rig.step(vec![Event::Gone(PUBLISHER)]);
    let mut come = deliveries(&rig.ask(ConnectionId(3), consume(1, "work"))).len();
    while come < 100 {
        assert!(rig.committer.has_more(), "{come} came back");
        come += deliveries(&rig.step(Vec::<Input>::new())).len();
    }
    assert!(rig.committer.has_more(), "all of it came back before");
    rig.wait(1_000);
    rig.step(vec![Event::Tick]);
    replays(&rig);
}

#[test]
fn on_a_full_disk_what_lives_goes_out_past_what_has_expired() {
    let mut rig = Rig::new();
    rig.ask(CONSUMER, Ask::Cancel(1));
    let expires = rig.publish(Some(50));
    let lives = rig.publish(None);
    rig.step(vec![expires, lives]);
    rig.vfs.fill();
    loop {
        let publish = rig.publish_to("nowhere");
        rig.step(vec![publish]);
        let publish = rig.publish(Some(50));
        let effects = rig.step(vec![publish]);
        if effects.iter().any(|(_, effect)| is_nack(effect)) {
            break;
        }
    }
    rig.wait(1_000);
    let told = rig.ask(CONSUMER, consume(2, "work"));
    assert_eq!(deliveries(&told).len(), 1, "{told:?}");
    replays(&rig);
}

fn argument(name: &str, value: &str) -> (String, Argument) {
    (name.to_owned(), Argument::Text(value.to_owned()))
}

#[test]
fn a_stop_on_a_full_disk_ends_and_nothing_is_lost() {
    let mut rig = Rig::new();
    let delivered = rig.fill();
    rig.step::<Input>(vec![ack(delivered).into(), Event::Stop.into()]);
    assert!(rig.committer.journal().poisoned().is_none());
    replays(&rig);
}

#[test]
fn a_clock_that_steps_back_neither_expires_nor_delays_anything() {
    let mut rig = Rig::new();
    rig.wait(3_600_000);
    let publish = rig.publish(Some(60_000));
    let at = rig.now;
    let [delivery] = deliveries(&rig.step(vec![publish]))[..] else {
        panic!("one delivery");
    };
    // Two hours back: what is given back is not settled later, what is published is not late.
    rig.now = Timestamp::from_millis(at.as_millis() - 7_200_000);
    let deliveries_given = vec![delivery];
    let how = Settle::Requeue;
    let again = Command::Settle {
        deliveries: deliveries_given,
        how,
    };
    assert_eq!(deliveries(&rig.step(vec![again])).len(), 1, "not expired");
    let publish = rig.publish(Some(60_000));
    let [second] = deliveries(&rig.step(vec![publish]))[..] else {
        panic!("a message published now does not expire now");
    };
    assert!(rig.committer.ledger().time() <= at);
    // An ack rides for 50 ms; the clock steps back in the midst of them.
    rig.now = at.plus(Duration::from_secs(5));
    rig.step(vec![ack(vec![second])]);
    assert!(!rig.committer.journal().is_batch_empty());
    rig.now = at.plus(Duration::from_secs(1));
    rig.step(vec![Event::Tick]);
    rig.now = rig.now.plus(Duration::from_millis(50));
    rig.step(vec![Event::Tick]);
    assert!(
        rig.committer.journal().is_batch_empty(),
        "it waits for the clock"
    );
    // Once the clock has caught up, time goes on as ever.
    rig.now = at.plus(Duration::from_mins(1));
    let requeue = Command::Settle {
        deliveries: Vec::new(),
        how,
    };
    rig.step::<Input>(vec![requeue.into(), Event::Tick.into()]);
    replays(&rig);
}
