//! The pace of an agency: all its connections together publish so many messages a second.
//!
//! A message takes the next place in the agency's line of places, which are as far apart as the
//! limit says; up to a second's worth of them may be taken ahead. Where that is taken, the message
//! waits and asks again, so the line is never longer than that, whoever comes and goes. Nobody else
//! waits: a connection that only consumes takes no place. One atomic number an agency and line, no
//! lock beside the one that finds it at connect.
//!
//! INVARIANT: which places a publish takes follows from its exchange and routing key alone. Were it
//! its ruling, the pace would tell a sender of recipients that it may not know of.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::limits::{CASE_STEPS_PER_SECOND, STANDING_CHANGES_PER_SECOND};
use super::register::ORDER_TYPE;
use crate::agency::registry::Party;

/// What may be taken ahead: a second's worth, so that a burst after a pause is no overload.
const AHEAD: Duration = Duration::from_secs(1);

/// The paces of all agencies that have connected.
#[derive(Debug, Default)]
pub struct Paces {
    of: Mutex<BTreeMap<Party, Arc<Pace>>>,
}

/// The pace of one agency, shared by its connections.
#[derive(Debug, Default)]
pub struct Pace {
    /// Of all that it publishes.
    messages: Line,
    /// Of steps of cases, which are messages too.
    case_steps: Line,
    /// Of orders, released or not, which are messages too.
    orders: Line,
}

/// A line of places.
#[derive(Debug, Default)]
struct Line {
    /// When the next free place is, in nanoseconds of the process's monotonic clock.
    next_ns: AtomicU64,
}

impl Paces {
    /// The one of `party`.
    pub fn of(&self, party: Party) -> Arc<Pace> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(of.entry(party).or_default())
    }
}

impl Pace {
    /// Takes the places of one publish at `now` (monotonic), where its agency may send so many messages
    /// a second; where there is none yet, tells when to ask again.
    pub fn take(
        &self,
        exchange: &str,
        routing_key: &str,
        messages_per_second: u32,
        now: Duration,
    ) -> Result<(), Duration> {
        self.messages.take(now, messages_per_second)?;
        if exchange != "carnet" {
            return Ok(());
        }
        if routing_key.starts_with("case.") {
            self.case_steps.take(now, CASE_STEPS_PER_SECOND)?;
        }
        if routing_key == ORDER_TYPE {
            self.orders.take(now, STANDING_CHANGES_PER_SECOND)?;
        }
        Ok(())
    }
}

impl Line {
    /// Takes a place at `now` (monotonic) at a limit of `per_second`; where there is none, tells when
    /// there is the next.
    fn take(&self, now: Duration, per_second: u32) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let apart = 1_000_000_000_u64.div_euclid(u64::from(per_second.max(1)));
        let ahead = u64::try_from(AHEAD.as_nanos()).unwrap_or(u64::MAX);
        let after = |next: u64| next.max(now).saturating_add(apart);
        let place = |next| Some(after(next)).filter(|next| *next <= now.saturating_add(ahead));
        let taken = self
            .next_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, place);
        let until = |next| Duration::from_nanos(after(next).saturating_sub(ahead));
        taken.map(drop).map_err(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_messages_goes_at_once_and_the_rest_in_their_time() {
        let pace = Line::default();
        let mut now = Duration::from_secs(100);
        for n in 0_u32..300 {
            if let Err(until) = pace.take(now, 100) {
                assert_eq!(until, now + Duration::from_millis(10), "{n}");
                now = until;
                assert_eq!(pace.take(now, 100), Ok(()));
            }
        }
        assert_eq!(now, Duration::from_secs(102));
    }

    #[test]
    fn whoever_asks_in_vain_makes_nobody_wait_longer() {
        let pace = Line::default();
        let now = Duration::from_secs(1);
        let taken = (0..1_000).filter(|_| pace.take(now, 10).is_ok());
        assert_eq!(taken.count(), 10);
        let next = now + Duration::from_millis(100);
        assert_eq!(pace.take(now, 10), Err(next));
        assert_eq!(pace.take(next, 10), Ok(()));
    }

    #[test]
    fn what_was_not_used_does_not_add_up_beyond_a_second() {
        let pace = Line::default();
        assert_eq!(pace.take(Duration::from_secs(1), 10), Ok(()));
        let late = Duration::from_secs(1_000);
        let taken = (0..20).filter(|_| pace.take(late, 10).is_ok());
        assert_eq!(taken.count(), 10);
    }

    #[test]
    fn an_order_and_a_step_of_a_case_take_a_place_in_their_own_line_too() {
        let now = Duration::from_secs(5);
        let taken = |exchange: &str, key: &str| {
            let pace = Pace::default();
            let all = (0..100).filter(|_| pace.take(exchange, key, 1_000, now).is_ok());
            all.count()
        };
        assert_eq!(taken("carnet", ORDER_TYPE), 20);
        assert_eq!(taken("carnet", "case.open"), 20);
        assert_eq!(taken("carnet", "control.result"), 100);
        assert_eq!(taken("", ORDER_TYPE), 100);
    }

    #[test]
    fn two_connections_of_an_agency_share_its_line_and_two_agencies_do_not() {
        let paces = Paces::default();
        let [post, police] = ["post", "police"].map(|name| Party::Agency(name.parse().unwrap()));
        let now = Duration::from_secs(5);
        for _ in 0..10 {
            assert_eq!(paces.of(post.clone()).messages.take(now, 10), Ok(()));
        }
        assert!(paces.of(post.clone()).messages.take(now, 10).is_err());
        assert_eq!(paces.of(police.clone()).messages.take(now, 10), Ok(()));
    }
}
