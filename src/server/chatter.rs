//! How much is said of connections in the log: so many lines a second, the others are counted.
//!
//! Who connects again and again must not fill the operator's disk, nor push out of sight what is
//! said of others: so strangers and those who are known have a measure each.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Lines a second for each: more than anybody reads, and less than a disk minds.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// What has been said of one kind of peers.
#[derive(Debug, Default)]
pub(super) struct Chatter(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    /// When the window began, by the monotonic clock.
    since: Duration,
    lines: u32,
    left_out: u64,
}

impl Chatter {
    /// Whether a line may be said at `now` (monotonic). What was left out before is told first.
    pub(super) fn may(&self, now: Duration) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(said.since) >= WINDOW {
            let left_out = std::mem::take(&mut said.left_out);
            if left_out > 0 {
                tracing::warn!(
                    lines = left_out,
                    "lines about connections were left out: they come too fast"
                );
            }
            (said.since, said.lines) = (now, 0);
        }
        if said.lines >= LINES {
            said.left_out = said.left_out.saturating_add(1);
            return false;
        }
        said.lines = said.lines.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_second_are_said_and_no_more() {
        let chatter = Chatter::default();
        let at = |ms: u64| Duration::from_mins(1) + Duration::from_millis(ms);
        let said = (0..1_000).filter(|ms| chatter.may(at(*ms))).count();
        assert_eq!(said, 20);
        assert!(chatter.may(at(1_000)));
        let said = (0..10_000).filter(|ms| chatter.may(at(2_000 + ms))).count();
        assert_eq!(said, 200);
    }
}
