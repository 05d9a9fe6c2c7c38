//! What goes out: frames appended to one buffer.
//!
//! Owns the buffer that the shell drains, and when something was last put into it, which is what
//! heartbeats go by.

use crate::amqp::codec::{MethodId, Writer};
use crate::amqp::frame::{ChannelId, FRAME_END, FRAME_OVERHEAD, FrameKind, PROTOCOL_HEADER};
use crate::amqp::reply::Reply;

use super::event::Message;

/// A kept buffer larger than this is given back when it is empty.
const IDLE_BYTES_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) octets: Vec<u8>,
    // INVARIANT: at least 4,096, so that every method fits a frame.
    frame_max: u32,
    now_ms: u64,
    written_ms: u64,
}

impl Outbox {
    pub(super) fn new(frame_max: u32, now_ms: u64) -> Self {
        Self {
            octets: Vec::new(),
            frame_max,
            now_ms,
            written_ms: now_ms,
        }
    }

    /// The last moment that the session was told.
    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(super) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// When something was last written, or earlier: a write is dated by the last moment told, so
    /// a heartbeat may come too soon and never too late.
    pub(super) fn written_ms(&self) -> u64 {
        self.written_ms
    }

    pub(super) fn set_frame_max(&mut self, frame_max: u32) {
        self.frame_max = frame_max;
    }

    pub(super) fn shed(&mut self) {
        if self.octets.is_empty() && self.octets.capacity() > IDLE_BYTES_MAX {
            self.octets = Vec::new();
        }
    }

    pub(super) fn protocol_header(&mut self) {
        self.octets.extend_from_slice(&PROTOCOL_HEADER);
        self.written_ms = self.now_ms;
    }

    pub(super) fn heartbeat(&mut self) {
        self.frame(FrameKind::Heartbeat, ChannelId::CONNECTION, |_| ());
    }

    pub(super) fn method(
        &mut self,
        channel: ChannelId,
        id: MethodId,
        arguments: impl FnOnce(&mut Writer<'_>),
    ) {
        self.frame(FrameKind::Method, channel, |writer| {
            writer.short(id.class);
            writer.short(id.method);
            arguments(writer);
        });
    }

    /// connection.close or channel.close.
    pub(super) fn close(&mut self, channel: ChannelId, id: MethodId, reply: &Reply) {
        self.method(channel, id, |writer| {
            reply.write(writer);
            writer.short(reply.method().class);
            writer.short(reply.method().method);
        });
    }

    /// A method with its message: header and bodies follow with nothing between them. The header is one
    /// frame whatever its size, as `RabbitMQ` sends it: what a client's own systems gave a message may
    /// not fit the frame-max that this one asked for.
    pub(super) fn content(
        &mut self,
        channel: ChannelId,
        id: MethodId,
        message: &Message<'_>,
        arguments: impl FnOnce(&mut Writer<'_>),
    ) {
        self.method(channel, id, arguments);
        self.frame(FrameKind::Header, channel, |writer| {
            writer.short(60);
            writer.short(0);
            writer.long_long(u64::try_from(message.body.len()).unwrap_or(u64::MAX));
            writer.octets(message.properties);
        });
        let payload_max = self.frame_max.saturating_sub(FRAME_OVERHEAD);
        let payload_max = usize::try_from(payload_max).unwrap_or(usize::MAX).max(1);
        for part in message.body.chunks(payload_max) {
            self.frame(FrameKind::Body, channel, |writer| writer.octets(part));
        }
    }

    /// Writes one frame.
    fn frame(
        &mut self,
        kind: FrameKind,
        channel: ChannelId,
        payload: impl FnOnce(&mut Writer<'_>),
    ) {
        self.written_ms = self.now_ms;
        let mut writer = Writer::new(&mut self.octets);
        writer.octet(kind.octet());
        writer.short(channel.get());
        let place = writer.reserve_length();
        payload(&mut writer);
        writer.fill_length(place);
        writer.octet(FRAME_END);
    }
}
