//! The broker's side of a session: its answers, the outcomes of publishes, and what it sends unasked.
//!
//! An answer that comes too late, for a channel that is closed by then, is dropped without harm.

use crate::amqp::codec::MethodId;
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::Reply;

use super::Session;
use super::connection::{Connection, Phase};
use super::event::{
    Answer, ConsumerNumber, Gone, Leftover, Message, Outcome, Place, Sending, Sent, Ticket,
};
use super::outbox::Outbox;

/// The opening and the end.
impl<D: Copy> Session<D> {
    /// Goes on with the handshake: the peer has proved its identity.
    pub fn accept_login(&mut self) {
        self.connection.judge(None);
    }

    /// Declines the connection: the peer has not proved its identity. It is told so if it understands
    /// a close at this point; else the session is finished without a word, and the shell should wait
    /// a moment before it closes the socket.
    pub fn decline_login(&mut self, sentence: &str) {
        self.connection.judge(Some(sentence));
    }

    /// The peer's new secret is accepted.
    pub fn secret_updated(&mut self) {
        if let Some((_, out)) = self.connection.running() {
            let ok = MethodId::CONNECTION_UPDATE_SECRET_OK;
            out.method(ChannelId::CONNECTION, ok, |_| ());
        }
    }

    /// Closes the connection: shutdown, an operator, a token that expired. A peer that has closed
    /// already gets its own answer instead. What was out is at [`Self::take_leftovers`].
    pub fn close_connection(&mut self, reply: &Reply) {
        self.connection.close_now(reply);
    }

    /// Deliveries that were not settled, by channel; the channels forget them. To be called once the
    /// connection ends, or its socket is lost. A channel that ended before has told its own.
    pub fn take_leftovers(&mut self) -> Vec<Leftover<D>> {
        self.connection.keep_leftovers();
        std::mem::take(&mut self.connection.leftovers)
    }
}

/// Answers to requests and endings.
impl<D: Copy> Session<D> {
    /// Answers a channel's oldest request without an answer; on channel 0, the end of the connection.
    /// Publishes that are confirmed by then are told first.
    pub fn answer(&mut self, channel: ChannelId, answer: Answer<'_>) {
        if channel == ChannelId::CONNECTION {
            return self.connection.goodbye_answered();
        }
        let Some((running, out)) = self.connection.running() else {
            return;
        };
        running.write_confirms(out);
        if let Some(reply) = running.answer(channel, answer, out) {
            self.connection.refuse(channel, &reply);
        }
    }

    /// Answers a get with a message, and how many are left.
    ///
    /// # Errors
    /// The message was not sent: the channel is ending or gone.
    pub fn got(
        &mut self,
        channel: ChannelId,
        sending: Sending<D>,
        left: u32,
        message: &Message<'_>,
    ) -> Result<Sent, Gone> {
        let (running, out) = self.connection.running().ok_or(Gone)?;
        let is_open = running.open(channel).is_some();
        if !running.next_answer(channel) {
            return Err(Gone);
        }
        let sent = running.change(channel, |channel| {
            if is_open {
                channel.got(sending, left, message, out)
            } else {
                channel.pass_over(out);
                Err(Gone)
            }
        });
        sent.unwrap_or(Err(Gone))
    }

    /// Refuses a request once its turn comes, whatever answer it gets then. A ticket that is not known
    /// any more is one of a channel that is gone.
    pub fn refuse(&mut self, ticket: Ticket, reply: Reply) {
        let running = self.connection.running();
        let channel = running.and_then(|(running, _)| running.answerable(ticket.channel));
        if let Some(channel) = channel {
            channel.answers.refuse(ticket.nth, reply);
        }
    }

    /// Gives a consumer the tag that the peer left empty.
    pub fn name_consumer(&mut self, channel: ChannelId, number: ConsumerNumber, tag: &str) {
        let running = self.connection.running();
        if let Some(channel) = running.and_then(|(running, _)| running.answerable(channel)) {
            channel.outgoing.name(number, tag);
        }
    }

    /// Takes back so many requests of a channel that is gone: they never reached the broker, and no
    /// answer comes to them.
    pub fn retract(&mut self, channel: ChannelId, requests: usize) {
        if let Some((running, _)) = self.connection.running() {
            running.retract(channel, requests);
        }
    }

    /// Octets of memory that messages under way whose header has come take once they are whole, or that
    /// the frame takes of which a part has come, whichever is more. A frame is mostly a part of such a
    /// message.
    pub fn unfinished(&self) -> usize {
        let Some(running) = self.connection.open() else {
            return 0;
        };
        let arriving = self.connection.arriving.map_or(0, |it| it.octets);
        running.loads.whole.max(arriving)
    }

    /// Consumers of all channels, those that were asked for and not yet answered among them.
    pub fn consumers(&self) -> usize {
        let running = self.connection.open();
        running.map_or(0, |running| running.loads.consumers)
    }

    /// How many answers are to come, those to endings included.
    pub fn unanswered(&self) -> usize {
        match &self.connection.phase {
            Phase::Running(running) | Phase::PeerClosing(running, _) => running.unanswered(),
            Phase::Handshake(_) | Phase::Closing { .. } | Phase::Finished(_) => 0,
        }
    }
}

/// Outcomes of publishes: one each, ascending on a channel.
impl<D: Copy> Session<D> {
    /// Tells the outcome of a publish, unless its channel is gone. One that was taken is confirmed by
    /// the next [`Self::write_confirms`].
    pub fn outcome(&mut self, place: Place, outcome: Outcome<'_>) {
        if matches!(outcome, Outcome::NotTaken | Outcome::Refused(_)) {
            self.write_confirms();
        }
        let Some((running, _)) = self.connection.running() else {
            return;
        };
        if running.decide(place) {
            self.connection.tell(place, outcome);
        }
        if let Some((running, out)) = self.connection.running() {
            running.end_if_due(place.channel, out);
        }
        self.connection.end_if_due();
    }

    /// Takes back a publish and all behind it on its channel: they do not reach the broker, for the
    /// reason in `reply`, which closes the channel.
    pub fn withdraw(&mut self, place: Place, reply: &Reply) {
        if let Some((running, _)) = self.connection.running() {
            running.withdraw(place);
        }
        self.connection.refuse(place.channel, reply);
    }

    /// Writes confirms: one ack a channel for all publishes that were taken since the last.
    pub fn write_confirms(&mut self) {
        if let Some((running, out)) = self.connection.running() {
            running.write_confirms(out);
        }
    }

    /// Whether the peer ever published on this connection.
    pub fn has_published(&self) -> bool {
        match &self.connection.phase {
            Phase::Running(running) | Phase::PeerClosing(running, _) => running.has_published(),
            Phase::Handshake(_) | Phase::Closing { .. } | Phase::Finished(_) => false,
        }
    }

    /// Tells the peer that publishes are not taken from now on, for this reason of at most 255 octets:
    /// a peer that asked to be told, and once only.
    pub fn blocked(&mut self, reason: &str) {
        let Phase::Running(running) = &mut self.connection.phase else {
            return;
        };
        if running.client.blocked && !std::mem::replace(&mut running.blocked, true) {
            let blocked = MethodId::CONNECTION_BLOCKED;
            let out = &mut self.connection.out;
            out.method(ChannelId::CONNECTION, blocked, |args| {
                args.short_string(reason);
            });
        }
    }

    /// Tells the peer that publishes are taken again.
    pub fn unblocked(&mut self) {
        let Phase::Running(running) = &mut self.connection.phase else {
            return;
        };
        if std::mem::replace(&mut running.blocked, false) {
            let unblocked = MethodId::CONNECTION_UNBLOCKED;
            let out = &mut self.connection.out;
            out.method(ChannelId::CONNECTION, unblocked, |_| ());
        }
    }
}

impl<D: Copy> Connection<D> {
    fn tell(&mut self, place: Place, outcome: Outcome<'_>) {
        let Some((running, out)) = self.running() else {
            return;
        };
        match outcome {
            Outcome::Taken => running.confirm(place),
            Outcome::Returned(reply, message) => {
                if running.answerable(place.channel).is_some() {
                    return_message(place.channel, &reply, &message, out);
                }
                running.confirm(place);
            }
            Outcome::NotTaken => {
                let channel = running.answerable(place.channel);
                if let (Some(channel), Some(tag)) = (channel, place.confirm) {
                    channel.settle_publishes(tag, MethodId::BASIC_NACK, out);
                }
            }
            Outcome::Refused(reply) => self.refuse(place.channel, &reply),
        }
    }
}

/// Hands a message back to its publisher, with the properties and the body as they came.
fn return_message(channel: ChannelId, reply: &Reply, message: &Message<'_>, out: &mut Outbox) {
    out.content(channel, MethodId::BASIC_RETURN, message, |args| {
        reply.write(args);
        args.short_string(message.exchange);
        args.short_string(message.routing_key);
    });
}

/// Deliveries.
impl<D: Copy> Session<D> {
    /// Sends a message to a consumer, with the channel's next delivery tag.
    ///
    /// # Errors
    /// Nothing was sent: the consumer is cancelled or its channel gone.
    pub fn deliver(
        &mut self,
        channel: ChannelId,
        consumer: ConsumerNumber,
        sending: Sending<D>,
        message: &Message<'_>,
    ) -> Result<Sent, Gone> {
        let Phase::Running(running) = &mut self.connection.phase else {
            return Err(Gone);
        };
        let state = running.open(channel).ok_or(Gone)?;
        let delivery = sending.delivery;
        let tagged = state.outgoing.send_to(consumer, delivery).ok_or(Gone)?;
        let out = &mut self.connection.out;
        out.content(channel, MethodId::BASIC_DELIVER, message, |args| {
            args.short_string(&tagged.consumer);
            args.long_long(tagged.tag);
            args.bit(sending.redelivered);
            args.short_string(message.exchange);
            args.short_string(message.routing_key);
        });
        Ok(tagged.sent)
    }

    /// Ends a consumer whose queue is gone. Peers that did not ask for it are not told.
    /// Unsettled deliveries stay ackable.
    pub fn cancel_consumer(&mut self, channel: ChannelId, consumer: ConsumerNumber) {
        let Some((running, out)) = self.connection.running() else {
            return;
        };
        let is_told = running.client.consumer_cancel_notify;
        let tag = running.change(channel, |channel| channel.outgoing.cancel(consumer));
        if let Some(tag) = tag.flatten().filter(|_| is_told) {
            out.method(channel, MethodId::BASIC_CANCEL, |args| {
                args.short_string(&tag);
                args.bit(true);
            });
        }
    }
}
