//! An open connection: its channels, and which of them listens.

use std::collections::BTreeMap;

use crate::amqp::codec::{MethodId, decode, split_method};
use crate::amqp::frame::{ChannelId, Frame, FrameKind};
use crate::amqp::reply::{Misbehaved, Reply, ReplyCode};

use super::channel::Channel;
use super::event::{Event, Leftover};
use super::handshake::{Client, Tuned};
use super::outbox::Outbox;
use super::{Offer, Step};

/// A channel number that is in use.
#[derive(Debug)]
pub(super) enum Slot<D> {
    /// Open.
    Open(Box<Channel<D>>),
    /// Nothing more comes from it; what came is being confirmed and answered. Then the fault is
    /// told, or, where there is none, the peer's close is answered.
    Ending(Box<Channel<D>>, Option<Reply>),
    /// We have closed it; everything but the peer's answer is ignored, contents included.
    Closing,
    /// Both closed it at once: the number is free, and the peer may still answer our close.
    Crossed,
}

#[derive(Debug)]
pub(super) struct Running<D> {
    pub(super) client: Client,
    pub(super) tuned: Tuned,
    /// Whether the peer has been told that we do not take publishes.
    pub(super) blocked: bool,
    slots: BTreeMap<ChannelId, Slot<D>>,
    // How many of the slots count as open: all but the crossed ones.
    occupied: usize,
    // Octets of memory that messages under way take, over all open channels.
    assembling: usize,
}

impl<D: Copy> Running<D> {
    pub(super) fn new(client: Client, tuned: Tuned) -> Self {
        Self {
            client,
            tuned,
            blocked: false,
            slots: BTreeMap::new(),
            occupied: 0,
            assembling: 0,
        }
    }

    /// The channel, if it is open.
    pub(super) fn open(&mut self, id: ChannelId) -> Option<&mut Channel<D>> {
        match self.slots.get_mut(&id)? {
            Slot::Open(channel) => Some(channel),
            Slot::Ending(..) | Slot::Closing | Slot::Crossed => None,
        }
    }

    /// The channel, if it can still be answered.
    pub(super) fn answerable(&mut self, id: ChannelId) -> Option<&mut Channel<D>> {
        match self.slots.get_mut(&id)? {
            Slot::Open(channel) | Slot::Ending(channel, _) => Some(channel),
            Slot::Closing | Slot::Crossed => None,
        }
    }

    /// A frame on a channel other than 0.
    pub(super) fn frame(
        &mut self,
        frame: &Frame<'_>,
        offer: &Offer,
        out: &mut Outbox,
    ) -> Result<Step<D>, Misbehaved> {
        let id = frame.channel;
        match self.slots.get_mut(&id) {
            Some(Slot::Open(channel)) if !closes(frame) || channel.incoming.is_under_way() => {
                let before = channel.incoming.held();
                let step = channel.frame(frame, offer, out);
                let others = self.assembling.saturating_sub(before);
                self.assembling = others.saturating_add(channel.incoming.held());
                within_budget(self.assembling, offer.assembly_bytes_max)?;
                return step;
            }
            Some(Slot::Open(_)) => {
                let (method, arguments) = split_method(frame.payload)?;
                decode(method, arguments, offer.tables)?;
                let left = self.end_channel(id, None);
                return Ok(left.map_or(Step::Done, |left| {
                    Step::Event(Event::ChannelEnding { left, fault: None })
                }));
            }
            Some(Slot::Ending(..) | Slot::Closing) if frame.kind != FrameKind::Method => {
                return Ok(Step::Done);
            }
            Some(Slot::Ending(..) | Slot::Closing | Slot::Crossed) | None => {}
        }
        if frame.kind != FrameKind::Method {
            return Err(not_open(id));
        }
        let (method, arguments) = split_method(frame.payload)?;
        if method == MethodId::CHANNEL_OPEN {
            decode(method, arguments, offer.tables)?;
        }
        self.method_off_channel(id, method, out)?;
        Ok(Step::Done)
    }

    /// A method on a channel that is not open.
    fn method_off_channel(
        &mut self,
        id: ChannelId,
        method: MethodId,
        out: &mut Outbox,
    ) -> Result<(), Misbehaved> {
        let slot = self.slots.get_mut(&id);
        match (slot, method) {
            (None | Some(Slot::Crossed), MethodId::CHANNEL_OPEN) => self.open_channel(id, out)?,
            (Some(Slot::Crossed), MethodId::CHANNEL_CLOSE_OK) => {
                self.slots.remove(&id);
            }
            (None | Some(Slot::Crossed), _) => return Err(not_open(id).by(method)),
            (Some(_), MethodId::CHANNEL_OPEN) => {
                let sentence = format_args!("channel {id} is not closed yet");
                return Err(Misbehaved::new(ReplyCode::ChannelError, sentence).by(method));
            }
            // The peer closes what we are about to close: it gets the answer to its own close.
            (Some(Slot::Ending(_, fault)), MethodId::CHANNEL_CLOSE) => *fault = None,
            (Some(slot @ Slot::Closing), MethodId::CHANNEL_CLOSE) => {
                out.method(id, MethodId::CHANNEL_CLOSE_OK, |_| ());
                *slot = Slot::Crossed;
                self.occupied = self.occupied.saturating_sub(1);
            }
            (Some(Slot::Closing), MethodId::CHANNEL_CLOSE_OK) => self.free(id),
            (Some(_), _) => {}
        }
        Ok(())
    }

    fn open_channel(&mut self, id: ChannelId, out: &mut Outbox) -> Result<(), Misbehaved> {
        let channels_max = usize::from(self.tuned.channels_max);
        if self.occupied >= channels_max {
            let sentence = format_args!("{channels_max} channels are open, which is the maximum");
            return Err(Misbehaved::new(ReplyCode::NotAllowed, sentence).by(MethodId::CHANNEL_OPEN));
        }
        self.slots
            .insert(id, Slot::Open(Box::new(Channel::new(id))));
        self.occupied = self.occupied.saturating_add(1);
        out.method(id, MethodId::CHANNEL_OPEN_OK, |args| args.long_string(b""));
        Ok(())
    }

    /// The channel takes nothing more; what was out on it, where it was open.
    pub(super) fn end_channel(
        &mut self,
        id: ChannelId,
        fault: Option<Reply>,
    ) -> Option<Leftover<D>> {
        let slot = self.slots.get_mut(&id)?;
        match std::mem::replace(slot, Slot::Closing) {
            Slot::Open(mut channel) => {
                let held = channel.incoming.held();
                self.assembling = self.assembling.saturating_sub(held);
                let left = channel.leave();
                *slot = Slot::Ending(channel, fault);
                Some(left)
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Our close is on its way; what was out, where the channel was open.
    pub(super) fn close_channel(&mut self, id: ChannelId) -> Option<Leftover<D>> {
        let slot = self.slots.get_mut(&id)?;
        let Slot::Open(channel) = slot else {
            return None;
        };
        let held = channel.incoming.held();
        self.assembling = self.assembling.saturating_sub(held);
        let left = channel.leave();
        *slot = Slot::Closing;
        Some(left)
    }

    /// An ending is over: tells the fault or answers the close.
    pub(super) fn channel_ended(&mut self, id: ChannelId, out: &mut Outbox) {
        match self.slots.get_mut(&id) {
            Some(slot @ Slot::Ending(_, Some(_))) => {
                if let Slot::Ending(_, Some(fault)) = std::mem::replace(slot, Slot::Closing) {
                    out.close(id, MethodId::CHANNEL_CLOSE, &fault);
                }
            }
            Some(Slot::Ending(_, None)) => {
                out.method(id, MethodId::CHANNEL_CLOSE_OK, |_| ());
                self.free(id);
            }
            Some(Slot::Open(_) | Slot::Closing | Slot::Crossed) | None => {}
        }
    }

    fn free(&mut self, id: ChannelId) {
        self.slots.remove(&id);
        self.occupied = self.occupied.saturating_sub(1);
    }

    /// What is out on all channels, which forget it.
    pub(super) fn leave(&mut self, leftovers: &mut Vec<Leftover<D>>) {
        for slot in self.slots.values_mut() {
            if let Slot::Open(channel) = slot {
                let left = channel.leave();
                if !left.unsettled.is_empty() || !left.consumers.is_empty() {
                    leftovers.push(left);
                }
            }
        }
    }
}

fn closes(frame: &Frame<'_>) -> bool {
    frame.kind == FrameKind::Method
        && split_method(frame.payload).is_ok_and(|(id, _)| id == MethodId::CHANNEL_CLOSE)
}

fn within_budget(octets: usize, octets_max: usize) -> Result<(), Misbehaved> {
    if octets <= octets_max {
        return Ok(());
    }
    let sentence = format_args!(
        "messages under way on all channels take more than {octets_max} octets; finish one before the next"
    )
    .to_string();
    Err(Misbehaved::new(ReplyCode::NotAllowed, sentence).by(MethodId::BASIC_PUBLISH))
}

fn not_open(id: ChannelId) -> Misbehaved {
    Misbehaved::new(
        ReplyCode::ChannelError,
        format_args!("channel {id} is not open"),
    )
}
