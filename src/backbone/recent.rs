//! Messages stored a moment ago, so that a delivery which follows its publish reads no disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::broker::core::Fresh;
use crate::broker::limits::RECENT_PAYLOAD_BYTES;
use crate::broker::record::Stored;
use crate::journal::Lsn;

/// A bounded memory of stored messages, the oldest forgotten first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_lsn: BTreeMap<Lsn, Arc<Stored>>,
    /// In the order of their coming.
    order: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    at: Lsn,
    bytes: usize,
}

/// What an entry takes beside its frame and its record, in bytes.
const ENTRY_BYTES: usize = 512;

/// A record in memory by its octets in the log. An exchange with one recipient takes 3 to 4 times as
/// much: names, lists of policies and of queues are allocations of their own.
const MEMORY_FACTOR: usize = 4;

impl Recent {
    pub(super) fn insert(&self, fresh: Vec<Fresh>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for Fresh {
            at,
            stored,
            record_octets,
        } in fresh
        {
            let bytes = stored.frame.len() + record_octets * MEMORY_FACTOR + ENTRY_BYTES;
            state.bytes += bytes;
            state.order.push_back(Kept { at, bytes });
            state.by_lsn.insert(at, stored);
        }
        while state.bytes > RECENT_PAYLOAD_BYTES {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            state.bytes -= oldest.bytes;
            state.by_lsn.remove(&oldest.at);
        }
    }

    pub(super) fn get(&self, lsn: Lsn) -> Option<Arc<Stored>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_lsn.get(&lsn).cloned()
    }
}
