//! A full disk: the process goes on, and what was accepted is there once there is room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carnet::backbone::start::{Options, open_ids, recover};
use carnet::broker::command::{Ask, Command, Fence, Narrowing, Settle};
use carnet::broker::committer::Committer;
use carnet::broker::effect::{Deliver, Effect};
use carnet::broker::event::Event;
use carnet::broker::ids::{ChannelKey, ConnectionId, DeliveryId, EntryAddress};
use carnet::broker::input::Input;
use carnet::broker::record::{Argument, Narrowed, QueueProperties, Record};
use carnet::journal::Lsn;
use carnet::message::id::{Mask, UnitId};
use carnet::message::time::Timestamp;
use carnet::policy::standing::Reads;
use carnet_disk::{Pattern, SimVfs};
use proptest::prelude::*;

use crate::recovered::{data, options};
use crate::unit::{all_of, begun, nothing, private, unconfirmed};

/// Two that bury in the third: one what comes back twice, one what has waited for 80 ms.
/// The first has a long name, which each death of a message carries.
const QUEUES: [&str; 3] = [
    concat!(
        "limited-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    ),
    "short",
    "buried",
];
const LIMIT: u32 = 2;
const TTL: Duration = Duration::from_millis(80);

#[derive(Debug, Clone, Copy)]
enum Act {
    /// So many to one queue, in one step.
    Publish(usize, usize),
    Consume(u64, usize, u16),
    Get(u64, usize),
    /// So many of those in hand.
    Settle(usize, Settle),
    Close(u64),
    Gone(u64),
    Declare(usize),
    Purge,
    Fill,
    MakeRoom,
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (queue, connection) = (0..QUEUES.len(), 1..=3_u64);
    let how = prop_oneof![
        Just(Settle::Ack),
        Just(Settle::Requeue),
        Just(Settle::Reject)
    ];
    let act = prop_oneof![
        6 => (0..2_usize, 1..300_usize).prop_map(|(q, n)| Act::Publish(q, n)),
        4 => (connection.clone(), queue.clone(), 0..900_u16).prop_map(|(c, q, n)| Act::Consume(c, q, n)),
        2 => (connection.clone(), queue).prop_map(|(c, q)| Act::Get(c, q)),
        6 => (1..400_usize, how).prop_map(|(n, how)| Act::Settle(n, how)),
        2 => connection.clone().prop_map(Act::Close),
        3 => connection.prop_map(Act::Gone),
        2 => (1..400_usize).prop_map(Act::Declare),
        1 => Just(Act::Purge),
        4 => Just(Act::Fill),
        1 => Just(Act::MakeRoom),
        3 => (1..400_u64).prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 1..60)
}

struct Run {
    disk: SimVfs,
    committer: Committer<SimVfs>,
    unit: UnitId,
    now: Timestamp,
    connected: BTreeSet<u64>,
    inhand: Vec<DeliveryId>,
    /// What each entry's message is, by the record that holds it.
    numbers: BTreeMap<Lsn, u64>,
    accepted: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// Entries that were sent out, and may not be called new any more.
    sent: BTreeSet<EntryAddress>,
    published: u64,
    consumers: u64,
    declared: usize,
    /// Whether the process has died: what may have been sent is then called so.
    killed: bool,
}

impl Run {
    fn new() -> Self {
        let disk = SimVfs::new(1);
        let unit: UnitId = "post/main".parse().unwrap();
        let now = Timestamp::from_millis(1_000_000);
        let committer = begun(&disk, &small(), &unit, now);
        let mut run = Self {
            disk,
            committer,
            unit,
            now,
            connected: BTreeSet::new(),
            inhand: Vec::new(),
            numbers: BTreeMap::new(),
            accepted: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            sent: BTreeSet::new(),
            published: 0,
            consumers: 0,
            declared: 0,
            killed: false,
        };
        let text = |text: &str| Argument::Text(text.to_owned());
        let ttl = i64::try_from(TTL.as_millis()).unwrap();
        let buries = |name: &str, value| {
            vec![
                ("x-dead-letter-exchange".to_owned(), text("")),
                ("x-dead-letter-routing-key".to_owned(), text("buried")),
                (name.to_owned(), Argument::Integer(value)),
            ]
        };
        let arguments = [
            buries("x-delivery-limit", i64::from(LIMIT)),
            buries("x-message-ttl", ttl),
            vec![("x-delivery-limit".to_owned(), Argument::Integer(1_000_000))],
        ];
        for (name, arguments) in QUEUES.iter().zip(arguments) {
            run.declare(name, arguments);
        }
        run
    }

    fn ask(&mut self, connection: u64, ask: Ask) {
        let mut commands = self.attached(connection);
        commands.push(Command::Ask {
            connection: ConnectionId(connection),
            channel: 1,
            ask,
        });
        self.step(commands);
    }

    fn attached(&mut self, connection: u64) -> Vec<Command> {
        let unit = self.unit.clone();
        let fresh = self.connected.insert(connection);
        let connection = ConnectionId(connection);
        Vec::from_iter(fresh.then_some(Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        }))
    }

    fn declare(&mut self, name: &str, arguments: Vec<(String, Argument)>) {
        let properties = QueueProperties {
            durable: true,
            arguments,
            ..QueueProperties::default()
        };
        let (name, passive) = (name.to_owned(), false);
        let ask = Ask::DeclareQueue {
            name,
            passive,
            properties,
        };
        self.ask(9, ask);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Publish(queue, count) => {
                let mut commands = self.attached(9);
                for _ in 0..count {
                    self.published += 1;
                    let origin = unconfirmed(ConnectionId(9), self.published);
                    commands.push(private(QUEUES[queue], origin, &[7; 40]));
                }
                self.step(commands);
            }
            Act::Consume(connection, queue, count) => {
                let global = false;
                self.ask(connection, Ask::Prefetch { count, global });
                self.consumers += 1;
                let ask = Ask::Consume {
                    number: self.consumers,
                    queue: QUEUES[queue].to_owned(),
                    priority: 0,
                    exclusive: false,
                    may_read: true,
                };
                self.ask(connection, ask);
            }
            Act::Get(connection, queue) => {
                let (queue, may_read) = (QUEUES[queue].to_owned(), true);
                self.ask(connection, Ask::Get { queue, may_read });
            }
            Act::Settle(count, how) => self.settle(count, how),
            Act::Close(connection) => self.ask(connection, Ask::Fence(Fence::CloseChannel)),
            Act::Gone(connection) => {
                self.connected.remove(&connection);
                self.step(vec![Event::Gone(ConnectionId(connection))]);
            }
            Act::Declare(count) => {
                for _ in 0..count.min(900 - self.declared) {
                    self.declared += 1;
                    let note = ("note".to_owned(), Argument::Text("x".repeat(1_200)));
                    self.declare(&format!("q-{}", self.declared), vec![note]);
                }
            }
            Act::Purge => self.ask(9, Ask::Purge("nothing".to_owned())),
            Act::Fill => self.disk.fill(),
            Act::MakeRoom => self.disk.make_room(),
            Act::Wait(ms) => {
                self.now = self.now.plus(Duration::from_millis(ms));
                self.step(vec![Event::Tick]);
            }
        }
    }

    fn settle(&mut self, count: usize, how: Settle) {
        let deliveries: Vec<DeliveryId> =
            self.inhand.drain(..count.min(self.inhand.len())).collect();
        // What is rejected where it was buried goes too: its client wants that.
        let buried = self.committer.ledger().queue_named(&self.unit, QUEUES[2]);
        let goes = |it: &&DeliveryId| match how {
            Settle::Ack => true,
            Settle::Requeue | Settle::Unsent => false,
            Settle::Reject => Some(it.queue) == buried,
        };
        let gone = deliveries
            .iter()
            .filter(goes)
            .map(|it| self.message(it.address()));
        let gone: Vec<u64> = gone.collect();
        self.acknowledged.extend(gone);
        self.step(vec![Command::Settle { deliveries, how }]);
    }

    /// Which message it is; one that is gone from its queue is none.
    fn message(&self, EntryAddress { queue, entry }: EntryAddress) -> u64 {
        let queue = self.committer.ledger().queue(queue).unwrap();
        let source = queue.overlay(entry).and_then(|overlay| overlay.source);
        let number = self.numbers.get(&source.unwrap_or(entry));
        number.copied().unwrap_or(0)
    }

    /// One step, and as many behind it as it takes until nothing is left that can be done.
    fn step<I: Into<Input>>(&mut self, commands: Vec<I>) {
        self.one_step(commands);
        while self.committer.has_more() {
            self.one_step(Vec::<Input>::new());
        }
    }

    fn one_step<I: Into<Input>>(&mut self, commands: Vec<I>) {
        self.now = self.now.plus(Duration::from_millis(1));
        let step = self.committer.step(commands, self.now);
        let step = step.unwrap_or_else(|fatal| panic!("the process ends: {fatal}"));
        let outcomes = step.effects.iter().filter_map(|(_, effect)| match effect {
            Effect::Outcome { origin, .. } => Some(origin.serial),
            _ => None,
        });
        let outcomes: Vec<u64> = outcomes.collect();
        assert_eq!(outcomes.len(), step.fresh.len());
        let fresh = step.fresh.iter().map(|it| it.at);
        self.numbers.extend(fresh.zip(outcomes.iter().copied()));
        self.accepted.extend(outcomes);
        for (_, effect) in step.effects {
            if let Effect::Deliver(deliver) = effect {
                self.delivered(&deliver);
            }
        }
    }

    fn delivered(&mut self, deliver: &Deliver) {
        let place = deliver.delivery.address();
        let again = !self.sent.insert(place);
        let said = deliver.redelivered == again || (self.killed && deliver.redelivered);
        assert!(said, "{place:?}: {again}");
        self.inhand.push(deliver.delivery);
    }

    /// Everything accepted is in a queue, unless it was acknowledged.
    fn all_is_there(&self) {
        let mut held = BTreeSet::new();
        let at = |queue, entry| EntryAddress { queue, entry };
        for (id, queue) in self.committer.ledger().queues() {
            let entries = all_of(&queue.backlog);
            held.extend(entries.map(|entry| self.message(at(id, entry.lsn))));
        }
        let lost: Vec<&u64> = self
            .accepted
            .iter()
            .filter(|number| !held.contains(number) && !self.acknowledged.contains(number))
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    }

    fn replays(&mut self) {
        self.now = self.now.plus(Duration::from_secs(5));
        self.step(vec![Event::Tick]);
        // What waited for room was written down by that, and rides until it has waited long enough; so
        // does what follows from it.
        for _ in 0..20 {
            self.now = self.now.plus(Duration::from_secs(1));
            self.step(vec![Event::Tick]);
        }
        assert!(self.committer.journal().is_batch_empty());
        let disk = self.disk.crash(Pattern::Nothing, 1);
        let again = recover(&disk, data(), &small()).unwrap();
        assert!(again.committer.ledger() == self.committer.ledger());
    }

    /// The process dies, and the next one starts on what is there.
    fn kill(&mut self, pattern: Pattern, seed: u64) {
        self.disk = self.disk.crash(pattern, seed);
        let recovered = recover(&self.disk, data(), &small());
        let recovered = recovered.unwrap_or_else(|error| panic!("no start: {error}"));
        assert!(!recovered.recovery.clean);
        let mut committer = recovered.committer;
        committer.begin(&Record::Recovered).unwrap();
        open_ids(self.disk.clone(), data(), &committer, false).unwrap();
        self.committer = committer;
        self.killed = true;
        self.connected.clear();
        self.inhand.clear();
    }

    fn len(&self, name: &str) -> u64 {
        let ledger = self.committer.ledger();
        let id = ledger.queue_named(&self.unit, name).unwrap();
        ledger.queue(id).unwrap().backlog.len()
    }

    /// Thousands to this queue, and then to another until no more are taken.
    fn fill(&mut self, queue: usize) {
        for _ in 0..28 {
            self.act(Act::Publish(queue, 100));
        }
        self.disk.fill();
        loop {
            let before = self.accepted.len();
            self.act(Act::Publish(0, 100));
            if self.accepted.len() == before {
                return;
            }
        }
    }
}

fn small() -> Options {
    Options {
        segment_bytes: 1 << 20,
        ..options()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_full_disk_never_ends_the_process_whatever_clients_do(acts in acts()) {
        let mut run = Run::new();
        run.fill(0);
        // All is out to one connection, for the last time.
        for _ in 0..2 {
            run.act(Act::Gone(1));
            for _ in 0..3 {
                run.act(Act::Consume(1, 0, 0));
            }
        }
        for act in acts {
            run.act(act);
            run.all_is_there();
        }
        run.disk.make_room();
        run.replays();
        run.all_is_there();
    }
}

#[test]
fn nothing_is_buried_on_a_full_disk_and_all_of_it_once_there_is_room() {
    let mut run = Run::new();
    run.fill(0);
    let count = run.len(QUEUES[0]);
    assert!(count > 2_000, "{count}");
    // Each comes back for the second time, which is once too often.
    for _ in 0..4 {
        run.act(Act::Gone(1));
        for _ in 0..3 {
            run.act(Act::Consume(1, 0, 0));
        }
        assert_eq!((run.len(QUEUES[0]), run.len("buried")), (count, 0));
    }
    run.disk.make_room();
    run.act(Act::Wait(1_000));
    run.act(Act::Wait(1_000));
    run.act(Act::Gone(1));
    assert!(run.len("buried") > 2_000, "{}", run.len("buried"));
    run.all_is_there();
    run.replays();
}

#[test]
fn what_expires_on_a_full_disk_stays_and_goes_to_nobody() {
    let mut run = Run::new();
    run.fill(1);
    let count = run.len("short");
    assert!(count > 2_000, "{count}");
    run.act(Act::Wait(1_000));
    run.act(Act::Consume(1, 1, 0));
    for _ in 0..20 {
        run.act(Act::Get(2, 1));
        run.act(Act::Wait(60));
    }
    assert_eq!((run.len("short"), run.len("buried")), (count, 0));
    assert!(run.inhand.is_empty());
    run.disk.make_room();
    for _ in 0..20 {
        run.act(Act::Wait(260));
    }
    assert_eq!((run.len("short"), run.len("buried")), (0, count));
    run.all_is_there();
    run.replays();
}

#[test]
fn what_came_back_and_is_not_written_down_is_called_redelivered_after_a_stop() {
    let mut run = Run::new();
    for connection in 1..=3 {
        run.act(Act::Consume(connection, 0, 0));
    }
    run.fill(0);
    assert!(run.inhand.len() > 2_000);
    // Until not even that has room.
    while run.declared < 900 {
        run.act(Act::Declare(100));
    }
    for connection in 1..=3 {
        run.act(Act::Gone(connection));
    }
    run.step(vec![Event::Stop]);
    let disk = run.disk.crash(Pattern::Nothing, 1);
    disk.make_room();
    run.committer = recover(&disk, data(), &small()).unwrap().committer;
    run.connected.clear();
    run.inhand.clear();
    run.act(Act::Consume(1, 0, 0));
    assert_eq!(run.inhand.len(), 1_000, "and each says whether it was sent");
}

#[test]
fn killed_ten_times_in_a_row_on_a_full_disk_it_serves_all_but_publishes_each_time() {
    let mut run = Run::new();
    run.act(Act::Publish(0, 100));
    run.disk.limit(run.disk.used() + (500 << 10));
    loop {
        let before = run.accepted.len();
        run.act(Act::Publish(0, 100));
        if run.accepted.len() == before {
            break;
        }
    }
    let limit = run.disk.used();
    assert!(run.committer.is_full() && run.accepted.len() > 1_000);
    run.disk.limit(limit);
    for (life, pattern) in (0..10).zip(Pattern::EACH.into_iter().cycle()) {
        run.kill(pattern, life);
        run.all_is_there();
        let (accepted, waiting) = (run.accepted.len(), run.len(QUEUES[0]));
        run.act(Act::Consume(1, 0, 50));
        assert_eq!(run.inhand.len(), 50, "life {life}");
        run.act(Act::Publish(0, 1));
        assert_eq!(run.accepted.len(), accepted, "taken in life {life}");
        run.act(Act::Settle(20, Settle::Ack));
        run.act(Act::Wait(2_000));
        assert_eq!(run.len(QUEUES[0]), waiting - 20);
        assert!(run.disk.used() <= limit);
    }
    assert_eq!(run.acknowledged.len(), 200);
    run.kill(Pattern::Nothing, 1);
    assert_eq!(
        u64::try_from(run.accepted.len() - 200),
        Ok(run.len(QUEUES[0]))
    );
    run.disk.make_room();
    let accepted = run.accepted.len();
    run.act(Act::Wait(1_000));
    run.act(Act::Publish(0, 100));
    assert_eq!(run.accepted.len(), accepted + 100);
    run.all_is_there();
    run.replays();
}

#[test]
fn where_the_last_of_a_full_disk_is_used_up_starts_write_nothing_and_succeed() {
    let mut run = Run::new();
    run.fill(0);
    while run.declared < 900 {
        run.act(Act::Declare(100));
    }
    // What many starts would have written, until there is no sector left for another.
    let mut end = Lsn::START;
    while run.committer.journal().end() > end {
        end = run.committer.journal().end();
        for _ in 0..=run.committer.journal().left() / 128 {
            run.committer.begin(&Record::Recovered).unwrap();
        }
        run.act(Act::Wait(10));
        run.act(Act::Wait(2_000));
    }
    run.disk.limit(run.disk.used());
    for life in 0..10 {
        run.kill(Pattern::Killed, life);
        run.act(Act::Wait(10));
        run.act(Act::Wait(2_000));
        run.act(Act::Declare(1));
        assert_eq!(run.committer.journal().end(), end);
        run.all_is_there();
    }
    run.disk.make_room();
    run.act(Act::Wait(1_000));
    let accepted = run.accepted.len();
    // More than a queue's head holds.
    run.act(Act::Publish(0, 3_000));
    assert_eq!(run.accepted.len(), accepted + 3_000);
    run.replays();
    run.all_is_there();
}

#[test]
fn a_narrowing_is_answered_whatever_became_of_its_delivery() {
    let mut run = Run::new();
    run.act(Act::Publish(0, 1));
    run.act(Act::Consume(1, 0, 0));
    let [delivery] = run.inhand[..] else {
        panic!("one delivery");
    };
    let narrow = |run: &Run| Command::Narrow {
        to: ChannelKey::new(ConnectionId(1), 1),
        delivery,
        narrowed: Narrowing {
            record: Narrowed {
                at: run.now,
                exchange: delivery.entry,
                unit: run.unit.clone(),
                queues: vec![delivery.queue],
                left: nothing(),
            },
            reads: Reads {
                rulebook_epoch: run.committer.ledger().rulebook_epoch(),
                ..Reads::default()
            },
        },
    };
    let answered = |run: &mut Run, mut commands: Vec<Command>| {
        commands.push(narrow(run));
        let effects = run.committer.step(commands, run.now).unwrap().effects;
        let mut answers = effects.into_iter().filter_map(|(_, effect)| match effect {
            Effect::Narrowed { deliver, .. } => Some(deliver),
            _ => None,
        });
        let answer = answers.next().expect("an answer");
        assert!(answers.next().is_none());
        answer
    };
    let deliver = answered(&mut run, Vec::new()).expect("it is out");
    assert_eq!((deliver.delivery, deliver.channel), (delivery, 1));
    let narrowed = deliver.overlay.narrowed;
    assert_eq!(narrowed.map(|left| left.mask), Some(Mask::NONE));
    let leaves = [
        Command::Settle {
            deliveries: vec![delivery],
            how: Settle::Requeue,
        },
        Command::Ask {
            connection: ConnectionId(1),
            channel: 1,
            ask: Ask::Delete {
                queue: QUEUES[0].to_owned(),
                if_unused: false,
                if_empty: false,
            },
        },
    ];
    for command in leaves {
        assert_eq!(answered(&mut run, vec![command]), None);
    }
}
