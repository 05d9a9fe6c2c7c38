//! One connection: bytes in, events, commands; effects, frames, bytes out.
//!
//! It lives on one core as one hand-written poll, [`Connection::turn`], which goes round until
//! nothing moves: take effects, render, write, read, parse, admit, submit. It never waits for a
//! write before reading, and reads no further while too much of it waits.

mod early;
mod effects;
mod events;
mod goodbye;
mod held;
mod unconfirmed;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use self::early::Early;
use self::held::Held;
use self::unconfirmed::Unconfirmed;
use super::clock::{Clock, Entropy};
use super::translate::TABLES;
use crate::agency::identity::Grounds;
use crate::agency::registry::Peer;
use crate::amqp::{End, Offer, Reply, ReplyCode, Session};
use crate::backbone::embedded::{Embedded, Port};
use crate::broker::command::{Command, DeliveryId, Effect};
use crate::broker::limits::{
    ASSEMBLY_BYTES, BODY_BYTES, LINGER, OUTPUT_BYTES, READ_BYTES, READ_OVER_BYTES, TURN_DELIVERIES,
    UNANSWERED_REQUESTS, UNREAD_GOODBYE,
};
use crate::broker::pace::Pace;
use crate::message::time::Timestamp;

/// What a channel of the session waits for, in the order of its requests.
#[derive(Debug)]
pub(super) enum Pending {
    /// Nothing but the end of it.
    Done,
    /// A queue's declaration.
    Declare,
    /// A count of purged messages.
    Purge,
    /// A count of deleted messages.
    Delete,
    /// A consumer to start: its number and tag.
    Consume(u64, String),
    /// A consumer to end.
    Cancel(u64),
    /// A get.
    Get { no_ack: bool },
    /// A prefetch limit, which the session has answered.
    Prefetch,
    /// To be refused, once those before it are answered.
    Refuse(Reply),
    /// The end of the channel.
    CloseChannel,
    /// The end of a channel that the broker itself closed.
    Forget,
    /// The end of the connection.
    CloseConnection,
}

/// The publishes of a channel number, over all its channels: serials of theirs.
#[derive(Debug, Default)]
struct Publishes {
    /// The last that was handed over.
    sent: u64,
    /// The last whose outcome is known.
    decided: u64,
    /// The last of a channel that has ended: nobody is told of it any more.
    forgotten: u64,
}

/// A consumer that was started.
#[derive(Debug)]
pub(super) struct Consumer {
    tag: String,
    no_ack: bool,
}

/// What a connection shares with others.
pub(super) struct Shared {
    /// The core.
    pub(super) backbone: Arc<Embedded>,
    /// The pace of its agency.
    pub(super) pace: Arc<Pace>,
    /// Time.
    pub(super) clock: Clock,
    /// What its client is told where there is no place for it.
    pub(super) refused: Option<String>,
}

/// A connection of one system.
pub(super) struct Connection<S> {
    stream: S,
    session: Session<DeliveryId>,
    /// The system, with the rights that the rulebook of `rulebook_epoch` gives it.
    peer: Arc<Peer>,
    /// What it was let in on, and is served on.
    grounds: Grounds,
    rulebook_epoch: u64,
    backbone: Arc<Embedded>,
    pace: Arc<Pace>,
    /// The way to the core: once the connection is open.
    port: Option<Port>,
    refused: Option<String>,
    clock: Clock,
    entropy: Entropy,
    commands: Vec<Command>,
    effects: VecDeque<Effect>,
    taken: Vec<Effect>,
    /// What follows deliveries that wait to be narrowed.
    held: Held,
    pending: BTreeMap<u16, VecDeque<Pending>>,
    /// How many they are, over all channels.
    unanswered: usize,
    consumers: BTreeMap<(u16, u64), Consumer>,
    next_consumer: u64,
    publishes: BTreeMap<u16, Publishes>,
    /// Confirms to be sent, the highest of each channel.
    confirms: BTreeMap<u16, u64>,
    unconfirmed: Unconfirmed,
    /// Publishes that wait for their places in the pace of the agency.
    early: Early,
    /// Why nothing can be stored, where that is so.
    blocked: Option<&'static str>,
    /// Whether the client was told so since the last write.
    said: bool,
    quota_logged_ms: Option<u64>,
    timer: Pin<Box<Sleep>>,
    written: usize,
    /// Since when the peer has read nothing of what is to be written.
    unread_since_ms: Option<u64>,
    peer_has_closed: bool,
    /// Until when the peer may take what it was told last and close, once the connection is over.
    lingers_until_ms: Option<u64>,
    /// Whether our side is shut down.
    shut: bool,
    buffer: Box<[u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(
        stream: S,
        (peer, grounds): (Arc<Peer>, Grounds),
        shared: Shared,
        heartbeat_s: u16,
    ) -> Self {
        let Shared {
            backbone,
            pace,
            clock,
            refused,
        } = shared;
        let offer = Offer {
            channels_max: 2047,
            frame_bytes_max: 131_072,
            heartbeat_s,
            body_bytes_max: BODY_BYTES,
            read_over_bytes_max: READ_OVER_BYTES,
            properties_bytes_max: 65_536,
            assembly_bytes_max: ASSEMBLY_BYTES,
            tables: TABLES,
            mechanisms: "EXTERNAL",
            product: "Carnet".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: "Rust".to_owned(),
        };
        Self {
            stream,
            session: Session::new(offer, clock.monotonic_ms()),
            peer,
            grounds,
            rulebook_epoch: 0,
            backbone,
            pace,
            port: None,
            refused,
            clock,
            entropy: Entropy::default(),
            commands: Vec::new(),
            effects: VecDeque::new(),
            taken: Vec::new(),
            held: Held::default(),
            pending: BTreeMap::new(),
            unanswered: 0,
            consumers: BTreeMap::new(),
            next_consumer: 1,
            publishes: BTreeMap::new(),
            confirms: BTreeMap::new(),
            unconfirmed: Unconfirmed::default(),
            early: Early::default(),
            blocked: None,
            said: false,
            quota_logged_ms: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            written: 0,
            unread_since_ms: None,
            peer_has_closed: false,
            lingers_until_ms: None,
            shut: false,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        }
    }

    /// Serves the connection until it ends, and says how it did. It is closed with 320 when `closing`
    /// says so, and when the chain that let it in has ended.
    pub(super) async fn serve(
        mut self,
        mut closing: tokio::sync::watch::Receiver<bool>,
    ) -> io::Result<String> {
        let mut told = None;
        let mut outlived = pin!(outlived(self.clock, self.grounds.until));
        let ended = loop {
            let turn = std::future::poll_fn(|cx| self.turn(cx));
            tokio::select! {
                ended = turn => break ended,
                changed = closing.changed(), if told.is_none() => {
                    if changed.is_err() || *closing.borrow() {
                        told = Some("the broker stops".to_owned());
                        self.close_forced("the broker is shutting down");
                    }
                }
                () = &mut outlived, if told.is_none() => {
                    let Grounds { until, ends_with, .. } = &self.grounds;
                    let says = format!("{ends_with} ended at {until}");
                    self.close_forced(&format!("{says}: renew it and connect again"));
                    told = Some(says);
                }
            }
        };
        self.leave();
        ended.map(|()| goodbye::in_words(self.session.end(), told))
    }

    /// One poll: round until nothing moves. Ready when the connection has ended.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rounds = 0;
        loop {
            let mut moved = self.take_effects(cx);
            moved |= self.write(cx)?;
            if self.is_over() {
                return self.end(cx);
            }
            moved |= self.read(cx)?;
            moved |= self.parse(cx);
            if let Some(port) = &self.port {
                port.send(&mut self.commands);
            }
            moved |= self.look_at_time(cx);
            rounds += 1;
            if !moved {
                return Poll::Pending;
            }
            if rounds >= TURN_DELIVERIES {
                // Others on this core get their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Whether nothing more is to be taken in, or rendered.
    fn is_over(&self) -> bool {
        let says_goodbye = || {
            let asked = self.pending.get(&0).into_iter().flatten();
            asked
                .into_iter()
                .any(|it| matches!(it, Pending::CloseConnection))
        };
        let unread = self.unread_since_ms.is_some_and(|since| {
            self.clock.monotonic_ms().saturating_sub(since) >= millis(UNREAD_GOODBYE)
        });
        self.session.is_finished() || self.peer_has_closed || (unread && says_goodbye())
    }

    /// Says what is left to be said, shuts the writing side down, and reads over what still comes: a
    /// socket closed with unread input is reset, and the peer would lose what it was told last. A
    /// peer that does not read, or does not close, is dropped in the end.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Its queues and what it had out are others' from now on, whether it reads or not.
        self.leave();
        let now = self.clock.monotonic_ms();
        let until = *self.lingers_until_ms.get_or_insert(now + millis(LINGER));
        let wait = Duration::from_millis(until.saturating_sub(now));
        self.timer.as_mut().reset(later(wait));
        if wait.is_zero() || self.timer.as_mut().poll(cx).is_ready() {
            // It is told that we are done, if it can be told at once.
            drop(Pin::new(&mut self.stream).poll_shutdown(cx));
            return Poll::Ready(Ok(()));
        }
        // A client that has said goodbye ends the socket itself: some take an end of ours, when it comes
        // first, for a loss of the connection.
        let is_theirs = self.session.end() == Some(End::ClosedByPeer);
        if !self.shut && !is_theirs {
            // The turn has written what the peer takes; from here it is woken to write the rest.
            let drained = self.session.output().len() == self.written;
            if !drained && !self.peer_has_closed {
                return Poll::Pending;
            }
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        if self.peer_has_closed {
            return Poll::Ready(Ok(()));
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into)) {
            Ok(()) if !into.filled().is_empty() => {
                // A peer that goes on writing does not hold up the others on this core.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(()) | Err(_) => Poll::Ready(Ok(())),
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        loop {
            let output = self.session.output();
            let Some(rest) = output.get(self.written..).filter(|rest| !rest.is_empty()) else {
                if self.written > 0 {
                    output.clear();
                    self.written = 0;
                    self.session.shed();
                }
                break;
            };
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(count) => {
                    self.written += count?;
                    moved = true;
                }
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) {
            flushed?;
        }
        if moved || self.waiting_output() == 0 {
            self.unread_since_ms = None;
        } else if self.unread_since_ms.is_none() {
            self.unread_since_ms = Some(self.clock.monotonic_ms());
        }
        Ok(moved)
    }

    fn waiting_output(&mut self) -> usize {
        self.session.output().len() - self.written
    }

    /// It is open: it has a way to the core, or is told why not.
    fn opened(&mut self) {
        match self.refused.take() {
            None => {
                let unit = self.peer.unit.id.clone();
                let releases = self.peer.system.reads.contains("inbox");
                self.port = Some(self.backbone.attach(unit, releases));
            }
            Some(says) => {
                let reply = Reply::new(ReplyCode::NotAllowed, says);
                self.close(&reply);
            }
        }
    }

    /// The next request of a channel, which is answered now.
    fn answered(&mut self, channel: u16) -> Option<Pending> {
        let pending = self.pending.get_mut(&channel)?.pop_front()?;
        self.unanswered = self.unanswered.saturating_sub(1);
        Some(pending)
    }

    /// Whether more may be taken in.
    fn may_go_on(&mut self, cx: &Context<'_>) -> bool {
        let port = self.port.as_ref();
        // Who never published holds nobody up, and is not held up.
        let room = !self.is_publisher() || port.is_none_or(|port| port.has_room(cx.waker()));
        let now = self.clock.monotonic_ms();
        let full = !room
            || self.early.is_full()
            || self.unconfirmed.is_full()
            || self.unanswered >= UNANSWERED_REQUESTS;
        // Who does not read what it is told is held up by itself, and its silence is its own.
        let unread = self.waiting_output() >= OUTPUT_BYTES;
        self.session.set_paused(full && !unread, now);
        self.say_whether_blocked();
        !full
    }

    /// Whether it ever published: who only consumes is neither held up nor told.
    fn is_publisher(&self) -> bool {
        !self.publishes.is_empty()
    }

    /// Tells a client that publishes whether anything can be stored; the session tells changes alone.
    fn say_whether_blocked(&mut self) {
        let before = self.session.output().len();
        match self.blocked.filter(|_| self.is_publisher()) {
            Some(reason) => self.session.blocked(reason),
            None => self.session.unblocked(),
        }
        self.said |= before != self.session.output().len();
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.waiting_output() > OUTPUT_BYTES || self.session.is_holding() || !self.may_go_on(cx)
        {
            return Ok(false);
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        match Pin::new(&mut self.stream).poll_read(cx, &mut into) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.peer_has_closed = true;
                Ok(true)
            }
            Poll::Ready(result) => {
                result?;
                let filled = into.filled();
                if filled.is_empty() {
                    self.peer_has_closed = true;
                } else {
                    self.session.receive(filled, self.clock.monotonic_ms());
                }
                Ok(true)
            }
        }
    }

    /// Lets time pass for the session. True where that ended it or gave it something to say: both
    /// are for this turn, since nothing else may ever wake the connection again.
    fn look_at_time(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.clock.monotonic_ms();
        let before = (self.session.output().len(), self.session.is_finished());
        self.session.tick(now);
        let after = (self.session.output().len(), self.session.is_finished());
        let deadline = self.session.next_deadline_ms();
        // Never too early: what is tried before its time waits once more.
        let early = self.early.due().map(|due| {
            let due = due.as_nanos().div_ceil(1_000_000);
            u64::try_from(due).unwrap_or(u64::MAX)
        });
        let goodbye = self
            .unread_since_ms
            .map(|since| since + millis(UNREAD_GOODBYE))
            .filter(|at| *at > now);
        let next = deadline.into_iter().chain(early).chain(goodbye).min();
        let wait = next.map_or(Duration::from_mins(1), |at| {
            Duration::from_millis(at.saturating_sub(now).max(1))
        });
        self.timer.as_mut().reset(later(wait));
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        before != after || std::mem::take(&mut self.said)
    }

    /// Closes the connection, of the broker's own accord. From here nothing more is taken from the core:
    /// what could not be sent would come back and be tried again.
    fn close(&mut self, reply: &Reply) {
        self.session.close_connection(reply);
        if let Some(port) = &mut self.port {
            port.ended_here = true;
        }
        self.leave();
    }

    /// What the connection had out comes back; nothing is told any more.
    fn leave(&mut self) {
        // Dropping the port says that it is gone, or was ended here, behind everything that was handed over.
        if let Some(port) = self.port.take() {
            port.send(&mut self.commands);
            self.effects.clear();
            self.held.clear();
            self.early.clear();
        }
        self.session.take_leftovers();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Returns once `until` has passed. Wall time may be set: it is looked at each minute.
async fn outlived(clock: Clock, until: Timestamp) {
    loop {
        let now = clock.now();
        if now > until {
            return;
        }
        let left = until.since(now) + Duration::from_millis(1);
        tokio::time::sleep(left.min(Duration::from_mins(1))).await;
    }
}

/// tokio's own clock drives its timers: this reads no wall time.
fn later(wait: Duration) -> Instant {
    Instant::now() + wait
}
