//! From events to commands: what a client does, as the core is told.

use std::sync::Arc;
use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use super::intake::{Allowance, Waiting};
use super::private::private;
use super::{Connection, requests};
use crate::agency::registry::Peer;
use crate::amqp::{
    self, Answer, ChannelId, Event, MethodId, Reply, ReplyCode, Request, Settlement, Ticket,
};
use crate::broker::admit::{Draw, View, admit};
use crate::broker::command::{Ask, Command, Fence, Settle};
use crate::broker::exchange::Arrived;
use crate::broker::ids::{DeliveryId, Origin};
use crate::broker::record::LeafSecret;
use crate::message::id::{ExchangeId, SystemId};
use crate::server::translate;

/// A system as the rulebook of a view has it.
pub(super) struct Sender {
    pub(super) peer: Arc<Peer>,
    pub(super) view: Arc<View>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Turns what was received into commands, as far as more may be taken in.
    pub(super) fn parse(&mut self, cx: &Context<'_>) -> bool {
        let mut moved = self.take_waiting();
        while self.may_go_on(cx) {
            let Some(event) = self.session.next_event() else {
                break;
            };
            moved = true;
            if let Some(event) = self.intake.pass(event) {
                self.event(event);
            }
        }
        moved
    }

    /// Takes the next of those that wait for the agency's pace, once its time has come.
    fn take_waiting(&mut self) -> bool {
        if self.intake.due().is_none() {
            return false;
        }
        let Some(sender) = self.sender() else {
            return true;
        };
        match self.intake.next(self.allowance(&sender)) {
            None => return false,
            Some(Waiting::Publish(publish)) => self.hand_over(*publish, &sender),
            Some(Waiting::Behind(_, event)) => self.event(*event),
        }
        true
    }

    /// The system with the rights that it has now. Where it has none any more the connection is closed.
    pub(super) fn sender(&mut self) -> Option<Sender> {
        let view = self.backbone.view();
        if let Ok(peer) = self.rights.under(&view.rulebook) {
            return Some(Sender { peer, view });
        }
        self.close_forced("the rulebook has changed what this system is or may read");
        None
    }

    fn event(&mut self, event: Event<DeliveryId>) {
        match event {
            Event::Login(login) if login.mechanism.as_str() == "EXTERNAL" => {
                self.session.accept_login();
            }
            Event::Login(_) => {
                let says = "use SASL EXTERNAL: the certificate is the login";
                self.session.refuse_login(says);
            }
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
            Event::UpdateSecret { .. } => self.session.secret_updated(),
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
        match self.refused.take() {
            None => {
                let system = self.rights.system();
                let releases = system.system.reads.contains("inbox");
                let id = SystemId {
                    agency: system.agency.id.clone(),
                    system: system.system.name.clone(),
                };
                let port = self.backbone.attach(system.unit.id.clone(), id, releases);
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
        let allowance = self.allowance(&sender);
        if let Some(publish) = self.intake.publish(publish, allowance) {
            self.hand_over(publish, &sender);
        }
    }

    fn allowance(&self, sender: &Sender) -> Allowance {
        Allowance {
            now: self.clock.monotonic(),
            messages_per_second: sender.peer.agency.limits.messages_per_second,
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
        match private(publish, origin, &sender.peer, &sender.view.rulebook) {
            Ok(private) => self.link.tell(Command::Private(Box::new(private))),
            Err(says) => {
                self.intake.withdraw(place.channel);
                let reply = Reply::new(ReplyCode::PreconditionFailed, says);
                let reply = reply.caused_by(MethodId::BASIC_PUBLISH);
                self.session.withdraw(place, &reply);
            }
        }
    }

    /// Admits a message, and hands over what that makes of it. Ends the connection where the system has
    /// no randomness.
    pub(super) fn submit(&mut self, origin: Origin, arrived: Arrived, sender: &Sender) {
        let (Ok(exchange), Ok(secret)) = (self.worker.draw(), self.worker.draw()) else {
            // Without randomness nothing can be stored: no responsibility is taken.
            return self.no_entropy();
        };
        let draw = Draw {
            exchange: ExchangeId(exchange),
            secret: LeafSecret::new(secret),
        };
        let now = self.backbone.now();
        let mut submission = admit(&sender.peer, arrived, &sender.view, draw, now);
        let mut search = None;
        if let Some(key) = submission.id_key() {
            match self.backbone.glance(key) {
                Some(looked) => submission.found(looked),
                None => search = Some(key),
            }
        }
        self.link.submit(origin, Box::new(submission), search);
    }

    fn no_entropy(&mut self) {
        let reply = Reply::new(ReplyCode::InternalError, "the system gives no random bytes");
        self.close(&reply);
    }

    fn request(&mut self, ticket: Ticket, request: Request<DeliveryId>) {
        let Some(Sender { peer, .. }) = self.sender() else {
            return;
        };
        let channel = ticket.channel();
        let mut drawn = None;
        if let Some(prefix) = requests::prefix_of_missing_name(&request) {
            let Ok(random) = self.worker.draw::<16>() else {
                return self.no_entropy();
            };
            let random = data_encoding::BASE64URL_NOPAD.encode(&random);
            drawn = Some(format!("{prefix}{random}"));
        }
        if let (Request::Consume(number, _), Some(tag)) = (&request, &drawn) {
            self.session.name_consumer(channel, *number, tag);
        }
        let ask = match requests::ask(&request, &peer, drawn) {
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
