//! What the channels of a connection hold, as running numbers.
//!
//! INVARIANT: what is asked of all channels at every turn is kept here and not counted anew, so that a
//! turn costs the same however many channels there are.

use std::collections::VecDeque;

use crate::amqp::frame::ChannelId;

/// What one channel holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Octets of memory that its message under way takes.
    pub(super) assembling: usize,
    /// Octets of memory that its message under way takes once it is whole.
    pub(super) whole: usize,
    /// When the header of its message under way came, in milliseconds.
    pub(super) begun_ms: Option<u64>,
    /// Consumers, those that were asked for and not yet answered among them.
    pub(super) consumers: usize,
    /// Answers of the session's own that wait behind those of the broker.
    pub(super) ready: usize,
}

/// What all channels hold together.
#[derive(Debug, Default)]
pub(super) struct Loads {
    pub(super) assembling: usize,
    pub(super) whole: usize,
    pub(super) consumers: usize,
    pub(super) ready: usize,
    /// The messages under way, in the order in which they began.
    begun: VecDeque<Begun>,
    /// Time in which the connection was not read, in milliseconds.
    paused_ms: u64,
    /// Since when it is not read, where it is not, in milliseconds.
    paused_since_ms: Option<u64>,
}

/// A message under way.
#[derive(Debug)]
struct Begun {
    channel: ChannelId,
    since: Since,
}

/// When something began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    at_ms: u64,
    /// Time in which the connection was not read before, in milliseconds.
    paused_ms: u64,
}

impl Loads {
    /// A channel holds `now` instead of what it held `before`.
    pub(super) fn change(&mut self, channel: ChannelId, before: Load, now: Load) {
        let changed = |all: usize, before, now| all.saturating_sub(before).saturating_add(now);
        self.assembling = changed(self.assembling, before.assembling, now.assembling);
        self.whole = changed(self.whole, before.whole, now.whole);
        self.consumers = changed(self.consumers, before.consumers, now.consumers);
        self.ready = changed(self.ready, before.ready, now.ready);
        if before.begun_ms != now.begun_ms {
            if let Some(begun_ms) = before.begun_ms {
                self.end(channel, begun_ms);
            }
            if let Some(begun_ms) = now.begun_ms {
                let since = self.since(begun_ms);
                self.begun.push_back(Begun { channel, since });
            }
        }
    }

    fn end(&mut self, channel: ChannelId, begun_ms: u64) {
        let first = self.begun.partition_point(|it| it.since.at_ms < begun_ms);
        let mut since = self.begun.iter().skip(first);
        if let Some(place) = since.position(|it| it.channel == channel) {
            self.begun.remove(first.saturating_add(place));
        }
    }

    /// The message that has been under way for longest: its channel, and since when, as if the time in
    /// which the connection was not read had not passed.
    pub(super) fn oldest_message(&self) -> Option<(ChannelId, u64)> {
        let first = self.begun.front()?;
        Some((first.channel, self.read_since(first.since)))
    }

    /// That something began at `at_ms`, in milliseconds.
    pub(super) fn since(&self, at_ms: u64) -> Since {
        let paused_ms = self.paused_ms;
        Since { at_ms, paused_ms }
    }

    /// Since when something has been under way, in milliseconds, as if the time in which the connection
    /// was not read had not passed.
    pub(super) fn read_since(&self, since: Since) -> u64 {
        let paused_ms = self.paused_ms.saturating_sub(since.paused_ms);
        since.at_ms.saturating_add(paused_ms)
    }

    /// The connection is not read from here on, or is again.
    pub(super) fn pause(&mut self, is_paused: bool, now_ms: u64) {
        let since_ms = std::mem::replace(&mut self.paused_since_ms, is_paused.then_some(now_ms));
        let paused_ms = since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        self.paused_ms = self.paused_ms.saturating_add(paused_ms);
    }
}
