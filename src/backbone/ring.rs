//! The file of the key ring in the data folder, and its one keeper.
//!
//! A key stands in the file, synced, before anything is sealed under it: keys of the classes of a rulebook
//! before it is in force, those of a period while the one before it lasts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::mailbox::lock;
use crate::agency::keys::{
    BadRing, KeyCheck, Lock, MasterKey, Period, RetentionClass, Ring, SharedRing,
};
use crate::journal::vfs::{Vfs, is_full, put_in_place, read_whole};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// The name of the file.
pub const FILE: &str = "key-ring";

/// Octets that are read of the file, at most: twenty years of a thousand classes have fewer.
const BYTES_MAX: u64 = 16 << 20;

/// Draws random octets; none where the system has none to give.
pub type Draw = fn() -> Option<[u8; 32]>;

/// Why a key ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// There is none.
    #[error("{} is missing; restore it from its copy: without it nothing that is sealed in the log opens", .0.display())]
    Missing(PathBuf),
    /// It does not open.
    #[error("{}: {why}", .place.display())]
    Bad {
        /// The file.
        place: PathBuf,
        /// Why.
        why: BadRing,
    },
    /// It cannot be read or written.
    #[error("{}: {error}", .place.display())]
    Io {
        /// The file.
        place: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is nothing to make a key from.
    #[error("the system gives no random bytes")]
    NoEntropy,
}

/// Keeps the key ring of a log: the only one that changes it.
pub struct RingKeeper<V> {
    vfs: V,
    place: PathBuf,
    draw: Draw,
    /// Taken by who changes the ring, for as long as that takes.
    lock: Mutex<Lock>,
    ring: Arc<SharedRing>,
}

/// Reads the ring of the log in `data`.
pub fn read<V: Vfs>(vfs: &V, data: &Path, master: &MasterKey) -> Result<(Lock, Ring), RingError> {
    let place = data.join(FILE);
    let file = read_whole(vfs, &place, BYTES_MAX);
    let file = file.map_err(|error| RingError::Io {
        place: place.clone(),
        error,
    })?;
    let file = file.ok_or_else(|| RingError::Missing(place.clone()))?;
    Lock::open(master, &file).map_err(|why| RingError::Bad { place, why })
}

impl RingError {
    /// Whether there was no room for it.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if is_full(error))
    }
}

impl<V: Vfs> RingKeeper<V> {
    /// Opens the ring of the log in `data`.
    pub fn open(vfs: V, data: &Path, master: &MasterKey, draw: Draw) -> Result<Self, RingError> {
        let (opened, ring) = read(&vfs, data, master)?;
        Ok(Self {
            vfs,
            place: data.join(FILE),
            draw,
            lock: Mutex::new(opened),
            ring: SharedRing::new(ring),
        })
    }

    /// Makes the ring of a log that is to be begun in `data`. It is on the disk when this returns: the log's
    /// first record names it.
    pub fn begin(vfs: V, data: &Path, master: &MasterKey, draw: Draw) -> Result<Self, RingError> {
        let drawn = || draw().ok_or(RingError::NoEntropy);
        let ring = Ring::new(drawn()?, drawn()?);
        let begun = Lock::new(drawn()?, master, nonce(draw)?);
        let keeper = Self {
            vfs,
            place: data.join(FILE),
            draw,
            lock: Mutex::new(begun),
            ring: SharedRing::new(ring),
        };
        keeper.write(&lock(&keeper.lock), &keeper.ring.get())?;
        Ok(keeper)
    }

    /// The ring.
    pub fn ring(&self) -> &Arc<SharedRing> {
        &self.ring
    }

    /// What tells its log from others.
    pub fn check(&self) -> KeyCheck {
        self.ring.get().check()
    }

    /// Draws what an id is made of.
    pub(super) fn draw(&self) -> Option<[u8; 32]> {
        (self.draw)()
    }

    /// Makes the keys that the classes of a rulebook lack, for now and the period behind. They are on the
    /// disk when this returns.
    pub fn provide(&self, rulebook: &Rulebook, now: Timestamp) -> Result<(), RingError> {
        let taken = lock(&self.lock);
        let mut ring = Ring::clone(&self.ring.get());
        let period = Period::of(now);
        let mut is_other = false;
        for class in classes(rulebook) {
            for period in [period, period.next()] {
                if !ring.has(class, period) {
                    let secret = self.draw().ok_or(RingError::NoEntropy)?;
                    ring = ring.with(class, period, secret);
                    is_other = true;
                }
            }
        }
        if is_other {
            self.write(&taken, &ring)?;
            self.ring.put(ring);
        }
        Ok(())
    }

    /// Provides for a start, which needs no room: what then has no key of its own is sealed under an
    /// earlier one.
    pub(super) fn provide_at_start(
        &self,
        rulebook: &Rulebook,
        now: Timestamp,
    ) -> Result<(), RingError> {
        match self.provide(rulebook, now) {
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "there are no new keys");
                Ok(())
            }
            provided => provided,
        }
    }

    fn write(&self, lock: &Lock, ring: &Ring) -> Result<(), RingError> {
        let file = lock.lock(ring, nonce(self.draw)?);
        put_in_place(&self.vfs, &self.place, &file).map_err(|error| RingError::Io {
            place: self.place.clone(),
            error,
        })
    }
}

fn nonce(draw: Draw) -> Result<[u8; 12], RingError> {
    let drawn = draw().ok_or(RingError::NoEntropy)?;
    Ok(drawn.first_chunk().copied().unwrap_or_default())
}

/// The retention classes of what its agencies send and do.
fn classes(rulebook: &Rulebook) -> BTreeSet<RetentionClass> {
    let agencies = rulebook.registry().agencies();
    let kept = agencies.flat_map(|agency| &agency.retention);
    kept.map(|(_, kept)| RetentionClass::of(*kept))
        .chain([RetentionClass::PRIVATE])
        .collect()
}

/// Shows no key.
impl<V> std::fmt::Debug for RingKeeper<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingKeeper({})", self.place.display())
    }
}
