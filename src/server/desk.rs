//! Admission of large messages, on threads of its own, agencies in turn.
//!
//! A message of half a megabyte takes as long to admit as a thousand small ones; on a worker thread it
//! would hold up every connection there. A connection has one here at a time, so that what waits is
//! bounded by what is not confirmed, and its order is kept.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::agency::registry::{Party, Peer};
use crate::backbone::fetch::Tray;
use crate::broker::admit::{Draw, View, admit};
use crate::broker::exchange::{Arrived, Submission};
use crate::message::time::Timestamp;

/// A message with all that it is admitted by.
pub(super) struct Task {
    pub(super) peer: Arc<Peer>,
    pub(super) view: Arc<View>,
    pub(super) arrived: Arrived,
    pub(super) draw: Draw,
    pub(super) now: Timestamp,
}

impl Task {
    /// What admission makes of it.
    pub(super) fn run(self) -> Submission {
        admit(&self.peer, self.arrived, &self.view, self.draw, self.now)
    }
}

/// The tray for the submission that admission makes of a message; it holds none where the thread has
/// died.
pub(super) type Answer = Tray<Option<Submission>>;

/// The way to the threads that admit large messages. Dropped, they end.
pub(crate) struct Desk(Arc<Queue>);

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    filled: Condvar,
}

/// Messages that wait to be admitted.
#[derive(Default)]
struct Lines {
    /// The messages of each agency that has any, in the order of the agencies' turns.
    agencies: VecDeque<(Party, VecDeque<Job>)>,
    is_over: bool,
}

/// A message that waits to be admitted. Answered when it is dropped, so that no connection waits for
/// a thread that died.
struct Job {
    task: Option<Task>,
    answer: Arc<Answer>,
    made: Option<Submission>,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.answer.fill(self.made.take());
    }
}

impl Job {
    fn run(mut self) {
        // The connection that waited for it may be gone.
        if Arc::strong_count(&self.answer) > 1 {
            self.made = self.task.take().map(Task::run);
        }
    }
}

impl Desk {
    /// Starts so many threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name(format!("desk-{number}"));
            thread.spawn(move || {
                while let Some(job) = queue.next() {
                    // A fault with one message, which is answered as its job is dropped, leaves the desk to
                    // all others.
                    let run = std::panic::AssertUnwindSafe(|| job.run());
                    if std::panic::catch_unwind(run).is_err() {
                        tracing::error!(
                            "the admission of a large message died of a fault of this program"
                        );
                    }
                }
            })?;
        }
        Ok(Self(queue))
    }

    /// Has a message of `party` admitted, in its turn.
    pub(super) fn admit(&self, party: Party, task: Task) -> Arc<Answer> {
        let answer = Arc::<Answer>::default();
        let job = Job {
            task: Some(task),
            answer: Arc::clone(&answer),
            made: None,
        };
        self.0.lines().add(party, job);
        self.0.filled.notify_one();
        answer
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.lines().is_over = true;
        self.0.filled.notify_all();
    }
}

impl Queue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message; waits for it. None at the end.
    fn next(&self) -> Option<Job> {
        let is_idle = |lines: &mut Lines| lines.agencies.is_empty() && !lines.is_over;
        let lines = self.filled.wait_while(self.lines(), is_idle);
        lines.unwrap_or_else(PoisonError::into_inner).next()
    }
}

impl Lines {
    fn add(&mut self, party: Party, job: Job) {
        let line = self.agencies.iter_mut().find(|(of, _)| *of == party);
        match line {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.agencies.push_back((party, [job].into())),
        }
    }

    /// The first message of the agency whose turn it is; that agency has its next turn behind all
    /// others.
    fn next(&mut self) -> Option<Job> {
        let (party, mut jobs) = self.agencies.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.agencies.push_back((party, jobs));
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Party::Agency(name.parse().unwrap())
    }

    fn job() -> (Job, Arc<Answer>) {
        let answer = Arc::<Answer>::default();
        let job = Job {
            task: None,
            answer: Arc::clone(&answer),
            made: None,
        };
        (job, answer)
    }

    #[test]
    fn an_agency_with_one_message_waits_for_one_of_another_that_has_many() {
        let mut lines = Lines::default();
        let mut answers = Vec::new();
        for name in ["post", "post", "post", "customs", "post"] {
            let (job, answer) = job();
            lines.add(party(name), job);
            answers.push((name, answer));
        }
        let mut order = Vec::new();
        while let Some(job) = lines.next() {
            let place = answers
                .iter()
                .position(|(_, it)| Arc::ptr_eq(it, &job.answer));
            order.push(place.unwrap());
        }
        assert_eq!(order, [0, 3, 1, 2, 4]);
    }

    #[test]
    fn who_waits_for_a_message_that_is_dropped_is_told_so() {
        let (job, answer) = job();
        assert!(answer.take().is_none());
        drop(job);
        assert!(matches!(answer.take(), Some(None)));
    }
}
