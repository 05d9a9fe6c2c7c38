//! Random ruled traffic: messages of every kind, cases, orders, what expires and what is buried, other
//! rulebooks, clients that come and go. After each crash all that was told is so.
//!
//! A life is drawn from a seed, which a failure names; `CARNET_TEST_SEED` leads that one alone.

use carnet::broker::command::{Ask, Settle};
use carnet::broker::governance::Measure;
use carnet::broker::record::Argument;
use carnet::policy::measures::{Level, Permits};

use crate::live::Live;
use crate::{CUSTOMS, ENVIRONMENT, POLICE, POST, Tally};

/// Moments of one life.
const MOMENTS: u64 = 40;

/// Numbers drawn from a seed by `SplitMix64`.
struct Drawn(u64);

impl Drawn {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn count(&mut self, most: u64) -> usize {
        usize::try_from(1 + self.below(most)).unwrap()
    }
}

/// One life, and what it has come to.
struct Life {
    live: Live,
    drawn: Drawn,
    messages: u64,
    /// A message that may be sent again.
    first: Option<String>,
    /// Steps of the one case that were taken: none, opened, joined, closed.
    case: usize,
    has_work: bool,
}

impl Life {
    fn id(&mut self) -> String {
        self.messages += 1;
        format!("r-{}", self.messages)
    }

    /// Something that a client, an agency or the time does.
    fn act(&mut self) {
        match self.drawn.below(33) {
            0..=13 => self.send(),
            14 if self.case < 3 => {
                let id = self.id();
                let (place, step) = [
                    (CUSTOMS, "case.open"),
                    (POLICE, "case.join"),
                    (CUSTOMS, "case.close"),
                ][self.case];
                self.case += 1;
                self.live.case(place, step, &id);
            }
            15 => {
                let (id, to) = (self.id(), [("to", "environment/main+post/main")]);
                self.live
                    .example(CUSTOMS, "control.order/valid/story-03", &id, &to);
            }
            16 if !self.has_work => self.declare(),
            17 if self.has_work => {
                self.has_work = false;
                for queue in ["work", "parked"] {
                    let (queue, if_unused, if_empty) = (queue.to_owned(), false, false);
                    self.live.ask(
                        CUSTOMS,
                        Ask::Delete {
                            queue,
                            if_unused,
                            if_empty,
                        },
                    );
                }
            }
            18 => {
                let (queue, may_read) = ("dead".to_owned(), true);
                self.live.ask(CUSTOMS, Ask::Get { queue, may_read });
            }
            19 if self.has_work => self.live.ask(CUSTOMS, Ask::Purge("parked".to_owned())),
            20 => {
                let place = [POST, CUSTOMS, ENVIRONMENT, POLICE][self.drawn.count(4) - 1];
                self.live.reconnect(place);
            }
            21 => self.live.activate(),
            22 | 23 => self.live.settle(Settle::Requeue, self.drawn.count(3)),
            24 => self.live.settle(Settle::Reject, self.drawn.count(2)),
            25 | 26 => self.live.wait(self.drawn.below(500)),
            27..=29 => self.measure(),
            _ => self.live.settle(Settle::Ack, self.drawn.count(5)),
        }
    }

    /// Two officers, of the post or of customs, about measures of their agency.
    fn measure(&mut self) {
        let agency = ["post", "customs"][self.drawn.count(2) - 1];
        let known = self.live.measures(agency);
        let number = 1 + self.drawn.below(known.max(1));
        let named = ["post-customs".parse().unwrap()].into();
        let (measure, ms) = match self.drawn.below(8) {
            0 => (Measure::Suspend(Permits::All), None),
            1 => (Measure::Suspend(Permits::Named(named)), None),
            2 => (Measure::Level(Level::Fallback), Some(self.drawn.below(400))),
            3 => (Measure::Lift(number), None),
            _ => return self.live.confirm_measure(agency, number),
        };
        self.live.declare_measure(agency, measure, ms);
    }

    /// Queues of customs' own: what dies in one goes to the other, which holds three.
    fn declare(&mut self) {
        self.has_work = true;
        let text = |text: &str| Argument::Text(text.to_owned());
        let parked = [("x-max-length", Argument::Integer(3))];
        self.live.declare("parked", &parked, false);
        let work = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("parked")),
            ("x-delivery-limit", Argument::Integer(2)),
            ("x-message-ttl", Argument::Integer(400)),
        ];
        self.live.declare("work", &work, false);
    }

    fn send(&mut self) {
        let id = self.id();
        let live = &mut self.live;
        match self.drawn.below(10) {
            0 => {
                live.example(POST, "movement.event/valid/arrived", &id, &[]);
                self.first.get_or_insert(id);
            }
            1 => live.example(POST, "postal.item/valid/ornaments", &id, &[]),
            2 => {
                let case = [("case", "C-1")];
                let case = if self.case == 2 { &case[..] } else { &[] };
                live.example(CUSTOMS, "declaration.import/valid/story-10", &id, case);
            }
            3 => live.example(CUSTOMS, "risk.assessment/valid/drugs", &id, &[]),
            4 => live.expiring(POST, "movement.event/valid/arrived", &id),
            5 => {
                let blanks = usize::try_from(self.messages).unwrap();
                live.blanks(POST, "postal.item/invalid/wrong-check-digit", &id, blanks);
            }
            6 if self.has_work => {
                let ttl_ms = (self.drawn.below(3) == 0).then_some(50);
                live.private("work", &id, ttl_ms);
            }
            7 => live.example(POST, "postal.item/valid/orchids", &id, &[]),
            8 if let Some(first) = &self.first => {
                // Again, as a client does that was not confirmed.
                live.example(POST, "movement.event/valid/arrived", first, &[]);
            }
            _ => live.example(ENVIRONMENT, "permit.cites/valid/ivory", &id, &[]),
        }
    }
}

/// Leads the life of a seed; every second one on a disk with large sectors.
fn lead(seed: u64, tally: &Tally) {
    println!("seed {seed}");
    let sectors = if seed.is_multiple_of(2) { 512 } else { 4_096 };
    let mut life = Life {
        live: Live::start_on(sectors),
        drawn: Drawn(seed),
        messages: 0,
        first: None,
        case: 0,
        has_work: false,
    };
    life.live.units();
    tally.check_all(&life.live.crashes(), &life.live.told);
    life.declare();
    for _ in 0..MOMENTS {
        for _ in 0..life.drawn.count(3) {
            life.act();
        }
        let stops = life.drawn.below(25) == 0;
        if stops {
            life.live.stop();
        }
        tally.decide_and_tell(&mut life.live);
        if stops {
            life.live.restart();
            tally.decide_and_tell(&mut life.live);
        }
    }
}

#[test]
fn whatever_was_told_in_a_random_life_is_so_after_a_crash() {
    let tally = Tally::default();
    let seed = std::env::var_os("CARNET_TEST_SEED");
    let seed = seed.map(|seed| {
        seed.to_str()
            .and_then(|it| it.parse().ok())
            .expect("a number")
    });
    let (seeds, points) = match (seed, Tally::is_long()) {
        (Some(seed), _) => (seed..=seed, 1),
        (None, true) => (1..=20, 10_000),
        (None, false) => (1..=4, 1_000),
    };
    seeds.for_each(|seed| lead(seed, &tally));
    println!("{:?}", (&tally.points, &tally.again, &tally.unread));
    assert!(tally.points.into_inner() >= points);
}
