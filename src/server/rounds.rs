//! When what is read again and again is due: places of any kind, each with a time of its own.

use std::collections::BTreeMap;
use std::time::Duration;

/// Places that are read again and again, one reading of each at a time.
#[derive(Debug)]
pub(super) struct Rounds<K> {
    places: BTreeMap<K, Round>,
}

/// How fresh is what is read again and again, each in a sentence.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// What was not read when it should have been.
    pub(super) late: Vec<String>,
    /// What was, and how old it is.
    pub(super) fresh: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    every: Duration,
    /// When it is due next, monotonic.
    next: Duration,
    /// When it was read last, monotonic.
    last: Option<Duration>,
    is_read: bool,
}

impl<K: Ord + Clone> Rounds<K> {
    pub(super) fn new() -> Self {
        Self {
            places: BTreeMap::new(),
        }
    }

    /// Reads these places from now on; those that are new at once.
    pub(super) fn follow(&mut self, places: impl Iterator<Item = (K, Duration)>, now: Duration) {
        let mut before = std::mem::take(&mut self.places);
        for (place, every) in places {
            let new = Round {
                every,
                next: now,
                last: None,
                is_read: false,
            };
            let round = before
                .remove(&place)
                .map_or(new, |it| Round { every, ..it });
            self.places.insert(place, round);
        }
    }

    /// The places that are due, which are read from now on until [`Self::done`].
    pub(super) fn due(&mut self, now: Duration) -> Vec<K> {
        let mut due = Vec::new();
        for (place, round) in &mut self.places {
            if round.next <= now && !round.is_read {
                *round = Round {
                    next: now + round.every,
                    last: Some(now),
                    is_read: true,
                    ..*round
                };
                due.push(place.clone());
            }
        }
        due
    }

    /// A place has been read.
    pub(super) fn done(&mut self, place: &K) {
        if let Some(round) = self.places.get_mut(place) {
            round.is_read = false;
        }
    }

    /// All of them are due now.
    pub(super) fn hurry(&mut self, now: Duration) {
        self.places.values_mut().for_each(|round| round.next = now);
    }

    /// A place is due, though not within `pause` of the time that it was read last.
    pub(super) fn ask(&mut self, place: &K, now: Duration, pause: Duration) {
        if let Some(round) = self.places.get_mut(place) {
            let earliest = round.last.map_or(now, |last| last + pause);
            round.next = round.next.min(earliest.max(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_place_is_read_at_once_then_in_its_time_and_once_at_a_time() {
        let mut rounds = Rounds::new();
        rounds.follow([("a", at(60)), ("b", at(90))].into_iter(), at(1));
        assert_eq!(rounds.due(at(1)), ["a", "b"]);
        assert!(rounds.due(at(500)).is_empty(), "both are being read");
        rounds.done(&"a");
        rounds.done(&"b");
        assert_eq!(rounds.due(at(61)), ["a"]);
        rounds.done(&"a");
        // What stays keeps its time; what is new is due.
        rounds.follow([("a", at(60)), ("c", at(60))].into_iter(), at(62));
        assert_eq!(rounds.due(at(62)), ["c"]);
        rounds.hurry(at(63));
        assert_eq!(rounds.due(at(63)), ["a"]);
    }

    #[test]
    fn who_asks_for_a_place_again_and_again_has_it_read_with_pauses() {
        let mut rounds = Rounds::new();
        rounds.follow([("a", at(600))].into_iter(), at(0));
        assert_eq!(rounds.due(at(0)), ["a"]);
        rounds.done(&"a");
        let mut read = Vec::new();
        for second in 1..100 {
            rounds.ask(&"a", at(second), at(30));
            if !rounds.due(at(second)).is_empty() {
                rounds.done(&"a");
                read.push(second);
            }
        }
        assert_eq!(read, [30, 60, 90]);
    }
}
