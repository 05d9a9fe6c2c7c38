//! Ledger and dispatch, through the committer, against a model that anyone can check by reading.

use std::collections::{BTreeMap, BTreeSet};

use carnet::backbone::start::recover;
use carnet::broker::command::{Ask, Command, Settle};
use carnet::broker::committer::Committer;
use carnet::broker::effect::{Answer, Deliver, Effect};
use carnet::broker::event::Event;
use carnet::broker::ids::{ConnectionId, DeliveryId};
use carnet::broker::input::Input;
use carnet::broker::record::QueueProperties;
use carnet::journal::Lsn;
use carnet::journal::vfs::{Pattern, SimVfs};
use carnet::message::id::UnitId;
use carnet::message::time::Timestamp;
use proptest::prelude::*;

use crate::recovered::{data, options};
use crate::unit::{begun, private, unconfirmed};

const QUEUES: [&str; 2] = ["a", "b"];

/// What a client of the one unit does; connections, queues and deliveries are named by small numbers.
#[derive(Debug, Clone, Copy)]
enum Act {
    Publish(usize),
    Consume(u64, usize, u16),
    Cancel(u64, usize),
    Settle(usize, Settle),
    Get(u64, usize),
    Gone(u64),
    Close(u64, usize),
    Purge(usize),
    Delete(usize),
    Declare(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (queue, connection) = (0..QUEUES.len(), 1..=3_u64);
    let how = prop_oneof![
        3 => Just(Settle::Ack),
        2 => Just(Settle::Requeue),
        1 => Just(Settle::Reject)
    ];
    let act = prop_oneof![
        8 => queue.clone().prop_map(Act::Publish),
        3 => (connection.clone(), queue.clone(), 0..4_u16).prop_map(|(c, q, n)| Act::Consume(c, q, n)),
        1 => (connection.clone(), queue.clone()).prop_map(|(c, q)| Act::Cancel(c, q)),
        8 => (0..6_usize, how).prop_map(|(n, how)| Act::Settle(n, how)),
        2 => (connection.clone(), queue.clone()).prop_map(|(c, q)| Act::Get(c, q)),
        1 => connection.clone().prop_map(Act::Gone),
        2 => (connection, queue.clone()).prop_map(|(c, q)| Act::Close(c, q)),
        1 => queue.clone().prop_map(Act::Purge),
        1 => queue.clone().prop_map(Act::Delete),
        2 => queue.prop_map(Act::Declare),
    ];
    prop::collection::vec(act, 1..120)
}

/// A queue as it should be: numbers of messages, in order, and who has which.
#[derive(Debug, Default, Clone)]
struct Queue {
    /// Each message with how often it came back.
    messages: BTreeMap<u64, u64>,
    /// To whom, and in which attempt.
    out: BTreeMap<u64, Out>,
    /// By connection: number and prefetch.
    consumers: BTreeMap<u64, (u64, u16)>,
}

#[derive(Debug, Clone, Copy)]
struct Out {
    connection: u64,
    attempt: u64,
    /// None for a `get`, which takes no credit.
    consumer: Option<u64>,
}

impl Queue {
    fn ready(&self) -> Option<u64> {
        let mut waiting = self.messages.keys();
        waiting.find(|m| !self.out.contains_key(*m)).copied()
    }

    fn has_credit(&self, (number, limit): (u64, u16)) -> bool {
        let taken = self.out.values().filter(|out| out.consumer == Some(number));
        limit == 0 || taken.count() < usize::from(limit)
    }

    /// Nobody with credit waits beside a message.
    fn is_idle(&self) -> bool {
        let mut consumers = self.consumers.values();
        self.ready().is_none() || !consumers.any(|consumer| self.has_credit(*consumer))
    }

    fn back(&mut self, message: u64) {
        self.out.remove(&message);
        if let Some(returns) = self.messages.get_mut(&message) {
            *returns += 1;
            // The twentieth delivery was the last.
            if *returns >= 20 {
                self.messages.remove(&message);
            }
        }
    }
}

struct Run {
    disk: SimVfs,
    committer: Committer<SimVfs>,
    unit: UnitId,
    model: BTreeMap<usize, Queue>,
    /// Message numbers by queue and entry, in the order in which the broker placed them.
    numbers: BTreeMap<(u64, Lsn), u64>,
    names: BTreeMap<u64, usize>,
    in_hand: Vec<(usize, u64, DeliveryId)>,
    connected: BTreeSet<u64>,
    published: u64,
    consumers: u64,
}

impl Run {
    fn new() -> Self {
        let disk = SimVfs::new(1);
        let unit: UnitId = "customs/main".parse().unwrap();
        let committer = begun(&disk, &options(), &unit, Timestamp::from_millis(1));
        Self {
            disk,
            committer,
            unit,
            model: BTreeMap::new(),
            numbers: BTreeMap::new(),
            names: BTreeMap::new(),
            in_hand: Vec::new(),
            connected: BTreeSet::new(),
            published: 0,
            consumers: 0,
        }
    }

    fn attached(&mut self, connection: u64) -> Vec<Command> {
        let unit = self.unit.clone();
        let fresh = self.connected.insert(connection);
        let connection = ConnectionId(connection);
        let attach = Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        };
        Vec::from_iter(fresh.then_some(attach))
    }

    fn ask(connection: u64, queue: usize, ask: Ask) -> Command {
        // A channel for each queue, so that a prefetch is one consumer's.
        let channel = u16::try_from(queue).unwrap() + 1;
        let connection = ConnectionId(connection);
        Command::Ask {
            connection,
            channel,
            ask,
        }
    }

    fn act(&mut self, act: Act) {
        let commands = self.attached(1);
        match act {
            Act::Declare(queue) => self.declare(commands, queue),
            Act::Publish(queue) => self.publish(commands, queue),
            Act::Consume(connection, queue, limit) => {
                self.consume(commands, (connection, queue), limit);
            }
            Act::Cancel(connection, queue) => self.cancel(commands, connection, queue),
            Act::Get(connection, queue) => self.get(commands, connection, queue),
            Act::Settle(which, how) => self.settle(commands, which, how),
            Act::Gone(connection) => self.gone(commands, connection),
            Act::Close(connection, queue) => self.close(commands, connection, queue),
            Act::Purge(queue) => self.purge(commands, queue),
            Act::Delete(queue) => self.delete(commands, queue),
        }
    }

    fn declare(&mut self, mut commands: Vec<Command>, queue: usize) {
        let ask = Ask::DeclareQueue {
            name: QUEUES[queue].to_owned(),
            passive: false,
            properties: QueueProperties {
                durable: true,
                ..QueueProperties::default()
            },
        };
        self.model.entry(queue).or_default();
        commands.push(Self::ask(1, queue, ask));
        self.step(commands);
    }

    fn publish(&mut self, mut commands: Vec<Command>, queue: usize) {
        self.published += 1;
        if let Some(model) = self.model.get_mut(&queue) {
            model.messages.insert(self.published, 0);
        }
        let origin = unconfirmed(ConnectionId(1), self.published);
        let body = self.published.to_be_bytes();
        commands.push(private(QUEUES[queue], origin, &body));
        self.step(commands);
    }

    fn consume(
        &mut self,
        mut commands: Vec<Command>,
        (connection, queue): (u64, usize),
        limit: u16,
    ) {
        let Some(model) = self.model.get_mut(&queue) else {
            return self.step(commands);
        };
        if model.consumers.contains_key(&connection) {
            self.step(commands);
            return self.act(Act::Cancel(connection, queue));
        }
        self.consumers += 1;
        let number = self.consumers;
        model.consumers.insert(connection, (number, limit));
        commands.extend(self.attached(connection));
        let (count, global, may_read) = (limit, false, true);
        let name = QUEUES[queue].to_owned();
        commands.push(Self::ask(
            connection,
            queue,
            Ask::Prefetch { count, global },
        ));
        let ask = Ask::Consume {
            number,
            queue: name,
            priority: 0,
            exclusive: false,
            may_read,
        };
        commands.push(Self::ask(connection, queue, ask));
        self.step(commands);
    }

    fn cancel(&mut self, mut commands: Vec<Command>, connection: u64, queue: usize) {
        let model = self.model.get_mut(&queue);
        let Some((number, _)) = model.and_then(|m| m.consumers.remove(&connection)) else {
            return self.step(commands);
        };
        commands.extend(self.attached(connection));
        commands.push(Self::ask(connection, queue, Ask::Cancel(number)));
        self.step(commands);
    }

    fn get(&mut self, mut commands: Vec<Command>, connection: u64, queue: usize) {
        commands.extend(self.attached(connection));
        let (name, may_read) = (QUEUES[queue].to_owned(), true);
        let ask = Ask::Get {
            queue: name,
            may_read,
        };
        commands.push(Self::ask(connection, queue, ask));
        self.step(commands);
    }

    fn settle(&mut self, mut commands: Vec<Command>, which: usize, how: Settle) {
        let Some(place) = which.checked_rem(self.in_hand.len()) else {
            return self.step(commands);
        };
        // A second settle of the same delivery comes too late, and changes nothing.
        let (queue, message, delivery) = self.in_hand.swap_remove(place);
        if let Some(model) = self.model.get_mut(&queue)
            && model
                .out
                .get(&message)
                .is_some_and(|out| out.attempt == delivery.attempt)
        {
            if how == Settle::Requeue {
                model.back(message);
            } else {
                model.out.remove(&message);
                model.messages.remove(&message);
            }
        }
        for _ in 0..2 {
            let deliveries = vec![delivery];
            commands.push(Command::Settle { deliveries, how });
        }
        self.step(commands);
    }

    fn gone(&mut self, commands: Vec<Command>, connection: u64) {
        self.connected.remove(&connection);
        for model in self.model.values_mut() {
            model.consumers.remove(&connection);
            let out = model
                .out
                .iter()
                .filter(|(_, out)| out.connection == connection);
            let out: Vec<u64> = out.map(|(message, _)| *message).collect();
            for message in out {
                model.back(message);
            }
        }
        let mut inputs: Vec<Input> = commands.into_iter().map(Input::from).collect();
        inputs.push(Event::Gone(ConnectionId(connection)).into());
        self.step(inputs);
    }

    /// The channel that a connection has for a queue ends: nothing of its other channel does.
    fn close(&mut self, mut commands: Vec<Command>, connection: u64, queue: usize) {
        commands.extend(self.attached(connection));
        if let Some(model) = self.model.get_mut(&queue) {
            model.consumers.remove(&connection);
            let out = model.out.iter();
            let out = out.filter(|(_, out)| out.connection == connection);
            let out: Vec<u64> = out.map(|(message, _)| *message).collect();
            for message in out {
                model.back(message);
            }
        }
        let fence = Ask::Fence(carnet::broker::command::Fence::CloseChannel);
        commands.push(Self::ask(connection, queue, fence));
        self.step(commands);
    }

    fn purge(&mut self, mut commands: Vec<Command>, queue: usize) {
        if let Some(model) = self.model.get_mut(&queue) {
            // What is out stays until it is settled.
            let out = &model.out;
            model
                .messages
                .retain(|message, _| out.contains_key(message));
        }
        commands.push(Self::ask(1, queue, Ask::Purge(QUEUES[queue].to_owned())));
        self.step(commands);
    }

    fn delete(&mut self, mut commands: Vec<Command>, queue: usize) {
        self.model.remove(&queue);
        let ask = Ask::Delete {
            queue: QUEUES[queue].to_owned(),
            if_unused: false,
            if_empty: false,
        };
        commands.push(Self::ask(1, queue, ask));
        self.step(commands);
    }

    fn step<I: Into<Input>>(&mut self, commands: Vec<I>) {
        let now = self.committer.ledger().time();
        let step = self.committer.step(commands, now).unwrap();
        for (id, queue) in self.committer.ledger().queues() {
            if let Some(name) = QUEUES.iter().position(|name| **name == queue.name) {
                self.names.insert(id.0, name);
            }
        }
        // Each private publish of a step is one record, one entry.
        if let [(lsn, _)] = step.fresh[..] {
            let queues = self.names.keys();
            self.numbers
                .extend(queues.map(|queue| ((*queue, lsn), self.published)));
        }
        for (connection, effect) in step.effects {
            match effect {
                Effect::Deliver(deliver) => self.delivered(connection.0, &deliver),
                Effect::Answer { answer, channel } => {
                    let queue = usize::from(channel) - 1;
                    let there = self.model.contains_key(&queue);
                    let refused = matches!(answer, Answer::Refused(_));
                    assert!(there || refused || answer != Answer::Empty, "{answer:?}");
                    assert!(!there || !refused, "{answer:?}");
                }
                _ => {}
            }
        }
        self.agrees();
    }

    fn delivered(&mut self, connection: u64, deliver: &Deliver) {
        let DeliveryId { queue, entry, .. } = deliver.delivery;
        let (name, message) = (self.names[&queue.0], self.numbers[&(queue.0, entry)]);
        let model = self.model.get_mut(&name).expect("a queue that is there");
        assert_eq!(
            model.ready(),
            Some(message),
            "the oldest that waits comes first"
        );
        let returns = model.messages[&message];
        assert_eq!(
            (u64::from(deliver.returns), deliver.redelivered),
            (returns, returns > 0)
        );
        if let Some(number) = deliver.consumer {
            let consumer = model.consumers[&connection];
            assert!(
                number == consumer.0 && model.has_credit(consumer),
                "beyond credit"
            );
        }
        let (attempt, consumer) = (deliver.delivery.attempt, deliver.consumer);
        let out = Out {
            connection,
            attempt,
            consumer,
        };
        model.out.insert(message, out);
        self.in_hand.push((name, message, deliver.delivery));
    }

    /// The ledger holds what the model holds, and nothing waits that could go out.
    fn agrees(&self) {
        for (name, model) in &self.model {
            let id = self
                .committer
                .ledger()
                .queue_named(&self.unit, QUEUES[*name]);
            let id = id.expect("a queue that was declared");
            let backlog = &self.committer.ledger().queue(id).unwrap().backlog;
            let held = backlog.in_memory().map(|e| self.numbers[&(id.0, e.lsn)]);
            let held: Vec<u64> = held.collect();
            assert!(held.iter().eq(model.messages.keys()), "{held:?} {model:?}");
            assert!(model.is_idle(), "{model:?}");
        }
    }

    /// What is on the disk gives the same ledger again.
    fn replays(mut self) {
        let later = Timestamp::from_millis(1_000);
        self.committer.step(vec![Event::Tick], later).unwrap();
        let disk = self.disk.crash(Pattern::Nothing, 1);
        let again = recover(&disk, data(), &options()).unwrap();
        assert!(again.committer.ledger() == self.committer.ledger());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn queues_and_consumers_behave_as_a_plain_model_says(acts in acts()) {
        let mut run = Run::new();
        for act in [Act::Declare(0), Act::Declare(1)].into_iter().chain(acts) {
            run.act(act);
        }
        run.replays();
    }
}
