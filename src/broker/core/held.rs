//! Channels with publishes that went back to their task, to be ruled or searched for again.

use std::collections::BTreeMap;

use crate::broker::ids::{ChannelKey, ConnectionId, Origin};

/// Publishes of one channel that went back: none is taken out of its turn.
#[derive(Debug, Clone, Copy)]
struct Turns {
    /// The serial whose turn it is.
    next: u64,
    /// The highest that went back.
    last: u64,
}

/// What keeps the order of the publishes of each channel while some of them are on their way back.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<ChannelKey, Turns>);

impl Held {
    /// Whether a publish stands behind one of its channel that went back and is not taken yet. It
    /// goes back too, to come after it.
    pub(super) fn must_wait(&mut self, origin: &Origin) -> bool {
        let turns = self.0.get_mut(&origin.key());
        let Some(turns) = turns.filter(|turns| turns.next != origin.serial) else {
            return false;
        };
        turns.last = turns.last.max(origin.serial);
        true
    }

    /// A publish goes back: those behind it keep their place.
    pub(super) fn hold(&mut self, origin: &Origin) {
        let serial = origin.serial;
        let first = Turns {
            next: serial,
            last: serial,
        };
        self.0.entry(origin.key()).or_insert(first).next = serial;
    }

    /// A publish is taken: the next of its channel has its turn.
    pub(super) fn taken(&mut self, origin: &Origin) {
        let key = origin.key();
        if let Some(turns) = self.0.get_mut(&key) {
            turns.next = origin.serial + 1;
            if turns.next > turns.last {
                self.0.remove(&key);
            }
        }
    }

    /// A channel is there no more.
    pub(super) fn channel_gone(&mut self, key: ChannelKey) {
        self.0.remove(&key);
    }

    /// A connection is there no more.
    pub(super) fn gone(&mut self, connection: ConnectionId) {
        let key = |channel| ChannelKey::new(connection, channel);
        let all = key(0)..=key(u16::MAX);
        self.0.extract_if(all, |_, _| true).for_each(drop);
    }
}
