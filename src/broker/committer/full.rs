//! A full disk: publishes are not taken, all else goes on in what is left of the segment.
//!
//! It is found before anything is decided, when room for a step is reserved. Publishers get a nack
//! and are told; what they confirm, settle and ask for goes on. Where not even that has room any
//! more, commands are parked, in their order, until there is: a settle that waits is no worse than
//! a client that is slow, and a record that is begun and has no room would end the process.

use std::collections::VecDeque;

use super::{Committer, Fatal, RECORD_SLACK_BYTES, Turn};
use crate::broker::command::{Command, Effect};
use crate::broker::limits::{ROOM_RETRY, STEP_BYTES};
use crate::journal::vfs::Vfs;
use crate::message::time::Timestamp;

/// What clients are told.
pub(super) const DISK_FULL: &str = "the disk is full";

/// Room that a step needs beside its commands when it takes no publish: leases, expiries.
const QUIET_BYTES: usize = 192 << 10;
/// Room that a stop needs: what was counted, what is out.
const STOP_BYTES: usize = 64 << 10;

/// The state of a committer that cannot store.
pub(super) struct Full {
    /// What did not fit. Until that fits the disk is full: else it would come and go, with the size
    /// of what is asked for.
    bytes: usize,
    /// When room was last asked for.
    tried: Timestamp,
    /// What cannot even be written down now.
    parked: VecDeque<Command>,
}

impl<V: Vfs> Committer<V> {
    /// Sees to it that the journal has room for what these commands may become, or that nothing
    /// comes of them that has none; tells publishers what changed. Gives what is to be taken now;
    /// nothing where nothing can be.
    pub(super) fn make_room(
        &mut self,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Command>>, Fatal> {
        let (records, frames) = weight(commands.iter());
        match self.full.take() {
            None if self
                .journal
                .reserve(RECORD_SLACK_BYTES + records, frames)
                .is_ok() =>
            {
                turn.room = true;
                Ok(Some(commands))
            }
            // Too much at once, whatever the disk has: these publishes are not taken, and that is all.
            // Room for the others is reserved as they are written down.
            None if !self.journal.can_hold(RECORD_SLACK_BYTES + records + frames) => {
                Ok(Some(commands))
            }
            None => {
                self.full = Some(Full {
                    bytes: publish_weight(&commands),
                    tried: now,
                    parked: VecDeque::new(),
                });
                self.tell_all(Some(DISK_FULL), turn);
                self.go_on_quietly(commands, now, turn)
            }
            Some(full) => {
                let due = now < full.tried || now.since(full.tried) >= ROOM_RETRY;
                let wanted = full.bytes + RECORD_SLACK_BYTES;
                if due && self.journal.reserve(wanted, 0).is_ok() {
                    self.tell_all(None, turn);
                    turn.room = true;
                    return self.unpark(full.parked, commands, now, turn);
                }
                let tried = if due { now } else { full.tried };
                self.full = Some(Full { tried, ..full });
                self.go_on_quietly(commands, now, turn)
            }
        }
    }

    fn tell_all(&self, reason: Option<&'static str>, turn: &mut Turn) {
        for connection in self.dispatch.connections() {
            turn.tell(connection, Effect::Blocked(reason));
        }
    }

    /// Without room for publishes: the others are taken if they fit, else parked behind those that
    /// are. Publishes get their nack in any case.
    fn go_on_quietly(
        &mut self,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Command>>, Fatal> {
        let (records, _) = weight(commands.iter().filter(|command| !command.is_publish()));
        let parked = self.full.as_ref().map_or(0, |full| full.parked.len());
        if parked == 0 && self.journal.left() >= records + QUIET_BYTES {
            return Ok(Some(commands));
        }
        self.park(commands, now, turn)?;
        Ok(None)
    }

    /// Whether a command may be taken: those before it in this step may have used, on a full disk,
    /// more than they were expected to.
    pub(super) fn has_room_for(&self, command: &Command) -> bool {
        self.full.is_none()
            || command.is_publish()
            || self.journal.left() >= command.weight().0 + STOP_BYTES
    }

    /// Keeps what has no room for when it has; publishes get their nack.
    pub(super) fn park(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), Fatal> {
        for command in commands {
            if command.is_publish() || matches!(command, Command::Attach { .. }) {
                // Neither makes a record.
                self.take(command, now, turn)?;
            } else if matches!(command, Command::Stop) {
                turn.stop = true;
            } else if let Some(full) = &mut self.full
                && !matches!(command, Command::Tick)
            {
                full.parked.push_back(command);
            }
        }
        Ok(())
    }

    /// There is room again: what was parked comes first. It is taken in steps of its own, each with
    /// room of its own, all before the next sync.
    fn unpark(
        &mut self,
        mut parked: VecDeque<Command>,
        commands: Vec<Command>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Vec<Command>>, Fatal> {
        while !parked.is_empty() {
            let mut part = Vec::new();
            let mut bytes = 0;
            while bytes < STEP_BYTES
                && let Some(command) = parked.pop_front()
            {
                bytes += command.weight().0;
                part.push(command);
            }
            if self.journal.reserve(bytes + RECORD_SLACK_BYTES, 0).is_err() {
                // Full again, in the midst of it: the rest waits on.
                part.extend(parked);
                turn.room = false;
                self.full = Some(Full {
                    bytes: 0,
                    tried: now,
                    parked: part.into(),
                });
                self.tell_all(Some(DISK_FULL), turn);
                return self.go_on_quietly(commands, now, turn);
            }
            self.work(part, now, turn)?;
        }
        let (records, frames) = weight(commands.iter());
        let room = self.journal.reserve(records + RECORD_SLACK_BYTES, frames);
        turn.room = room.is_ok();
        Ok(Some(commands))
    }

    /// Whether the last record of a clean stop has room. Without it the next start recovers.
    pub(super) fn can_stop(&self) -> bool {
        self.full.is_none() || self.journal.left() >= STOP_BYTES
    }
}

fn weight<'c>(commands: impl Iterator<Item = &'c Command>) -> (usize, usize) {
    commands.fold((0, 0), |(records, frames), command| {
        let (record, frame) = command.weight();
        (records + record, frames + frame)
    })
}

fn publish_weight(commands: &[Command]) -> usize {
    let (records, frames) = weight(commands.iter().filter(|command| command.is_publish()));
    records + frames
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::agency::keys::KeyCheck;
    use crate::agency::registry::InboxMode;
    use crate::broker::command::{
        Answer, Ask, ConnectionId, DeliveryId, NotTaken, Origin, Private, Returnable, Settle,
    };
    use crate::broker::ledger::Ledger;
    use crate::broker::record::{Argument, Genesis, QueueProperties, Record};
    use crate::journal::vfs::SimVfs;
    use crate::journal::{Config, Journal, Lsn};
    use crate::message::bundle::Bundle;
    use crate::message::id::Digest;

    const PUBLISHER: ConnectionId = ConnectionId(1);
    const CONSUMER: ConnectionId = ConnectionId(2);

    struct Rig {
        vfs: SimVfs,
        committer: Committer<SimVfs>,
        now: Timestamp,
        published: u64,
    }

    impl Rig {
        fn new() -> Self {
            let vfs = SimVfs::new(1);
            let config = Config {
                segment_bytes: 1 << 20,
                background: false,
                journal: [7; 16],
                stopped_kind: Record::STOPPED,
            };
            let (journal, _) = Journal::open(vfs.clone(), Path::new("/journal"), config).unwrap();
            let mut committer = Committer::new(journal, Ledger::default());
            let genesis = Genesis {
                at: Timestamp::from_millis(1_000_000),
                bundle: Bundle::default(),
                digest: Digest([0; 32]),
                key_check: KeyCheck([0; 16]),
                development: true,
                units: vec![("post/main".parse().unwrap(), InboxMode::All)],
            };
            committer.begin(&Record::Genesis(genesis)).unwrap();
            let mut rig = Self {
                vfs,
                committer,
                now: Timestamp::from_millis(1_000_000),
                published: 0,
            };
            for connection in [PUBLISHER, CONSUMER] {
                let unit = "post/main".parse().unwrap();
                rig.step(vec![Command::Attach {
                    connection,
                    unit,
                    releases: true,
                }]);
            }
            let declare = Ask::DeclareQueue {
                name: "work".to_owned(),
                passive: false,
                properties: QueueProperties {
                    durable: true,
                    ..QueueProperties::default()
                },
            };
            rig.ask(PUBLISHER, declare);
            let consume = Ask::Consume {
                number: 1,
                queue: "work".to_owned(),
                priority: 0,
                exclusive: false,
                may_read: true,
            };
            rig.ask(CONSUMER, consume);
            rig
        }

        fn step(&mut self, commands: Vec<Command>) -> Vec<(ConnectionId, Effect)> {
            self.committer.step(commands, self.now).unwrap().effects
        }

        fn ask(&mut self, connection: ConnectionId, ask: Ask) -> Vec<(ConnectionId, Effect)> {
            let channel = 1;
            self.step(vec![Command::Ask {
                connection,
                channel,
                ask,
            }])
        }

        fn publish(&mut self, ttl_ms: Option<u64>) -> Command {
            self.published += 1;
            Command::Private(Box::new(Private {
                origin: Origin {
                    connection: PUBLISHER,
                    channel: 1,
                    serial: self.published,
                    confirm: Some(self.published),
                },
                wire: Returnable {
                    exchange: "".into(),
                    routing_key: "work".into(),
                    raw_properties: bytes::Bytes::new(),
                    body: bytes::Bytes::new(),
                },
                mandatory: true,
                frame: vec![7; 10_000],
                ttl: ttl_ms.map(Duration::from_millis),
                quota: 1_000_000,
            }))
        }

        /// A small one.
        fn publish_to(&mut self, queue: &str) -> Command {
            let mut publish = self.publish(None);
            if let Command::Private(private) = &mut publish {
                private.wire.routing_key = queue.into();
                private.frame = vec![7; 64];
            }
            publish
        }

        fn wait(&mut self, ms: u64) {
            self.now = self.now.plus(Duration::from_millis(ms));
        }

        /// Publishes until the disk is full; what was delivered until then.
        fn fill(&mut self) -> Vec<DeliveryId> {
            self.vfs.fill();
            let mut delivered = Vec::new();
            loop {
                let publish = self.publish(None);
                let effects = self.step(vec![publish]);
                delivered.extend(deliveries(&effects));
                if effects.iter().any(|(_, effect)| is_nack(effect)) {
                    let blocked =
                        |(_, effect): &(_, Effect)| matches!(effect, Effect::Blocked(Some(_)));
                    assert_eq!(effects.iter().filter(|it| blocked(it)).count(), 2);
                    return delivered;
                }
            }
        }
    }

    fn is_nack(effect: &Effect) -> bool {
        let why = NotTaken::DiskFull;
        matches!(effect, Effect::Nacked { why: told, .. } if *told == why)
    }

    fn deliveries(effects: &[(ConnectionId, Effect)]) -> Vec<DeliveryId> {
        let all = effects.iter();
        all.filter_map(|(_, effect)| match effect {
            Effect::Deliver(deliver) => Some(deliver.delivery),
            _ => None,
        })
        .collect()
    }

    fn ack(deliveries: Vec<DeliveryId>) -> Command {
        let how = Settle::Ack;
        Command::Settle { deliveries, how }
    }

    #[test]
    fn acks_go_on_while_the_disk_is_full_and_it_is_not_said_twice() {
        let mut rig = Rig::new();
        let delivered = rig.fill();
        let count = delivered.len();
        assert!(count > 20, "{count}");
        let kept = rig.committer.ledger().kept_by(&"post".parse().unwrap());
        assert_eq!(usize::try_from(kept).unwrap(), count);
        for delivery in delivered {
            rig.wait(100);
            let publish = rig.publish(None);
            let effects = rig.step(vec![ack(vec![delivery]), publish, Command::Tick]);
            assert!(matches!(&effects[..], [(PUBLISHER, effect)] if is_nack(effect)));
        }
        assert_eq!(rig.committer.ledger().kept_by(&"post".parse().unwrap()), 0);
        rig.vfs.make_room();
        rig.wait(250);
        let publish = rig.publish(None);
        let effects = rig.step(vec![publish]);
        let kinds: Vec<String> = effects
            .iter()
            .map(|(_, effect)| format!("{effect:?}"))
            .collect();
        assert!(
            kinds[..2].iter().all(|kind| kind == "Blocked(None)"),
            "{kinds:?}"
        );
        assert!(kinds[2].starts_with("Outcome"), "{kinds:?}");
        assert!(kinds[3].starts_with("Deliver"), "{kinds:?}");
    }

    #[test]
    fn where_nothing_more_fits_all_but_nacks_waits_and_comes_in_its_order() {
        let mut rig = Rig::new();
        rig.fill();
        // Whatever is left is used up: each declaration is a record, and a sync.
        let mut declared = 0;
        let parked = loop {
            declared += 1;
            assert!(declared < 10_000, "the segment has an end");
            let name = format!("q-{declared}");
            let (passive, properties) = (false, QueueProperties::default());
            let ask = Ask::DeclareQueue {
                name,
                passive,
                properties,
            };
            if rig.ask(PUBLISHER, ask).is_empty() {
                break declared;
            }
        };
        for n in 1..=3 {
            let passive = true;
            let properties = QueueProperties::default();
            let name = format!("q-{}", parked + 1 - n);
            let ask = Ask::DeclareQueue {
                name,
                passive,
                properties,
            };
            let publish = rig.publish(None);
            assert!(rig.ask(CONSUMER, ask).is_empty());
            let nacked = rig.step(vec![publish]);
            assert!(matches!(&nacked[..], [(PUBLISHER, effect)] if is_nack(effect)));
        }
        rig.vfs.make_room();
        rig.wait(1_000);
        let publish = rig.publish(None);
        let effects = rig.step(vec![publish]);
        let told: Vec<String> = effects
            .iter()
            .filter_map(|(connection, effect)| match effect {
                Effect::Answer {
                    answer: Answer::Queue { name, .. },
                    ..
                } => Some(format!("{} {name}", connection.0)),
                Effect::Outcome { .. } => Some("stored".to_owned()),
                _ => None,
            })
            .collect();
        let (one, two, three) = (parked, parked - 1, parked - 2);
        let expected = [
            format!("1 q-{one}"),
            format!("2 q-{one}"),
            format!("2 q-{two}"),
            format!("2 q-{three}"),
            "stored".to_owned(),
        ];
        assert_eq!(told, expected);
        replays(&rig);
    }

    fn replays(rig: &Rig) {
        let mut ledger = Ledger::default();
        let reader = rig.committer.journal().reader();
        for stored in reader.scan(Lsn::START) {
            let stored = stored.unwrap();
            let record = Record::decode(stored.schema, &stored.body).unwrap();
            ledger.apply(&record, stored.lsn);
        }
        assert!(ledger == *rig.committer.ledger(), "replay differs");
    }

    #[test]
    fn a_connection_that_ends_with_thousands_out_finds_room_for_a_record_of_each() {
        const MESSAGES: usize = 3_800;
        let mut rig = Rig::new();
        let properties = QueueProperties {
            durable: true,
            arguments: vec![
                argument("x-dead-letter-exchange", ""),
                argument("x-dead-letter-routing-key", "work"),
                ("x-delivery-limit".to_owned(), Argument::Integer(1)),
            ],
            ..QueueProperties::default()
        };
        let (name, passive) = ("n".repeat(255), false);
        let declare = Ask::DeclareQueue {
            name: name.clone(),
            passive,
            properties,
        };
        rig.ask(PUBLISHER, declare);
        rig.ask(CONSUMER, Ask::Cancel(1));
        let (count, global) = (4_000, false);
        rig.ask(CONSUMER, Ask::Prefetch { count, global });
        let consume = Ask::Consume {
            number: 2,
            queue: name.clone(),
            priority: 0,
            exclusive: false,
            may_read: true,
        };
        rig.ask(CONSUMER, consume);
        // Each may go out once, and the connection ends while all are out.
        let mut out = Vec::new();
        for _ in 0..MESSAGES.div_euclid(100) {
            let publishes = (0..100).map(|_| rig.publish_to(&name)).collect();
            out.extend(deliveries(&rig.step(publishes)));
        }
        assert_eq!(out.len(), MESSAGES);
        rig.step(vec![Command::Gone(CONSUMER)]);
        let (name, passive) = ("work".to_owned(), true);
        let properties = QueueProperties::default();
        let look = Ask::DeclareQueue {
            name,
            passive,
            properties,
        };
        let told = rig.ask(PUBLISHER, look);
        let buried = told.iter().find_map(|(_, effect)| match effect {
            Effect::Answer {
                answer: Answer::Queue { messages, .. },
                ..
            } => usize::try_from(*messages).ok(),
            _ => None,
        });
        assert_eq!(buried, Some(MESSAGES), "{told:?}");
        replays(&rig);
    }

    fn argument(name: &str, value: &str) -> (String, Argument) {
        (name.to_owned(), Argument::Text(value.to_owned()))
    }

    #[test]
    fn a_stop_on_a_full_disk_ends_and_nothing_is_lost() {
        let mut rig = Rig::new();
        let delivered = rig.fill();
        rig.step(vec![ack(delivered), Command::Stop]);
        assert!(rig.committer.journal().poisoned().is_none());
        replays(&rig);
    }

    #[test]
    fn a_clock_that_steps_back_neither_expires_nor_delays_anything() {
        let mut rig = Rig::new();
        rig.wait(3_600_000);
        let publish = rig.publish(Some(60_000));
        let at = rig.now;
        let [delivery] = deliveries(&rig.step(vec![publish]))[..] else {
            panic!("one delivery");
        };
        // Two hours back: what is given back is not settled later, what is published is not late.
        rig.now = Timestamp::from_millis(at.as_millis() - 7_200_000);
        let deliveries_given = vec![delivery];
        let how = Settle::Requeue;
        let again = Command::Settle {
            deliveries: deliveries_given,
            how,
        };
        assert_eq!(deliveries(&rig.step(vec![again])).len(), 1, "not expired");
        let publish = rig.publish(Some(60_000));
        let [second] = deliveries(&rig.step(vec![publish]))[..] else {
            panic!("a message published now does not expire now");
        };
        assert!(rig.committer.ledger().time() <= at);
        // An ack rides for 50 ms; the clock steps back in the midst of them.
        rig.now = at.plus(Duration::from_secs(5));
        rig.step(vec![ack(vec![second])]);
        assert!(!rig.committer.journal().is_batch_empty());
        rig.now = at.plus(Duration::from_secs(1));
        rig.step(vec![Command::Tick]);
        assert!(
            rig.committer.journal().is_batch_empty(),
            "it waits for the clock"
        );
        // Once the clock has caught up, time goes on as ever.
        rig.now = at.plus(Duration::from_mins(1));
        let requeue = Command::Settle {
            deliveries: Vec::new(),
            how,
        };
        rig.step(vec![requeue, Command::Tick]);
        replays(&rig);
    }
}
