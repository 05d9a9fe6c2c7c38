//! How much is said of connections in the log: so many lines a second, the others are counted.
//!
//! A client that connects again and again must not fill the operator's disk, nor push out of sight
//! what is said of others: so each agency has a measure of its own, and strangers have one together.
//! How many lines were left out is told with the next line of any kind once its second is over, and
//! at the stop.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::message::id::AgencyId;

/// Lines a second for each agency, and for all strangers: more than an operator reads, and less than a
/// disk minds.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Lines that were said of connections, by agency; of strangers under none. Agencies are those of the
/// registry, so there are few.
#[derive(Debug, Default)]
pub(super) struct Chatter(Mutex<BTreeMap<Option<AgencyId>, Said>>);

#[derive(Debug, Default)]
struct Said {
    /// When the window began, by the monotonic clock.
    since: Duration,
    lines: u32,
    left_out: u64,
}

/// Lines that were left out in a window, of an agency or of strangers.
type LeftOut = (Option<AgencyId>, u64);

impl Chatter {
    /// Whether a line on `agency`'s connection, or on a stranger's, may be said at `now`
    /// (monotonic). What was left out of windows that are over is told first, of all agencies.
    pub(super) fn may(&self, agency: Option<&AgencyId>, now: Duration) -> bool {
        let (left_out, may) = self.count(agency, now);
        tell(left_out);
        may
    }

    /// Tells what was left out and is not told yet: at the stop, after which no line is said.
    pub(super) fn end(&self) {
        tell(self.untold());
    }

    fn untold(&self) -> Vec<LeftOut> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *all).into_iter();
        let all = all.map(|(of, said)| (of, said.left_out));
        all.filter(|(_, lines)| *lines > 0).collect()
    }

    fn count(&self, agency: Option<&AgencyId>, now: Duration) -> (Vec<LeftOut>, bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = Vec::new();
        // Windows that are over are forgotten, so this holds only agencies that came in a second.
        all.retain(|of, said| {
            let over = now.saturating_sub(said.since) >= WINDOW;
            if over && said.left_out > 0 {
                left_out.push((of.clone(), said.left_out));
            }
            !over
        });
        let said = all.entry(agency.cloned()).or_insert(Said {
            since: now,
            ..Said::default()
        });
        let may = said.lines < LINES;
        if may {
            said.lines = said.lines.saturating_add(1);
        } else {
            said.left_out = said.left_out.saturating_add(1);
        }
        (left_out, may)
    }
}

fn tell(left_out: Vec<LeftOut>) {
    for (agency, lines) in left_out {
        let of = agency.as_ref().map_or("strangers", AgencyId::as_str);
        tracing::warn!(
            lines,
            of,
            "lines about connections were left out: they come too fast"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_mins(1) + Duration::from_millis(ms)
    }

    fn agency(name: &str) -> AgencyId {
        name.parse().unwrap()
    }

    #[test]
    fn so_many_lines_a_second_are_said_and_no_more() {
        let chatter = Chatter::default();
        let post = agency("post");
        let may = |ms| chatter.may(Some(&post), at(ms));
        assert_eq!((0..1_000).filter(|ms| may(*ms)).count(), 20);
        assert!(may(1_000));
        assert_eq!((0..10_000).filter(|ms| may(2_000 + ms)).count(), 200);
    }

    #[test]
    fn one_that_loops_takes_no_line_from_others() {
        let chatter = Chatter::default();
        let (post, police) = (agency("post"), agency("police"));
        let said = (0..500).filter(|ms| chatter.may(Some(&post), at(*ms)));
        assert_eq!(said.count(), 20);
        assert!(chatter.may(Some(&police), at(500)));
        assert!(chatter.may(None, at(500)));
        assert!(!chatter.may(Some(&post), at(501)));
    }

    #[test]
    fn what_was_left_out_is_told_with_the_next_line_of_anybody() {
        let chatter = Chatter::default();
        let post = agency("post");
        for _ in 0..50 {
            chatter.may(Some(&post), at(0));
        }
        let (left_out, _) = chatter.count(None, at(999));
        assert_eq!(left_out, [], "its second is not over");
        let (left_out, may) = chatter.count(None, at(1_000));
        assert_eq!((left_out, may), (vec![(Some(post.clone()), 30)], true));
        let (left_out, _) = chatter.count(Some(&post), at(1_001));
        assert_eq!(left_out, [], "once");
    }

    #[test]
    fn what_nobody_comes_after_is_told_at_the_stop() {
        let chatter = Chatter::default();
        for _ in 0..25 {
            chatter.may(None, at(0));
        }
        chatter.may(Some(&agency("post")), at(0));
        assert_eq!(chatter.untold(), [(None, 5)]);
        assert_eq!(chatter.untold(), []);
    }
}
