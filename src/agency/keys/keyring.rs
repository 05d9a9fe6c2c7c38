//! The keys in use, derived for the units of a rulebook.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::Guard;
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::derive::{derive, root};
use super::digest::DigestKey;
use super::ring::{Ring, SharedRing};
use super::sealed::{Epoch, Sealed, SealingKey};
use crate::message::id::{KeyedDigest, UnitId};

/// The keys in use: of every unit of a rulebook, of the digests, and of what is sealed. Share them behind
/// an `Arc`.
pub struct Keys {
    root: hkdf::Prk,
    pub(super) epoch: Epoch,
    pub(super) units: BTreeMap<UnitId, UnitKeys>,
    always: DigestKey,
    ring: Arc<SharedRing>,
}

/// What one unit's tokens and ids are sealed with, in the epoch of the keys.
pub(super) struct UnitKeys {
    pub(super) token: SealingKey,
    pub(super) delivery: SealingKey,
}

pub(super) const TOKEN: &[u8] = b"token";
pub(super) const DELIVERY: &[u8] = b"delivery";

impl Keys {
    /// Derives the keys of these units in the first epoch.
    pub fn derive<'u>(ring: Arc<SharedRing>, units: impl Iterator<Item = &'u UnitId>) -> Self {
        Self::derive_in(Epoch::FIRST, ring, units)
    }

    /// Derives the keys of these units; tokens and ids are sealed in `epoch` and opened in all.
    pub fn derive_in<'u>(
        epoch: Epoch,
        ring: Arc<SharedRing>,
        units: impl Iterator<Item = &'u UnitId>,
    ) -> Self {
        let root = root(ring.get().root.as_slice());
        let keys = |unit: &UnitId| UnitKeys {
            token: sealing_key(&root, TOKEN, epoch, unit),
            delivery: sealing_key(&root, DELIVERY, epoch, unit),
        };
        let units = units.map(|unit| (unit.clone(), keys(unit))).collect();
        let always = digest_key(&root);
        Self {
            root,
            epoch,
            units,
            always,
            ring,
        }
    }

    /// The ring, which what is confidential is sealed and opened with.
    pub fn ring(&self) -> Guard<Arc<Ring>> {
        self.ring.get()
    }

    /// A keyed digest of parts that is the same whenever it is made, each label another.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> KeyedDigest {
        self.always.digest(label, parts)
    }

    /// The digest by which a message is known that `unit` sent under this id.
    pub fn of_message(&self, unit: &UnitId, message_id: &str) -> KeyedDigest {
        let unit = unit.to_string();
        self.digest("message_id", &[unit.as_bytes(), message_id.as_bytes()])
    }

    /// The digest by which an identifier is found: of its kind and value alone, whatever else tells
    /// equal ones apart.
    pub fn of_identifier(&self, kind: &str, value: &str) -> KeyedDigest {
        self.digest("key", &[kind.as_bytes(), value.as_bytes()])
    }

    /// Opens what was sealed for `unit` in whatever epoch.
    pub(super) fn open<const N: usize>(
        &self,
        purpose: &[u8],
        unit: &UnitId,
        sealed: &Sealed<'_>,
    ) -> Option<[Vec<u8>; N]> {
        let keys = self.units.get(unit)?;
        if sealed.epoch == self.epoch {
            let key = if purpose == TOKEN {
                &keys.token
            } else {
                &keys.delivery
            };
            return key.open(sealed);
        }
        sealing_key(&self.root, purpose, sealed.epoch, unit).open(sealed)
    }
}

/// Shows no key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Keys({} units, epoch {})",
            self.units.len(),
            self.epoch.number()
        )
    }
}

fn sealing_key(root: &hkdf::Prk, purpose: &[u8], epoch: Epoch, unit: &UnitId) -> SealingKey {
    let unit = unit.to_string();
    SealingKey(derive(
        root,
        &[purpose, &epoch.number().to_be_bytes(), unit.as_bytes()],
    ))
}

fn digest_key(root: &hkdf::Prk) -> DigestKey {
    let key: Zeroizing<[u8; 32]> = derive(root, &[b"digest", &0_u32.to_be_bytes()]);
    DigestKey::new(key.as_slice())
}
