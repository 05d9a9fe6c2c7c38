//! A message coming in: method, header, bodies, until it is whole.
//!
//! Owns the order of content frames and the one buffer that a message is assembled in. What it
//! reserves follows what has come, never what was announced.

use std::sync::Arc;

use amq_protocol::protocol::BasicProperties;
use bytes::Bytes;

use crate::amqp::codec::{MethodId, PublishHead, Reader, decode_properties};
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::{Misbehaved, ReplyCode};

use super::event::{Place, Publish, PublishTag};
use super::offer::Offer;

/// The most that is reserved for a body before any of it has come.
const RESERVED_BYTES_MAX: u64 = 65_536;
/// Octets of memory that decoded properties take for each octet on the wire, at most: a field of a
/// table is two octets there and an entry of a map here.
const DECODED_FACTOR: usize = 64;
/// The only class with content.
const CLASS_BASIC: u16 = 60;

/// Where a publish goes. Kept from one publish to the next: a publisher that repeats itself costs
/// no allocation.
#[derive(Clone, Debug)]
struct Address {
    exchange: Arc<str>,
    routing_key: Arc<str>,
}

impl Address {
    fn is(&self, head: &PublishHead<'_>) -> bool {
        *self.exchange == *head.exchange && *self.routing_key == *head.routing_key
    }
}

/// A message whose header has come.
#[derive(Debug)]
struct Assembly {
    mandatory: bool,
    properties: BasicProperties,
    /// The properties as they came, then as much of the body as has come.
    octets: Vec<u8>,
    properties_bytes: usize,
    /// When its header came.
    begun_ms: u64,
    missing: u64,
    /// Octets of the body that are in memory at a time, at most: all, or a frame of one that is read over.
    at_a_time: u64,
    /// Octets of a body that is read over: none of it is kept.
    read_over: Option<u64>,
}

impl Assembly {
    /// Octets of memory that the message takes now.
    fn held(&self) -> usize {
        self.octets.capacity().saturating_add(self.decoded())
    }

    /// Octets of memory that the message takes once it is whole.
    fn whole(&self) -> usize {
        let missing = self.missing.min(self.at_a_time);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let octets = self.octets.len().saturating_add(missing);
        octets.saturating_add(self.decoded())
    }

    fn decoded(&self) -> usize {
        self.properties_bytes.saturating_mul(DECODED_FACTOR)
    }

    /// Takes what has come of the body.
    fn take(&mut self, come: &[u8]) {
        if self.read_over.is_none() {
            self.reserve(come.len());
            self.octets.extend_from_slice(come);
        }
    }

    /// Makes room for what has come: grows by doubling, and never beyond the announced size.
    fn reserve(&mut self, come: usize) {
        let length = self.octets.len();
        if self.octets.capacity().saturating_sub(length) < come {
            let missing = usize::try_from(self.missing).unwrap_or(usize::MAX);
            self.octets
                .reserve_exact(come.saturating_add(missing.min(length)));
        }
    }
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a channel, and a box would be an allocation a message"
)]
enum Stage {
    /// No message is under way.
    Idle,
    /// The method has come.
    Announced { mandatory: bool },
    /// The header has come.
    Filling(Assembly),
}

/// The publishing side of a channel.
#[derive(Debug)]
pub(super) struct Incoming {
    stage: Stage,
    // The address of the message under way, or of the last one.
    address: Address,
    confirms: Option<Confirms>,
}

/// Confirm mode. Tags are given ascending and confirmed ascending, each once.
#[derive(Clone, Copy, Debug)]
struct Confirms {
    next: u64,
    // INVARIANT: at most `next`. Every tag below is confirmed.
    unconfirmed: u64,
}

impl Incoming {
    pub(super) fn new() -> Self {
        let nowhere: Arc<str> = Arc::from("");
        Self {
            stage: Stage::Idle,
            address: Address {
                exchange: Arc::clone(&nowhere),
                routing_key: nowhere,
            },
            confirms: None,
        }
    }

    /// Whether content is due, so that a method is not.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// Octets of memory that the message under way takes now; 0 where none is.
    pub(super) fn held(&self) -> usize {
        match &self.stage {
            Stage::Filling(assembly) => assembly.held(),
            Stage::Idle | Stage::Announced { .. } => 0,
        }
    }

    /// Octets of memory that the message under way takes once it is whole; 0 where none is.
    pub(super) fn whole(&self) -> usize {
        match &self.stage {
            Stage::Filling(assembly) => assembly.whole(),
            Stage::Idle | Stage::Announced { .. } => 0,
        }
    }

    /// When the message under way began.
    pub(super) fn begun_ms(&self) -> Option<u64> {
        match &self.stage {
            Stage::Filling(assembly) => Some(assembly.begun_ms),
            Stage::Idle | Stage::Announced { .. } => None,
        }
    }

    /// Forgets the message under way, which will never be whole.
    pub(super) fn abandon(&mut self) {
        self.stage = Stage::Idle;
    }

    /// confirm.select; asking again changes nothing.
    pub(super) fn select_confirms(&mut self) {
        self.confirms.get_or_insert(Confirms {
            next: 1,
            unconfirmed: 1,
        });
    }

    /// Confirms the tags from the first unconfirmed one to `tag`. Returns how many they are.
    pub(super) fn confirm_up_to(&mut self, tag: PublishTag) -> u64 {
        let Some(confirms) = &mut self.confirms else {
            return 0;
        };
        let after = tag.0.saturating_add(1).min(confirms.next);
        let count = after.saturating_sub(confirms.unconfirmed);
        confirms.unconfirmed = confirms.unconfirmed.max(after);
        count
    }

    /// Takes basic.publish, which begins a message.
    pub(super) fn method(&mut self, head: &PublishHead<'_>) -> Result<(), Misbehaved> {
        if head.immediate {
            return Err(Misbehaved::new(
                ReplyCode::NotImplemented,
                "immediate is not supported, publish without it",
            )
            .by(MethodId::BASIC_PUBLISH));
        }
        if !self.address.is(head) {
            self.address = Address {
                exchange: Arc::from(head.exchange),
                routing_key: Arc::from(head.routing_key),
            };
        }
        self.stage = Stage::Announced {
            mandatory: head.mandatory,
        };
        Ok(())
    }

    /// Takes a header frame.
    ///
    /// # Errors
    /// 505 where none is due, 311 where what it announces is above a limit, 501 and 502 where it
    /// is malformed.
    pub(super) fn header(
        &mut self,
        channel: ChannelId,
        payload: &[u8],
        offer: &Offer,
        now_ms: u64,
    ) -> Result<Option<Publish>, Misbehaved> {
        let Stage::Announced { mandatory } = self.stage else {
            return Err(unexpected("a content header without a publish before it"));
        };
        let mut reader = Reader::new(payload);
        let (class, weight) = (reader.short()?, reader.short()?);
        if class != CLASS_BASIC || weight != 0 {
            return Err(unexpected(format_args!(
                "a content header of class {class} and weight {weight} after a publish"
            )));
        }
        let announced = reader.long_long()?;
        let raw = reader.rest();
        let read_over = (announced > offer.body_bytes_max).then_some(announced);
        if announced > offer.read_over_bytes_max {
            within("body", announced, offer.body_bytes_max)?;
        }
        let raw_bytes = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        within(
            "properties",
            raw_bytes,
            u64::from(offer.properties_bytes_max),
        )?;
        let properties = decode_properties(raw, offer.tables)?;
        let to_keep = read_over.map_or(announced, |_| 0);
        let reserved = raw_bytes.saturating_add(to_keep.min(RESERVED_BYTES_MAX));
        let mut octets = Vec::with_capacity(usize::try_from(reserved).unwrap_or_default());
        octets.extend_from_slice(raw);
        let assembly = Assembly {
            mandatory,
            properties,
            octets,
            properties_bytes: raw.len(),
            begun_ms: now_ms,
            missing: announced,
            at_a_time: read_over.map_or(u64::MAX, |_| u64::from(offer.frame_bytes_max)),
            read_over,
        };
        if announced == 0 {
            // No body frame comes, not even an empty one.
            self.stage = Stage::Idle;
            return Ok(Some(self.publish(channel, assembly)));
        }
        self.stage = Stage::Filling(assembly);
        Ok(None)
    }

    /// Takes a body frame.
    ///
    /// # Errors
    /// 505 where none is due, 501 where more comes than was announced.
    pub(super) fn body(
        &mut self,
        channel: ChannelId,
        payload: &[u8],
    ) -> Result<Option<Publish>, Misbehaved> {
        let Stage::Filling(assembly) = &mut self.stage else {
            return Err(unexpected("a content body without a header before it"));
        };
        let come = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        assembly.missing = assembly.missing.checked_sub(come).ok_or_else(|| {
            Misbehaved::new(ReplyCode::FrameError, "more body than its header announced")
                .by(MethodId::BASIC_PUBLISH)
        })?;
        assembly.take(payload);
        if assembly.missing > 0 {
            return Ok(None);
        }
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Filling(assembly) => Ok(Some(self.publish(channel, assembly))),
            Stage::Idle | Stage::Announced { .. } => Ok(None),
        }
    }

    fn publish(&mut self, channel: ChannelId, assembly: Assembly) -> Publish {
        let confirm = self.confirms.as_mut().map(|confirms| {
            let tag = PublishTag(confirms.next);
            confirms.next = confirms.next.saturating_add(1);
            tag
        });
        let place = Place {
            channel,
            // Counted by the session, which knows earlier channels of this number: see `running`.
            serial: 0,
            confirm,
        };
        let mut body = Bytes::from(assembly.octets);
        let raw_properties = body.split_to(assembly.properties_bytes);
        Publish {
            place,
            exchange: Arc::clone(&self.address.exchange),
            routing_key: Arc::clone(&self.address.routing_key),
            mandatory: assembly.mandatory,
            properties: assembly.properties,
            raw_properties,
            body,
            read_over: assembly.read_over,
        }
    }
}

fn unexpected(sentence: impl std::fmt::Display) -> Misbehaved {
    Misbehaved::new(ReplyCode::UnexpectedFrame, sentence)
}

fn within(what: &str, octets: u64, octets_max: u64) -> Result<(), Misbehaved> {
    if octets <= octets_max {
        return Ok(());
    }
    let sentence = format_args!("{what} of {octets} octets, the limit is {octets_max}").to_string();
    Err(Misbehaved::new(ReplyCode::ContentTooLarge, sentence).by(MethodId::BASIC_PUBLISH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::codec::TableLimits;

    #[test]
    fn room_for_a_body_follows_what_has_come_and_not_what_was_announced() {
        let offer = Offer {
            channels_max: 1,
            frame_bytes_max: 131_072,
            heartbeat_s: 0,
            body_bytes_max: u64::MAX,
            read_over_bytes_max: u64::MAX,
            properties_bytes_max: 1_000,
            assembly_bytes_max: 1_500_000,
            message_ms_max: u64::MAX,
            tables: TableLimits {
                depth_max: 1,
                bytes_max: 1_000,
            },
            mechanisms: "EXTERNAL",
            product: String::new(),
            version: String::new(),
            platform: String::new(),
        };
        let channel = ChannelId::new(1);
        let mut incoming = Incoming::new();
        let room = |incoming: &Incoming| match &incoming.stage {
            Stage::Filling(assembly) => assembly.octets.capacity(),
            Stage::Idle | Stage::Announced { .. } => 0,
        };
        let head = PublishHead {
            exchange: "x",
            routing_key: "k",
            mandatory: false,
            immediate: false,
        };
        incoming.method(&head).unwrap();
        let header = [0, 60, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(incoming.header(channel, &header, &offer, 0), Ok(None));
        assert!(room(&incoming) <= 65_538);
        let mut come = 0;
        for _ in 0..50 {
            assert_eq!(incoming.body(channel, &[0; 10_000]), Ok(None));
            come += 10_000;
            assert!(room(&incoming) <= 65_538.max(2 * come + 10_000), "{come}");
        }
    }
}
