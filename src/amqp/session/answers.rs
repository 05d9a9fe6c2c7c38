//! Requests that wait for their answers, in order.
//!
//! Clients match answers to requests by order alone, so what the session answers by itself waits
//! behind what the broker has not answered yet. Also remembers who wants no answer.

use std::collections::VecDeque;

use amq_protocol::types::ShortString;

use crate::amqp::codec::MethodId;
use crate::amqp::frame::ChannelId;

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
    Consume { no_ack: bool },
    /// basic.cancel.
    Cancel(ShortString),
    /// basic.get.
    Get { no_ack: bool },
}

/// A request that the broker has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) method: MethodId,
    pub(super) no_wait: bool,
    pub(super) asked: Asked,
}

/// An answer that the session gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// This method, without arguments.
    Plain(MethodId),
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
}

impl Answers {
    /// A request goes to the broker.
    pub(super) fn expect(&mut self, awaited: Awaited) {
        self.pending.push_back(Pending::Awaited(awaited));
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
        match self.pending.pop_front() {
            Some(Pending::Awaited(awaited)) => Some(awaited),
            Some(Pending::Ready(_)) | None => None,
        }
    }

    pub(super) fn flush(&mut self, channel: ChannelId, out: &mut Outbox) {
        while let Some(Pending::Ready(ready)) = self.pending.front() {
            write(channel, ready, out);
            self.pending.pop_front();
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
        Ready::Plain(ok) => out.method(channel, *ok, |_| ()),
        Ready::FlowOn => out.method(channel, MethodId::CHANNEL_FLOW_OK, |args| args.bit(true)),
        Ready::Cancelled(tag) => out.method(channel, MethodId::BASIC_CANCEL_OK, |args| {
            args.short_string(tag.as_str());
        }),
    }
}
