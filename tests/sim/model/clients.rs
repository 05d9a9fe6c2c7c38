//! What clients of a random life do with queues, and with what they are sent.

use super::*;

impl Life {
    /// A delivery reaches its connection, which looks whether policy still gives as much.
    pub(super) fn shown(&mut self, connection: ConnectionId, deliver: &Deliver) {
        let mut places = self.places.iter();
        let place = places.find(|place| place.connection == connection);
        let unit = place.expect("somebody connected").peer.unit.id.clone();
        let stored = &self.stored[&deliver.source().at()];
        match prepare(deliver, stored, &unit, &self.view(), self.now).unwrap() {
            Prepared::Send(_) => {
                let released = released(&stored.record, &unit);
                let narrowed = deliver.overlay.narrowed.as_ref().map(|left| left.mask);
                let mask = released.map(|mask| narrowed.unwrap_or(mask));
                assert_eq!(mask, self.naive.mask_of(deliver.delivery));
                self.in_hand.push(deliver.delivery);
            }
            Prepared::Narrow(less, queues) => self.narrows.push(Command::Narrow {
                to: ChannelKey::new(connection, deliver.channel),
                delivery: deliver.delivery,
                narrowed: deliver.narrowed(unit, self.now, less, queues),
            }),
        }
    }

    pub(super) fn narrow(&mut self, narrow: Command, turn: &mut Turn) {
        let Command::Narrow {
            to,
            delivery,
            narrowed,
        } = &narrow
        else {
            unreachable!("it narrows");
        };
        let (to, delivery) = (*to, *delivery);
        let holds = holds(&narrowed.reads, self.core.ledger(), self.now);
        let is_out = self.naive.taker(delivery).is_some();
        self.seen.insert(match (is_out, holds) {
            (true, true) => "narrowed",
            (true, false) => "narrowed by what has changed",
            (false, _) => "too late to be narrowed",
        });
        let come = self.take(narrow, turn);
        for (_, record) in &come.records {
            let Record::Narrowed(narrowed) = record else {
                panic!("{record:?}");
            };
            self.naive.narrow(narrowed);
        }
        let [Effect::Narrowed { deliver, .. }] = &come.effects[..] else {
            panic!("{come:?}");
        };
        assert_eq!(
            (come.records.len(), deliver.is_some()),
            (usize::from(is_out && holds), is_out)
        );
        if let Some(deliver) = deliver {
            self.shown(to.connection, deliver);
        }
    }

    pub(super) fn settle(&mut self, which: usize, how: Settle, turn: &mut Turn) {
        let Some(at) = which.checked_rem(self.in_hand.len()) else {
            return;
        };
        // Some are settled twice: the second time is too late.
        let delivery = if which.is_multiple_of(4) {
            self.in_hand[at]
        } else {
            self.in_hand.remove(at)
        };
        let settling = match how {
            Settle::Ack => Settling::Acked,
            Settle::Requeue => Settling::Requeued,
            Settle::Reject => Settling::Rejected,
            Settle::Unsent => unreachable!("all is sent"),
        };
        if let Some(to) = self.naive.taker(delivery) {
            let is = |place: &Place| place.connection == to.connection;
            let place = self.places.iter().position(is).unwrap();
            self.naive.ask(delivery, settling, &system(place));
        }
        let deliveries = vec![delivery];
        let come = self.take(Command::Settle { deliveries, how }, turn);
        assert!(
            come.records.is_empty() && come.effects.is_empty(),
            "{come:?}"
        );
    }

    pub(super) fn key(&self, at: (usize, usize)) -> ChannelKey {
        let channel = u16::try_from(10 + at.1).unwrap();
        ChannelKey::new(self.places[at.0].connection, channel)
    }

    /// The name of a slot's queue, and its number where its system may have it.
    fn queue(&self, at: (usize, usize)) -> (String, Option<QueueId>) {
        let (place, slot) = at;
        let unit = &self.places[place].peer.unit.id;
        let kinds = [QueueKind::Inbox, QueueKind::Receipts, QueueKind::Dead];
        let name = match kinds.get(slot) {
            Some(kind) => standing_name(unit, *kind),
            None => OWN[slot - kinds.len()].to_owned(),
        };
        let id = self.naive.named(unit, &name);
        let may = |id: &QueueId| {
            let owner = self.naive.queues[id].owner;
            owner.is_none_or(|owner| owner == self.places[place].connection)
        };
        (name, id.filter(may))
    }

    pub(super) fn ask(&mut self, key: ChannelKey, ask: Ask, turn: &mut Turn) -> Option<Answer> {
        let command = Command::Ask {
            connection: key.connection,
            channel: key.channel,
            ask,
        };
        let mut come = self.take(command, turn);
        assert!(
            come.records.is_empty() && come.effects.len() <= 1,
            "{come:?}"
        );
        come.effects.pop().map(|effect| match effect {
            Effect::Answer { answer, .. } => answer,
            other => panic!("{other:?}"),
        })
    }

    pub(super) fn declare(&mut self, queue: usize, turn: &mut Turn) {
        let text = |text: &str| Argument::Text(text.to_owned());
        let (arguments, binding) = match OWN[queue] {
            "work" => (
                vec![
                    ("x-dead-letter-exchange", text("")),
                    ("x-dead-letter-routing-key", text("parked")),
                    ("x-delivery-limit", Argument::Integer(1)),
                    ("x-message-ttl", Argument::Integer(405)),
                ],
                Some("movement.#"),
            ),
            "parked" => (
                vec![
                    ("x-delivery-limit", Argument::Integer(1)),
                    ("x-max-length", Argument::Integer(3)),
                ],
                None,
            ),
            _ => (Vec::new(), Some("#")),
        };
        let exclusive = OWN[queue] == "mine";
        let arguments = arguments.into_iter();
        let properties = QueueProperties {
            durable: !exclusive,
            exclusive,
            auto_delete: false,
            arguments: arguments.map(|(name, it)| (name.to_owned(), it)).collect(),
        };
        let (unit, name) = (&self.places[CUSTOMS].peer.unit.id, OWN[queue].to_owned());
        let before = self.naive.named(unit, &name);
        let before = before.map(|id| &self.naive.queues[&id]);
        let (ready, consumers) = before.map_or((0, 0), |it| (it.ready(), it.consumers.len()));
        let (connection, passive) = (self.places[CUSTOMS].connection, false);
        let declare = Ask::DeclareQueue {
            name: name.clone(),
            passive,
            properties,
        };
        let key = ChannelKey::new(connection, 1);
        let answer = self.ask(key, declare, turn);
        let due = Answer::Queue {
            name: name.clone(),
            messages: wide(ready),
            consumers,
        };
        assert_eq!(answer, Some(due));
        let id = self.naive.named(&self.places[CUSTOMS].peer.unit.id, &name);
        let queue = self.naive.queues.get_mut(&id.unwrap()).unwrap();
        queue.owner = exclusive.then_some(connection);
        if let Some(binding) = binding {
            let bind = Ask::Bind {
                queue: name,
                exchange: "inbox".to_owned(),
                key: binding.to_owned(),
                remove: false,
            };
            assert_eq!(self.ask(key, bind, turn), Some(Answer::Done));
        }
    }

    /// Purges or deletes.
    pub(super) fn empty(&mut self, name: &str, delete: bool, turn: &mut Turn) {
        let unit = &self.places[CUSTOMS].peer.unit.id;
        let id = self.naive.named(unit, name);
        let queue = id.map(|id| &self.naive.queues[&id]);
        let (ready, all) = queue.map_or((0, 0), |it| (it.ready(), it.entries.len()));
        let name = name.to_owned();
        let (ask, due) = if delete {
            self.ends.extend(id);
            let (if_unused, if_empty) = (false, false);
            let delete = Ask::Delete {
                queue: name,
                if_unused,
                if_empty,
            };
            (delete, Some(all))
        } else {
            (Ask::Purge(name), id.map(|_| ready))
        };
        let key = ChannelKey::new(self.places[CUSTOMS].connection, 1);
        match self.ask(key, ask, turn).expect("an answer") {
            Answer::Count(count) => assert_eq!(Some(count), due.map(wide)),
            Answer::Refused(refusal) => assert_eq!((refusal.code, due), (404, None)),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn consume(&mut self, at: (usize, usize), limit: u16, turn: &mut Turn) {
        let key = self.key(at);
        let queues = self.naive.queues.values_mut();
        let mut own = queues.filter_map(|queue| {
            let consumer = queue.consumers.keys().find(|it| it.0 == key).copied();
            consumer.map(|consumer| (queue, consumer))
        });
        if let Some((queue, consumer)) = own.next() {
            queue.consumers.remove(&consumer);
            let answer = self.ask(key, Ask::Cancel(consumer.1), turn);
            assert_eq!(answer, Some(Answer::Done));
            return;
        }
        drop(own);
        let (queue, id) = self.queue(at);
        self.consumers += 1;
        let (number, count, global) = (self.consumers, limit, false);
        self.ask(key, Ask::Prefetch { count, global }, turn);
        let consume = Ask::Consume {
            number,
            queue,
            exclusive: false,
            priority: 0,
            may_read: true,
        };
        let answer = self.ask(key, consume, turn).expect("an answer");
        match id {
            Some(id) => {
                assert_eq!(answer, Answer::Done);
                let queue = self.naive.queues.get_mut(&id).unwrap();
                queue.consumers.insert((key, number), limit);
            }
            None => assert!(matches!(answer, Answer::Refused(_)), "{answer:?}"),
        }
    }

    pub(super) fn get(&mut self, at: (usize, usize), turn: &mut Turn) {
        let (queue, id) = self.queue(at);
        let due = id.is_some_and(|id| self.naive.may_give(id));
        let may_read = true;
        match self.ask(self.key(at), Ask::Get { queue, may_read }, turn) {
            None => assert!(due),
            Some(Answer::Empty) => assert!(id.is_some() && !due),
            Some(Answer::Refused(_)) => assert!(id.is_none()),
            Some(other) => panic!("{other:?}"),
        }
    }

    pub(super) fn reconnect(&mut self, place: usize, ended: bool, turn: &mut Turn) {
        let connection = self.places[place].connection;
        let (how, event) = if ended {
            (Settling::Interrupted, Event::Ended(connection))
        } else {
            (Settling::Left, Event::Gone(connection))
        };
        let is = |key: ChannelKey| key.connection == connection;
        self.naive.over(is, how, &system(place));
        let owned = self.naive.queues.iter();
        let owned = owned.filter(|(_, queue)| queue.owner == Some(connection));
        self.ends.extend(owned.map(|(id, _)| *id));
        self.core.take(What::Event(event), turn);
        let come = self.come(turn);
        assert!(
            come.records.is_empty() && come.effects.is_empty(),
            "{come:?}"
        );
        self.attach(place, turn);
    }
}
