//! The file of the key ring: the ring, sealed under a key that each master key of the ring opens.
//!
//! ```text
//! carnet key ring 1\n | slots u8, at least 1 | slots | nonce 12 | length u32 | sealed ring | tag 16
//! slot   check of a master key 16 | nonce 12 | sealed ring key 32 | tag 16
//! ring   root 32 | keys u32, at least 1 | keys
//! key    number u32, ascending | class u16 | period u32 | secret 32
//! ```
//! Numbers are little endian, all is AES-256-GCM. The first line and, of a slot, its check are
//! additional data. A master key's slot is sealed under HKDF of it with the purpose `ring`. While a
//! master key takes another's place there are slots of both, so that at no time the file of one of them
//! decides whether the ring opens.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::class::RetentionClass;
use super::derive::{KeyCheck, derive, root};
use super::master::MasterKey;
use super::ring::{ClassKey, Period, Ring, Tag};

const HEADER: &[u8] = b"carnet key ring 1\n";
const SLOT_BYTES: usize = 16 + 12 + 32 + 16;
const KEY_BYTES: usize = 4 + 2 + 4 + 32;

/// Why a ring does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRing {
    /// None of its slots is this master key's.
    #[error(
        "the key ring is sealed under another master key; give the broker that one, or its copy (setting master_key)"
    )]
    OtherMaster,
    /// It is not what was written.
    #[error("the key ring is damaged, or written by another release; restore it from its copy")]
    Damaged,
}

/// The key of a ring's file, and by which master keys it is found.
pub struct Lock {
    key: Zeroizing<[u8; 32]>,
    slots: Vec<Slot>,
}

/// The key of a ring's file, sealed under a master key.
#[derive(Clone)]
struct Slot {
    check: KeyCheck,
    octets: [u8; SLOT_BYTES],
}

impl Lock {
    /// A lock of drawn octets that a master key opens.
    pub fn new(key: [u8; 32], master: &MasterKey, nonce: [u8; 12]) -> Self {
        let key = Zeroizing::new(key);
        let slots = Vec::new();
        Self { key, slots }.and(master, nonce)
    }

    /// This lock, which another master key opens as well.
    #[must_use]
    pub fn and(mut self, master: &MasterKey, nonce: [u8; 12]) -> Self {
        let check = master.key_check();
        let mut sealed = Zeroizing::new(self.key.to_vec());
        let tag = seal(&slot_key(master), nonce, &[HEADER, &check.0], &mut sealed);
        let mut octets = [0; SLOT_BYTES];
        let parts = [&check.0[..], &nonce, &sealed, &tag].concat();
        octets
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = from);
        self.slots.retain(|slot| slot.check != check);
        self.slots.push(Slot { check, octets });
        self
    }

    /// This lock, which no other master key opens than this one.
    #[must_use]
    pub fn only(mut self, master: &MasterKey) -> Self {
        let check = master.key_check();
        self.slots.retain(|slot| slot.check == check);
        self
    }

    /// How many master keys open it.
    pub fn masters(&self) -> usize {
        self.slots.len()
    }

    /// The octets of the file of a ring. A nonce is drawn for each.
    pub fn lock(&self, ring: &Ring, nonce: [u8; 12]) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        out.push(u8::try_from(self.slots.len()).unwrap_or(u8::MAX));
        self.slots.iter().for_each(|slot| out.extend(slot.octets));
        let mut plain = Zeroizing::new(octets_of(ring));
        let tag = seal(&self.key, nonce, &[HEADER], &mut plain);
        out.extend(nonce);
        out.extend(u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(plain.iter());
        out.extend(tag);
        out
    }

    /// Opens the file of a ring.
    ///
    /// # Errors
    /// [`BadRing`] where it does not open.
    pub fn open(master: &MasterKey, file: &[u8]) -> Result<(Self, Ring), BadRing> {
        let (slots, rest) = split(file).ok_or(BadRing::Damaged)?;
        let check = master.key_check();
        let own = slots.iter().find(|slot| slot.check == check);
        let own = own.ok_or(BadRing::OtherMaster)?;
        let opened = || {
            let (_, sealed) = own.octets.split_first_chunk::<16>()?;
            let key = open(&slot_key(master), &[HEADER, &check.0], sealed)?;
            let key = Zeroizing::new(<[u8; 32]>::try_from(key.as_slice()).ok()?);
            let (nonce, rest) = rest.split_first_chunk::<12>()?;
            let (length, sealed) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            (sealed.len() == length.checked_add(16)?).then_some(())?;
            let ring = open(&key, &[HEADER], &[&nonce[..], sealed].concat())?;
            Some((key, ring_of(&ring)?))
        };
        let (key, ring) = opened().ok_or(BadRing::Damaged)?;
        Ok((Self { key, slots }, ring))
    }
}

fn slot_key(master: &MasterKey) -> Zeroizing<[u8; 32]> {
    derive(&root(master.bytes()), &[b"ring"])
}

fn split(file: &[u8]) -> Option<(Vec<Slot>, &[u8])> {
    let (count, mut rest) = file.strip_prefix(HEADER)?.split_first()?;
    let mut slots = Vec::new();
    for _ in 0..*count {
        let (octets, behind) = rest.split_first_chunk::<SLOT_BYTES>()?;
        let check = KeyCheck(*octets.first_chunk()?);
        let octets = *octets;
        slots.push(Slot { check, octets });
        rest = behind;
    }
    Some((slots, rest))
}

fn octets_of(ring: &Ring) -> Vec<u8> {
    let mut out = ring.root.to_vec();
    out.extend(
        u32::try_from(ring.keys.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    for key in &ring.keys {
        out.extend(key.number.to_le_bytes());
        out.extend(key.class.days().to_le_bytes());
        out.extend(key.period.0.to_le_bytes());
        out.extend(key.secret.iter());
    }
    out
}

fn ring_of(octets: &[u8]) -> Option<Ring> {
    let (root, rest) = octets.split_first_chunk::<32>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (keys, []) = rest.as_chunks::<KEY_BYTES>() else {
        return None;
    };
    let keys: Vec<ClassKey> = keys.iter().map(key_of).collect::<Option<_>>()?;
    let is_whole = u32::try_from(keys.len()) == Ok(u32::from_le_bytes(*count));
    let is_sorted = keys.is_sorted_by(|a, b| a.number < b.number);
    let has_first = keys.first().is_some_and(|key| key.number == 1);
    (is_whole && is_sorted && has_first).then(|| Ring::of(*root, keys))
}

fn key_of(octets: &[u8; KEY_BYTES]) -> Option<ClassKey> {
    let (number, rest) = octets.split_first_chunk()?;
    let (class, rest) = rest.split_first_chunk()?;
    let (period, secret) = rest.split_first_chunk()?;
    let class = RetentionClass::days_of(u16::from_le_bytes(*class));
    let period = Period(u32::from_le_bytes(*period));
    let number = u32::from_le_bytes(*number);
    Some(ClassKey::new(
        number,
        class,
        period,
        secret.try_into().ok()?,
    ))
}

/// Seals in place, and gives the tag.
fn seal(key: &[u8; 32], nonce: [u8; 12], aad: &[&[u8]], content: &mut [u8]) -> Tag {
    let sealed = cipher(key).and_then(|key| {
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(aad.concat()));
        let tag = key.seal_in_place_separate_tag(nonce, aad, content).ok()?;
        tag.as_ref().first_chunk().copied()
    });
    // AES-256 takes keys of 32 octets, and GCM seals up to 64 GiB: going on would write keys in clear.
    assert!(sealed.is_some(), "a key ring could not be sealed");
    sealed.unwrap_or_default()
}

/// Opens `nonce | content | tag`.
fn open(key: &[u8; 32], aad: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<12>()?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    let (nonce, aad) = (
        Nonce::assume_unique_for_key(*nonce),
        Aad::from(aad.concat()),
    );
    let opened = cipher(key)?.open_in_place(nonce, aad, &mut plain).ok()?;
    let length = opened.len();
    plain.truncate(length);
    Some(plain)
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key)
        .ok()
        .map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Ring {
        let year = RetentionClass::days_of(365);
        Ring::new([1; 32], [2; 32]).with(year, Period(7), [3; 32])
    }

    fn master(fill: u8) -> MasterKey {
        MasterKey::new([fill; 32])
    }

    fn opened(key: u8, file: &[u8]) -> Result<Vec<u8>, BadRing> {
        Lock::open(&master(key), file).map(|(_, ring)| octets_of(&ring))
    }

    #[test]
    fn a_ring_opens_with_each_of_its_master_keys_and_with_no_other() {
        let lock = Lock::new([9; 32], &master(5), [1; 12]);
        let file = lock.lock(&ring(), [2; 12]);
        assert_eq!(opened(5, &file), Ok(octets_of(&ring())));
        assert_eq!(opened(6, &file), Err(BadRing::OtherMaster));
        let (first, same) = Lock::open(&master(5), &file).unwrap();
        let both = first.and(&master(6), [3; 12]);
        let file = both.lock(&same, [4; 12]);
        assert_eq!(opened(5, &file), Ok(octets_of(&ring())));
        assert_eq!(opened(6, &file), Ok(octets_of(&ring())));
        let only = both.only(&master(6));
        let file = only.lock(&same, [5; 12]);
        assert_eq!(
            (opened(5, &file), only.masters()),
            (Err(BadRing::OtherMaster), 1)
        );
        assert_eq!(opened(6, &file), Ok(octets_of(&ring())));
    }

    #[test]
    fn a_file_that_is_cut_longer_or_changed_does_not_open_and_holds_no_key() {
        let file = Lock::new([9; 32], &master(5), [0xa1; 12]).lock(&ring(), [0xa2; 12]);
        for cut in 0..file.len() {
            assert!(opened(5, &file[..cut]).is_err(), "{cut}");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(5, &changed).is_err(), "octet {at}");
        }
        assert!(opened(5, &[&file[..], b"x"].concat()).is_err());
        for secret in [[1; 8], [2; 8], [3; 8], [9; 8], [5; 8]] {
            assert!(!file.windows(8).any(|octets| octets == secret));
        }
    }
}
