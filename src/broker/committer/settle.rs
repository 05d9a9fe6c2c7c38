//! Settles and deliveries: what came back, what goes out, what is buried.

use super::{Committer, Fatal, Turn};
use crate::broker::command::{Command, Settle};
use crate::broker::dispatch::{Left, Sent, Taker};
use crate::broker::effect::{Deliver, Effect};
use crate::broker::ids::{ConnectionId, DeliveryId};
use crate::broker::ledger::QueueKind;
use crate::broker::limits::{LEASE_BYTES, STEP_BURIED, TICK_ORDERS, TICK_QUEUES};
use crate::broker::record::{Cause, Narrowed, QueueId, Record, Settling, Topology};
use crate::broker::weight::entries_bytes;
use crate::journal::Lsn;
use crate::journal::vfs::Vfs;
use crate::message::id::SystemId;
use crate::message::time::Timestamp;

/// Entries that one record of settles names at most.
const SETTLED_TOGETHER: usize = 2_000;

impl<V: Vfs> Committer<V> {
    pub(super) fn settle(
        &mut self,
        deliveries: Vec<DeliveryId>,
        how: Settle,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let mut deliveries = deliveries.into_iter();
        while let Some(delivery) = deliveries.next() {
            let place = (delivery.queue, delivery.entry);
            let taker = self.dispatch.taker(delivery);
            let system = taker.and_then(|taker| self.dispatch.system(taker.channel().0));
            match how {
                Settle::Unsent => self.dispatch.unsent(delivery),
                _ if taker.is_none() => {}
                Settle::Reject => {
                    let moves = self.ledger.bury(place.0, place.1, Cause::Rejected, now);
                    if moves.is_some() && !self.may_add(entries_bytes(1), turn) {
                        let deliveries = std::iter::once(delivery).chain(deliveries).collect();
                        self.wait_for_room(Command::Settle { deliveries, how }, turn);
                        return Ok(());
                    }
                    self.dispatch.settle(delivery);
                    match moves {
                        Some(mut placed) => {
                            if let Some(from) = &mut placed.from {
                                from.by = system;
                            }
                            self.add(&Record::Placed(Box::new(placed)), turn)?;
                        }
                        None => turn.settled.add(system, Settling::Rejected, place),
                    }
                }
                Settle::Requeue => {
                    self.dispatch.settle(delivery);
                    self.give_back(place, (system, Settling::Requeued), now, turn)?;
                }
                Settle::Ack => {
                    self.dispatch.settle(delivery);
                    turn.settled.add(system, Settling::Acked, place);
                }
            }
            if turn.settled.count() >= SETTLED_TOGETHER {
                self.write_settled(turn)?;
            }
        }
        Ok(())
    }

    /// Writes down what was asked for by [`Committer::may_add`]: what is promised to others stays so.
    fn add(&mut self, record: &Record, turn: &mut Turn) -> Result<(), Fatal> {
        let before = self.journal.next();
        self.record(record, None, turn)?;
        turn.promised.moves(before, self.journal.next());
        Ok(())
    }

    /// Buries an entry, where there is room for it beside what is promised. False where there is
    /// none, or the disk is full: it stays where it is, and what it died of is counted later.
    fn bury(
        &mut self,
        (queue, lsn): (QueueId, Lsn),
        cause: Cause,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, Fatal> {
        if turn.promised.exhausted || self.is_full() {
            return Ok(false);
        }
        let moves = self.ledger.bury(queue, lsn, cause, now);
        let beside = turn.settled.count();
        if !self.may_reserve(entries_bytes(1) + entries_bytes(beside), turn) {
            return Ok(false);
        }
        match moves {
            Some(placed) => self.add(&Record::Placed(Box::new(placed)), turn)?,
            None => turn.settled.add(None, cause.into(), (queue, lsn)),
        }
        Ok(true)
    }

    /// An entry comes back, or has come back too often.
    fn give_back(
        &mut self,
        (queue, lsn): (QueueId, Lsn),
        (system, how): (Option<SystemId>, Settling),
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let returns = self
            .ledger
            .queue(queue)
            .and_then(|q| q.backlog.get(lsn))
            .map(|e| e.returns);
        let limit = self.ledger.delivery_limit(queue);
        let too_often = |returns| limit.is_some_and(|limit| returns >= limit);
        let is_last = returns.is_some_and(too_often);
        if !is_last || !self.bury((queue, lsn), Cause::DeliveryLimit, now, turn)? {
            turn.settled.add(system, how, (queue, lsn));
        }
        Ok(())
    }

    /// What a connection or channel left: its messages come back, its queues go. They may be more
    /// than there is room for: the rest waits, and is nobody's until then.
    pub(super) fn left(
        &mut self,
        left: Left,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        self.write_settled(turn)?;
        let Left {
            returned,
            interrupted,
            system,
            ended,
        } = left;
        let mut rest = &*returned;
        while let Some(part) = rest.get(..SETTLED_TOGETHER.min(rest.len()))
            && !part.is_empty()
        {
            if !self.may_add(entries_bytes(part.len()), turn) {
                let left = Left {
                    returned: rest.to_vec(),
                    interrupted,
                    system,
                    ended,
                };
                self.wait_for_room(Command::Left(left), turn);
                return Ok(());
            }
            for place in part {
                let system = system.clone();
                if interrupted {
                    turn.settled.add(system, Settling::Interrupted, *place);
                } else {
                    self.give_back(*place, (system, Settling::Left), now, turn)?;
                }
            }
            let before = self.journal.next();
            self.write_settled(turn)?;
            turn.promised.moves(before, self.journal.next());
            rest = rest.get(part.len()..).unwrap_or_default();
        }
        let mut ended = ended.into_iter();
        while let Some(queue) = ended.next() {
            if self.ledger.queue(queue).is_none() {
                continue;
            }
            if !self.may_add(entries_bytes(1), turn) {
                let left = Left {
                    ended: std::iter::once(queue).chain(ended).collect(),
                    ..Left::default()
                };
                self.wait_for_room(Command::Left(left), turn);
                return Ok(());
            }
            self.add(&Record::Topology(Topology::Deleted(queue)), turn)?;
        }
        Ok(())
    }

    /// All settles of a turn are one record. It rides: it asks for no sync.
    pub(super) fn write_settled(&mut self, turn: &mut Turn) -> Result<(), Fatal> {
        let settled = std::mem::take(&mut turn.settled);
        if !settled.is_empty() {
            self.record(&Record::Settled(settled), None, turn)?;
        }
        Ok(())
    }

    /// The last record of a clean stop, behind what this turn itself sent out.
    pub(super) fn write_stopped(&mut self, turn: &mut Turn) -> Result<(), Fatal> {
        if !turn.stop {
            return Ok(());
        }
        let mut out = self.dispatch.out();
        out.extend(self.came_back_unwritten());
        if self.can_stop(entries_bytes(out.len())) {
            self.write_counted(self.ledger.refusals().open(), turn)?;
            self.record(&Record::Stopped { out }, None, turn)?;
        }
        Ok(())
    }

    /// Time has passed: orders end, queues that nobody uses go, heads may have expired.
    /// Once in a turn, whoever asks for it.
    pub(super) fn tick(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), Fatal> {
        let run = self.elapsed.run();
        if self.ticked.replace(run) == Some(run) {
            return Ok(());
        }
        let overdue = self.ledger.register().overdue(now, TICK_ORDERS);
        for order in overdue {
            // What rests on it ends by the clock; this tells the log.
            if !self.may_add(entries_bytes(1), turn) {
                break;
            }
            self.add(&Record::OrderEnded { at: now, order }, turn)?;
        }
        for queue in self
            .dispatch
            .unused(Timestamp::default().plus(run), TICK_QUEUES)
        {
            if !self.may_add(entries_bytes(1), turn) {
                break;
            }
            self.add(&Record::Topology(Topology::Deleted(queue)), turn)?;
        }
        self.dispatch.look_at_expired(now);
        Ok(())
    }

    /// Matches heads with credit; buries what is found dead; extends leases before anything above them
    /// is sent.
    pub(super) fn match_credit(&mut self, now: Timestamp, turn: &mut Turn) -> Result<(), Fatal> {
        if !self.can_send() {
            return Ok(());
        }
        let most = (STEP_BURIED + turn.enqueued).saturating_sub(turn.buried);
        let pumped = self.dispatch.pump(&self.ledger, now, most);
        for (queue, lsn, cause) in pumped.dead {
            self.find_dead((queue, lsn), cause, now, turn)?;
        }
        self.write_settled(turn)?;
        turn.out.wanted_pages.extend(pumped.wanted_pages);
        for sent in pumped.sent {
            self.send(sent, turn)?;
        }
        Ok(())
    }

    /// Buries an entry that was found dead in its queue. False where there is no room for that: it
    /// waits in its place, and is found again.
    pub(super) fn find_dead(
        &mut self,
        place: (QueueId, Lsn),
        cause: Cause,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, Fatal> {
        turn.buried += 1;
        let buried = self.bury(place, cause, now, turn)?;
        if !buried {
            self.dispatch.put_back(place, now);
        }
        Ok(buried)
    }

    /// Sends behind the lease that says so: after a crash what may have been sent is known.
    pub(super) fn send(&mut self, sent: Sent, turn: &mut Turn) -> Result<(), Fatal> {
        let queue = sent.delivery.queue;
        let lease = self
            .ledger
            .queue(queue)
            .map_or(Lsn::default(), |queue| queue.sent_up_to);
        if sent.delivery.entry > lease {
            let up_to = Lsn(self.journal.next().0.saturating_add(LEASE_BYTES));
            self.record(&Record::Lease { queue, up_to }, None, turn)?;
        }
        if let Some(deliver) = self.deliver(sent) {
            let (connection, _) = sent.taker.channel();
            turn.tell(connection, Effect::Deliver(deliver));
        }
        Ok(())
    }

    /// Records that a release is narrower than it was. The connection waits for the answer with all
    /// that follows on its channel, so it gets one whatever became of the delivery.
    pub(super) fn narrow(
        &mut self,
        (connection, channel): (ConnectionId, u16),
        delivery: DeliveryId,
        narrowed: Narrowed,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let taker = self.dispatch.taker(delivery);
        let taker = taker.filter(|taker| taker.channel() == (connection, channel));
        let mut deliver = None;
        if let Some(taker) = taker {
            self.record(&Record::Narrowed(narrowed), None, turn)?;
            deliver = self.deliver(Sent { taker, delivery });
        }
        let effect = Effect::Narrowed {
            channel,
            delivery,
            deliver,
        };
        turn.tell(connection, effect);
        Ok(())
    }

    fn deliver(&self, sent: Sent) -> Option<Box<Deliver>> {
        let Sent { taker, delivery } = sent;
        let queue = self.ledger.queue(delivery.queue)?;
        let entry = queue.backlog.get(delivery.entry)?;
        let out = self.dispatch.in_use(delivery.queue).out;
        let overlay = queue.overlay(delivery.entry).cloned().unwrap_or_default();
        let moved = queue.kind == QueueKind::Own && overlay.died.first.is_some();
        Some(Box::new(Deliver {
            channel: taker.channel().1,
            consumer: match taker {
                Taker::Consumer(consumer) => Some(consumer.number),
                Taker::Get(..) => None,
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
