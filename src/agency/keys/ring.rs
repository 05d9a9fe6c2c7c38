//! The key ring: the keys that what is confidential is sealed under, and what they are made from.
//!
//! ```text
//! ring ── root ──────────────────────────► keys of units and digests (HKDF, as in `derive`)
//!      └─ key of a class and a period ─► hour key ─► key of one part of one message
//!                                HMAC: "hour", hour u32     HMAC: "part", id 16, part u8
//! ```
//! Numbers in an HMAC are big-endian. A key of the ring is 32 random octets for one retention class and
//! one period of thirty days, so that a class of a month is destroyed by its key. Every part of every
//! message has a key of its own that follows from it: nothing is kept for a message, and one can be
//! destroyed alone by keeping the keys of all others of its hour, and those of the hours beside it, in the
//! place of the ring's key. A key seals once, so its nonce is zero.
//!
//! [`KeyId`] is the number of the ring's key and the hour. Additional data is the part's number, id, class
//! and key id, as `Part` has them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::class::RetentionClass;
use super::derive::{KeyCheck, check};
use crate::message::id::ExchangeId;
use crate::message::time::Timestamp;

/// Hours of a period.
const PERIOD_HOURS: u32 = 30 * 24;
const HOUR_MS: i64 = 3_600_000;

/// A tag of AES-GCM.
pub(super) type Tag = [u8; 16];

/// Names the key of an hour: in the upper half the number of a key of the ring, from 1, in the lower
/// the hour, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyId(pub(super) u64);

impl KeyId {
    fn new(number: u32, hour: u32) -> Self {
        Self(u64::from(number) << 32 | u64::from(hour))
    }

    fn number(self) -> u64 {
        self.0 >> 32
    }

    fn hour(self) -> [u8; 4] {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        [a, b, c, d]
    }
}

/// A period of thirty days, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub(super) u32);

impl Period {
    /// The one of a time.
    pub fn of(at: Timestamp) -> Self {
        Self(hour_of(at).div_euclid(PERIOD_HOURS))
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

fn hour_of(at: Timestamp) -> u32 {
    let hours = at.as_millis().div_euclid(HOUR_MS).max(0);
    u32::try_from(hours).unwrap_or(u32::MAX)
}

/// A key of the ring.
#[derive(Clone)]
pub(super) struct ClassKey {
    pub(super) number: u32,
    pub(super) class: RetentionClass,
    pub(super) period: Period,
    pub(super) secret: Zeroizing<[u8; 32]>,
    prepared: hmac::Key,
}

impl ClassKey {
    pub(super) fn new(
        number: u32,
        class: RetentionClass,
        period: Period,
        secret: [u8; 32],
    ) -> Self {
        Self {
            number,
            class,
            period,
            secret: Zeroizing::new(secret),
            prepared: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        }
    }
}

/// The keys of one log. Shared as [`SharedRing`].
#[derive(Clone)]
pub struct Ring {
    pub(super) root: Zeroizing<[u8; 32]>,
    /// INVARIANT: by ascending numbers, and the first is there: it is for what has no key of its own.
    pub(super) keys: Vec<ClassKey>,
    /// Where a class's key of a period stands.
    newest: BTreeMap<(RetentionClass, Period), usize>,
}

impl Ring {
    /// A ring of these secrets: the root, and the first key, which is destroyed with no class.
    pub fn new(root: [u8; 32], first: [u8; 32]) -> Self {
        let first = ClassKey::new(1, RetentionClass::PRIVATE, Period(0), first);
        Self::of(root, vec![first])
    }

    pub(super) fn of(root: [u8; 32], keys: Vec<ClassKey>) -> Self {
        let places = keys
            .iter()
            .zip(0..)
            .map(|(key, at)| ((key.class, key.period), at));
        Self {
            root: Zeroizing::new(root),
            newest: places.collect(),
            keys,
        }
    }

    /// Whether it has a key for a class and a period.
    pub fn has(&self, class: RetentionClass, period: Period) -> bool {
        self.newest.contains_key(&(class, period))
    }

    /// This ring with one key more.
    #[must_use]
    pub fn with(mut self, class: RetentionClass, period: Period, secret: [u8; 32]) -> Self {
        let last = self.keys.last().map_or(0, |key| key.number);
        let key = ClassKey::new(last.saturating_add(1), class, period, secret);
        self.newest.insert((class, period), self.keys.len());
        self.keys.push(key);
        self
    }

    /// What tells the log of this ring from others, and nothing about a key.
    pub fn check(&self) -> KeyCheck {
        check(self.root.as_slice())
    }

    /// How what belongs to `id` is sealed at a time.
    pub fn sealing(&self, id: ExchangeId, now: Timestamp) -> Sealing<'_> {
        let hour = hour_of(now);
        Sealing {
            ring: self,
            id,
            hour,
        }
    }

    /// The key for a class: of this period or the last one that has one, else the first of all.
    fn for_class(&self, class: RetentionClass, period: Period) -> Option<&ClassKey> {
        let own = self.newest.range((class, Period(0))..=(class, period));
        let at = own.last().map_or(0, |(_, at)| *at);
        self.keys.get(at)
    }

    fn find(&self, key: KeyId) -> Option<&ClassKey> {
        let found = (self.keys).binary_search_by_key(&key.number(), |it| it.number.into());
        self.keys.get(found.ok()?)
    }

    /// Opens a part into `plain`, which has as many octets as `content`; none where its key is not
    /// here, or it is not what was sealed.
    pub(super) fn open(&self, part: &Part, sealed: (&[u8], &Tag), plain: &mut [u8]) -> Option<()> {
        let (content, tag) = sealed;
        let key = data_key(self.find(part.key)?, part)?;
        let aad = Aad::from(part.additional_data());
        key.open_separate_gather(nonce(), aad, content, tag, plain)
            .ok()
    }
}

/// Shows no key.
impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({} keys)", self.keys.len())
    }
}

/// The ring of a process: read by all who seal and open, replaced as a whole by the one who keeps its
/// file.
#[derive(Debug)]
pub struct SharedRing(ArcSwap<Ring>);

impl SharedRing {
    /// Shares a ring.
    pub fn new(ring: Ring) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(ring)))
    }

    /// The ring as it is now.
    pub fn get(&self) -> Guard<Arc<Ring>> {
        self.0.load()
    }

    /// Puts another in its place. What was sealed opens with both.
    pub fn put(&self, ring: Ring) {
        self.0.store(Arc::new(ring));
    }
}

/// What is sealed apart: which part of what, how long it is kept, under which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) id: ExchangeId,
    pub(super) number: u8,
    pub(super) class: RetentionClass,
    pub(super) key: KeyId,
}

impl Part {
    fn additional_data(&self) -> [u8; 27] {
        let (class, key) = (self.class.days().to_le_bytes(), self.key.0.to_le_bytes());
        let parts = std::iter::once(self.number).chain(self.id.0);
        let mut out = [0; 27];
        let parts = parts.chain(class).chain(key);
        out.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        out
    }
}

/// How what belongs to one message is sealed: by its id, in an hour, under the keys of a ring. An id is
/// drawn for each: sealed twice, a part would have its key and nonce twice.
#[derive(Debug, Clone, Copy)]
pub struct Sealing<'r> {
    ring: &'r Ring,
    pub(super) id: ExchangeId,
    hour: u32,
}

impl Sealing<'_> {
    /// Seals a part in its place, and gives the part and its tag.
    pub(super) fn seal(
        &self,
        number: u8,
        class: RetentionClass,
        content: &mut [u8],
    ) -> (KeyId, Tag) {
        let period = Period(self.hour.div_euclid(PERIOD_HOURS));
        let class_key = self.ring.for_class(class, period);
        let sealed = class_key.and_then(|class_key| {
            let part = Part {
                id: self.id,
                number,
                class,
                key: KeyId::new(class_key.number, self.hour),
            };
            let aad = Aad::from(part.additional_data());
            let key = data_key(class_key, &part)?;
            let tag = key.seal_in_place_separate_tag(nonce(), aad, content);
            Some((part.key, *tag.ok()?.as_ref().first_chunk()?))
        });
        // A ring has its first key, and AES-GCM seals up to 64 GiB: going on would store in clear.
        assert!(sealed.is_some(), "a part could not be sealed");
        sealed.unwrap_or((KeyId(0), [0; 16]))
    }
}

/// The key of one part.
fn data_key(class_key: &ClassKey, part: &Part) -> Option<LessSafeKey> {
    let hour = mac(&class_key.prepared, &[b"hour", &part.key.hour()]);
    let hour = hmac::Key::new(hmac::HMAC_SHA256, hour.as_ref());
    let key = mac(&hour, &[b"part", &part.id.0, &[part.number]]);
    let key = UnboundKey::new(&AES_256_GCM, key.as_ref());
    key.ok().map(LessSafeKey::new)
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// A key seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ExchangeId = ExchangeId([0xee; 16]);
    const YEAR: RetentionClass = RetentionClass::days_of(365);

    fn at(hours: u32) -> Timestamp {
        Timestamp::from_millis(i64::from(hours) * HOUR_MS)
    }

    fn sealed(ring: &Ring, id: ExchangeId, hours: u32) -> (Part, Vec<u8>, Tag) {
        let mut content = b"content".to_vec();
        let (key, tag) = ring.sealing(id, at(hours)).seal(1, YEAR, &mut content);
        let part = Part {
            id,
            number: 1,
            class: YEAR,
            key,
        };
        (part, content, tag)
    }

    fn open(ring: &Ring, part: &Part, content: &[u8], tag: &Tag) -> Option<Vec<u8>> {
        let mut plain = vec![0; content.len()];
        ring.open(part, (content, tag), &mut plain)?;
        Some(plain)
    }

    #[test]
    fn a_part_is_sealed_as_other_software_computes_it() {
        let ring = Ring::new([1; 32], [2; 32]).with(YEAR, Period(1), [3; 32]);
        let (part, content, tag) = sealed(&ring, ID, 721);
        assert_eq!(part.key.0, 0x2_0000_02d1);
        // Python: h = hmac(b"\x03"*32, b"hour"+(721).to_bytes(4,"big")), k = hmac(h, b"part"+id+b"\x01"),
        // cryptography's AESGCM(k).encrypt(bytes(12), b"content", aad)
        let hex = data_encoding::HEXLOWER.encode(&[&content[..], &tag].concat());
        assert_eq!(hex, "7d58f8a8646ba2b2975765ceee7b41b0bb46ca20e5cb8f");
    }

    #[test]
    fn a_part_opens_as_what_it_is_and_with_its_ring_alone() {
        let ring = Ring::new([1; 32], [2; 32]);
        let (part, content, tag) = sealed(&ring, ID, 5);
        assert_eq!(open(&ring, &part, &content, &tag).unwrap(), b"content");
        let more = ring.clone().with(YEAR, Period(0), [9; 32]);
        assert_eq!(open(&more, &part, &content, &tag).unwrap(), b"content");
        let other = Ring::new([1; 32], [7; 32]);
        assert_eq!(open(&other, &part, &content, &tag), None);
        let others = [
            Part {
                id: ExchangeId([0; 16]),
                ..part
            },
            Part { number: 2, ..part },
            Part {
                class: RetentionClass::PRIVATE,
                ..part
            },
            Part {
                key: KeyId::new(1, 6),
                ..part
            },
            Part {
                key: KeyId::new(2, 5),
                ..part
            },
        ];
        for other in others {
            assert_eq!(open(&more, &other, &content, &tag), None, "{other:?}");
        }
    }

    #[test]
    fn a_class_has_its_key_of_the_period_or_the_last_and_else_the_first_of_all() {
        let ring = Ring::new([1; 32], [2; 32]);
        let ring = ring
            .with(YEAR, Period(1), [3; 32])
            .with(YEAR, Period(2), [4; 32]);
        for (hours, number) in [
            (0, 1),
            (719, 1),
            (720, 2),
            (1439, 2),
            (1440, 3),
            (99_999, 3),
        ] {
            assert_eq!(sealed(&ring, ID, hours).0.key, KeyId::new(number, hours));
        }
        assert!(ring.has(YEAR, Period::of(at(720))) && !ring.has(YEAR, Period(0)));
    }

    #[test]
    fn equal_content_of_two_messages_is_sealed_into_nothing_equal() {
        let ring = Ring::new([1; 32], [2; 32]);
        let one = sealed(&ring, ID, 5);
        for other in [sealed(&ring, ExchangeId([1; 16]), 5), sealed(&ring, ID, 6)] {
            assert_ne!(one.1, other.1);
            assert_ne!(one.2, other.2);
        }
    }
}
