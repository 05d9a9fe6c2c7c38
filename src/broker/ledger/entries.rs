//! Entries of queues: how they come into one, move to another, and leave.

use std::time::Duration;

use super::{Change, Ledger, Overlay, Queue, QueueKind, UnitState};
use crate::agency::registry::Party;
use crate::broker::ids::EntryAddress;
use crate::broker::queue::{Entry, Volume};
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
            let entry = Entry::new(at, placed.deadline).of(placed.octets);
            let entry = if placed.private {
                entry.private()
            } else {
                entry
            };
            let entry = if placed.marked { entry.marked() } else { entry };
            self.enqueue(*queue, entry, changes);
            if let Some(overlay) = &moved {
                self.overlay(EntryAddress::new(*queue, at), overlay.clone());
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
        let at = EntryAddress::new(from.queue, from.entry);
        let queue = self.queues.get(&at.queue);
        let overlay = queue.and_then(|queue| queue.overlay(at.entry)).cloned();
        let overlay = overlay.unwrap_or_default();
        let died = match queue {
            Some(queue) => overlay.died.again(&queue.name, from.cause, placed.at),
            None => overlay.died,
        };
        self.remove(at, changes);
        Overlay {
            source: placed.source,
            died,
            narrowed: overlay.narrowed,
        }
    }

    /// Notes what an entry that has moved has beside its 24 bytes.
    pub(super) fn overlay(&mut self, at: EntryAddress, overlay: Overlay) {
        let Some(queue) = self.queues.get_mut(&at.queue) else {
            return;
        };
        if let Some(unit) = self.units.get_mut(&queue.unit) {
            unit.moved(overlay.source, at);
        }
        queue.overlays.insert(at.entry, overlay);
    }

    /// Puts an entry into a queue. What is more than the queue may hold leaves by a record of its own:
    /// which entries wait, and may go, dispatch knows.
    pub(super) fn enqueue(&mut self, id: QueueId, entry: Entry, changes: &mut Vec<Change>) {
        let (now, at) = (self.time, entry.lsn);
        let page = self.change(id, |queue, _| {
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
            queue.backlog.push(entry)
        });
        if let Some(page) = page {
            changes.extend(page.map(|page| Change::Page(id, page)));
            changes.push(Change::Enqueued(id));
        }
    }

    /// Changes what a queue holds; where it is of its agency's own, what that keeps follows.
    pub(super) fn change<T>(
        &mut self,
        id: QueueId,
        does: impl FnOnce(&mut Queue, Option<&mut UnitState>) -> T,
    ) -> Option<T> {
        let queue = self.queues.get_mut(&id)?;
        let before = queue.backlog.volume();
        let mut unit = self.units.get_mut(&queue.unit);
        let done = does(queue, unit.as_deref_mut());
        let after = queue.backlog.volume();
        if queue.kind == QueueKind::Own && after != before {
            let party = Party::of(&queue.unit, unit.is_none_or(|unit| unit.listed));
            self.keep(party, before, after);
        }
        Some(done)
    }

    /// What a party held `before` is `after` now; who keeps nothing has no entry.
    fn keep(&mut self, party: Party, before: Volume, after: Volume) {
        let kept = self.kept_by(&party).and(after).without(before);
        if kept == Volume::default() {
            self.kept.remove(&party);
        } else {
            self.kept.insert(party, kept);
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
        let held = own.map(|queue| queue.backlog.volume());
        let held = held.fold(Volume::default(), Volume::and);
        self.keep(before, held, Volume::default());
        self.keep(Party::of(unit, listed), Volume::default(), held);
    }

    fn remove(&mut self, at: EntryAddress, changes: &mut Vec<Change>) {
        let done = self.change(at.queue, |queue, unit| queue.remove(at, unit));
        if let Some(done) = done.flatten() {
            changes.extend(
                done.into_iter()
                    .map(|page| Change::PageDone(at.queue, page)),
            );
            changes.push(Change::Gone(at.queue, at.entry));
        }
    }

    pub(super) fn settled(&mut self, settled: &Settled, changes: &mut Vec<Change>) {
        for line in settled.lines() {
            for entry in line.entries.iter().copied() {
                let at = EntryAddress::new(line.queue, entry);
                self.settle(at, line.how, changes);
            }
        }
    }

    fn settle(&mut self, at: EntryAddress, how: Settling, changes: &mut Vec<Change>) {
        if how.leaves() {
            return self.remove(at, changes);
        }
        if let Some(queue) = self.queues.get_mut(&at.queue) {
            if how == Settling::Interrupted {
                queue.backlog.was_sent(at.entry);
            } else {
                queue.backlog.returned(at.entry);
            }
            changes.push(Change::Returned(at.queue, at.entry));
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
        let queues = narrowed.queues.iter();
        let places = queues.map(|queue| EntryAddress::new(*queue, exchange));
        for at in places.chain(moved) {
            let queue = self.queues.get_mut(&at.queue);
            if let Some(queue) = queue.filter(|queue| queue.unit == narrowed.unit) {
                queue.narrow(at.entry, &narrowed.left);
            }
        }
    }
}
