//! Sealed parts: content under a key of its own, as records hold it.
//!
//! ```text
//! key id u64 | length u32 | content | tag 16
//! ```
//! Numbers are little endian. Key id 0 means in clear: the tag is zero, and content whose tag is not
//! is damaged. Any other key id names an AES-256-GCM key; content and tag are its.

/// The tag of what is in clear.
pub(super) const NO_TAG: [u8; 16] = [0; 16];

/// A part under a key of its own, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SealedPart {
    /// The key; 0 for none.
    key: u64,
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
    #[error("a part is sealed under key {0}, which is not here")]
    NoKey(u64),
}

impl SealedPart {
    /// Content in clear.
    pub fn in_clear(content: Vec<u8>) -> Self {
        Self {
            key: 0,
            content,
            tag: NO_TAG,
        }
    }

    /// What was written: key id, content and tag.
    ///
    /// # Errors
    /// Where it is in clear, and its tag is not zero.
    pub fn of(key: u64, content: Vec<u8>, tag: [u8; 16]) -> Result<Self, BadPart> {
        if key == 0 && tag != NO_TAG {
            return Err(BadPart::Tagged);
        }
        Ok(Self { key, content, tag })
    }

    /// A part that does not open: as it is for readers who have no right to its content.
    pub const fn closed() -> Self {
        Self {
            key: u64::MAX,
            content: Vec::new(),
            tag: NO_TAG,
        }
    }

    /// The content.
    ///
    /// # Errors
    /// Where it is sealed.
    pub fn open(&self) -> Result<&[u8], BadPart> {
        match self.key {
            0 => Ok(&self.content),
            key => Err(BadPart::NoKey(key)),
        }
    }

    /// The key's id, 0 for none.
    pub fn key(&self) -> u64 {
        self.key
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
