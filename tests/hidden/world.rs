//! A small border in virtual time: clients of several systems, one committer, a disk in memory.
//!
//! Each act of a client has a second of its own, counted from the script's beginning, and what
//! happens in it happens at its milliseconds. So two runs in which a client acts alike can be
//! compared to the millisecond, whatever else happens in other seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use carnet::agency::registry::{AgencyLimits, Peer};
use carnet::backbone::load::load;
use carnet::backbone::start::recover;
use carnet::broker::budget::{Budget, Budgets};
use carnet::broker::command::{Ask, Command, Settle};
use carnet::broker::committer::Committer;
use carnet::broker::delivery::{Prepared, Rendered, prepare, told_again};
use carnet::broker::effect::{Answer, Deliver, Effect};
use carnet::broker::event::Event;
use carnet::broker::ids::{ConnectionId, Origin};
use carnet::broker::input::Input;
use carnet::broker::pace::{Allowance, Published, Wait};
use carnet::broker::record::Record;
use carnet::broker::reply::Refusal;
use carnet::journal::Lsn;
use carnet::message::time::Timestamp;
use carnet_disk::SimVfs;

use crate::adapter;
use crate::border::{Border, data, morning};
use crate::letter::Letter;
use crate::options::options;
use crate::ring::ring;
use crate::transcript::Transcript;

/// Every system that may take part, in the order of their connections.
pub(crate) const SYSTEMS: [&str; 8] = [
    "post/items",
    "post/sorting",
    "environment/permits",
    "customs-xa/gateway",
    "police/operations",
    "customs/declarations",
    "customs/investigation",
    "internal/watch",
];

/// Larger than any script's log: where a segment ends is everybody's to see, in time alone.
const SEGMENT_BYTES: usize = 32 << 20;

/// The pace of virtual time within an act.
const STEP: Duration = Duration::from_millis(1);
const ACT: Duration = Duration::from_secs(1);

pub(crate) struct World {
    border: Arc<Border>,
    committer: Committer<SimVfs>,
    budgets: Budgets,
    clients: BTreeMap<ConnectionId, Client>,
    waiting: Vec<Input>,
    now: Timestamp,
    /// The second of the present act.
    act: Timestamp,
    /// What is asked waits, to be handed over together.
    held: bool,
    /// What scripts have published, to be published again.
    sent: Vec<(&'static str, Letter)>,
    /// Whether what is published is noted for that.
    notes: bool,
    /// Syncs since the act began.
    syncs: u32,
}

struct Client {
    system: &'static str,
    peer: Peer,
    budget: Arc<Budget>,
    transcript: Transcript,
    serial: u64,
    /// Its consumers: their queues, by number.
    consumers: BTreeMap<u64, String>,
    /// Publishes without an outcome, by confirm tag.
    unconfirmed: BTreeMap<u64, String>,
    /// Its own id of the last message of each routing key.
    received: BTreeMap<String, String>,
    /// Draws for a message, by how often it was ruled.
    ruled: u64,
    /// How much it was given by `get`.
    got: u64,
}

impl World {
    /// All systems of the border have connected.
    pub(crate) fn begin(border: &Arc<Border>) -> Self {
        let options = options(SEGMENT_BYTES);
        let mut committer = recover(&SimVfs::new(1), data(), &options)
            .unwrap()
            .committer;
        committer.begin(&border.genesis()).unwrap();
        let mut world = Self {
            border: Arc::clone(border),
            committer,
            budgets: Budgets::default(),
            clients: BTreeMap::new(),
            waiting: Vec::new(),
            now: morning(),
            act: morning(),
            held: false,
            sent: Vec::new(),
            notes: true,
            syncs: 0,
        };
        for (system, number) in SYSTEMS.into_iter().zip(1..) {
            let Some(peer) = border.peer(system) else {
                continue;
            };
            let connection = ConnectionId(number);
            world
                .waiting
                .push(adapter::attach(connection, &peer).into());
            let client = Client {
                system,
                budget: world.budgets.of(peer.unit.party()),
                peer,
                transcript: Transcript::default(),
                serial: 0,
                consumers: BTreeMap::new(),
                unconfirmed: BTreeMap::new(),
                received: BTreeMap::new(),
                ruled: 0,
                got: 0,
            };
            world.clients.insert(connection, client);
        }
        world.go_on();
        world
    }

    /// Gives agencies other limits than the rulebook has.
    pub(crate) fn limit(&mut self, limits: &[(&str, AgencyLimits)]) {
        for (agency, limits) in limits {
            let clients = self.clients.values_mut();
            for client in clients.filter(|client| client.peer.agency.id.as_str() == *agency) {
                Arc::make_mut(&mut client.peer.agency).limits = *limits;
            }
        }
    }

    /// What each system saw.
    pub(crate) fn transcripts(&self) -> BTreeMap<&'static str, Transcript> {
        let all = self.clients.values();
        all.map(|client| (client.system, client.transcript.clone()))
            .collect()
    }

    fn connection(system: &str) -> ConnectionId {
        let number = SYSTEMS.iter().zip(1..).find(|(known, _)| **known == system);
        ConnectionId(number.unwrap_or_else(|| panic!("no {system}")).1)
    }

    /// Whether a system takes part.
    pub(crate) fn has(&self, system: &str) -> bool {
        self.clients.contains_key(&Self::connection(system))
    }

    fn client(&mut self, system: &str) -> (ConnectionId, &mut Client) {
        let connection = Self::connection(system);
        let client = self.clients.get_mut(&connection);
        (connection, client.unwrap_or_else(|| panic!("no {system}")))
    }

    /// Publishes, in confirm mode.
    pub(crate) fn publish(&mut self, system: &'static str, letter: &Letter) {
        self.burst(system, std::slice::from_ref(letter));
    }

    /// Publishes all of these as fast as the agency's pace lets it.
    pub(crate) fn burst(&mut self, system: &'static str, letters: &[Letter]) {
        for letter in letters {
            if self.notes {
                self.sent.push((system, letter.clone()));
            }
            self.hand_over(system, letter);
            if letters.len() > 1 && !self.held {
                self.run();
            }
        }
        self.end_act();
    }

    /// How much scripts have published.
    pub(crate) fn published(&self) -> usize {
        self.sent.len()
    }

    /// Publishes what scripts have published from the `first` on, once more, in the same order.
    pub(crate) fn publish_again(&mut self, first: usize) {
        let before = std::mem::take(&mut self.sent);
        let notes = std::mem::replace(&mut self.notes, false);
        for (system, letter) in &before[first..] {
            self.publish(system, letter);
        }
        (self.sent, self.notes) = (before, notes);
    }

    fn hand_over(&mut self, system: &'static str, letter: &Letter) {
        let key = letter.publish.message_type.clone();
        self.client(system).1.serial += 1;
        self.wait_for_its_pace(system, letter.exchange, &key);
        let now = self.now;
        let (connection, client) = self.client(system);
        let serial = client.serial;
        let id = letter.publish.message_id.clone().unwrap_or_default();
        client
            .transcript
            .says(now, format!("> publish {key} '{id}'"));
        client.unconfirmed.insert(serial, id);
        let origin = Origin {
            connection,
            channel: 1,
            serial,
            confirm: Some(serial),
        };
        if letter.exchange == "carnet" {
            self.submit(origin, letter);
        } else {
            let peer = &self.clients[&connection].peer;
            let command = adapter::private(peer, origin, letter);
            self.waiting.push(command.into());
        }
    }

    /// Lets time pass until the agency of a system has a place for one more publish.
    fn wait_for_its_pace(&mut self, system: &'static str, exchange: &str, key: &str) {
        let mut wait = Wait::default();
        loop {
            let now = self.now.since(morning());
            let client = self.client(system).1;
            let publish = Published {
                exchange,
                routing_key: key,
                octets: 0,
            };
            let limits = client.peer.agency.limits;
            let taken = client
                .budget
                .pace
                .publish(publish, Allowance { now, limits }, &mut wait);
            let Err(until) = taken else { return };
            let ms = until.as_nanos().div_ceil(1_000_000);
            let until = morning().plus(Duration::from_millis(u64::try_from(ms).unwrap()));
            self.run();
            self.now = self.now.max(until);
        }
    }

    /// Admits a message by what is so now.
    fn submit(&mut self, origin: Origin, letter: &Letter) {
        let view = self
            .border
            .view(self.committer.ledger().register().standing());
        let now = self.now;
        let client = self.clients.get_mut(&origin.connection).unwrap();
        client.ruled += 1;
        let drawn = format!("{} {}", client.system, client.ruled);
        let submission = adapter::submission(&client.peer, letter, &view, (&drawn, now));
        self.waiting
            .push(Command::Submit(origin, submission).into());
    }

    /// Asks something about queues.
    pub(crate) fn ask(
        &mut self,
        system: &'static str,
        what: &str,
        ask: impl FnOnce(&Peer) -> Result<Ask, Answer>,
    ) {
        let now = self.now;
        let (connection, client) = self.client(system);
        client.transcript.says(now, format!("> {what}"));
        let asked = ask(&client.peer);
        let channel = 1;
        match asked {
            Ok(ask) => self.waiting.push(
                Command::Ask {
                    connection,
                    channel,
                    ask,
                }
                .into(),
            ),
            Err(answer) => client.transcript.says(now, adapter::answered(&answer)),
        }
        self.end_act();
    }

    /// Gets and acknowledges all that is in the standing queues of its unit.
    pub(crate) fn look(&mut self, system: &'static str) {
        for queue in ["inbox", "receipts", "dead"] {
            let unit = &self.client(system).1.peer.unit.id.unit;
            let name = match unit.as_str() {
                "main" => queue.to_owned(),
                unit => format!("{queue}.{unit}"),
            };
            self.drain(system, &name);
        }
    }

    /// What the auditor of a system's agency is told of the log, as a line of the system's.
    pub(crate) fn audit(&mut self, system: &'static str) {
        let (reader, now) = (self.committer.journal().reader(), self.now);
        let standing = self.committer.ledger().register().standing();
        let view = self.border.view(standing);
        let client = self.client(system).1;
        for says in adapter::audited(reader, &client.peer.agency.id, now, &view) {
            client.transcript.says(now, says);
        }
    }

    /// Gets and acknowledges until a queue has nothing more, or may not be read.
    pub(crate) fn drain(&mut self, system: &'static str, queue: &str) {
        let (channel, now) = (1, self.now);
        let transcript = &mut self.client(system).1.transcript;
        transcript.says(now, format!("> get {queue}"));
        loop {
            let (connection, client) = self.client(system);
            let before = client.got;
            let ask = adapter::get(&client.peer, queue);
            self.waiting.push(
                Command::Ask {
                    connection,
                    channel,
                    ask,
                }
                .into(),
            );
            self.run();
            if self.client(system).1.got == before {
                break;
            }
        }
        self.end_act();
    }

    /// Consumes a queue from now on; each delivery is acknowledged.
    pub(crate) fn consume(&mut self, system: &'static str, queue: &str) {
        let client = self.client(system).1;
        let number = u64::try_from(client.consumers.len() + 1).unwrap();
        client.consumers.insert(number, queue.to_owned());
        self.ask(system, &format!("consume {queue}"), |peer| {
            Ok(adapter::consume(peer, number, queue))
        });
    }

    /// The id under which a system received the last message of a routing key.
    pub(crate) fn received(&mut self, system: &'static str, key: &str) -> Option<String> {
        self.client(system).1.received.get(key).cloned()
    }

    /// Something happens that is not published again.
    pub(crate) fn apart(&mut self, happens: fn(&mut Self)) {
        let notes = std::mem::replace(&mut self.notes, false);
        happens(self);
        self.notes = notes;
    }

    /// Something happens meanwhile, or does not, in so many acts: in both runs what follows is at
    /// the same time.
    pub(crate) fn meanwhile(&mut self, acts: u32, happens: Option<fn(&mut Self)>) {
        let until = self.act.plus(ACT * acts);
        if let Some(happens) = happens {
            self.apart(happens);
        }
        assert!(self.act <= until, "it takes more than {acts} acts");
        self.wait_until(until);
    }

    /// Lets time pass, for everybody.
    pub(crate) fn wait_until(&mut self, time: Timestamp) {
        assert!(time >= self.act, "time does not go back");
        (self.act, self.now) = (time, time);
        self.go_on();
    }

    /// All that `happens` asks is handed over at once, in its order: what is admitted is admitted by
    /// what was so before any of it.
    pub(crate) fn at_once(&mut self, happens: impl FnOnce(&mut Self)) {
        self.held = true;
        happens(self);
        self.held = false;
        self.end_act();
    }

    /// Lets the core do what was asked, and the rest of the act's second pass.
    fn end_act(&mut self) {
        if !self.held {
            self.run();
            self.go_on();
        }
    }

    /// What rides a batch is written, what is over ends, and the end of it all is marked: nothing of
    /// this act is left for the next.
    fn go_on(&mut self) {
        self.run();
        for _ in 0..3 {
            self.now = self.now.plus(Duration::from_millis(120));
            self.waiting.push(Event::Tick.into());
            self.run();
        }
        while self.act <= self.now {
            self.act = self.act.plus(ACT);
        }
        (self.now, self.syncs) = (self.act, 0);
    }

    fn run(&mut self) {
        while !self.waiting.is_empty() {
            self.now = self.now.plus(STEP);
            let commands = std::mem::take(&mut self.waiting);
            let before = self.committer.journal().end();
            let step = self.committer.step(commands, self.now).unwrap();
            self.syncs += u32::from(self.committer.journal().end() != before);
            for (connection, effect) in step.effects {
                self.effect(connection, effect);
            }
        }
    }

    fn effect(&mut self, connection: ConnectionId, effect: Effect) {
        match effect {
            Effect::Outcome { origin, returned } => {
                let refusal = returned.map(|returned| returned.0);
                self.outcome(&origin, refusal.as_ref());
            }
            Effect::Repeated { origin, refused } => {
                let refusal = refused.map(|(first, _)| self.first_refusal(first.at()));
                self.outcome(&origin, refusal.as_ref());
            }
            Effect::Nacked { origin, .. } => self.confirmed(&origin, "nack"),
            Effect::PublishRefused { origin, refusal } => {
                let Refusal { code, text } = refusal;
                let says = format!("the channel is closed: {code} {text}");
                self.confirmed(&origin, &says);
            }
            Effect::Again(origin, submission) => {
                let letter = Letter {
                    exchange: "carnet",
                    publish: submission.into_arrived().publish,
                };
                self.submit(origin, &letter);
            }
            Effect::AgainPrivate(private) => self.waiting.push(Command::Private(private).into()),
            Effect::Answer { answer, .. } => {
                // A delivery may want a lease, which goes by address: a get's syncs are nobody's.
                let syncs = match answer {
                    Answer::Empty => String::new(),
                    _ => format!(", after {} syncs", self.syncs),
                };
                let says = adapter::answered(&answer);
                self.says(connection, &format!("{says}{syncs}"));
            }
            Effect::Deliver(deliver) => self.deliver(connection, &deliver),
            Effect::Narrowed { deliver, .. } => {
                if let Some(deliver) = deliver {
                    self.deliver(connection, &deliver);
                }
            }
            Effect::Cancelled { number, .. } => {
                let client = &self.clients[&connection];
                let says = format!("consumer of {} is cancelled", client.consumers[&number]);
                self.says(connection, &says);
            }
            Effect::Blocked(reason) => self.says(connection, &format!("blocked: {reason:?}")),
        }
    }

    fn says(&mut self, connection: ConnectionId, says: &str) {
        let now = self.now;
        let client = self.clients.get_mut(&connection).unwrap();
        client.transcript.says(now, says);
    }

    /// How many rulings name rules that could not be evaluated.
    pub(crate) fn failures(&self) -> usize {
        let reader = self.committer.journal().reader();
        let failed = reader.scan(Lsn::START).filter(|record| {
            let stored = load(&reader, record.as_ref().unwrap().lsn).unwrap();
            matches!(stored.record, Record::Exchange(it) if !it.errors.is_empty())
        });
        failed.count()
    }

    fn first_refusal(&self, first: Lsn) -> Refusal {
        let stored = load(&self.committer.journal().reader(), first).unwrap();
        told_again(Some(&stored.record), &ring())
    }

    fn outcome(&mut self, origin: &Origin, refusal: Option<&Refusal>) {
        if let Some(refusal) = refusal {
            self.says(origin.connection, &adapter::returned(refusal));
        }
        self.confirmed(origin, "ack");
    }

    fn confirmed(&mut self, origin: &Origin, how: &str) {
        let (connection, syncs) = (origin.connection, self.syncs);
        let client = self.clients.get_mut(&connection).unwrap();
        let id = client.unconfirmed.remove(&origin.confirm.unwrap());
        let id = id.expect("an outcome each");
        self.says(connection, &format!("{how} of '{id}', after {syncs} syncs"));
    }

    /// What a connection does: looks again at what the release rested on, then sends or narrows.
    fn deliver(&mut self, connection: ConnectionId, deliver: &Deliver) {
        let reader = self.committer.journal().reader();
        let stored = load(&reader, deliver.source().at()).unwrap();
        let view = self
            .border
            .view(self.committer.ledger().register().standing());
        let client = &self.clients[&connection];
        let unit = &client.peer.unit.id;
        match prepare(deliver, &stored, unit, &view, self.now).unwrap() {
            Prepared::Narrow(less, queues) => {
                let (peer, out) = (&client.peer, (connection, deliver));
                let narrow = adapter::narrow(out, peer, (less, queues), self.now);
                self.waiting.push(narrow.into());
            }
            Prepared::Send(mut rendered) => {
                if let Some(asked) = rendered.answers() {
                    let asked = load(&reader, asked.at()).unwrap();
                    rendered.correlate(&asked.record, unit, &ring());
                }
                self.sent_to(connection, deliver, &rendered);
            }
        }
    }

    fn sent_to(&mut self, connection: ConnectionId, deliver: &Deliver, rendered: &Rendered) {
        let how = match deliver.consumer {
            Some(number) => format!("consumer {number}"),
            None => format!("got, {} left", deliver.left),
        };
        let says = format!("{how}: {}", adapter::delivered(deliver, rendered));
        self.says(connection, &says);
        let client = self.clients.get_mut(&connection).unwrap();
        client.got += u64::from(deliver.consumer.is_none());
        if let Some(id) = adapter::own_id(rendered) {
            let key = rendered.routing_key.clone();
            client.received.insert(key, id.clone());
        }
        let deliveries = vec![deliver.delivery];
        let how = Settle::Ack;
        self.waiting
            .push(Command::Settle { deliveries, how }.into());
    }
}
