//! Publishes in the pace of their agency: those that come before there is a place for them wait here,
//! and behind them what their client asks on the same channel. Acknowledgements, heartbeats and
//! other channels go on.
//!
//! INVARIANT: nothing is handed to the core before its place, on however many connections an agency
//! sends, and however often it connects anew. What waits is bounded as what is not confirmed is: the
//! socket is not read beyond.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::amqp::{self, ChannelId, Event};
use crate::broker::command::{DeliveryId, Origin};
use crate::broker::limits::UNANSWERED_REQUESTS;
use crate::server::translate;

/// What waits, in the order in which it came: the first is a publish.
#[derive(Default)]
pub(super) struct Early {
    waiting: VecDeque<Waiting>,
    /// When the first has its place (monotonic).
    until: Duration,
    /// How many of those that wait are no publishes.
    requests: usize,
}

enum Waiting {
    Publish(Origin, Box<amqp::Publish>),
    /// Its channel's, or the whole connection's.
    Behind(Option<ChannelId>, Box<Event<DeliveryId>>),
}

impl Early {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no more are to be read: publishes that wait are counted with those not confirmed.
    pub(super) fn is_full(&self) -> bool {
        self.requests >= UNANSWERED_REQUESTS
    }

    /// When the first is to be tried (monotonic); none where nothing waits.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.is_empty()).then_some(self.until)
    }

    /// Gives back an event that need not wait, and keeps one that comes behind a publish of its channel,
    /// or at the connection's end, in its turn.
    pub(super) fn pass(&mut self, event: Event<DeliveryId>) -> Option<Event<DeliveryId>> {
        if self.is_empty() {
            return Some(event);
        }
        let channel = match &event {
            Event::Request { channel, .. } => Some(*channel),
            Event::ChannelEnding { left, .. } => Some(left.channel),
            Event::ConnectionEnding { .. } => None,
            _ => return Some(event),
        };
        if channel.is_some_and(|channel| !self.waiting.iter().any(|it| it.is_of(channel))) {
            return Some(event);
        }
        self.requests += 1;
        self.waiting
            .push_back(Waiting::Behind(channel, Box::new(event)));
        None
    }

    /// Drops what was asked for on a channel that is gone: its number may be another channel's by then.
    pub(super) fn drop_requests_of(&mut self, channel: ChannelId) {
        let before = self.waiting.len();
        self.waiting
            .retain(|it| !matches!(it, Waiting::Behind(Some(of), _) if *of == channel));
        let dropped = before.saturating_sub(self.waiting.len());
        self.requests = self.requests.saturating_sub(dropped);
    }

    /// A publish of a channel has closed it: those behind it are not published. Gives how many they are.
    pub(super) fn drop_publishes_of(&mut self, channel: u16) -> usize {
        let before = self.waiting.len();
        self.waiting
            .retain(|it| !matches!(it, Waiting::Publish(of, _) if of.channel == channel));
        before.saturating_sub(self.waiting.len())
    }

    /// The connection is over: nothing of it is taken any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.requests = 0;
    }

    /// The first that waits, where it is a publish that has its time, or stands behind none.
    fn next(&mut self, now: Duration) -> Option<Waiting> {
        let is_due = |first: &mut Waiting| match first {
            Waiting::Publish(..) => self.until <= now,
            Waiting::Behind(..) => true,
        };
        let next = self.waiting.pop_front_if(is_due);
        if matches!(next, Some(Waiting::Behind(..))) {
            self.requests = self.requests.saturating_sub(1);
        }
        next
    }
}

impl Waiting {
    fn is_of(&self, channel: ChannelId) -> bool {
        match self {
            Self::Publish(origin, _) => origin.channel == channel.get(),
            Self::Behind(of, _) => *of == Some(channel),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Hands a publish over, or keeps it until its agency has a place for it.
    pub(super) fn hand_over(&mut self, origin: Origin, publish: Box<amqp::Publish>) {
        if self.early.is_empty() {
            self.try_publish(origin, publish);
        } else {
            self.early
                .waiting
                .push_back(Waiting::Publish(origin, publish));
        }
    }

    fn try_publish(&mut self, origin: Origin, publish: Box<amqp::Publish>) {
        let now = self.clock.monotonic();
        let per_second = self.peer.agency.limits.messages_per_second;
        let (exchange, key) = (&*publish.exchange, &*publish.routing_key);
        match self.pace.take(exchange, key, per_second, now) {
            Err(until) => {
                self.early.until = until;
                let first = Waiting::Publish(origin, publish);
                self.early.waiting.push_front(first);
            }
            Ok(()) if exchange == "carnet" => self.submit(origin, translate::publish(*publish)),
            Ok(()) => self.publish_privately(origin, *publish),
        }
    }

    /// Takes the next of those that wait, once its time has come.
    pub(super) fn try_early(&mut self) -> bool {
        let now = self.clock.monotonic();
        match self.early.next(now) {
            None => return false,
            Some(Waiting::Publish(origin, publish)) => self.try_publish(origin, publish),
            Some(Waiting::Behind(_, event)) => self.event(*event),
        }
        true
    }
}
