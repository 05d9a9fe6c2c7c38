//! Keyed digests: equal values have equal digests, and a reader of the disk cannot guess a value.
//!
//! HMAC-SHA-256 cut to 16 bytes, under a key derived from the master key, over a label that says what for.

use aws_lc_rs::hmac;

use crate::message::id::KeyedDigest;

/// The key under which values are digested.
pub(super) struct DigestKey(hmac::Key);

impl DigestKey {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The digest of a value in parts; where one part ends is part of the value. A value has another
    /// digest for each label.
    pub(super) fn digest(&self, label: &str, parts: &[&[u8]]) -> KeyedDigest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(&label.as_bytes()).chain(parts) {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let mut cut = [0; 16];
        cut.iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        KeyedDigest(cut)
    }
}

/// Shows no key.
impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Epoch, Keys, Ring, SharedRing};

    #[test]
    fn a_digest_depends_on_value_parts_and_label_and_on_nothing_else() {
        let keys = |epoch| {
            let epoch = Epoch::new(epoch).unwrap();
            let ring = SharedRing::new(Ring::new([3; 32], [0; 32]));
            Keys::derive_in(epoch, ring, std::iter::empty())
        };
        let digest = |label, parts: &[&[u8]]| keys(0).digest(label, parts);
        let first = digest("id", &[b"ab", b"c"]);
        assert_eq!(first, keys(5).digest("id", &[b"ab", b"c"]));
        for other in [
            digest("id", &[b"a", b"bc"]),
            digest("id", &[b"abc"]),
            digest("content", &[b"ab", b"c"]),
        ] {
            assert_ne!(first, other);
        }
    }
}
