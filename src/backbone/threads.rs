//! Waits and wakes of this module, under a scheduler that tries in which order threads may run: a
//! wake that is lost leaves a thread waiting for ever, which the scheduler reports with its schedule.
//!
//! The files are compiled a second time here, on primitives of that scheduler in place of those of
//! `sync`. No wait of it ends by time.
#![expect(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    reason = "files of the product, of which a part is used here"
)]

mod sync {
    use std::sync::Arc;

    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic, mpsc};
    pub(super) use shuttle::thread;

    /// What `arc_swap` has, as far as it is used here: each use is one step for the scheduler.
    #[derive(Default)]
    pub(super) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(super) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().unwrap())
        }

        pub(super) fn store(&self, value: Arc<T>) {
            *self.0.lock().unwrap() = value;
        }
    }
}

#[path = "fetch.rs"]
mod fetch;
#[path = "ids.rs"]
mod ids;
#[path = "mailbox.rs"]
mod mailbox;
#[path = "runs.rs"]
mod runs;
#[path = "threads/searching.rs"]
mod searching;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};
use shuttle::{check_pct, check_random};

use self::fetch::{Fetcher, Found, Tray, Unread, Wanted};
use self::mailbox::{Inbox, Outbox, Share};
use crate::agency::registry::Party;
use crate::broker::command::{Ask, Command};
use crate::broker::effect::Effect;
use crate::broker::event::Event;
use crate::broker::ids::{ConnectionId, EntryId};
use crate::broker::input::{Input, What};
use crate::broker::limits::AGENCY_WAITING_BYTES;
use crate::broker::record::{Argument, QueueProperties};
use crate::journal::Lsn;

/// Schedules that are tried of each kind.
const SCHEDULES: usize = 1_000;

/// Tries the threads of `test` in random orders, and in orders with few and long turns.
fn in_any_order(test: fn()) {
    in_so_many_orders(SCHEDULES, test);
}

fn in_so_many_orders(schedules: usize, test: fn()) {
    check_random(test, schedules);
    check_pct(test, schedules, 3);
}

fn all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A command of almost no weight.
fn light(number: u64) -> Input {
    Event::Gone(ConnectionId(number)).into()
}

fn agency(name: &str) -> Party {
    Party::Agency(name.parse().unwrap())
}

/// Commands of one agency that are too many for it, together.
fn heavy(share: &Share) -> Vec<Input> {
    let one = || {
        let arguments = vec![("note".to_owned(), Argument::Text("x".repeat(1 << 20)))];
        let ask = Ask::DeclareQueue {
            name: "work".to_owned(),
            passive: false,
            properties: QueueProperties {
                arguments,
                ..QueueProperties::default()
            },
        };
        let (connection, channel) = (ConnectionId(1), 1);
        let command = Command::Ask {
            connection,
            channel,
            ask,
        };
        Input::new(share.payer, command)
    };
    let count = AGENCY_WAITING_BYTES / one().weight.held + 1;
    (0..count).map(|_| one()).collect()
}

/// Takes inputs as the committer does, until so many have come, and gives back what they held.
fn take(inbox: &Inbox, count: usize) -> Vec<Input> {
    let (mut taken, mut some) = (Vec::new(), Vec::new());
    while taken.len() < count {
        inbox.take(Duration::from_secs(1), &mut some);
        let mut given_back = BTreeMap::new();
        for input in &some {
            *given_back.entry(input.payer).or_default() += input.weight.held;
        }
        inbox.give_back(&given_back);
        taken.append(&mut some);
    }
    taken
}

#[test]
fn every_command_wakes_the_committer_and_comes_in_the_order_of_its_connection() {
    in_any_order(|| {
        let inbox = Arc::new(Inbox::default());
        let push = |first: u64| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                for number in [first, first + 1] {
                    inbox.push(&mut vec![light(number)]);
                }
            })
        };
        let threads = vec![push(10), push(20)];
        let taken = take(&inbox, 4).into_iter().map(|input| match input.what {
            What::Event(Event::Gone(ConnectionId(number))) => number,
            other => panic!("{other:?}"),
        });
        let taken: Vec<u64> = taken.collect();
        for tens in [1, 2] {
            let of_one: Vec<u64> = taken.iter().copied().filter(|it| it / 10 == tens).collect();
            assert_eq!(of_one, [tens * 10, tens * 10 + 1]);
        }
        all(threads);
    });
}

#[test]
fn who_waits_for_room_is_woken_once_there_is_some() {
    // What is too much for an agency takes its time.
    in_so_many_orders(SCHEDULES / 5, || {
        let inbox = Arc::new(Inbox::default());
        let share = inbox.share(agency("post"));
        let mut inputs = heavy(&share);
        let count = inputs.len();
        let (full, pays) = (Arc::clone(&inbox), Arc::clone(&share));
        let mut threads = vec![thread::spawn(move || full.push_for(&pays, &mut inputs))];
        for number in 0..2 {
            let (inbox, share) = (Arc::clone(&inbox), Arc::clone(&share));
            let waits = Arc::default();
            threads.push(thread::spawn(move || {
                let has_room = |cx: &mut Context<'_>| {
                    if share.has_room(cx.waker(), &waits) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                };
                // Twice: who waited once waits anew.
                block_on(poll_fn(has_room));
                inbox.push(&mut vec![light(number)]);
                block_on(poll_fn(has_room));
            }));
        }
        take(&inbox, count + 2);
        all(threads);
    });
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_asks_for_room_again_and_again_waits_once_and_is_woken_once() {
    check_random(
        || {
            let (inbox, waits) = (Inbox::default(), Arc::default());
            let share = inbox.share(agency("post"));
            let wakes = Arc::new(Wakes::default());
            let counting = Arc::clone(&wakes).into();
            for woken in [1, 2] {
                let mut inputs = heavy(&share);
                let count = inputs.len();
                inbox.push_for(&share, &mut inputs);
                for _ in 0..3 {
                    assert!(!share.has_room(&counting, &waits));
                }
                take(&inbox, count);
                assert_eq!(wakes.0.load(Ordering::Relaxed), woken);
                assert!(share.has_room(&counting, &waits));
            }
        },
        1,
    );
}

#[test]
fn an_agency_that_has_too_much_waiting_takes_no_room_of_another() {
    check_random(
        || {
            let inbox = Inbox::default();
            let [post, customs] = ["post", "customs"].map(|name| inbox.share(agency(name)));
            assert_ne!(post.payer, customs.payer);
            assert_eq!(inbox.share(agency("post")).payer, post.payer);
            inbox.push_for(&post, &mut heavy(&post));
            let waker = Arc::new(Wakes::default()).into();
            assert!(!post.has_room(&waker, &Arc::default()));
            assert!(customs.has_room(&waker, &Arc::default()));
            // Nor does what a unit does of which others must not know.
            let unit = Party::Unit("customs/investigation".parse().unwrap());
            let unlisted = inbox.share(unit);
            inbox.push_for(&unlisted, &mut heavy(&unlisted));
            assert!(!unlisted.has_room(&waker, &Arc::default()));
            assert!(customs.has_room(&waker, &Arc::default()));
        },
        1,
    );
}

/// Effects as a connection takes them, until so many have come.
fn receive(outbox: &Outbox, count: usize) {
    let (mut came, mut taken) = (0, Vec::new());
    block_on(poll_fn(|cx| {
        // As `server::connection::link` does: registered before the look.
        outbox.register(cx.waker());
        while outbox.take(&mut taken) {
            came += taken.drain(..).count();
        }
        if came == count {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
}

#[test]
fn every_effect_comes_to_a_connection_that_sleeps_or_takes_at_that_moment() {
    in_any_order(|| {
        let outbox = Arc::new(Outbox::default());
        let committer = Arc::clone(&outbox);
        let step = thread::spawn(move || {
            for effects in [1, 2, 1] {
                for _ in 0..effects {
                    committer.push(Effect::Blocked(None));
                }
                committer.wake();
            }
        });
        receive(&outbox, 4);
        all(vec![step]);
    });
}

fn entry(at: u64) -> Wanted {
    Wanted::Record(EntryId::new(Lsn(at)))
}

/// What comes of one question.
fn fetched(fetcher: &Fetcher, needed: u64) -> Vec<Found> {
    let tray = Arc::new(Tray::default());
    fetcher.fetch(vec![entry(needed)], vec![entry(needed + 1)], &tray);
    block_on(poll_fn(|cx| {
        tray.register(cx.waker());
        tray.take().map_or(Poll::Pending, Poll::Ready)
    }))
}

#[test]
fn who_asks_for_what_is_on_the_disk_is_woken_when_all_of_it_is_there() {
    in_any_order(|| {
        let read = |wanted| match wanted {
            Wanted::Record(entry) => Found::Record(entry, Err(Unread("damaged".to_owned()))),
            Wanted::Use(_) => panic!("no id is asked for"),
        };
        let fetcher = Arc::new(Fetcher::start(read).unwrap());
        let asks = [1, 5].map(|needed| {
            let fetcher = Arc::clone(&fetcher);
            thread::spawn(move || assert_eq!(fetched(&fetcher, needed).len(), 2))
        });
        all(asks.into());
    });
}
