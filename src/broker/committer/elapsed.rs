//! Time that has passed, for what the committer does by itself: when it syncs, looks at queues, tries a
//! full disk again. Journal time stands still while the clock is behind it, for hours perhaps; what
//! must go on goes by this.

use std::time::Duration;

use crate::broker::limits::LOOK_MOST;
use crate::message::time::Timestamp;

/// How long a committer has run, by a clock that may be set at any time: what it says between two
/// steps counts as [`LOOK_MOST`] at most, and as nothing where it was set back.
#[derive(Debug, Default)]
pub(super) struct Elapsed {
    run: Duration,
    clock: Option<Timestamp>,
}

impl Elapsed {
    /// The clock says so now.
    pub(super) fn read(&mut self, clock: Timestamp) {
        if let Some(before) = self.clock.replace(clock) {
            self.run += clock.since(before).min(LOOK_MOST);
        }
    }

    /// Since the committer was made.
    pub(super) fn run(&self) -> Duration {
        self.run
    }

    /// Whether so long has passed since `since`; no where there is no beginning.
    pub(super) fn is_past(&self, since: Option<Duration>, wait: Duration) -> bool {
        since.is_some_and(|since| self.run.saturating_sub(since) >= wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_whatever_the_clock_is_set_to() {
        let at = |ms| Timestamp::from_millis(ms);
        let mut elapsed = Elapsed::default();
        for clock in [
            10_000_000, 10_000_100, 1_000, 1_050, 90_000_000, 2_000, 2_010,
        ] {
            elapsed.read(at(clock));
        }
        let counted = Duration::from_millis(100 + 50 + 10) + LOOK_MOST;
        assert_eq!(elapsed.run(), counted);
        assert!(elapsed.is_past(Some(Duration::ZERO), counted));
        assert!(!elapsed.is_past(Some(LOOK_MOST), counted));
        assert!(!elapsed.is_past(None, Duration::ZERO));
    }
}
