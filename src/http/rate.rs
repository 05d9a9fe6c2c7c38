//! What one officer, or one agency, may ask for: so many requests at once and then so many a second, so
//! many large bodies at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::agency::officer::Holder;
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// Requests that come at once.
const BURST: f64 = 100.0;
/// Requests a second, after these.
const PER_SECOND: f64 = 20.0;
/// Certificates that are remembered; more than there are officers at work.
const REMEMBERED: usize = 10_000;

/// Large bodies of one agency at a time.
const LARGE_BODIES: usize = 2;

/// What each certificate has left, by its digest, and each agency's places for large bodies.
#[derive(Default)]
pub(super) struct Rates {
    left: Mutex<BTreeMap<Digest, Left>>,
    places: Mutex<BTreeMap<Holder, Arc<Semaphore>>>,
    /// The one place of looks into the log.
    pub(super) looks: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy)]
struct Left {
    requests: f64,
    at: Timestamp,
}

impl Rates {
    /// The places of an agency's large bodies.
    pub(super) fn large_bodies(&self, holder: &Holder) -> Arc<Semaphore> {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = all.entry(holder.clone());
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(LARGE_BODIES))))
    }

    /// Takes one request of a certificate's. Seconds to wait for the next, where there is none left.
    pub(super) fn take(&self, certificate: Digest, now: Timestamp) -> Result<(), u32> {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let full = Left {
            requests: BURST,
            at: now,
        };
        let left = all.entry(certificate).or_insert(full);
        let since = now.since(left.at).as_secs_f64();
        left.requests = since.mul_add(PER_SECOND, left.requests).min(BURST);
        left.at = left.at.max(now);
        if left.requests < 1.0 {
            return Err(1);
        }
        left.requests -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_certificate_has_a_burst_and_then_a_rate_and_takes_none_of_anothers() {
        let rates = Rates::default();
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let start = Timestamp::from_millis(1_000_000);
        let taken = |certificate, now| {
            (0..1_000)
                .filter(|_| rates.take(certificate, now).is_ok())
                .count()
        };
        assert_eq!(taken(one, start), 100);
        assert_eq!(taken(other, start), 100);
        assert_eq!(taken(one, start.plus(Duration::from_secs(2))), 40);
        // A clock that steps back gives nothing, and takes nothing away.
        assert_eq!(taken(one, start), 0);
        assert_eq!(taken(one, start.plus(Duration::from_secs(3))), 20);
    }
}
