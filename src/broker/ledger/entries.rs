//! Entries of queues: how they come into one, move to another, and leave.

use std::time::Duration;

use super::{Change, Ledger, Overlay, Queue, QueueKind};
use crate::agency::registry::Party;
use crate::broker::queue::Entry;
use crate::broker::record::{Moved, Narrowed, Placed, QueueId, Settled, Settling};
use crate::journal::Lsn;
use crate::message::id::UnitId;

impl Ledger {
    pub(super) fn placed(&mut self, placed: &Placed, at: Lsn, changes: &mut Vec<Change>) {
        // Before anything is put into a queue: its time to live counts from now.
        self.time = self.time.max(placed.at);
        let moved = placed.from.as_ref();
        let moved = moved.map(|from| self.moves_on(placed, from, changes));
        for queue in &placed.queues {
            let entry = Entry::new(at, placed.deadline);
            let entry = if placed.private {
                entry.private()
            } else {
                entry
            };
            let entry = if placed.marked { entry.marked() } else { entry };
            self.enqueue(*queue, entry, changes);
            if let Some(overlay) = &moved {
                self.overlay((*queue, at), overlay.clone());
            }
        }
    }

    /// An entry leaves its queue for another one. Gives what it has there beside its 24 bytes.
    pub(super) fn moves_on(
        &mut self,
        placed: &Placed,
        from: &Moved,
        changes: &mut Vec<Change>,
    ) -> Overlay {
        let (id, lsn, cause) = (from.queue, from.entry, from.cause);
        let queue = self.queues.get(&id);
        let overlay = queue.and_then(|queue| queue.overlay(lsn)).cloned();
        let overlay = overlay.unwrap_or_default();
        let died = match queue {
            Some(queue) => overlay.died.again(&queue.name, cause, placed.at),
            None => overlay.died,
        };
        self.remove(id, lsn, changes);
        Overlay {
            source: placed.source,
            died,
            narrowed: overlay.narrowed,
        }
    }

    /// Notes what an entry that has moved has beside its 24 bytes.
    pub(super) fn overlay(&mut self, (id, entry): (QueueId, Lsn), overlay: Overlay) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if let Some(unit) = self.units.get_mut(&queue.unit) {
            unit.moved(overlay.source, (id, entry));
        }
        queue.overlays.insert(entry, overlay);
    }

    /// Puts an entry into a queue. What is more than the queue may hold leaves by a record of its own:
    /// which entries wait, and may go, dispatch knows.
    pub(super) fn enqueue(&mut self, id: QueueId, entry: Entry, changes: &mut Vec<Change>) {
        let (now, at) = (self.time, entry.lsn);
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let own = queue.properties.integer("x-message-ttl");
        let own = own
            .and_then(|ms| u64::try_from(ms).ok())
            .map(Duration::from_millis);
        let entry = own.map_or(entry, |ttl| entry.until(now.plus(ttl)));
        if queue.is_release(&entry) {
            queue.last_release = at;
        }
        if entry.is_marked() {
            queue.last_marked = at;
        }
        if let Some(page) = queue.backlog.push(entry) {
            changes.push(Change::Page(id, page));
        }
        changes.push(Change::Enqueued(id));
        if queue.kind == QueueKind::Own {
            let unit = queue.unit.clone();
            *self.kept.entry(self.party(&unit)).or_default() += 1;
        }
    }

    /// So many entries left a queue: where it is of its agency's own, they are kept no more.
    pub(super) fn let_go(&mut self, id: QueueId, count: u64) {
        let own = |queue: &&Queue| queue.kind == QueueKind::Own;
        let queue = self.queues.get(&id).filter(own);
        let party = queue.map(|queue| self.party(&queue.unit));
        if let Some(kept) = party.and_then(|party| self.kept.get_mut(&party)) {
            *kept = kept.saturating_sub(count);
        }
    }

    /// A unit becomes listed, or is no longer: what it keeps counts for another party.
    pub(super) fn list(&mut self, unit: &UnitId, listed: bool) {
        let before = self.party(unit);
        let Some(state) = self.units.get_mut(unit) else {
            return;
        };
        if std::mem::replace(&mut state.listed, listed) == listed {
            return;
        }
        let queues = state.names.values().filter_map(|id| self.queues.get(id));
        let own = queues.filter(|queue| queue.kind == QueueKind::Own);
        let kept: u64 = own.map(|queue| queue.backlog.len()).sum();
        if let Some(count) = self.kept.get_mut(&before) {
            *count = count.saturating_sub(kept);
        }
        *self.kept.entry(Party::of(unit, listed)).or_default() += kept;
    }

    pub(super) fn remove(&mut self, id: QueueId, lsn: Lsn, changes: &mut Vec<Change>) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let unit = self.units.get_mut(&queue.unit);
        if let Some(done) = queue.remove((id, lsn), unit) {
            self.let_go(id, 1);
            changes.extend(done.into_iter().map(|page| Change::PageDone(id, page)));
            changes.push(Change::Gone(id, lsn));
        }
    }

    pub(super) fn settled(&mut self, settled: &Settled, changes: &mut Vec<Change>) {
        for line in settled.lines() {
            for entry in line.entries.iter().copied() {
                self.settle((line.queue, entry), line.how, changes);
            }
        }
    }

    fn settle(&mut self, place: (QueueId, Lsn), how: Settling, changes: &mut Vec<Change>) {
        let (id, entry) = place;
        if how.leaves() {
            return self.remove(id, entry, changes);
        }
        if let Some(queue) = self.queues.get_mut(&id) {
            if how == Settling::Interrupted {
                queue.backlog.was_sent(entry);
            } else {
                queue.backlog.returned(entry);
            }
            changes.push(Change::Returned(id, entry));
        }
    }

    /// Takes away what a newer ruling no longer gives: where the release was put, and wherever it has
    /// moved from there.
    pub(super) fn narrow(&mut self, narrowed: &Narrowed) {
        self.time = self.time.max(narrowed.at);
        let exchange = narrowed.exchange;
        let Some(unit) = self.units.get(&narrowed.unit) else {
            return;
        };
        let moved = unit.moved.get(&exchange).into_iter().flatten().copied();
        let places = narrowed.queues.iter().map(|queue| (*queue, exchange));
        for (id, entry) in places.chain(moved) {
            let queue = self.queues.get_mut(&id);
            if let Some(queue) = queue.filter(|queue| queue.unit == narrowed.unit) {
                queue.narrow(entry, &narrowed.left);
            }
        }
    }
}
