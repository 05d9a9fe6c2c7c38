//! What one officer, or one agency, may ask for: so many requests at once and then so many a second, so
//! many large bodies at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::agency::officer::Holder;
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;

/// Requests of one certificate.
const OF_A_CERTIFICATE: Pace = Pace {
    burst: 100.0,
    per_second: 20.0,
};
/// Requests of all certificates of one agency, which may issue any number of them.
const OF_AN_AGENCY: Pace = Pace {
    burst: 500.0,
    per_second: 100.0,
};
/// Certificates, or agencies, that are remembered; more than there are officers at work.
const REMEMBERED: usize = 10_000;

/// Large bodies of one agency at a time.
const LARGE_BODIES: usize = 2;

/// What each certificate has left, by its digest, and each agency, with its places for large bodies.
#[derive(Default)]
pub(super) struct Rates {
    certificates: Lefts<Digest>,
    agencies: Lefts<AgencyId>,
    places: Mutex<BTreeMap<Holder, Arc<Semaphore>>>,
}

/// How many requests come at once, and how many a second after these.
struct Pace {
    burst: f64,
    per_second: f64,
}

/// What each has left.
struct Lefts<K>(Mutex<BTreeMap<K, Left>>);

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
        self.certificates.take(certificate, &OF_A_CERTIFICATE, now)
    }

    /// Takes one request of an agency's, likewise.
    pub(super) fn take_of(&self, agency: &AgencyId, now: Timestamp) -> Result<(), u32> {
        self.agencies.take(agency.clone(), &OF_AN_AGENCY, now)
    }
}

impl<K> Default for Lefts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord> Lefts<K> {
    fn take(&self, of: K, pace: &Pace, now: Timestamp) -> Result<(), u32> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let full = Left {
            requests: pace.burst,
            at: now,
        };
        let left = all.entry(of).or_insert(full);
        let since = now.since(left.at).as_secs_f64();
        let gained = since.mul_add(pace.per_second, left.requests);
        left.requests = gained.min(pace.burst);
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

    #[test]
    fn an_agency_has_no_more_requests_by_having_more_certificates() {
        let rates = Rates::default();
        let now = Timestamp::from_millis(1_000_000);
        let taken = |agency: &str| {
            let agency = agency.parse().unwrap();
            let all = (0..1_000).filter(|_| rates.take_of(&agency, now).is_ok());
            all.count()
        };
        assert_eq!((taken("post"), taken("customs")), (500, 500));
    }
}
