//! Frames: where one ends and the next begins.
//!
//! Owns the buffer of what a peer sent and the checks that precede parsing: type, size, end octet.
//! Never looks into a payload.

use std::fmt;

use super::reply::{Misbehaved, ReplyCode};

/// What a client sends first, and what a server answers to anything else.
pub(super) const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// What clients of the early days send for the same protocol, such as Perl's `Net::AMQP`.
pub(super) const EARLY_PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x01\x01\x00\x09";
/// Octets around a payload: seven before, one behind.
pub(super) const FRAME_OVERHEAD: u32 = 8;
/// The last octet of every frame.
pub(super) const FRAME_END: u8 = 0xCE;

/// A kept buffer larger than this is given back when it is empty.
const IDLE_BYTES_MAX: usize = 4_096;

/// The number of a channel; 0 is the connection itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u16);

impl ChannelId {
    /// The connection's own number.
    pub(super) const CONNECTION: Self = Self(0);

    /// The channel of this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The types of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    Method,
    Header,
    Body,
    Heartbeat,
}

impl FrameKind {
    pub(super) const fn octet(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            Self::Heartbeat => 8,
        }
    }

    const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// One whole frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: FrameKind,
    pub(super) channel: ChannelId,
    pub(super) payload: &'a [u8],
    size: usize,
}

impl Frame<'_> {
    /// Octets on the wire, head and end included.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

/// What came from the peer and is not parsed yet.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    octets: Vec<u8>,
    // INVARIANT: at most `octets.len()`. What lies before it is parsed.
    parsed: usize,
}

impl Inbound {
    /// Appends what was read. What is parsed is dropped once it is half of the buffer: so no octet is
    /// moved that another one, parsed, has not paid for.
    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.parsed >= self.octets.len().div_ceil(2) {
            self.octets.drain(..self.parsed);
            self.parsed = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// Passes over what has been dealt with.
    pub(super) fn advance(&mut self, octets: usize) {
        self.parsed = self.parsed.saturating_add(octets).min(self.octets.len());
    }

    /// Forgets everything.
    pub(super) fn discard(&mut self) {
        self.parsed = self.octets.len();
    }

    /// Gives the memory back if nothing is in it.
    pub(super) fn shed(&mut self) {
        if self.parsed == self.octets.len() && self.octets.capacity() > IDLE_BYTES_MAX {
            *self = Self::default();
        }
    }

    fn waiting(&self) -> &[u8] {
        self.octets.get(self.parsed..).unwrap_or_default()
    }

    /// The first eight octets, once they are there.
    pub(super) fn protocol_header(&self) -> Option<[u8; 8]> {
        self.waiting().first_chunk().copied()
    }

    /// Octets of payload of the next frame, by its head; 0 where that is not whole.
    pub(super) fn arriving(&self) -> usize {
        let Some((&[_, _, _, s3, s2, s1, s0], _)) = self.waiting().split_first_chunk() else {
            return 0;
        };
        usize::try_from(u32::from_be_bytes([s3, s2, s1, s0])).unwrap_or(usize::MAX)
    }

    /// The next frame; `None` as long as it is not whole. A head is judged as soon as its seven
    /// octets are there, before a payload of the size that it claims is waited for.
    ///
    /// # Errors
    /// 501 where what comes is not a frame, or one above `frame_max` octets. There is no way to
    /// find the next frame after that.
    pub(super) fn frame(&self, frame_max: u32) -> Result<Option<Frame<'_>>, Misbehaved> {
        let Some((&[kind, c1, c0, s3, s2, s1, s0], rest)) = self.waiting().split_first_chunk()
        else {
            return Ok(None);
        };
        let Some(kind) = FrameKind::from_octet(kind) else {
            return Err(error(format_args!("there is no frame of type {kind}")));
        };
        let payload_size = u32::from_be_bytes([s3, s2, s1, s0]);
        if payload_size > frame_max.saturating_sub(FRAME_OVERHEAD) {
            return Err(error(format_args!(
                "a frame with {payload_size} octets of payload, the agreed frame-max is {frame_max}"
            )));
        }
        let size = usize::try_from(payload_size).unwrap_or(usize::MAX);
        let Some((payload, rest)) = rest.split_at_checked(size) else {
            return Ok(None);
        };
        let Some(&end) = rest.first() else {
            return Ok(None);
        };
        if end != FRAME_END {
            return Err(error(format_args!(
                "a frame ends with {end:#04x} instead of 0xce"
            )));
        }
        let channel = ChannelId(u16::from_be_bytes([c1, c0]));
        Ok(Some(Frame {
            kind,
            channel,
            payload,
            size: size.saturating_add(8),
        }))
    }
}

fn error(sentence: impl fmt::Display) -> Misbehaved {
    Misbehaved::new(ReplyCode::FrameError, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound(octets: &[u8]) -> Inbound {
        let mut inbound = Inbound::default();
        inbound.push(octets);
        inbound
    }

    #[test]
    fn a_frame_is_there_only_when_it_is_whole() {
        let frame = [3, 0, 7, 0, 0, 0, 2, b'h', b'i', 0xCE, 99];
        for cut in 0..10 {
            assert!(
                inbound(&frame[..cut]).frame(4_096).unwrap().is_none(),
                "cut at {cut}"
            );
        }
        let whole = inbound(&frame);
        let read = whole.frame(4_096).unwrap().unwrap();
        assert_eq!((read.kind, read.channel.get()), (FrameKind::Body, 7));
        assert_eq!((read.payload, read.size()), (&b"hi"[..], 10));
    }

    #[test]
    fn a_size_above_frame_max_is_refused_from_the_head_alone() {
        let head = |size: u32| {
            let mut head = vec![1, 0, 0];
            head.extend(size.to_be_bytes());
            head
        };
        assert!(inbound(&head(4_088)).frame(4_096).unwrap().is_none());
        assert!(inbound(&head(4_089)).frame(4_096).is_err());
        assert!(inbound(&head(0xFFFF_FFF0)).frame(4_096).is_err());
    }

    #[test]
    fn a_wrong_type_and_a_wrong_end_octet_are_refused() {
        assert!(inbound(&[4, 0, 0, 0, 0, 0, 0]).frame(4_096).is_err());
        assert!(inbound(&[8, 0, 0, 0, 0, 0, 0, 0xCD]).frame(4_096).is_err());
    }

    #[test]
    fn the_buffer_is_at_most_twice_what_waits_in_it() {
        let heartbeat = [8, 0, 0, 0, 0, 0, 0, 0xCE];
        let mut buffer = inbound(&heartbeat.repeat(1_000));
        for _ in 0..10_000 {
            buffer.advance(8);
            buffer.push(&heartbeat);
            assert_eq!(buffer.waiting().len(), 8_000);
            assert!(buffer.octets.len() <= 2 * 8_000 + 8);
        }
    }

    #[test]
    fn what_is_parsed_is_dropped_and_what_is_not_stays() {
        let mut buffer = inbound(&[8, 0, 0, 0, 0, 0, 0, 0xCE, 8, 0]);
        buffer.advance(8);
        buffer.push(&[0, 0, 0, 0, 0, 0xCE]);
        assert_eq!(buffer.frame(4_096).unwrap().unwrap().size(), 8);
    }
}
