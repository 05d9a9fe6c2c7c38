//! Who may connect: places for all connections, and for those of each party.
//!
//! A client has a place at the `door` until it is known who it is, and then one of its agency's, or of
//! its unit's where that is not listed, and one of all. Strangers take none from those who are known, and
//! no agency takes all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::agency::registry::Party;
use crate::broker::limits::{
    AGENCY_CONNECTIONS, AGENCY_GOODBYES, AGENCY_OFFICERS_CONNECTIONS, AGENCY_OFFICERS_GOODBYES,
    CONNECTIONS, GOODBYES, OFFICERS_CONNECTIONS, OFFICERS_GOODBYES,
};

/// How many connections, and clients that are told why they are declined, there may be at a time.
#[derive(Clone, Copy)]
struct Width {
    connections: usize,
    goodbyes: usize,
}

/// The places of one interface.
pub(super) struct Places {
    width: Width,
    party_width: Width,
    all: Both,
    /// The places of each party that has come.
    parties: Mutex<BTreeMap<Party, Both>>,
}

/// Places of connections, and of clients that are told why they are declined.
#[derive(Clone)]
struct Both {
    connections: Arc<Semaphore>,
    goodbyes: Arc<Semaphore>,
}

/// A place of a connection, or of a goodbye, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _party: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Why there is no place for a connection.
#[derive(Debug)]
pub(super) struct NoPlace {
    /// What its client is told.
    pub(super) says: String,
    /// A place for that; none where too many are told so.
    pub(super) goodbye: Option<Place>,
}

impl Both {
    fn of(width: Width) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(width.connections)),
            goodbyes: Arc::new(Semaphore::new(width.goodbyes)),
        }
    }
}

impl Places {
    /// The places of systems.
    pub(super) fn of_systems() -> Self {
        let all = Width {
            connections: CONNECTIONS,
            goodbyes: GOODBYES,
        };
        let of_a_party = Width {
            connections: AGENCY_CONNECTIONS,
            goodbyes: AGENCY_GOODBYES,
        };
        Self::new(all, of_a_party)
    }

    /// The places of officers.
    pub(super) fn of_officers() -> Self {
        let all = Width {
            connections: OFFICERS_CONNECTIONS,
            goodbyes: OFFICERS_GOODBYES,
        };
        let of_a_party = Width {
            connections: AGENCY_OFFICERS_CONNECTIONS,
            goodbyes: AGENCY_OFFICERS_GOODBYES,
        };
        Self::new(all, of_a_party)
    }

    fn new(width: Width, party_width: Width) -> Self {
        Self {
            width,
            party_width,
            all: Both::of(width),
            parties: Mutex::default(),
        }
    }

    /// A place for a connection of `party`.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn take(&self, party: Party) -> Result<Place, NoPlace> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let address = party.address();
        let new = || Both::of(self.party_width);
        let own = parties.entry(party).or_insert_with(new).clone();
        drop(parties);
        let one = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
        let both = |party, all| {
            Some(Place {
                _party: one(party)?,
                _all: one(all)?,
            })
        };
        if let Some(place) = both(&own.connections, &self.all.connections) {
            return Ok(place);
        }
        let (whose, count) = if own.connections.available_permits() == 0 {
            (address, self.party_width.connections)
        } else {
            ("the broker", self.width.connections)
        };
        Err(NoPlace {
            says: format!("{whose} has {count} connections open, which is the limit"),
            goodbye: both(&own.goodbyes, &self.all.goodbyes),
        })
    }

    /// A place for the goodbye of a client that is not known; half of the places are for those that are.
    pub(super) fn stranger(&self) -> Option<SemaphorePermit<'_>> {
        let is_free = self.all.goodbyes.available_permits() > self.width.goodbyes / 2;
        is_free
            .then(|| self.all.goodbyes.try_acquire().ok())
            .flatten()
    }

    /// Returns when all places are free, which are taken then: all connections are waited for, since a
    /// client that becomes known takes a place before it gives its handshake's back.
    pub(super) async fn all(&self) {
        for (places, count) in [
            (&self.all.connections, self.width.connections),
            (&self.all.goodbyes, self.width.goodbyes),
        ] {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            if let Ok(all) = places.acquire_many(count).await {
                all.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agency_has_its_own_places_and_all_have_no_more_than_there_are() {
        let places = Places::of_systems();
        let agency = |n: usize| Party::Agency(format!("a-{n}").parse().unwrap());
        let mut taken: Vec<Place> = (0..AGENCY_CONNECTIONS)
            .map(|_| places.take(agency(0)).unwrap())
            .collect();
        let declined: Vec<NoPlace> = (0..=AGENCY_GOODBYES)
            .map(|_| places.take(agency(0)).unwrap_err())
            .collect();
        let told = declined.iter().filter(|it| it.goodbye.is_some());
        assert_eq!(told.count(), AGENCY_GOODBYES);
        assert!(declined[0].says.starts_with("your agency has"));
        for n in 1..CONNECTIONS.div_euclid(AGENCY_CONNECTIONS) {
            taken.extend((0..AGENCY_CONNECTIONS).map(|_| places.take(agency(n)).unwrap()));
        }
        let NoPlace { says, goodbye } = places.take(agency(99)).unwrap_err();
        assert!(
            says.starts_with("the broker has") && goodbye.is_some(),
            "{says}"
        );
        taken.remove(0);
        drop(places.take(agency(99)).unwrap());
        taken.insert(0, places.take(agency(0)).unwrap());
        assert!(places.take(agency(99)).is_err());
        // A unit of which others must not know takes none from its agency.
        let hidden = Party::Unit("a-0/hidden".parse().unwrap());
        let declined = places.take(hidden.clone()).unwrap_err();
        assert!(declined.says.starts_with("the broker has"));
        taken.truncate(CONNECTIONS - AGENCY_CONNECTIONS);
        taken.extend((0..AGENCY_CONNECTIONS).map(|_| places.take(hidden.clone()).unwrap()));
        let declined = places.take(hidden).unwrap_err();
        assert!(declined.says.starts_with("your unit has"));
    }
}
