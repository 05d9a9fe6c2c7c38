//! Keys: one master key outside the data folder, everything else derived from it.
//!
//! ```text
//! MasterKey ─HKDF─► Keys (an epoch) ─► UnitKeys      reference tokens, ids of deliveries
//!                                   └► DigestKey     keyed digests of a purpose and period
//! ```
//! Derivation is HKDF-SHA-256: extracted once with a salt of this product, expanded with a purpose
//! and its context, each part with its length before it, so that no two contexts give one key.
//! Randomness is an argument. Nothing here is written anywhere but by [`MasterKey::to_text`].
//!
//! Payload frames have their layout in [`frame`].

mod delivery;
mod digest;
pub mod frame;
mod master;
mod sealed;
mod token;

use std::fmt;

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

pub use digest::{DigestKey, DigestPurpose, Period};
pub use master::{BadMasterKey, MasterKey};
pub use token::Token;

use self::sealed::SealingKey;
use crate::message::id::UnitId;

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

/// All keys of a master key. Share it behind an `Arc`.
pub struct Keys {
    root: hkdf::Prk,
    epoch: Epoch,
}

impl Keys {
    /// The keys of `master`, sealing in `epoch`.
    pub fn new(master: &MasterKey, epoch: Epoch) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(master.bytes());
        Self { root, epoch }
    }

    /// The keys of one unit. Deriving takes microseconds: keep them as long as a connection lives.
    pub fn unit(&self, unit: &UnitId) -> UnitKeys {
        let (root, unit) = (self.root.clone(), unit.to_string());
        let token = SealingKey(derive(&root, TOKEN, &context(self.epoch, &unit)));
        let delivery = SealingKey(derive(&root, DELIVERY, &context(self.epoch, &unit)));
        UnitKeys {
            root,
            epoch: self.epoch,
            unit,
            token,
            delivery,
        }
    }

    /// The key under which values are digested for `purpose` in `period`.
    pub fn digests(&self, purpose: DigestPurpose, period: Period) -> DigestKey {
        let period = period.number().to_be_bytes();
        let key: Zeroizing<[u8; 32]> = derive(
            &self.root,
            b"digest",
            &[purpose.label().as_bytes(), &period],
        );
        DigestKey::new(key.as_slice())
    }
}

/// Shows no key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(epoch {})", self.epoch.0)
    }
}

const TOKEN: &[u8] = b"token";
const DELIVERY: &[u8] = b"delivery";

/// The keys of one unit: what they seal opens for this unit and for no other.
pub struct UnitKeys {
    root: hkdf::Prk,
    epoch: Epoch,
    unit: String,
    token: SealingKey,
    delivery: SealingKey,
}

impl UnitKeys {
    /// The key that sealed in another epoch.
    fn key_of(&self, purpose: &[u8], epoch: Epoch) -> SealingKey {
        SealingKey(derive(&self.root, purpose, &context(epoch, &self.unit)))
    }
}

/// Shows no key.
impl fmt::Debug for UnitKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitKeys({}, epoch {})", self.unit, self.epoch.0)
    }
}

fn context(epoch: Epoch, unit: &str) -> [Vec<u8>; 2] {
    [epoch.0.to_be_bytes().to_vec(), unit.as_bytes().to_vec()]
}

/// The length of a derived key, as aws-lc-rs asks for it.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand with a purpose and its context.
fn derive<const N: usize>(
    root: &hkdf::Prk,
    purpose: &[u8],
    context: &[impl AsRef<[u8]>],
) -> Zeroizing<[u8; N]> {
    let mut info = Vec::new();
    for part in std::iter::once(purpose).chain(context.iter().map(AsRef::as_ref)) {
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

    #[test]
    fn a_key_is_rfc_5869_over_the_documented_context() {
        // HKDF by its definition from HMAC, so that another implementation can open what we seal.
        let master = MasterKey::from_random([7; 32]);
        let keys = Keys::new(&master, Epoch::FIRST);
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
        let unit = keys.unit(&"police/main".parse().unwrap());
        assert_eq!(unit.token.0.as_slice(), [first, second].concat());
    }

    #[test]
    fn keys_differ_by_purpose_unit_epoch_and_master() {
        let unit = |name: &str| name.parse::<UnitId>().unwrap();
        let keys = |fill, epoch| {
            Keys::new(
                &MasterKey::from_random([fill; 32]),
                Epoch::new(epoch).unwrap(),
            )
        };
        let bytes = |key: &SealingKey| key.0.to_vec();
        let first = keys(1, 0).unit(&unit("police/main"));
        let others = [
            bytes(&first.delivery),
            bytes(&keys(1, 0).unit(&unit("police/other")).token),
            bytes(&keys(1, 1).unit(&unit("police/main")).token),
            bytes(&keys(2, 0).unit(&unit("police/main")).token),
        ];
        assert!(others.iter().all(|other| *other != bytes(&first.token)));
        assert_eq!(
            bytes(&first.key_of(TOKEN, Epoch::new(1).unwrap())),
            others[2]
        );
        assert_eq!(Epoch::new(1024), None);
    }

    #[test]
    fn nothing_shows_a_key() {
        let master = MasterKey::from_random([0xab; 32]);
        let keys = Keys::new(&master, Epoch::FIRST);
        let shown = format!(
            "{master:?} {keys:?} {:?}",
            keys.unit(&"post/main".parse().unwrap())
        );
        assert_eq!(
            shown,
            "MasterKey(..) Keys(epoch 0) UnitKeys(post/main, epoch 0)"
        );
    }
}
