//! From events to commands: what a client does, as the core is told.

use std::sync::Arc;
use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use super::intake::{Again, Waiting};
use super::private::private;
use super::{Connection, RULEBOOK_CHANGED, requests};
use crate::agency::registry::Peer;
use crate::amqp::{
    self, Answer, ChannelId, Event, MethodId, Reply, ReplyCode, Request, Settlement, Ticket,
};
use crate::broker::admit::{Draw, View};
use crate::broker::command::{Ask, Command, Fence, Settle};
use crate::broker::exchange::{Arrived, Submission};
use crate::broker::ids::{DeliveryId, Origin};
use crate::broker::limits::{
    ADMITTED_HERE_BYTES, AGENCY_CONSUMERS, TURN_EVENT_OCTETS, TURN_MOVED_PART,
};
use crate::broker::pace::Allowance;
use crate::broker::record::LeafSecret;
use crate::message::id::{ExchangeId, SystemId};
use crate::server::desk::Task;
use crate::server::translate;

/// Why a connection ends where the system gives nothing to draw ids from.
const NO_RANDOMNESS: &str = "the system gives no random bytes";

/// A system as the rulebook of a view has it.
pub(super) struct Sender {
    pub(super) peer: Arc<Peer>,
    pub(super) view: Arc<View>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Turns what was received into commands, as far as more may be taken in.
    pub(super) fn parse(&mut self, cx: &Context<'_>) -> bool {
        if self.turn.is_over() {
            return false;
        }
        let mut moved = self.take_waiting(cx);
        let wanted_octets = self.session.wants_octets();
        while !self.turn.is_over() && self.may_go_on(cx) {
            let Some(event) = self.session.next_event() else {
                break;
            };
            moved = true;
            if let Some(event) = self.intake.pass(event) {
                self.paced(event);
            }
        }
        self.say_whether_blocked();
        // Frames that mean nothing make no event: behind them the socket is to be read again.
        moved || (!wanted_octets && self.session.wants_octets())
    }

    /// Takes the next of those that wait: what was admitted elsewhere, what is to be ruled again, and
    /// what has its time in the agency's pace.
    fn take_waiting(&mut self, cx: &Context<'_>) -> bool {
        match self.intake.admitted(cx) {
            Some((origin, Some(submission))) => {
                self.hand_in(origin, submission);
                return true;
            }
            Some((_, None)) => {
                self.fail("a message could not be admitted");
                return true;
            }
            None => {}
        }
        if self.intake.is_stalled() {
            let allowance = self.allowance(self.rights.system());
            let Some(event) = self.intake.stalled(allowance) else {
                return false;
            };
            self.event(event);
            return true;
        }
        let again = self.intake.next_again();
        if again.is_none() && self.intake.due().is_none() {
            return false;
        }
        let Some(sender) = self.sender() else {
            return true;
        };
        match again {
            Some(Again::Ruled(origin, arrived)) => {
                self.submit(origin, *arrived, &sender);
                return true;
            }
            Some(Again::Private(private)) => {
                self.link.tell(Command::Private(private));
                return true;
            }
            None => {}
        }
        match self.intake.next(self.allowance(&sender.peer)) {
            None => return false,
            Some(Waiting::Publish(it)) => self.hand_over(it.publish, &sender),
            Some(Waiting::Behind(_, event)) => self.paced(*event),
        }
        true
    }

    /// The system with the rights that it has now. Where it has none any more the connection is closed.
    pub(super) fn sender(&mut self) -> Option<Sender> {
        let view = self.backbone.view();
        if let Ok(peer) = self.rights.under(&view.rulebook) {
            return Some(Sender { peer, view });
        }
        self.close_forced(RULEBOOK_CHANGED);
        None
    }

    /// Takes an event in the pace of what its agency writes to the journal.
    fn paced(&mut self, event: Event<DeliveryId>) {
        let octets = requests::journal_octets(&event);
        let event = if octets == 0 {
            Some(event)
        } else {
            let allowance = self.allowance(self.rights.system());
            self.intake.write(octets, event, allowance)
        };
        if let Some(event) = event {
            self.event(event);
        }
    }

    fn event(&mut self, event: Event<DeliveryId>) {
        self.turn.spend(TURN_EVENT_OCTETS);
        match event {
            Event::Login(login) => self.log_in(&login),
            Event::Opened => self.opened(),
            Event::Publish(publish) => self.publish(publish),
            Event::Request { ticket, request } => self.request(ticket, request),
            Event::Settle { deliveries, how } => {
                let how = match how {
                    Settlement::Ack => Settle::Ack,
                    Settlement::Requeue => Settle::Requeue,
                    Settlement::Reject => Settle::Reject,
                };
                self.link.settle(deliveries, how);
            }
            Event::ChannelEnding { left, .. } => {
                let fence = Ask::Fence(Fence::CloseChannel);
                self.link.ask(left.channel, fence);
            }
            Event::ChannelGone { left } => {
                let dropped = self.intake.drop_requests_of(left.channel);
                self.session.retract(left.channel, dropped);
                let fence = Ask::Fence(Fence::CloseChannel);
                self.link.ask(left.channel, fence);
            }
            Event::UpdateSecret { secret, .. } => self.update_secret(&secret),
            Event::ConnectionEnding { .. } if self.link.is_open() => self.ask_for_goodbye(),
            Event::ConnectionEnding { .. } => {
                self.session.answer(ChannelId::new(0), Answer::Done);
            }
            Event::Misbehaved(reply) => {
                let system = self.rights.system();
                tracing::info!(
                    agency.id = %system.agency.id,
                    system.name = %system.system.name,
                    %reply,
                    "a client broke the protocol and is disconnected"
                );
                self.leave();
            }
        }
    }

    /// Has the core say when all that came before the client's goodbye is done.
    pub(super) fn ask_for_goodbye(&mut self) {
        let fence = Ask::Fence(Fence::CloseConnection);
        self.link.ask(ChannelId::new(0), fence);
    }

    /// It is open: it has a way to the core, or is told why not.
    fn opened(&mut self) {
        match self.rights.take_declined() {
            None => {
                let system = self.rights.system();
                let releases = system.system.reads.contains("inbox");
                let id = SystemId {
                    agency: system.agency.id.clone(),
                    system: system.system.name.clone(),
                };
                let port = self.backbone.attach(&system.unit, id, releases);
                self.link.open(port);
            }
            Some(says) => self.close(&Reply::new(ReplyCode::NotAllowed, says)),
        }
    }

    fn publish(&mut self, publish: amqp::Publish) {
        if !self.link.is_open() {
            return;
        }
        let Some(sender) = self.sender() else { return };
        let allowance = self.allowance(&sender.peer);
        if let Some(publish) = self.intake.publish(publish, allowance) {
            self.hand_over(publish, &sender);
        }
    }

    fn allowance(&self, peer: &Peer) -> Allowance {
        Allowance {
            now: self.clock.monotonic(),
            limits: peer.agency.limits,
        }
    }

    /// Hands a publish that has its place over to the core.
    fn hand_over(&mut self, publish: amqp::Publish, sender: &Sender) {
        let place = publish.place;
        let Some(origin) = self.link.origin(place) else {
            return;
        };
        if &*publish.exchange == "carnet" {
            return self.submit(origin, translate::publish(publish), sender);
        }
        self.turn.spend(publish.body.len());
        let Ok(id) = self.worker.draw() else {
            return self.fail(NO_RANDOMNESS);
        };
        let ring = sender.view.keys.ring();
        let sealing = ring.sealing(ExchangeId(id), self.backbone.now());
        match private(
            publish,
            origin,
            &sender.peer,
            &sender.view.rulebook,
            &sealing,
        ) {
            Ok(private) => self.link.tell(Command::from(private)),
            Err(says) => {
                self.intake.withdraw(place.channel);
                let reply = Reply::new(ReplyCode::PreconditionFailed, says);
                let reply = reply.caused_by(MethodId::BASIC_PUBLISH);
                self.session.withdraw(place, &reply);
            }
        }
    }

    /// Has a message admitted, here or, where it is large, at the desk. Ends the connection where the
    /// system has no randomness.
    fn submit(&mut self, origin: Origin, arrived: Arrived, sender: &Sender) {
        let (Ok(exchange), Ok(secret)) = (self.worker.draw(), self.worker.draw()) else {
            // Without randomness nothing can be stored: no responsibility is taken.
            return self.fail(NO_RANDOMNESS);
        };
        let bytes = arrived.bytes();
        let task = Task {
            peer: Arc::clone(&sender.peer),
            view: Arc::clone(&sender.view),
            arrived,
            draw: Draw {
                exchange: ExchangeId(exchange),
                secret: LeafSecret::new(secret),
            },
            now: self.backbone.now(),
        };
        if bytes > ADMITTED_HERE_BYTES {
            self.turn.spend(bytes.div_euclid(TURN_MOVED_PART));
            return self.intake.admit(origin, task);
        }
        self.turn.spend(bytes);
        self.hand_in(origin, task.run());
    }

    /// Hands a message over that was admitted.
    fn hand_in(&mut self, origin: Origin, mut submission: Submission) {
        let mut search = None;
        if let Some(key) = submission.id_key() {
            match self.backbone.glance(key) {
                Some(looked) => submission.found(looked),
                None => search = Some(key),
            }
        }
        self.link.submit(origin, Box::new(submission), search);
    }

    fn fail(&mut self, says: &str) {
        self.close(&Reply::new(ReplyCode::InternalError, says));
    }

    fn request(&mut self, ticket: Ticket, request: Request<DeliveryId>) {
        let Some(Sender { peer, .. }) = self.sender() else {
            return;
        };
        let channel = ticket.channel();
        let mut drawn = None;
        if let Some(prefix) = requests::prefix_of_missing_name(&request) {
            let Ok(random) = self.worker.draw::<16>() else {
                return self.fail(NO_RANDOMNESS);
            };
            let random = data_encoding::BASE64URL_NOPAD.encode(&random);
            drawn = Some(format!("{prefix}{random}"));
        }
        if let (Request::Consume(number, _), Some(tag)) = (&request, &drawn) {
            self.session.name_consumer(channel, *number, tag);
        }
        let is_consume = matches!(request, Request::Consume(..));
        let room = !is_consume || self.intake.portion.hold_consumers(self.session.consumers());
        let asked = if room {
            requests::ask(&request, &peer, drawn)
        } else {
            let whose = peer.unit.party().address();
            let says = format!("{whose} has {AGENCY_CONSUMERS} consumers, which is the limit");
            Err(Reply::new(ReplyCode::PreconditionFailed, says))
        };
        let ask = match asked {
            Ok(ask) => ask,
            Err(reply) => {
                self.session.refuse(ticket, reply);
                Ask::Fence(Fence::Refuse)
            }
        };
        if let Request::Recover(deliveries) = request {
            self.link.settle(deliveries, Settle::Requeue);
        }
        self.link.ask(channel, ask);
    }
}
