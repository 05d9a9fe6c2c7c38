//! The connection: its phases, and what comes on channel 0.
//!
//! Owns the one value that says what may happen next, and the two timers of heartbeats.

use std::collections::VecDeque;
use std::fmt;

use crate::amqp::codec::{ClientMethod, MethodId, decode, split_method};
use crate::amqp::frame::{ChannelId, Frame, FrameKind};
use crate::amqp::reply::{Misbehaved, Reply, ReplyCode, Scope};

use super::event::{End, Event, Leftover, Step};
use super::handshake::{Handshake, Progress};
use super::load::Since;
use super::offer::Offer;
use super::outbox::Outbox;
use super::running::Running;
use super::tuned::FRAME_BYTES_MIN;

/// How long the peer may take to answer our close.
const CLOSE_MS_MAX: u64 = 30_000;
/// What a frame may take until it is agreed: a start-ok may carry a token.
const FRAME_BYTES_MAX_UNTUNED: u32 = 65_536;

#[derive(Debug)]
pub(super) enum Phase<D> {
    /// Not open yet.
    Handshake(Handshake),
    /// Open.
    Running(Running<D>),
    /// The peer has closed; what came before is being confirmed and answered.
    PeerClosing(Running<D>, Goodbye),
    /// We have closed; everything but the peer's answer is ignored.
    Closing {
        /// Set by the first tick, because closing does not come with a time.
        deadline_ms: Option<u64>,
    },
    /// Over.
    Finished(End),
}

/// Whether the broker has answered that all before the peer's close is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    Asked,
    Answered,
}

#[derive(Debug)]
pub(super) struct Connection<D> {
    pub(super) offer: Offer,
    pub(super) phase: Phase<D>,
    pub(super) out: Outbox,
    // What answers and closes brought about, before what the next frame brings.
    pub(super) events: VecDeque<Event<D>>,
    pub(super) leftovers: Vec<Leftover<D>>,
    /// The frame of which a part has come.
    pub(super) arriving: Option<Arriving>,
    heard_ms: u64,
    paused: bool,
}

/// A frame of which a part has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    /// Octets of its payload, by its head.
    pub(super) octets: usize,
    since: Since,
}

impl<D: Copy> Connection<D> {
    pub(super) fn new(offer: Offer, now_ms: u64) -> Self {
        let frame_bytes_max = offer.frame_bytes_max.max(FRAME_BYTES_MIN);
        let channels_max = match offer.channels_max {
            0 => u16::MAX,
            some => some,
        };
        Self {
            offer: Offer {
                channels_max,
                frame_bytes_max,
                ..offer
            },
            phase: Phase::Handshake(Handshake::new(now_ms)),
            out: Outbox::new(frame_bytes_max, now_ms),
            events: VecDeque::new(),
            leftovers: Vec::new(),
            arriving: None,
            heard_ms: now_ms,
            paused: false,
        }
    }

    pub(super) fn take_event(&mut self) -> Option<Event<D>> {
        self.events.pop_front()
    }

    pub(super) fn end(&self) -> Option<End> {
        match self.phase {
            Phase::Finished(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(_))
    }

    /// Whether nothing that the peer sends means anything any more.
    pub(super) fn is_deaf(&self) -> bool {
        self.is_peer_closing() || self.is_finished()
    }

    /// Whether the peer has closed and waits for its answer.
    pub(super) fn is_peer_closing(&self) -> bool {
        matches!(self.phase, Phase::PeerClosing(..))
    }

    pub(super) fn awaits_protocol_header(&self) -> bool {
        matches!(&self.phase, Phase::Handshake(it) if it.awaits_header())
    }

    /// The size that frames from the peer may have now.
    pub(super) fn frame_bytes_max(&self) -> u32 {
        match &self.phase {
            Phase::Handshake(it) => it
                .tuned()
                .map_or(FRAME_BYTES_MAX_UNTUNED, |tuned| tuned.frame_bytes_max),
            Phase::Running(it) | Phase::PeerClosing(it, _) => it.tuned.frame_bytes_max,
            Phase::Closing { .. } | Phase::Finished(_) => {
                self.offer.frame_bytes_max.max(FRAME_BYTES_MAX_UNTUNED)
            }
        }
    }

    /// The next frame is not whole; its head, where that is, says how many octets of payload it has.
    pub(super) fn frame_arrives(&mut self, octets: usize) {
        let running = self.open().filter(|_| octets > 0);
        self.arriving = running.map(|running| Arriving {
            octets,
            since: match self.arriving {
                Some(arriving) => arriving.since,
                None => running.loads.since(self.out.now_ms()),
            },
        });
    }

    /// Deals with one frame. What it breaks is dealt with too.
    pub(super) fn frame(&mut self, frame: &Frame<'_>) -> Step<D> {
        self.arriving = None;
        let dealt_with = match &mut self.phase {
            Phase::Closing { .. } => {
                self.frame_while_closing(frame);
                return Step::Done;
            }
            Phase::PeerClosing(..) | Phase::Finished(_) => return Step::Done,
            Phase::Handshake(_) | Phase::Running(_) if frame.kind == FrameKind::Heartbeat => {
                heartbeat(frame)
            }
            Phase::Running(running) if frame.channel != ChannelId::CONNECTION => {
                running.frame(frame, &self.offer, &mut self.out)
            }
            Phase::Handshake(_) | Phase::Running(_) => self.own_frame(frame),
        };
        dealt_with.unwrap_or_else(|Misbehaved(reply)| {
            self.fault(frame.channel, reply);
            Step::Done
        })
    }

    /// A frame on channel 0, or any frame before the connection is open.
    fn own_frame(&mut self, frame: &Frame<'_>) -> Result<Step<D>, Misbehaved> {
        if frame.kind != FrameKind::Method {
            let sentence = format_args!("content on channel {}, which is not open", frame.channel);
            let code = if frame.channel == ChannelId::CONNECTION {
                ReplyCode::UnexpectedFrame
            } else {
                ReplyCode::ChannelError
            };
            return Err(Misbehaved::new(code, sentence));
        }
        let (id, arguments) = split_method(frame.payload)?;
        if frame.channel != ChannelId::CONNECTION || id.class != MethodId::CONNECTION_START.class {
            let method = decode(id, arguments, self.offer.tables).map(|_| ());
            let sentence = format_args!("method {id} on channel {}", frame.channel);
            return Err(method
                .err()
                .filter(|Misbehaved(reply)| reply.code() == ReplyCode::CommandInvalid)
                .unwrap_or_else(|| Misbehaved::new(ReplyCode::ChannelError, sentence).by(id)));
        }
        if matches!(&self.phase, Phase::Handshake(it) if it.awaits_verdict()) {
            return Ok(Step::Hold);
        }
        match decode(id, arguments, self.offer.tables)? {
            ClientMethod::Close(close) => Ok(self.peer_closes(close)),
            method => match &mut self.phase {
                Phase::Handshake(handshake) => {
                    let progress = handshake.method(id, method, &self.offer, &mut self.out)?;
                    Ok(self.proceed(progress))
                }
                _ => running_method(id, method),
            },
        }
    }

    /// The first eight octets.
    pub(super) fn protocol_header(&mut self, header: [u8; 8]) -> Step<D> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Step::Done;
        };
        let progress = handshake.header(header, &self.offer, &mut self.out);
        self.proceed(progress)
    }

    /// Goes where the handshake leads.
    fn proceed(&mut self, progress: Progress) -> Step<D> {
        match progress {
            Progress::GoesOn => Step::Done,
            Progress::Login(login) => Step::Event(Event::Login(login)),
            Progress::Open(client, tuned) => {
                self.phase = Phase::Running(Running::new(client, tuned));
                Step::Event(Event::Opened)
            }
            Progress::Declined { reply, by_close } => {
                if by_close {
                    self.close(&reply);
                } else {
                    self.finish(End::LoginDeclined);
                }
                Step::Event(Event::Misbehaved(reply))
            }
            Progress::WrongProtocol => {
                self.finish(End::WrongProtocol);
                Step::Done
            }
        }
    }

    /// The broker's judgement of a login: a sentence where it declines.
    pub(super) fn judge(&mut self, declined: Option<&str>) {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return;
        };
        match declined {
            None => handshake.accept(&self.offer, &mut self.out),
            Some(sentence) => {
                let progress = handshake.decline(sentence);
                self.proceed(progress);
            }
        }
    }

    fn frame_while_closing(&mut self, frame: &Frame<'_>) {
        if frame.channel != ChannelId::CONNECTION || frame.kind != FrameKind::Method {
            return;
        }
        match split_method(frame.payload) {
            Ok((MethodId::CONNECTION_CLOSE_OK, _)) => self.phase = Phase::Finished(End::Closed),
            // Both closed at once: the peer's close is answered, and it answers ours as well.
            Ok((MethodId::CONNECTION_CLOSE, _)) => {
                self.out
                    .method(ChannelId::CONNECTION, MethodId::CONNECTION_CLOSE_OK, |_| ());
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// What came is no frame: the next one cannot be found.
    pub(super) fn garbled(&mut self, Misbehaved(reply): Misbehaved) {
        if !matches!(self.phase, Phase::Closing { .. }) {
            self.close_for(reply);
        }
        self.finish(End::Garbled);
    }

    /// A protocol fault in a frame of `channel`.
    fn fault(&mut self, channel: ChannelId, reply: Reply) {
        if reply.code().scope() == Scope::Channel
            && let Phase::Running(running) = &mut self.phase
            && let Some(left) = running.end_channel(channel, Some(reply.clone()))
        {
            self.events.push_back(Event::ChannelEnding {
                left,
                fault: Some(reply),
            });
            return;
        }
        self.close_for(reply);
    }

    /// Closes for a fault of the peer.
    pub(super) fn close_for(&mut self, reply: Reply) {
        self.close(&reply);
        self.events.push_back(Event::Misbehaved(reply));
    }

    /// Sends our close and keeps what was out.
    pub(super) fn close(&mut self, reply: &Reply) {
        self.out
            .close(ChannelId::CONNECTION, MethodId::CONNECTION_CLOSE, reply);
        self.keep_leftovers();
        self.phase = Phase::Closing { deadline_ms: None };
    }

    pub(super) fn finish(&mut self, end: End) {
        self.keep_leftovers();
        self.phase = Phase::Finished(end);
    }

    pub(super) fn keep_leftovers(&mut self) {
        if let Phase::Running(running) | Phase::PeerClosing(running, _) = &mut self.phase {
            running.leave(&mut self.leftovers);
        }
    }

    /// The channels, while the connection is open.
    pub(super) fn open(&self) -> Option<&Running<D>> {
        match &self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    /// The channels and the way out, while there is anything to answer.
    pub(super) fn running(&mut self) -> Option<(&mut Running<D>, &mut Outbox)> {
        match &mut self.phase {
            Phase::Running(running) | Phase::PeerClosing(running, _) => {
                Some((running, &mut self.out))
            }
            Phase::Handshake(_) | Phase::Closing { .. } | Phase::Finished(_) => None,
        }
    }

    pub(super) fn heard(&mut self, now_ms: u64) {
        self.out.set_now(now_ms);
        self.heard_ms = self.out.now_ms();
    }

    pub(super) fn set_paused(&mut self, paused: bool, now_ms: u64) {
        // A shell says it again and again; only a change starts the wait for the peer anew.
        if self.paused != paused {
            self.heard(now_ms);
            self.paused = paused;
            let now_ms = self.out.now_ms();
            if let Phase::Running(running) = &mut self.phase {
                running.loads.pause(paused, now_ms);
            }
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64) {
        self.out.set_now(now_ms);
        let now_ms = self.out.now_ms();
        match &mut self.phase {
            Phase::Handshake(it) if now_ms >= it.deadline_ms() => {
                return self.finish(End::HandshakeTimeout);
            }
            Phase::Closing { deadline_ms } => {
                let deadline = *deadline_ms.get_or_insert(now_ms.saturating_add(CLOSE_MS_MAX));
                if now_ms >= deadline {
                    self.finish(End::CloseTimeout);
                }
                return;
            }
            _ => {}
        }
        if let Some((channel, deadline)) = self.message_deadline()
            && now_ms >= deadline
        {
            let reply = self.takes_too_long(format_args!("a message on channel {channel}"));
            self.close_for(reply.caused_by(MethodId::BASIC_PUBLISH));
        } else if self
            .arrival_deadline_ms()
            .is_some_and(|deadline| now_ms >= deadline)
        {
            self.close_for(self.takes_too_long(format_args!("a frame")));
        } else if self
            .silence_deadline_ms()
            .is_some_and(|deadline| now_ms >= deadline)
        {
            self.finish(End::HeartbeatMissed);
        } else if self
            .heartbeat_deadline_ms()
            .is_some_and(|deadline| now_ms >= deadline)
        {
            self.out.heartbeat();
        }
    }

    /// What is said of something of which a part came long ago.
    fn takes_too_long(&self, what: fmt::Arguments<'_>) -> Reply {
        let seconds = self.offer.message_ms_max.div_euclid(1_000);
        let sentence = format!("{what} is not whole after {seconds} s");
        Reply::new(ReplyCode::ConnectionForced, sentence)
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let own = match &self.phase {
            Phase::Handshake(it) => Some(it.deadline_ms()),
            Phase::Closing { deadline_ms } => Some(deadline_ms.unwrap_or(self.out.now_ms())),
            Phase::Running(_) | Phase::PeerClosing(..) | Phase::Finished(_) => None,
        };
        [
            own,
            self.message_deadline().map(|(_, deadline)| deadline),
            self.arrival_deadline_ms(),
            self.silence_deadline_ms(),
            self.heartbeat_deadline_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The agreed interval, where one is agreed and counts now.
    fn heartbeat_ms(&self) -> Option<u64> {
        let tuned = match &self.phase {
            Phase::Handshake(it) => it.tuned()?,
            Phase::Running(it) | Phase::PeerClosing(it, _) => it.tuned,
            Phase::Closing { .. } | Phase::Finished(_) => return None,
        };
        (tuned.heartbeat_s > 0).then(|| u64::from(tuned.heartbeat_s).saturating_mul(1_000))
    }

    /// When the oldest message under way has taken too long, and its channel.
    fn message_deadline(&self) -> Option<(ChannelId, u64)> {
        let (channel, since) = self.read()?.loads.oldest_message()?;
        Some((channel, since.saturating_add(self.offer.message_ms_max)))
    }

    /// When the frame of which a part has come has taken too long.
    fn arrival_deadline_ms(&self) -> Option<u64> {
        let since = self.read()?.loads.read_since(self.arriving?.since);
        Some(since.saturating_add(self.offer.message_ms_max))
    }

    /// The channels, while the connection is open and what its peer sends is read.
    fn read(&self) -> Option<&Running<D>> {
        self.open().filter(|_| !self.paused)
    }

    /// When the peer has been silent for too long. A peer that has said goodbye may be.
    fn silence_deadline_ms(&self) -> Option<u64> {
        if self.paused || self.is_peer_closing() {
            return None;
        }
        Some(
            self.heard_ms
                .saturating_add(self.heartbeat_ms()?.saturating_mul(2)),
        )
    }

    /// When we have been silent for half an interval.
    fn heartbeat_deadline_ms(&self) -> Option<u64> {
        Some(
            self.out
                .written_ms()
                .saturating_add(self.heartbeat_ms()?.div_euclid(2)),
        )
    }
}

fn heartbeat<D>(frame: &Frame<'_>) -> Result<Step<D>, Misbehaved> {
    if frame.channel != ChannelId::CONNECTION {
        let sentence = format_args!("a heartbeat on channel {}", frame.channel);
        return Err(Misbehaved::new(ReplyCode::UnexpectedFrame, sentence));
    }
    if !frame.payload.is_empty() {
        return Err(Misbehaved::new(
            ReplyCode::FrameError,
            "a heartbeat with a payload",
        ));
    }
    Ok(Step::Done)
}

/// A method on channel 0 of an open connection, other than a close.
fn running_method<D>(id: MethodId, method: ClientMethod<'_>) -> Result<Step<D>, Misbehaved> {
    if let ClientMethod::UpdateSecret { secret, reason } = method {
        return Ok(Step::Event(Event::UpdateSecret { secret, reason }));
    }
    let sentence = format_args!("method {id} on a connection that is open");
    Err(Misbehaved::new(ReplyCode::CommandInvalid, sentence).by(id))
}
