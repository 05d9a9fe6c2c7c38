//! The pace of an agency: all its connections together publish so many messages a second, and write so
//! many octets a second into the journal that no policy rules on.
//!
//! A message takes the next place in the agency's line of places, which are as far apart as the
//! limit says, a large one several; up to a second's worth of them may be taken ahead. Where that is
//! taken, the message waits and asks again, so the line is never longer than that, whichever connections
//! come and go. Only publishers wait: a connection that only consumes takes no place among messages.
//! One atomic number an agency and line, no lock beside the one that finds it at connect.
//!
//! INVARIANT: which places a publish takes follows from its exchange, routing key and size alone. Were
//! it its ruling, the pace would tell a sender of recipients that it may not know of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::limits::{CASE_STEPS_PER_SECOND, PLACE_OCTETS, STANDING_CHANGES_PER_SECOND};
use super::register::ORDER_TYPE;
use crate::agency::registry::AgencyLimits;

/// Time whose places may be taken ahead: a second's worth, so that a burst after a pause is no overload.
const AHEAD: Duration = Duration::from_secs(1);

/// The pace of one agency, shared by its connections.
#[derive(Debug, Default)]
pub struct Pace {
    /// Places of all messages that it publishes.
    messages: Line,
    /// Places of steps of cases, which are messages too.
    case_steps: Line,
    /// Places of orders, released or not, which are messages too.
    orders: Line,
    /// Places of octets: requests, acknowledgements, and messages to queues of its own.
    private_octets: Line,
}

/// A line of places.
#[derive(Debug, Default)]
struct Line {
    /// When the next free place is, in nanoseconds of the process's monotonic clock.
    next_ns: AtomicU64,
}

/// What of a publish decides which places it takes.
#[derive(Debug, Clone, Copy)]
pub struct Published<'p> {
    /// The exchange that it was published to.
    pub exchange: &'p str,
    /// Its routing key.
    pub routing_key: &'p str,
    /// Octets of its properties and body.
    pub octets: usize,
}

/// How far the agency's places reach at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Now, on the monotonic clock.
    pub now: Duration,
    /// The agency's limits.
    pub limits: AgencyLimits,
}

impl Pace {
    /// Takes the places of one publish; where there is none yet, tells when to ask again.
    pub fn publish(&self, publish: Published<'_>, allowance: Allowance) -> Result<(), Duration> {
        let Allowance { now, limits } = allowance;
        let places = publish.octets.div_ceil(PLACE_OCTETS).max(1);
        let taken = self
            .messages
            .take(places, limits.messages_per_second, now)?;
        let own = if publish.exchange != "carnet" {
            self.write(publish.octets, allowance)
        } else if publish.routing_key.starts_with("case.") {
            self.case_steps
                .take(1, CASE_STEPS_PER_SECOND, now)
                .map(drop)
        } else if publish.routing_key == ORDER_TYPE {
            self.orders
                .take(1, STANDING_CHANGES_PER_SECOND, now)
                .map(drop)
        } else {
            Ok(())
        };
        own.inspect_err(|_| self.messages.give_back(taken))
    }

    /// Takes the places of so many octets that are written to the journal without a ruling; where there
    /// is none yet, tells when to ask again.
    pub fn write(&self, octets: usize, allowance: Allowance) -> Result<(), Duration> {
        let Allowance { now, limits } = allowance;
        let taken = self
            .private_octets
            .take(octets, limits.private_octets_per_second, now);
        taken.map(drop)
    }
}

/// Places that were taken, in nanoseconds of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken(u64);

/// How long other connections of an agency wait at most for the places that one publish took: a limit
/// that is raised later does not shorten the line.
const DEBT: Duration = Duration::from_mins(1);

impl Line {
    /// Takes so many places at `now` (monotonic) at a limit of `per_second`; where there is none, tells
    /// when there is the next. More than a second's worth is taken where nothing else is.
    fn take(&self, places: usize, per_second: u32, now: Duration) -> Result<Taken, Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let ahead = u64::try_from(AHEAD.as_nanos()).unwrap_or(u64::MAX);
        let places = u64::try_from(places).unwrap_or(u64::MAX);
        let long = places.saturating_mul(1_000_000_000);
        let long = long.div_euclid(u64::from(per_second.max(1)));
        let long = long.min(u64::try_from(DEBT.as_nanos()).unwrap_or(u64::MAX));
        let first_free = |next: u64| next.max(now).saturating_add(long.min(ahead));
        let place = |next: u64| {
            let is_free = first_free(next) <= now.saturating_add(ahead);
            is_free.then(|| next.max(now).saturating_add(long))
        };
        let taken = self
            .next_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, place);
        let until = |next| Duration::from_nanos(first_free(next).saturating_sub(ahead));
        taken.map(|_| Taken(long)).map_err(until)
    }

    /// Gives places back that were not used after all.
    fn give_back(&self, taken: Taken) {
        self.next_ns.fetch_sub(taken.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AgencyLimits = AgencyLimits {
        messages_per_second: 1_000,
        refusals_per_minute: 1,
        private_messages: 1,
        private_mib: 1,
        private_octets_per_second: 1 << 20,
    };

    #[test]
    fn what_one_took_beyond_all_measure_is_worked_off_in_a_minute() {
        let (pace, now) = (Line::default(), Duration::from_secs(100));
        assert!(pace.take(1 << 20, 1, now).is_ok());
        let until = pace.take(1, 1_000_000, now).unwrap_err();
        assert!(until <= now + DEBT, "{until:?}");
    }

    #[test]
    fn a_second_of_messages_goes_at_once_and_the_rest_in_their_time() {
        let pace = Line::default();
        let mut now = Duration::from_secs(100);
        for n in 0_u32..300 {
            if let Err(until) = pace.take(1, 100, now) {
                assert_eq!(until, now + Duration::from_millis(10), "{n}");
                now = until;
                assert!(pace.take(1, 100, now).is_ok());
            }
        }
        assert_eq!(now, Duration::from_secs(102));
    }

    #[test]
    fn whoever_asks_in_vain_makes_nobody_wait_longer() {
        let pace = Line::default();
        let now = Duration::from_secs(1);
        let taken = (0..1_000).filter(|_| pace.take(1, 10, now).is_ok());
        assert_eq!(taken.count(), 10);
        let next = now + Duration::from_millis(100);
        assert_eq!(pace.take(1, 10, now), Err(next));
        assert!(pace.take(1, 10, next).is_ok());
    }

    #[test]
    fn what_was_not_used_does_not_add_up_beyond_a_second() {
        let pace = Line::default();
        assert!(pace.take(1, 10, Duration::from_secs(1)).is_ok());
        let late = Duration::from_secs(1_000);
        let taken = (0..20).filter(|_| pace.take(1, 10, late).is_ok());
        assert_eq!(taken.count(), 10);
    }

    #[test]
    fn an_order_and_a_step_of_a_case_take_a_place_in_their_own_line_too() {
        let now = Duration::from_secs(5);
        let taken = |exchange: &str, key: &str| {
            let pace = Pace::default();
            let limits = LIMITS;
            let publish = Published {
                exchange,
                routing_key: key,
                octets: 0,
            };
            let all = (0..100).filter(|_| pace.publish(publish, Allowance { now, limits }).is_ok());
            all.count()
        };
        assert_eq!(taken("carnet", ORDER_TYPE), 20);
        assert_eq!(taken("carnet", "case.open"), 20);
        assert_eq!(taken("carnet", "control.result"), 100);
        assert_eq!(taken("", ORDER_TYPE), 100);
    }

    #[test]
    fn a_large_message_takes_the_places_of_many_and_one_beyond_a_second_goes_where_nothing_else_does()
     {
        let now = Duration::from_secs(5);
        let pace = Pace::default();
        let publish = |octets| Published {
            exchange: "carnet",
            routing_key: "declaration.import",
            octets,
        };
        let limits = LIMITS;
        let large = 100 * PLACE_OCTETS;
        let taken = |octets, now| pace.publish(publish(octets), Allowance { now, limits });
        let all = (0..100).filter(|_| taken(large, now).is_ok());
        assert_eq!(all.count(), 10);
        assert_eq!(taken(1, now), Err(now + Duration::from_millis(1)));
        let later = now + Duration::from_secs(1);
        assert_eq!(taken(2_000 * PLACE_OCTETS, later), Ok(()));
        assert_eq!(taken(1, later), Err(later + Duration::from_millis(1_001)));
    }

    #[test]
    fn octets_that_no_policy_rules_on_have_a_line_of_their_own_and_take_no_place_in_vain() {
        let (now, limits) = (Duration::from_secs(5), LIMITS);
        let pace = Pace::default();
        let allowance = Allowance { now, limits };
        assert_eq!(pace.write(1 << 20, allowance), Ok(()));
        let private = Published {
            exchange: "",
            routing_key: "work",
            octets: 1 << 10,
        };
        for _ in 0..2_000 {
            assert!(pace.publish(private, allowance).is_err());
        }
        let ruled = Published {
            exchange: "carnet",
            ..private
        };
        let all = (0..2_000).filter(|_| pace.publish(ruled, allowance).is_ok());
        assert_eq!(all.count(), 1_000);
    }
}
