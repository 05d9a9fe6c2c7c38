//! Payload frames: the sealed content of a message as the journal keeps it.
//!
//! ```text
//! frame   version u16 | id 16 | parts, each once and in the order of their numbers
//! part    number u8 | class u16 | key id u64 | length u32 | content | tag 16
//!
//! 1 body     kept properties and body of an exchange
//! 2 facts    the body's spans, facts, and what a ruling is asked again with
//! 3 private  a message that its agency published to queues of its own
//! ```
//! Numbers are little endian. The id is the exchange's, or one that was drawn for a private publish. Body
//! and facts have a key and a retention class each, so that a body can be destroyed and the facts of its
//! ruling kept. How a part is sealed stands in `ring`.

use std::ops::Range;

use bytes::Bytes;

use super::class::RetentionClass;
use super::ring::{KeyId, Part, Ring, Sealing, Tag};
use crate::message::id::ExchangeId;

const VERSION: u16 = 3;
const HEADER_BYTES: usize = 18;
const PART_HEADER_BYTES: usize = 15;
const TAG_BYTES: usize = 16;

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
#[error(
    "the payload frame is damaged, another exchange's, written by another release, or its key is not here"
)]
pub struct BadFrame;

/// A frame in the making: one buffer, into which each part's content is written in its place.
#[derive(Debug)]
pub struct FrameWriter<'s> {
    octets: Vec<u8>,
    sealing: Sealing<'s>,
}

impl<'s> FrameWriter<'s> {
    /// The frame of what is sealed so, with room for so many octets of content.
    pub fn new(sealing: Sealing<'s>, content: usize) -> Self {
        let headers = HEADER_BYTES + 2 * (PART_HEADER_BYTES + TAG_BYTES);
        let mut octets = Vec::with_capacity(headers + content);
        octets.extend_from_slice(&VERSION.to_le_bytes());
        octets.extend_from_slice(&sealing.id.0);
        Self { octets, sealing }
    }

    /// Adds a part, whose content `write` appends, and seals it. Parts are added in the order of their
    /// numbers, each once.
    #[must_use]
    pub fn part(
        mut self,
        part: FramePart,
        class: RetentionClass,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let Self { octets, sealing } = &mut self;
        octets.push(part.number());
        octets.extend_from_slice(&class.days().to_le_bytes());
        let key_at = octets.len();
        octets.extend_from_slice(&[0; 12]);
        let before = octets.len();
        write(octets);
        let length = u32::try_from(octets.len().saturating_sub(before));
        // The broker's limits are far below; a cut length would be a frame that never opens.
        assert!(length.is_ok(), "a part of more than 4 GiB");
        let (header, content) = octets.split_at_mut(before);
        let (KeyId(key), tag) = sealing.seal(part.number(), class, content);
        let place = header.iter_mut().skip(key_at);
        let names = key.to_le_bytes().into_iter();
        let names = names.chain(length.unwrap_or_default().to_le_bytes());
        place.zip(names).for_each(|(to, from)| *to = from);
        octets.extend_from_slice(&tag);
        self
    }

    /// The octets of the frame.
    pub fn finish(self) -> Vec<u8> {
        self.octets
    }
}

/// A frame that was opened: the content of its parts in one buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFrame {
    plain: Bytes,
    parts: Vec<(u8, Range<usize>)>,
}

impl OpenFrame {
    /// The frame of `exchange`.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged or not that exchange's, or the key of a part is not in the ring.
    pub fn of(exchange: ExchangeId, octets: &[u8], ring: &Ring) -> Result<Self, BadFrame> {
        let (id, opened) = Self::any(octets, ring)?;
        (id == exchange).then_some(opened).ok_or(BadFrame)
    }

    /// A frame, and what its id is.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged, or the key of a part is not in the ring.
    pub fn any(octets: &[u8], ring: &Ring) -> Result<(ExchangeId, Self), BadFrame> {
        let (version, rest) = octets.split_first_chunk().ok_or(BadFrame)?;
        let (id, mut rest) = rest.split_first_chunk().ok_or(BadFrame)?;
        if u16::from_le_bytes(*version) != VERSION {
            return Err(BadFrame);
        }
        let id = ExchangeId(*id);
        let (mut plain, mut parts, mut last) = (vec![0; rest.len()], Vec::with_capacity(2), 0);
        let mut filled = 0;
        while !rest.is_empty() {
            let (read, behind) = split(id, rest).ok_or(BadFrame)?;
            if read.part.number <= last {
                return Err(BadFrame);
            }
            let place = filled..filled + read.content.len();
            let into = plain.get_mut(place.clone()).ok_or(BadFrame)?;
            let sealed = (read.content, read.tag);
            ring.open(&read.part, sealed, into).ok_or(BadFrame)?;
            (rest, last, filled) = (behind, read.part.number, place.end);
            parts.push((last, place));
        }
        let plain = plain.into();
        Ok((id, Self { plain, parts }))
    }

    /// The content of a part.
    ///
    /// # Errors
    /// Where the frame has no such part.
    pub fn content(&self, part: FramePart) -> Result<Bytes, BadFrame> {
        let found = self
            .parts
            .iter()
            .find(|(number, _)| *number == part.number());
        let (_, place) = found.ok_or(BadFrame)?;
        Ok(self.plain.slice(place.clone()))
    }
}

/// A part of a frame as it was written.
struct Read<'a> {
    part: Part,
    content: &'a [u8],
    tag: &'a Tag,
}

/// The first part, and what stands behind it; none where it is damaged.
fn split(id: ExchangeId, octets: &[u8]) -> Option<(Read<'_>, &[u8])> {
    let (header, rest) = octets.split_first_chunk::<PART_HEADER_BYTES>()?;
    let ([number], header) = header.split_first_chunk()?;
    let (class, header) = header.split_first_chunk()?;
    let (key, length) = header.split_first_chunk()?;
    let length = u32::from_le_bytes(*length.first_chunk()?);
    let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let (tag, rest) = rest.split_first_chunk()?;
    let part = Part {
        id,
        number: *number,
        class: RetentionClass::days_of(u16::from_le_bytes(*class)),
        key: KeyId(u64::from_le_bytes(*key)),
    };
    Some((Read { part, content, tag }, rest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::time::Timestamp;

    const EXCHANGE: ExchangeId = ExchangeId([0xee; 16]);

    fn ring() -> Ring {
        Ring::new([1; 32], [2; 32])
    }

    fn frame() -> Vec<u8> {
        let class = RetentionClass::of(Duration::from_hours(24 * 1095));
        let ring = ring();
        let sealing = ring.sealing(EXCHANGE, Timestamp::from_millis(3_600_000 * 5));
        let writer = FrameWriter::new(sealing, 9);
        let writer = writer.part(FramePart::Body, class, |out| out.extend(b"body"));
        let facts = RetentionClass::days_of(2);
        let writer = writer.part(FramePart::Facts, facts, |out| out.extend(b"facts"));
        writer.finish()
    }

    #[test]
    fn a_frame_has_the_documented_octets_and_opens_for_its_exchange() {
        let whole = frame();
        let mut expected = vec![3, 0];
        expected.extend([0xee; 16]);
        expected.extend([1, 0x47, 0x04, 5, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
        let body = expected.len();
        expected.extend(&whole[body..body + 4 + 16]);
        expected.extend([2, 2, 0, 5, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0]);
        expected.extend(&whole[whole.len() - 5 - 16..]);
        assert_eq!(whole, expected);
        for clear in [&b"body"[..], b"facts"] {
            assert!(!whole.windows(clear.len()).any(|octets| octets == clear));
        }
        let read = OpenFrame::of(EXCHANGE, &whole, &ring()).unwrap();
        assert_eq!(read.content(FramePart::Body).unwrap(), "body");
        assert_eq!(read.content(FramePart::Facts).unwrap(), "facts");
        assert_eq!(read.content(FramePart::Private), Err(BadFrame));
        let none = ExchangeId([0; 16]);
        assert_eq!(OpenFrame::of(none, &whole, &ring()), Err(BadFrame));
        let other = Ring::new([1; 32], [3; 32]);
        assert_eq!(OpenFrame::of(EXCHANGE, &whole, &other), Err(BadFrame));
    }

    #[test]
    fn a_frame_that_is_cut_or_longer_or_changed_does_not_open_whole() {
        let whole = frame();
        let read = |octets: &[u8]| {
            let read = OpenFrame::of(EXCHANGE, octets, &ring()).ok()?;
            let content = |part| read.content(part).ok();
            Some((content(FramePart::Body)?, content(FramePart::Facts)?))
        };
        assert!(read(&whole).is_some());
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None);
        }
        assert_eq!(read(&[&whole[..], b"x"].concat()), None);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 2;
            assert_eq!(read(&changed), None, "octet {at}");
        }
    }
}
