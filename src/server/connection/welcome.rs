//! Whether a connection's publishes are welcome, and if not, why: the disk, the broker, its pace.
//!
//! Pure: it is told the time. What lasts is told to the client, once it has published; a connection
//! that only consumes is never held up, and never told.

use std::time::Duration;

use crate::broker::limits::BLOCKED_AFTER;

const BEHIND: &str = "the broker is catching up";
const TOO_FAST: &str =
    "your agency's limit of messages a second, or of steps of cases or orders, is reached";

/// What stands against publishes of one connection. Times are monotonic, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Welcome {
    has_published: bool,
    /// Why nothing can be stored.
    refused: Option<&'static str>,
    /// Since when the broker has no room.
    full_since: Option<u64>,
    /// Until when its agency's pace holds it, and since when that happens again and again.
    held: Option<Held>,
    now: u64,
}

#[derive(Debug)]
struct Held {
    since: u64,
    until: u64,
}

impl Welcome {
    /// It has published: from now on it is held up and told.
    pub(super) fn published(&mut self) {
        self.has_published = true;
    }

    /// Whether it ever published.
    pub(super) fn is_publisher(&self) -> bool {
        self.has_published
    }

    /// Nothing can be stored, or it can again.
    pub(super) fn storing_refused(&mut self, reason: Option<&'static str>) {
        self.refused = reason;
    }

    /// Its pace wants nothing more to be read until then: there is something to do at that time.
    pub(super) fn hold(&mut self, until: Duration, now: Duration) {
        let ms = |ns: u128| u64::try_from(ns).unwrap_or(u64::MAX);
        let until = ms(until.as_nanos().div_ceil(1_000_000));
        if let Some(held) = &mut self.held {
            held.until = held.until.max(until);
        } else {
            let since = ms(now.as_millis());
            self.held = Some(Held { since, until });
        }
    }

    /// Looks at what is so now.
    pub(super) fn look(&mut self, room: bool, now: u64) {
        self.now = now;
        self.full_since = (!room).then(|| self.full_since.unwrap_or(now));
        // Over when half of what may be taken ahead is free again: else it would come and go.
        let over = |held: &Held| now >= held.until.saturating_add(lasting());
        if self.held.as_ref().is_some_and(over) {
            self.held = None;
        }
    }

    /// What the client is to be told, where it lasts.
    pub(super) fn reason(&self) -> Option<&'static str> {
        let lasts = |since: u64| self.now.saturating_sub(since) >= lasting();
        let behind = self.full_since.is_some_and(lasts);
        let too_fast = self.held.as_ref().is_some_and(|held| lasts(held.since));
        let reason = self.refused.or(behind.then_some(BEHIND));
        let reason = reason.or(too_fast.then_some(TOO_FAST));
        reason.filter(|_| self.has_published)
    }

    /// When to look again, where nothing else happens.
    pub(super) fn next_look_ms(&self, now: u64) -> Option<u64> {
        let full = self.full_since.map(|since| since.saturating_add(lasting()));
        let held = self.held.iter().flat_map(|held| {
            let (told, free) = (held.since, held.until);
            [
                told.saturating_add(lasting()),
                free,
                free.saturating_add(lasting()),
            ]
        });
        full.into_iter().chain(held).filter(|at| *at > now).min()
    }
}

fn lasting() -> u64 {
    u64::try_from(BLOCKED_AFTER.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_pace_that_holds_for_long_is_told_until_half_a_second_is_free() {
        let mut welcome = Welcome::default();
        welcome.published();
        welcome.look(true, 1_000);
        assert_eq!(welcome.next_look_ms(1_000), None);
        for now in (1_000..1_600).step_by(10) {
            // Never too early: what is tried before its time waits once more.
            welcome.hold(Duration::from_micros(now * 1_000 + 9_001), ms(now));
            welcome.look(true, now);
            assert_eq!(welcome.reason().is_some(), now >= 1_500, "{now}");
            assert_eq!(welcome.next_look_ms(now), Some(now + 10));
        }
        welcome.look(true, 1_600);
        assert_eq!(welcome.next_look_ms(1_600), Some(2_100));
        assert_eq!(welcome.reason(), Some(TOO_FAST));
        welcome.look(true, 2_100);
        assert_eq!(welcome.reason(), None);
    }

    #[test]
    fn who_only_consumes_is_told_nothing() {
        let mut welcome = Welcome::default();
        welcome.storing_refused(Some("the disk is full"));
        welcome.look(false, 0);
        welcome.look(false, 5_000);
        assert_eq!(welcome.reason(), None);
        welcome.published();
        assert_eq!(welcome.reason(), Some("the disk is full"));
        welcome.storing_refused(None);
        assert_eq!(welcome.reason(), Some(BEHIND));
        welcome.look(true, 6_000);
        assert_eq!(welcome.reason(), None);
    }
}
