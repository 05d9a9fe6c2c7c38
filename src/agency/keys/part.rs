//! Sealed parts: what of a record only those may read who are entitled, as the record holds it.
//!
//! ```text
//! class u16 | key id u64 | length u32 | content | tag 16
//! ```
//! Numbers are little endian. How it is sealed stands in `ring`; its number as a part is 4. Key id 0
//! means in clear, as it is in memory once it was opened: the tag is zero.

use super::class::RetentionClass;
use super::ring::{KeyId, Part, Ring, Sealing};
use crate::message::id::ExchangeId;

/// The tag of what is in clear.
const NO_TAG: [u8; 16] = [0; 16];

/// The number of the part of a record, beside those of a frame.
const NUMBER: u8 = 4;

/// A part under a key of its own, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPart {
    class: RetentionClass,
    /// The key; 0 for none.
    key: KeyId,
    content: Vec<u8>,
    tag: [u8; 16],
}

/// A part that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPart {
    /// In clear, and with a tag.
    #[error("a part in clear has a tag: it is damaged")]
    Tagged,
    /// Sealed under a key that this process does not have.
    #[error("a part is sealed under a key that is not here")]
    NoKey,
}

impl SealedPart {
    /// Content in clear.
    pub fn in_clear(content: Vec<u8>) -> Self {
        Self {
            class: RetentionClass::PRIVATE,
            key: KeyId(0),
            content,
            tag: NO_TAG,
        }
    }

    /// Content, sealed.
    pub fn new(sealing: &Sealing<'_>, class: RetentionClass, mut content: Vec<u8>) -> Self {
        let (key, tag) = sealing.seal(NUMBER, class, &mut content);
        Self {
            class,
            key,
            content,
            tag,
        }
    }

    /// What was written: class, key id, content and tag.
    ///
    /// # Errors
    /// Where it is in clear, and its tag is not zero.
    pub fn of(
        class: RetentionClass,
        key: u64,
        content: Vec<u8>,
        tag: [u8; 16],
    ) -> Result<Self, BadPart> {
        if key == 0 && tag != NO_TAG {
            return Err(BadPart::Tagged);
        }
        Ok(Self {
            class,
            key: KeyId(key),
            content,
            tag,
        })
    }

    /// A part that does not open: as it is for readers who have no right to its content.
    pub const fn closed() -> Self {
        Self {
            class: RetentionClass::PRIVATE,
            key: KeyId(u64::MAX),
            content: Vec::new(),
            tag: NO_TAG,
        }
    }

    /// This part, which belongs to `id`, in clear; as it is where its key is not in the ring.
    #[must_use]
    pub fn opened(&self, ring: &Ring, id: ExchangeId) -> Self {
        let part = Part {
            id,
            number: NUMBER,
            class: self.class,
            key: self.key,
        };
        let mut plain = vec![0; self.content.len()];
        match ring.open(&part, (&self.content, &self.tag), &mut plain) {
            Some(()) => Self::in_clear(plain),
            None => self.clone(),
        }
    }

    /// The content, where it was opened.
    ///
    /// # Errors
    /// Where it is sealed.
    pub fn content(&self) -> Result<&[u8], BadPart> {
        match self.key {
            KeyId(0) => Ok(&self.content),
            KeyId(_) => Err(BadPart::NoKey),
        }
    }

    /// How long it is kept.
    pub fn class(&self) -> RetentionClass {
        self.class
    }

    /// The key's id, 0 for none.
    pub fn key(&self) -> u64 {
        self.key.0
    }

    /// The content as it stands on disk.
    pub fn sealed(&self) -> &[u8] {
        &self.content
    }

    /// The tag.
    pub fn tag(&self) -> &[u8; 16] {
        &self.tag
    }
}

/// Nothing, in clear.
impl Default for SealedPart {
    fn default() -> Self {
        Self::in_clear(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::time::Timestamp;

    #[test]
    fn a_part_opens_for_what_it_belongs_to_and_else_stays_as_it_is() {
        let (ring, id) = (Ring::new([1; 32], [2; 32]), ExchangeId([7; 16]));
        let sealing = ring.sealing(id, Timestamp::default());
        let part = SealedPart::new(&sealing, RetentionClass::days_of(9), b"a name".to_vec());
        assert_eq!(part.content(), Err(BadPart::NoKey));
        assert!(!part.sealed().windows(4).any(|octets| octets == b"name"));
        assert_eq!(part.opened(&ring, id).content(), Ok(&b"a name"[..]));
        let other = Ring::new([1; 32], [3; 32]);
        for still in [
            part.opened(&other, id),
            part.opened(&ring, ExchangeId([8; 16])),
        ] {
            assert_eq!(still, part);
        }
    }
}
