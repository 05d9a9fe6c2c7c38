//! What a client does, as commands for the core.

use std::sync::Arc;
use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, Consumer, Pending};
use crate::amqp::{self, ChannelId, Event, MethodId, Reply, ReplyCode, Request, Settlement, basic};
use crate::broker::admit::{Draw, admit};
use crate::broker::arguments::consumer_priority;
use crate::broker::command::{
    Ask, Command, DeliveryId, Fence, Origin, Private, Returnable, Settle, Unroutable, Verdict,
};
use crate::broker::ledger::may_read;
use crate::broker::payload::{PrivateHead, seal_private};
use crate::message::envelope::{Publish, expires_after};
use crate::message::id::ExchangeId;
use crate::policy::rulebook::Rulebook;
use crate::server::translate;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Turns what was received into commands, as far as more may be taken in.
    pub(super) fn parse(&mut self, cx: &Context<'_>) -> bool {
        let mut moved = self.try_early();
        while self.may_go_on(cx) {
            let Some(event) = self.session.next_event() else {
                break;
            };
            moved = true;
            if let Some(event) = self.early.pass(event) {
                self.event(event);
            }
        }
        moved
    }

    pub(super) fn event(&mut self, event: Event<DeliveryId>) {
        match event {
            Event::Login(login) => {
                if login.mechanism.as_str() == "EXTERNAL" {
                    self.session.accept_login();
                } else {
                    self.session
                        .refuse_login("use SASL EXTERNAL: the certificate is the login");
                }
            }
            Event::Opened => self.opened(),
            Event::Publish(publish) => self.publish(publish),
            Event::Request { channel, request } => {
                let view = self.backbone.view();
                if self.follow_rights(&view.rulebook) {
                    self.request(channel, request);
                }
            }
            Event::Qos { channel, qos } => {
                let (count, global) = (qos.prefetch_count, qos.global);
                self.ask(channel, Pending::Prefetch, Ask::Prefetch { count, global });
            }
            Event::Settle {
                deliveries, how, ..
            } => {
                let how = match how {
                    Settlement::Ack => Settle::Ack,
                    Settlement::Requeue => Settle::Requeue,
                    Settlement::Reject => Settle::Reject,
                };
                let deliveries = deliveries.into_iter().map(|settled| settled.delivery);
                let deliveries = deliveries.collect();
                self.commands.push(Command::Settle { deliveries, how });
            }
            Event::ChannelEnding { left, .. } => {
                self.ask(
                    left.channel,
                    Pending::CloseChannel,
                    Ask::Fence(Fence::CloseChannel),
                );
            }
            Event::ChannelGone { left } => {
                self.early.drop_requests_of(left.channel);
                self.forget(left.channel.get());
                self.ask(
                    left.channel,
                    Pending::Forget,
                    Ask::Fence(Fence::CloseChannel),
                );
            }
            Event::UpdateSecret { .. } => self.session.secret_updated(),
            Event::ConnectionEnding { .. } => {
                let fence = Ask::Fence(Fence::CloseConnection);
                self.ask(ChannelId::new(0), Pending::CloseConnection, fence);
                if self.port.is_none() {
                    self.session.connection_ended();
                }
            }
            Event::Misbehaved(reply) => {
                tracing::info!(
                    agency.id = %self.peer.agency.id,
                    system.name = %self.peer.system.name,
                    %reply,
                    "a client broke the protocol and is disconnected"
                );
                self.leave();
            }
        }
    }

    fn publish(&mut self, publish: amqp::Publish) {
        let Some(port) = &self.port else { return };
        let publishes = self.publishes.entry(publish.channel.get()).or_default();
        publishes.sent += 1;
        let origin = Origin {
            connection: port.id,
            channel: publish.channel.get(),
            serial: publishes.sent,
            confirm: publish.confirm.map(amqp::PublishTag::get),
        };
        let bytes = publish.raw_properties.len() + publish.body.len();
        self.unconfirmed.add(bytes);
        self.hand_over(origin, Box::new(publish));
    }

    /// Admits a message that has its place, and hands over what that makes of it. Ends the
    /// connection where the system has no randomness.
    pub(super) fn submit(&mut self, origin: Origin, publish: (Publish, Returnable)) {
        let Ok(exchange) = self.entropy.draw() else {
            // Without randomness nothing can be stored: no responsibility is taken.
            return self.no_entropy();
        };
        let view = self.backbone.view();
        if !self.follow_rights(&view.rulebook) {
            return;
        }
        let draw = Draw {
            exchange: ExchangeId(exchange),
        };
        let mut submission = admit(&self.peer, publish, &view, draw, self.backbone.now());
        if let Verdict::Ruled { exchange, .. } = &submission.verdict {
            submission.looked = self.backbone.look(exchange.key);
        }
        self.commands
            .push(Command::Submit(origin, Box::new(submission)));
    }

    /// Takes up what another rulebook says of this system. False, and the end of the connection, where
    /// it says nothing of it, puts it into another unit, or lets it read other queues.
    pub(super) fn follow_rights(&mut self, rulebook: &Rulebook) -> bool {
        if self.rulebook_epoch == rulebook.epoch() {
            return true;
        }
        let peer = self.grounds.as_of(&self.peer, rulebook.registry());
        // What it reads was granted when it asked for it: it asks again.
        let Some(peer) = peer.filter(|peer| peer.system.reads == self.peer.system.reads) else {
            self.close_forced("the rulebook has changed what this system is or may read");
            return false;
        };
        self.rulebook_epoch = rulebook.epoch();
        if peer != *self.peer {
            self.peer = Arc::new(peer);
        }
        true
    }

    fn no_entropy(&mut self) {
        let reply = Reply::new(ReplyCode::InternalError, "the system gives no random bytes");
        self.close(&reply);
    }

    /// A publish to a queue of the agency's own. What stands in its way closes the channel, as clients
    /// know it.
    pub(super) fn publish_privately(&mut self, origin: Origin, publish: amqp::Publish) {
        if let Err(says) = self.speaks_for_itself(&publish.properties) {
            return self.not_handed_over(&origin, says);
        }
        let copies = match translate::copies(&publish.properties) {
            Ok(copies) => copies,
            Err(bad) => return self.not_handed_over(&origin, bad.to_string()),
        };
        let head = PrivateHead {
            exchange: publish.exchange.to_string(),
            routing_key: publish.routing_key.to_string(),
            raw_properties: translate::travelling(&publish),
        };
        let expiration = publish.properties.expiration().as_ref();
        let ttl = expiration.map(|text| expires_after(text.as_str()));
        let Ok(ttl) = ttl.transpose() else {
            let says = "expiration is not a number of milliseconds".to_owned();
            return self.not_handed_over(&origin, says);
        };
        let frame = seal_private(&head, &publish.body);
        let private = Private {
            origin,
            read_over: publish.read_over,
            copies,
            marked: translate::looks_like_ours(&publish.properties),
            unroutable: self.unroutable(&publish),
            wire: translate::returnable(publish),
            frame,
            ttl,
            quota: self.peer.agency.limits.private_messages,
        };
        self.commands.push(Command::Private(Box::new(private)));
    }

    /// What becomes of it where no queue takes it: one that was meant for `carnet` must not be
    /// acknowledged and gone.
    fn unroutable(&self, publish: &amqp::Publish) -> Unroutable {
        let is_type = |key: &str| self.backbone.view().rulebook.is_type(key);
        if publish.exchange.is_empty() && is_type(&publish.routing_key) {
            return Unroutable::Misdirected;
        }
        Unroutable::of(publish.mandatory)
    }

    /// Whether a publish that nobody rules on names its sender as it is, if it names one.
    fn speaks_for_itself(&self, properties: &amqp::BasicProperties) -> Result<(), String> {
        let own = self.peer.user_id();
        let claimed = properties.user_id().as_ref().map(amqp::ShortString::as_str);
        match claimed {
            Some(other) if other != own => Err(format!(
                "user_id property set to '{other}' but authenticated user was '{own}'"
            )),
            _ => Ok(()),
        }
    }

    /// There is no such publish for the core, nor any that waits behind it, and no such channel any
    /// more.
    fn not_handed_over(&mut self, origin: &Origin, says: String) {
        for _ in 0..=self.early.drop_publishes_of(origin.channel) {
            self.unconfirmed.take_back();
        }
        let publishes = self.publishes.entry(origin.channel).or_default();
        publishes.sent = origin.serial.saturating_sub(1);
        let reply = Reply::new(ReplyCode::PreconditionFailed, says);
        let reply = reply.caused_by(MethodId::BASIC_PUBLISH);
        let channel = ChannelId::new(origin.channel);
        self.session.close_channel(channel, &reply);
    }

    /// Asks the core; the answer comes back in order.
    pub(super) fn ask(&mut self, channel: ChannelId, pending: Pending, ask: Ask) {
        let Some(port) = &self.port else { return };
        let connection = port.id;
        let channel = channel.get();
        self.pending.entry(channel).or_default().push_back(pending);
        self.unanswered += 1;
        self.commands.push(Command::Ask {
            connection,
            channel,
            ask,
        });
    }

    /// Refuses a request in its turn: what was asked before it is answered first.
    fn refuse(&mut self, channel: ChannelId, code: ReplyCode, says: &str) {
        let reply = Reply::new(code, says);
        self.ask(channel, Pending::Refuse(reply), Ask::Fence(Fence::Refuse));
    }

    fn request(&mut self, channel: ChannelId, request: Request<DeliveryId>) {
        match request {
            Request::ExchangeDeclare(declare) => {
                let first = declare.arguments.inner().iter().next();
                let ask = Ask::DeclareExchange {
                    name: declare.exchange.to_string(),
                    kind: declare.kind.to_string(),
                    passive: declare.passive,
                    traits: (declare.durable, declare.auto_delete, declare.internal),
                    argument: first.map(|(name, _)| name.to_string()),
                };
                self.ask(channel, Pending::Done, ask);
            }
            Request::ExchangeDelete(_) | Request::ExchangeBind(_) | Request::ExchangeUnbind(_) => {
                let says = "exchanges stand: they are not deleted or bound to each other";
                self.refuse(channel, ReplyCode::AccessRefused, says);
            }
            Request::QueueDeclare(declare) => self.declare_queue(channel, &declare),
            Request::QueueBind(bind) if !may_read(&self.peer, &bind.exchange.to_string()) => {
                let says = format!(
                    "this system does not read '{}': see its 'reads'",
                    bind.exchange
                );
                self.refuse(channel, ReplyCode::AccessRefused, &says);
            }
            Request::QueueBind(bind) => {
                let ask = Ask::Bind {
                    queue: bind.queue.to_string(),
                    exchange: bind.exchange.to_string(),
                    key: bind.routing_key.to_string(),
                    remove: false,
                };
                self.ask(channel, Pending::Done, ask);
            }
            Request::QueueUnbind(unbind) => {
                let ask = Ask::Bind {
                    queue: unbind.queue.to_string(),
                    exchange: unbind.exchange.to_string(),
                    key: unbind.routing_key.to_string(),
                    remove: true,
                };
                self.ask(channel, Pending::Done, ask);
            }
            Request::QueuePurge(purge) => {
                self.ask(channel, Pending::Purge, Ask::Purge(purge.queue.to_string()));
            }
            Request::QueueDelete(delete) => {
                let ask = Ask::Delete {
                    queue: delete.queue.to_string(),
                    if_unused: delete.if_unused,
                    if_empty: delete.if_empty,
                };
                self.ask(channel, Pending::Delete, ask);
            }
            Request::Consume(consume) => self.consume(channel, &consume),
            Request::Cancel(cancel) => self.cancel(channel, cancel.consumer_tag.as_str()),
            Request::Get(get) => {
                let queue = get.queue.to_string();
                let may_read = may_read(&self.peer, &queue);
                let pending = Pending::Get { no_ack: get.no_ack };
                self.ask(channel, pending, Ask::Get { queue, may_read });
            }
            Request::Recover(unsettled) => {
                let deliveries = unsettled.into_iter().map(|settled| settled.delivery);
                let (deliveries, how) = (deliveries.collect(), Settle::Requeue);
                self.commands.push(Command::Settle { deliveries, how });
                self.ask(channel, Pending::Done, Ask::Fence(Fence::Recover));
            }
        }
    }

    fn drawn_name(&mut self, prefix: &str) -> Option<String> {
        let Ok(random) = self.entropy.draw::<16>() else {
            self.no_entropy();
            return None;
        };
        Some(format!(
            "{prefix}{}",
            data_encoding::BASE64URL_NOPAD.encode(&random)
        ))
    }

    fn declare_queue(&mut self, channel: ChannelId, declare: &amqp::queue::Declare) {
        let mut name = declare.queue.to_string();
        if !may_read(&self.peer, &name) {
            let says = format!("this system does not read queue '{name}': see its 'reads'");
            return self.refuse(channel, ReplyCode::AccessRefused, &says);
        }
        if name.is_empty() {
            let Some(drawn) = self.drawn_name("amq.gen-") else {
                return;
            };
            name = drawn;
        }
        let properties = match translate::queue_properties(declare) {
            Ok(properties) => properties,
            Err(too_long) => {
                return self.refuse(
                    channel,
                    ReplyCode::PreconditionFailed,
                    &too_long.to_string(),
                );
            }
        };
        let ask = Ask::DeclareQueue {
            name,
            passive: declare.passive,
            properties,
        };
        self.ask(channel, Pending::Declare, ask);
    }

    fn consume(&mut self, channel: ChannelId, consume: &basic::Consume) {
        if consume.queue.as_str() == "amq.rabbitmq.reply-to" {
            let says = "direct reply-to is not offered; declare a reply queue of your own";
            self.refuse(channel, ReplyCode::AccessRefused, says);
            return;
        }
        let arguments = translate::arguments(&consume.arguments);
        let arguments = arguments.map_err(|too_long| too_long.to_string());
        let priority = match arguments.and_then(|them| consumer_priority(&them)) {
            Ok(priority) => priority,
            Err(says) => return self.refuse(channel, ReplyCode::PreconditionFailed, &says),
        };
        let mut tag = consume.consumer_tag.to_string();
        if tag.is_empty() {
            let Some(drawn) = self.drawn_name("amq.ctag-") else {
                return;
            };
            tag = drawn;
        }
        let number = self.next_consumer;
        self.next_consumer += 1;
        let no_ack = consume.no_ack;
        let consumer = Consumer {
            tag: tag.clone(),
            no_ack,
        };
        self.consumers.insert((channel.get(), number), consumer);
        let queue = consume.queue.to_string();
        let may_read = may_read(&self.peer, &queue);
        let ask = Ask::Consume {
            number,
            queue,
            exclusive: consume.exclusive,
            priority,
            may_read,
        };
        self.ask(channel, Pending::Consume(number, tag), ask);
    }

    fn cancel(&mut self, channel: ChannelId, tag: &str) {
        let mut of_channel = self
            .consumers
            .range((channel.get(), 0)..=(channel.get(), u64::MAX));
        let found = of_channel.find(|(_, consumer)| consumer.tag == tag);
        let number = found.map_or(0, |((_, number), _)| *number);
        self.ask(channel, Pending::Cancel(number), Ask::Cancel(number));
    }

    /// Closes with 320: clients with recovery come back on it.
    pub(super) fn close_forced(&mut self, says: &str) {
        self.close(&Reply::new(ReplyCode::ConnectionForced, says));
    }
}
