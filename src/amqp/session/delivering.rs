//! What the broker sends unasked: deliveries, returns, confirms, cancels, blocked.

use crate::amqp::codec::MethodId;
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::Reply;

use super::Session;
use super::connection::{Connection, Phase};
use super::event::{Gone, Message, PublishTag, Sending};

impl<D: Copy> Session<D> {
    /// Sends a message to a consumer, with the channel's next delivery tag.
    ///
    /// # Errors
    /// Nothing was sent: the consumer is cancelled or its channel gone.
    pub fn deliver(
        &mut self,
        channel: ChannelId,
        consumer: &str,
        sending: Sending<D>,
        message: &Message<'_>,
    ) -> Result<(), Gone> {
        let Phase::Running(running) = &mut self.connection.phase else {
            return Err(Gone);
        };
        let state = running.open(channel).ok_or(Gone)?;
        let tag = state
            .outgoing
            .send_to(consumer, sending.delivery)
            .ok_or(Gone)?;
        let out = &mut self.connection.out;
        out.content(channel, MethodId::BASIC_DELIVER, message, |args| {
            args.short_string(consumer);
            args.long_long(tag);
            args.bit(sending.redelivered);
            args.short_string(message.exchange);
            args.short_string(message.routing_key);
        });
        Ok(())
    }

    /// Hands a message back to its publisher, before it is confirmed. The message carries the
    /// properties and the body as they came.
    pub fn return_message(&mut self, channel: ChannelId, reply: &Reply, message: &Message<'_>) {
        let Some((running, out)) = self.connection.running() else {
            return;
        };
        if running.answerable(channel).is_none() {
            return;
        }
        out.content(channel, MethodId::BASIC_RETURN, message, |args| {
            reply.write(args);
            args.short_string(message.exchange);
            args.short_string(message.routing_key);
        });
    }

    /// Takes responsibility for every publish of the channel up to and with `tag` that is not
    /// confirmed yet.
    pub fn confirm_up_to(&mut self, channel: ChannelId, tag: PublishTag) {
        self.connection.settle_publishes(channel, tag, true);
    }

    /// Declines responsibility for every publish of the channel up to and with `tag` that is not
    /// confirmed yet. To decline a single one, confirm what came before it first.
    pub fn decline_up_to(&mut self, channel: ChannelId, tag: PublishTag) {
        self.connection.settle_publishes(channel, tag, false);
    }

    /// A consumer ends because its queue is gone. Peers that did not ask for it are not told.
    /// Unsettled deliveries stay ackable.
    pub fn cancel_consumer(&mut self, channel: ChannelId, tag: &str) {
        let Some((running, out)) = self.connection.running() else {
            return;
        };
        let told = running.client.consumer_cancel_notify;
        let Some(state) = running.open(channel) else {
            return;
        };
        if state.outgoing.stop(tag) && state.outgoing.free_name(tag) && told {
            out.method(channel, MethodId::BASIC_CANCEL, |args| {
                args.short_string(tag);
                args.bit(true);
            });
        }
    }

    /// Publishes are not read from now on, for this reason of at most 255 octets. Peers that did not ask for it are not told; saying it
    /// twice tells it once.
    pub fn blocked(&mut self, reason: &str) {
        let Phase::Running(running) = &mut self.connection.phase else {
            return;
        };
        if running.client.blocked && !std::mem::replace(&mut running.blocked, true) {
            let out = &mut self.connection.out;
            out.method(
                ChannelId::CONNECTION,
                MethodId::CONNECTION_BLOCKED,
                |args| {
                    args.short_string(reason);
                },
            );
        }
    }

    /// Publishes are read again.
    pub fn unblocked(&mut self) {
        let Phase::Running(running) = &mut self.connection.phase else {
            return;
        };
        if std::mem::replace(&mut running.blocked, false) {
            let out = &mut self.connection.out;
            out.method(
                ChannelId::CONNECTION,
                MethodId::CONNECTION_UNBLOCKED,
                |_| (),
            );
        }
    }
}

impl<D: Copy> Connection<D> {
    fn settle_publishes(&mut self, channel: ChannelId, tag: PublishTag, taken: bool) {
        let Some((running, out)) = self.running() else {
            return;
        };
        let Some(state) = running.answerable(channel) else {
            return;
        };
        let count = state.incoming.confirm_up_to(tag);
        // One publish is confirmed without `multiple`: some clients wait for ever otherwise.
        let multiple = count > 1;
        match (count, taken) {
            (0, _) => {}
            (_, true) => out.method(channel, MethodId::BASIC_ACK, |args| {
                args.long_long(tag.get());
                args.bit(multiple);
            }),
            (_, false) => out.method(channel, MethodId::BASIC_NACK, |args| {
                args.long_long(tag.get());
                args.bit(multiple);
            }),
        }
    }
}
