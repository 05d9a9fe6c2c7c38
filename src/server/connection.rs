//! One connection: bytes in, events, commands; effects, frames, bytes out.
//!
//! It lives on one core as one hand-written poll, [`Connection::go_round`], which goes round until
//! nothing moves. The way of a message, in the order of the files:
//!
//! ```text
//! bytes   socket -> session -> event   incoming: rights, intake (the pace) -> command   link -> core
//! bytes   socket <- session <- answer  outgoing: records, rights           <- effect    link <- core
//! ```
//! It never waits for a write before reading, and reads no further while too much of it waits.

mod goodbye;
mod held;
mod incoming;
mod intake;
mod judging;
mod link;
mod login;
mod outgoing;
mod private;
mod quota;
mod records;
mod requests;
mod rights;
mod searches;
mod socket;
mod timer;
mod unconfirmed;

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub(super) use self::goodbye::Parted;
use self::intake::Intake;
use self::link::Link;
use self::login::Logins;
use self::records::Records;
use self::rights::Rights;
use self::socket::Socket;
use self::timer::Timer;
use super::clock::{Clock, millis};
use super::desk::Desk;
use super::jwks::KeySets;
use super::revocation::Revocation;
use super::translate::TABLES;
use super::turns::Turn;
use super::worker::Worker;
use crate::agency::identity::Grounds;
use crate::agency::registry::Peer;
use crate::amqp::{End, Offer, Reply, ReplyCode, Session};
use crate::backbone::embedded::Embedded;
use crate::broker::budget::{Budget, Room};
use crate::broker::ids::DeliveryId;
use crate::broker::limits::{
    AGENCY_UNFINISHED_BYTES, ASSEMBLY_BYTES, BODY_BYTES, MESSAGE_TIME, OUTPUT_BYTES,
    READ_OVER_BYTES, ROOM_RETRY, TURN_EVENT_OCTETS, TURN_MOVED_PART, UNANSWERED_REQUESTS,
};
use crate::message::id::Digest;
use crate::message::time::Timestamp;

/// What a system is told that is not any more what it was when it came.
const RULEBOOK_CHANGED: &str = "the rulebook has changed what this system is or may read";

/// What a connection shares with others.
pub(super) struct Shared {
    /// The core.
    pub(super) backbone: Arc<Embedded>,
    /// The budget of its agency.
    pub(super) budget: Arc<Budget>,
    /// Where large messages are admitted.
    pub(super) desk: Arc<Desk>,
    /// Which certificates are withdrawn.
    pub(super) revocation: Arc<Revocation>,
    /// Keys of the agencies' identity providers.
    pub(super) keys: Arc<KeySets>,
    /// Buffer, randomness and time of its thread.
    pub(super) worker: Rc<Worker>,
    /// Time.
    pub(super) clock: Clock,
}

/// The client of one connection, and how it is served.
pub(super) struct Client {
    pub(super) peer: Arc<Peer>,
    /// What it was let in on.
    pub(super) grounds: Grounds,
    /// SHA-256 of its certificate, to which a token must be bound.
    pub(super) certificate: Digest,
    /// The sentence that it is closed with once it is open, where there is no place for it.
    pub(super) declined: Option<String>,
    /// The heartbeat that it is offered, in seconds.
    pub(super) heartbeat_s: u16,
}

/// Where a poll has led.
enum Turned {
    /// The connection has ended.
    Ended(io::Result<()>),
    /// It stands on another token.
    Renewed,
}

/// A connection of one system.
pub(super) struct Connection<S> {
    socket: Socket<S>,
    session: Session<DeliveryId>,
    rights: Rights,
    login: Logins,
    intake: Intake,
    link: Link,
    records: Records,
    backbone: Arc<Embedded>,
    revocation: Arc<Revocation>,
    worker: Rc<Worker>,
    turn: Turn,
    clock: Clock,
    timer: Timer,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, client: Client, shared: Shared) -> Self {
        let Shared {
            backbone,
            budget,
            desk,
            revocation,
            keys,
            worker,
            clock,
        } = shared;
        let turn = worker.turns.of(client.peer.unit.party());
        Self {
            socket: Socket::new(stream),
            session: Session::new(offer(&client), clock.monotonic_ms()),
            rights: Rights::new(client.peer, client.grounds, client.declined),
            login: Logins::new(keys, client.certificate),
            intake: Intake::new(budget, desk),
            link: Link::default(),
            records: Records::new(Arc::clone(&backbone)),
            backbone,
            revocation,
            worker,
            turn,
            clock,
            timer: Timer::new(),
        }
    }

    /// Serves the connection until it ends, and says how it did. It is closed with 320 when `closing`
    /// says so, when the chain that let it in has ended, when a certificate of it is withdrawn, and when
    /// a rulebook takes its rights away.
    pub(super) async fn serve(mut self, mut closing: tokio::sync::watch::Receiver<bool>) -> Parted {
        let (mut told, mut withdrawn) = (None, None);
        let revocation = Arc::clone(&self.revocation);
        let mut withdrawals = revocation.changes();
        // What was withdrawn since the handshake counts too.
        withdrawals.mark_changed();
        let mut in_force = self.backbone.in_force();
        // It was let in by the rulebook of a moment ago.
        in_force.mark_changed();
        let ended = loop {
            // It is looked up again when another token has come.
            let mut outlived = pin!(outlived(self.clock, self.rights.until()));
            let turn = std::future::poll_fn(|cx| self.turn(cx));
            tokio::select! {
                turned = turn => match turned {
                    Turned::Ended(ended) => break ended,
                    Turned::Renewed => {}
                },
                changed = closing.changed(), if told.is_none() => {
                    if changed.is_err() || *closing.borrow() {
                        told = Some("the broker stops".to_owned());
                        self.close_forced("the broker is shutting down");
                    }
                }
                Ok(()) = withdrawals.changed(), if told.is_none() => {
                    if let Err(refusal) = revocation.stand(self.rights.grounds()) {
                        self.close_forced(&format!("the certificate: {}", refusal.detail));
                        told = Some("its certificate is withdrawn".to_owned());
                        withdrawn = Some(refusal);
                    }
                }
                Ok(()) = in_force.changed(), if told.is_none() => {
                    // However little it does, what a rulebook takes from it is over.
                    told = self.sender().is_none().then(|| RULEBOOK_CHANGED.to_owned());
                }
                () = &mut outlived, if told.is_none() => {
                    let says = self.rights.end_of_grounds();
                    self.close_forced(&format!("{says}: renew it and connect again"));
                    told = Some(says);
                }
            }
        };
        self.leave();
        Parted {
            how: ended.map(|()| goodbye::in_words(self.session.end(), told)),
            withdrawn,
        }
    }

    /// One poll. Ready when the connection has ended, or what it stands on is another.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Turned> {
        let polled = self.go_round(cx);
        self.turn.rest();
        match polled {
            Poll::Ready(ended) => Poll::Ready(Turned::Ended(ended)),
            Poll::Pending if self.login.take_renewed() => Poll::Ready(Turned::Renewed),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Goes round until nothing moves, or the turn is over. Ready when the connection has ended.
    fn go_round(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut moved = self.take_effects(cx);
            moved |= self.write(cx)?;
            if self.is_over() {
                return self.end(cx);
            }
            let unwritten = self.waiting_output();
            moved |= self.read(cx)?;
            moved |= self.parse(cx);
            if !(self.turn.is_over() && self.turn.is_next() && self.link.keeps()) {
                moved |= self.link.send(cx, &self.backbone);
            }
            if moved || self.intake.portion.room() == Room::Exceeded {
                self.count();
            }
            self.look_at_time(cx);
            // What was said meanwhile is for this turn: nothing else may ever wake the connection.
            moved |= self.session.is_finished() || self.waiting_output() > unwritten;
            if self.turn.is_over() {
                // Others on this core go on first, and the sockets are looked at.
                self.turn.wait(cx);
                return Poll::Pending;
            }
            if !moved {
                // It may be silent for long: what is empty takes no memory meanwhile.
                self.session.shed();
                self.link.shed();
                return Poll::Pending;
            }
            self.turn.spend(TURN_EVENT_OCTETS);
        }
    }

    /// Whether nothing more is to be taken in, or rendered.
    fn is_over(&self) -> bool {
        let is_given_up = || {
            let given_up = self.socket.given_up_ms();
            given_up.is_some_and(|at| at <= self.clock.monotonic_ms())
        };
        // One that holds what all of its agency may have to read is given up like one that said goodbye.
        let is_due = self.session.is_peer_closing() || self.intake.portion.is_unread();
        self.session.is_finished() || self.socket.peer_has_closed() || (is_due && is_given_up())
    }

    /// Parts from the peer, which has some time to take what it was told last.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Its queues and what it had out are others' from now on, whether it reads or not.
        self.leave();
        let lingers = self.socket.lingers_for(self.clock.monotonic_ms());
        self.timer.wake_in(cx, lingers);
        if lingers.is_zero() {
            self.socket.give_up(cx);
            return Poll::Ready(Ok(()));
        }
        let closes_first = self.session.end() == Some(End::ClosedByPeer);
        let (socket, output) = (&mut self.socket, self.session.output());
        let part = |buffer: &mut [u8]| socket.part(cx, output, closes_first, buffer);
        if !ready!(self.worker.with_buffer(part))? {
            // A peer that goes on writing does not hold up the others on this core.
            self.turn.wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let now = self.clock.monotonic_ms();
        let before = self.waiting_output();
        let moved = self.socket.write(cx, self.session.output(), now)?;
        let written = before.saturating_sub(self.waiting_output());
        self.turn.spend(written.div_euclid(TURN_MOVED_PART));
        Ok(moved)
    }

    fn waiting_output(&mut self) -> usize {
        self.socket.waiting(self.session.output())
    }

    /// Counts what the connection holds in the budget of its agency, and ends it where that is too much.
    fn count(&mut self) {
        let unread = self.waiting_output();
        let portion = &mut self.intake.portion;
        portion.hold_unread(unread);
        portion.hold_consumers(self.session.consumers());
        if portion.room() == Room::Exceeded {
            let whose = self.rights.system().unit.party().address();
            let says = format!(
                "messages and frames under way of {whose} take more than {AGENCY_UNFINISHED_BYTES} octets; \
                 finish one before the next"
            );
            self.close(&Reply::new(ReplyCode::NotAllowed, says));
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        // What has come and is not looked at yet comes first: what waits for the core would else wait in
        // memory, however much of it there is.
        let wants = self.session.wants_octets();
        let is_full = self.turn.is_over() || self.waiting_output() > OUTPUT_BYTES;
        if is_full || !wants || !self.may_go_on(cx) {
            return Ok(false);
        }
        let (socket, session, turn) = (&mut self.socket, &mut self.session, &mut self.turn);
        self.worker.with_buffer(|buffer| {
            let Some(came) = socket.read(cx, buffer)? else {
                return Ok(false);
            };
            if !came.is_empty() {
                turn.spend(came.len().div_euclid(TURN_MOVED_PART));
                session.receive(came, self.clock.monotonic_ms());
            }
            Ok(true)
        })
    }

    /// Whether more may be taken in.
    fn may_go_on(&mut self, cx: &Context<'_>) -> bool {
        // Who never published holds nobody up, and is not held up.
        let room = !self.session.has_published() || self.link.has_room(cx.waker());
        let fits = self.intake.holds(self.session.unfinished()) == Room::Free;
        let now = self.clock.monotonic_ms();
        let full = !room
            || !fits
            || self.intake.is_full()
            || self.session.unanswered() >= UNANSWERED_REQUESTS;
        // Who does not read what it is told is held up by itself, and its silence is its own.
        let unread = self.waiting_output() >= OUTPUT_BYTES;
        self.session.set_paused(full && !unread, now);
        !full
    }

    /// Tells a client that publishes whether anything can be stored; the session tells changes alone.
    fn say_whether_blocked(&mut self) {
        match self.intake.blocked.filter(|_| self.session.has_published()) {
            Some(reason) => self.session.blocked(reason),
            None => self.session.unblocked(),
        }
    }

    /// Lets time pass for the session, and has the connection woken when the next thing is due.
    fn look_at_time(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.monotonic_ms();
        self.session.tick(now);
        let deadline = self.session.next_deadline_ms();
        // Never too early: what is tried before its time waits once more.
        let place = self.intake.due().map(|due| {
            let due = due.as_nanos().div_ceil(1_000_000);
            u64::try_from(due).unwrap_or(u64::MAX)
        });
        let given_up = self.socket.given_up_ms().filter(|at| *at > now);
        // Whoever of the agency reads, or is served, makes room: there is no other sign of it.
        let portion = &self.intake.portion;
        let waits = portion.is_unread() || portion.room() != Room::Free;
        let room = waits.then(|| now.saturating_add(millis(ROOM_RETRY)));
        let next = [deadline, place, given_up, room]
            .into_iter()
            .flatten()
            .min();
        let wait = next.map_or(Duration::from_mins(1), |at| {
            Duration::from_millis(at.saturating_sub(now).max(1))
        });
        self.timer.wake_in(cx, wait);
    }

    /// Closes with 320: clients with recovery come back on it.
    fn close_forced(&mut self, says: &str) {
        self.close(&Reply::new(ReplyCode::ConnectionForced, says));
    }

    /// Closes the connection, of the broker's own accord. From here nothing more is taken from the core:
    /// what could not be sent would come back and be tried again.
    fn close(&mut self, reply: &Reply) {
        self.session.close_connection(reply);
        self.link.end(true);
        self.leave();
    }

    /// What the connection had out comes back; nothing is told any more.
    fn leave(&mut self) {
        if self.link.is_open() {
            self.link.end(false);
        }
        self.intake.clear();
        self.intake.holds(0);
        self.records.clear();
        self.session.take_leftovers();
    }
}

fn offer(client: &Client) -> Offer {
    let has_provider = client.peer.agency.identity_provider.is_some();
    let heartbeat_s = client.heartbeat_s;
    Offer {
        channels_max: 2047,
        frame_bytes_max: 131_072,
        heartbeat_s,
        body_bytes_max: BODY_BYTES,
        read_over_bytes_max: READ_OVER_BYTES,
        properties_bytes_max: 65_536,
        assembly_bytes_max: ASSEMBLY_BYTES,
        message_ms_max: millis(MESSAGE_TIME),
        tables: TABLES,
        mechanisms: if has_provider {
            "EXTERNAL PLAIN"
        } else {
            "EXTERNAL"
        },
        product: "Carnet".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: "Rust".to_owned(),
    }
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
