//! Random ruled lives of the core alone, without committer, mailbox or disk, held to a plain model
//! that anyone can check by reading.
//!
//! Each publish is ruled once more in the moment in which the core takes it: what it records is that
//! ruling, whatever the submission rested on. After each step the ledger is the one that the records
//! make, octet for octet in its snapshot.

#[path = "model/acts.rs"]
mod acts;
#[path = "model/clients.rs"]
mod clients;
#[path = "model/governed.rs"]
mod governed;
#[path = "model/measured.rs"]
mod measured;
#[path = "model/publishes.rs"]
mod publishes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carnet::agency::registry::{Party, Peer};
use carnet::broker::admit::View;
use carnet::broker::command::{Ask, Command, Fence, Private, Settle, Unroutable, holds};
use carnet::broker::core::{Core, Moment, Turn};
use carnet::broker::delivery::{Prepared, prepare};
use carnet::broker::effect::{Answer, Deliver, Effect, NotTaken};
use carnet::broker::event::Event;
use carnet::broker::exchange::Verdict;
use carnet::broker::ids::{ChannelKey, ConnectionId, DeliveryId, Origin};
use carnet::broker::input::What;
use carnet::broker::ledger::{Ledger, QueueKind, standing_name};
use carnet::broker::limits::KNOWN_IDS;
use carnet::broker::payload::PrivateHead;
use carnet::broker::queue::Volume;
use carnet::broker::record::{
    Argument, CaseStep, Exchange, LeafSecret, Outcome, QueueId, QueueProperties, Recipient, Record,
    Settling, Stored, Topology,
};
use carnet::broker::replay::{History, Replayed};
use carnet::journal::{Frame, Lsn};
use carnet::message::envelope::Publish;
use carnet::message::id::{SystemId, UnitId};
use carnet::message::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::acts::{Act, CUSTOMS, KINDS, OWN, PLACES, QUOTA, RARE, SEEN, acts, border};
use crate::border::{Admitted, Border, noon, publish};
use crate::naive::{Entry, Naive};
use crate::recovered::released;
use crate::ring::ring;
use crate::unit::published;

/// What secrets of evidence follow from.
const SECRET: LeafSecret = LeafSecret::new([7; 32]);

/// A publish on its way to the core.
#[derive(Clone)]
struct Sent {
    origin: Origin,
    place: usize,
    kind: usize,
    id: usize,
    publish: Publish,
    admitted: Admitted,
    seen: Seen,
}

/// When something was ruled, and by what.
#[derive(Clone, PartialEq)]
struct Seen {
    epoch: u64,
    standing: Arc<carnet::policy::standing::Standing>,
    now: Timestamp,
}

/// A message whose id is used up.
#[derive(Debug, Clone)]
struct Known {
    kind: usize,
    refused: bool,
    /// Units that its sender may not know of, and that have got it.
    had: Vec<UnitId>,
}

struct Place {
    peer: Peer,
    connection: ConnectionId,
    serials: u64,
    /// The serial of the last publish that has an outcome.
    told: u64,
    /// Publishes that are handed over with the next one.
    line: Vec<Sent>,
}

/// What the one case has come to.
#[derive(Debug, Clone, Copy, Default)]
struct Case {
    opened: bool,
    joined: bool,
    closed: bool,
}

struct Life {
    core: Core,
    /// The ledger that the records make.
    replayed: Ledger,
    /// What the records say was in force.
    history: History,
    naive: Naive,
    next: Lsn,
    now: Timestamp,
    run: Duration,
    border: Arc<Border>,
    /// The one in force, of those that come into force.
    rulebook: usize,
    /// In the order of their numbers.
    proposals: Vec<governed::Naive>,
    measures: measured::Plain,
    places: Vec<Place>,
    connections: u64,
    consumers: u64,
    /// Kind of each message that was sent, its id being its number.
    sent: Vec<usize>,
    known: BTreeMap<(UnitId, usize), Known>,
    case: Case,
    /// Each unit's exchanges and rejections, and its releases.
    numbers: BTreeMap<UnitId, (u64, u64)>,
    stored: BTreeMap<Lsn, Arc<Stored>>,
    in_hand: Vec<DeliveryId>,
    privates: u64,
    /// What goes back to the core with the next step.
    back: Vec<Sent>,
    narrows: Vec<Command>,
    /// Queues that are to go.
    ends: BTreeSet<QueueId>,
    /// Consumers that are to be told that their queue is gone.
    cancels: BTreeSet<(ChannelKey, u64)>,
    /// What it came across.
    seen: BTreeSet<&'static str>,
}

/// What the core has made of one thing, but for what is the model's at once.
#[derive(Debug)]
struct Come {
    records: Vec<(Lsn, Record)>,
    effects: Vec<Effect>,
    /// Whether it has made anything at all.
    any: bool,
}

impl Life {
    fn start() -> Self {
        let border = border(0, 1);
        let place = |at: &(&str, &str)| Place {
            peer: border.peer(at.0, at.1),
            connection: ConnectionId(0),
            serials: 0,
            told: 0,
            line: Vec::new(),
        };
        let mut life = Self {
            core: Core::new(Ledger::remembering(KNOWN_IDS), SECRET),
            replayed: Ledger::remembering(KNOWN_IDS),
            history: History::default(),
            naive: Naive::default(),
            next: Lsn::START,
            now: noon(),
            run: Duration::ZERO,
            places: PLACES.iter().map(place).collect(),
            border,
            rulebook: 0,
            proposals: Vec::new(),
            measures: measured::Plain::default(),
            connections: 0,
            consumers: 0,
            sent: Vec::new(),
            known: BTreeMap::new(),
            case: Case::default(),
            numbers: BTreeMap::new(),
            stored: BTreeMap::new(),
            in_hand: Vec::new(),
            privates: 0,
            back: Vec::new(),
            narrows: Vec::new(),
            ends: BTreeSet::new(),
            cancels: BTreeSet::new(),
            seen: BTreeSet::new(),
        };
        let genesis = Record::Genesis(life.border.in_force());
        life.step(|life, turn| {
            life.core.begin(&genesis, turn);
            life.come(turn);
        });
        life.attach_all();
        life
    }

    fn attach_all(&mut self) {
        self.step(|life, turn| {
            for place in 0..PLACES.len() {
                life.attach(place, turn);
            }
        });
    }

    /// A system connects, with nothing of what it did before.
    fn attach(&mut self, place: usize, turn: &mut Turn) {
        let before = self.places[place].connection;
        self.back.retain(|sent| sent.origin.connection != before);
        self.connections += 1;
        let it = &mut self.places[place];
        it.connection = ConnectionId(self.connections);
        (it.serials, it.told) = (0, 0);
        it.line.clear();
        let attach = Command::Attach {
            connection: it.connection,
            unit: it.peer.unit.id.clone(),
            system: system(place),
            releases: true,
        };
        self.take(attach, turn);
    }

    fn view(&self) -> View {
        self.border.view(self.core.ledger().register().standing())
    }

    fn seen(&self) -> Seen {
        let ledger = self.core.ledger();
        Seen {
            epoch: ledger.rulebook_epoch(),
            standing: Arc::clone(ledger.register().standing()),
            now: self.now,
        }
    }

    fn wait(&mut self, ms: u64) {
        let passed = Duration::from_millis(ms);
        self.now = self.now.plus(passed);
        self.run += passed;
    }

    /// One step of the core, in which it comes to rest.
    fn step(&mut self, does: impl FnOnce(&mut Self, &mut Turn)) {
        self.wait(10);
        self.naive.now = self.now;
        self.measures.pass(self.now);
        let (now, run) = (self.now, self.run);
        let mut turn = Turn::new(self.next, Moment { now, run }, Vec::new());
        turn.buries = true;
        self.core.tick(100, &mut turn);
        self.come(&mut turn);
        let narrows = std::mem::take(&mut self.narrows);
        for sent in std::mem::take(&mut self.back) {
            self.submit(sent, &mut turn);
        }
        does(self, &mut turn);
        for narrow in narrows {
            self.narrow(narrow, &mut turn);
        }
        loop {
            self.core.work(1_000, &mut turn);
            let come = self.come(&mut turn);
            assert!(
                come.records.is_empty() && come.effects.is_empty(),
                "{come:?}"
            );
            if !come.any && self.core.is_done() {
                break;
            }
        }
        self.core.write_repeats(false, &mut turn);
        self.come(&mut turn);
        self.next = turn.next;
        self.agrees();
    }

    fn agrees(&self) {
        let ledger = self.core.ledger();
        self.naive.agrees(ledger);
        self.governance_agrees();
        self.measures.agrees(ledger);
        assert!(self.ends.is_empty() && self.cancels.is_empty());
        assert!(self.replayed == *ledger, "the records make another ledger");
        assert!(self.replayed.to_snapshot() == ledger.to_snapshot());
        let mut kept: BTreeMap<Party, Volume> = BTreeMap::new();
        for (id, queue) in &self.naive.queues {
            let is = self.core.dispatch().in_use(*id);
            let out = queue.entries.len() - queue.ready();
            assert_eq!((is.consumers, is.out), (queue.consumers.len(), wide(out)));
            if queue.kind == QueueKind::Own {
                let kept = kept.entry(ledger.party(&queue.unit)).or_default();
                *kept = kept.and(Volume {
                    messages: wide(queue.entries.len()),
                    octets: queue.entries.values().map(|it| it.octets).sum(),
                });
            }
        }
        for (party, kept) in kept {
            assert_eq!(ledger.kept_by(&party), kept, "{party:?}");
        }
        for (unit, numbers) in &self.numbers {
            let unit = ledger.unit(unit).unwrap();
            assert_eq!((unit.sent, unit.received), *numbers);
        }
    }

    fn take(&mut self, command: Command, turn: &mut Turn) -> Come {
        self.core.take(What::Command(command), turn);
        self.come(turn)
    }

    /// Takes the records into the replayed ledger, and into the model what needs nobody's word.
    fn come(&mut self, turn: &mut Turn) -> Come {
        let mut logged = Vec::new();
        turn.append(|it, octets| {
            let record = Record::decode(it.kind, octets).unwrap();
            let frame = it.frame.as_ref().map(|frame| frame.octets().clone());
            logged.push((it.at, record, frame.unwrap_or_default()));
        });
        let mut come = Come {
            any: !logged.is_empty(),
            records: Vec::new(),
            effects: Vec::new(),
        };
        for (at, record, frame) in logged {
            self.rules_again(&record, &frame);
            self.replayed.apply(&record, at);
            self.history.apply(&record, at);
            let stored = Stored {
                record: record.clone(),
                frame,
            };
            self.stored.insert(at, Arc::new(stored));
            match record {
                Record::Settled(settled) => {
                    self.seen
                        .extend(settled.lines().map(|line| line.how.name()));
                    self.naive.settled(&settled);
                }
                Record::Placed(placed) if placed.from.is_some() => {
                    let cause = placed.from.as_ref().map(|from| from.cause.name());
                    self.seen.extend(cause);
                    self.naive.moved(&placed, at);
                }
                Record::Topology(topology) => self.topology(topology),
                Record::Genesis(_) | Record::Activated(_) => {
                    self.history.enter(self.view().rulebook);
                    let registry = self.border.registry();
                    self.naive.units(registry.units().map(|unit| &unit.id));
                }
                Record::Lease { .. } | Record::Repeats(_) | Record::OrderEnded { .. } => {}
                record => {
                    let told = match &record {
                        Record::Confirmed(it) => Some(it.agency.clone()),
                        Record::MeasureEnded(it) => Some(it.agency.clone()),
                        _ => None,
                    };
                    self.notified(told.into_iter().collect(), at);
                    come.records.push((at, record));
                }
            }
        }
        for (connection, effect) in std::mem::take(&mut turn.out.effects) {
            come.any = true;
            match effect {
                Effect::Deliver(deliver) => {
                    self.naive.delivered(connection, &deliver);
                    self.shown(connection, &deliver);
                }
                Effect::Cancelled { channel, number } => {
                    let key = ChannelKey::new(connection, channel);
                    assert!(self.cancels.remove(&(key, number)), "it has its queue");
                }
                effect => come.effects.push(effect),
            }
        }
        self.naive.looked();
        come
    }

    /// A ruling by what the records before it say is the one that a record holds.
    fn rules_again(&mut self, record: &Record, frame: &bytes::Bytes) {
        let differs = match record {
            Record::Exchange(exchange) => {
                let replayed = Replayed::open(exchange, frame, &ring()).unwrap();
                replayed.differences(&self.history.basis().unwrap().at(exchange.at))
            }
            Record::Narrowed(narrowed) => {
                let stored = &self.stored[&narrowed.exchange];
                let Record::Exchange(exchange) = &stored.record else {
                    panic!("{:?}", stored.record);
                };
                let replayed = Replayed::open(exchange, &stored.frame, &ring()).unwrap();
                let basis = self.history.basis().unwrap();
                let before = self.history.left_before(narrowed);
                replayed.narrows(narrowed, before, &basis.at(narrowed.at))
            }
            _ => return,
        };
        assert!(differs.is_empty(), "{differs:?} in {record:?}");
    }

    fn topology(&mut self, topology: Topology) {
        let queues = &mut self.naive.queues;
        match topology {
            Topology::Declared {
                queue,
                unit,
                name,
                properties,
            } => self.naive.declare(queue, &unit, &name).properties = properties,
            Topology::Deleted(queue) => {
                assert!(self.ends.remove(&queue), "it was to stay");
                let queue = queues.remove(&queue).unwrap();
                self.cancels.extend(queue.consumers.into_keys());
            }
            Topology::Purged { queue, out } => {
                let queue = queues.get_mut(&queue).unwrap();
                queue.entries.retain(|_, entry| !entry.is_ready());
                assert!(queue.entries.keys().eq(&out), "what is out stays");
            }
            Topology::Bound { queue, binding } => {
                queues.get_mut(&queue).unwrap().keys.insert(binding.key);
            }
            Topology::Unbound { .. } => unreachable!("not asked for"),
        }
    }
}

/// What is done.
impl Life {
    fn act(&mut self, act: Act) {
        match act {
            Act::Activate(rulebook) => self.activate(rulebook),
            Act::Govern(govern) => self.govern(govern),
            Act::Measure { does, by } => self.measure(does, by),
            Act::Wait(tens) => self.wait(tens * 10),
            Act::Restart { clean } => self.restart(clean),
            act => self.step(|life, turn| life.act_in(act, turn)),
        }
    }

    fn act_in(&mut self, act: Act, turn: &mut Turn) {
        match act {
            Act::Publish { kind, late } => {
                self.sent.push(kind);
                self.publish(kind, self.sent.len(), late, turn);
            }
            Act::Again { which, other } => {
                let Some(at) = which.checked_rem(self.sent.len()) else {
                    return;
                };
                let kind = self.sent[at];
                // The case of a step that was taken is no message that is known.
                if KINDS[kind].1.starts_with("case.") {
                    return;
                }
                let kind = if other && KINDS[kind].0 == 0 { 5 } else { kind };
                self.publish(kind, at + 1, false, turn);
            }
            Act::Private {
                queue,
                copies,
                brief,
            } => self.private(queue, copies, brief, turn),
            Act::Declare(queue) => self.declare(queue, turn),
            Act::Purge(queue) => self.empty(OWN[queue], false, turn),
            Act::Delete(queue) => self.empty(OWN[queue], true, turn),
            Act::Consume { at, limit } => self.consume(at, limit, turn),
            Act::Get(at) => self.get(at, turn),
            Act::Close(at) => {
                let key = self.key(at);
                self.naive
                    .over(|it| it == key, Settling::Left, &system(at.0));
                let answer = self.ask(key, Ask::Fence(Fence::CloseChannel), turn);
                assert_eq!(answer, Some(Answer::Fenced(Fence::CloseChannel)));
            }
            Act::Settle(which, how) => self.settle(which, how, turn),
            Act::Reconnect { place, ended } => self.reconnect(place, ended, turn),
            Act::Activate(_)
            | Act::Govern(_)
            | Act::Measure { .. }
            | Act::Wait(_)
            | Act::Restart { .. } => {}
        }
    }

    fn activate(&mut self, rulebook: usize) {
        let epoch = self.core.ledger().rulebook_epoch() + 1;
        // Reading one is dear.
        if epoch > 4 {
            return;
        }
        self.wait(50);
        // Until it is taken, what comes before it is ruled by the one in force.
        self.step(|life, turn| {
            life.enter(border(rulebook, epoch), rulebook);
            let come = life.take(life.border.activate(), turn);
            assert!(
                come.records.is_empty() && come.effects.is_empty(),
                "{come:?}"
            );
            turn.out.governed.clear();
        });
    }

    /// The core is made anew from what the records say.
    fn restart(&mut self, clean: bool) {
        self.step(|life, turn| {
            if clean {
                let queues = life.naive.queues.values();
                let ends = queues.filter(|queue| queue.properties.exclusive);
                let consumers = ends.flat_map(|queue| queue.consumers.keys().copied());
                life.cancels.extend(consumers);
                life.core.write_repeats(true, turn);
                life.core.stop(turn);
                let come = life.come(turn);
                let is = matches!(come.records[..], [(_, Record::Stopped { .. })]);
                assert!(is, "{come:?}");
            }
            life.core = Core::new(life.replayed.clone(), SECRET);
            life.naive.restart(clean);
            life.cancels.clear();
            life.back.clear();
            life.narrows.clear();
            if !clean {
                life.core.begin(&Record::Recovered, turn);
                life.come(turn);
            }
        });
        self.attach_all();
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

fn system(place: usize) -> SystemId {
    let (agency, system) = PLACES[place];
    format!("{agency}/{system}").parse().unwrap()
}

#[test]
fn the_core_alone_does_in_a_random_ruled_life_what_a_plain_model_says() {
    let long = std::env::var_os("CARNET_TEST_LONG").is_some();
    let config = ProptestConfig {
        cases: if long { 1_000 } else { 64 },
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let seen = RefCell::new(BTreeSet::new());
    let lead = |acts: &[Act]| {
        let mut life = Life::start();
        let declared = (0..OWN.len()).map(Act::Declare);
        declared
            .chain(acts.iter().copied())
            .for_each(|act| life.act(act));
        seen.borrow_mut().extend(life.seen);
    };
    lead(&RARE);
    let lives = TestRunner::new(config).run(&acts(), |acts| {
        lead(&acts);
        Ok(())
    });
    lives.unwrap_or_else(|failed| panic!("{failed}"));
    let seen = seen.into_inner();
    let missing: Vec<&str> = SEEN.into_iter().filter(|it| !seen.contains(it)).collect();
    println!("did not come up: {missing:?}");
    // In fewer lives it would be luck.
    assert!(!long || missing.is_empty(), "{missing:?} in {seen:?}");
}
