//! Queues of an agency's own, through the committer: what expires, what goes round, what is kept.

use std::time::Duration;

use carnet::backbone::start::{Options, Recovered, recover};
use carnet::broker::command::{Ask, Command, Settle};
use carnet::broker::committer::{Committer, Step};
use carnet::broker::effect::{Answer, Deliver, Effect};
use carnet::broker::event::Event;
use carnet::broker::ids::{ConnectionId, DeliveryId, Origin};
use carnet::broker::input::Input;
use carnet::broker::ledger::Queue;
use carnet::broker::limits::{STEP_BURIED, UNLIMITED_PREFETCH};
use carnet::broker::queue::Page;
use carnet::broker::record::{Argument, QueueId, QueueProperties, Record};
use carnet::journal::Lsn;
use carnet::message::id::UnitId;
use carnet::message::time::Timestamp;
use carnet_disk::{Pattern, SimVfs};

use crate::recovered::data;
use crate::unit::{begun, private};

const CLIENT: ConnectionId = ConnectionId(1);

/// Segments with room for steps of some hundred messages.
fn options() -> Options {
    Options {
        segment_bytes: 4 << 20,
        ..crate::recovered::options()
    }
}

/// A broker with one client of one unit.
struct Rig {
    disk: SimVfs,
    committer: Committer<SimVfs>,
    unit: UnitId,
    now: Timestamp,
    published: u64,
    /// Pages that nobody needs any more.
    done: Vec<(QueueId, Page)>,
}

impl Rig {
    fn start() -> Self {
        let disk = SimVfs::new(1);
        let unit: UnitId = "customs/main".parse().unwrap();
        let now = Timestamp::from_millis(1_000_000);
        let committer = begun(&disk, &options(), &unit, now);
        let mut rig = Self {
            disk,
            committer,
            unit,
            now,
            published: 0,
            done: Vec::new(),
        };
        rig.attach();
        rig
    }

    fn attach(&mut self) {
        let (connection, unit) = (CLIENT, self.unit.clone());
        self.step(vec![Command::Attach {
            connection,
            unit,
            system: "post/items".parse().unwrap(),
            releases: true,
        }]);
    }

    /// The machine stops, after all that was done is on the disk, and starts again.
    fn crash(&mut self) {
        self.tick(100);
        self.restart();
    }

    fn stop(&mut self) {
        self.step(vec![Event::Stop]);
        self.restart();
    }

    fn restart(&mut self) {
        self.disk = self.disk.crash(Pattern::Nothing, self.published);
        let Recovered {
            recovery,
            mut committer,
            ..
        } = recover(&self.disk, data(), &options()).unwrap();
        if !recovery.clean {
            committer.begin(&Record::Recovered).unwrap();
        }
        self.committer = committer;
        self.attach();
    }

    fn step<I: Into<Input>>(&mut self, commands: Vec<I>) -> Step {
        self.committer.step(commands, self.now).unwrap()
    }

    fn tick(&mut self, ms: u64) -> Vec<Deliver> {
        self.now = self.now.plus(Duration::from_millis(ms));
        deliveries(self.step(vec![Event::Tick]))
    }

    fn ask(&mut self, ask: Ask) -> Step {
        self.step(vec![asked(ask)])
    }

    fn declare(&mut self, name: &str, arguments: &[(&str, Argument)]) {
        let arguments = arguments.iter();
        let properties = QueueProperties {
            durable: true,
            arguments: arguments
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            ..QueueProperties::default()
        };
        let (name, passive) = (name.to_owned(), false);
        let step = self.ask(Ask::DeclareQueue {
            name,
            passive,
            properties,
        });
        let answer = &step.effects[0].1;
        let declared = |answer: &Effect| {
            matches!(
                answer,
                Effect::Answer {
                    answer: Answer::Queue { .. },
                    ..
                }
            )
        };
        assert!(declared(answer), "{answer:?}");
    }

    fn publish(&mut self, queue: &str) -> Command {
        self.published += 1;
        let origin = Origin {
            connection: CLIENT,
            channel: 1,
            serial: self.published,
            confirm: Some(self.published),
        };
        private(queue, origin, b"body")
    }

    /// Publishes in steps that fit into a segment.
    fn put(&mut self, queue: &str, count: usize) -> Vec<Deliver> {
        let (mut all, mut told) = (Vec::new(), Vec::new());
        for place in 0..count {
            let publish = self.publish(queue);
            all.push(publish);
            if all.len() == 200 || place + 1 == count {
                told.extend(deliveries(self.step(std::mem::take(&mut all))));
            }
        }
        told
    }

    fn get(&mut self, queue: &str) -> Option<Deliver> {
        let (queue, may_read) = (queue.to_owned(), true);
        deliveries(self.ask(Ask::Get { queue, may_read })).pop()
    }

    fn consume(&mut self, queue: &str, number: u64) -> Vec<Deliver> {
        self.consume_at(queue, number, 0)
    }

    fn consume_at(&mut self, queue: &str, number: u64, priority: i32) -> Vec<Deliver> {
        let queue = queue.to_owned();
        deliveries(self.ask(Ask::Consume {
            number,
            queue,
            priority,
            exclusive: false,
            may_read: true,
        }))
    }

    fn settle(&mut self, deliveries: Vec<DeliveryId>, how: Settle) -> Vec<Deliver> {
        self::deliveries(self.step(vec![Command::Settle { deliveries, how }]))
    }

    fn queue(&self, name: &str) -> &Queue {
        let ledger = self.committer.ledger();
        let id = ledger.queue_named(&self.unit, name).unwrap();
        ledger.queue(id).unwrap()
    }

    fn is_there(&self, name: &str) -> bool {
        let ledger = self.committer.ledger();
        ledger.queue_named(&self.unit, name).is_some()
    }

    fn held(&self, name: &str) -> u64 {
        self.queue(name).backlog.len()
    }
}

fn asked(ask: Ask) -> Command {
    Command::Ask {
        connection: CLIENT,
        channel: 1,
        ask,
    }
}

fn deliveries(step: Step) -> Vec<Deliver> {
    let effects = step.effects.into_iter();
    let delivered = effects.filter_map(|(_, effect)| match effect {
        Effect::Deliver(deliver) => Some(*deliver),
        _ => None,
    });
    delivered.collect()
}

fn ttl(ms: i64) -> (&'static str, Argument) {
    ("x-message-ttl", Argument::Integer(ms))
}

fn dead_letters_to(queue: &str) -> [(&'static str, Argument); 2] {
    let text = |text: &str| Argument::Text(text.to_owned());
    [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
    ]
}

#[test]
fn a_queue_that_buries_what_expires_in_itself_does_not_hold_up_the_broker() {
    let mut rig = Rig::start();
    let [exchange, key] = dead_letters_to("q");
    rig.declare("q", &[ttl(0), exchange, key]);
    let publish = rig.publish("q");
    let get = asked(Ask::Get {
        queue: "q".to_owned(),
        may_read: true,
    });
    let got = deliveries(rig.step(vec![publish, get]));
    assert_eq!(got.len(), 0);
    assert_eq!(rig.held("q"), 0, "it goes round");
}

#[test]
fn what_expires_goes_round_once_and_what_was_rejected_goes_round_again() {
    let mut rig = Rig::start();
    let [exchange, key] = dead_letters_to("b");
    rig.declare("a", &[ttl(10), exchange, key]);
    let [exchange, key] = dead_letters_to("a");
    rig.declare("b", &[ttl(0), exchange, key]);
    rig.put("a", 1);
    // It is rejected in `a`: from there it may come to `a` again, and has been in both then.
    for round in 1..4 {
        let got = rig.get("a").expect("it is there");
        assert_eq!(got.overlay.died.deaths.is_empty(), round == 1);
        rig.settle(vec![got.delivery], Settle::Reject);
        rig.tick(1);
        rig.tick(1);
        assert_eq!((rig.held("a"), rig.held("b")), (1, 0), "round {round}");
    }
    // Nobody takes it: it expires in `a`, then in `b`, and no rejection lies between.
    rig.tick(20);
    rig.tick(20);
    rig.tick(20);
    assert_eq!((rig.held("a"), rig.held("b")), (0, 0));
}

#[test]
fn a_queue_full_of_what_has_expired_holds_up_no_other() {
    let mut rig = Rig::start();
    rig.declare("late", &[ttl(10)]);
    rig.declare("z", &[]);
    rig.consume("z", 1);
    for _ in 0..3 {
        rig.put("late", STEP_BURIED);
    }
    rig.now = rig.now.plus(Duration::from_millis(20));
    let sent = rig.publish("z");
    let delivered = deliveries(rig.step(vec![Input::from(Event::Tick), sent.into()]));
    assert_eq!(delivered.len(), 1, "the other queue waits for this one");
    let most = u64::try_from(STEP_BURIED).unwrap();
    // As many as a step may bury, and one more for the one that it brought.
    assert_eq!(rig.held("late"), 2 * most - 1);
    // Gets of one step bury no more than a step does.
    let get = || {
        let (queue, may_read) = ("late".to_owned(), true);
        asked(Ask::Get { queue, may_read })
    };
    rig.step(vec![get(), get(), get()]);
    assert_eq!(rig.held("late"), most - 1);
    rig.step(Vec::<Input>::new());
    assert_eq!(rig.held("late"), 0);
}

#[test]
fn the_time_to_live_of_a_queue_counts_from_when_a_message_came_into_it() {
    let mut rig = Rig::start();
    let [exchange, key] = dead_letters_to("parked");
    rig.declare("q", &[ttl(1_000), exchange, key]);
    rig.declare("parked", &[ttl(1_000)]);
    // For an hour there is no traffic but the agency's own.
    rig.tick(3_600_000);
    rig.put("q", 1);
    rig.tick(999);
    assert_eq!(rig.held("q"), 1, "it expired too early");
    rig.tick(1);
    assert_eq!((rig.held("q"), rig.held("parked")), (0, 1));
    rig.tick(999);
    assert_eq!(rig.held("parked"), 1, "it expired too early there");
    rig.tick(1);
    assert_eq!(rig.held("parked"), 0);
}

#[test]
fn what_may_have_been_sent_before_a_crash_is_marked_so_after_a_clean_stop_and_another_crash() {
    let mut rig = Rig::start();
    rig.declare("q", &[]);
    rig.put("q", 1);
    let sent = rig.get("q").expect("it is there");
    assert!(!sent.redelivered);
    rig.crash();
    rig.stop();
    rig.put("q", 1);
    rig.crash();
    let again = rig.get("q").expect("it is still there");
    assert_eq!(again.delivery.entry, sent.delivery.entry);
    assert!(again.redelivered, "it was sent before");
    let fresh = rig.get("q").expect("the second");
    assert!(!fresh.redelivered, "it was never sent");
}

/// Puts so many messages into a queue, and lets its pages be written. These are returned.
fn filled(rig: &mut Rig, queue: &str, count: usize) -> Vec<(QueueId, Page)> {
    let mut pages = Vec::new();
    for _ in 0..count / 200 {
        let publishes: Vec<Command> = (0..200).map(|_| rig.publish(queue)).collect();
        let filled = rig.step(publishes).pages;
        let written = filled
            .iter()
            .map(|(id, page)| Event::PageWritten(*id, page.number));
        rig.step(written.collect());
        pages.extend(filled);
    }
    pages
}

/// Gets until nothing is there, a hundred at a time, with pages written and read back as by their thread.
fn get_all(rig: &mut Rig, queue: &str, pages: &mut Vec<(QueueId, Page)>) -> usize {
    let get = || {
        let (queue, may_read) = (queue.to_owned(), true);
        asked(Ask::Get { queue, may_read })
    };
    let (mut commands, mut count) = (Vec::<Input>::new(), 0);
    loop {
        commands.extend((0..100).map(|_| get().into()));
        let mut step = rig.step(std::mem::take(&mut commands));
        let wanted = std::mem::take(&mut step.wanted_pages);
        rig.done.append(&mut step.done_pages);
        let got: Vec<DeliveryId> = deliveries(step).iter().map(|it| it.delivery).collect();
        count += got.len();
        if got.len() < 100 {
            return count;
        }
        let (deliveries, how) = (got, Settle::Ack);
        commands.push(Command::Settle { deliveries, how }.into());
        for (id, page) in wanted {
            let place = pages
                .iter()
                .position(|(_, other)| other.number == page.number);
            if let Some(place) = place {
                let entries = pages.remove(place).1.entries().unwrap().clone();
                commands.push(Event::PageLoaded(id, page.number, entries).into());
            }
        }
    }
}

#[test]
fn a_long_queue_that_is_read_by_gets_alone_comes_out_whole() {
    const COUNT: usize = 14_000;
    let mut rig = Rig::start();
    rig.declare("q", &[]);
    let mut pages = filled(&mut rig, "q", COUNT);
    assert_eq!(pages.len(), 2);
    assert_eq!(get_all(&mut rig, "q", &mut pages), COUNT);
    assert_eq!(rig.held("q"), 0);
    assert_eq!(rig.done.len(), 2, "pages that nobody needs");
}

#[test]
fn pages_of_a_queue_that_is_emptied_or_deleted_are_needed_no_more() {
    let mut rig = Rig::start();
    for name in ["purged", "deleted"] {
        rig.declare(name, &[]);
        let pages = filled(&mut rig, name, 14_000);
        let queue = name.to_owned();
        let (if_unused, if_empty) = (false, false);
        let step = rig.ask(match name {
            "purged" => Ask::Purge(queue),
            _ => Ask::Delete {
                queue,
                if_unused,
                if_empty,
            },
        });
        let places = |pages: &[(QueueId, Page)]| -> Vec<(QueueId, u64, Lsn, Lsn)> {
            let pages = pages.iter();
            let place = |(id, page): &(QueueId, Page)| (*id, page.number, page.first, page.last);
            pages.map(place).collect()
        };
        assert_eq!(places(&step.done_pages), places(&pages));
    }
}

#[test]
fn a_queue_that_takes_nothing_keeps_nothing_of_what_was_moved_into_it() {
    let mut rig = Rig::start();
    rig.declare("none", &[("x-max-length", Argument::Integer(0))]);
    rig.declare("one", &[("x-max-length", Argument::Integer(1))]);
    for (queue, kept) in [("none", 0), ("one", 1)] {
        let [exchange, key] = dead_letters_to(queue);
        let from = format!("to-{queue}");
        rig.declare(&from, &[ttl(10), exchange, key]);
        rig.put(&from, 3);
        rig.tick(20);
        rig.tick(1);
        assert_eq!(rig.held(&from), 0);
        assert_eq!(rig.held(queue), kept);
        assert_eq!(u64::try_from(rig.queue(queue).overlaid()).unwrap(), kept);
    }
}

#[test]
fn a_consumer_without_a_limit_gets_a_thousand_messages_and_one_more_for_each_it_gives_back() {
    let mut rig = Rig::start();
    rig.declare("q", &[]);
    rig.put("q", 2_000);
    let most = usize::try_from(UNLIMITED_PREFETCH).unwrap();
    let mut first = rig.consume("q", 1);
    assert_eq!(first.len(), most);
    let all = |deliveries: &[Deliver]| deliveries.iter().map(|it| it.delivery).collect();
    let more = rig.settle(all(&first[..10]), Settle::Ack);
    assert_eq!(more.len(), 10);
    // Another one gets what is left.
    let other = rig.consume("q", 2);
    assert_eq!(other.len(), 990);
    assert!(other.iter().all(|it| it.consumer == Some(2)));
    first.extend(more);
    let more = rig.settle(all(&first[10..]), Settle::Requeue);
    assert_eq!(more.len(), most, "both have credit for that");
}

#[test]
fn a_limit_of_its_own_or_of_its_channel_may_be_above_a_thousand() {
    for global in [false, true] {
        let mut rig = Rig::start();
        rig.declare("q", &[]);
        rig.put("q", 2_000);
        let count = 1_500;
        rig.ask(Ask::Prefetch { count, global });
        assert_eq!(rig.consume("q", 1).len(), 1_500);
    }
}

#[test]
fn a_queue_goes_when_nobody_has_used_it_for_as_long_as_it_says_and_no_earlier() {
    const EXPIRES: [(&str, Argument); 1] = [("x-expires", Argument::Integer(1_000))];
    let mut rig = Rig::start();
    rig.declare("stays", &[]);
    rig.declare("q", &EXPIRES);
    let uses: [fn(&mut Rig); 4] = [
        |rig| rig.put("q", 2).clear(),
        |rig| drop(rig.get("q")),
        |rig| rig.declare("q", &EXPIRES),
        |rig| {
            rig.consume("q", 1);
            // As long as there is a consumer, nothing counts.
            rig.tick(100_000);
            rig.ask(Ask::Cancel(1));
        },
    ];
    for (nth, used) in uses.into_iter().enumerate() {
        used(&mut rig);
        rig.tick(1);
        rig.tick(998);
        // What is put into it is no use of it.
        assert!(nth == 0 || rig.is_there("q"), "{nth}");
        if nth == 0 {
            rig.tick(2);
            assert!(!rig.is_there("q"), "with what is in it");
            rig.declare("q", &EXPIRES);
            rig.tick(1);
            rig.put("q", 1);
        }
    }
    // A start begins anew: nobody could use it while nothing ran.
    rig.declare("q", &EXPIRES);
    rig.tick(1);
    rig.tick(800);
    rig.crash();
    rig.tick(999);
    assert!(rig.is_there("q"));
    rig.tick(1);
    assert!(!rig.is_there("q"));
    rig.crash();
    assert!(!rig.is_there("q") && rig.is_there("stays"), "a fact");
}

#[test]
fn a_clock_that_is_set_forward_or_back_ends_no_queue_early_and_keeps_none_for_ever() {
    let mut rig = Rig::start();
    rig.declare("q", &[("x-expires", Argument::Integer(60_000))]);
    rig.put("q", 1);
    rig.tick(50);
    rig.tick(3_600_000);
    assert!(rig.is_there("q"), "a second has passed at most");
    rig.now = Timestamp::from_millis(rig.now.as_millis() - 3_600_000);
    for _ in 0..70 {
        rig.tick(1_000);
    }
    assert!(!rig.is_there("q"), "with what is in it");
}

#[test]
fn consumers_with_a_higher_priority_come_first_as_long_as_they_have_credit() {
    let mut rig = Rig::start();
    rig.declare("q", &[]);
    let (count, global) = (2, false);
    rig.ask(Ask::Prefetch { count, global });
    for (number, priority) in [(1, 0), (2, 7), (3, 7), (4, -1)] {
        rig.consume_at("q", number, priority);
    }
    let of = |deliveries: &[Deliver]| deliveries.iter().map(|it| it.consumer.unwrap()).collect();
    let first = rig.put("q", 7);
    let mut takers: Vec<u64> = of(&first);
    takers[..4].sort_unstable();
    assert_eq!(takers, [2, 2, 3, 3, 1, 1, 4]);
    let of_three = first.iter().find(|it| it.consumer == Some(3)).unwrap();
    rig.settle(vec![of_three.delivery], Settle::Ack);
    assert_eq!(of(&rig.put("q", 2)), [3, 4]);
}

#[test]
fn of_consumers_of_which_one_is_active_the_first_stays_so_whatever_the_priority_of_others() {
    let mut rig = Rig::start();
    let single = [("x-single-active-consumer", Argument::Bool(true))];
    rig.declare("q", &single);
    for (number, priority) in [(1, 0), (2, 7)] {
        rig.consume_at("q", number, priority);
    }
    let takers = rig.put("q", 2).into_iter().map(|it| it.consumer.unwrap());
    assert_eq!(takers.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_a_connection_had_out_that_the_broker_ended_comes_back_said_to_be_so_and_uncounted() {
    let mut rig = Rig::start();
    rig.declare("q", &[("x-delivery-limit", Argument::Integer(3))]);
    rig.put("q", 1);
    for round in 0..10 {
        let got = rig.consume("q", 1);
        assert_eq!(
            (got.len(), got[0].redelivered, got[0].returns),
            (1, round > 0, 0)
        );
        rig.step(vec![Event::Ended(CLIENT)]);
        rig.attach();
    }
    assert_eq!(rig.held("q"), 1, "it has not been delivered too often");
}
