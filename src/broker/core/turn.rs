//! What the core makes of one step: records to be appended, and effects that wait for their sync.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::agency::registry::Party;
use crate::broker::effect::{Answer, Effect};
use crate::broker::governance::{Done, NotDone, Ticket};
use crate::broker::ids::{ChannelKey, ConnectionId, EntryAddress, EntryId};
use crate::broker::input::Payer;
use crate::broker::queue::Page;
use crate::broker::record::{Cause, QueueId, Settled, Stored};
use crate::journal::{Frame, Kind, Lsn};
use crate::message::id::UnitId;
use crate::message::time::Timestamp;

/// What a step gives, after its sync.
#[derive(Debug, Default)]
pub struct Step {
    /// For connections, in order.
    pub effects: Vec<(ConnectionId, Effect)>,
    /// What deeds have come to, in their order.
    pub governed: Vec<(Ticket, Result<Done, NotDone>)>,
    /// What is outstanding, for those who asked.
    pub outstanding: Vec<(Ticket, Vec<Outstanding>)>,
    /// Whether rulebook, proposals or standing changed: snapshots are to be published.
    pub view_changed: bool,
    /// Messages that this step stored, for deliveries that follow at once.
    pub fresh: Vec<Fresh>,
    /// Pages of queues that want to be on disk.
    pub pages: Vec<(QueueId, Page)>,
    /// Pages of queues that are needed no more, written in this step perhaps.
    pub done_pages: Vec<(QueueId, Page)>,
    /// Pages of queues that a head will need.
    pub wanted_pages: Vec<(QueueId, Page)>,
    /// Whether it was the last one.
    pub stopped: bool,
    /// What the commands of this step had kept in memory, by who pays for it, in bytes.
    pub given_back: BTreeMap<Payer, usize>,
}

/// A queue in which something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// Its unit.
    pub unit: UnitId,
    /// Its name.
    pub queue: String,
    /// Messages that wait: they are not delivered, or came back.
    pub waiting: u64,
    /// Messages that are delivered and not settled.
    pub out: u64,
    /// The record of the oldest of all.
    pub oldest: Option<EntryId>,
}

/// A message that a step stored.
#[derive(Debug)]
pub struct Fresh {
    /// The address of its record.
    pub at: Lsn,
    /// The message.
    pub stored: Arc<Stored>,
    /// The record's length in the log, without its message, in octets.
    pub record_octets: usize,
}

/// When a step is taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// Journal time, which never steps back.
    pub now: Timestamp,
    /// Time that has passed since the start, whatever the clock was set to.
    pub run: Duration,
}

/// A record that was decided and applied, and is to be appended at its address.
#[derive(Debug)]
pub struct Logged {
    /// Its address.
    pub at: Lsn,
    /// Its kind and schema.
    pub kind: Kind,
    /// Its payload frame.
    pub frame: Option<Frame>,
    /// Where its octets stand among those of the step.
    pub(super) octets: Range<usize>,
}

/// A step in the making.
#[derive(Debug, Default)]
pub struct Turn {
    /// When it is.
    pub moment: Moment,
    /// The address of the next record.
    pub next: Lsn,
    /// Records that are to be appended, in order.
    pub(super) logged: Vec<Logged>,
    /// Their octets, one behind the other.
    pub(super) octets: Vec<u8>,
    /// Whether entries that have died, or come back too often, leave their queues: not while the disk
    /// is full, where they stay and are counted later.
    pub buries: bool,
    /// What it gives.
    pub out: Step,
    /// Whether something in it asks for a sync.
    pub sync: bool,
    pub(super) settled: Settled,
    /// Entries that were put into queues.
    pub(super) enqueued: usize,
    /// Entries that were found dead in their queues, to be buried.
    pub(super) found: Vec<(EntryAddress, Cause)>,
    /// Refusals beyond their agency's limit: told, and to be counted.
    pub(super) refused: BTreeMap<Party, u64>,
}

impl Turn {
    /// One at this moment, whose first record lies at `next`. `buffer`, which is empty, is kept from one
    /// step to the next.
    pub fn new(next: Lsn, moment: Moment, buffer: Vec<u8>) -> Self {
        Self {
            moment,
            next,
            octets: buffer,
            ..Self::default()
        }
    }

    /// What it gives, and its buffer.
    pub fn end(self) -> (Step, Vec<u8>) {
        (self.out, self.octets)
    }

    /// Gives the records decided since the last call, each with its octets, to be appended.
    pub fn append(&mut self, mut push: impl FnMut(&Logged, &[u8])) {
        for logged in self.logged.drain(..) {
            let octets = self.octets.get(logged.octets.clone());
            push(&logged, octets.unwrap_or_default());
        }
        self.octets.clear();
    }

    /// Entries that it has put into queues, of which as many may have to leave them.
    pub fn enqueued(&self) -> usize {
        self.enqueued
    }

    pub(super) fn tell(&mut self, connection: ConnectionId, effect: Effect) {
        self.out.effects.push((connection, effect));
    }

    pub(super) fn answer(&mut self, key: ChannelKey, answer: Answer) {
        let channel = key.channel;
        self.tell(key.connection, Effect::Answer { channel, answer });
    }
}
