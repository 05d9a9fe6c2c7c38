//! The requests of a channel: which go to the broker, which the session answers, and what is
//! remembered of each until its answer.

use amq_protocol::protocol::basic;
use amq_protocol::types::ShortString;

use crate::amqp::codec::{ClientMethod, MethodId};
use crate::amqp::reply::{Misbehaved, ReplyCode};

use super::answers::{Asked, Awaited, Ready};
use super::channel::{Around, Channel, LastQueue};
use super::event::{Event, Request, Step, Ticket};

impl<D: Copy> Channel<D> {
    pub(super) fn ask(
        &mut self,
        id: MethodId,
        method: ClientMethod<'_>,
        around: &mut Around<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        match id.class {
            40 => self.ask_exchange(id, method),
            50 => self.ask_queue(id, method),
            _ => self.ask_other(id, method, around),
        }
    }

    fn ask_exchange(
        &mut self,
        id: MethodId,
        method: ClientMethod<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        let (no_wait, ok, request) = match method {
            ClientMethod::ExchangeDeclare(it) => (
                it.nowait,
                MethodId::EXCHANGE_DECLARE_OK,
                Request::ExchangeDeclare(it),
            ),
            ClientMethod::ExchangeDelete(it) => (
                it.nowait,
                MethodId::EXCHANGE_DELETE_OK,
                Request::ExchangeDelete(it),
            ),
            ClientMethod::ExchangeBind(it) => (
                it.nowait,
                MethodId::EXCHANGE_BIND_OK,
                Request::ExchangeBind(it),
            ),
            ClientMethod::ExchangeUnbind(it) => (
                it.nowait,
                MethodId::EXCHANGE_UNBIND_OK,
                Request::ExchangeUnbind(it),
            ),
            _ => return Err(misplaced(id)),
        };
        Ok(self.request(request, Asked::Plain(ok), no_wait))
    }

    fn ask_queue(&mut self, id: MethodId, method: ClientMethod<'_>) -> Result<Step<D>, Misbehaved> {
        let (no_wait, asked, request) = match method {
            ClientMethod::QueueDeclare(it) => {
                let unnamed = it.queue.as_str().is_empty();
                self.last_queue = if unnamed {
                    LastQueue::Awaited
                } else {
                    LastQueue::Named(it.queue.clone())
                };
                (
                    it.nowait,
                    Asked::Declare { unnamed },
                    Request::QueueDeclare(it),
                )
            }
            ClientMethod::QueueBind(mut it) => {
                let Some(queue) = self.queue(id, &it.queue)? else {
                    return Ok(Step::Hold);
                };
                keyed_by_queue(&it.queue, &queue, &mut it.routing_key);
                it.queue = queue;
                (
                    it.nowait,
                    Asked::Plain(MethodId::QUEUE_BIND_OK),
                    Request::QueueBind(it),
                )
            }
            ClientMethod::QueueUnbind(mut it) => {
                let Some(queue) = self.queue(id, &it.queue)? else {
                    return Ok(Step::Hold);
                };
                keyed_by_queue(&it.queue, &queue, &mut it.routing_key);
                it.queue = queue;
                (
                    false,
                    Asked::Plain(MethodId::QUEUE_UNBIND_OK),
                    Request::QueueUnbind(it),
                )
            }
            ClientMethod::QueuePurge(mut it) => {
                let Some(queue) = self.queue(id, &it.queue)? else {
                    return Ok(Step::Hold);
                };
                it.queue = queue;
                (
                    it.nowait,
                    Asked::Count(MethodId::QUEUE_PURGE_OK),
                    Request::QueuePurge(it),
                )
            }
            ClientMethod::QueueDelete(mut it) => {
                let Some(queue) = self.queue(id, &it.queue)? else {
                    return Ok(Step::Hold);
                };
                it.queue = queue;
                (
                    it.nowait,
                    Asked::Count(MethodId::QUEUE_DELETE_OK),
                    Request::QueueDelete(it),
                )
            }
            _ => return Err(misplaced(id)),
        };
        Ok(self.request(request, asked, no_wait))
    }

    fn ask_other(
        &mut self,
        id: MethodId,
        method: ClientMethod<'_>,
        around: &mut Around<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        match method {
            ClientMethod::Consume(it) => self.consume(id, it, around),
            ClientMethod::Cancel(it) => Ok(self.cancel(it, around)),
            ClientMethod::Get(mut it) => {
                let Some(queue) = self.queue(id, &it.queue)? else {
                    return Ok(Step::Hold);
                };
                it.queue = queue;
                let asked = Asked::Get { no_ack: it.no_ack };
                Ok(self.request(Request::Get(it), asked, false))
            }
            ClientMethod::Qos {
                prefetch_bytes: 0,
                qos,
            } => {
                let asked = Asked::Plain(MethodId::BASIC_QOS_OK);
                Ok(self.request(Request::Qos(qos), asked, false))
            }
            ClientMethod::Qos { .. } => Err(unsupported(id, "a prefetch limit in octets")),
            ClientMethod::Recover {
                requeue: true,
                answered,
            } => {
                let request = Request::Recover(self.outgoing.take_all());
                Ok(self.request(request, Asked::Plain(MethodId::BASIC_RECOVER_OK), !answered))
            }
            ClientMethod::Recover { .. } => Err(unsupported(id, "recover without requeue")),
            ClientMethod::ConfirmSelect { no_wait } => {
                self.incoming.select_confirms();
                if !no_wait {
                    self.answers
                        .ready(self.id, Ready::ConfirmsSelected, around.out);
                }
                Ok(Step::Done)
            }
            ClientMethod::ChannelFlow { active: true } => {
                self.answers.ready(self.id, Ready::FlowOn, around.out);
                Ok(Step::Done)
            }
            ClientMethod::ChannelFlow { .. } => Err(unsupported(
                id,
                "stopping the flow, which a prefetch limit is for,",
            )),
            // The answer to our own cancel, which clients may give or not.
            ClientMethod::CancelOk => Ok(Step::Done),
            ClientMethod::ChannelOpen => {
                let sentence = format_args!("channel {} is open already", self.id);
                Err(Misbehaved::new(ReplyCode::ChannelError, sentence).by(id))
            }
            _ => Err(misplaced(id)),
        }
    }

    fn consume(
        &mut self,
        id: MethodId,
        mut consume: basic::Consume,
        around: &mut Around<'_>,
    ) -> Result<Step<D>, Misbehaved> {
        let Some(queue) = self.queue(id, &consume.queue)? else {
            return Ok(Step::Hold);
        };
        consume.queue = queue;
        let number = around.next_consumer();
        self.outgoing
            .ask(number, consume.consumer_tag.as_str(), consume.no_ack)?;
        let (asked, no_wait) = (Asked::Consume(number), consume.nowait);
        Ok(self.request(Request::Consume(number, consume), asked, no_wait))
    }

    fn cancel(&mut self, cancel: basic::Cancel, around: &mut Around<'_>) -> Step<D> {
        let (tag, no_wait) = (cancel.consumer_tag, cancel.nowait);
        if let Some(number) = self.outgoing.free_name(tag.as_str()) {
            let asked = Asked::Cancel(number, tag);
            return self.request(Request::Cancel(number), asked, no_wait);
        }
        if !no_wait {
            self.answers
                .ready(self.id, Ready::Cancelled(tag), around.out);
        }
        Step::Done
    }

    fn request(&mut self, request: Request<D>, asked: Asked, no_wait: bool) -> Step<D> {
        let nth = self.answers.expect(Awaited {
            method: request.method(),
            no_wait,
            asked,
            refusal: None,
        });
        let ticket = Ticket {
            channel: self.id,
            nth,
        };
        Step::Event(Event::Request { ticket, request })
    }

    /// The queue that `name` means; `None` where the broker has not yet said what it is called.
    fn queue(&self, id: MethodId, name: &ShortString) -> Result<Option<ShortString>, Misbehaved> {
        if !name.as_str().is_empty() {
            return Ok(Some(name.clone()));
        }
        match &self.last_queue {
            LastQueue::Named(last) => Ok(Some(last.clone())),
            LastQueue::Awaited => Ok(None),
            LastQueue::None => {
                let sentence = "an empty queue name, and no queue was declared on this channel";
                Err(Misbehaved::new(ReplyCode::NotFound, sentence).by(id))
            }
        }
    }
}

/// Where neither queue nor key is named, the key is the queue's name too.
fn keyed_by_queue(asked: &ShortString, queue: &ShortString, key: &mut ShortString) {
    if asked.as_str().is_empty() && key.as_str().is_empty() {
        *key = queue.clone();
    }
}

fn misplaced(id: MethodId) -> Misbehaved {
    Misbehaved::new(
        ReplyCode::CommandInvalid,
        format_args!("method {id} is not for a channel"),
    )
    .by(id)
}

fn unsupported(id: MethodId, what: &str) -> Misbehaved {
    Misbehaved::new(
        ReplyCode::NotImplemented,
        format_args!("{what} is not supported"),
    )
    .by(id)
}
