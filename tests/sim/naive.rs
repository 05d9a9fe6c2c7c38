//! Queues as they should be, in as few words as possible: what waits, what is out to whom, and which
//! record may follow. It knows nothing of pages, leases, cursors or turns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carnet::broker::effect::Deliver;
use carnet::broker::ids::{ChannelKey, ConnectionId, DeliveryId, EntryAddress};
use carnet::broker::ledger::{Ledger, QueueKind, standing_name};
use carnet::broker::limits::{DELIVERY_LIMIT, UNLIMITED_PREFETCH};
use carnet::broker::record::{
    Cause, Narrowed, Placed, QueueId, QueueProperties, Settled, Settling,
};
use carnet::journal::Lsn;
use carnet::message::id::{Mask, SystemId, UnitId};
use carnet::message::time::Timestamp;

use crate::unit::in_head;

/// Who has a message.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub(crate) to: ChannelKey,
    pub(crate) consumer: Option<u64>,
    attempt: u64,
}

/// A message that waits in a queue, or is out from there.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The record that holds the message.
    source: Lsn,
    /// What was released of it; none where it is a receipt or its agency's own.
    mask: Option<Mask>,
    private: bool,
    pub(crate) octets: u64,
    deadline: Option<Timestamp>,
    returns: u32,
    sent: bool,
    /// Whether a crash may have come between sending it and knowing that.
    maybe_sent: bool,
    out: Option<Out>,
    /// How its taker wants it settled, until a record says so.
    asked: Option<(Settling, SystemId)>,
}

impl Entry {
    pub(crate) fn new(source: Lsn, deadline: Option<Timestamp>) -> Self {
        Self {
            source,
            deadline,
            mask: None,
            private: false,
            octets: 0,
            returns: 0,
            sent: false,
            maybe_sent: false,
            out: None,
            asked: None,
        }
    }

    pub(crate) fn released(self, mask: Mask) -> Self {
        let mask = Some(mask);
        Self { mask, ..self }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.out.is_none() && self.asked.is_none()
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) unit: UnitId,
    pub(crate) name: String,
    pub(crate) kind: QueueKind,
    pub(crate) properties: QueueProperties,
    pub(crate) owner: Option<ConnectionId>,
    pub(crate) keys: BTreeSet<String>,
    pub(crate) entries: BTreeMap<Lsn, Entry>,
    /// By channel and number, with their prefetch.
    pub(crate) consumers: BTreeMap<(ChannelKey, u64), u16>,
}

impl Queue {
    fn new(unit: &UnitId, name: String, kind: QueueKind) -> Self {
        Self {
            unit: unit.clone(),
            name,
            kind,
            properties: QueueProperties::default(),
            owner: None,
            keys: BTreeSet::new(),
            entries: BTreeMap::new(),
            consumers: BTreeMap::new(),
        }
    }

    fn number(&self, argument: &str) -> Option<u64> {
        let number = self.properties.integer(argument);
        number.and_then(|number| u64::try_from(number).ok())
    }

    fn limit(&self) -> u32 {
        let own = self.number("x-delivery-limit");
        own.map_or(DELIVERY_LIMIT, |limit| u32::try_from(limit).unwrap())
    }

    pub(crate) fn ready(&self) -> usize {
        self.entries.values().filter(|it| it.is_ready()).count()
    }

    /// Those that wait, the oldest first.
    fn waiting(&self) -> impl Iterator<Item = (Lsn, &Entry)> {
        let ready = self.entries.iter().filter(|(_, it)| it.is_ready());
        ready.map(|(at, entry)| (*at, entry))
    }

    fn most(&self) -> usize {
        let most = self.number("x-max-length");
        most.map_or(usize::MAX, |most| usize::try_from(most).unwrap())
    }

    fn has_credit(&self, consumer: (ChannelKey, u64)) -> bool {
        let Some(limit) = self.consumers.get(&consumer) else {
            return false;
        };
        let limit = match *limit {
            0 => usize::try_from(UNLIMITED_PREFETCH).unwrap(),
            limit => usize::from(limit),
        };
        let out = self.entries.values().filter_map(|it| it.out.as_ref());
        let taken = out.filter(|out| (out.to, out.consumer) == (consumer.0, Some(consumer.1)));
        taken.count() < limit
    }

    fn takes(&self, key: &str) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|own| own == "#" || key.starts_with(own.trim_end_matches('#')))
    }
}

/// All queues, by number.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    pub(crate) queues: BTreeMap<QueueId, Queue>,
    pub(crate) now: Timestamp,
    /// Buried where they waited, since the last look.
    buried: Vec<(EntryAddress, Cause)>,
}

impl Naive {
    /// The standing queues of units that are new.
    pub(crate) fn units<'u>(&mut self, units: impl IntoIterator<Item = &'u UnitId>) {
        for unit in units {
            for kind in [QueueKind::Inbox, QueueKind::Receipts, QueueKind::Dead] {
                let name = standing_name(unit, kind);
                if self.named(unit, &name).is_none() {
                    let id = QueueId(u64::try_from(self.queues.len()).unwrap());
                    self.queues.insert(id, Queue::new(unit, name, kind));
                }
            }
        }
    }

    pub(crate) fn declare(&mut self, id: QueueId, unit: &UnitId, name: &str) -> &mut Queue {
        assert!(self.named(unit, name).is_none(), "it is there already");
        let queue = Queue::new(unit, name.to_owned(), QueueKind::Own);
        assert!(!self.queues.contains_key(&id), "a number is given once");
        self.queues.entry(id).or_insert(queue)
    }

    pub(crate) fn named(&self, unit: &UnitId, name: &str) -> Option<QueueId> {
        let mut queues = self.queues.iter();
        let found = queues.find(|(_, queue)| queue.unit == *unit && queue.name == name);
        found.map(|(id, _)| *id)
    }

    pub(crate) fn of_kind(&self, unit: &UnitId, kind: QueueKind) -> QueueId {
        self.named(unit, &standing_name(unit, kind)).unwrap()
    }

    /// Which queues of a unit take a release with this key: its inbox first.
    pub(crate) fn routed(&self, unit: &UnitId, key: &str) -> Vec<QueueId> {
        let own = self.queues.iter();
        let own = own.filter(|(_, queue)| queue.unit == *unit && queue.takes(key));
        std::iter::once(self.of_kind(unit, QueueKind::Inbox))
            .chain(own.map(|(id, _)| *id))
            .collect()
    }

    pub(crate) fn put(&mut self, id: QueueId, at: Lsn, entry: Entry) {
        let now = self.now;
        let queue = self.queues.get_mut(&id).unwrap();
        let ttl = queue.number("x-message-ttl").map(Duration::from_millis);
        let own = ttl.map(|ttl| now.plus(ttl));
        let deadline = [entry.deadline, own].into_iter().flatten().min();
        let entry = Entry { deadline, ..entry };
        let newest = queue.entries.last_key_value();
        assert!(newest.is_none_or(|(last, _)| *last < at), "in order");
        queue.entries.insert(at, entry);
    }

    /// A message that its own agency published.
    pub(crate) fn put_private(&mut self, placed: &Placed, at: Lsn, octets: u64) {
        for id in &placed.queues {
            let entry = Entry {
                private: true,
                octets,
                ..Entry::new(at, placed.deadline)
            };
            self.put(*id, at, entry);
        }
    }

    fn entry(&mut self, id: QueueId, at: Lsn) -> &mut Entry {
        let queue = self.queues.get_mut(&id).expect("a queue");
        queue.entries.get_mut(&at).expect("an entry")
    }

    /// A client settles a delivery: too late where it is not out to it in this attempt.
    pub(crate) fn ask(&mut self, delivery: DeliveryId, how: Settling, system: &SystemId) {
        let queue = self.queues.get_mut(&delivery.queue);
        let entry = queue.and_then(|queue| queue.entries.get_mut(&delivery.entry));
        let is = |entry: &&mut Entry| {
            let out = entry.out.as_ref();
            out.is_some_and(|out| out.attempt == delivery.attempt)
        };
        if let Some(entry) = entry.filter(is) {
            entry.out = None;
            entry.asked = Some((how, system.clone()));
        }
    }

    /// To whom a delivery is out in this attempt.
    pub(crate) fn taker(&self, delivery: DeliveryId) -> Option<ChannelKey> {
        let entry = self.queues.get(&delivery.queue);
        let entry = entry.and_then(|queue| queue.entries.get(&delivery.entry));
        let out = entry.and_then(|entry| entry.out.as_ref());
        let out = out.filter(|out| out.attempt == delivery.attempt);
        out.map(|out| out.to)
    }

    /// What is released of a message that is out.
    pub(crate) fn mask_of(&self, delivery: DeliveryId) -> Option<Mask> {
        self.queues[&delivery.queue].entries[&delivery.entry].mask
    }

    /// Whether something waits that may be delivered.
    pub(crate) fn may_give(&self, id: QueueId) -> bool {
        let mut waiting = self.queues[&id].waiting();
        waiting.any(|(_, entry)| !entry.is_over(self.now))
    }

    /// A release is less than it was, wherever it is.
    pub(crate) fn narrow(&mut self, narrowed: &Narrowed) {
        let queues = self.queues.values_mut();
        let queues = queues.filter(|queue| queue.unit == narrowed.unit);
        let entries = queues.flat_map(|queue| queue.entries.values_mut());
        for entry in entries.filter(|it| it.source == narrowed.exchange) {
            entry.mask = entry.mask.map(|mask| mask.intersection(narrowed.left.mask));
        }
    }

    /// Channels have ended: their consumers go, what was out to them comes back.
    pub(crate) fn over(
        &mut self,
        is: impl Fn(ChannelKey) -> bool,
        how: Settling,
        system: &SystemId,
    ) {
        for queue in self.queues.values_mut() {
            queue.consumers.retain(|consumer, _| !is(consumer.0));
            let entries = queue.entries.values_mut();
            for entry in entries.filter(|it| it.out.as_ref().is_some_and(|out| is(out.to))) {
                entry.out = None;
                entry.asked = Some((how, system.clone()));
            }
        }
    }

    /// What the records of settles say is what was asked for, or time and bounds did.
    pub(crate) fn settled(&mut self, settled: &Settled) {
        for line in settled.lines() {
            for at in line.entries {
                let address = EntryAddress {
                    queue: line.queue,
                    entry: *at,
                };
                self.settle(address, line.how);
            }
        }
    }

    fn settle(&mut self, address: EntryAddress, how: Settling) {
        let cause = match how {
            Settling::Acked => None,
            Settling::Rejected => Some(Cause::Rejected),
            Settling::Expired => Some(Cause::Expired),
            Settling::DeliveryLimit => Some(Cause::DeliveryLimit),
            Settling::MaxLength => Some(Cause::MaxLength),
            Settling::Requeued | Settling::Left | Settling::Interrupted => {
                let limit = self.queues[&address.queue].limit();
                let entry = self.entry(address.queue, address.entry);
                let asked = entry.asked.take().expect("it was given back");
                assert_eq!(asked.0, how);
                if how != Settling::Interrupted {
                    assert!(entry.returns < limit, "it came back too often");
                    entry.returns += 1;
                }
                return;
            }
        };
        if cause.is_some() {
            assert_eq!(self.target(address), None, "it is to be kept");
        }
        self.leaves(address, cause);
    }

    /// An entry has moved to where its queue, or its unit, wants what dies.
    pub(crate) fn moved(&mut self, placed: &Placed, at: Lsn) {
        let from = placed.from.as_ref().unwrap();
        let address = EntryAddress {
            queue: from.queue,
            entry: from.entry,
        };
        let target = self.target(address);
        assert_eq!(placed.queues, Vec::from_iter(target), "{from:?}");
        let was = self.leaves(address, Some(from.cause));
        let by = was.asked.as_ref().map(|(_, system)| system);
        let by = by.filter(|_| from.cause == Cause::Rejected);
        assert_eq!(from.by.as_ref(), by, "{from:?}");
        assert_eq!(
            (placed.source, placed.private),
            (Some(was.source), was.private)
        );
        let entry = Entry {
            mask: was.mask,
            private: was.private,
            octets: was.octets,
            ..Entry::new(was.source, None)
        };
        self.put(placed.queues[0], at, entry);
    }

    fn target(&self, address: EntryAddress) -> Option<QueueId> {
        let queue = &self.queues[&address.queue];
        let dead = self.of_kind(&queue.unit, QueueKind::Dead);
        let private = queue.entries[&address.entry].private;
        match queue.kind {
            QueueKind::Inbox => Some(dead),
            QueueKind::Receipts | QueueKind::Dead => None,
            QueueKind::Own => {
                let own = queue.properties.text("x-dead-letter-routing-key");
                let own = own.and_then(|name| self.named(&queue.unit, name));
                own.or((!private).then_some(dead))
            }
        }
    }

    /// Takes an entry away that may leave for this cause, or was acknowledged.
    fn leaves(&mut self, address: EntryAddress, cause: Option<Cause>) -> Entry {
        let now = self.now;
        let queue = self.queues.get_mut(&address.queue).expect("a queue");
        let limit = queue.limit();
        let entry = queue.entries.remove(&address.entry).expect("an entry");
        let asked = entry.asked.as_ref().map(|(how, _)| *how);
        match cause {
            None => assert_eq!(asked, Some(Settling::Acked)),
            Some(Cause::Rejected) => assert_eq!(asked, Some(Settling::Rejected)),
            Some(Cause::DeliveryLimit) => {
                assert!(matches!(asked, Some(Settling::Requeued | Settling::Left)));
                assert!(entry.returns >= limit, "{entry:?}");
            }
            Some(cause @ (Cause::Expired | Cause::MaxLength)) => {
                let over = cause == Cause::MaxLength || entry.is_over(now);
                assert!(entry.is_ready() && over, "{cause:?} {entry:?}");
                self.buried.push((address, cause));
            }
        }
        entry
    }

    /// A message goes out: the oldest that waits, to who has asked for it and has credit.
    pub(crate) fn delivered(&mut self, connection: ConnectionId, deliver: &Deliver) {
        let DeliveryId {
            queue: id,
            entry: at,
            attempt,
        } = deliver.delivery;
        let to = ChannelKey::new(connection, deliver.channel);
        let now = self.now;
        let queue = &self.queues[&id];
        let first = queue.waiting().find(|(_, entry)| !entry.is_over(now));
        let (first, entry) = first.expect("something that waits");
        assert_eq!(first, at, "the oldest that waits comes first");
        assert_eq!(
            (deliver.source().at(), deliver.returns, deliver.private),
            (entry.source, entry.returns, entry.private)
        );
        let was_sent = entry.sent || entry.returns > 0;
        assert!(
            deliver.redelivered == was_sent || (deliver.redelivered && entry.maybe_sent),
            "{entry:?}"
        );
        if let Some(number) = deliver.consumer {
            assert!(queue.has_credit((to, number)), "beyond its credit");
        }
        let consumer = deliver.consumer;
        let entry = self.entry(id, at);
        entry.sent = true;
        entry.out = Some(Out {
            to,
            consumer,
            attempt,
        });
    }

    /// The broker starts again: nobody is connected. `clean`: it has said what was out.
    pub(crate) fn restart(&mut self, clean: bool) {
        self.queues.retain(|_, queue| !queue.properties.exclusive);
        for queue in self.queues.values_mut() {
            queue.consumers.clear();
            for entry in queue.entries.values_mut() {
                entry.out = None;
                entry.maybe_sent |= !clean;
            }
        }
    }

    /// Nothing is left to be done: the ledger holds what is here, and nothing waits that could go out,
    /// or should be gone.
    pub(crate) fn agrees(&self, ledger: &Ledger) {
        let numbers: Vec<QueueId> = ledger.queues().map(|(id, _)| id).collect();
        assert!(self.queues.keys().eq(&numbers), "other queues");
        for (id, real) in ledger.queues() {
            let queue = &self.queues[&id];
            assert_eq!((&real.unit, &real.name), (&queue.unit, &queue.name));
            let held = in_head(&real.backlog).map(|entry| entry.lsn);
            assert!(held.eq(queue.entries.keys().copied()), "{}", queue.name);
            assert_eq!(usize::try_from(real.backlog.len()), Ok(queue.entries.len()));
            let asked = queue.entries.values().find(|it| it.asked.is_some());
            assert!(asked.is_none(), "never written down: {asked:?}");
            if let Some((_, first)) = queue.waiting().next() {
                assert!(!first.is_over(self.now), "expired at the head: {first:?}");
                let idle = queue.consumers.keys().find(|it| queue.has_credit(**it));
                assert!(idle.is_none(), "{idle:?} waits beside {first:?}");
            }
            assert!(queue.ready() <= queue.most(), "{}", queue.name);
        }
    }

    /// What was buried where it waited was the oldest that waited, and no more than had to be.
    pub(crate) fn looked(&mut self) {
        for (EntryAddress { queue, entry }, cause) in self.buried.drain(..) {
            let queue = &self.queues[&queue];
            let first = queue.waiting().next().map(|(at, _)| at);
            assert!(first.is_none_or(|at| at > entry), "{first:?} before it");
            assert!(cause != Cause::MaxLength || queue.ready() >= queue.most());
        }
    }
}
