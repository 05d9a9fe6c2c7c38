//! What a channel requests, as a question to the core. Pure.
//!
//! Asks nothing of the core where the answer stands without it: what Carnet does not do, and what the
//! system's `reads` do not let it have.

use crate::agency::registry::Peer;
use crate::amqp::{Event, Reply, ReplyCode, Request, basic, queue};
use crate::broker::arguments::consumer_priority;
use crate::broker::command::{Ask, ExchangeTraits, Fence};
use crate::broker::ids::DeliveryId;
use crate::broker::ledger::may_read;
use crate::broker::limits::{
    QUESTION_OCTETS, QUEUE_ARGUMENT_BYTES, REQUEST_OCTETS, SETTLED_OCTETS,
};
use crate::server::translate;

/// How a name that the broker makes up begins, where the request leaves one to it.
pub(super) fn prefix_of_missing_name(request: &Request<DeliveryId>) -> Option<&'static str> {
    match request {
        Request::QueueDeclare(declare) if declare.queue.as_str().is_empty() => Some("amq.gen-"),
        Request::Consume(_, consume) if consume.consumer_tag.as_str().is_empty() => {
            Some("amq.ctag-")
        }
        _ => None,
    }
}

/// What an event writes to the journal without a ruling, in octets, about; nothing where it is no
/// request and no acknowledgement.
pub(super) fn journal_octets(event: &Event<DeliveryId>) -> usize {
    match event {
        Event::Request { request, .. } => match request {
            Request::QueueDeclare(declare) if declare.passive => QUESTION_OCTETS,
            Request::QueueDeclare(declare) if declare.arguments.inner().is_empty() => {
                REQUEST_OCTETS
            }
            Request::QueueDeclare(_) => REQUEST_OCTETS + QUEUE_ARGUMENT_BYTES,
            Request::QueueBind(_)
            | Request::QueueUnbind(_)
            | Request::QueueDelete(_)
            | Request::QueuePurge(_) => REQUEST_OCTETS,
            Request::Recover(deliveries) => QUESTION_OCTETS + SETTLED_OCTETS * deliveries.len(),
            _ => QUESTION_OCTETS,
        },
        Event::Settle { deliveries, .. } => SETTLED_OCTETS * deliveries.len(),
        _ => 0,
    }
}

/// The question that a request is; `drawn` is the name that was made up for it.
///
/// # Errors
/// What it is refused with in its turn, after those before it are answered.
pub(super) fn ask(
    request: &Request<DeliveryId>,
    peer: &Peer,
    drawn: Option<String>,
) -> Result<Ask, Reply> {
    match request {
        Request::ExchangeDeclare(declare) => {
            let first = declare.arguments.inner().iter().next();
            Ok(Ask::DeclareExchange {
                name: declare.exchange.to_string(),
                kind: declare.kind.to_string(),
                traits: ExchangeTraits {
                    passive: declare.passive,
                    durable: declare.durable,
                    auto_delete: declare.auto_delete,
                    internal: declare.internal,
                },
                argument: first.map(|(name, _)| name.to_string()),
            })
        }
        Request::ExchangeDelete(_) | Request::ExchangeBind(_) | Request::ExchangeUnbind(_) => {
            let says = "exchanges stand: they are not deleted or bound to each other";
            Err(Reply::new(ReplyCode::AccessRefused, says))
        }
        Request::QueueDeclare(declare) => declare_queue(declare, peer, drawn),
        Request::QueueBind(bind) if !may_read(peer, bind.exchange.as_str()) => {
            let exchange = bind.exchange.as_str();
            let says = format!("this system does not read '{exchange}': see its 'reads'");
            Err(Reply::new(ReplyCode::AccessRefused, says))
        }
        Request::QueueBind(bind) => Ok(Ask::Bind {
            queue: bind.queue.to_string(),
            exchange: bind.exchange.to_string(),
            key: bind.routing_key.to_string(),
            remove: false,
        }),
        Request::QueueUnbind(unbind) => Ok(Ask::Bind {
            queue: unbind.queue.to_string(),
            exchange: unbind.exchange.to_string(),
            key: unbind.routing_key.to_string(),
            remove: true,
        }),
        Request::QueuePurge(purge) => Ok(Ask::Purge(purge.queue.to_string())),
        Request::QueueDelete(delete) => Ok(Ask::Delete {
            queue: delete.queue.to_string(),
            if_unused: delete.if_unused,
            if_empty: delete.if_empty,
        }),
        Request::Qos(qos) => Ok(Ask::Prefetch {
            count: qos.prefetch_count,
            global: qos.global,
        }),
        Request::Consume(number, consume) => consume_from(number.get(), consume, peer),
        Request::Cancel(number) => Ok(Ask::Cancel(number.get())),
        Request::Get(get) => Ok(Ask::Get {
            queue: get.queue.to_string(),
            may_read: may_read(peer, get.queue.as_str()),
        }),
        Request::Recover(_) => Ok(Ask::Fence(Fence::Recover)),
    }
}

fn declare_queue(
    declare: &queue::Declare,
    peer: &Peer,
    drawn: Option<String>,
) -> Result<Ask, Reply> {
    let name = declare.queue.as_str();
    if !may_read(peer, name) {
        let says = format!("this system does not read queue '{name}': see its 'reads'");
        return Err(Reply::new(ReplyCode::AccessRefused, says));
    }
    let properties = translate::queue_properties(declare)
        .map_err(|too_long| Reply::new(ReplyCode::PreconditionFailed, too_long))?;
    Ok(Ask::DeclareQueue {
        name: drawn.unwrap_or_else(|| name.to_owned()),
        passive: declare.passive,
        properties,
    })
}

fn consume_from(number: u64, consume: &basic::Consume, peer: &Peer) -> Result<Ask, Reply> {
    let queue = consume.queue.as_str();
    if queue == "amq.rabbitmq.reply-to" {
        let says = "direct reply-to is not offered; declare a reply queue of your own";
        return Err(Reply::new(ReplyCode::AccessRefused, says));
    }
    let arguments = translate::arguments(&consume.arguments);
    let arguments = arguments.map_err(|too_long| too_long.to_string());
    let priority = arguments
        .and_then(|them| consumer_priority(&them))
        .map_err(|says| Reply::new(ReplyCode::PreconditionFailed, says))?;
    Ok(Ask::Consume {
        number,
        queue: queue.to_owned(),
        exclusive: consume.exclusive,
        priority,
        may_read: may_read(peer, queue),
    })
}
