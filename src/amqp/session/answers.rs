//! Requests that wait for their answers, in order.
//!
//! Clients match answers to requests by order alone, so what the session answers by itself waits
//! behind what the broker has not answered yet. Also remembers which requests want no answer, and
//! which are refused once their turn comes.

use std::collections::VecDeque;

use amq_protocol::types::ShortString;

use crate::amqp::codec::MethodId;
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::Reply;

use super::event::ConsumerNumber;
use super::outbox::Outbox;

/// What a request is remembered by until its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The answer is this method, without arguments.
    Plain(MethodId),
    /// queue.declare; the broker makes the name up where `unnamed`.
    Declare { unnamed: bool },
    /// The answer is this method, with a number of messages.
    Count(MethodId),
    /// basic.consume.
    Consume(ConsumerNumber),
    /// basic.cancel, with the tag that the peer gave.
    Cancel(ConsumerNumber, ShortString),
    /// basic.get.
    Get { no_ack: bool },
}

/// A request that the broker has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) method: MethodId,
    pub(super) no_wait: bool,
    pub(super) asked: Asked,
    /// What it is refused with in its turn, whatever the answer is.
    pub(super) refusal: Option<Reply>,
}

/// An answer that the session gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// confirm.select-ok.
    ConfirmsSelected,
    /// channel.flow-ok: the flow is on.
    FlowOn,
    /// basic.cancel-ok of a consumer that there is not.
    Cancelled(ShortString),
}

#[derive(Debug)]
enum Pending {
    Awaited(Awaited),
    Ready(Ready),
}

/// The queue of a channel.
#[derive(Debug, Default)]
pub(super) struct Answers {
    // INVARIANT: the first one, if there is one, is `Awaited`.
    pending: VecDeque<Pending>,
    /// How many of them the broker owes.
    awaited: usize,
    /// How many have left the queue.
    left: u64,
}

impl Answers {
    /// A request goes to the broker. Gives its number among all that the channel queued.
    pub(super) fn expect(&mut self, awaited: Awaited) -> u64 {
        let before = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        self.pending.push_back(Pending::Awaited(awaited));
        self.awaited = self.awaited.saturating_add(1);
        self.left.saturating_add(before)
    }

    /// The request of this number is refused once its turn comes.
    pub(super) fn refuse(&mut self, nth: u64, reply: Reply) {
        let place = nth.checked_sub(self.left).map(usize::try_from);
        let Some(Ok(place)) = place else { return };
        if let Some(Pending::Awaited(awaited)) = self.pending.get_mut(place) {
            awaited.refusal = Some(reply);
        }
    }

    /// How many answers the broker still owes.
    pub(super) fn awaited(&self) -> usize {
        self.awaited
    }

    /// How many answers of the session's own wait behind them.
    pub(super) fn ready_ones(&self) -> usize {
        self.pending.len().saturating_sub(self.awaited)
    }

    /// A request is answered by the session: now, or when its turn comes.
    pub(super) fn ready(&mut self, channel: ChannelId, ready: Ready, out: &mut Outbox) {
        if self.pending.is_empty() {
            write(channel, &ready, out);
        } else {
            self.pending.push_back(Pending::Ready(ready));
        }
    }

    /// The request whose turn it is. What is ready behind it goes out with [`Self::flush`], after
    /// its answer.
    pub(super) fn next(&mut self) -> Option<Awaited> {
        match self.pop()? {
            Pending::Awaited(awaited) => Some(awaited),
            Pending::Ready(_) => None,
        }
    }

    fn pop(&mut self) -> Option<Pending> {
        let first = self.pending.pop_front()?;
        self.left = self.left.saturating_add(1);
        if matches!(first, Pending::Awaited(_)) {
            self.awaited = self.awaited.saturating_sub(1);
        }
        Some(first)
    }

    pub(super) fn flush(&mut self, channel: ChannelId, out: &mut Outbox) {
        while let Some(Pending::Ready(ready)) = self.pending.front() {
            write(channel, ready, out);
            self.pop();
        }
    }

    /// Whether a queue is being declared whose name is not known yet.
    pub(super) fn await_name(&self) -> bool {
        self.pending.iter().any(|pending| {
            matches!(
                pending,
                Pending::Awaited(Awaited {
                    asked: Asked::Declare { unnamed: true },
                    ..
                })
            )
        })
    }
}

fn write(channel: ChannelId, ready: &Ready, out: &mut Outbox) {
    match ready {
        Ready::ConfirmsSelected => out.method(channel, MethodId::CONFIRM_SELECT_OK, |_| ()),
        Ready::FlowOn => out.method(channel, MethodId::CHANNEL_FLOW_OK, |args| args.bit(true)),
        Ready::Cancelled(tag) => out.method(channel, MethodId::BASIC_CANCEL_OK, |args| {
            args.short_string(tag.as_str());
        }),
    }
}
