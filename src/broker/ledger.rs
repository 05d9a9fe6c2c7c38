//! The ledger: everything durable, as one value with one writer.
//!
//! [`Ledger::apply`] is the only writer, live and in replay; it takes facts and cannot refuse them.
//! What to do about a command is decided in `decide`, which reads and never writes. The committer
//! thread owns the ledger; what others need of it leaves as published snapshots.

mod bindings;
mod died;
mod entries;
mod governed;
mod lost;
mod owned;
mod shown;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use bindings::Bindings;
pub use died::{Death, Died};
pub use owned::{Overlay, Queue, QueueKind, UnitState, is_standing_name, may_read, standing_name};
pub use shown::Shown;

use super::dedup::{Known, KnownIds};
use super::governance::Governance;
use super::queue::{Entry, Page, Volume};
use super::record::{
    Exchange, Outcome, QueueId, QueueProperties, Record, Rejected, Topology, UnitEntry,
};
use super::refusals::RefusalCounts;
use super::register::Register;
use crate::agency::registry::Party;
use crate::journal::Lsn;
use crate::message::id::UnitId;
use crate::message::time::Timestamp;

/// What `apply` did that dispatch and the shell must know. Replay drops these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Entries were put into a queue.
    Enqueued(QueueId),
    /// An entry left its queue.
    Gone(QueueId, Lsn),
    /// An entry came back to its queue.
    Returned(QueueId, Lsn),
    /// A queue was emptied.
    Emptied(QueueId),
    /// A queue was removed.
    Removed(QueueId),
    /// A page of a queue is full and wants to be on disk.
    Page(QueueId, Page),
    /// A page of a queue is needed no more, in memory or on disk.
    PageDone(QueueId, Page),
    /// Standing facts changed.
    Standing,
    /// The rulebook in force has changed, or what is proposed.
    Governance,
    /// A release was narrowed.
    Narrowed(Lsn, UnitId),
}

/// The durable state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    pub(super) time: Timestamp,
    pub(super) governance: Arc<Governance>,
    pub(super) development: bool,
    pub(super) units: BTreeMap<UnitId, UnitState>,
    pub(super) queues: BTreeMap<QueueId, Queue>,
    pub(super) next_queue: u64,
    pub(super) leaves: u64,
    pub(super) known: KnownIds,
    pub(super) register: Register,
    pub(super) refusals: RefusalCounts,
    pub(super) shown: Shown,
    /// What queues of each party's own hold. It follows from the queues.
    pub(super) kept: BTreeMap<Party, Volume>,
}

impl Ledger {
    /// An empty one that keeps so many used ids in memory.
    pub fn remembering(ids: usize) -> Self {
        Self {
            known: KnownIds::holding(ids),
            ..Self::default()
        }
    }

    /// As it was stored it has no used ids in memory: none before `reach`, and room for so many after
    /// it.
    pub fn remember_from(&mut self, reach: Lsn, ids: usize) {
        self.known.hold_from(reach, ids);
    }

    /// Journal time: the time of the last record; it never steps back.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Counts activations; 0 before the first rulebook.
    pub fn rulebook_epoch(&self) -> u64 {
        let active = self.governance.active();
        active.map_or(0, |active| active.number)
    }

    /// What is proposed, decided and in force. Cheap to clone: a snapshot.
    pub fn governance(&self) -> &Arc<Governance> {
        &self.governance
    }

    /// Whether the log was begun with `--dev`.
    pub fn is_development(&self) -> bool {
        self.development
    }

    /// Evidence records so far: the size of the tree.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// What was signed of the tree.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Standing facts, with what stands behind them.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// The party that holds the facts of a unit, and pays for what it does.
    pub fn party(&self, unit: &UnitId) -> Party {
        let listed = self.units.get(unit).is_none_or(|state| state.listed);
        Party::of(unit, listed)
    }

    /// What queues of a party's own hold: its own messages and what it was sent.
    pub fn kept_by(&self, party: &Party) -> Volume {
        self.kept.get(party).copied().unwrap_or_default()
    }

    /// Refusals of this minute, by agency.
    pub fn refusals(&self) -> &RefusalCounts {
        &self.refusals
    }

    /// Ids that were used.
    pub fn known(&self) -> &KnownIds {
        &self.known
    }

    /// A unit's state.
    pub fn unit(&self, unit: &UnitId) -> Option<&UnitState> {
        self.units.get(unit)
    }

    /// A queue.
    pub fn queue(&self, queue: QueueId) -> Option<&Queue> {
        self.queues.get(&queue)
    }

    /// All queues.
    pub fn queues(&self) -> impl Iterator<Item = (QueueId, &Queue)> {
        self.queues.iter().map(|(id, queue)| (*id, queue))
    }

    /// A queue of a unit by name. Queues of other units are absent.
    pub fn queue_named(&self, unit: &UnitId, name: &str) -> Option<QueueId> {
        self.units.get(unit)?.names.get(name).copied()
    }

    /// How many queues a unit has.
    pub fn queue_count(&self, unit: &UnitId) -> usize {
        self.units.get(unit).map_or(0, |state| state.names.len())
    }

    /// The number that the next declared queue gets.
    pub fn next_queue(&self) -> QueueId {
        QueueId(self.next_queue)
    }

    /// Queues of `unit` that take a message published to one of its exchanges.
    pub fn routed(&self, unit: &UnitId, exchange: &str, key: &str) -> Vec<QueueId> {
        let state = self.units.get(unit);
        state.map_or_else(Vec::new, |state| state.bindings.routed(exchange, key))
    }

    /// How many bindings all queues of a unit have.
    pub fn binding_count(&self, unit: &UnitId) -> usize {
        let state = self.units.get(unit);
        state.map_or(0, |state| state.bindings.count())
    }

    /// Applies a fact that lies at `at` in the journal.
    pub fn apply(&mut self, record: &Record, at: Lsn) -> Vec<Change> {
        self.leaves += u64::from(record.is_evidence());
        let mut changes = Vec::new();
        match record {
            Record::Genesis(_)
            | Record::Activated(_)
            | Record::Proposed(_)
            | Record::Approved(_)
            | Record::Withdrawn(_)
            | Record::Scheduled(_) => self.governed(record, at, &mut changes),
            Record::Declared(_)
            | Record::Confirmed(_)
            | Record::MeasureEnded(_)
            | Record::Expiring(_) => self.of_agency(record, at, &mut changes),
            Record::Accessed(accessed) => self.time = self.time.max(accessed.at),
            Record::Revoked(revoked) => self.time = self.time.max(revoked.at),
            Record::NewKey(key) => self.time = self.time.max(key.at),
            Record::Probed { at } => self.time = self.time.max(*at),
            Record::Exchange(exchange) => self.exchanged(exchange, at, &mut changes),
            Record::Rejected(rejected) => self.rejected(rejected, at, &mut changes),
            Record::Placed(placed) => self.placed(placed, at, &mut changes),
            Record::Settled(settled) => self.settled(settled, &mut changes),
            Record::Topology(topology) => self.topology(topology, &mut changes),
            Record::Lease { queue, up_to } => {
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.sent_up_to = queue.sent_up_to.max(*up_to);
                }
            }
            Record::Case(case) => {
                self.time = self.time.max(case.at);
                self.register.case(case, at);
                changes.push(Change::Standing);
            }
            Record::Narrowed(narrowed) => {
                self.narrow(narrowed);
                changes.push(Change::Narrowed(narrowed.exchange, narrowed.unit.clone()));
            }
            Record::OrderEnded { at: time, order } => {
                self.time = self.time.max(*time);
                self.register.end_order(order, at);
                changes.push(Change::Standing);
            }
            Record::RefusalsNoted(noted) => {
                self.time = self.time.max(noted.to);
                self.refusals.noted(noted);
            }
            Record::RefusalsCounted(counted) => {
                self.time = self.time.max(counted.to);
                self.refusals.told(&counted.party);
            }
            Record::Recovered => self.recovered(at, &mut changes),
            Record::Stopped { out } => self.stopped(out, &mut changes),
            Record::Repeats(repeats) => self.time = self.time.max(repeats.at),
            Record::Lost(lost) => self.lost(lost, at, &mut changes),
            Record::Checkpoint(checkpoint) => {
                self.time = self.time.max(checkpoint.at);
                self.shown.last = Some(checkpoint.clone());
            }
        }
        changes
    }

    fn activate(&mut self, units: &[UnitEntry]) {
        for entry in units {
            let UnitEntry { id: unit, .. } = entry;
            if let Some(state) = self.units.get_mut(unit) {
                state.inbox_mode = entry.inbox;
                state.delivery_limit = entry.delivery_limit;
                self.list(unit, entry.listed);
                continue;
            }
            let kinds = [QueueKind::Inbox, QueueKind::Receipts, QueueKind::Dead];
            let [inbox, receipts, dead] = kinds.map(|kind| self.standing_queue(unit, kind));
            let names = [inbox, receipts, dead]
                .into_iter()
                .filter_map(|id| Some((self.queues.get(&id)?.name.clone(), id)));
            let state = UnitState {
                sent: 0,
                received: 0,
                inbox_mode: entry.inbox,
                listed: entry.listed,
                delivery_limit: entry.delivery_limit,
                inbox,
                receipts,
                dead,
                names: names.collect(),
                bindings: Bindings::default(),
                moved: BTreeMap::new(),
            };
            self.units.insert(unit.clone(), state);
        }
    }

    fn standing_queue(&mut self, unit: &UnitId, kind: QueueKind) -> QueueId {
        let id = QueueId(self.next_queue);
        self.next_queue += 1;
        let properties = QueueProperties {
            durable: true,
            ..QueueProperties::default()
        };
        let name = standing_name(unit, kind);
        self.queues
            .insert(id, Queue::new(unit.clone(), name, kind, properties));
        id
    }

    fn exchanged(&mut self, exchange: &Exchange, at: Lsn, changes: &mut Vec<Change>) {
        self.time = self.time.max(exchange.at);
        if let Some(number) = exchange.number {
            self.numbered(&exchange.unit, number);
        }
        for recipient in &exchange.recipients {
            let Outcome::Released(released) = &recipient.outcome else {
                continue;
            };
            if let Some(state) = self.units.get_mut(&recipient.unit) {
                assert!(
                    released.number == state.received + 1,
                    "a unit's numbers have no gaps"
                );
                state.received = released.number;
            }
            // Without its octets: a bound that counted them would tell how much is withheld.
            for queue in &released.queues {
                self.enqueue(*queue, Entry::new(at, exchange.deadline), changes);
            }
        }
        if let Some(receipts) = exchange.receipt {
            self.enqueue(receipts, Entry::new(at, None), changes);
        }
        let known = Known::of(exchange, at);
        if known.refused.is_some() && exchange.number.is_some() {
            let party = self.party(&exchange.unit);
            self.refusals.recorded(&party, exchange.at);
        }
        self.known.insert(exchange.key, known, self.time);
        let units = &self.units;
        let party = |unit: &UnitId| Party::of(unit, units.get(unit).is_none_or(|it| it.listed));
        if self.register.exchange(exchange, at, party) {
            changes.push(Change::Standing);
        }
    }

    fn rejected(&mut self, rejected: &Rejected, at: Lsn, changes: &mut Vec<Change>) {
        self.time = self.time.max(rejected.at);
        let party = self.party(&rejected.unit);
        self.refusals.recorded(&party, rejected.at);
        self.numbered(&rejected.unit, rejected.number);
        if let Some(receipts) = rejected.receipt {
            self.enqueue(receipts, Entry::new(at, None), changes);
        }
    }

    /// A unit has sent its next exchange.
    fn numbered(&mut self, unit: &UnitId, number: u64) {
        if let Some(state) = self.units.get_mut(unit) {
            assert!(number == state.sent + 1, "a sender's numbers have no gaps");
            state.sent = number;
        }
    }

    fn topology(&mut self, topology: &Topology, changes: &mut Vec<Change>) {
        match topology {
            Topology::Declared {
                queue,
                unit,
                name,
                properties,
            } => {
                let made = Queue::new(
                    unit.clone(),
                    name.clone(),
                    QueueKind::Own,
                    properties.clone(),
                );
                self.next_queue = self.next_queue.max(queue.0 + 1);
                self.queues.insert(*queue, made);
                if let Some(state) = self.units.get_mut(unit) {
                    state.names.insert(name.clone(), *queue);
                }
            }
            Topology::Deleted(queue) => {
                self.forget(*queue, changes);
            }
            Topology::Purged { queue: id, out } => {
                let done = self.change(*id, |queue, unit| {
                    let stays = |lsn: &Lsn| out.binary_search(lsn).is_ok();
                    queue.drop_overlays(*id, unit, stays);
                    queue.backlog.purge(out)
                });
                if let Some(done) = done {
                    changes.extend(done.into_iter().map(|page| Change::PageDone(*id, page)));
                    changes.push(Change::Emptied(*id));
                }
            }
            Topology::Bound { queue, binding } => {
                if let Some(state) = self.queues.get_mut(queue) {
                    state.bindings.insert(binding.clone());
                    state.was_bound = true;
                }
                if let Some(unit) = self.unit_of(*queue) {
                    unit.bindings.bind(binding, *queue);
                }
            }
            Topology::Unbound { queue, binding } => {
                if let Some(state) = self.queues.get_mut(queue) {
                    state.bindings.remove(binding);
                }
                if let Some(unit) = self.unit_of(*queue) {
                    unit.bindings.unbind(binding, *queue);
                }
            }
        }
    }

    fn unit_of(&mut self, queue: QueueId) -> Option<&mut UnitState> {
        let unit = &self.queues.get(&queue)?.unit;
        self.units.get_mut(unit)
    }

    fn forget(&mut self, id: QueueId, changes: &mut Vec<Change>) {
        changes.push(Change::Removed(id));
        let backlog = self.change(id, |queue, unit| {
            queue.drop_overlays(id, unit, |_| false);
            std::mem::take(&mut queue.backlog)
        });
        let (Some(backlog), Some(queue)) = (backlog, self.queues.remove(&id)) else {
            return;
        };
        let done = backlog.pages().map(Page::without_entries);
        changes.extend(done.map(|page| Change::PageDone(id, page)));
        let Some(unit) = self.units.get_mut(&queue.unit) else {
            return;
        };
        unit.names.remove(&queue.name);
        for binding in &queue.bindings {
            unit.bindings.unbind(binding, id);
        }
    }

    /// What lies behind `at` comes after the restart: that part of a lease was never used. What may
    /// have been sent before an earlier crash may have been sent still: a clean stop in between ends
    /// leases, and says nothing of that.
    fn recovered(&mut self, at: Lsn, changes: &mut Vec<Change>) {
        self.drop_exclusive(changes);
        for queue in self.queues.values_mut() {
            queue.redelivered_up_to = queue.redelivered_up_to.max(queue.sent_up_to.min(at));
        }
    }

    fn stopped(&mut self, out: &[(QueueId, Lsn)], changes: &mut Vec<Change>) {
        self.drop_exclusive(changes);
        // Leases end with the run. The next run's first delivery then needs a record, which says
        // that this stop is no longer the last thing that happened.
        for queue in self.queues.values_mut() {
            queue.sent_up_to = Lsn::default();
        }
        for (id, lsn) in out {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.backlog.was_sent(*lsn);
            }
        }
    }

    /// Exclusive queues end with their connection, and no connection outlives the process.
    fn drop_exclusive(&mut self, changes: &mut Vec<Change>) {
        let exclusive = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.properties.exclusive);
        let exclusive: Vec<QueueId> = exclusive.map(|(id, _)| *id).collect();
        for id in exclusive {
            self.forget(id, changes);
        }
    }

    /// Pages that are in memory: they have to be written before a snapshot that names them.
    pub fn held_pages(&self) -> Vec<(QueueId, Page)> {
        let queues = self.queues.iter();
        let held = queues.flat_map(|(id, queue)| {
            let pages = queue.backlog.pages();
            let held = pages.filter(|page| page.entries().is_some());
            held.map(|page| (*id, page.clone()))
        });
        held.collect()
    }

    /// Lets go of a page that the snapshot thread has written.
    pub fn page_written(&mut self, queue: QueueId, number: u64) {
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.backlog.page_written(number);
        }
    }

    /// Takes back a page that the reader thread has loaded. Returns pages that are done with.
    pub fn page_loaded(&mut self, queue: QueueId, number: u64, entries: Arc<[Entry]>) -> Vec<Page> {
        let done = self.change(queue, |queue, _| queue.backlog.page_loaded(number, entries));
        done.unwrap_or_default()
    }
}
