//! The core on a disk that loses what was not synced, under the repository's own rulebook.
//!
//! One scripted life is led, and some random ones. Before each call that changes the disk, the disk is copied as each kind
//! of crash would leave it there; on each copy the broker starts again, and must have everything
//! that anyone was told, once, in order, and nothing wider.
#![cfg(test)]

#[path = "sim/border.rs"]
mod border;
#[path = "sim/busy.rs"]
mod busy;
#[path = "sim/desk.rs"]
mod desk;
#[path = "sim/full.rs"]
mod full;
#[path = "sim/governed.rs"]
mod governed;
#[path = "sim/idle.rs"]
mod idle;
#[path = "sim/live.rs"]
mod live;
#[path = "sim/lost.rs"]
mod lost;
#[path = "sim/measured.rs"]
mod measured;
#[path = "sim/model.rs"]
mod model;
#[path = "sim/moves.rs"]
mod moves;
#[path = "sim/naive.rs"]
mod naive;
#[path = "sim/old.rs"]
mod old;
#[path = "support/options.rs"]
mod options;
#[path = "sim/order.rs"]
mod order;
#[path = "sim/queues.rs"]
mod queues;
#[path = "sim/random.rs"]
mod random;
#[path = "sim/recovered.rs"]
mod recovered;
#[path = "sim/repeats.rs"]
mod repeats;
#[path = "sim/replayed.rs"]
mod replayed;
#[path = "support/ring.rs"]
mod ring;
#[path = "sim/secrets.rs"]
mod secrets;
#[path = "support/shipped.rs"]
mod shipped;
#[path = "sim/shown.rs"]
mod shown;
#[path = "sim/standing.rs"]
mod standing;
#[path = "sim/terms.rs"]
mod terms;
#[path = "sim/threads.rs"]
mod threads;
#[path = "sim/tree.rs"]
mod tree;
#[path = "sim/unit.rs"]
mod unit;
#[path = "sim/watched.rs"]
mod watched;

use std::sync::atomic::{AtomicUsize, Ordering};

use carnet::broker::command::{Ask, Settle};
use carnet::broker::record::Argument;
use carnet_disk::SimVfs;

use live::Live;
use recovered::{Told, check, check_deeply, check_unread};

const POST: usize = 0;
const CUSTOMS: usize = 1;
const ENVIRONMENT: usize = 2;
const POLICE: usize = 3;
const STEPS: usize = 180;

/// Counts crashes, those during recoveries, and recoveries of which a read failed. Of the points of a moment every second is tried; all
/// where `CARNET_TEST_LONG` is set.
#[derive(Default)]
struct Tally {
    moments: AtomicUsize,
    points: AtomicUsize,
    again: AtomicUsize,
    unread: AtomicUsize,
}

impl Tally {
    fn is_long() -> bool {
        std::env::var_os("CARNET_TEST_LONG").is_some()
    }

    /// Starts on each copy; the machine has at least two processors.
    fn check_all(&self, crashes: &[SimVfs], told: &Told) {
        let every = if Self::is_long() { 1 } else { 2 };
        let of = self.moments.fetch_add(1, Ordering::Relaxed) % every;
        let crashes: Vec<&SimVfs> = crashes.iter().skip(of).step_by(every).collect();
        let half = crashes.len().div_ceil(2).max(1);
        std::thread::scope(|scope| {
            for part in crashes.chunks(half) {
                scope.spawn(move || part.iter().for_each(|disk| self.check(disk, told)));
            }
        });
    }

    /// Nobody is told of a step before its crashes have been looked at.
    fn decide_and_tell(&self, live: &mut Live) {
        let decided = live.decide();
        self.check_all(&live.crashes(), &live.told);
        live.tell(decided);
    }

    fn check(&self, disk: &SimVfs, told: &Told) {
        let point = self.points.fetch_add(1, Ordering::Relaxed);
        if point % 101 == 100 {
            let again = check_deeply(disk, told);
            self.again.fetch_add(again, Ordering::Relaxed);
        } else if point % 11 == 10 {
            check_unread(disk, u64::try_from(point).unwrap());
            check(disk, told);
            self.unread.fetch_add(1, Ordering::Relaxed);
        } else {
            check(disk, told);
        }
    }
}

/// What happens at one moment of the script.
fn play(live: &mut Live, step: usize) {
    let id = format!("m-{step}");
    match step {
        3 => {
            let text = |text: &str| Argument::Text(text.to_owned());
            live.declare("parked", &[("x-max-length", Argument::Integer(3))], false);
            let buried = [
                ("x-dead-letter-exchange", text("")),
                ("x-dead-letter-routing-key", text("parked")),
                ("x-delivery-limit", Argument::Integer(3)),
                ("x-message-ttl", Argument::Integer(400)),
            ];
            live.declare("work", &buried, false);
            live.declare("mine", &[], true);
        }
        5 => live.case(CUSTOMS, "case.open", &id),
        7 => live.case(POLICE, "case.join", &id),
        60 => live.reconnect(CUSTOMS),
        75 => live.case(CUSTOMS, "case.close", &id),
        // For itself: an order changes what a ruling of the same moment rested on.
        20 | 80 => {
            let to = [("to", "environment/main+post/main")];
            live.example(CUSTOMS, "control.order/valid/story-03", &id, &to);
            live.example(
                POST,
                "movement.event/valid/story-04",
                &format!("{id}-b"),
                &[],
            );
        }
        90 => {
            let queue = "dead".to_owned();
            live.ask(
                CUSTOMS,
                Ask::Get {
                    queue,
                    may_read: true,
                },
            );
        }
        100 => live.ask(CUSTOMS, Ask::Purge("parked".to_owned())),
        140 => {
            let queue = "work".to_owned();
            let (if_unused, if_empty) = (false, false);
            live.ask(
                CUSTOMS,
                Ask::Delete {
                    queue,
                    if_unused,
                    if_empty,
                },
            );
        }
        _ => send(live, step, &id),
    }
    match step % 7 {
        0 | 4 => live.settle(Settle::Ack, 2),
        2 => live.settle(Settle::Requeue, 2),
        5 => live.settle(Settle::Reject, 1),
        6 => live.wait(60),
        _ => {}
    }
}

fn send(live: &mut Live, step: usize, id: &str) {
    match step % 10 {
        0 => live.example(POST, "movement.event/valid/arrived", id, &[]),
        1 => live.example(POST, "postal.item/valid/ornaments", id, &[]),
        2 => live.example(
            CUSTOMS,
            "declaration.import/valid/story-10",
            id,
            &[("case", "C-1")],
        ),
        3 => live.example(CUSTOMS, "risk.assessment/valid/drugs", id, &[]),
        4 => live.expiring(POST, "movement.event/valid/arrived", id),
        5 => live.blanks(POST, "postal.item/invalid/wrong-check-digit", id, step),
        6 if step < 140 => live.private("work", id, step.is_multiple_of(4).then_some(50)),
        7 => live.example(POST, "postal.item/valid/orchids", id, &[]),
        // The first message of its kind again, as a client does that was not confirmed.
        8 => live.example(POST, "movement.event/valid/arrived", "m-10", &[]),
        _ => live.example(ENVIRONMENT, "permit.cites/valid/ivory", id, &[]),
    }
}

#[test]
fn whatever_was_told_is_so_after_a_crash_at_any_call() {
    let tally = Tally::default();
    let mut live = Live::start();
    assert_eq!(live.units(), 4);
    tally.check_all(&live.crashes(), &live.told);
    for step in 0..STEPS {
        play(&mut live, step);
        let last = step == 70 || step == 120;
        if last {
            live.stop();
        }
        tally.decide_and_tell(&mut live);
        if last {
            live.restart();
            // Consumers come back, and what waited for them goes out, before anything new does.
            tally.decide_and_tell(&mut live);
        }
    }
    println!(
        "{} calls, {:?}, {:?}",
        live.calls(),
        (&tally.points, &tally.again),
        live.seen
    );
    for what in [
        "returned",
        "repeated",
        "again",
        "narrowed",
        "redelivered",
        "dead",
        "private",
    ] {
        assert!(
            live.seen.get(what).is_some_and(|count| *count > 0),
            "{what} never came"
        );
    }
    assert!(tally.points.into_inner() >= 1_000);
    assert!(tally.again.into_inner() >= 50);
}
