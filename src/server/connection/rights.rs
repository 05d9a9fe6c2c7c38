//! What a connected system may do: always as the rulebook in force has it.

use std::sync::Arc;

use crate::agency::identity::Grounds;
use crate::agency::registry::Peer;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// A system and the grounds on which it is served. There is no way to its rights but by naming the
/// rulebook that gives them, so that an activation reaches the next thing that it does.
pub(super) struct Rights {
    /// As the rulebook of `epoch` has it.
    peer: Arc<Peer>,
    epoch: Option<u64>,
    grounds: Grounds,
}

/// A rulebook does not let a system stay connected: it does not know it, puts it into another unit, or
/// lets it read other queues.
#[derive(Debug)]
pub(super) struct Ended;

impl Rights {
    pub(super) fn new(peer: Arc<Peer>, grounds: Grounds) -> Self {
        Self {
            peer,
            epoch: None,
            grounds,
        }
    }

    /// The system as `rulebook` has it.
    pub(super) fn under(&mut self, rulebook: &Rulebook) -> Result<Arc<Peer>, Ended> {
        if self.epoch != Some(rulebook.epoch()) {
            let peer = self.grounds.as_of(&self.peer, rulebook.registry());
            // What it reads was granted when it asked for it: it asks again.
            let peer = peer.filter(|peer| peer.system.reads == self.peer.system.reads);
            let peer = peer.ok_or(Ended)?;
            if peer != *self.peer {
                self.peer = Arc::new(peer);
            }
            self.epoch = Some(rulebook.epoch());
        }
        Ok(Arc::clone(&self.peer))
    }

    /// The system as it was looked at last: its names and its unit, which stay while it is connected.
    pub(super) fn system(&self) -> &Peer {
        &self.peer
    }

    /// When the chain that let it in ends.
    pub(super) fn until(&self) -> Timestamp {
        self.grounds.until
    }

    /// Says why it goes then.
    pub(super) fn end_of_grounds(&self) -> String {
        let Grounds {
            until, ends_with, ..
        } = &self.grounds;
        format!("{ends_with} ended at {until}")
    }
}
