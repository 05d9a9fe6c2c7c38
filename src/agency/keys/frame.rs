//! Payload frames: the sealed content of a message as the journal keeps it.
//!
//! ```text
//! frame   version u16 | exchange id 16 | parts, each once and in the order of their numbers
//! part    number u8 | material u8 | class u16 | key id u64 | length u32 | key material | content | tag 16
//!         └───────────────── additional data, with version and exchange id ────┘
//!
//! 1 body     kept properties and body of an exchange
//! 2 facts    the body's spans, facts, and what a ruling is asked again with
//! 3 private  a message that its agency published to queues of its own
//!
//! key id 0   in clear: no key material, the tag is zero
//! others     AES-256-GCM under a data key; material: segment 8, nonce 12, wrapped key 32, tag 16
//! ```
//! Numbers are little endian. `material` and `length` count octets of key material and content. Body
//! and facts have a key and a retention class each, so that a body can be destroyed and the facts of
//! its ruling kept. The segment whose key wraps a data key is outside of the additional data, so that
//! a part is wrapped again without being sealed again.

use std::time::Duration;

use super::part::NO_TAG;
use crate::message::id::ExchangeId;

const VERSION: u16 = 2;
const HEADER_BYTES: usize = 18;
const PART_HEADER_BYTES: usize = 16;

/// How long a payload is kept, in days: payloads of one class are destroyed by one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetentionClass(u16);

impl RetentionClass {
    /// What an agency publishes to queues of its own: freed when settled everywhere.
    pub const PRIVATE: Self = Self(0);

    /// The class of a duration: its days, rounded up, from 1 to 65,535.
    pub fn of(kept: Duration) -> Self {
        let days = kept.as_secs().div_ceil(86_400).max(1);
        Self(u16::try_from(days).unwrap_or(u16::MAX))
    }
}

/// A part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramePart {
    /// Kept properties and body of an exchange.
    Body,
    /// What its ruling was made from.
    Facts,
    /// A message that its agency published to queues of its own.
    Private,
}

impl FramePart {
    const fn number(self) -> u8 {
        match self {
            Self::Body => 1,
            Self::Facts => 2,
            Self::Private => 3,
        }
    }
}

/// A frame that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload frame is damaged, another exchange's, or written by another release")]
pub struct BadFrame;

/// A frame in the making: one buffer, into which each part's content is written in its place.
#[derive(Debug)]
pub struct FrameWriter(Vec<u8>);

impl FrameWriter {
    /// The frame of an exchange, with room for so many octets of content.
    pub fn new(exchange: ExchangeId, content: usize) -> Self {
        let headers = HEADER_BYTES + 2 * (PART_HEADER_BYTES + NO_TAG.len());
        let mut octets = Vec::with_capacity(headers + content);
        octets.extend_from_slice(&VERSION.to_le_bytes());
        octets.extend_from_slice(&exchange.0);
        Self(octets)
    }

    /// Adds a part in clear, whose content `write` appends. Parts are added in the order of their
    /// numbers, each once.
    #[must_use]
    pub fn part(
        mut self,
        part: FramePart,
        class: RetentionClass,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let Self(octets) = &mut self;
        octets.extend_from_slice(&[part.number(), 0]);
        octets.extend_from_slice(&class.0.to_le_bytes());
        octets.extend_from_slice(&[0; 8]);
        let length_at = octets.len();
        octets.extend_from_slice(&[0; 4]);
        let before = octets.len();
        write(octets);
        let length = u32::try_from(octets.len().saturating_sub(before));
        // The broker's limits are far below; a cut length would be a frame that never opens.
        assert!(length.is_ok(), "a part of more than 4 GiB");
        if let Some(place) = octets.get_mut(length_at..before) {
            place.copy_from_slice(&length.unwrap_or_default().to_le_bytes());
        }
        octets.extend_from_slice(&NO_TAG);
        self
    }

    /// The octets of the frame.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A frame taken apart and not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFrame<'a> {
    parts: &'a [u8],
}

/// A part of a frame as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Read<'a> {
    number: u8,
    class: RetentionClass,
    content: &'a [u8],
}

impl<'a> OpenFrame<'a> {
    /// The frame of `exchange`.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged or not that exchange's, or a part of it is sealed.
    pub fn of(exchange: ExchangeId, octets: &'a [u8]) -> Result<Self, BadFrame> {
        let (version, rest) = octets.split_first_chunk().ok_or(BadFrame)?;
        let (id, parts) = rest.split_first_chunk().ok_or(BadFrame)?;
        if u16::from_le_bytes(*version) != VERSION || *id != exchange.0 {
            return Err(BadFrame);
        }
        let (mut rest, mut last) = (parts, 0);
        while !rest.is_empty() {
            let (part, behind) = split(rest).ok_or(BadFrame)?;
            if part.number <= last {
                return Err(BadFrame);
            }
            (rest, last) = (behind, part.number);
        }
        Ok(Self { parts })
    }

    /// The content of a part.
    ///
    /// # Errors
    /// Where the frame has no such part.
    pub fn content(&self, part: FramePart) -> Result<&'a [u8], BadFrame> {
        self.find(part).map(|found| found.content).ok_or(BadFrame)
    }

    fn find(&self, part: FramePart) -> Option<Read<'a>> {
        let mut rest = self.parts;
        while let Some((found, behind)) = split(rest) {
            if found.number == part.number() {
                return Some(found);
            }
            rest = behind;
        }
        None
    }
}

/// The first part, and what stands behind it; none where it is damaged or sealed.
fn split(octets: &[u8]) -> Option<(Read<'_>, &[u8])> {
    let (header, rest) = octets.split_first_chunk::<PART_HEADER_BYTES>()?;
    let ([number, material], header) = header.split_first_chunk()?;
    let (class, header) = header.split_first_chunk()?;
    let (key, length) = header.split_first_chunk()?;
    let length = u32::from_le_bytes(*length.first_chunk()?);
    let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let (tag, rest) = rest.split_first_chunk()?;
    let is_clear = u64::from_le_bytes(*key) == 0 && *material == 0 && *tag == NO_TAG;
    let class = RetentionClass(u16::from_le_bytes(*class));
    is_clear.then_some((
        Read {
            number: *number,
            class,
            content,
        },
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: ExchangeId = ExchangeId([0xee; 16]);

    fn frame() -> Vec<u8> {
        let class = RetentionClass::of(Duration::from_hours(24 * 1095));
        let writer = FrameWriter::new(EXCHANGE, 9);
        let writer = writer.part(FramePart::Body, class, |out| out.extend(b"body"));
        let facts = RetentionClass(2);
        let writer = writer.part(FramePart::Facts, facts, |out| out.extend(b"facts"));
        writer.finish()
    }

    #[test]
    fn a_frame_has_the_documented_octets_and_opens_for_its_exchange() {
        let mut expected = vec![2, 0];
        expected.extend([0xee; 16]);
        expected.extend([1, 0, 0x47, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
        expected.extend(b"body");
        expected.extend([0; 16]);
        expected.extend([2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0]);
        expected.extend(b"facts");
        expected.extend([0; 16]);
        assert_eq!(frame(), expected);
        let whole = frame();
        let read = OpenFrame::of(EXCHANGE, &whole).unwrap();
        assert_eq!(read.content(FramePart::Body), Ok(&b"body"[..]));
        assert_eq!(read.content(FramePart::Facts), Ok(&b"facts"[..]));
        assert_eq!(read.content(FramePart::Private), Err(BadFrame));
        assert_eq!(OpenFrame::of(ExchangeId([0; 16]), &whole), Err(BadFrame));
    }

    #[test]
    fn a_frame_that_is_cut_or_longer_or_has_another_header_does_not_open_whole() {
        let whole = frame();
        let read = |octets: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
            let read = OpenFrame::of(EXCHANGE, octets).ok()?;
            let content = |part| read.content(part).map(<[u8]>::to_vec).ok();
            Some((content(FramePart::Body)?, content(FramePart::Facts)?))
        };
        let right = Some((b"body".to_vec(), b"facts".to_vec()));
        assert_eq!(read(&whole), right);
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None);
        }
        assert_eq!(read(&[&whole[..], b"x"].concat()), None);
        // A class is sealed with its part; while nothing is sealed it stands for itself.
        let (body, facts) = (HEADER_BYTES, HEADER_BYTES + 2 * 16 + 4);
        let classes = [body + 2, body + 3, facts + 2, facts + 3];
        let contents = (body + 16..body + 20).chain(facts + 16..facts + 21);
        let free: Vec<usize> = classes.into_iter().chain(contents).collect();
        for at in (0..whole.len()).filter(|at| !free.contains(at)) {
            let mut changed = whole.clone();
            changed[at] ^= 2;
            assert_ne!(read(&changed), right, "octet {at}");
        }
    }

    #[test]
    fn a_class_counts_whole_days_upwards() {
        for (hours, days) in [
            (0, 1),
            (24, 1),
            (25, 2),
            (24 * 1095, 1095),
            (24 * 70_000, 65_535),
        ] {
            assert_eq!(RetentionClass::of(Duration::from_hours(hours)).0, days);
        }
    }
}
