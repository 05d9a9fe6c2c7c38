//! Settles: what came back, what is done with, what is buried.

use super::{Core, Turn};
use crate::broker::command::{Narrowing, Settle, holds};
use crate::broker::dispatch::{Left, Sent};
use crate::broker::effect::Effect;
use crate::broker::ids::{ChannelKey, DeliveryId, EntryAddress};
use crate::broker::limits::LEFT_TOGETHER;
use crate::broker::record::{Cause, Record, Settling, Topology};
use crate::message::id::SystemId;

impl Core {
    pub(super) fn settle(&mut self, deliveries: Vec<DeliveryId>, how: Settle, turn: &mut Turn) {
        for delivery in deliveries {
            if how == Settle::Unsent {
                self.dispatch.unsent(delivery);
                continue;
            }
            let Some(taker) = self.dispatch.taker(delivery) else {
                continue;
            };
            let system = self.dispatch.system(taker.key().connection);
            self.dispatch.settle(delivery);
            let address = delivery.address();
            match how {
                Settle::Reject => self.bury(address, Cause::Rejected, system, turn),
                Settle::Requeue => self.give_back(address, system, Settling::Requeued, turn),
                Settle::Ack | Settle::Unsent => {
                    turn.settled.add(system, Settling::Acked, address);
                }
            }
        }
    }

    /// An entry leaves its queue for another reason than an acknowledgement: by the hand of `system`,
    /// or because it has died where it waited.
    pub(super) fn bury(
        &mut self,
        address: EntryAddress,
        cause: Cause,
        system: Option<SystemId>,
        turn: &mut Turn,
    ) {
        match self.ledger.bury(address, cause, turn.moment.now) {
            Some(mut placed) => {
                if let Some(from) = &mut placed.from {
                    from.by = system;
                }
                self.record(&Record::Placed(Box::new(placed)), None, turn);
            }
            None => turn.settled.add(system, cause.into(), address),
        }
    }

    /// An entry comes back, or has come back too often.
    fn give_back(
        &mut self,
        address: EntryAddress,
        system: Option<SystemId>,
        how: Settling,
        turn: &mut Turn,
    ) {
        let queue = self.ledger.queue(address.queue);
        let entry = queue.and_then(|queue| queue.backlog.get(address.entry));
        let limit = self.ledger.delivery_limit(address.queue);
        let is_last = limit.is_some_and(|limit| entry.is_some_and(|it| it.returns >= limit));
        if is_last && turn.buries {
            self.bury(address, Cause::DeliveryLimit, None, turn);
        } else {
            turn.settled.add(system, how, address);
        }
    }

    /// Takes over what a connection or channel left. As much as a client that comes back may look for
    /// at once is written down here, the rest with the core's own work.
    pub(super) fn leave(&mut self, mut left: Left, turn: &mut Turn) {
        self.write_part(&mut left, LEFT_TOGETHER, turn);
        if !left.is_empty() {
            self.left.push_back(left);
        }
    }

    /// Writes down so many at most of what was left: queues go, messages come back. Gives how many of
    /// them are not used up. Connections and channels take turns, so that none waits for all that
    /// another one left.
    pub(super) fn write_left(&mut self, mut most: usize, turn: &mut Turn) -> usize {
        while most > 0
            && let Some(mut left) = self.left.pop_front()
        {
            let part = most.min(LEFT_TOGETHER);
            most -= part - self.write_part(&mut left, part, turn);
            if !left.is_empty() {
                self.left.push_back(left);
            }
        }
        most
    }

    /// Gives back what one channel or connection left, at most `most` queues and entries. Returns how
    /// many more may be.
    fn write_part(&mut self, left: &mut Left, mut most: usize, turn: &mut Turn) -> usize {
        self.write_settled(turn);
        for queue in left.ended.drain(..most.min(left.ended.len())) {
            most -= 1;
            if self.ledger.queue(queue).is_some() {
                self.record(&Record::Topology(Topology::Deleted(queue)), None, turn);
            }
        }
        for address in left.returned.drain(..most.min(left.returned.len())) {
            most -= 1;
            let system = left.system.clone();
            if self.ledger.queue(address.queue).is_none() {
                continue;
            }
            if left.interrupted {
                turn.settled.add(system, Settling::Interrupted, address);
            } else {
                self.give_back(address, system, Settling::Left, turn);
            }
        }
        self.write_settled(turn);
        most
    }

    /// All settles since the last such record are one. It rides: it asks for no sync.
    pub(super) fn write_settled(&mut self, turn: &mut Turn) {
        let settled = std::mem::take(&mut turn.settled);
        if !settled.is_empty() {
            self.record(&Record::Settled(settled), None, turn);
        }
    }

    /// Records that a release is narrower than it was. The connection waits for the answer with all
    /// that follows on its channel, so it gets one whatever became of the delivery. What was ruled from
    /// facts that have changed since is not recorded, and ruled anew: a record says what its moment gives.
    pub(super) fn narrow(
        &mut self,
        to: ChannelKey,
        delivery: DeliveryId,
        narrowed: Narrowing,
        turn: &mut Turn,
    ) {
        let taker = self.dispatch.taker(delivery);
        let taker = taker.filter(|taker| taker.key() == to);
        let deliver = taker.and_then(|taker| {
            let Narrowing { mut record, reads } = narrowed;
            if holds(&reads, &self.ledger, turn.moment.now) {
                record.at = turn.moment.now;
                self.record(&Record::Narrowed(record), None, turn);
            }
            self.deliver(Sent { taker, delivery })
        });
        let effect = Effect::Narrowed {
            channel: to.channel,
            delivery,
            deliver,
        };
        turn.tell(to.connection, effect);
    }
}
