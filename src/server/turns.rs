//! Turns: how much the connections of one agency do on a worker thread between two looks at the sockets.
//!
//! Work is counted in octets that are admitted or delivered, not in time: the count is the same on
//! every machine. Time between two looks is a round. Each agency has a share of a round; a connection
//! whose agency has used its share up waits for the next one. A task that wakes itself is run again
//! many times before the runtime looks at its sockets; what waits here is woken once it has looked, one
//! connection of each agency, and another one where that rests and the share is not used up.
//!
//! INVARIANT: who had nothing of the last round comes before those who had something. So connections
//! of one agency take turns, however many there are, and agencies wait for each other one share long.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::agency::registry::Party;
use crate::broker::limits::TURN_OCTETS;

/// The rounds of one worker thread.
#[derive(Default)]
pub(super) struct Turns {
    round: Arc<Round>,
    shares: RefCell<BTreeMap<Party, Rc<Share>>>,
}

/// The round that a worker thread is in. Woken by its runtime, the next one begins.
#[derive(Default)]
struct Round {
    number: AtomicU64,
    /// Octets of work of all agencies in it.
    octets: AtomicUsize,
    /// The most of any round.
    octets_most: Arc<AtomicUsize>,
    /// How many wait.
    sleepers: AtomicUsize,
    waiting: Mutex<Waiting>,
}

/// Connections that wait.
#[derive(Default)]
struct Waiting {
    /// Whether the runtime was asked to begin the next round.
    is_asked: bool,
    /// The waiting connections of each agency that has any, by its number.
    lines: BTreeMap<usize, Line>,
}

/// Connections of one agency that wait.
#[derive(Default)]
struct Line {
    /// In the order of their turns.
    first: VecDeque<Sleeper>,
    /// Those that had something of this round: they come behind, from the next one on.
    served: VecDeque<Sleeper>,
}

/// A connection that waits.
struct Sleeper {
    waker: Waker,
    /// Its own: whether it waits.
    waits: Arc<AtomicBool>,
}

/// What an agency has used of the round of this number, in octets.
#[derive(Default)]
struct Share {
    /// The agency's number on this thread.
    agency: usize,
    round: Cell<u64>,
    octets: Cell<usize>,
}

/// The turns of one connection.
pub(super) struct Turn {
    round: Arc<Round>,
    share: Rc<Share>,
    /// The last round that it had something of.
    served: Option<u64>,
    waits: Arc<AtomicBool>,
}

impl Turns {
    /// The rounds of a worker thread, which keeps the most octets of a round in `octets_most`.
    pub(super) fn new(octets_most: Arc<AtomicUsize>) -> Self {
        let round = Round {
            octets_most,
            ..Round::default()
        };
        Self {
            round: Arc::new(round),
            shares: RefCell::default(),
        }
    }

    /// The turns of a connection of this party.
    pub(super) fn of(&self, party: Party) -> Turn {
        let mut shares = self.shares.borrow_mut();
        let share = Share {
            agency: shares.len(),
            ..Share::default()
        };
        Turn {
            round: Arc::clone(&self.round),
            share: Rc::clone(shares.entry(party).or_insert_with(|| Rc::new(share))),
            served: None,
            waits: Arc::default(),
        }
    }
}

impl Turn {
    /// Counts work, in octets.
    pub(super) fn spend(&mut self, octets: usize) {
        let round = self.round.number();
        let before = self.share.octets_in(round);
        self.share.octets.set(before.saturating_add(octets));
        self.round.octets.fetch_add(octets, Ordering::Relaxed);
        self.served = Some(round);
    }

    /// Whether its agency has used its share of this round up.
    pub(super) fn is_over(&self) -> bool {
        self.share.octets_in(self.round.number()) >= TURN_OCTETS
    }

    /// Whether no connection of its thread waits: once it does, it has its turn in the next round.
    pub(super) fn is_next(&self) -> bool {
        self.round.sleepers.load(Ordering::Relaxed) == 0
    }

    /// Has the task woken in its turn of a later round, which begins once the runtime has looked at its
    /// sockets. It rests until then.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        if !self.waits.swap(true, Ordering::Relaxed) {
            let sleeper = Sleeper {
                waker: cx.waker().clone(),
                waits: Arc::clone(&self.waits),
            };
            let had_none = self.is_over() && self.served != Some(self.round.number());
            let mut waiting = self.round.waiting();
            let line = waiting.lines.entry(self.share.agency).or_default();
            if had_none {
                line.first.push_back(sleeper);
            } else {
                line.served.push_back(sleeper);
            }
            self.round.sleepers.fetch_add(1, Ordering::Relaxed);
        }
        self.round.ask();
    }

    /// The task has nothing to do now: what is left of its agency's share is the next one's. To be called
    /// whenever it gives its thread back, or those behind it wait for ever.
    pub(super) fn rest(&mut self) {
        if self.round.sleepers.load(Ordering::Relaxed) == 0 {
            return;
        }
        if self.is_over() {
            return self.round.ask();
        }
        let mut waiting = self.round.waiting();
        let line = waiting.lines.get_mut(&self.share.agency);
        let next = line.and_then(|line| line.first.pop_front());
        drop(waiting);
        if let Some(next) = next {
            self.round.rouse(next);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.waits.load(Ordering::Relaxed) {
            let mut waiting = self.round.waiting();
            if let Some(line) = waiting.lines.get_mut(&self.share.agency) {
                let is_other = |it: &Sleeper| !Arc::ptr_eq(&it.waits, &self.waits);
                line.first.retain(is_other);
                line.served.retain(is_other);
                self.round.sleepers.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.rest();
    }
}

impl Share {
    fn octets_in(&self, round: u64) -> usize {
        if self.round.replace(round) != round {
            self.octets.set(0);
        }
        self.octets.get()
    }
}

impl Round {
    fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the runtime to begin the next round, once it has looked at its sockets.
    fn ask(self: &Arc<Self>) {
        if std::mem::replace(&mut self.waiting().is_asked, true) {
            return;
        }
        let waker = Waker::from(Arc::clone(self));
        // What yields to tokio is woken when the runtime has looked at its sockets, and not before.
        let yields = pin!(tokio::task::yield_now());
        let polled = yields.poll(&mut Context::from_waker(&waker));
        debug_assert!(polled.is_pending(), "it yields once");
    }

    fn rouse(&self, sleeper: Sleeper) {
        sleeper.waits.store(false, Ordering::Relaxed);
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        sleeper.waker.wake();
    }
}

impl Wake for Round {
    fn wake(self: Arc<Self>) {
        let octets = self.octets.swap(0, Ordering::Relaxed);
        self.octets_most.fetch_max(octets, Ordering::Relaxed);
        let mut waiting = self.waiting();
        waiting.is_asked = false;
        self.number.fetch_add(1, Ordering::Relaxed);
        let mut next = Vec::new();
        waiting.lines.retain(|_, line| {
            line.first.append(&mut line.served);
            next.extend(line.first.pop_front());
            !line.first.is_empty()
        });
        drop(waiting);
        for sleeper in next {
            self.rouse(sleeper);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    fn party(name: &str) -> Party {
        Party::Agency(name.parse().unwrap())
    }

    /// What connections did, in its order, and how often they were woken for it.
    #[derive(Default)]
    struct Done {
        pieces: RefCell<Vec<&'static str>>,
        polls: Cell<usize>,
    }

    /// A connection that has so many pieces of work of a quarter of a share each.
    async fn works(mut turn: Turn, name: &'static str, pieces: usize, done: Rc<Done>) {
        let mut left = pieces;
        poll_fn(|cx| {
            done.polls.set(done.polls.get() + 1);
            while left > 0 && !turn.is_over() {
                turn.spend(TURN_OCTETS.div_ceil(4));
                done.pieces.borrow_mut().push(name);
                left -= 1;
            }
            if left == 0 {
                return Poll::Ready(());
            }
            turn.wait(cx);
            turn.rest();
            Poll::Pending
        })
        .await;
    }

    /// What connections of agencies do that have so many pieces of work; and the most octets between two
    /// looks at the sockets.
    fn run(all: &[(&'static str, &str, usize)]) -> (Rc<Done>, usize) {
        let octets_most = Arc::<AtomicUsize>::default();
        let turns = Turns::new(Arc::clone(&octets_most));
        let done = Rc::<Done>::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let local = tokio::task::LocalSet::new();
        for &(name, agency, pieces) in all {
            local.spawn_local(works(
                turns.of(party(agency)),
                name,
                pieces,
                Rc::clone(&done),
            ));
        }
        runtime.block_on(local);
        (done, octets_most.load(Ordering::Relaxed))
    }

    #[test]
    fn connections_of_one_agency_take_turns_of_one_share_and_none_is_passed_over() {
        let (done, most) = run(&[("a", "post", 12), ("b", "post", 12), ("c", "post", 12)]);
        let done = done.pieces.take();
        let turns: Vec<&str> = done.chunks(4).map(|of| of[0]).collect();
        assert_eq!(turns, ["a", "b", "c", "a", "b", "c", "a", "b", "c"]);
        assert!(done.chunks(4).all(|of| of.iter().all(|it| *it == of[0])));
        assert_eq!(most, TURN_OCTETS);
    }

    #[test]
    fn an_agency_waits_for_one_share_of_another_however_many_connections_that_has() {
        let mut all = vec![("other", "customs", 8)];
        all.extend((0..50).map(|_| ("post", "post", 8)));
        let (done, most) = run(&all);
        let done = done.pieces.take();
        let last = done.iter().rposition(|it| *it == "other").unwrap();
        assert!(last < 2 * 8, "{last}");
        assert_eq!(most, 2 * TURN_OCTETS);
    }

    #[test]
    fn of_many_that_wait_for_their_turn_as_many_are_woken_as_have_one() {
        const CONNECTIONS: usize = 500;
        for pieces in [1, 3, 4, 9] {
            let (done, _) = run(&vec![("post", "post", pieces); CONNECTIONS]);
            assert_eq!(done.pieces.take().len(), CONNECTIONS * pieces);
            // Once when it comes, then for each share that it has a part of.
            let most = CONNECTIONS * (2 + pieces.div_ceil(4));
            assert!(done.polls.get() <= most, "{} of {most}", done.polls.get());
        }
    }

    #[test]
    fn one_that_leaves_while_it_waits_holds_up_no_other() {
        let turns = Turns::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let local = tokio::task::LocalSet::new();
        let done = Rc::<Done>::default();
        let works = |name| works(turns.of(party("post")), name, 8, Rc::clone(&done));
        local.spawn_local(works("a"));
        let leaves: Vec<_> = (0..3).map(|_| local.spawn_local(works("gone"))).collect();
        local.spawn_local(works("b"));
        runtime.block_on(local.run_until(async {
            tokio::task::yield_now().await;
            leaves.iter().for_each(tokio::task::JoinHandle::abort);
        }));
        runtime.block_on(local);
        let done = done.pieces.take();
        let count = |name| done.iter().filter(|it| **it == name).count();
        assert_eq!((count("a"), count("b")), (8, 8));
    }

    #[test]
    fn a_socket_is_looked_at_between_two_turns_of_a_connection_that_never_rests() {
        let turns = Turns::default();
        let mut turn = turns.of(party("post"));
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        let local = tokio::task::LocalSet::new();
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let turns_taken = Rc::new(Cell::new(0));
        let taken = Rc::clone(&turns_taken);
        local.spawn_local(poll_fn(move |cx| {
            turn.spend(TURN_OCTETS);
            taken.set(taken.get() + 1);
            if taken.get() == 3 {
                std::io::Write::write_all(&mut &other, b"x").unwrap();
            }
            turn.wait(cx);
            Poll::<()>::Pending
        }));
        let heard = local.run_until(async {
            let one = tokio::net::UnixStream::from_std(one).unwrap();
            one.readable().await.unwrap();
            turns_taken.get()
        });
        assert!(runtime.block_on(heard) <= 4, "{}", turns_taken.get());
    }
}
