//! Answers to what a channel asked: the session knows which method each one is, and whether the peer
//! wants it at all.

use std::sync::Arc;

use crate::amqp::codec::MethodId;
use crate::amqp::reply::Reply;

use super::answers::{Asked, Awaited};
use super::channel::{Channel, LastQueue};
use super::event::{Answer, Gone, Message, PublishTag, Sending, Sent};
use super::outbox::Outbox;

impl<D: Copy> Channel<D> {
    /// Answers the request whose turn it is; what waited behind it follows. Gives the reply that it
    /// is refused with, by its method.
    pub(super) fn answer(&mut self, answer: Answer<'_>, out: &mut Outbox) -> Option<Reply> {
        let mut awaited = self.answers.next()?;
        let refusal = match (awaited.refusal.take(), answer) {
            (Some(reply), _) | (None, Answer::Refused(reply)) => {
                Some(reply.caused_by(awaited.method))
            }
            (None, answer) => {
                self.write_answer(awaited, &answer, out);
                None
            }
        };
        self.answers.flush(self.id, out);
        refusal
    }

    /// Passes over the request whose turn it is: its answer cannot be told any more.
    pub(super) fn pass_over(&mut self, out: &mut Outbox) {
        self.answers.next();
        self.answers.flush(self.id, out);
    }

    fn write_answer(&mut self, awaited: Awaited, answer: &Answer<'_>, out: &mut Outbox) {
        let (id, is_wanted) = (self.id, !awaited.no_wait);
        match (awaited.asked, answer) {
            (Asked::Plain(ok), Answer::Done) => {
                if is_wanted {
                    out.method(id, ok, |_| ());
                }
            }
            (Asked::Count(ok), Answer::Count(messages)) => {
                if is_wanted {
                    out.method(id, ok, |args| args.long(*messages));
                }
            }
            (
                Asked::Declare { unnamed },
                Answer::Queue {
                    name,
                    ready,
                    consumers,
                },
            ) => {
                self.declared(name, unnamed);
                if is_wanted {
                    out.method(id, MethodId::QUEUE_DECLARE_OK, |args| {
                        args.short_string(name);
                        args.long(*ready);
                        args.long(*consumers);
                    });
                }
            }
            (Asked::Consume(number), Answer::Done) => {
                let tag = self.outgoing.start(number);
                self.name_consumer(tag.filter(|_| is_wanted), MethodId::BASIC_CONSUME_OK, out);
            }
            (Asked::Cancel(number, tag), Answer::Done) => {
                self.outgoing.stop(number);
                let tag = is_wanted.then(|| Arc::from(tag.as_str()));
                self.name_consumer(tag, MethodId::BASIC_CANCEL_OK, out);
            }
            (Asked::Get { .. }, Answer::Empty) => {
                out.method(id, MethodId::BASIC_GET_EMPTY, |args| args.short_string(""));
            }
            (asked, answer) => debug_assert!(false, "{answer:?} does not answer {asked:?}"),
        }
    }

    fn name_consumer(&self, tag: Option<Arc<str>>, ok: MethodId, out: &mut Outbox) {
        if let Some(tag) = tag {
            out.method(self.id, ok, |args| args.short_string(&tag));
        }
    }

    /// Answers the get whose turn it is with a message; `left` are those behind it.
    ///
    /// # Errors
    /// The message was not sent: the channel is ending.
    pub(super) fn got(
        &mut self,
        sending: Sending<D>,
        left: u32,
        message: &Message<'_>,
        out: &mut Outbox,
    ) -> Result<Sent, Gone> {
        let awaited = self.answers.next().ok_or(Gone)?;
        debug_assert!(
            matches!(awaited.asked, Asked::Get { .. }),
            "{awaited:?}: a get"
        );
        let Asked::Get { no_ack } = awaited.asked else {
            return Err(Gone);
        };
        let tagged = self.outgoing.send_to_get(no_ack, sending.delivery);
        out.content(self.id, MethodId::BASIC_GET_OK, message, |args| {
            args.long_long(tagged.tag);
            args.bit(sending.redelivered);
            args.short_string(message.exchange);
            args.short_string(message.routing_key);
            args.long(left);
        });
        self.answers.flush(self.id, out);
        Ok(tagged.sent)
    }

    /// Says `ack` or `nack`, by its method, to all publishes up to and with `tag` that are neither yet.
    pub(super) fn settle_publishes(&mut self, tag: PublishTag, by: MethodId, out: &mut Outbox) {
        let count = self.incoming.confirm_up_to(tag);
        if count > 0 {
            out.method(self.id, by, |args| {
                args.long_long(tag.get());
                // One publish is confirmed without `multiple`: some clients wait for ever otherwise.
                args.bit(count > 1);
            });
        }
    }

    /// The broker has declared a queue; `unnamed` says that it made the name up.
    fn declared(&mut self, name: &str, unnamed: bool) {
        let awaited = matches!(self.last_queue, LastQueue::Awaited);
        if unnamed && awaited && !self.answers.await_name() {
            self.last_queue = LastQueue::named(name);
        }
    }
}
