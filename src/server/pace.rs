//! The pace of an agency: all its connections together publish so many messages a second.
//!
//! A message takes the next place in the agency's line of places, which are as far apart as the
//! limit says; up to a second's worth of them may be taken ahead. Whoever took one too far ahead
//! reads no further until its time comes. Nobody else waits: a connection that only consumes takes
//! no place. One atomic number an agency, no lock beside the one that finds it at connect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::message::id::AgencyId;

/// What may be taken ahead: a second's worth, so that a burst after a pause is no overload.
const AHEAD: Duration = Duration::from_secs(1);

/// The paces of all agencies that have connected.
#[derive(Debug, Default)]
pub struct Paces {
    of: Mutex<BTreeMap<AgencyId, Arc<Pace>>>,
}

/// The pace of one agency, shared by its connections.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Of all that it publishes.
    pub(super) messages: Line,
    /// Of steps of cases, which are messages too.
    pub(super) case_steps: Line,
    /// Of messages that change standing facts otherwise.
    pub(super) standing: Line,
}

/// A line of places.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// When the next free place is, in nanoseconds of the process's monotonic clock.
    next_ns: AtomicU64,
}

impl Paces {
    /// The one of `agency`.
    pub(super) fn of(&self, agency: &AgencyId) -> Arc<Pace> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(of.entry(agency.clone()).or_default())
    }
}

impl Line {
    /// Takes a place at `now` (monotonic) at a limit of `per_second`. Until then nothing more is to
    /// be read: in the past where the agency keeps its limit.
    pub(super) fn take(&self, now: Duration, per_second: u32) -> Duration {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let apart = 1_000_000_000_u64.div_euclid(u64::from(per_second.max(1)));
        let after = |next: u64| next.max(now).saturating_add(apart);
        let before = self
            .next_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                Some(after(next))
            });
        let next = before.map_or(now, after);
        Duration::from_nanos(next).saturating_sub(AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_messages_goes_at_once_and_the_rest_in_their_time() {
        let pace = Line::default();
        let start = Duration::from_secs(100);
        let until: Vec<Duration> = (0..300).map(|_| pace.take(start, 100)).collect();
        assert!(until[..100].iter().all(|until| *until <= start));
        assert_eq!(until[100], start + Duration::from_millis(10));
        assert_eq!(until[299], start + Duration::from_secs(2));
    }

    #[test]
    fn what_was_not_used_does_not_add_up_beyond_a_second() {
        let pace = Line::default();
        pace.take(Duration::from_secs(1), 10);
        let late = Duration::from_secs(1_000);
        let until: Vec<Duration> = (0..20).map(|_| pace.take(late, 10)).collect();
        assert_eq!(until[9], late);
        assert_eq!(until[19], late + Duration::from_secs(1));
    }

    #[test]
    fn two_connections_of_an_agency_share_its_line_and_two_agencies_do_not() {
        let paces = Paces::default();
        let (post, police) = ("post".parse().unwrap(), "police".parse().unwrap());
        let now = Duration::from_secs(5);
        for _ in 0..10 {
            paces.of(&post).messages.take(now, 10);
        }
        assert!(paces.of(&post).messages.take(now, 10) > now);
        assert!(paces.of(&police).messages.take(now, 10) <= now);
    }
}
