//! What the operator is told of the clock: that it was set, and that the log's time is ahead of it.
//!
//! The log's time never goes back. Where the clock was ahead for a moment, all records bear one and
//! the same time until it has come there again; what waits for a time waits as long.

use std::time::Duration;

use crate::message::time::Timestamp;

/// A clock that is set back further is told.
const BACK: Duration = Duration::from_secs(2);
/// A clock that goes on further from one look to the next is told; the looks are milliseconds apart.
const FORWARD: Duration = Duration::from_mins(1);

/// What is worth a word of what the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    SetForward { from: Timestamp },
    SetBack { from: Timestamp },
    Ahead { journal: Timestamp },
    CaughtUp,
}

/// The clock, as it was looked at before each step.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last: Option<Timestamp>,
    /// Whether the log's time was ahead of the clock.
    is_ahead: bool,
}

impl Watch {
    /// Says what has changed since the last step, if anything has.
    pub(super) fn note(&mut self, clock: Timestamp, journal: Timestamp) {
        for told in self.look(clock, journal).into_iter().flatten() {
            match told {
                Told::SetForward { from } => tracing::warn!(
                    clock.from = %from,
                    clock.to = %clock,
                    "the clock has gone on by more than a minute at once: it was set, or this machine stood still. What waits for a time before the new one is over"
                ),
                Told::SetBack { from } => tracing::warn!(
                    clock.from = %from,
                    clock.to = %clock,
                    "the clock was set back"
                ),
                Told::Ahead { journal } => tracing::warn!(
                    clock = %clock,
                    journal.time = %journal,
                    ahead_s = journal.since(clock).as_secs(),
                    "the log's time is ahead of the clock: until that has come there all records bear one time, and nothing expires"
                ),
                Told::CaughtUp => tracing::info!(
                    clock = %clock,
                    "the clock has come to the log's time: records bear it again"
                ),
            }
        }
    }

    fn look(&mut self, clock: Timestamp, journal: Timestamp) -> [Option<Told>; 2] {
        let step = self.last.replace(clock).and_then(|from| {
            if clock.since(from) > FORWARD {
                Some(Told::SetForward { from })
            } else if from.since(clock) > BACK {
                Some(Told::SetBack { from })
            } else {
                None
            }
        });
        let behind = journal.since(clock);
        let change = match self.is_ahead {
            false if behind > BACK => Some(Told::Ahead { journal }),
            true if behind.is_zero() => Some(Told::CaughtUp),
            _ => None,
        };
        if let Some(change) = change {
            self.is_ahead = change != Told::CaughtUp;
        }
        [step, change]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// What is told of a clock that says so one after the other; the log's time follows it.
    fn told(watch: &mut Watch, clock: &[i64]) -> Vec<Told> {
        let mut journal = at(0);
        let mut all = Vec::new();
        for seconds in clock {
            all.extend(watch.look(at(*seconds), journal).into_iter().flatten());
            journal = journal.max(at(*seconds));
        }
        all
    }

    #[test]
    fn steps_beyond_a_bound_are_told_once_and_so_is_a_time_that_stands_still() {
        let quiet = told(&mut Watch::default(), &[100, 101, 99, 100, 160, 158, 218]);
        assert_eq!(quiet, []);
        let (forward, back) = (
            Told::SetForward { from: at(100) },
            Told::SetBack { from: at(7_300) },
        );
        let ahead = Told::Ahead { journal: at(7_300) };
        let hours = [100, 7_300, 101, 102, 7_299, 7_300, 7_301];
        let last = Told::SetForward { from: at(102) };
        let all = told(&mut Watch::default(), &hours);
        assert_eq!(all, [forward, back, ahead, last, Told::CaughtUp]);
    }

    #[test]
    fn a_run_that_begins_with_a_log_ahead_of_the_clock_says_so() {
        let journal = at(500);
        let told = Watch::default().look(at(100), journal);
        assert_eq!(told, [None, Some(Told::Ahead { journal })]);
    }

    #[test]
    fn small_steps_back_are_told_when_they_come_to_more_than_the_bound() {
        let mut watch = Watch::default();
        let all = told(&mut watch, &[100, 99, 98, 97]);
        assert_eq!(all, [Told::Ahead { journal: at(100) }]);
    }
}
