//! HKDF-SHA-256: how each key is made of the master key.

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

/// The salt of the extraction: separates this product's keys from any other use of the same bytes.
const SALT: &[u8] = b"carnet master key 1";

/// Derived from a secret, to tell it from others: the log says so with which key ring it was begun, and
/// the ring which master keys open it. No key follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCheck(pub [u8; 16]);

/// The length of a derived key, as aws-lc-rs asks for it.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Extract of the master key's octets: the root of all keys.
pub(super) fn root(master: &[u8]) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(master)
}

/// HKDF-Expand with a purpose and its context, each part with its length before it.
pub(super) fn derive<const N: usize>(root: &hkdf::Prk, parts: &[&[u8]]) -> Zeroizing<[u8; N]> {
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

/// What tells a secret from another, and nothing about it.
pub(super) fn check(secret: &[u8]) -> KeyCheck {
    KeyCheck(*derive(&root(secret), &[b"check"]))
}
