//! Turns: how much the connections of one agency do on a worker thread between two looks at the sockets.
//!
//! Work is counted in octets that are admitted or delivered, not in time: the count is the same on
//! every machine. Time between two looks is a round. Each agency has a share of a round; a connection
//! whose agency has used its share up waits for the next one. A task that wakes itself is run again
//! many times before the runtime looks at its sockets; what waits here is woken once it has looked.
//!
//! INVARIANT: who had nothing of the last round comes before those who had something. So connections
//! of one agency take turns, however many there are, and agencies wait for each other one share long.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    waiting: Mutex<Waiting>,
}

/// Connections that wait for the next round.
#[derive(Default)]
struct Waiting {
    /// Whether the runtime was asked to begin it.
    is_asked: bool,
    unserved: Vec<Waker>,
    served: Vec<Waker>,
}

/// What an agency has used of the round of this number, in octets.
#[derive(Default)]
struct Share {
    round: Cell<u64>,
    octets: Cell<usize>,
}

/// The turns of one connection.
pub(super) struct Turn {
    round: Arc<Round>,
    share: Rc<Share>,
    /// The last round that it had something of.
    served: Option<u64>,
    /// The last round that it waited for the end of.
    waited: Option<u64>,
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
        Turn {
            round: Arc::clone(&self.round),
            share: Rc::clone(self.shares.borrow_mut().entry(party).or_default()),
            served: None,
            waited: None,
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

    /// Has the task woken in the next round, which begins once the runtime has looked at its sockets.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        let round = self.round.number();
        if self.waited.replace(round) == Some(round) {
            return;
        }
        let is_asked = {
            let mut waiting = self.round.waiting();
            let list = if self.served == Some(round) {
                &mut waiting.served
            } else {
                &mut waiting.unserved
            };
            list.push(cx.waker().clone());
            std::mem::replace(&mut waiting.is_asked, true)
        };
        if !is_asked {
            let waker = Waker::from(Arc::clone(&self.round));
            // What yields to tokio is woken when the runtime has looked at its sockets, and not before.
            let yields = pin!(tokio::task::yield_now());
            let polled = yields.poll(&mut Context::from_waker(&waker));
            debug_assert!(polled.is_pending(), "it yields once");
        }
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
}

impl Wake for Round {
    fn wake(self: Arc<Self>) {
        let octets = self.octets.swap(0, Ordering::Relaxed);
        self.octets_most.fetch_max(octets, Ordering::Relaxed);
        let Waiting {
            unserved, served, ..
        } = std::mem::take(&mut *self.waiting());
        self.number.fetch_add(1, Ordering::Relaxed);
        unserved.into_iter().chain(served).for_each(Waker::wake);
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

    /// A connection that has so many pieces of work of a quarter of a share each, and what is done.
    async fn works(
        mut turn: Turn,
        name: &'static str,
        pieces: usize,
        done: Rc<RefCell<Vec<&'static str>>>,
    ) {
        let mut left = pieces;
        poll_fn(|cx| {
            while left > 0 && !turn.is_over() {
                turn.spend(TURN_OCTETS.div_ceil(4));
                done.borrow_mut().push(name);
                left -= 1;
            }
            if left == 0 {
                return Poll::Ready(());
            }
            turn.wait(cx);
            Poll::Pending
        })
        .await;
    }

    /// What is done, in its order, by connections of agencies with pieces of work; and the most octets
    /// between two looks at the sockets.
    fn run(all: &[(&'static str, &str, usize)]) -> (Vec<&'static str>, usize) {
        let octets_most = Arc::<AtomicUsize>::default();
        let turns = Turns::new(Arc::clone(&octets_most));
        let done = Rc::<RefCell<Vec<&str>>>::default();
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
        (done.take(), octets_most.load(Ordering::Relaxed))
    }

    #[test]
    fn connections_of_one_agency_take_turns_of_one_share_and_none_is_passed_over() {
        let (done, most) = run(&[("a", "post", 12), ("b", "post", 12), ("c", "post", 12)]);
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
        let last = done.iter().rposition(|it| *it == "other").unwrap();
        assert!(last < 2 * 8, "{last}");
        assert_eq!(most, 2 * TURN_OCTETS);
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
