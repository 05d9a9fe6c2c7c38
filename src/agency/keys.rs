//! Keys: one master key outside the data folder, everything else derived from it.
//!
//! ```text
//! MasterKey ─HKDF─► Keys of an epoch: a pair for each unit (reference tokens, ids of deliveries)
//!                                 └► DigestKey of a period
//!           └─────► KeyCheck, which the log's first record has
//! ```
//! Derivation is HKDF-SHA-256: extracted once with a salt of this product, expanded with a purpose
//! and its context, each part with its length before it, so that no two contexts give one key.
//! Randomness is an argument. Nothing here is written anywhere but by [`MasterKey::to_file`].
//!
//! Payload frames have their layout in `frame`.

mod delivery;
mod digest;
mod frame;
mod master;
mod sealed;
mod token;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

pub use delivery::Delivered;
pub use digest::{DigestKey, Period};
pub use frame::{BadFrame, RetentionClass, frame_class, open_frame, seal_frame};
pub use master::{BadMasterKey, KeyCheck, MasterKey};
pub use token::Token;

use self::sealed::{Sealed, SealingKey};
use crate::message::id::{KeyedDigest, UnitId};

/// The salt of the extraction: separates this product's keys from any other use of the same bytes.
const SALT: &[u8] = b"carnet master key 1";

/// How often keys were rotated: 0 for the first, at most 1023.
///
/// Tokens and ids carry it, so that those of an earlier epoch still open after a rotation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u16);

impl Epoch {
    /// The first.
    pub const FIRST: Self = Self(0);

    /// `None` beyond 1023.
    pub const fn new(number: u16) -> Option<Self> {
        if number < 1024 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The keys in use: of every unit of a rulebook, and of the digests. Share them behind an `Arc`.
pub struct Keys {
    root: hkdf::Prk,
    epoch: Epoch,
    units: BTreeMap<UnitId, UnitKeys>,
    always: DigestKey,
}

/// What one unit's tokens and ids are sealed with, in the epoch of the keys.
struct UnitKeys {
    token: SealingKey,
    delivery: SealingKey,
}

const TOKEN: &[u8] = b"token";
const DELIVERY: &[u8] = b"delivery";

impl Keys {
    /// Derives the keys of these units in the first epoch.
    pub fn derive<'u>(master: &MasterKey, units: impl Iterator<Item = &'u UnitId>) -> Self {
        Self::derive_in(Epoch::FIRST, master, units)
    }

    /// Derives the keys of these units; tokens and ids are sealed in `epoch` and opened in all.
    pub fn derive_in<'u>(
        epoch: Epoch,
        master: &MasterKey,
        units: impl Iterator<Item = &'u UnitId>,
    ) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(master.bytes());
        let keys = |unit: &UnitId| UnitKeys {
            token: sealing_key(&root, TOKEN, epoch, unit),
            delivery: sealing_key(&root, DELIVERY, epoch, unit),
        };
        let units = units.map(|unit| (unit.clone(), keys(unit))).collect();
        let always = digest_key(&root, Period::ALWAYS);
        Self {
            root,
            epoch,
            units,
            always,
        }
    }

    /// A keyed digest of parts that is the same whenever it is made, each label another.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> KeyedDigest {
        self.always.digest(label, parts)
    }

    /// The key under which values are digested in `period`.
    pub fn digests(&self, period: Period) -> DigestKey {
        digest_key(&self.root, period)
    }

    /// Opens what was sealed for `unit` in whatever epoch.
    fn open<const N: usize>(
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
            self.epoch.0
        )
    }
}

fn sealing_key(root: &hkdf::Prk, purpose: &[u8], epoch: Epoch, unit: &UnitId) -> SealingKey {
    let unit = unit.to_string();
    SealingKey(derive(
        root,
        &[purpose, &epoch.0.to_be_bytes(), unit.as_bytes()],
    ))
}

fn digest_key(root: &hkdf::Prk, period: Period) -> DigestKey {
    let key: Zeroizing<[u8; 32]> = derive(root, &[b"digest", &period.number().to_be_bytes()]);
    DigestKey::new(key.as_slice())
}

/// The length of a derived key, as aws-lc-rs asks for it.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand with a purpose and its context, each part with its length before it.
fn derive<const N: usize>(root: &hkdf::Prk, parts: &[&[u8]]) -> Zeroizing<[u8; N]> {
    let mut info = Vec::new();
    for part in parts {
        info.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        info.extend_from_slice(part);
    }
    let mut key = Zeroizing::new([0; N]);
    let info = [info.as_slice()];
    let filled = root
        .expand(&info, Length(N))
        .and_then(|okm| okm.fill(key.as_mut_slice()));
    // Only a length beyond 8,160 bytes can fail; going on would seal under a key of zeros.
    assert!(filled.is_ok(), "a key of {N} bytes could not be derived");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(fill: u8, epoch: u16, unit: &str) -> Keys {
        let unit = unit.parse().unwrap();
        let units = std::iter::once(&unit);
        Keys::derive_in(
            Epoch::new(epoch).unwrap(),
            &MasterKey::new([fill; 32]),
            units,
        )
    }

    fn only(keys: &Keys) -> &UnitKeys {
        keys.units.values().next().unwrap()
    }

    #[test]
    fn a_key_is_rfc_5869_over_the_documented_context() {
        // HKDF by its definition from HMAC, so that another implementation can open what we seal.
        let hmac = |key: &[u8], parts: &[&[u8]]| {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
            aws_lc_rs::hmac::sign(&key, &parts.concat())
                .as_ref()
                .to_vec()
        };
        let root = hmac(b"carnet master key 1", &[&[7; 32]]);
        let info = b"\0\0\0\0\0\0\0\x05token\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\x0bpolice/main";
        let first = hmac(&root, &[info, &[1]]);
        let second = hmac(&root, &[&first, info, &[2]]);
        let keys = keys(7, 0, "police/main");
        assert_eq!(only(&keys).token.0.as_slice(), [first, second].concat());
    }

    #[test]
    fn keys_differ_by_purpose_unit_epoch_and_master() {
        let first = keys(1, 0, "police/main");
        let bytes = |key: &SealingKey| key.0.to_vec();
        let others = [
            bytes(&only(&first).delivery),
            bytes(&only(&keys(1, 0, "police/other")).token),
            bytes(&only(&keys(1, 1, "police/main")).token),
            bytes(&only(&keys(2, 0, "police/main")).token),
        ];
        assert!(
            others
                .iter()
                .all(|other| *other != bytes(&only(&first).token))
        );
        assert_eq!(Epoch::new(1024), None);
    }

    #[test]
    fn a_unit_that_is_not_in_the_rulebook_has_no_keys() {
        let (police, post) = (keys(1, 0, "police/main"), "post/main".parse().unwrap());
        let token = Token {
            kind: "s10".to_owned(),
            originator: "post".parse().unwrap(),
            value: "CP618402774XA".to_owned(),
        };
        assert_eq!(police.seal_token(&post, &token), None);
        let delivered = Delivered {
            exchange: crate::message::id::ExchangeId([1; 16]),
            address: 1,
            sender: post.clone(),
        };
        assert_eq!(police.seal_delivery(&post, &delivered), None);
    }

    #[test]
    fn nothing_shows_a_key() {
        let master = MasterKey::new([0xab; 32]);
        let shown = format!("{master:?} {:?}", keys(0xab, 0, "post/main"));
        assert_eq!(shown, "MasterKey(..) Keys(1 units, epoch 0)");
    }
}
