//! What a unit owns in the ledger: its queues, its numbers, its bindings.

use std::collections::{BTreeMap, BTreeSet};

use super::bindings::Bindings;
use super::died::Died;
use crate::agency::registry::{InboxMode, Peer};
use crate::broker::ids::EntryAddress;
use crate::broker::limits::NOTICE_ENTRIES;
use crate::broker::queue::{Backlog, Entry, Page};
use crate::broker::record::{Binding, QueueId, QueueProperties, Terms};
use crate::journal::Lsn;
use crate::message::id::UnitId;

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// A unit's standing queue of releases.
    Inbox,
    /// A unit's standing queue of receipts.
    Receipts,
    /// A unit's standing queue of what could not be delivered.
    Dead,
    /// Declared by a client.
    Own,
}

/// What few entries have beside their 24 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The record that holds the message, where it is not the entry's own.
    pub source: Option<Lsn>,
    /// What became of it before.
    pub died: Died,
    /// What a newer ruling left of the release.
    pub narrowed: Option<Terms>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its owner.
    pub unit: UnitId,
    /// Its name in the unit.
    pub name: String,
    /// What it is for.
    pub kind: QueueKind,
    /// What it was declared with.
    pub properties: QueueProperties,
    /// Its bindings; the unit has them by binding.
    pub(in crate::broker) bindings: BTreeSet<Binding>,
    /// Whether it was ever bound.
    pub(in crate::broker) was_bound: bool,
    /// Its entries.
    pub backlog: Backlog,
    /// The lease: nothing above is sent.
    pub sent_up_to: Lsn,
    /// After a stop that was not clean: everything up to here may have been sent.
    pub(in crate::broker) redelivered_up_to: Lsn,
    /// By entry.
    pub(in crate::broker) overlays: BTreeMap<Lsn, Overlay>,
    /// The newest entry that came from others, into a queue that its unit declared.
    pub(in crate::broker) last_release: Lsn,
    /// The newest entry whose own agency gave it headers that look like the broker's.
    pub(in crate::broker) last_marked: Lsn,
}

/// What the ledger knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// Exchanges and rejections that it sent.
    pub sent: u64,
    /// Releases to it.
    pub received: u64,
    /// Which releases its inbox takes.
    pub inbox_mode: InboxMode,
    /// Whether others may know of it.
    pub listed: bool,
    /// How often a message comes back to its inbox before it goes to `dead`, where its agency says so.
    pub delivery_limit: Option<u32>,
    /// Its standing queues.
    pub inbox: QueueId,
    /// For receipts.
    pub receipts: QueueId,
    /// For what could not be delivered.
    pub dead: QueueId,
    pub(in crate::broker) names: BTreeMap<String, QueueId>,
    pub(in crate::broker) bindings: Bindings,
    /// Entries that have moved, by the record that holds the message.
    pub(in crate::broker) moved: BTreeMap<Lsn, BTreeSet<EntryAddress>>,
}

impl Queue {
    pub(super) fn new(
        unit: UnitId,
        name: String,
        kind: QueueKind,
        properties: QueueProperties,
    ) -> Self {
        Self {
            unit,
            name,
            kind,
            properties,
            bindings: BTreeSet::new(),
            was_bound: false,
            backlog: Backlog::default(),
            sent_up_to: Lsn::default(),
            redelivered_up_to: Lsn::default(),
            overlays: BTreeMap::new(),
            last_release: Lsn::default(),
            last_marked: Lsn::default(),
        }
    }

    /// Whether an entry was sent before, as far as can be known.
    pub fn is_redelivered(&self, entry: &Entry) -> bool {
        entry.is_redelivered() || entry.lsn <= self.redelivered_up_to
    }

    /// Whether an entry came from others, into a queue that its unit declared.
    pub fn is_release(&self, entry: &Entry) -> bool {
        self.kind == QueueKind::Own && !entry.is_private()
    }

    /// Whether it is a queue that its unit declared and that gets releases, or got one ever: until it is
    /// deleted. When the last of them has left must not show.
    pub fn takes_releases(&self) -> bool {
        self.was_bound || self.last_release != Lsn::default()
    }

    /// Whether it is bound, so that what its unit is sent comes into it.
    pub fn is_bound(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// Whether it may hold messages whose own agency gave them headers that look like the broker's.
    pub fn may_hold_marked(&self) -> bool {
        // Where the head is empty the first entry lies in a page on disk.
        let first = self.backlog.next_after(None);
        let is_newer = first.is_some_and(|entry| entry.lsn > self.last_marked);
        self.last_marked != Lsn::default() && !self.backlog.is_empty() && !is_newer
    }

    /// Its bindings.
    pub fn bindings(&self) -> &BTreeSet<Binding> {
        &self.bindings
    }

    /// What an entry has beside its 24 bytes.
    pub fn overlay(&self, lsn: Lsn) -> Option<&Overlay> {
        self.overlays.get(&lsn)
    }

    /// How many entries have something beside their 24 bytes.
    pub fn overlaid(&self) -> usize {
        self.overlays.len()
    }

    /// Two consumers may have looked at different snapshots: what is left is what both leave.
    pub(super) fn narrow(&mut self, entry: Lsn, left: &Terms) {
        if !self.backlog.holds(entry) {
            return;
        }
        let overlay = self.overlays.entry(entry).or_default();
        overlay.narrowed = Some(match overlay.narrowed.take() {
            Some(before) => before.and(left),
            None => left.clone(),
        });
    }

    pub(super) fn remove(
        &mut self,
        at: EntryAddress,
        unit: Option<&mut UnitState>,
    ) -> Option<Vec<Page>> {
        if let Some(overlay) = self.overlays.remove(&at.entry)
            && let Some(unit) = unit
        {
            unit.moved_away(overlay.source, at);
        }
        self.backlog.settle(at.entry)
    }

    /// Forgets what entries have beside their 24 bytes, but for those that stay.
    pub(super) fn drop_overlays(
        &mut self,
        id: QueueId,
        mut unit: Option<&mut UnitState>,
        stays: impl Fn(&Lsn) -> bool,
    ) {
        for (lsn, overlay) in self.overlays.extract_if(.., |lsn, _| !stays(lsn)) {
            if let Some(unit) = &mut unit {
                unit.moved_away(overlay.source, EntryAddress::new(id, lsn));
            }
        }
    }

    /// How many messages may wait in it, those that are out not counted; none for any number.
    pub fn length_max(&self) -> Option<u64> {
        match self.kind {
            QueueKind::Inbox => None,
            QueueKind::Receipts | QueueKind::Dead => Some(NOTICE_ENTRIES),
            QueueKind::Own => {
                let bound = self.properties.integer("x-max-length");
                bound.and_then(|bound| u64::try_from(bound).ok())
            }
        }
    }
}

impl UnitState {
    /// An entry holds a message that another record has.
    pub(in crate::broker) fn moved(&mut self, source: Option<Lsn>, place: EntryAddress) {
        if let Some(source) = source {
            self.moved.entry(source).or_default().insert(place);
        }
    }

    /// Such an entry is gone.
    fn moved_away(&mut self, source: Option<Lsn>, place: EntryAddress) {
        let Some(source) = source else { return };
        if let Some(places) = self.moved.get_mut(&source) {
            places.remove(&place);
            if places.is_empty() {
                self.moved.remove(&source);
            }
        }
    }
}

impl QueueKind {
    /// The word for it, in names of standing queues and in a system's `reads`.
    fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Receipts => "receipts",
            Self::Dead => "dead",
            Self::Own => "own",
        }
    }
}

/// Whether a system may read a queue, or learn how much is in it: `reads` names its unit's standing
/// queues; queues that its unit declared are its own.
pub fn may_read(peer: &Peer, queue: &str) -> bool {
    let mut standing = [QueueKind::Inbox, QueueKind::Receipts, QueueKind::Dead].into_iter();
    let meant = standing.find(|kind| standing_name(&peer.unit.id, *kind) == queue);
    meant.is_none_or(|kind| peer.system.reads.contains(kind.word()))
}

/// The name of a unit's standing queue: `inbox` of `main`, `inbox.<unit>` of others.
pub fn standing_name(unit: &UnitId, kind: QueueKind) -> String {
    let name = kind.word();
    if unit.unit.as_str() == "main" {
        name.to_owned()
    } else {
        format!("{name}.{}", unit.unit)
    }
}

/// Whether a name is that of some unit's standing queue, or could be: the same for all of them.
pub fn is_standing_name(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    ["inbox", "receipts", "dead"].contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agency::keys::KeyCheck;
    use crate::broker::command::Ask;
    use crate::broker::decide::{Decided, InUse};
    use crate::broker::effect::Answer;
    use crate::broker::ledger::Ledger;
    use crate::broker::limits::{QUEUE_BINDINGS, UNIT_BINDINGS};
    use crate::broker::record::{Genesis, Record, Topology, UnitEntry};
    use crate::broker::reply::Refusal;
    use crate::message::bundle::Bundle;
    use crate::message::id::Digest;
    use crate::message::time::Timestamp;

    fn unit() -> UnitId {
        "post/main".parse().unwrap()
    }

    fn bind(ledger: &mut Ledger, queue: &str, key: usize, remove: bool) -> Answer {
        let ask = Ask::Bind {
            queue: queue.to_owned(),
            exchange: "inbox".to_owned(),
            key: format!("k-{key}"),
            remove,
        };
        let in_use = |_| InUse {
            consumers: 0,
            out: 0,
        };
        match ledger.ask(&unit(), &ask, in_use) {
            Decided::Record(record, answer) => {
                ledger.apply(&record, Lsn(1));
                answer
            }
            Decided::Reply(answer) => answer,
        }
    }

    fn declare(ledger: &mut Ledger, name: &str) {
        let declared = Topology::Declared {
            queue: ledger.next_queue(),
            unit: unit(),
            name: name.to_owned(),
            properties: QueueProperties::default(),
        };
        ledger.apply(&Record::Topology(declared), Lsn(1));
    }

    #[test]
    fn a_unit_has_so_many_bindings_and_gets_them_back_with_a_queue() {
        let mut ledger = Ledger::default();
        let genesis = Genesis {
            at: Timestamp::default(),
            bundle: Bundle::default(),
            digest: Digest([0; 32]),
            development: true,
            units: vec![UnitEntry {
                id: unit(),
                inbox: InboxMode::All,
                listed: true,
                delivery_limit: None,
            }],
            key_check: KeyCheck([0; 16]),
        };
        ledger.apply(&Record::Genesis(genesis), Lsn(1));
        let full = UNIT_BINDINGS / QUEUE_BINDINGS;
        for queue in 0..=full {
            declare(&mut ledger, &format!("q-{queue}"));
        }
        for queue in 0..full {
            for key in 0..QUEUE_BINDINGS {
                let answer = bind(&mut ledger, &format!("q-{queue}"), key, false);
                assert_eq!(answer, Answer::Done);
            }
        }
        let last = format!("q-{full}");
        let refused = |answer| matches!(answer, Answer::Refused(Refusal { code: 406, .. }));
        assert!(refused(bind(&mut ledger, &last, 1, false)));
        assert_eq!(bind(&mut ledger, "q-0", 1, true), Answer::Done);
        assert_eq!(bind(&mut ledger, &last, 1, false), Answer::Done);
        assert!(refused(bind(&mut ledger, "q-0", 1, false)));
        let gone = ledger.queue_named(&unit(), "q-1").unwrap();
        ledger.apply(&Record::Topology(Topology::Deleted(gone)), Lsn(2));
        assert_eq!(bind(&mut ledger, "q-0", 1, false), Answer::Done);
        let taken = ledger.routed(&unit(), "inbox", "k-1");
        assert_eq!(taken.len(), full, "no binding of the deleted queue is left");
    }
}
