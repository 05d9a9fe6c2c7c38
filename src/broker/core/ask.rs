//! Questions about queues and consumers, answered in the order in which they were asked.

use super::{Core, Turn};
use crate::broker::command::{Ask, Fence};
use crate::broker::decide::{Decided, no_queue};
use crate::broker::dispatch::FeedTraits;
use crate::broker::effect::Answer;
use crate::broker::ids::{ChannelKey, ConnectionId, ConsumerId};
use crate::broker::limits::STEP_BURIED;
use crate::broker::record::{Cause, QueueId, Record, Topology};
use crate::message::id::UnitId;

impl Core {
    pub(super) fn ask(&mut self, key: ChannelKey, ask: Ask, turn: &mut Turn) {
        let Some(unit) = self.dispatch.unit(key.connection).cloned() else {
            return;
        };
        let consumer = |number| ConsumerId {
            connection: key.connection,
            channel: key.channel,
            number,
        };
        match ask {
            Ask::Consume {
                number,
                queue,
                exclusive,
                priority,
                may_read,
            } => {
                let queue = self.readable(key.connection, &unit, &queue, may_read);
                let answer = match queue {
                    Ok(queue) => self.consume(consumer(number), queue, exclusive, priority),
                    Err(answer) => answer,
                };
                turn.answer(key, answer);
            }
            Ask::Cancel(number) => {
                if let Some(queue) = self.dispatch.cancel(consumer(number)) {
                    self.record(&Record::Topology(Topology::Deleted(queue)), None, turn);
                }
                turn.answer(key, Answer::Done);
            }
            Ask::Get { queue, may_read } => {
                // What this client gave back before it asks is there to be got.
                self.write_settled(turn);
                match self.readable(key.connection, &unit, &queue, may_read) {
                    Ok(queue) => self.get(key, queue, turn),
                    Err(answer) => turn.answer(key, answer),
                }
            }
            Ask::Prefetch { count, global } => {
                self.dispatch.prefetch(key, count, global);
                turn.answer(key, Answer::Done);
            }
            Ask::Fence(fence) => {
                if fence == Fence::CloseChannel {
                    self.held.channel_gone(key);
                    let left = self.dispatch.channel_gone(key);
                    self.leave(left, turn);
                }
                turn.answer(key, Answer::Fenced(fence));
            }
            ask => self.ask_topology(key, &unit, &ask, turn),
        }
    }

    fn ask_topology(&mut self, key: ChannelKey, unit: &UnitId, ask: &Ask, turn: &mut Turn) {
        if let Some(answer) = self.barred(key.connection, unit, ask) {
            turn.answer(key, answer);
            return;
        }
        if let Ask::DeclareQueue { name, .. } = ask
            && let Some(queue) = self.ledger.queue_named(unit, name)
        {
            self.dispatch.used(queue);
        }
        // Counts are those after what was settled before.
        self.write_settled(turn);
        let dispatch = &self.dispatch;
        match self.ledger.ask(unit, ask, |queue| dispatch.in_use(queue)) {
            Decided::Reply(answer) => turn.answer(key, answer),
            Decided::Record(mut record, answer) => {
                if let Record::Topology(Topology::Purged { queue, out }) = &mut record {
                    *out = self.dispatch.out_of(*queue);
                }
                self.record(&record, None, turn);
                if let Record::Topology(Topology::Declared {
                    queue, properties, ..
                }) = &record
                {
                    let owner = properties.exclusive.then_some(key.connection);
                    let traits = FeedTraits::of(properties);
                    self.dispatch.declared(*queue, owner, traits);
                }
                turn.answer(key, answer);
            }
        }
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
        unit: &UnitId,
        name: &str,
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
        id: QueueId,
        exclusive: bool,
        priority: i32,
    ) -> Answer {
        if !self.dispatch.may_consume(id, exclusive) {
            let name = self.ledger.queue(id).map_or("", |queue| &*queue.name);
            return Answer::refused(403, format!("queue '{name}' in exclusive use"));
        }
        if let Some(text) = self.dispatch.is_crowded(consumer, id) {
            return Answer::refused(406, text);
        }
        self.dispatch.consume(consumer, id, exclusive, priority);
        Answer::Done
    }

    /// Answered at once, in its turn: clients pipeline gets. Behind more expired entries than a step
    /// buries nothing is found yet.
    fn get(&mut self, key: ChannelKey, id: QueueId, turn: &mut Turn) {
        self.dispatch.used(id);
        while turn.found.len() < STEP_BURIED
            && let Some(sent) = self.dispatch.get(&self.ledger, id, key)
        {
            let address = sent.delivery.address();
            let queue = self.ledger.queue(id);
            let entry = queue.and_then(|queue| queue.backlog.get(address.entry));
            if !entry.is_some_and(|entry| entry.is_expired(turn.moment.now)) {
                return self.send(sent, turn);
            }
            turn.found.push((address, Cause::Expired));
        }
        self.dispatch.look_at(id);
        turn.answer(key, Answer::Empty);
    }
}
