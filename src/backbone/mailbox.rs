//! What connects tasks and the committer thread: one inbox of commands, an outbox a connection.
//!
//! A connection hands over all commands of one read at once; the committer hands over all effects
//! of one batch at once and wakes each connection once. What waits is counted by party, an agency or one
//! unlisted unit of it: one that has too much waiting is read no further, and no other is held up by it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;

use super::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::agency::registry::Party;
use crate::broker::effect::Effect;
use crate::broker::input::{Input, Payer};
use crate::broker::limits::AGENCY_WAITING_BYTES;

/// Inputs on their way to the committer. Owned by the backbone; every connection pushes.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<Waiting>,
    filled: Condvar,
    shares: Mutex<Shares>,
}

#[derive(Debug, Default)]
struct Waiting {
    inputs: Vec<Input>,
    /// Set under the lock that found the inbox empty, so that a push wakes exactly once.
    asleep: bool,
}

/// What each party has waiting, those that have connected since the start.
#[derive(Debug, Default)]
struct Shares {
    by_party: BTreeMap<Party, Arc<Share>>,
    by_payer: BTreeMap<Payer, Arc<Share>>,
}

/// What one party has waiting for the committer.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) payer: Payer,
    /// What its inputs hold in memory.
    bytes: AtomicUsize,
    /// Connections of it that wait for room, each once.
    wakers: Mutex<Vec<(Waker, Arc<AtomicBool>)>>,
}

/// A mutex entered; what a thread that died left in it is as it was.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Share {
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > AGENCY_WAITING_BYTES
    }

    /// Whether publishes may be read. When not, `waker` is woken once there is room again; `waits` is
    /// the asking connection's own, and set until then, however often it asks.
    pub(super) fn has_room(&self, waker: &Waker, waits: &Arc<AtomicBool>) -> bool {
        if !self.is_full() {
            return true;
        }
        let mut wakers = lock(&self.wakers);
        if !waits.swap(true, Ordering::Relaxed) {
            wakers.push((waker.clone(), Arc::clone(waits)));
        }
        // Room may have come between the look and the lock.
        !self.is_full()
    }

    /// Counts octets that the committer has taken as waiting no more, and wakes connections where
    /// there is room again.
    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if self.is_full() {
            return;
        }
        let mut wakers = lock(&self.wakers);
        let woken = std::mem::take(&mut *wakers);
        // Under the lock: who asks from here on waits anew.
        for (_, waits) in &woken {
            waits.store(false, Ordering::Relaxed);
        }
        drop(wakers);
        for (waker, _) in woken {
            waker.wake();
        }
    }
}

impl Inbox {
    /// What `party` has waiting, for one more of its connections.
    pub(super) fn share(&self, party: Party) -> Arc<Share> {
        let mut shares = lock(&self.shares);
        if let Some(share) = shares.by_party.get(&party) {
            return Arc::clone(share);
        }
        // The broker itself is the first.
        let number = u32::try_from(shares.by_party.len() + 1).unwrap_or(u32::MAX);
        let payer = Payer(number);
        let share = Arc::new(Share {
            payer,
            ..Share::default()
        });
        shares.by_party.insert(party, Arc::clone(&share));
        shares.by_payer.insert(payer, Arc::clone(&share));
        share
    }

    /// Adds inputs in order, for which `share` pays.
    pub(super) fn push_for(&self, share: &Share, inputs: &mut Vec<Input>) {
        let bytes = inputs.iter().map(|input| input.weight.held).sum();
        share.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.push(inputs);
    }

    /// Adds inputs in order.
    pub(super) fn push(&self, inputs: &mut Vec<Input>) {
        let mut state = lock(&self.state);
        state.inputs.append(inputs);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Takes all that came, into `taken`, which must be empty; waits at most `patience` for the first.
    pub(super) fn take(&self, patience: Duration, taken: &mut Vec<Input>) {
        let mut state = lock(&self.state);
        if state.inputs.is_empty() && !patience.is_zero() {
            state.asleep = true;
            let waited = self
                .filled
                .wait_timeout_while(state, patience, |s| s.inputs.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.asleep = false;
        }
        std::mem::swap(&mut state.inputs, taken);
    }

    /// What was taken, or waits no more, by who paid for it.
    pub(super) fn give_back(&self, bytes: &BTreeMap<Payer, usize>) {
        let shares = lock(&self.shares);
        for (payer, bytes) in bytes {
            if let Some(share) = shares.by_payer.get(payer) {
                share.give_back(*bytes);
            }
        }
    }
}

/// Effects on their way to one connection. The committer pushes, the connection takes.
#[derive(Debug, Default)]
pub struct Outbox {
    effects: Mutex<Vec<Effect>>,
    filled: AtomicBool,
    waker: AtomicWaker,
}

impl Outbox {
    /// Adds effects without waking: the caller wakes once a batch.
    pub(super) fn push(&self, effect: Effect) {
        lock(&self.effects).push(effect);
        self.filled.store(true, Ordering::Release);
    }

    /// Wakes the connection's task.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Registers the task that waits; call it *before* [`Outbox::take`], or a wake is lost.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Swaps what came into `into`, which must be empty. False when nothing came.
    pub fn take(&self, into: &mut Vec<Effect>) -> bool {
        if !self.filled.swap(false, Ordering::Acquire) {
            return false;
        }
        std::mem::swap(&mut *lock(&self.effects), into);
        !into.is_empty()
    }
}
