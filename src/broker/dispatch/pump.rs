//! Matching: what waits at the head of a queue goes to who has credit for it, and what has died in its
//! place is found.

use super::{Dispatch, Sent, Taker};
use crate::broker::ids::{ChannelKey, DeliveryId, EntryAddress};
use crate::broker::ledger::Ledger;
use crate::broker::limits::TICK_HEADS;
use crate::broker::queue::Page;
use crate::broker::record::{Cause, QueueId};
use crate::journal::Lsn;
use crate::message::time::Timestamp;

/// What matching found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pumped {
    /// To be sent.
    pub sent: Vec<Sent>,
    /// Found expired at the head, or more than their queue may hold.
    pub dead: Vec<(EntryAddress, Cause)>,
    /// Pages that a head will need.
    pub wanted_pages: Vec<(QueueId, Page)>,
    /// Queues from which something is sent that needs a lease.
    leases: usize,
}

/// When heads are looked at, and how much is found at a time: the rest is found next time.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// When.
    pub now: Timestamp,
    /// Dead entries.
    pub dead: usize,
    /// Queues from which something is sent that needs a lease.
    pub leases: usize,
}

impl Dispatch {
    /// Matches heads with credit, for every queue in which something changed. Finds no more than
    /// `look` says; queues with more are looked at again next time.
    pub fn pump(&mut self, ledger: &Ledger, look: Look) -> Pumped {
        let mut pumped = Pumped::default();
        self.relieve();
        let mut dirty = std::mem::take(&mut self.dirty);
        for _ in 0..TICK_HEADS {
            let Some(queue) = self.late.pop_first() else {
                break;
            };
            dirty.insert(queue);
        }
        self.put_off = false;
        for queue in dirty {
            if pumped.leases < look.leases {
                self.pump_queue(ledger, queue, look, &mut pumped);
            } else {
                self.late.insert(queue);
                self.put_off = true;
            }
        }
        pumped
    }

    fn pump_queue(&mut self, ledger: &Ledger, id: QueueId, look: Look, pumped: &mut Pumped) {
        let Some(queue) = ledger.queue(id) else {
            return;
        };
        let (now, most) = (look.now, look.dead);
        let mut lease = queue.sent_up_to;
        let mut expires = None;
        while let Some(lsn) = self.next_ready(ledger, id) {
            let Some(entry) = queue.backlog.get(lsn) else {
                break;
            };
            // One alone is active for all that is in the queue.
            let release = queue.is_release(entry) || (self.is_single(id) && queue.takes_releases());
            let consumer = if entry.is_past(now) {
                None
            } else {
                self.next_with_credit(id, release)
            };
            if let Some(consumer) = consumer {
                if lsn > lease {
                    pumped.leases += 1;
                    lease = Lsn(u64::MAX);
                }
                let sent = self.send(id, lsn, Taker::Consumer(consumer));
                pumped.sent.push(sent);
            } else if !entry.is_expired(now) {
                expires = entry.deadline();
                break;
            } else if pumped.dead.len() >= most {
                self.late.insert(id);
                break;
            } else {
                self.take(id, lsn);
                pumped.dead.push((
                    EntryAddress {
                        queue: id,
                        entry: lsn,
                    },
                    Cause::Expired,
                ));
            }
        }
        self.heads.set(id, expires);
        self.cut(ledger, id, most, pumped);
        pumped
            .wanted_pages
            .extend(queue.backlog.wanted_page().map(|page| (id, page.clone())));
    }

    /// The oldest that wait in a queue go, where more of them do than it may hold: after those who
    /// consume have had what their credit gives them, and never what is out.
    fn cut(&mut self, ledger: &Ledger, id: QueueId, most: usize, pumped: &mut Pumped) {
        let Some((queue, length_max)) = ledger
            .queue(id)
            .and_then(|queue| Some((queue, queue.length_max()?)))
        else {
            return;
        };
        let held = queue.backlog.len();
        let found = pumped.dead.iter().rev();
        let dead = found.take_while(|(address, _)| address.queue == id).count();
        let dead = u64::try_from(dead).unwrap_or(u64::MAX);
        let waiting = held.saturating_sub(self.in_use(id).out + dead);
        for _ in length_max..waiting {
            if pumped.dead.len() >= most {
                self.late.insert(id);
                break;
            }
            let Some(lsn) = self.next_ready(ledger, id) else {
                break;
            };
            self.take(id, lsn);
            pumped.dead.push((
                EntryAddress {
                    queue: id,
                    entry: lsn,
                },
                Cause::MaxLength,
            ));
        }
    }

    fn is_single(&self, id: QueueId) -> bool {
        let feed = self.feeds.get(&id);
        feed.is_some_and(|feed| feed.traits.single_active)
    }

    /// The next entry for a `basic.get`, if there is one that it may have.
    pub fn get(&mut self, ledger: &Ledger, id: QueueId, to: ChannelKey) -> Option<Sent> {
        let lsn = self.next_ready(ledger, id)?;
        let queue = ledger.queue(id)?;
        let entry = queue.backlog.get(lsn)?;
        if queue.is_release(entry) && !self.takes_releases(to.connection) {
            return None;
        }
        self.takes(to, id);
        // Another one is the first that waits.
        self.dirty.insert(id);
        Some(self.send(id, lsn, Taker::Get(to)))
    }

    fn next_ready(&mut self, ledger: &Ledger, id: QueueId) -> Option<Lsn> {
        let feed = self.feeds.entry(id).or_default();
        let backlog = &ledger.queue(id)?.backlog;
        while let Some(lsn) = feed.returned.first().copied() {
            if backlog.get(lsn).is_some() {
                return Some(lsn);
            }
            feed.returned.remove(&lsn);
        }
        let mut after = feed.cursor;
        while let Some(entry) = backlog.next_after(after) {
            if !feed.out.contains_key(&entry.lsn) {
                return Some(entry.lsn);
            }
            after = Some(entry.lsn);
        }
        None
    }

    /// Marks an entry as no longer waiting.
    fn take(&mut self, id: QueueId, lsn: Lsn) {
        if let Some(feed) = self.feeds.get_mut(&id) {
            feed.returned.remove(&lsn);
            feed.cursor = feed.cursor.max(Some(lsn));
        }
    }

    fn send(&mut self, id: QueueId, lsn: Lsn, taker: Taker) -> Sent {
        self.take(id, lsn);
        self.attempts += 1;
        let delivery = DeliveryId {
            queue: id,
            entry: lsn,
            attempt: self.attempts,
        };
        if let Some(feed) = self.feeds.get_mut(&id) {
            feed.out.insert(lsn, (taker, delivery.attempt));
        }
        if let Taker::Consumer(consumer) = taker {
            if let Some(state) = self.consumers.get_mut(&consumer) {
                state.unacked += 1;
            }
            if let Some(channel) = self.channel_mut(consumer.key()) {
                channel.unacked += 1;
            }
        }
        Sent { taker, delivery }
    }
}
