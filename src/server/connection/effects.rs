//! What the core decided, as frames for the client.

use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, Pending};
use crate::amqp::{
    ChannelId, Gone, Message, MethodId, Properties, PublishTag, Reply, ReplyCode, Sending,
};
use crate::broker::admit::View;
use crate::broker::command::{
    Answer, Ask, Command, Deliver, Effect, Fence, NotTaken, Origin, Refusal, Returnable, Settle,
};
use crate::broker::delivery::{Prepared, Rendered, confidential, prepare};
use crate::broker::limits::{OUTPUT_BYTES, TURN_DELIVERIES};
use crate::broker::record::{Narrowed, Record};
use crate::journal::Lsn;
use crate::server::translate;

/// How often it is logged that an agency keeps too much.
const QUOTA_LOGGED_EVERY_MS: u64 = 60_000;

/// What is to be done with a delivery.
enum Looked {
    Send(Box<Rendered>),
    Narrow(Narrowed),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes effects and turns them into frames, as long as the client reads.
    pub(super) fn take_effects(&mut self, cx: &Context<'_>) -> bool {
        let mut moved = false;
        if let Some(port) = &self.port {
            // Registered before the look, or a wake between them would be lost.
            port.outbox.register(cx.waker());
            moved |= port.outbox.take(&mut self.taken);
            self.effects.extend(self.taken.drain(..));
        }
        let mut rendered = 0;
        while rendered < TURN_DELIVERIES && self.waiting_output() < OUTPUT_BYTES {
            // What waited on its channel came first.
            let due = self.held.next();
            let is_due = due.is_some();
            let Some(effect) = due.or_else(|| self.effects.pop_front()) else {
                break;
            };
            rendered += usize::from(matches!(effect, Effect::Deliver(_)));
            moved = true;
            if is_due {
                self.effect(effect);
            } else {
                self.came(effect);
            }
        }
        self.send_confirms();
        moved
    }

    /// An effect that came now: its turn is behind what waits on its channel.
    fn came(&mut self, effect: Effect) {
        match effect {
            Effect::Deliver(deliver) if self.held.has(deliver.channel) => self.wait(deliver),
            effect => {
                if let Some(effect) = self.held.keep(effect) {
                    self.effect(effect);
                }
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Outcome { origin, returned } => {
                if self.decided(&origin) {
                    if let Some(returned) = returned {
                        let (refusal, wire) = *returned;
                        self.give_back(origin.channel, refusal, &wire);
                    }
                    self.confirmed(&origin);
                }
            }
            Effect::Repeated { origin, refused } => {
                if self.decided(&origin) {
                    if let Some((first, wire)) = refused {
                        let refusal = self.first_refusal(first);
                        self.give_back(origin.channel, refusal, &wire);
                    }
                    self.confirmed(&origin);
                }
            }
            Effect::Nacked { origin, why } => {
                self.log_quota(why);
                self.send_confirms();
                if self.decided(&origin)
                    && let Some(tag) = origin.confirm
                {
                    self.session
                        .decline_up_to(ChannelId::new(origin.channel), PublishTag::new(tag));
                }
            }
            Effect::PublishRefused { origin, refusal } => {
                self.send_confirms();
                if self.decided(&origin) {
                    let reply = translate::reply(refusal).caused_by(MethodId::BASIC_PUBLISH);
                    let channel = ChannelId::new(origin.channel);
                    self.session.close_channel(channel, &reply);
                }
            }
            Effect::Again(origin, submission) => {
                let submission = *submission;
                self.submit(origin, (submission.publish, submission.wire));
            }
            Effect::AgainPrivate(private) => self.commands.push(Command::Private(private)),
            Effect::Answer { channel, answer } => {
                self.send_confirms();
                self.answer(channel, answer);
            }
            Effect::Deliver(deliver) => self.deliver(&deliver),
            Effect::Narrowed {
                channel,
                delivery,
                deliver,
            } => self.held.came(channel, delivery, deliver),
            Effect::Cancelled { channel, number } => {
                if let Some(consumer) = self.consumers.remove(&(channel, number)) {
                    self.session
                        .cancel_consumer(ChannelId::new(channel), &consumer.tag);
                }
            }
            Effect::Blocked(reason) => {
                self.blocked = reason;
                self.say_whether_blocked();
            }
        }
    }

    /// Says once a minute that an agency keeps too much: its client hears a nack without a reason.
    fn log_quota(&mut self, why: NotTaken) {
        let now = self.clock.monotonic_ms();
        let lately = self
            .quota_logged_ms
            .is_some_and(|at| now.saturating_sub(at) < QUOTA_LOGGED_EVERY_MS);
        if why == NotTaken::Quota && !lately {
            self.quota_logged_ms = Some(now);
            tracing::warn!(
                agency.id = %self.peer.agency.id,
                system.name = %self.peer.system.name,
                limit = self.peer.agency.limits.private_messages,
                "queues of the agency's own hold as much as private_messages allows: publishes are refused with a nack"
            );
        }
    }

    /// Notes that a publish has its outcome. Whether its channel is still there to be told: its
    /// number may be another channel's by now.
    fn decided(&mut self, origin: &Origin) -> bool {
        self.unconfirmed.end_one();
        let publishes = self.publishes.entry(origin.channel).or_default();
        publishes.decided = origin.serial;
        origin.serial > publishes.forgotten
    }

    /// Whether publishes of a channel are still without their outcome.
    fn awaits_outcomes(&self, channel: u16) -> bool {
        let publishes = self.publishes.get(&channel);
        publishes.is_some_and(|publishes| publishes.decided < publishes.sent)
    }

    /// A channel is gone: what was asked and published on it is nobody's any more.
    pub(super) fn forget(&mut self, channel: u16) {
        self.send_confirms();
        self.consumers.retain(|(other, _), _| *other != channel);
        if let Some(publishes) = self.publishes.get_mut(&channel) {
            publishes.forgotten = publishes.sent;
        }
    }

    fn confirmed(&mut self, origin: &Origin) {
        if let Some(tag) = origin.confirm {
            self.confirms.insert(origin.channel, tag);
        }
    }

    /// One ack a channel for all of a batch.
    fn send_confirms(&mut self) {
        for (channel, tag) in std::mem::take(&mut self.confirms) {
            self.session
                .confirm_up_to(ChannelId::new(channel), PublishTag::new(tag));
        }
    }

    fn give_back(&mut self, channel: u16, refusal: Refusal, wire: &Returnable) {
        let reply = translate::reply(refusal);
        let message = Message {
            exchange: &wire.exchange,
            routing_key: &wire.routing_key,
            properties: Properties::Raw(&wire.raw_properties),
            body: &wire.body,
        };
        self.session
            .return_message(ChannelId::new(channel), &reply, &message);
    }

    /// What the sender was told the first time, from that record.
    fn first_refusal(&self, first: Lsn) -> Refusal {
        let stored = self.backbone.stored(first);
        let sealed = stored
            .as_ref()
            .ok()
            .and_then(|stored| match &stored.record {
                Record::Exchange(exchange) => Some(&exchange.sealed),
                _ => None,
            });
        let told = sealed
            .map(|sealed| confidential(sealed))
            .unwrap_or_default();
        Refusal {
            code: 403,
            text: told.refusal_text(),
        }
    }

    fn answer(&mut self, channel: u16, answer: Answer) {
        let Some(pending) = self.answered(channel) else {
            return;
        };
        if self.is_forgotten(channel) {
            return;
        }
        let id = ChannelId::new(channel);
        match (pending, answer) {
            (Pending::Prefetch | Pending::Forget, _) => {}
            (Pending::Refuse(reply), _) => self.session.refuse(id, reply),
            (pending, Answer::Refused(refusal)) => {
                if let Pending::Consume(number, _) = pending {
                    self.consumers.remove(&(channel, number));
                }
                self.session.refuse(id, translate::reply(refusal));
            }
            (
                Pending::Declare,
                Answer::Queue {
                    name,
                    messages,
                    consumers,
                },
            ) => {
                let consumers = u32::try_from(consumers).unwrap_or(u32::MAX);
                self.session
                    .queue_declared(id, &name, clamp(messages), consumers);
            }
            (Pending::Purge, Answer::Count(count)) => self.session.queue_purged(id, clamp(count)),
            (Pending::Delete, Answer::Count(count)) => self.session.queue_deleted(id, clamp(count)),
            (Pending::Consume(_, tag), _) => self.session.consuming(id, &tag),
            (Pending::Cancel(number), _) => {
                self.consumers.remove(&(channel, number));
                self.session.cancelled(id);
            }
            (Pending::Get { .. }, Answer::Empty) => self.session.got_nothing(id),
            // What was published before a close is decided before the close is answered.
            (Pending::CloseChannel, _) if self.awaits_outcomes(channel) => {
                let fence = Ask::Fence(Fence::CloseChannel);
                self.ask(id, Pending::CloseChannel, fence);
            }
            (Pending::CloseChannel, _) => {
                self.forget(channel);
                self.session.channel_ended(id);
            }
            (Pending::CloseConnection, _) => {
                let awaits = self.publishes.keys().any(|at| self.awaits_outcomes(*at));
                if awaits || !self.held.is_empty() {
                    let fence = Ask::Fence(Fence::CloseConnection);
                    self.ask(id, Pending::CloseConnection, fence);
                } else {
                    self.session.connection_ended();
                }
            }
            (_, _) => self.session.done(id),
        }
    }

    /// Whether what is answered next was asked on a channel that is gone.
    fn is_forgotten(&self, channel: u16) -> bool {
        let pending = self.pending.get(&channel).into_iter().flatten();
        pending.into_iter().any(|it| matches!(it, Pending::Forget))
    }

    fn deliver(&mut self, deliver: &Deliver) {
        let view = self.backbone.view();
        if !self.follow_rights(&view.rulebook) {
            return;
        }
        match self.look(deliver, &view) {
            Ok(Looked::Send(mut rendered)) => {
                self.correlate(&mut rendered);
                self.send(deliver, &rendered);
            }
            Ok(Looked::Narrow(narrowed)) => {
                self.narrow(deliver, narrowed);
                self.held.wait_first(deliver);
            }
            Err((address, error)) => {
                self.settle(deliver, Settle::Unsent);
                self.unreadable(address, &error);
            }
        }
    }

    /// Its turn is behind one that waits to be narrowed. Where it must be narrower itself that is
    /// said at once: many may be, and one sync records them all.
    fn wait(&mut self, deliver: Box<Deliver>) {
        if let Ok(Looked::Narrow(narrowed)) = self.look(&deliver, &self.backbone.view()) {
            self.narrow(&deliver, narrowed);
            self.held.wait_last(&deliver);
        } else {
            // It is rendered in its turn, by what is so then.
            self.held.keep(Effect::Deliver(deliver));
        }
    }

    /// Looks at what the release rested on once more. Fails with the message that cannot be read
    /// back, and why.
    fn look(&self, deliver: &Deliver, view: &View) -> Result<Looked, (Lsn, String)> {
        let exchange = deliver.overlay.source.unwrap_or(deliver.delivery.entry);
        let unit = &self.peer.unit.id;
        let stored = self.backbone.stored(exchange);
        let stored = stored.map_err(|error| (exchange, error.to_string()))?;
        let at = self.backbone.now();
        let prepared = prepare(deliver, &stored, unit, view, at);
        match prepared.map_err(|error| (exchange, error.to_string()))? {
            Prepared::Send(rendered) => Ok(Looked::Send(rendered)),
            Prepared::Narrow(left, queues) => Ok(Looked::Narrow(Narrowed {
                at,
                exchange,
                unit: unit.clone(),
                queues,
                left,
            })),
        }
    }

    fn narrow(&mut self, deliver: &Deliver, narrowed: Narrowed) {
        let Some(port) = &self.port else { return };
        self.commands.push(Command::Narrow {
            to: (port.id, deliver.channel),
            delivery: deliver.delivery,
            narrowed,
        });
    }

    /// Ends the connection, so that the message goes back to its place: what was confirmed is
    /// neither passed over nor kept from an operator's eyes.
    fn unreadable(&mut self, address: Lsn, error: &str) {
        tracing::error!(journal.lsn = %address, error, "a message cannot be read back");
        let says = "a message cannot be read back; the broker's operator must look at its disk";
        let reply = Reply::new(ReplyCode::InternalError, says);
        self.close(&reply);
    }

    /// A reply says which of the unit's own messages it answers; without that it is still a message.
    fn correlate(&self, rendered: &mut Rendered) {
        let Some(asked) = rendered.answers() else {
            return;
        };
        match self.backbone.stored(asked) {
            Ok(asked) => rendered.correlate(&asked.record, &self.peer.unit.id),
            Err(error) => {
                tracing::warn!(journal.lsn = %asked, %error, "what is answered cannot be read back");
            }
        }
    }

    fn send(&mut self, deliver: &Deliver, rendered: &Rendered) {
        let channel = ChannelId::new(deliver.channel);
        let properties = translate::properties(rendered);
        let (exchange, routing_key) = rendered.route();
        let message = Message {
            exchange,
            routing_key,
            properties: Properties::Raw(&properties),
            body: &rendered.body,
        };
        let sending = Sending {
            delivery: deliver.delivery,
            redelivered: deliver.redelivered,
        };
        let (sent, no_ack) = if let Some(number) = deliver.consumer {
            match self.consumers.get(&(deliver.channel, number)) {
                Some(consumer) => {
                    let tag = &consumer.tag;
                    let sent = self.session.deliver(channel, tag, sending, &message);
                    (sent, consumer.no_ack)
                }
                None => (Err(Gone), false),
            }
        } else {
            let pending = self.answered(deliver.channel);
            let no_ack = matches!(pending, Some(Pending::Get { no_ack: true }));
            let left = clamp(deliver.left);
            if self.is_forgotten(deliver.channel) {
                (Err(Gone), false)
            } else {
                (self.session.got(channel, sending, left, &message), no_ack)
            }
        };
        // What cannot be sent is nobody's verdict: it waits on in its place. What needs no ack is
        // settled once it is written into the session: it is the client's from here.
        match sent {
            Ok(()) if no_ack => self.settle(deliver, Settle::Ack),
            Ok(()) => {}
            Err(Gone) => self.settle(deliver, Settle::Unsent),
        }
    }

    fn settle(&mut self, deliver: &Deliver, how: Settle) {
        let deliveries = vec![deliver.delivery];
        self.commands.push(Command::Settle { deliveries, how });
    }
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
