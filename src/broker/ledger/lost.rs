//! The end of the log is gone: no number that may have been given is given again.

use super::{Change, Ledger};
use crate::broker::limits::LOST_NUMBERS;
use crate::broker::queue::Entry;
use crate::broker::record::{LastNumbers, Lost};
use crate::journal::Lsn;
use crate::message::time::Timestamp;

/// Fewer bytes of the journal than a record of evidence takes.
const EVIDENCE_BYTES: u64 = 64;

impl Ledger {
    /// The record by which a loss is accepted, of a log that had come to `known`, with so much
    /// evidence as far as that is known.
    pub fn lose(&self, from: Lsn, known: Lsn, evidence_known: Option<u64>, now: Timestamp) -> Lost {
        let by_length = known.bytes_since(from) / EVIDENCE_BYTES;
        let by_count = evidence_known.map(|known| known.saturating_sub(self.leaves));
        let gone = by_count.unwrap_or(by_length);
        // The same for all but the largest losses.
        let jumps = (gone / LOST_NUMBERS).saturating_add(1);
        let units = self.units.iter().map(|(unit, state)| LastNumbers {
            unit: unit.clone(),
            sent: state.sent,
            received: state.received,
            receipts: state.receipts,
        });
        Lost {
            at: now.max(self.time),
            from,
            known,
            evidence: self.leaves,
            evidence_known,
            jump: jumps.saturating_mul(LOST_NUMBERS),
            units: units.collect(),
        }
    }

    pub(super) fn lost(&mut self, lost: &Lost, at: Lsn, changes: &mut Vec<Change>) {
        self.time = self.time.max(lost.at);
        self.shown.close();
        // What is left may have been sent before, and its lease is gone with the rest.
        for queue in self.queues.values_mut() {
            queue.redelivered_up_to = queue.redelivered_up_to.max(lost.from);
        }
        for last in &lost.units {
            if let Some(state) = self.units.get_mut(&last.unit) {
                state.sent = last.sent.saturating_add(lost.jump);
                state.received = last.received.saturating_add(lost.jump);
            }
            self.enqueue(last.receipts, Entry::new(at, None), changes);
        }
    }
}
