//! The broker's answers to requests.
//!
//! Answers of one channel come in the order of its requests; the session knows which one each is
//! for, and whether the peer wants it at all.

use crate::amqp::codec::MethodId;
use crate::amqp::frame::ChannelId;
use crate::amqp::reply::{Reply, Scope};

use super::Session;
use super::answers::{Asked, Awaited};
use super::channel::Channel;
use super::connection::{Connection, Phase};
use super::event::{Event, Gone, Message, Sending};
use super::outbox::Outbox;
use super::running::Running;

impl<D: Copy> Connection<D> {
    /// The channels and the way out, while there is anything to answer.
    pub(super) fn running(&mut self) -> Option<(&mut Running<D>, &mut Outbox)> {
        match &mut self.phase {
            Phase::Running(running) | Phase::PeerClosing(running) => Some((running, &mut self.out)),
            Phase::Handshake(_) | Phase::Closing { .. } | Phase::Finished(_) => None,
        }
    }

    /// Takes the request whose turn it is and answers it; what waited behind it follows.
    fn answer<T>(
        &mut self,
        id: ChannelId,
        write: impl FnOnce(Awaited, &mut Channel<D>, &mut Outbox) -> T,
    ) -> Option<T> {
        let (running, out) = self.running()?;
        let channel = running.answerable(id)?;
        let awaited = channel.answers.next();
        debug_assert!(
            awaited.is_some(),
            "an answer on channel {id} that nobody asked for"
        );
        let written = write(awaited?, channel, out);
        channel.answers.flush(id, out);
        Some(written)
    }
}

/// Answers to [`Event::Request`].
impl<D: Copy> Session<D> {
    /// Done, and there is nothing more to say: exchange and binding requests, recover.
    pub fn done(&mut self, channel: ChannelId) {
        self.connection.answer(channel, |awaited, _, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Plain(_)),
                "{awaited:?} is not plain"
            );
            if let (Asked::Plain(ok), false) = (awaited.asked, awaited.no_wait) {
                out.method(channel, ok, |_| ());
            }
        });
    }

    /// A queue is declared: its name, messages ready in it, its consumers.
    pub fn queue_declared(&mut self, channel: ChannelId, name: &str, ready: u32, consumers: u32) {
        self.connection.answer(channel, |awaited, state, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Declare { .. }),
                "{awaited:?}: a declare"
            );
            if let Asked::Declare { unnamed } = awaited.asked {
                state.declared(name, unnamed);
            }
            if !awaited.no_wait {
                out.method(channel, MethodId::QUEUE_DECLARE_OK, |args| {
                    args.short_string(name);
                    args.long(ready);
                    args.long(consumers);
                });
            }
        });
    }

    /// A queue is purged of this many messages.
    pub fn queue_purged(&mut self, channel: ChannelId, messages: u32) {
        self.counted(channel, messages);
    }

    /// A queue is deleted with this many messages in it; none where there was no such queue.
    pub fn queue_deleted(&mut self, channel: ChannelId, messages: u32) {
        self.counted(channel, messages);
    }

    fn counted(&mut self, channel: ChannelId, messages: u32) {
        self.connection.answer(channel, |awaited, _, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Count(_)),
                "{awaited:?}: no count"
            );
            if let (Asked::Count(ok), false) = (awaited.asked, awaited.no_wait) {
                out.method(channel, ok, |args| args.long(messages));
            }
        });
    }

    /// The consumer runs, under the tag that it asked for or the one that was made up for it.
    pub fn consuming(&mut self, channel: ChannelId, tag: &str) {
        self.connection.answer(channel, |awaited, state, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Consume { .. }),
                "{awaited:?}: a consume"
            );
            if let Asked::Consume { no_ack } = awaited.asked {
                state.outgoing.start(tag, no_ack);
            }
            if !awaited.no_wait {
                out.method(channel, MethodId::BASIC_CONSUME_OK, |args| {
                    args.short_string(tag);
                });
            }
        });
    }

    /// The consumer is cancelled, as the peer asked.
    pub fn cancelled(&mut self, channel: ChannelId) {
        self.connection.answer(channel, |awaited, state, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Cancel(_)),
                "{awaited:?}: a cancel"
            );
            let Asked::Cancel(tag) = awaited.asked else {
                return;
            };
            state.outgoing.stop(tag.as_str());
            if !awaited.no_wait {
                out.method(channel, MethodId::BASIC_CANCEL_OK, |args| {
                    args.short_string(tag.as_str());
                });
            }
        });
    }

    /// The message that a get asked for, and how many are left.
    ///
    /// # Errors
    /// The message was not sent: the channel is ending or gone.
    pub fn got(
        &mut self,
        channel: ChannelId,
        sending: Sending<D>,
        left: u32,
        message: &Message<'_>,
    ) -> Result<(), Gone> {
        let running = self.connection.running();
        let open = running.is_some_and(|(running, _)| running.open(channel).is_some());
        let sent = self.connection.answer(channel, |awaited, state, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Get { .. }),
                "{awaited:?}: a get"
            );
            let Asked::Get { no_ack } = awaited.asked else {
                return Err(Gone);
            };
            if !open {
                return Err(Gone);
            }
            let tag = state.outgoing.send_to_get(no_ack, sending.delivery);
            out.content(channel, MethodId::BASIC_GET_OK, message, |args| {
                args.long_long(tag);
                args.bit(sending.redelivered);
                args.short_string(message.exchange);
                args.short_string(message.routing_key);
                args.long(left);
            });
            Ok(())
        });
        sent.unwrap_or(Err(Gone))
    }

    /// The queue that a get asked is empty.
    pub fn got_nothing(&mut self, channel: ChannelId) {
        self.connection.answer(channel, |awaited, _, out| {
            debug_assert!(
                matches!(awaited.asked, Asked::Get { .. }),
                "{awaited:?}: a get"
            );
            get_empty(channel, out);
        });
    }

    /// The request whose turn it is cannot be granted: closes its channel, or the connection where
    /// the code is a connection's, and names the method. On a channel that is ending anyway the
    /// refusal is not told.
    pub fn refuse(&mut self, channel: ChannelId, reply: Reply) {
        let method = self
            .connection
            .answer(channel, |awaited, _, _| awaited.method);
        let Some(method) = method else { return };
        let reply = reply.caused_by(method);
        if reply.code().scope() == Scope::Connection {
            self.close_connection(&reply);
        } else {
            self.close_channel(channel, &reply);
        }
    }

    /// The peer's new secret is accepted.
    pub fn secret_updated(&mut self) {
        if let Some((_, out)) = self.connection.running() {
            out.method(
                ChannelId::CONNECTION,
                MethodId::CONNECTION_UPDATE_SECRET_OK,
                |_| (),
            );
        }
    }

    /// Closes a channel at once. Whoever calls this has confirmed what came before on it; what was
    /// out on it comes as [`Event::ChannelGone`].
    pub fn close_channel(&mut self, channel: ChannelId, reply: &Reply) {
        let Some((running, out)) = self.connection.running() else {
            return;
        };
        if let Some(left) = running.close_channel(channel) {
            out.close(channel, MethodId::CHANNEL_CLOSE, reply);
            self.connection
                .events
                .push_back(Event::ChannelGone { left });
        }
    }
}

fn get_empty(channel: ChannelId, out: &mut Outbox) {
    out.method(channel, MethodId::BASIC_GET_EMPTY, |args| {
        args.short_string("");
    });
}
