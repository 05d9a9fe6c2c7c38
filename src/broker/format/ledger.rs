//! The snapshot of a ledger.
//!
//! ```text
//! snapshot  pages, that it names: list of queue u64, first u64, last u64 | ledger
//! ```
//! The names stand in front, so that who sweeps pages reads nothing else. Entries of pages are in
//! files of their own. Used ids are in none of both: they are in files by segment, and the snapshot
//! says which of them are past their window. What follows from the rest is made anew: names,
//! bindings and moved entries of units, and what each party keeps, from the queues; subjects and
//! deadlines of orders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::form::{Form, form, front, put_list};
use super::take::{Malformed, Take};
use crate::agency::registry::{InboxMode, Party};
use crate::broker::dedup::{KnownIds, Span};
use crate::broker::governance::Governance;
use crate::broker::ids::EntryAddress;
use crate::broker::ledger::{Death, Died, Ledger, Overlay, Queue, QueueKind, Shown, UnitState};
use crate::broker::queue::{Backlog, Entry, Page, Volume};
use crate::broker::record::{
    Binding, Cause, Checkpoint, CountedRefusals, QueueId, QueueProperties, Terms,
};
use crate::broker::refusals::RefusalCounts;
use crate::broker::register::Register;
use crate::journal::Lsn;
use crate::message::id::UnitId;
use crate::message::time::Timestamp;

/// The name of a page: its queue, and the addresses of its first and its last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageName {
    /// The queue.
    pub queue: QueueId,
    /// The first entry.
    pub first: Lsn,
    /// The last entry.
    pub last: Lsn,
}

form!(PageName {
    queue: QueueId,
    first: Lsn,
    last: Lsn,
});

impl PageName {
    /// The name of a queue's page.
    pub fn of(queue: QueueId, page: &Page) -> Self {
        Self {
            queue,
            first: page.first,
            last: page.last,
        }
    }

    /// The names of all pages that a snapshot has on disk.
    ///
    /// # Errors
    /// Where the octets are no snapshot's.
    pub fn all_in(snapshot: &[u8]) -> Result<Vec<Self>, Malformed> {
        front(snapshot).map(|(names, _)| names)
    }
}

impl std::fmt::Display for PageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (queue, first, last) = (self.queue.0, self.first.0, self.last.0);
        write!(f, "{queue:08x}-{first:016x}-{last:016x}")
    }
}

impl Ledger {
    /// Its octets as a snapshot, which has each page on disk alone.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_list(self.pages().iter(), &mut out);
        self.put(&mut out);
        out
    }

    /// The names of its pages on disk.
    fn pages(&self) -> Vec<PageName> {
        let named = self.queues.iter().flat_map(|(id, queue)| {
            let pages = queue.backlog.pages();
            pages.map(|page| PageName::of(*id, page))
        });
        named.collect()
    }

    /// The ledger of a snapshot, with no used ids.
    ///
    /// # Errors
    /// Where the octets are no snapshot's, or name other pages than its queues have: who sweeps reads
    /// the names alone, and would take away what is needed.
    pub fn of_snapshot(octets: &[u8]) -> Result<Self, Malformed> {
        let mut from = Take::new(octets);
        let named = Vec::<PageName>::take(&mut from)?;
        let mut ledger = Self::take(&mut from)?;
        from.end()?;
        if named != ledger.pages() {
            return Err(from.malformed());
        }
        ledger.index().ok_or_else(|| from.malformed())?;
        Ok(ledger)
    }

    /// Makes what follows from the queues; none where one is of no unit.
    fn index(&mut self) -> Option<()> {
        for (id, queue) in &self.queues {
            let unit = self.units.get_mut(&queue.unit)?;
            let held = queue.backlog.volume();
            if queue.kind == QueueKind::Own && held != Volume::default() {
                let party = Party::of(&queue.unit, unit.listed);
                let kept = self.kept.entry(party).or_default();
                *kept = kept.and(held);
            }
            unit.names.insert(queue.name.clone(), *id);
            for binding in &queue.bindings {
                unit.bindings.bind(binding, *id);
            }
            for (entry, overlay) in &queue.overlays {
                unit.moved(overlay.source, EntryAddress::new(*id, *entry));
            }
        }
        Some(())
    }
}

form!(Ledger {
    time: Timestamp,
    governance: Arc<Governance>,
    development: bool,
    units: BTreeMap<UnitId, UnitState>,
    queues: BTreeMap<QueueId, Queue>,
    next_queue: u64,
    leaves: u64,
    known: KnownIds,
    register: Register,
    refusals: RefusalCounts,
    shown: Shown;
    kept,
});

form!(Shown {
    last: Option<Box<Checkpoint>>,
    closed: BTreeSet<String>,
});

form!(UnitState {
    sent: u64,
    received: u64,
    inbox_mode: InboxMode,
    listed: bool,
    delivery_limit: Option<u32>,
    inbox: QueueId,
    receipts: QueueId,
    dead: QueueId;
    names,
    bindings,
    moved,
});

form!(Queue {
    unit: UnitId,
    name: String,
    kind: QueueKind,
    properties: QueueProperties,
    bindings: BTreeSet<Binding>,
    was_bound: bool,
    backlog: Backlog,
    sent_up_to: Lsn,
    redelivered_up_to: Lsn,
    overlays: BTreeMap<Lsn, Overlay>,
    last_release: Lsn,
    last_marked: Lsn,
});

form!(Overlay {
    source: Option<Lsn>,
    died: Died,
    narrowed: Option<Terms>,
});

form!(Died {
    deaths: Vec<Death>,
    first: Option<(Arc<str>, Cause)>,
    moves: u8,
});

form!(Death {
    queue: Arc<str>,
    cause: Cause,
    at: Timestamp,
    count: u64,
});

form!(Backlog {
    head: VecDeque<Entry>,
    settled_in_head: usize,
    pages: VecDeque<Page>,
    tail: Vec<Entry>,
    settled_ahead: BTreeSet<Lsn>,
    next_page: u64,
    live: u64,
    octets: u64,
});

form!(Page {
    number: u64,
    count: u64,
    first: Lsn,
    last: Lsn;
    entries,
});

form!(RefusalCounts {
    recorded: BTreeMap<Party, (i64, u32)>,
    open: BTreeMap<Party, CountedRefusals>,
});

/// Which ids are past their window; those within it are in files.
impl<'a> Form<'a> for KnownIds {
    const LEAST: usize = 12;

    fn put(&self, out: &mut Vec<u8>) {
        self.past.put(out);
        self.spans.put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let mut known = Self::default();
        known.past = Form::take(from)?;
        known.spans = Form::take(from)?;
        Ok(known)
    }
}

form!(Span {
    since: Timestamp,
    last: Lsn,
    until: Timestamp,
});
