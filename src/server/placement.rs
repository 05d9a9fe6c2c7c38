//! Which worker thread serves a new connection: the one with the fewest open ones.
//!
//! Handed out in turn, connections that come and go would leave those that stay on one core.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The open connections of each worker. Owned by the task that accepts.
pub(super) struct Placement {
    open: Vec<Arc<AtomicUsize>>,
    /// The worker that got the last one.
    last: usize,
}

/// The seat of one connection at its worker; free again once it is dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

impl Placement {
    pub(super) fn new(workers: usize) -> Self {
        let open = std::iter::repeat_with(Arc::default).take(workers);
        Self {
            open: open.collect(),
            last: workers.saturating_sub(1),
        }
    }

    /// Takes a seat: the worker's number, from 0, and the seat. Among workers with equally many the
    /// next one after the last has it.
    pub(super) fn take(&mut self) -> (usize, Seat) {
        let workers = self.open.len();
        let after_last =
            (1..=workers).map(|step| (self.last + step).checked_rem(workers).unwrap_or(0));
        let open = |worker: &usize| {
            self.open
                .get(*worker)
                .map(|open| open.load(Ordering::Relaxed))
        };
        // The first of the least.
        let worker = after_last.min_by_key(open).unwrap_or(0);
        self.last = worker;
        let count = self.open.get(worker).map(Arc::clone).unwrap_or_default();
        count.fetch_add(1, Ordering::Relaxed);
        (worker, Seat(count))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_with_equally_many_connections_take_turns() {
        let mut placement = Placement::new(3);
        let taken: Vec<_> = (0..6).map(|_| placement.take()).collect();
        let workers: Vec<_> = taken.iter().map(|(worker, _)| *worker).collect();
        assert_eq!(workers, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn two_that_stay_have_a_core_each_however_many_come_and_go_between_them() {
        for between in 0..5 {
            let mut placement = Placement::new(2);
            let (first, _stays) = placement.take();
            for _ in 0..between {
                drop(placement.take());
            }
            let (second, _stays) = placement.take();
            assert_ne!(first, second, "{between} between them");
        }
    }

    #[test]
    fn a_seat_that_is_free_again_is_taken_first() {
        let mut placement = Placement::new(2);
        let mut taken: Vec<_> = (0..6).map(|_| placement.take()).collect();
        let (worker, _) = taken.remove(3);
        assert_eq!(placement.take().0, worker);
    }
}
