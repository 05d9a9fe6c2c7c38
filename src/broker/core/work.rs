//! What the core does of its own accord: what time ends goes, what has died is buried, what waits is
//! matched with credit and sent.

use super::{Core, Turn};
use crate::broker::command::Command;
use crate::broker::dispatch::pump::Look;
use crate::broker::dispatch::{Sent, Taker};
use crate::broker::effect::{Deliver, Effect};
use crate::broker::exchange::Verdict;
use crate::broker::ids::EntryAddress;
use crate::broker::input::What;
use crate::broker::ledger::QueueKind;
use crate::broker::limits::{LEASE_BYTES, STEP_BURIED, TICK_MEASURES, TICK_ORDERS, TICK_QUEUES};
use crate::broker::record::{CountedRefusals, Record, Topology};
use crate::journal::Lsn;
use crate::message::time::Timestamp;

/// More than a queue's number takes in a record.
const QUEUE_BYTES: usize = 16;

impl Core {
    /// Time has passed: counts become evidence, orders end, queues that are not used go, heads may have
    /// expired. So many records at most; what is left stays due.
    pub fn tick(&mut self, most: usize, turn: &mut Turn) {
        let (now, run) = (turn.moment.now, turn.moment.run);
        self.write_counted(self.ledger.refusals().due(now), most, turn);
        // What rests on an order ends by the clock; this tells the log.
        for order in self.ledger.register().overdue(now, TICK_ORDERS.min(most)) {
            self.record(&Record::OrderEnded { at: now, order }, None, turn);
        }
        // As with orders.
        let over = self
            .ledger
            .governance()
            .ended_measures(now, TICK_MEASURES.min(most));
        for ended in over {
            self.record(&Record::MeasureEnded(ended), None, turn);
        }
        let run = Timestamp::default().plus(run);
        for queue in self.dispatch.unused(run, TICK_QUEUES.min(most)) {
            self.record(&Record::Topology(Topology::Deleted(queue)), None, turn);
        }
        self.dispatch.look_at_expired(now);
    }

    /// Ends a step: what was left and what has died goes, heads are matched with credit, in so many
    /// records at most. What is not done stays due.
    pub fn work(&mut self, most: usize, turn: &mut Turn) {
        // Half of it is for those who are there, however much was left by those who are not.
        let half = most / 2;
        let most = most - half + self.write_left(half, turn);
        self.write_settled(turn);
        if most > 0 {
            self.match_credit(most, turn);
        } else {
            self.bury_found(0, turn);
        }
        for (party, count) in std::mem::take(&mut turn.refused) {
            let (from, to) = (turn.moment.now, turn.moment.now);
            let noted = CountedRefusals {
                party,
                from,
                to,
                count,
            };
            self.record(&Record::RefusalsNoted(noted), None, turn);
        }
    }

    /// Writes down what was counted, once its hour is over or the broker stops. It rides: it asks for no
    /// sync. Where a repeat of a refusal was answered, it is written and synced at once: see
    /// [`count_refused`](super::repeats::Counted::count_refused).
    pub fn write_repeats(&mut self, stops: bool, turn: &mut Turn) {
        turn.sync |= self.repeats.refused;
        let now = turn.moment.now;
        if (stops || self.repeats.refused || self.repeats.is_due(now))
            && let Some(repeats) = self.repeats.take(now)
        {
            self.record(&Record::Repeats(repeats), None, turn);
        }
    }

    /// Whether nothing of its own work is left that another step could do at once.
    pub fn is_done(&self) -> bool {
        self.left.is_empty() && !self.dispatch.is_put_off()
    }

    /// More than the numbers of queues take in the record of this message: how many there are of each
    /// unit that gets it is the ledger's alone to know.
    pub fn queues_bytes(&self, what: &What) -> usize {
        let What::Command(Command::Submit(_, submission)) = what else {
            return 0;
        };
        let Verdict::Ruled(ruled) = submission.verdict() else {
            return 0;
        };
        let recipients = ruled.exchange().recipients.iter();
        let queues = recipients.map(|it| self.ledger.queue_count(&it.unit));
        queues.sum::<usize>().saturating_mul(QUEUE_BYTES)
    }

    /// Entries that the last record of a clean stop would name: those that are out, and those that came
    /// back and are not written down yet.
    pub fn out(&self) -> Vec<EntryAddress> {
        let mut out = self.dispatch.out();
        out.extend(self.left.iter().flat_map(|left| &left.returned).copied());
        out
    }

    /// The last records of a clean stop.
    pub fn stop(&mut self, turn: &mut Turn) {
        self.write_counted(self.ledger.refusals().open(), usize::MAX, turn);
        let out = self.out().into_iter();
        let out = out.map(|address| (address.queue, address.entry)).collect();
        self.record(&Record::Stopped { out }, None, turn);
    }

    /// Counts become evidence, of the time until now: like any other it has the log's time.
    fn write_counted(&mut self, counts: Vec<CountedRefusals>, most: usize, turn: &mut Turn) {
        let to = turn.moment.now;
        for counted in counts.into_iter().take(most) {
            let counted = CountedRefusals { to, ..counted };
            self.record(&Record::RefusalsCounted(counted), None, turn);
        }
    }

    /// Matches heads with credit; buries what is found dead; extends leases before anything above them
    /// is sent.
    fn match_credit(&mut self, most: usize, turn: &mut Turn) {
        let buried = turn.found.len();
        // Where none is buried those that have died are passed over, and found again.
        let (most_dead, passed) = if turn.buries {
            ((STEP_BURIED + turn.enqueued).min(most), 0)
        } else {
            (0, STEP_BURIED)
        };
        let look = Look {
            now: turn.moment.now,
            dead: (most_dead + passed).saturating_sub(buried),
            leases: most,
        };
        let pumped = self.dispatch.pump(&self.ledger, look);
        turn.found.extend(pumped.dead);
        self.bury_found(most_dead, turn);
        turn.out.wanted_pages.extend(pumped.wanted_pages);
        for sent in pumped.sent {
            self.send(sent, turn);
        }
    }

    /// Buries so many at most of the entries that were found dead in their queues; the others wait in
    /// their places, and are found again.
    fn bury_found(&mut self, most: usize, turn: &mut Turn) {
        let mut found = std::mem::take(&mut turn.found).into_iter();
        for (address, cause) in found.by_ref().take(most) {
            self.bury(address, cause, None, turn);
        }
        for (address, _) in found {
            self.dispatch.put_back(address, turn.moment.now);
        }
        self.write_settled(turn);
    }

    /// Sends behind the lease that says so: after a crash what may have been sent is known.
    pub(super) fn send(&mut self, sent: Sent, turn: &mut Turn) {
        let queue = sent.delivery.queue;
        let lease = self.ledger.queue(queue).map(|queue| queue.sent_up_to);
        if sent.delivery.entry > lease.unwrap_or_default() {
            let up_to = Lsn(turn.next.0.saturating_add(LEASE_BYTES));
            self.record(&Record::Lease { queue, up_to }, None, turn);
        }
        if let Some(deliver) = self.deliver(sent) {
            turn.tell(sent.taker.key().connection, Effect::Deliver(deliver));
        }
    }

    pub(super) fn deliver(&self, sent: Sent) -> Option<Box<Deliver>> {
        let Sent { taker, delivery } = sent;
        let queue = self.ledger.queue(delivery.queue)?;
        let entry = queue.backlog.get(delivery.entry)?;
        let out = self.dispatch.in_use(delivery.queue).out;
        let overlay = queue.overlay(delivery.entry).cloned().unwrap_or_default();
        let moved = queue.kind == QueueKind::Own && overlay.died.first.is_some();
        Some(Box::new(Deliver {
            channel: taker.key().channel,
            consumer: match taker {
                Taker::Consumer(consumer) => Some(consumer.number),
                Taker::Get(_) => None,
            },
            delivery,
            redelivered: queue.is_redelivered(entry),
            returns: entry.returns,
            private: entry.is_private(),
            moved_to: moved.then(|| queue.name.clone()),
            overlay,
            left: queue.backlog.len().saturating_sub(out),
        }))
    }
}
