//! An open connection: its channels, and which of them listens.

use std::collections::BTreeMap;

use crate::amqp::codec::{MethodId, decode, split_method};
use crate::amqp::frame::{ChannelId, Frame, FrameKind};
use crate::amqp::reply::{Misbehaved, Reply, ReplyCode};

use super::channel::{Around, Channel};
use super::event::{Answer, ConsumerNumber, Event, Leftover, Place, PublishTag, Step};
use super::load::{Load, Loads};
use super::offer::Offer;
use super::outbox::Outbox;
use super::owed::Owed;
use super::tuned::{Client, Tuned};

/// A channel number that was used.
#[derive(Debug)]
struct Seat<D> {
    slot: Slot<D>,
    owed: Owed,
}

/// What a channel number is used for.
#[derive(Debug)]
enum Slot<D> {
    /// For nothing.
    Free,
    /// Its channel is open.
    Open(Box<Channel<D>>),
    /// Nothing more comes from its channel; what came is being confirmed and answered.
    Ending(Ending<D>),
    /// We have closed its channel; everything but the peer's answer is ignored, contents included.
    Closing,
    /// Both closed its channel at once: it is free, and the peer may still answer our close.
    Crossed,
}

/// A channel on its way out.
#[derive(Debug)]
struct Ending<D> {
    channel: Box<Channel<D>>,
    /// What it is closed for; `None` where the peer closed it and gets its answer.
    fault: Option<Reply>,
    /// Whether the broker has answered that all before it is done.
    answered: bool,
}

#[derive(Debug)]
pub(super) struct Running<D> {
    pub(super) client: Client,
    pub(super) tuned: Tuned,
    /// Whether the peer has been told that we do not take publishes.
    pub(super) blocked: bool,
    seats: BTreeMap<ChannelId, Seat<D>>,
    /// What all channels hold that are open or ending.
    pub(super) loads: Loads,
    last_consumer: ConsumerNumber,
    /// Confirms to be written, the highest of each channel.
    confirms: BTreeMap<ChannelId, PublishTag>,
    // Answers that the broker owes, endings included.
    unanswered: usize,
    // Outcomes that the broker owes.
    undecided: u64,
    has_published: bool,
}

impl<D: Copy> Running<D> {
    pub(super) fn new(client: Client, tuned: Tuned) -> Self {
        Self {
            client,
            tuned,
            blocked: false,
            seats: BTreeMap::new(),
            loads: Loads::default(),
            last_consumer: ConsumerNumber(0),
            confirms: BTreeMap::new(),
            unanswered: 0,
            undecided: 0,
            has_published: false,
        }
    }

    /// How many answers are to come: those that the broker owes, and what waits behind them.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.saturating_add(self.loads.ready)
    }

    /// What its running numbers are, and what they are counted anew.
    #[cfg(test)]
    pub(super) fn counted(&self) -> ([u64; 5], [u64; 5]) {
        let number = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        let loads: Vec<Load> = (self.seats.values())
            .filter_map(|seat| match &seat.slot {
                Slot::Open(channel) | Slot::Ending(Ending { channel, .. }) => Some(channel.load()),
                Slot::Free | Slot::Closing | Slot::Crossed => None,
            })
            .collect();
        let sum = |of: fn(&Load) -> usize| number(loads.iter().map(of).sum());
        let undecided = self.seats.values().map(|seat| seat.owed.undecided()).sum();
        let of = &self.loads;
        let kept = [of.assembling, of.whole, of.consumers, of.ready].map(number);
        (
            [kept[0], kept[1], kept[2], kept[3], self.undecided],
            [
                sum(|it| it.assembling),
                sum(|it| it.whole),
                sum(|it| it.consumers),
                sum(|it| it.ready),
                undecided,
            ],
        )
    }

    /// Whether the peer ever published.
    pub(super) fn has_published(&self) -> bool {
        self.has_published
    }

    /// Whether publishes are without their outcome.
    pub(super) fn awaits_outcomes(&self) -> bool {
        self.undecided > 0
    }

    /// The channel, if it is open.
    pub(super) fn open(&mut self, id: ChannelId) -> Option<&mut Channel<D>> {
        match &mut self.seats.get_mut(&id)?.slot {
            Slot::Open(channel) => Some(channel),
            Slot::Free | Slot::Ending(_) | Slot::Closing | Slot::Crossed => None,
        }
    }

    /// The channel, if it can still be answered.
    pub(super) fn answerable(&mut self, id: ChannelId) -> Option<&mut Channel<D>> {
        match &mut self.seats.get_mut(&id)?.slot {
            Slot::Open(channel) | Slot::Ending(Ending { channel, .. }) => Some(channel),
            Slot::Free | Slot::Closing | Slot::Crossed => None,
        }
    }

    /// Has a channel that can still be answered do something, which may change what it holds.
    pub(super) fn change<T>(
        &mut self,
        id: ChannelId,
        act: impl FnOnce(&mut Channel<D>) -> T,
    ) -> Option<T> {
        let channel = self.answerable(id)?;
        let before = channel.load();
        let done = act(channel);
        let now = channel.load();
        self.loads.change(id, before, now);
        Some(done)
    }

    /// A frame on a channel other than 0.
    pub(super) fn frame(
        &mut self,
        frame: &Frame<'_>,
        offer: &Offer,
        out: &mut Outbox,
    ) -> Result<Step<D>, Misbehaved> {
        let id = frame.channel;
        match self.seats.get_mut(&id).map(|seat| &seat.slot) {
            Some(Slot::Open(channel)) if !closes(frame) || channel.incoming.is_under_way() => {
                return self.frame_of_open(frame, offer, out);
            }
            Some(Slot::Open(_)) => {
                let (method, arguments) = split_method(frame.payload)?;
                decode(method, arguments, offer.tables)?;
                let left = self.end_channel(id, None);
                return Ok(left.map_or(Step::Done, |left| {
                    Step::Event(Event::ChannelEnding { left, fault: None })
                }));
            }
            Some(Slot::Ending(_) | Slot::Closing) if frame.kind != FrameKind::Method => {
                return Ok(Step::Done);
            }
            Some(Slot::Ending(_) | Slot::Closing | Slot::Crossed | Slot::Free) | None => {}
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

    fn frame_of_open(
        &mut self,
        frame: &Frame<'_>,
        offer: &Offer,
        out: &mut Outbox,
    ) -> Result<Step<D>, Misbehaved> {
        let Some(Seat {
            slot: Slot::Open(channel),
            owed,
        }) = self.seats.get_mut(&frame.channel)
        else {
            return Ok(Step::Done);
        };
        let before = channel.load();
        let mut around = Around {
            offer,
            out,
            last_consumer: &mut self.last_consumer,
        };
        let step = channel.frame(frame, &mut around);
        self.loads.change(frame.channel, before, channel.load());
        within_budget(self.loads.assembling, offer.assembly_bytes_max)?;
        let mut step = step?;
        match &mut step {
            Step::Event(Event::Publish(publish)) => {
                publish.place.serial = owed.publish();
                self.undecided = self.undecided.saturating_add(1);
                self.has_published = true;
            }
            Step::Event(Event::Request { .. }) => {
                self.unanswered = self.unanswered.saturating_add(1);
            }
            _ => {}
        }
        Ok(step)
    }

    /// A method on a channel that is not open.
    fn method_off_channel(
        &mut self,
        id: ChannelId,
        method: MethodId,
        out: &mut Outbox,
    ) -> Result<(), Misbehaved> {
        let slot = self.seats.get_mut(&id).map(|seat| &mut seat.slot);
        match (slot, method) {
            (None | Some(Slot::Free | Slot::Crossed), MethodId::CHANNEL_OPEN) => {
                self.open_channel(id, out)?;
            }
            (Some(slot @ Slot::Crossed), MethodId::CHANNEL_CLOSE_OK) => *slot = Slot::Free,
            (None | Some(Slot::Free | Slot::Crossed), _) => return Err(not_open(id).by(method)),
            (Some(_), MethodId::CHANNEL_OPEN) => {
                let sentence = format_args!("channel {id} is not closed yet");
                return Err(Misbehaved::new(ReplyCode::ChannelError, sentence).by(method));
            }
            // The peer closes what we are about to close: it gets the answer to its own close.
            (Some(Slot::Ending(ending)), MethodId::CHANNEL_CLOSE) => ending.fault = None,
            (Some(slot @ Slot::Closing), MethodId::CHANNEL_CLOSE) => {
                out.method(id, MethodId::CHANNEL_CLOSE_OK, |_| ());
                *slot = Slot::Crossed;
            }
            (Some(Slot::Closing), MethodId::CHANNEL_CLOSE_OK) => self.free(id),
            (Some(_), _) => {}
        }
        Ok(())
    }

    fn open_channel(&mut self, id: ChannelId, out: &mut Outbox) -> Result<(), Misbehaved> {
        let channels_max = self.tuned.channels_max;
        if id.get() > channels_max {
            let sentence = format_args!("channel {id}, the agreed channel-max is {channels_max}");
            let opening = MethodId::CHANNEL_OPEN;
            return Err(Misbehaved::new(ReplyCode::ChannelError, sentence).by(opening));
        }
        let slot = Slot::Open(Box::new(Channel::new(id)));
        // What the number owes outlives its channels.
        let owed = self.seats.remove(&id).map(|seat| seat.owed);
        let owed = owed.unwrap_or_default();
        self.seats.insert(id, Seat { slot, owed });
        out.method(id, MethodId::CHANNEL_OPEN_OK, |args| args.long_string(b""));
        Ok(())
    }

    /// The channel takes nothing more, and the broker is asked to say when all before is done. Gives
    /// what was out, where the channel was open.
    pub(super) fn end_channel(
        &mut self,
        id: ChannelId,
        fault: Option<Reply>,
    ) -> Option<Leftover<D>> {
        let slot = &mut self.seats.get_mut(&id)?.slot;
        match std::mem::replace(slot, Slot::Closing) {
            Slot::Open(mut channel) => {
                let before = channel.load();
                let left = channel.leave();
                self.loads.change(id, before, channel.load());
                self.unanswered = self.unanswered.saturating_add(1);
                *slot = Slot::Ending(Ending {
                    channel,
                    fault,
                    answered: false,
                });
                Some(left)
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    /// The broker closes the channel, and is asked to say when it has done with it: that answer and
    /// those to what was asked on it come too late. Gives what was out, where the channel was open.
    pub(super) fn close_channel(&mut self, id: ChannelId) -> Option<Leftover<D>> {
        let Seat { slot, owed } = self.seats.get_mut(&id)?;
        let Slot::Open(channel) = slot else {
            return None;
        };
        self.loads.change(id, channel.load(), Load::default());
        self.unanswered = self.unanswered.saturating_add(1);
        owed.forget(channel.answers.awaited().saturating_add(1));
        let left = channel.leave();
        *slot = Slot::Closing;
        Some(left)
    }

    /// Takes back so many requests of a channel that is gone: they never went to the broker.
    pub(super) fn retract(&mut self, id: ChannelId, requests: usize) {
        self.unanswered = self.unanswered.saturating_sub(requests);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.owed.retract(requests);
        }
    }

    /// Counts an answer of the broker that comes now. Whether the channel that it is for is still there.
    pub(super) fn next_answer(&mut self, id: ChannelId) -> bool {
        self.unanswered = self.unanswered.saturating_sub(1);
        let seat = self.seats.get_mut(&id);
        seat.is_some_and(|seat| !seat.owed.take_late_answer())
    }

    /// An answer to the request whose turn it is, or, behind all requests, to the end of the channel.
    /// Gives the reply that it is refused with.
    pub(super) fn answer(
        &mut self,
        id: ChannelId,
        answer: Answer<'_>,
        out: &mut Outbox,
    ) -> Option<Reply> {
        if !self.next_answer(id) {
            return None;
        }
        let asked = |channel: &mut Channel<D>| {
            (channel.answers.awaited() > 0).then(|| channel.answer(answer, out))
        };
        if let Some(refusal) = self.change(id, asked)? {
            return refusal;
        }
        if let Some(Slot::Ending(ending)) = self.seats.get_mut(&id).map(|seat| &mut seat.slot) {
            ending.answered = true;
        }
        self.end_if_due(id, out);
        None
    }

    /// An outcome has come. Whether the channel of its publish is still there to be told.
    pub(super) fn decide(&mut self, place: Place) -> bool {
        self.owed(place.channel, |owed| owed.decide(place.serial)) == Some(true)
    }

    /// A publish and all of its channel behind it did not go to the broker.
    pub(super) fn withdraw(&mut self, place: Place) {
        self.owed(place.channel, |owed| owed.withdraw(place.serial));
    }

    /// Changes what is owed to a number.
    fn owed<T>(&mut self, id: ChannelId, act: impl FnOnce(&mut Owed) -> T) -> Option<T> {
        let owed = &mut self.seats.get_mut(&id)?.owed;
        let before = owed.undecided();
        let done = act(owed);
        let others = self.undecided.saturating_sub(before);
        self.undecided = others.saturating_add(owed.undecided());
        Some(done)
    }

    /// A publish is to be confirmed with the next [`Self::write_confirms`].
    pub(super) fn confirm(&mut self, place: Place) {
        if let Some(tag) = place.confirm {
            self.confirms.insert(place.channel, tag);
        }
    }

    /// Writes what is to be confirmed: one ack a channel.
    pub(super) fn write_confirms(&mut self, out: &mut Outbox) {
        for (id, tag) in std::mem::take(&mut self.confirms) {
            if let Some(channel) = self.answerable(id) {
                channel.settle_publishes(tag, MethodId::BASIC_ACK, out);
            }
        }
    }

    /// Ends a channel once its end is answered and every publish before has its outcome: tells the
    /// fault or answers the close.
    pub(super) fn end_if_due(&mut self, id: ChannelId, out: &mut Outbox) {
        let seat = self.seats.get(&id);
        let is_due = seat.is_some_and(|Seat { slot, owed }| {
            matches!(slot, Slot::Ending(ending) if ending.answered) && owed.undecided() == 0
        });
        if !is_due {
            return;
        }
        self.write_confirms(out);
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut seat.slot, Slot::Closing);
        let Slot::Ending(Ending { channel, fault, .. }) = before else {
            return;
        };
        self.loads.change(id, channel.load(), Load::default());
        if let Some(fault) = fault {
            out.close(id, MethodId::CHANNEL_CLOSE, &fault);
        } else {
            out.method(id, MethodId::CHANNEL_CLOSE_OK, |_| ());
            self.free(id);
        }
    }

    fn free(&mut self, id: ChannelId) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.slot = Slot::Free;
            if seat.owed.is_blank() {
                self.seats.remove(&id);
            }
        }
    }

    /// What is out on all channels, which forget it.
    pub(super) fn leave(&mut self, leftovers: &mut Vec<Leftover<D>>) {
        for seat in self.seats.values_mut() {
            if let Slot::Open(channel) = &mut seat.slot {
                let before = channel.load();
                let left = channel.leave();
                self.loads.change(channel.id, before, channel.load());
                if !left.unsettled.is_empty() {
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
