//! Whether a step of the committer is under way: it has read the clock, and is not synced yet.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// The steps that were begun and done, and who waits for one. The committer takes no lock here but to
/// wake those who wait.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Odd while one is under way.
    count: AtomicU64,
    waiting: AtomicUsize,
    gate: Mutex<()>,
    done: Condvar,
}

impl Steps {
    /// A step begins: called before it reads the clock.
    pub(super) fn begin(&self) {
        self.count.fetch_or(1, Ordering::SeqCst);
    }

    /// It is synced, or there is none any more.
    pub(super) fn end(&self) {
        let begun = self.count.load(Ordering::SeqCst);
        if !begun.is_multiple_of(2) {
            self.count.store(begun.wrapping_add(1), Ordering::SeqCst);
        }
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
            self.done.notify_all();
        }
    }

    /// Waits for the step that is under way, if one is.
    pub(super) fn wait(&self) {
        let begun = self.count.load(Ordering::SeqCst);
        if begun.is_multiple_of(2) {
            return;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_under_way = |(): &mut ()| self.count.load(Ordering::SeqCst) == begun;
        drop(self.done.wait_while(gate, is_under_way));
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_waits_waits_for_the_step_under_way_and_for_no_later_one() {
        let steps = Arc::new(Steps::default());
        steps.wait();
        steps.begin();
        let (waiting, others) = (Arc::clone(&steps), Arc::clone(&steps));
        let waits = std::thread::spawn(move || waiting.wait());
        while steps.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert!(!waits.is_finished());
        let goes_on = std::thread::spawn(move || {
            others.end();
            others.begin();
        });
        goes_on.join().unwrap();
        waits.join().unwrap();
    }
}
