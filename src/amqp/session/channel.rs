//! An open channel: what its methods do.
//!
//! Owns one channel's publishing side, its consumers and deliveries, its requests in order, and
//! the name that an empty queue name stands for. Never judges a request: the broker does.

use amq_protocol::types::ShortString;

use crate::amqp::codec::{ClientMethod, MethodId, decode, split_method};
use crate::amqp::frame::{ChannelId, Frame, FrameKind};
use crate::amqp::reply::{Misbehaved, ReplyCode};

use super::answers::Answers;
use super::content::Incoming;
use super::event::{ConsumerNumber, Event, Leftover, Settlement, Step};
use super::load::Load;
use super::offer::Offer;
use super::outbox::Outbox;
use super::outgoing::Outgoing;

/// What a channel works with that is its connection's.
pub(super) struct Around<'a> {
    pub(super) offer: &'a Offer,
    pub(super) out: &'a mut Outbox,
    /// The last consumer that any channel was asked for.
    pub(super) last_consumer: &'a mut ConsumerNumber,
}

impl Around<'_> {
    pub(super) fn next_consumer(&mut self) -> ConsumerNumber {
        self.last_consumer.0 = self.last_consumer.0.saturating_add(1);
        *self.last_consumer
    }
}

/// What an empty queue name stands for.
#[derive(Debug)]
pub(super) enum LastQueue {
    /// Nothing has been declared.
    None,
    /// The name that the broker is making up.
    Awaited,
    Named(ShortString),
}

impl LastQueue {
    pub(super) fn named(name: &str) -> Self {
        ShortString::try_new(name).map_or(Self::None, Self::Named)
    }
}

#[derive(Debug)]
pub(super) struct Channel<D> {
    pub(super) id: ChannelId,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing<D>,
    pub(super) answers: Answers,
    pub(super) last_queue: LastQueue,
}

impl<D: Copy> Channel<D> {
    pub(super) fn new(id: ChannelId) -> Self {
        Self {
            id,
            incoming: Incoming::new(),
            outgoing: Outgoing::new(),
            answers: Answers::default(),
            last_queue: LastQueue::None,
        }
    }

    /// What it holds.
    pub(super) fn load(&self) -> Load {
        Load {
            assembling: self.incoming.held(),
            whole: self.incoming.whole(),
            begun_ms: self.incoming.begun_ms(),
            consumers: self.outgoing.consumers(),
            ready: self.answers.ready_ones(),
        }
    }

    /// Takes what was out, which the channel forgets, and what was coming in with it.
    pub(super) fn leave(&mut self) -> Leftover<D> {
        self.incoming.abandon();
        self.outgoing.end_consumers();
        Leftover {
            channel: self.id,
            unsettled: self.outgoing.take_all(),
        }
    }

    /// A frame on this channel.
    pub(super) fn frame(
        &mut self,
        frame: &Frame<'_>,
        around: &mut Around<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        let published = match frame.kind {
            FrameKind::Body => self.incoming.body(self.id, frame.payload)?,
            FrameKind::Header => {
                let now_ms = around.out.now_ms();
                self.incoming
                    .header(self.id, frame.payload, around.offer, now_ms)?
            }
            FrameKind::Method => return self.method(frame, around),
            // Heartbeats off channel 0 never get here.
            FrameKind::Heartbeat => None,
        };
        Ok(published.map_or(Step::Done, |publish| Step::Event(Event::Publish(publish))))
    }

    fn method(
        &mut self,
        frame: &Frame<'_>,
        around: &mut Around<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        let (id, arguments) = split_method(frame.payload)?;
        if self.incoming.is_under_way() {
            return Err(Misbehaved::new(
                ReplyCode::UnexpectedFrame,
                format_args!("method {id} amid the content of a publish"),
            ));
        }
        match decode(id, arguments, around.offer.tables)? {
            ClientMethod::Publish(head) => {
                self.incoming.method(&head)?;
                Ok(Step::Done)
            }
            ClientMethod::Ack { tag, multiple } => self.settle(id, tag, multiple, Settlement::Ack),
            ClientMethod::Nack {
                tag,
                multiple,
                requeue,
            } => self.settle(id, tag, multiple, Settlement::refusal(requeue)),
            ClientMethod::Reject { tag, requeue } => {
                self.settle(id, tag, false, Settlement::refusal(requeue))
            }
            method => self.ask(id, method, around),
        }
    }

    fn settle(
        &mut self,
        id: MethodId,
        tag: u64,
        multiple: bool,
        how: Settlement,
    ) -> Result<Step<D>, Misbehaved> {
        let deliveries = self
            .outgoing
            .settle(tag, multiple)
            .map_err(|misbehaved| misbehaved.by(id))?;
        if deliveries.is_empty() {
            return Ok(Step::Done);
        }
        Ok(Step::Event(Event::Settle { deliveries, how }))
    }
}
