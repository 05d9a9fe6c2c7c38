//! From effects to frames: what the core decided, as the client is told.

use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use super::incoming::Sender;
use super::intake::Again;
use super::link::Next;
use super::records::NotHere;
use crate::amqp::{
    self, ChannelId, ConsumerNumber, Gone, Message, MethodId, Outcome, Place, PublishTag, Reply,
    ReplyCode, Sending, Sent,
};
use crate::backbone::fetch::Unread;
use crate::broker::admit::View;
use crate::broker::command::{Fence, Narrowing, Settle};
use crate::broker::delivery::{Prepared, Rendered, prepare, told_again};
use crate::broker::effect::{Answer, Deliver, Effect};
use crate::broker::exchange::Returnable;
use crate::broker::ids::{EntryId, Origin};
use crate::broker::limits::{OUTPUT_BYTES, TURN_EVENT_OCTETS};
use crate::broker::record::Stored;
use crate::broker::reply::Refusal;
use crate::server::translate;

/// What is to be done with a delivery.
enum Looked {
    Send(Box<Rendered>),
    Narrow(Narrowing),
}

/// An effect that cannot be carried out yet.
struct Stalled {
    effect: Effect,
    needs: NotHere,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes effects and turns them into frames, as long as the client reads.
    pub(super) fn take_effects(&mut self, cx: &Context<'_>) -> bool {
        let mut moved = self.link.receive(cx);
        moved |= self.records.receive(cx);
        while !self.turn.is_over()
            && self.waiting_output() < OUTPUT_BYTES
            && !self.records.is_waiting()
            && !self.intake.portion.is_unread()
        {
            let Some(next) = self.link.next() else {
                break;
            };
            moved = true;
            self.turn.spend(TURN_EVENT_OCTETS);
            match next {
                Next::Behind(deliver) => self.wait(deliver),
                Next::Due(effect) => self.effect(effect),
            }
        }
        self.session.write_confirms();
        moved
    }

    /// Carries an effect out, or has what it needs read back first.
    fn effect(&mut self, effect: Effect) {
        if let Err(Stalled { effect, needs }) = self.carry_out(effect) {
            self.link.stall(effect);
            self.records.ask(needs, self.link.behind());
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), Stalled> {
        match effect {
            Effect::Outcome { origin, returned } => match returned {
                None => self.outcome(&origin, Outcome::Taken),
                Some(returned) => {
                    let (refusal, wire) = *returned;
                    self.give_back(&origin, refusal, &wire);
                }
            },
            Effect::Repeated {
                origin,
                refused: None,
            } => self.outcome(&origin, Outcome::Taken),
            Effect::Repeated {
                origin,
                refused: Some((first, wire)),
            } => match self.first_refusal(first) {
                Ok(refusal) => self.give_back(&origin, refusal, &wire),
                Err(needs) => {
                    let refused = Some((first, wire));
                    let effect = Effect::Repeated { origin, refused };
                    return Err(Stalled { effect, needs });
                }
            },
            Effect::Nacked { origin, why } => {
                let now = self.clock.monotonic_ms();
                self.intake.quota.note(why, self.rights.system(), now);
                self.outcome(&origin, Outcome::NotTaken);
            }
            Effect::PublishRefused { origin, refusal } => {
                let reply = translate::reply(refusal).caused_by(MethodId::BASIC_PUBLISH);
                self.outcome(&origin, Outcome::Refused(reply));
            }
            Effect::Again(origin, submission) => {
                let again = Again::Ruled(origin, Box::new(submission.into_arrived()));
                self.intake.comes_again(again);
            }
            Effect::AgainPrivate(private) => self.intake.comes_again(Again::Private(private)),
            Effect::Answer { channel, answer } => self.answer(channel, &answer),
            Effect::Deliver(deliver) => {
                if let Err(needs) = self.deliver(&deliver) {
                    let effect = Effect::Deliver(deliver);
                    return Err(Stalled { effect, needs });
                }
            }
            Effect::Narrowed {
                channel,
                delivery,
                deliver,
            } => self.link.held().came(channel, delivery, deliver),
            Effect::Cancelled { channel, number } => {
                let (channel, number) = (ChannelId::new(channel), ConsumerNumber::new(number));
                self.session.cancel_consumer(channel, number);
            }
            Effect::Blocked(reason) => {
                self.intake.blocked = reason;
                self.say_whether_blocked();
            }
        }
        Ok(())
    }

    fn outcome(&mut self, origin: &Origin, outcome: Outcome<'_>) {
        let place = Place {
            channel: ChannelId::new(origin.channel),
            serial: origin.serial,
            confirm: origin.confirm.map(PublishTag::new),
        };
        self.intake.decided();
        self.session.outcome(place, outcome);
    }

    fn give_back(&mut self, origin: &Origin, refusal: Refusal, wire: &Returnable) {
        let message = Message {
            exchange: &wire.exchange,
            routing_key: &wire.routing_key,
            properties: &wire.raw_properties,
            body: &wire.body,
        };
        let returned = Outcome::Returned(translate::reply(refusal), message);
        self.outcome(origin, returned);
    }

    /// What the sender was told the first time, from that record.
    fn first_refusal(&mut self, first: EntryId) -> Result<Refusal, NotHere> {
        let stored = self.records.get(first);
        let stored = stored.ok_or_else(|| NotHere(vec![first]))?;
        self.records.done(first);
        // What cannot be read has nothing more to tell.
        let stored = stored.ok();
        let ring = self.backbone.view().keys.ring();
        Ok(told_again(stored.as_ref().map(|it| &it.record), &ring))
    }

    fn answer(&mut self, channel: u16, answer: &Answer) {
        let answer = match answer {
            // What waits to be narrowed is the client's before its goodbye is answered.
            Answer::Fenced(Fence::CloseConnection) if !self.link.held().is_empty() => {
                return self.ask_for_goodbye();
            }
            Answer::Done | Answer::Fenced(_) => amqp::Answer::Done,
            Answer::Queue {
                name,
                messages,
                consumers,
            } => amqp::Answer::Queue {
                name,
                ready: clamp(*messages),
                consumers: u32::try_from(*consumers).unwrap_or(u32::MAX),
            },
            Answer::Count(count) => amqp::Answer::Count(clamp(*count)),
            Answer::Empty => amqp::Answer::Empty,
            Answer::Refused(refusal) => amqp::Answer::Refused(translate::reply(refusal.clone())),
        };
        self.session.answer(ChannelId::new(channel), answer);
    }

    fn deliver(&mut self, deliver: &Deliver) -> Result<(), NotHere> {
        let Some(Sender { view, .. }) = self.sender() else {
            return Ok(());
        };
        let entry = deliver.source();
        let stored = self.records.get(entry);
        let stored = stored.ok_or_else(|| NotHere(vec![entry]))?;
        match stored.and_then(|stored| self.look(deliver, &stored, &view)) {
            Ok(Looked::Send(mut rendered)) => {
                self.correlate(entry, &mut rendered)?;
                self.send(deliver, &rendered);
            }
            Ok(Looked::Narrow(narrowed)) => {
                self.link.narrow(deliver, narrowed);
                self.link.held().wait_first(deliver);
            }
            Err(error) => {
                self.settle(deliver, Settle::Unsent);
                self.unreadable(entry, &error);
            }
        }
        self.records.done(entry);
        Ok(())
    }

    /// Its turn is behind one that waits to be narrowed. Where it must be narrower itself, and its
    /// record is at hand, that is said at once: many may be, and one sync records them all.
    fn wait(&mut self, deliver: Box<Deliver>) {
        let stored = self.records.get(deliver.source());
        let looked = stored
            .and_then(Result::ok)
            .map(|stored| self.look(&deliver, &stored, &self.backbone.view()));
        if let Some(Ok(Looked::Narrow(narrowed))) = looked {
            self.link.narrow(&deliver, narrowed);
            self.link.held().wait_last(&deliver);
        } else {
            // It is rendered in its turn, by the rulebook and standing facts of that moment.
            self.link.held().keep(Effect::Deliver(deliver));
        }
    }

    /// Looks at what the release rested on once more. Fails where the record cannot be rendered.
    fn look(&mut self, deliver: &Deliver, stored: &Stored, view: &View) -> Result<Looked, Unread> {
        let at = self.backbone.now();
        self.turn.spend(stored.frame.len());
        let unit = &self.rights.system().unit.id;
        let prepared = prepare(deliver, stored, unit, view, at);
        match prepared.map_err(|error| Unread(error.to_string()))? {
            Prepared::Send(rendered) => Ok(Looked::Send(rendered)),
            Prepared::Narrow(less, queues) => {
                let narrowed = deliver.narrowed(unit.clone(), at, less, queues);
                Ok(Looked::Narrow(narrowed))
            }
        }
    }

    /// Ends the connection, so that the message goes back to its place: what was confirmed is
    /// neither passed over nor kept from an operator's eyes.
    fn unreadable(&mut self, entry: EntryId, error: &Unread) {
        tracing::error!(journal.lsn = %entry, %error, "a message cannot be read back");
        let says = "a message cannot be read back; the broker's operator must look at its disk";
        let reply = Reply::new(ReplyCode::InternalError, says);
        self.close(&reply);
    }

    /// A reply says which of the unit's own messages it answers; without that it is still a message.
    fn correlate(&mut self, reply: EntryId, rendered: &mut Rendered) -> Result<(), NotHere> {
        let Some(asked) = rendered.answers() else {
            return Ok(());
        };
        let stored = self.records.get(asked);
        match stored.ok_or_else(|| NotHere(vec![reply, asked]))? {
            Ok(stored) => {
                let ring = self.backbone.view().keys.ring();
                rendered.correlate(&stored.record, &self.rights.system().unit.id, &ring);
            }
            Err(error) => {
                tracing::warn!(journal.lsn = %asked, %error, "what is answered cannot be read back");
            }
        }
        self.records.done(asked);
        Ok(())
    }

    fn send(&mut self, deliver: &Deliver, rendered: &Rendered) {
        let channel = ChannelId::new(deliver.channel);
        let properties = translate::properties(rendered);
        let (exchange, routing_key) = rendered.route();
        let message = Message {
            exchange,
            routing_key,
            properties: &properties,
            body: &rendered.body,
        };
        let sending = Sending {
            delivery: deliver.delivery,
            redelivered: deliver.redelivered,
        };
        let sent = if let Some(number) = deliver.consumer.map(ConsumerNumber::new) {
            self.session.deliver(channel, number, sending, &message)
        } else {
            let left = clamp(deliver.left);
            self.session.got(channel, sending, left, &message)
        };
        match sent {
            Ok(Sent::Unsettled) => {}
            // It is the client's from here.
            Ok(Sent::Settled) => self.settle(deliver, Settle::Ack),
            // It waits on in its place, and nothing is counted against it.
            Err(Gone) => self.settle(deliver, Settle::Unsent),
        }
    }

    fn settle(&mut self, deliver: &Deliver, how: Settle) {
        self.link.settle(vec![deliver.delivery], how);
    }
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
