//! The pace of an agency: all its connections together publish so many messages a second, and write so
//! many octets a second into the journal that no policy rules on.
//!
//! A message takes the next place in the agency's line of places, which are as far apart as the limit
//! says; up to a second's worth of them may be taken ahead. A large one takes several: it goes where the
//! first of them is free, and the line is in its debt for the others. Where none is free the message
//! queues, and places go to queued messages in their order, so that neither large ones wait for ever
//! behind small ones nor one connection behind many. A connection that ends leaves the queue, and a place
//! that the first in the queue does not take within [`GRACE`] goes to the next message that asks. Only
//! publishers wait: a connection that only consumes takes no place among messages.
//!
//! INVARIANT: which places a publish takes follows from its exchange, routing key and size alone. Were
//! it its ruling, the pace would tell a sender of recipients that it may not know of.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limits::{CASE_STEPS_PER_SECOND, PLACE_OCTETS, STANDING_CHANGES_PER_SECOND};
use super::register::ORDER_TYPE;
use crate::agency::registry::AgencyLimits;

/// Time whose places may be taken ahead: a second's worth, so that a burst after a pause is no overload.
const AHEAD: Duration = Duration::from_secs(1);

/// How long a place is kept for the first in the queue, which may be held up by something else.
const GRACE: Duration = Duration::from_millis(50);

/// Time between two looks of a message that is not the first in the queue, at least and at most.
const LOOKS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(250)];

/// The pace of one agency, shared by its connections.
#[derive(Debug, Default)]
pub struct Pace {
    /// Places of all messages that it publishes.
    messages: Arc<Line>,
    /// Places of steps of cases, which are messages too.
    case_steps: Arc<Line>,
    /// Places of orders, released or not, which are messages too.
    orders: Arc<Line>,
    /// Places of octets: requests, acknowledgements, and messages to queues of its own.
    private_octets: Arc<Line>,
}

/// A line of places.
#[derive(Debug, Default)]
struct Line(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    /// When the next free place is, in nanoseconds of the process's monotonic clock.
    next_ns: u64,
    /// The messages and requests that queue, by ascending numbers.
    queue: VecDeque<Queued>,
    /// The last number that was given.
    last: u64,
}

/// A message or request that queues.
#[derive(Debug)]
struct Queued {
    number: u64,
    /// How long its places are, in nanoseconds.
    long_ns: u64,
}

/// How many places are wanted, of so many a second.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    places: usize,
    per_second: u32,
}

/// The standing of a message or request that has no place yet; dropped, it queues no more.
#[derive(Debug, Default)]
pub struct Wait {
    /// Whether a message has the places of its kind and waits for those of all messages.
    has_own: bool,
    ticket: Option<Ticket>,
}

impl Wait {
    /// Queues no more, and keeps what it has.
    pub fn step_back(&mut self) {
        self.ticket = None;
    }
}

/// A number in the queue of a line.
#[derive(Debug)]
struct Ticket {
    line: Arc<Line>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let queue = &mut self.line.places().queue;
        if let Ok(place) = queue.binary_search_by_key(&self.number, |it| it.number) {
            queue.remove(place);
        }
    }
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
    /// Takes the places of one publish; where there is none yet, tells when to ask again. `wait` is the
    /// same each time.
    pub fn publish(
        &self,
        publish: Published<'_>,
        allowance: Allowance,
        wait: &mut Wait,
    ) -> Result<(), Duration> {
        let Allowance { now, limits } = allowance;
        if let Some((line, wanted)) = self.own(publish, limits).filter(|_| !wait.has_own) {
            line.take(wanted, now, &mut wait.ticket)?;
            wait.has_own = true;
        }
        let wanted = Wanted {
            places: publish.octets.div_ceil(PLACE_OCTETS).max(1),
            per_second: limits.messages_per_second,
        };
        self.messages.take(wanted, now, &mut wait.ticket)?;
        wait.has_own = false;
        Ok(())
    }

    /// The line of a publish's kind, and what it takes of that.
    fn own(&self, publish: Published<'_>, limits: AgencyLimits) -> Option<(&Arc<Line>, Wanted)> {
        let one = |per_second| Wanted {
            places: 1,
            per_second,
        };
        if publish.exchange != "carnet" {
            let octets = octets_of(publish.octets, limits);
            Some((&self.private_octets, octets))
        } else if publish.routing_key.starts_with("case.") {
            Some((&self.case_steps, one(CASE_STEPS_PER_SECOND)))
        } else if publish.routing_key == ORDER_TYPE {
            Some((&self.orders, one(STANDING_CHANGES_PER_SECOND)))
        } else {
            None
        }
    }

    /// Takes the places of so many octets that are written to the journal without a ruling; where there
    /// is none yet, tells when to ask again. `wait` is the same each time.
    pub fn write(
        &self,
        octets: usize,
        allowance: Allowance,
        wait: &mut Wait,
    ) -> Result<(), Duration> {
        let wanted = octets_of(octets, allowance.limits);
        let line = &self.private_octets;
        line.take(wanted, allowance.now, &mut wait.ticket)
    }
}

fn octets_of(octets: usize, limits: AgencyLimits) -> Wanted {
    Wanted {
        places: octets,
        per_second: limits.private_octets_per_second,
    }
}

/// How long other connections of an agency wait at most for the places that one publish took: a limit
/// that is raised later does not shorten the line.
const DEBT: Duration = Duration::from_mins(1);

impl Line {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many places at `now` (monotonic) where the first of them is free and no other queues before;
    /// tells when to ask again where not.
    fn take(
        self: &Arc<Self>,
        wanted: Wanted,
        now: Duration,
        ticket: &mut Option<Ticket>,
    ) -> Result<(), Duration> {
        let now = nanos(now);
        let per_second = u64::from(wanted.per_second.max(1));
        let one = 1_000_000_000_u64.div_euclid(per_second);
        let count = u64::try_from(wanted.places).unwrap_or(u64::MAX);
        let long = count.saturating_mul(1_000_000_000).div_euclid(per_second);
        let mut places = self.places();
        let free_from = places.next_ns.saturating_add(one.min(long));
        let free_from = free_from.saturating_sub(nanos(AHEAD));
        let number = ticket.as_ref().map_or(places.last + 1, |it| it.number);
        let before = places.queue.partition_point(|other| other.number < number);
        let is_anyones = free_from.saturating_add(nanos(GRACE)) <= now;
        if free_from <= now && (before == 0 || is_anyones) {
            places.next_ns = places
                .next_ns
                .max(now)
                .saturating_add(long.min(nanos(DEBT)));
            drop(places);
            *ticket = None;
            return Ok(());
        }
        if ticket.is_none() {
            places.last = number;
            places.queue.push_back(Queued {
                number,
                long_ns: long,
            });
            let line = Arc::clone(self);
            *ticket = Some(Ticket { line, number });
        }
        let from = free_from.max(now);
        if before == 0 {
            return Err(Duration::from_nanos(from));
        }
        // Not before those before it have had their places, or many that queue would look all the time.
        let ahead = places.queue.iter().take(before).map(|it| it.long_ns);
        let [least, most] = LOOKS.map(nanos);
        let wait = ahead.fold(0, u64::saturating_add).clamp(least, most);
        Err(Duration::from_nanos(from.max(now.saturating_add(wait))))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: AgencyLimits = AgencyLimits {
        messages_per_second: 1_000,
        refusals_per_minute: 1,
        private_messages: 1,
        private_mib: 1,
        private_octets_per_second: 1 << 20,
    };

    /// Asks once, and queues no more.
    fn take(
        line: &Arc<Line>,
        places: usize,
        per_second: u32,
        now: Duration,
    ) -> Result<(), Duration> {
        let wanted = Wanted { places, per_second };
        line.take(wanted, now, &mut None)
    }

    fn publish(pace: &Pace, publish: Published<'_>, allowance: Allowance) -> Result<(), Duration> {
        pace.publish(publish, allowance, &mut Wait::default())
    }

    #[test]
    fn what_one_took_beyond_all_measure_is_worked_off_in_a_minute() {
        let (line, now) = (Arc::default(), Duration::from_secs(100));
        assert!(take(&line, 1 << 20, 1, now).is_ok());
        let until = take(&line, 1, 1_000_000, now).unwrap_err();
        assert!(until <= now + DEBT, "{until:?}");
    }

    #[test]
    fn a_second_of_messages_goes_at_once_and_the_rest_in_their_time() {
        let pace = Arc::default();
        let mut now = Duration::from_secs(100);
        for n in 0_u32..300 {
            if let Err(until) = take(&pace, 1, 100, now) {
                assert_eq!(until, now + Duration::from_millis(10), "{n}");
                now = until;
                assert!(take(&pace, 1, 100, now).is_ok());
            }
        }
        assert_eq!(now, Duration::from_secs(102));
    }

    #[test]
    fn whoever_asks_in_vain_makes_nobody_wait_longer() {
        let pace = Arc::default();
        let now = Duration::from_secs(1);
        let taken = (0..1_000).filter(|_| take(&pace, 1, 10, now).is_ok());
        assert_eq!(taken.count(), 10);
        let next = now + Duration::from_millis(100);
        assert_eq!(take(&pace, 1, 10, now), Err(next));
        assert!(take(&pace, 1, 10, next).is_ok());
    }

    #[test]
    fn what_was_not_used_does_not_add_up_beyond_a_second() {
        let pace = Arc::default();
        assert!(take(&pace, 1, 10, Duration::from_secs(1)).is_ok());
        let late = Duration::from_secs(1_000);
        let taken = (0..20).filter(|_| take(&pace, 1, 10, late).is_ok());
        assert_eq!(taken.count(), 10);
    }

    #[test]
    fn an_order_and_a_step_of_a_case_take_a_place_in_their_own_line_too() {
        let now = Duration::from_secs(5);
        let taken = |exchange: &str, key: &str| {
            let pace = Pace::default();
            let limits = LIMITS;
            let one = Published {
                exchange,
                routing_key: key,
                octets: 0,
            };
            let allowance = Allowance { now, limits };
            let all = (0..100).filter(|_| publish(&pace, one, allowance).is_ok());
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
        let limits = LIMITS;
        let large = 100 * PLACE_OCTETS;
        let taken = |octets, now| {
            let one = Published {
                exchange: "carnet",
                routing_key: "declaration.import",
                octets,
            };
            publish(&pace, one, Allowance { now, limits })
        };
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
        assert_eq!(pace.write(1 << 20, allowance, &mut Wait::default()), Ok(()));
        let private = Published {
            exchange: "",
            routing_key: "work",
            octets: 1 << 10,
        };
        for _ in 0..2_000 {
            assert!(publish(&pace, private, allowance).is_err());
        }
        let ruled = Published {
            exchange: "carnet",
            ..private
        };
        let all = (0..2_000).filter(|_| publish(&pace, ruled, allowance).is_ok());
        assert_eq!(all.count(), 1_000);
    }

    /// A connection that publishes one message after another of so many places each, and asks a little
    /// later than it is told to.
    #[derive(Debug, Clone, Copy)]
    struct Publisher {
        places: usize,
        late: Duration,
    }

    #[test]
    fn who_queues_for_octets_looks_again_when_those_before_it_have_had_theirs() {
        let (now, limits) = (Duration::from_secs(5), LIMITS);
        let (pace, allowance) = (Pace::default(), Allowance { now, limits });
        assert!(pace.write(1 << 20, allowance, &mut Wait::default()).is_ok());
        let mut waits: Vec<Wait> = (0..100).map(|_| Wait::default()).collect();
        let untils = waits
            .iter_mut()
            .map(|wait| pace.write(100_000, allowance, wait));
        let untils: Vec<Duration> = untils.map(Result::unwrap_err).collect();
        // 100,000 octets of a mebibyte a second: 95 ms each.
        assert!(untils[1] > now + Duration::from_millis(95), "{untils:?}");
        assert_eq!(untils[99], now + LOOKS[1]);
    }

    fn any_publisher() -> impl Strategy<Value = Publisher> {
        let places = prop_oneof![4 => Just(1_usize), 1 => 2..=64_usize];
        (places, 0..3_000_u64).prop_map(|(places, late)| Publisher {
            places,
            late: Duration::from_micros(late),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn an_agency_keeps_its_pace_and_none_of_its_connections_starves(
            publishers in vec(any_publisher(), 1..60),
            per_second in 20..500_u32,
        ) {
            const SECONDS: usize = 30;
            let line = Arc::<Line>::default();
            let (begin, end) = (Duration::from_secs(100), Duration::from_secs(130));
            let mut tickets: Vec<Option<Ticket>> = publishers.iter().map(|_| None).collect();
            let all = 0..publishers.len();
            let mut asks: BTreeSet<(Duration, usize)> = all.map(|nth| (begin, nth)).collect();
            let mut waits_since = vec![begin; publishers.len()];
            let mut taken: Vec<(Duration, usize)> = Vec::new();
            let largest = publishers.iter().map(|it| it.places).max().unwrap();
            let round: usize = publishers.iter().map(|it| it.places).sum();
            let second = |places: usize| {
                let places = u32::try_from(places).unwrap();
                Duration::from_secs(1) * places / per_second
            };
            while let Some((now, nth)) = asks.pop_first() {
                if now > end {
                    break;
                }
                let Publisher { places, late } = publishers[nth];
                let wanted = Wanted { places, per_second };
                let next = line.take(wanted, now, &mut tickets[nth]).err();
                if next.is_none() {
                    taken.push((now, places));
                    let waited = now.saturating_sub(waits_since[nth]);
                    // What the last one owes, each other once, and what the looks take.
                    let most = second(largest + round) + 2 * LOOKS[1] + GRACE;
                    prop_assert!(waited <= most, "{waited:?} of {most:?}");
                    waits_since[nth] = now;
                }
                let next = next.unwrap_or(now);
                asks.insert((next + late, nth));
            }
            // Over any time no more than the pace, a second ahead, and what the last one owes.
            let burst = usize::try_from(per_second).unwrap() + largest + 1;
            let tenth = Duration::from_millis(100);
            let mut tenths = [0; SECONDS * 10 + 1];
            for (now, places) in &taken {
                let nth = now.saturating_sub(begin).as_millis().div_euclid(100);
                tenths[usize::try_from(nth).unwrap()] += places;
            }
            for first in 0..tenths.len() {
                let mut sum = 0;
                for (places, time) in tenths[first..].iter().zip(1..) {
                    sum += places;
                    prop_assert!(second(sum) <= tenth * time + second(burst), "{sum} in {time}");
                }
            }
            // And as much as that, where there is always one who waits.
            let sum: usize = taken.iter().map(|(_, places)| places).sum();
            let due = usize::try_from(per_second).unwrap() * SECONDS;
            let idle = publishers.iter().all(|it| second(it.places) < it.late + LOOKS[0]);
            prop_assert!(idle || sum * 10 >= due * 9, "{sum} of {due}");
        }
    }
}
