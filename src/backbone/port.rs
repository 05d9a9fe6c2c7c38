//! `Port`, a connection's way to the core and back.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::mailbox::{Inbox, Outbox, Share, lock};
use crate::agency::registry::Party;
use crate::broker::command::Command;
use crate::broker::event::Event;
use crate::broker::ids::ConnectionId;
use crate::broker::input::Input;

/// Inputs for which memory is kept while a connection is idle.
const KEPT: usize = 16;

/// The outboxes of all connections.
pub(super) type Outboxes = Arc<Mutex<BTreeMap<ConnectionId, Arc<Outbox>>>>;

/// A connection's way to the core and back. Its end tells the core that the connection is over.
pub struct Port {
    /// The connection's number.
    pub id: ConnectionId,
    inbox: Arc<Inbox>,
    /// What its agency has waiting.
    share: Arc<Share>,
    /// Kept for the next packet.
    inputs: Vec<Input>,
    /// What came back.
    pub outbox: Arc<Outbox>,
    outboxes: Outboxes,
    /// Whether it waits for room for publishes.
    waits: Arc<AtomicBool>,
    /// Whether the broker ends the connection of its own accord.
    pub ended_here: bool,
}

impl Port {
    /// The port of a new connection of a system whose agency, or unlisted unit, is `party`.
    pub(super) fn open(
        id: ConnectionId,
        inbox: &Arc<Inbox>,
        outboxes: &Outboxes,
        party: Party,
    ) -> Self {
        let outbox = Arc::new(Outbox::default());
        lock(outboxes).insert(id, Arc::clone(&outbox));
        Self {
            id,
            inbox: Arc::clone(inbox),
            share: inbox.share(party),
            inputs: Vec::new(),
            outbox,
            outboxes: Arc::clone(outboxes),
            waits: Arc::default(),
            ended_here: false,
        }
    }

    /// Hands over commands in order; they are taken out of `commands`.
    pub fn send(&mut self, commands: &mut Vec<Command>) {
        if !commands.is_empty() {
            let payer = self.share.payer;
            self.inputs.reserve(commands.len());
            let inputs = commands.drain(..);
            self.inputs
                .extend(inputs.flat_map(|command| Input::parts(payer, self.id, command)));
            self.inbox.push_for(&self.share, &mut self.inputs);
            self.inputs.shrink_to(KEPT);
        }
    }

    /// Whether publishes may be read; when not, `waker` is woken once they may.
    pub fn has_room(&self, waker: &Waker) -> bool {
        self.share.has_room(waker, &self.waits)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        lock(&self.outboxes).remove(&self.id);
        let over = if self.ended_here {
            Event::Ended(self.id)
        } else {
            Event::Gone(self.id)
        };
        self.inputs.push(Input::event(self.share.payer, over));
        self.inbox.push_for(&self.share, &mut self.inputs);
    }
}
