//! A day at the border in small, played through the committer, deterministic to the byte.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use carnet::agency::registry::Peer;
use carnet::backbone::load::load;
use carnet::backbone::start::{Recovered, recover};
use carnet::broker::command::{Ask, Command, Private, Settle, Unroutable};
use carnet::broker::committer::{Committer, Step};
use carnet::broker::delivery::{Prepared, prepare};
use carnet::broker::effect::{Deliver, Effect};
use carnet::broker::event::Event;
use carnet::broker::governance::{
    Act, Confirmation, Declaring, Deed, Done, Governance, Measure, Ticket,
};
use carnet::broker::ids::{ChannelKey, ConnectionId, DeliveryId, Origin};
use carnet::broker::input::Input;
use carnet::broker::record::{Argument, QueueId, QueueProperties};
use carnet::journal::Lsn;
use carnet::message::envelope::Publish;
use carnet::message::id::{Digest, Mask};

use crate::border::{Admitted, Border, Fact, noon, publish};
use crate::governed::signed;
use crate::recovered::{Told, data, options, released};
use crate::unit::published;
use crate::watched::Watched;

/// Who is connected, in the order of their connections.
const SYSTEMS: [(&str, &str); 4] = [
    ("post", "items"),
    ("customs", "declarations"),
    ("environment", "permits"),
    ("police", "operations"),
];
const CUSTOMS: usize = 1;
const ENVIRONMENT: usize = 2;

pub(crate) struct Live {
    border: Border,
    peers: Vec<Peer>,
    vfs: Watched,
    committer: Option<Committer<Watched>>,
    pub(crate) told: Told,
    /// The number of each system's present connection.
    connections: Vec<u64>,
    /// What a publish is, by its confirm tag.
    facts: Vec<Fact>,
    /// Deliveries that a client has in hand.
    inhand: VecDeque<DeliveryId>,
    /// Sent to a connection, which found that it must be narrower first.
    offered: BTreeSet<(QueueId, Lsn)>,
    /// Commands for the next step.
    waiting: Vec<Input>,
    serials: BTreeMap<u64, u64>,
    /// What the script came across.
    pub(crate) seen: BTreeMap<&'static str, u32>,
}

impl Live {
    pub(crate) fn start() -> Self {
        Self::start_on(512)
    }

    /// On a disk with sectors of so many octets.
    pub(crate) fn start_on(sectors: usize) -> Self {
        let border = Border::read();
        let peers = SYSTEMS.map(|(agency, system)| border.peer(agency, system));
        let mut live = Self {
            border,
            peers: peers.into(),
            vfs: Watched::with_sectors(sectors),
            committer: None,
            told: Told::default(),
            connections: vec![1, 2, 3, 4],
            facts: Vec::new(),
            inhand: VecDeque::new(),
            offered: BTreeSet::new(),
            waiting: Vec::new(),
            serials: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        live.told.now = noon();
        live.open();
        live
    }

    /// The disk as every crash since the last look would have left it.
    pub(crate) fn crashes(&self) -> Vec<carnet_disk::SimVfs> {
        self.vfs.take()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.vfs.disk().calls()
    }

    fn open(&mut self) {
        let Recovered {
            recovery,
            mut committer,
            ..
        } = recover(&self.vfs, data(), &options()).unwrap();
        assert!(recovery.created || recovery.clean);
        if recovery.created {
            committer.begin(&self.border.genesis()).unwrap();
        }
        self.committer = Some(committer);
        self.remember();
        for place in 0..SYSTEMS.len() {
            self.attach(place);
        }
    }

    fn committer(&mut self) -> &mut Committer<Watched> {
        self.committer.as_mut().unwrap()
    }

    /// The ledger as it will be if the batch ends here.
    fn remember(&mut self) {
        let committer = self.committer.as_ref().unwrap();
        let (at, ledger) = (committer.journal().next(), committer.ledger().clone());
        self.told.history.insert(at, ledger);
    }

    fn attach(&mut self, place: usize) {
        let connection = ConnectionId(self.connections[place]);
        let unit = self.peers[place].unit.id.clone();
        self.hand(Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        });
        // One is slow until the first restart: fresh messages then wait below an old lease.
        let slow = place == ENVIRONMENT && self.connections[place] < 100;
        let (count, global) = (if slow { 1 } else { 6 }, false);
        self.ask(place, Ask::Prefetch { count, global });
        for (queue, number) in ["inbox", "receipts"].into_iter().zip(1..) {
            self.consume(place, queue, number);
        }
    }

    fn consume(&mut self, place: usize, queue: &str, number: u64) {
        let queue = queue.to_owned();
        let ask = Ask::Consume {
            number,
            queue,
            priority: 0,
            exclusive: false,
            may_read: true,
        };
        self.ask(place, ask);
    }

    pub(crate) fn ask(&mut self, place: usize, ask: Ask) {
        let connection = ConnectionId(self.connections[place]);
        self.hand(Command::Ask {
            connection,
            channel: 1,
            ask,
        });
    }

    /// A queue of customs' own, which a topic pattern or a private publish fills.
    pub(crate) fn declare(&mut self, name: &str, arguments: &[(&str, Argument)], exclusive: bool) {
        let arguments = arguments.iter();
        let properties = QueueProperties {
            durable: !exclusive,
            exclusive,
            auto_delete: false,
            arguments: arguments
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        };
        let name = name.to_owned();
        let passive = false;
        self.ask(
            CUSTOMS,
            Ask::DeclareQueue {
                name: name.clone(),
                passive,
                properties,
            },
        );
        let (exchange, key, remove) = ("inbox".to_owned(), "movement.#".to_owned(), false);
        let queue = name.clone();
        self.ask(
            CUSTOMS,
            Ask::Bind {
                queue,
                exchange,
                key,
                remove,
            },
        );
        self.consume(CUSTOMS, &name, 3);
    }

    pub(crate) fn example(
        &mut self,
        place: usize,
        example: &str,
        id: &str,
        headers: &[(&str, &str)],
    ) {
        let publish = self.border.publish(example, id, headers);
        self.send(place, &publish);
    }

    pub(crate) fn expiring(&mut self, place: usize, example: &str, id: &str) {
        let mut publish = self.border.publish(example, id, &[]);
        publish.expiration = Some("60".to_owned());
        self.send(place, &publish);
    }

    /// An example with blanks behind it: as invalid as it is, and like no other.
    pub(crate) fn blanks(&mut self, place: usize, example: &str, id: &str, blanks: usize) {
        let mut publish = self.border.publish(example, id, &[]);
        publish.body = [&publish.body[..], " ".repeat(blanks).as_bytes()]
            .concat()
            .into();
        self.send(place, &publish);
    }

    pub(crate) fn case(&mut self, place: usize, step: &str, id: &str) {
        let body = match step {
            "case.open" => r#"{"CaseID": "C-1", "Areas": ["ipr"], "Invites": ["police"]}"#,
            _ => r#"{"CaseID": "C-1"}"#,
        };
        self.send(place, &publish(step, id, body.as_bytes(), &[]));
    }

    fn send(&mut self, place: usize, publish: &Publish) {
        let (origin, fact) = (self.origin(place), self.facts.len());
        let admitted = self.admitted(place, publish);
        self.facts.push(admitted.fact());
        self.hand(Command::Submit(origin, admitted.submission()));
        assert_eq!(origin.confirm, u64::try_from(fact).ok());
        self.told.submitted.push(admitted);
    }

    fn admitted(&self, place: usize, publish: &Publish) -> Admitted {
        let ledger = self.committer.as_ref().unwrap().ledger();
        let view = self.border.view(ledger.register().standing());
        Admitted::new(&self.peers[place], publish, &view, self.told.now)
    }

    fn origin(&mut self, place: usize) -> Origin {
        let connection = self.connections[place];
        let serial = self.serials.entry(connection).or_default();
        *serial += 1;
        Origin {
            connection: ConnectionId(connection),
            channel: 1,
            serial: *serial,
            confirm: u64::try_from(self.facts.len()).ok(),
        }
    }

    /// A publish of customs for itself.
    pub(crate) fn private(&mut self, queue: &str, text: &str, ttl_ms: Option<u64>) {
        let origin = self.origin(CUSTOMS);
        let mut private = Private {
            ttl: ttl_ms.map(Duration::from_millis),
            unroutable: Unroutable::of(true),
            ..published(queue, origin, text.as_bytes())
        };
        private.wire.body = Bytes::copy_from_slice(text.as_bytes());
        let digest = Digest(*private.frame.digest());
        self.facts.push(Fact::Private(digest));
        self.hand(Command::from(private));
    }

    fn hand(&mut self, input: impl Into<Input>) {
        self.waiting.push(input.into());
    }

    /// Settles the oldest deliveries in hand.
    pub(crate) fn settle(&mut self, how: Settle, count: usize) {
        let deliveries: Vec<DeliveryId> =
            self.inhand.drain(..count.min(self.inhand.len())).collect();
        if how != Settle::Requeue {
            let places = deliveries.iter().map(|d| (d.queue, d.entry));
            self.told.settled.extend(places);
        }
        self.hand(Command::Settle { deliveries, how });
    }

    /// A client's connection breaks, and it comes back.
    pub(crate) fn reconnect(&mut self, place: usize) {
        let old = self.connections[place];
        self.connections[place] = old + 10;
        self.hand(Event::Gone(ConnectionId(old)));
        // What it had in hand, others had too; late settles of these change nothing.
        self.attach(place);
    }

    /// An officer of `agency` declares a measure; a level ends after so many milliseconds.
    pub(crate) fn declare_measure(&mut self, agency: &str, measure: Measure, ms: Option<u64>) {
        let until = ms.map(|ms| self.told.now.plus(Duration::from_millis(ms)));
        self.govern(Deed::Declare(Declaring {
            act: officer(agency, 1),
            measure,
            until,
            reason: "what happens".to_owned(),
            board: BTreeSet::from(["police".parse().unwrap()]),
        }));
    }

    /// Another officer confirms a measure of the agency, where it has so many.
    pub(crate) fn confirm_measure(&mut self, agency: &str, measure: u64) {
        let act = officer(agency, 2);
        let statement = self.governance().measure_statement(measure, &act.by);
        if let Some(statement) = statement {
            let signed = signed(statement.to_string());
            self.govern(Deed::Confirm(Confirmation {
                act,
                measure,
                signed,
            }));
        }
    }

    fn govern(&mut self, deed: Deed) {
        self.hand(Command::Govern(Ticket(1), Box::new(deed)));
    }

    fn governance(&self) -> &Governance {
        self.committer.as_ref().unwrap().ledger().governance()
    }

    /// How many measures the agency has had.
    pub(crate) fn measures(&self, agency: &str) -> u64 {
        let of = self.governance().measures(&agency.parse().unwrap());
        of.map_or(0, |of| u64::try_from(of.all().count()).unwrap())
    }

    /// The same rulebook comes into force once more: what was ruled by the one before is ruled again.
    pub(crate) fn activate(&mut self) {
        let epoch = self.committer().ledger().rulebook_epoch() + 1;
        let activate = self.border.activate_again(epoch);
        self.hand(activate);
    }

    /// Ends cleanly, in the same step as what waits.
    pub(crate) fn stop(&mut self) {
        self.hand(Event::Stop);
    }

    /// Starts again after a clean end.
    pub(crate) fn restart(&mut self) {
        self.waiting.clear();
        self.inhand.clear();
        self.committer = None;
        for connection in &mut self.connections {
            *connection += 100;
        }
        self.open();
    }

    /// One step, without telling anyone of it yet.
    pub(crate) fn decide(&mut self) -> Step {
        let commands = std::mem::take(&mut self.waiting);
        self.told.now = self.told.now.plus(Duration::from_millis(10));
        let now = self.told.now;
        let step = self.committer().step(commands, now).unwrap();
        self.remember();
        step
    }

    /// Tells clients what a step came to.
    pub(crate) fn tell(&mut self, step: Step) {
        self.told.governance = Some(self.governance().clone());
        for (_, done) in &step.governed {
            match done {
                Ok(Done::Declared(_)) => self.count("declared"),
                Ok(Done::Confirmed) => self.count("confirmed"),
                _ => {}
            }
        }
        for (connection, effect) in step.effects {
            let place = self.connections.iter().position(|c| *c == connection.0);
            let Some(place) = place else {
                // On its way to a client that was gone by then: it may have been sent.
                if let Effect::Deliver(deliver) = effect {
                    let delivery = deliver.delivery;
                    self.offered.insert((delivery.queue, delivery.entry));
                }
                continue;
            };
            match effect {
                Effect::Outcome { origin, returned } => {
                    self.confirmed(origin.confirm);
                    *self.seen.entry("returned").or_default() += u32::from(returned.is_some());
                }
                Effect::Repeated { origin, .. } => {
                    self.count("repeated");
                    self.confirmed(origin.confirm);
                }
                Effect::Again(origin, submission) => {
                    self.count("again");
                    let admitted = self.admitted(place, &submission.into_arrived().publish);
                    self.hand(Command::Submit(origin, admitted.submission()));
                    self.told
                        .submitted
                        .retain(|other| other.fact() != admitted.fact());
                    self.told.submitted.push(admitted);
                }
                Effect::AgainPrivate(private) => self.hand(Command::Private(private)),
                Effect::Deliver(deliver) => self.deliver(place, &deliver),
                Effect::Narrowed { deliver, .. } => {
                    if let Some(deliver) = deliver {
                        self.deliver(place, &deliver);
                    }
                }
                Effect::Answer { answer, .. } => {
                    let refused = matches!(answer, carnet::broker::effect::Answer::Refused(_));
                    assert!(!refused, "{answer:?}");
                }
                other => assert!(matches!(other, Effect::Cancelled { .. }), "{other:?}"),
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn confirmed(&mut self, confirm: Option<u64>) {
        let fact = &self.facts[usize::try_from(confirm.unwrap()).unwrap()];
        self.told.confirmed.insert(fact.clone());
    }

    /// What a connection does: looks again at what the release rested on, then sends or narrows.
    fn deliver(&mut self, place: usize, deliver: &Deliver) {
        let committer = self.committer.as_ref().unwrap();
        let stored = load(&committer.journal().reader(), deliver.source().at()).unwrap();
        let view = self.border.view(committer.ledger().register().standing());
        let unit = self.peers[place].unit.id.clone();
        let delivery = deliver.delivery;
        match prepare(deliver, &stored, &unit, &view, self.told.now).unwrap() {
            Prepared::Narrow(less, queues) => {
                self.count("narrowed");
                self.offered.insert((delivery.queue, delivery.entry));
                let narrowed = deliver.narrowed(unit, self.told.now, less, queues);
                let to = ChannelKey::new(ConnectionId(self.connections[place]), deliver.channel);
                self.hand(Command::Narrow {
                    to,
                    delivery,
                    narrowed,
                });
            }
            Prepared::Send(rendered) => {
                let mask = released(&stored.record, &unit);
                let narrowed = deliver.overlay.narrowed.as_ref().map(|left| left.mask);
                let mask = mask.map(|mask| narrowed.unwrap_or(mask));
                let withdrawn = rendered.routing_key == "carnet.withdrawn";
                assert_eq!(withdrawn, mask.is_some_and(Mask::is_empty));
                self.sent(deliver, mask);
            }
        }
    }

    fn sent(&mut self, deliver: &Deliver, mask: Option<Mask>) {
        let id = (deliver.delivery.queue, deliver.delivery.entry);
        let before = self.told.delivered.insert(id, mask);
        // No crash in this life: the flag is exactly true.
        assert!(
            deliver.redelivered || before.is_none(),
            "{id:?} again, unsaid"
        );
        let sent = before.is_some() || self.offered.contains(&id);
        assert!(sent || !deliver.redelivered, "{id:?} is new");
        if let (Some(Some(before)), Some(now)) = (before, mask) {
            assert!(now.without(before).is_empty(), "{id:?} is wider now");
        }
        let what = if deliver.redelivered {
            "redelivered"
        } else {
            "delivered"
        };
        self.count(what);
        let (deaths, private) = (!deliver.overlay.died.deaths.is_empty(), deliver.private);
        *self.seen.entry("dead").or_default() += u32::from(deaths);
        *self.seen.entry("private").or_default() += u32::from(private);
        self.inhand.push_back(deliver.delivery);
    }

    /// Journal time goes by.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.told.now = self.told.now.plus(Duration::from_millis(ms));
        self.hand(Event::Tick);
    }

    pub(crate) fn units(&self) -> usize {
        self.peers.len()
    }
}

/// The officer of this number of an agency, with a key of his own.
fn officer(agency: &str, number: u8) -> Act {
    Act {
        by: format!("{agency}/o-1{number}").parse().unwrap(),
        key: Digest([number; 32]),
        vouched_by: None,
    }
}
