//! Keyed digests: equal values have equal digests, and a reader of the disk cannot guess a value.
//!
//! HMAC-SHA-256 cut to 16 bytes, under a key of a period, over a label that says what for. The period's key is derived
//! from the master key; that digests end with their period needs keys that can be destroyed, which
//! come with erasure.

use aws_lc_rs::hmac;

use crate::message::id::KeyedDigest;
use crate::message::time::Timestamp;

/// A month, for which one digest key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(u32);

impl Period {
    /// The one period of what must be found whenever it was written.
    pub const ALWAYS: Self = Self(0);

    /// The month of an instant, in UTC. A search across the edge of a month asks for the digest of the month before too.
    pub fn of(at: Timestamp) -> Self {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        let date = instant.to_zoned(jiff::tz::TimeZone::UTC).date();
        let months = i32::from(date.year()) * 12 + i32::from(date.month());
        Self(u32::try_from(months).unwrap_or(0))
    }

    /// The month before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Its number: years times twelve, and months from 1.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The key of a period.
pub struct DigestKey(hmac::Key);

impl DigestKey {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The digest of a value in parts; where one part ends is part of the value. A value has another
    /// digest for each label.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> KeyedDigest {
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
    use super::super::{Epoch, Keys, MasterKey};
    use super::*;

    #[test]
    fn a_digest_depends_on_value_parts_label_and_period_and_on_nothing_else() {
        let keys = |epoch| {
            let epoch = Epoch::new(epoch).unwrap();
            Keys::derive_in(epoch, &MasterKey::new([3; 32]), std::iter::empty())
        };
        let at = |text| Period::of(Timestamp::from_rfc3339(text).unwrap());
        let (march, april) = (at("2026-03-31T23:59:59Z"), at("2026-04-01T00:00:00Z"));
        assert_eq!(april.before(), march);
        assert_eq!(
            at("2026-01-01T00:00:00Z").before(),
            at("2025-12-31T00:00:00Z")
        );
        let digest = |period, label, parts: &[&[u8]]| keys(0).digests(period).digest(label, parts);
        let first = digest(march, "id", &[b"ab", b"c"]);
        assert_eq!(first, keys(5).digests(march).digest("id", &[b"ab", b"c"]));
        for other in [
            digest(march, "id", &[b"a", b"bc"]),
            digest(march, "id", &[b"abc"]),
            digest(march, "content", &[b"ab", b"c"]),
            digest(april, "id", &[b"ab", b"c"]),
            keys(0).digest("id", &[b"ab", b"c"]),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(
            digest(Period::ALWAYS, "id", &[b"x"]),
            keys(5).digest("id", &[b"x"])
        );
    }
}
