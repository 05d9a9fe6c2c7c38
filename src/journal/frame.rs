//! Payload frames as the journal has them: octets, and the digest that stands for them for ever.

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 of a frame's octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameDigest(pub [u8; 32]);

impl FrameDigest {
    /// The digest of these octets.
    pub fn of(octets: &[u8]) -> Self {
        let mut out = [0; 32];
        let made = digest(&SHA256, octets);
        out.iter_mut()
            .zip(made.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(out)
    }

    /// Whether it is that of these octets.
    pub(super) fn is_of(&self, octets: &[u8]) -> bool {
        *self == Self::of(octets)
    }
}

/// A payload frame with its digest: made where there is time, by the task of who sends, so that the
/// one thread that writes hashes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    octets: bytes::Bytes,
    digest: FrameDigest,
}

impl Frame {
    /// The frame of these octets.
    pub fn new(octets: Vec<u8>) -> Self {
        let digest = FrameDigest::of(&octets);
        let octets = octets.into();
        Self { octets, digest }
    }

    /// Its octets; shared, not copied.
    pub fn octets(&self) -> &bytes::Bytes {
        &self.octets
    }

    /// How many octets it has.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Its SHA-256.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest.0
    }
}
