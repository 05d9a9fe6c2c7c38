//! Who may connect: places for all connections, and for those of each party.
//!
//! A client has a place at the `door` until it is known who it is, and then one of its agency's, or of
//! its unit's where that is not listed, and one of all. Strangers take none from those who are known, and no agency takes all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::agency::registry::Party;
use crate::broker::limits::{AGENCY_CONNECTIONS, CONNECTIONS};

/// The places of one process.
pub(super) struct Places {
    /// Held by connections.
    pub(super) connections: Arc<Semaphore>,
    parties: Mutex<BTreeMap<Party, Arc<Semaphore>>>,
}

/// A place of a connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _party: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            parties: Mutex::default(),
        }
    }
}

impl Places {
    /// A place for a connection of `party`.
    ///
    /// # Errors
    /// What its client is told, where there is none.
    pub(super) fn take(&self, party: Party) -> Result<Place, String> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(AGENCY_CONNECTIONS));
        let own = Arc::clone(parties.entry(party).or_insert_with(new));
        drop(parties);
        let says = |whose: &str, count: usize| {
            format!("{whose} has {count} connections open, which is the limit")
        };
        let agency = own.try_acquire_owned();
        let agency = agency.map_err(|_| says("your agency", AGENCY_CONNECTIONS))?;
        let all = Arc::clone(&self.connections).try_acquire_owned();
        Ok(Place {
            _party: agency,
            _all: all.map_err(|_| says("the broker", CONNECTIONS))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agency_has_its_own_places_and_all_have_no_more_than_there_are() {
        let places = Places::default();
        let agency = |n: usize| Party::Agency(format!("a-{n}").parse().unwrap());
        let mut taken: Vec<Place> = (0..AGENCY_CONNECTIONS)
            .map(|_| places.take(agency(0)).unwrap())
            .collect();
        let says = places.take(agency(0)).unwrap_err();
        assert!(says.starts_with("your agency has"), "{says}");
        for n in 1..CONNECTIONS.div_euclid(AGENCY_CONNECTIONS) {
            taken.extend((0..AGENCY_CONNECTIONS).map(|_| places.take(agency(n)).unwrap()));
        }
        let says = places.take(agency(99)).unwrap_err();
        assert!(says.starts_with("the broker has"), "{says}");
        taken.remove(0);
        drop(places.take(agency(99)).unwrap());
        taken.insert(0, places.take(agency(0)).unwrap());
        assert!(places.take(agency(99)).is_err());
        // A unit of which others must not know takes none from its agency.
        let unit = Party::Unit("a-0/hidden".parse().unwrap());
        assert!(places.take(unit).unwrap_err().starts_with("the broker has"));
    }
}
