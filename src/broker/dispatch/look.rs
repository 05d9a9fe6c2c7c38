//! Queues in which time alone changes something, and entries that wait again.

use super::Dispatch;
use crate::broker::ids::{DeliveryId, EntryAddress};
use crate::broker::limits::{LOOK_MOST, TICK_HEADS};
use crate::broker::record::QueueId;
use crate::message::time::Timestamp;

impl Dispatch {
    /// Notes a use of a queue: a request that names it.
    pub fn used(&mut self, queue: QueueId) {
        let feed = self.feeds.get(&queue);
        if feed.is_some_and(|feed| feed.traits.expires.is_some() && feed.consumers.is_empty()) {
            self.unused.ends.set(queue, None);
            self.unused.fresh.insert(queue);
        }
    }

    /// Queues that were not used for as long as they were declared to last, at most `most`: each is
    /// among them until it is removed or used. A use counts from the look behind it, and a clock that
    /// is set forward counts as [`LOOK_MOST`]: none goes too early.
    pub fn unused(&mut self, now: Timestamp, most: usize) -> Vec<QueueId> {
        let unused = &mut self.unused;
        let before = unused.looked.replace(now).unwrap_or(now);
        unused.clock = unused.clock.plus(now.since(before).min(LOOK_MOST));
        for queue in std::mem::take(&mut unused.fresh) {
            let feed = self.feeds.get(&queue);
            let expires = feed.and_then(|feed| feed.traits.expires);
            let end = expires.map(|expires| unused.clock.plus(expires));
            unused.ends.set(queue, end);
        }
        unused.ends.due(unused.clock).take(most).collect()
    }

    /// Looks again at queues whose first waiting entry has expired, the longest expired first.
    pub fn look_at_expired(&mut self, now: Timestamp) {
        let due: Vec<QueueId> = self.heads.due(now).take(TICK_HEADS).collect();
        for queue in due {
            self.heads.set(queue, None);
            self.dirty.insert(queue);
        }
    }

    /// Takes back a delivery that could not be sent: the entry waits in its place, for other consumers.
    /// Its own consumer has ended for its client, and gets no credit back: else the delivery would be
    /// tried again and again until the core is told of that end.
    pub fn unsent(&mut self, delivery: DeliveryId) {
        if self.taker(delivery).is_none() {
            return;
        }
        if let Some(feed) = self.feeds.get_mut(&delivery.queue) {
            feed.out.remove(&delivery.entry);
            feed.returned.insert(delivery.entry);
            self.dirty.insert(delivery.queue);
        }
    }

    /// Puts an entry that was taken back into its place. It has expired: the next tick looks at it.
    pub fn put_back(&mut self, address: EntryAddress, now: Timestamp) {
        let EntryAddress { queue, entry } = address;
        if let Some(feed) = self.feeds.get_mut(&queue) {
            feed.out.remove(&entry);
            feed.returned.insert(entry);
            self.heads.set(queue, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::dispatch::FeedTraits;
    use std::time::Duration;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms.cast_signed())
    }

    #[test]
    fn a_tick_looks_at_queues_in_which_something_is_due_and_at_no_other() {
        let mut dispatch = Dispatch::default();
        for number in 0..5_000 {
            // Its head has changed since: it is where it was set last.
            dispatch.heads.set(QueueId(number), Some(at(7)));
            dispatch.heads.set(QueueId(number), Some(at(number)));
        }
        dispatch.heads.set(QueueId(3), None);
        dispatch.look_at_expired(at(9));
        let looked = std::mem::take(&mut dispatch.dirty);
        let due = (0..10).filter(|number| *number != 3).map(QueueId);
        assert_eq!(looked, due.collect());
        dispatch.look_at_expired(at(9));
        assert!(dispatch.dirty.is_empty(), "they were looked at");
        dispatch.look_at_expired(at(4_000));
        let looked = std::mem::take(&mut dispatch.dirty);
        assert_eq!(looked.len(), TICK_HEADS);
        assert_eq!(looked.last(), Some(&QueueId(1_009)), "the longest due");
    }

    #[test]
    fn of_queues_that_nobody_uses_a_look_touches_those_that_go_and_those_used_since() {
        let mut dispatch = Dispatch::default();
        for number in 0..5_000_u64 {
            let expires = Some(Duration::from_secs(number + 1));
            let traits = FeedTraits {
                expires,
                ..FeedTraits::default()
            };
            dispatch.declared(QueueId(number), None, traits);
        }
        assert_eq!(dispatch.unused.fresh.len(), 5_000);
        assert_eq!(dispatch.unused(at(0), 100), []);
        dispatch.used(QueueId(0));
        assert_eq!(dispatch.unused.fresh.len(), 1);
        let mut now = at(0);
        for _ in 0..3 {
            now = now.plus(LOOK_MOST);
            dispatch.unused(now, 0);
        }
        // The first was used a moment before a look, which it counts from.
        assert_eq!(dispatch.unused(now, 2), [0, 1].map(QueueId));
        assert_eq!(dispatch.unused(now, 100), [0, 1, 2].map(QueueId));
        dispatch.changed(&[crate::broker::ledger::Change::Removed(QueueId(1))]);
        assert_eq!(dispatch.unused(now, 100), [0, 2].map(QueueId));
    }
}
