//! What connects tasks and the committer thread: one inbox of commands, an outbox a connection.
//!
//! A connection hands over all commands of one read at once; the committer hands over all effects
//! of one batch at once and wakes each connection once.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;

use super::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::broker::command::Command;
use crate::broker::effect::Effect;
use crate::broker::limits::{STEP_BYTES, STEP_COMMANDS, WAITING_BYTES};

/// Commands on their way to the committer. Owned by the backbone; every connection pushes.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<Waiting>,
    filled: Condvar,
    /// What the commands hold in memory.
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    /// Set under the lock that found the inbox empty, so that a push wakes exactly once.
    asleep: bool,
    /// Connections that wait for room, each once.
    wakers: Vec<(Waker, Arc<AtomicBool>)>,
}

/// A mutex entered; what a thread that died left in it is as it was.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bytes_of(command: &Command) -> usize {
    let (record, frame) = command.weight();
    record + frame
}

impl Inbox {
    /// Adds commands in order.
    pub(super) fn push(&self, commands: &mut Vec<Command>) {
        let bytes: usize = commands.iter().map(Command::held).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut state = lock(&self.state);
        state.commands.extend(commands.drain(..));
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Whether publishes may be read. When not, `waker` is woken once there is room again; `waits` is
    /// the asking connection's own, and set until then, however often it asks.
    pub(super) fn has_room(&self, waker: &Waker, waits: &Arc<AtomicBool>) -> bool {
        if self.bytes.load(Ordering::Relaxed) <= WAITING_BYTES {
            return true;
        }
        let mut state = lock(&self.state);
        if !waits.swap(true, Ordering::Relaxed) {
            state.wakers.push((waker.clone(), Arc::clone(waits)));
        }
        // Room may have come between the look and the lock.
        self.bytes.load(Ordering::Relaxed) <= WAITING_BYTES
    }

    /// Takes what one step may take; waits at most `patience` for the first.
    pub(super) fn take(&self, patience: Duration) -> Vec<Command> {
        let mut state = lock(&self.state);
        if state.commands.is_empty() {
            state.asleep = true;
            let waited = self
                .filled
                .wait_timeout_while(state, patience, |s| s.commands.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.asleep = false;
        }
        let (mut taken, mut bytes, mut held) = (Vec::new(), 0, 0);
        while taken.len() < STEP_COMMANDS && bytes < STEP_BYTES {
            let Some(command) = state.commands.pop_front() else {
                break;
            };
            bytes += bytes_of(&command);
            held += command.held();
            taken.push(command);
        }
        let left = self.bytes.fetch_sub(held, Ordering::Relaxed) - held;
        let wakers = if left <= WAITING_BYTES {
            std::mem::take(&mut state.wakers)
        } else {
            Vec::new()
        };
        // Under the lock: who asks from here on waits anew.
        for (_, waits) in &wakers {
            waits.store(false, Ordering::Relaxed);
        }
        drop(state);
        for (waker, _) in wakers {
            waker.wake();
        }
        taken
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
