//! The link of one connection with the core: commands to it, effects from it.
//!
//! Commands are handed over in order, once a turn, or once in a few turns where more is coming. Effects
//! are given out in order too, but for a channel on which a delivery waits to be narrowed: what follows
//! on it waits behind.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use super::held::Held;
use super::searches::Searches;
use crate::amqp::{ChannelId, Place, PublishTag};
use crate::backbone::embedded::Embedded;
use crate::backbone::port::Port;
use crate::broker::command::{Ask, Command, Narrowing, Settle};
use crate::broker::effect::{Deliver, Effect};
use crate::broker::exchange::Submission;
use crate::broker::ids::{ChannelKey, DeliveryId, Origin};
use crate::message::id::KeyedDigest;

/// Commands or effects that a list keeps room for while it is empty: as many as a busy connection has
/// in a turn.
const KEPT: usize = 256;

/// Commands below which a turn that ended early hands over nothing yet: each handing over is a batch of
/// its own, with its sync and its wake-ups.
const FEW: usize = 64;
/// Turns in a row that may hand over nothing.
const TURNS_KEPT: u8 = 2;

/// One connection's link with the core. Owned by its connection.
#[derive(Default)]
pub(super) struct Link {
    /// The way to the core, while the connection is open.
    port: Option<Port>,
    commands: Vec<Command>,
    /// Turns in a row that handed nothing over.
    turns_kept: u8,
    searches: Searches,
    /// Effects that came, and are not looked at yet.
    effects: VecDeque<Effect>,
    /// Effects just taken from the outbox; empty between turns, when its memory is the outbox's next.
    taken: Vec<Effect>,
    /// An effect that had its turn and waits for its record: before all others.
    stalled: Option<Effect>,
    held: Held,
}

/// An effect whose turn has come.
pub(super) enum Next {
    /// To be carried out.
    Due(Effect),
    /// A delivery whose turn is behind what waits on its channel.
    Behind(Box<Deliver>),
}

impl Link {
    pub(super) fn open(&mut self, port: Port) {
        self.port = Some(port);
    }

    pub(super) fn is_open(&self) -> bool {
        self.port.is_some()
    }

    /// The address by which the core knows a publish; none where the connection is not open.
    pub(super) fn origin(&self, place: Place) -> Option<Origin> {
        self.port.as_ref().map(|port| Origin {
            connection: port.id,
            channel: place.channel.get(),
            serial: place.serial,
            confirm: place.confirm.map(PublishTag::get),
        })
    }

    /// Adds a command.
    pub(super) fn tell(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Asks for a channel; the answer comes back in the order of its requests.
    pub(super) fn ask(&mut self, channel: ChannelId, ask: Ask) {
        if let Some(port) = &self.port {
            self.commands.push(Command::Ask {
                connection: port.id,
                channel: channel.get(),
                ask,
            });
        }
    }

    pub(super) fn settle(&mut self, deliveries: Vec<DeliveryId>, how: Settle) {
        self.commands.push(Command::Settle { deliveries, how });
    }

    /// Has a narrower release recorded before it is sent; its delivery comes back.
    pub(super) fn narrow(&mut self, deliver: &Deliver, narrowed: Narrowing) {
        if let Some(port) = &self.port {
            self.commands.push(Command::Narrow {
                to: ChannelKey::new(port.id, deliver.channel),
                delivery: deliver.delivery,
                narrowed,
            });
        }
    }

    /// Deliveries that wait to be narrowed.
    pub(super) fn held(&mut self) -> &mut Held {
        &mut self.held
    }

    /// Adds a message, whose id is to be searched for before it is handed over where `search` says so.
    pub(super) fn submit(
        &mut self,
        origin: Origin,
        submission: Box<Submission>,
        search: Option<KeyedDigest>,
    ) {
        if let Some(key) = search {
            self.searches.add(self.commands.len(), key);
        }
        self.commands.push(Command::Submit(origin, submission));
    }

    /// Whether what was added waits for what the next turn, which is sure to come, adds to it.
    pub(super) fn keeps(&mut self) -> bool {
        let keeps = self.commands.len() < FEW && self.turns_kept < TURNS_KEPT;
        self.turns_kept = if keeps { self.turns_kept + 1 } else { 0 };
        keeps
    }

    /// Hands over what was added, as far as it need not be searched for. True where a search has ended.
    pub(super) fn send(&mut self, cx: &Context<'_>, backbone: &Embedded) -> bool {
        let Some(port) = &mut self.port else {
            return false;
        };
        let searched = self.searches.turn(cx, &mut self.commands, backbone);
        let free = self.searches.free(self.commands.len());
        if free == self.commands.len() {
            port.send(&mut self.commands);
        } else if free > 0 {
            let mut free: Vec<Command> = self.commands.drain(..free).collect();
            self.searches.shift(free.len());
            port.send(&mut free);
        }
        searched
    }

    /// Whether the core takes publishes now; when not, `waker` is woken once it does.
    pub(super) fn has_room(&self, waker: &Waker) -> bool {
        self.port.as_ref().is_none_or(|port| port.has_room(waker))
    }

    /// Takes what the core has sent. True where something came.
    pub(super) fn receive(&mut self, cx: &Context<'_>) -> bool {
        let Some(port) = &self.port else {
            return false;
        };
        // Registered before the look, or a wake between the two would be lost.
        port.outbox.register(cx.waker());
        let came = port.outbox.take(&mut self.taken);
        self.effects.extend(self.taken.drain(..));
        came
    }

    /// The next effect that has its turn; or a delivery that comes to wait behind others of its channel.
    pub(super) fn next(&mut self) -> Option<Next> {
        // What waited on its channel came first.
        if let Some(effect) = self.stalled.take().or_else(|| self.held.next()) {
            return Some(Next::Due(effect));
        }
        loop {
            match self.effects.pop_front()? {
                Effect::Deliver(deliver) if self.held.has(deliver.channel) => {
                    return Some(Next::Behind(deliver));
                }
                effect => {
                    if let Some(effect) = self.held.keep(effect) {
                        return Some(Next::Due(effect));
                    }
                }
            }
        }
    }

    /// Gives back an effect that [`Self::next`] gave, which cannot be carried out yet.
    pub(super) fn stall(&mut self, effect: Effect) {
        self.stalled = Some(effect);
    }

    /// Effects that have their turn later.
    pub(super) fn behind(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter()
    }

    /// Gives back the memory of lists that are empty and have grown large.
    pub(super) fn shed(&mut self) {
        if self.commands.is_empty() && self.commands.capacity() > KEPT {
            self.commands = Vec::new();
        }
        if self.effects.is_empty() && self.effects.capacity() > KEPT {
            self.effects = VecDeque::new();
        }
        if self.taken.capacity() > KEPT {
            self.taken = Vec::new();
        }
    }

    /// Hands over the commands that are left and ends: deliveries that were out go back to their queues,
    /// and no more effects come. `by_us` where it is of the broker's own accord: no delivery is counted
    /// then.
    pub(super) fn end(&mut self, by_us: bool) {
        // Dropping the port says so, behind everything that was handed over.
        if let Some(mut port) = self.port.take() {
            port.ended_here = by_us;
            port.send(&mut self.commands);
            self.searches.clear();
            self.effects.clear();
            self.stalled = None;
            self.held.clear();
        }
    }
}
