//! Questions about queues and consumers, answered in the order in which they were asked.

use super::{Committer, Fatal, Turn};
use crate::broker::command::{Ask, Fence};
use crate::broker::decide::{Decided, no_queue};
use crate::broker::dispatch::FeedTraits;
use crate::broker::effect::Answer;
use crate::broker::ids::{ConnectionId, ConsumerId};
use crate::broker::limits::STEP_BURIED;
use crate::broker::record::{Cause, QueueId, Record, Topology};
use crate::journal::vfs::Vfs;
use crate::message::id::UnitId;
use crate::message::time::Timestamp;

impl<V: Vfs> Committer<V> {
    pub(super) fn ask(
        &mut self,
        place: (ConnectionId, u16),
        ask: Ask,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let Some(unit) = self.dispatch.unit(place.0).cloned() else {
            return Ok(());
        };
        match ask {
            Ask::Consume {
                number,
                queue,
                exclusive,
                priority,
                may_read,
            } => {
                let consumer = ConsumerId {
                    connection: place.0,
                    channel: place.1,
                    number,
                };
                let answer =
                    self.consume(consumer, (&unit, &queue), (exclusive, priority), may_read);
                turn.answer(place, answer);
            }
            Ask::Cancel(number) => {
                let id = ConsumerId {
                    connection: place.0,
                    channel: place.1,
                    number,
                };
                if let Some(queue) = self.dispatch.cancel(id) {
                    self.record(&Record::Topology(Topology::Deleted(queue)), None, turn)?;
                }
                turn.answer(place, Answer::Done);
            }
            Ask::Get { queue, may_read } => {
                // What this client gave back before it asks is there to be got.
                self.write_settled(turn)?;
                self.get(place, (&unit, &queue), (may_read, now), turn)?;
            }
            Ask::Prefetch { count, global } => {
                self.dispatch.prefetch(place.0, place.1, count, global);
                turn.answer(place, Answer::Done);
            }
            Ask::Fence(fence) => {
                if fence == Fence::CloseChannel {
                    self.held.remove(&place);
                    let left = self.dispatch.channel_gone(place.0, place.1);
                    self.left(left, now, turn)?;
                }
                turn.answer(place, Answer::Fenced(fence));
            }
            ask => self.ask_topology(place, &unit, &ask, turn)?,
        }
        Ok(())
    }

    fn ask_topology(
        &mut self,
        place: (ConnectionId, u16),
        unit: &UnitId,
        ask: &Ask,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        if let Some(answer) = self.barred(place.0, unit, ask) {
            turn.answer(place, answer);
            return Ok(());
        }
        if let Ask::DeclareQueue { name, .. } = ask
            && let Some(queue) = self.ledger.queue_named(unit, name)
        {
            self.dispatch.used(queue);
        }
        // Counts are those after what was settled before.
        self.write_settled(turn)?;
        let dispatch = &self.dispatch;
        match self.ledger.ask(unit, ask, |queue| dispatch.in_use(queue)) {
            Decided::Reply(answer) => turn.answer(place, answer),
            Decided::Record(mut record, answer) => {
                if let Record::Topology(Topology::Purged { queue, out }) = &mut record {
                    *out = self.dispatch.out_of(*queue);
                }
                self.record(&record, None, turn)?;
                if let Record::Topology(Topology::Declared {
                    queue, properties, ..
                }) = &record
                {
                    let owner = properties.exclusive.then_some(place.0);
                    let traits = FeedTraits::of(properties);
                    self.dispatch.declared(*queue, owner, traits);
                }
                turn.answer(place, answer);
            }
        }
        Ok(())
    }

    /// Whatever is asked of it, another connection's exclusive queue is locked, and what takes
    /// releases is for systems that may have them.
    fn barred(&self, connection: ConnectionId, unit: &UnitId, ask: &Ask) -> Option<Answer> {
        let (Ask::DeclareQueue { name: queue, .. }
        | Ask::Bind { queue, .. }
        | Ask::Purge(queue)
        | Ask::Delete { queue, .. }) = ask
        else {
            return None;
        };
        let locked = self.locked_queue(connection, unit, queue);
        locked.or_else(|| self.not_its_releases(connection, unit, queue))
    }

    fn not_its_releases(
        &self,
        connection: ConnectionId,
        unit: &UnitId,
        name: &str,
    ) -> Option<Answer> {
        let queue = self.ledger.queue_named(unit, name)?;
        let withheld =
            self.ledger.queue(queue)?.takes_releases() && !self.dispatch.takes_releases(connection);
        let says = format!(
            "queue '{name}' takes what its unit is sent, and this system does not read 'inbox': see its \
             'reads'"
        );
        withheld.then(|| Answer::refused(403, says))
    }

    fn locked_queue(&self, connection: ConnectionId, unit: &UnitId, name: &str) -> Option<Answer> {
        let queue = self.ledger.queue_named(unit, name)?;
        let owner = self.dispatch.owner(queue)?;
        let says = format!("cannot obtain exclusive access to locked queue '{name}' in vhost '/'");
        (owner != connection).then(|| Answer::refused(405, says))
    }

    fn readable(
        &self,
        connection: ConnectionId,
        (unit, name): (&UnitId, &str),
        may_read: bool,
    ) -> Result<QueueId, Answer> {
        if let Some(locked) = self.locked_queue(connection, unit, name) {
            return Err(locked);
        }
        let Some(queue) = self.ledger.queue_named(unit, name) else {
            return Err(Answer::refused(404, no_queue(unit, name)));
        };
        if !may_read {
            let text = format!("this system does not read queue '{name}': see its 'reads'");
            return Err(Answer::refused(403, text));
        }
        if let Some(withheld) = self.not_its_releases(connection, unit, name) {
            return Err(withheld);
        }
        Ok(queue)
    }

    fn consume(
        &mut self,
        consumer: ConsumerId,
        queue: (&UnitId, &str),
        (exclusive, priority): (bool, i32),
        may_read: bool,
    ) -> Answer {
        match self.readable(consumer.connection, queue, may_read) {
            Err(answer) => answer,
            Ok(id) if !self.dispatch.may_consume(id, exclusive) => {
                Answer::refused(403, format!("queue '{}' in exclusive use", queue.1))
            }
            Ok(id) => {
                if let Some(text) = self.dispatch.is_crowded(consumer, id) {
                    return Answer::refused(406, text);
                }
                self.dispatch.consume(consumer, id, (exclusive, priority));
                Answer::Done
            }
        }
    }

    /// Answered at once, in its turn: clients pipeline gets. Behind more expired entries than a step
    /// buries nothing is found yet.
    fn get(
        &mut self,
        place: (ConnectionId, u16),
        queue: (&UnitId, &str),
        (may_read, now): (bool, Timestamp),
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        let id = match self.readable(place.0, queue, may_read) {
            Ok(id) => id,
            Err(answer) => {
                turn.answer(place, answer);
                return Ok(());
            }
        };
        self.dispatch.used(id);
        while turn.buried < STEP_BURIED
            && let Some(sent) = self.dispatch.get(&self.ledger, id, place)
        {
            let lsn = sent.delivery.entry;
            let entry = self
                .ledger
                .queue(id)
                .and_then(|queue| queue.backlog.get(lsn));
            if !entry.is_some_and(|entry| entry.is_expired(now)) {
                return self.send(sent, turn);
            }
            if !self.find_dead((id, lsn), Cause::Expired, now, turn)? {
                break;
            }
        }
        self.dispatch.look_at(id);
        turn.answer(place, Answer::Empty);
        Ok(())
    }
}
