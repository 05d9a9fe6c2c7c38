//! Messages stored a moment ago, so that a delivery which follows its publish reads no disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

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
    order: VecDeque<Lsn>,
    bytes: usize,
}

/// What an entry takes beside its frame.
const ENTRY_BYTES: usize = 1024;

impl Recent {
    pub(super) fn insert(&self, fresh: Vec<(Lsn, Arc<Stored>)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (lsn, stored) in fresh {
            state.bytes += stored.frame.len() + ENTRY_BYTES;
            state.order.push_back(lsn);
            state.by_lsn.insert(lsn, stored);
        }
        while state.bytes > RECENT_PAYLOAD_BYTES {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some(stored) = state.by_lsn.remove(&oldest) {
                state.bytes -= stored.frame.len() + ENTRY_BYTES;
            }
        }
    }

    pub(super) fn get(&self, lsn: Lsn) -> Option<Arc<Stored>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_lsn.get(&lsn).cloned()
    }
}
