//! The methods that a client may send, decoded.
//!
//! Knows arguments and their order, and which ids exist; never which method is allowed when: that
//! is the session's. The hot ones borrow from the frame, the others own their fields.

use std::fmt;

use amq_protocol::protocol::{basic, connection, exchange, queue};
use amq_protocol::types::{FieldTable, ShortString};

use super::method::MethodId;
use super::reader::{Malformed, Reader};
use super::table::{TableLimits, short_string};
use crate::amqp::reply::{Misbehaved, ReplyCode};

/// Octets by which a client proves its identity. Not shown by `Debug`, so that no log ever holds them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The octets themselves, to be verified and not to be shown.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}

/// What a client says of itself, and its proof: connection.start-ok.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Product, version, platform, capabilities.
    pub client_properties: FieldTable,
    /// The SASL mechanism that it chose.
    pub mechanism: ShortString,
    /// The SASL response.
    pub response: Secret,
}

/// A close from the peer: its code and text, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::amqp) struct Close {
    pub(in crate::amqp) code: u16,
    pub(in crate::amqp) text: String,
}

/// basic.publish before its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) struct PublishHead<'a> {
    pub(in crate::amqp) exchange: &'a str,
    pub(in crate::amqp) routing_key: &'a str,
    pub(in crate::amqp) mandatory: bool,
    pub(in crate::amqp) immediate: bool,
}

/// A method from a client.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::amqp) enum ClientMethod<'a> {
    StartOk(Login),
    TuneOk(connection::TuneOk),
    Open {
        vhost: &'a str,
    },
    Close(Close),
    CloseOk,
    UpdateSecret {
        secret: Secret,
        reason: String,
    },
    ChannelOpen,
    ChannelFlow {
        active: bool,
    },
    ChannelClose(Close),
    ChannelCloseOk,
    ExchangeDeclare(exchange::Declare),
    ExchangeDelete(exchange::Delete),
    ExchangeBind(exchange::Bind),
    ExchangeUnbind(exchange::Unbind),
    QueueDeclare(queue::Declare),
    QueueBind(queue::Bind),
    QueueUnbind(queue::Unbind),
    QueuePurge(queue::Purge),
    QueueDelete(queue::Delete),
    Qos {
        prefetch_bytes: u32,
        qos: basic::Qos,
    },
    Consume(basic::Consume),
    Cancel(basic::Cancel),
    CancelOk,
    Publish(PublishHead<'a>),
    Get(basic::Get),
    Ack {
        tag: u64,
        multiple: bool,
    },
    Nack {
        tag: u64,
        multiple: bool,
        requeue: bool,
    },
    Reject {
        tag: u64,
        requeue: bool,
    },
    Recover {
        requeue: bool,
        answered: bool,
    },
    ConfirmSelect {
        no_wait: bool,
    },
}

/// Parts the payload of a method frame into the method and its arguments.
///
/// # Errors
/// 501 where it is too short to name a method.
pub(in crate::amqp) fn split_method(payload: &[u8]) -> Result<(MethodId, &[u8]), Misbehaved> {
    let mut reader = Reader::new(payload);
    let id = MethodId::new(reader.short()?, reader.short()?);
    Ok((id, reader.rest()))
}

/// Decodes the arguments of `method`; nothing may follow the last one.
///
/// # Errors
/// 501 or 502 where the arguments are malformed, 503 where the method is unknown or a server's,
/// 540 where it is of a class that Carnet does not have. All of them name the method.
pub(in crate::amqp) fn decode(
    id: MethodId,
    arguments: &[u8],
    limits: TableLimits,
) -> Result<ClientMethod<'_>, Misbehaved> {
    let mut reader = Reader::new(arguments);
    let decoded = match id.class {
        10 => connection(id, &mut reader, limits),
        20 => channel(id, &mut reader),
        40 => exchange(id, &mut reader, limits),
        50 => queue(id, &mut reader, limits),
        60 => basic(id, &mut reader, limits),
        _ if id == MethodId::CONFIRM_SELECT => reader
            .bits()
            .map(|[no_wait]| Some(ClientMethod::ConfirmSelect { no_wait })),
        _ => Ok(None),
    };
    let method = decoded.map_err(|malformed| Misbehaved::from(malformed).by(id))?;
    let Some(method) = method else {
        return Err(refused(id));
    };
    reader
        .finish()
        .map_err(|malformed| Misbehaved::from(malformed).by(id))?;
    Ok(method)
}

fn refused(id: MethodId) -> Misbehaved {
    let misbehaved = if id.class == 90 {
        Misbehaved::new(
            ReplyCode::NotImplemented,
            "transactions are not supported, use publisher confirms",
        )
    } else {
        Misbehaved::new(
            ReplyCode::CommandInvalid,
            format_args!("a client has no method {id}"),
        )
    };
    misbehaved.by(id)
}

/// `None` is a method that no client sends.
type Decoded<'a> = Result<Option<ClientMethod<'a>>, Malformed>;

fn owned(reader: &mut Reader<'_>) -> Result<ShortString, Malformed> {
    short_string(reader.short_string()?)
}

/// The name after a ticket, which older versions of AMQP used and all clients still send.
fn ticketed(reader: &mut Reader<'_>) -> Result<ShortString, Malformed> {
    reader.short()?;
    owned(reader)
}

fn connection<'a>(id: MethodId, r: &mut Reader<'a>, limits: TableLimits) -> Decoded<'a> {
    Ok(Some(match id {
        MethodId::CONNECTION_START_OK => {
            let client_properties = r.table(limits)?;
            let mechanism = owned(r)?;
            let response = Secret(r.long_string()?.to_vec());
            r.short_string()?;
            ClientMethod::StartOk(Login {
                client_properties,
                mechanism,
                response,
            })
        }
        MethodId::CONNECTION_TUNE_OK => ClientMethod::TuneOk(connection::TuneOk {
            channel_max: r.short()?,
            frame_max: r.long()?,
            heartbeat: r.short()?,
        }),
        MethodId::CONNECTION_OPEN => {
            let vhost = r.short_string()?;
            r.short_string()?;
            r.octet()?;
            ClientMethod::Open { vhost }
        }
        MethodId::CONNECTION_CLOSE => ClientMethod::Close(close(r)?),
        MethodId::CONNECTION_CLOSE_OK => ClientMethod::CloseOk,
        MethodId::CONNECTION_UPDATE_SECRET => ClientMethod::UpdateSecret {
            secret: Secret(r.long_string()?.to_vec()),
            reason: r.short_string()?.to_owned(),
        },
        _ => return Ok(None),
    }))
}

fn close(reader: &mut Reader<'_>) -> Result<Close, Malformed> {
    let code = reader.short()?;
    let text = reader.short_string()?.to_owned();
    reader.long()?;
    Ok(Close { code, text })
}

fn channel<'a>(id: MethodId, r: &mut Reader<'a>) -> Decoded<'a> {
    Ok(Some(match id {
        MethodId::CHANNEL_OPEN => {
            r.short_string()?;
            ClientMethod::ChannelOpen
        }
        MethodId::CHANNEL_FLOW => {
            let [active] = r.bits()?;
            ClientMethod::ChannelFlow { active }
        }
        MethodId::CHANNEL_CLOSE => ClientMethod::ChannelClose(close(r)?),
        MethodId::CHANNEL_CLOSE_OK => ClientMethod::ChannelCloseOk,
        _ => return Ok(None),
    }))
}

fn exchange<'a>(id: MethodId, r: &mut Reader<'a>, limits: TableLimits) -> Decoded<'a> {
    Ok(Some(match id {
        MethodId::EXCHANGE_DECLARE => {
            let exchange = ticketed(r)?;
            let kind = owned(r)?;
            let [passive, durable, auto_delete, internal, nowait] = r.bits()?;
            let arguments = r.table(limits)?;
            ClientMethod::ExchangeDeclare(exchange::Declare {
                exchange,
                kind,
                passive,
                durable,
                auto_delete,
                internal,
                nowait,
                arguments,
            })
        }
        MethodId::EXCHANGE_DELETE => {
            let exchange = ticketed(r)?;
            let [if_unused, nowait] = r.bits()?;
            ClientMethod::ExchangeDelete(exchange::Delete {
                exchange,
                if_unused,
                nowait,
            })
        }
        MethodId::EXCHANGE_BIND | MethodId::EXCHANGE_UNBIND => {
            let destination = ticketed(r)?;
            let source = owned(r)?;
            let routing_key = owned(r)?;
            let [nowait] = r.bits()?;
            let arguments = r.table(limits)?;
            if id == MethodId::EXCHANGE_BIND {
                ClientMethod::ExchangeBind(exchange::Bind {
                    destination,
                    source,
                    routing_key,
                    nowait,
                    arguments,
                })
            } else {
                ClientMethod::ExchangeUnbind(exchange::Unbind {
                    destination,
                    source,
                    routing_key,
                    nowait,
                    arguments,
                })
            }
        }
        _ => return Ok(None),
    }))
}

fn queue<'a>(id: MethodId, r: &mut Reader<'a>, limits: TableLimits) -> Decoded<'a> {
    Ok(Some(match id {
        MethodId::QUEUE_DECLARE => {
            let queue = ticketed(r)?;
            let [passive, durable, exclusive, auto_delete, nowait] = r.bits()?;
            let arguments = r.table(limits)?;
            ClientMethod::QueueDeclare(queue::Declare {
                queue,
                passive,
                durable,
                exclusive,
                auto_delete,
                nowait,
                arguments,
            })
        }
        MethodId::QUEUE_BIND => {
            let queue = ticketed(r)?;
            let exchange = owned(r)?;
            let routing_key = owned(r)?;
            let [nowait] = r.bits()?;
            let arguments = r.table(limits)?;
            let bind = queue::Bind {
                queue,
                exchange,
                routing_key,
                nowait,
                arguments,
            };
            ClientMethod::QueueBind(bind)
        }
        MethodId::QUEUE_UNBIND => ClientMethod::QueueUnbind(queue::Unbind {
            queue: ticketed(r)?,
            exchange: owned(r)?,
            routing_key: owned(r)?,
            arguments: r.table(limits)?,
        }),
        MethodId::QUEUE_PURGE => {
            let queue = ticketed(r)?;
            let [nowait] = r.bits()?;
            ClientMethod::QueuePurge(queue::Purge { queue, nowait })
        }
        MethodId::QUEUE_DELETE => {
            let queue = ticketed(r)?;
            let [if_unused, if_empty, nowait] = r.bits()?;
            ClientMethod::QueueDelete(queue::Delete {
                queue,
                if_unused,
                if_empty,
                nowait,
            })
        }
        _ => return Ok(None),
    }))
}

fn basic<'a>(id: MethodId, r: &mut Reader<'a>, limits: TableLimits) -> Decoded<'a> {
    Ok(Some(match id {
        MethodId::BASIC_PUBLISH => {
            r.short()?;
            let exchange = r.short_string()?;
            let routing_key = r.short_string()?;
            let [mandatory, immediate] = r.bits()?;
            ClientMethod::Publish(PublishHead {
                exchange,
                routing_key,
                mandatory,
                immediate,
            })
        }
        MethodId::BASIC_ACK => {
            let tag = r.long_long()?;
            let [multiple] = r.bits()?;
            ClientMethod::Ack { tag, multiple }
        }
        MethodId::BASIC_NACK => {
            let tag = r.long_long()?;
            let [multiple, requeue] = r.bits()?;
            ClientMethod::Nack {
                tag,
                multiple,
                requeue,
            }
        }
        MethodId::BASIC_REJECT => {
            let tag = r.long_long()?;
            let [requeue] = r.bits()?;
            ClientMethod::Reject { tag, requeue }
        }
        MethodId::BASIC_RECOVER | MethodId::BASIC_RECOVER_ASYNC => {
            let [requeue] = r.bits()?;
            ClientMethod::Recover {
                requeue,
                answered: id == MethodId::BASIC_RECOVER,
            }
        }
        _ => return consuming(id, r, limits),
    }))
}

fn consuming<'a>(id: MethodId, r: &mut Reader<'a>, limits: TableLimits) -> Decoded<'a> {
    Ok(Some(match id {
        MethodId::BASIC_QOS => {
            let prefetch_bytes = r.long()?;
            let prefetch_count = r.short()?;
            let [global] = r.bits()?;
            ClientMethod::Qos {
                prefetch_bytes,
                qos: basic::Qos {
                    prefetch_count,
                    global,
                },
            }
        }
        MethodId::BASIC_CONSUME => {
            let queue = ticketed(r)?;
            let consumer_tag = owned(r)?;
            let [no_local, no_ack, exclusive, nowait] = r.bits()?;
            let arguments = r.table(limits)?;
            ClientMethod::Consume(basic::Consume {
                queue,
                consumer_tag,
                no_local,
                no_ack,
                exclusive,
                nowait,
                arguments,
            })
        }
        MethodId::BASIC_CANCEL => {
            let consumer_tag = owned(r)?;
            let [nowait] = r.bits()?;
            ClientMethod::Cancel(basic::Cancel {
                consumer_tag,
                nowait,
            })
        }
        MethodId::BASIC_CANCEL_OK => {
            r.short_string()?;
            ClientMethod::CancelOk
        }
        MethodId::BASIC_GET => {
            let queue = ticketed(r)?;
            let [no_ack] = r.bits()?;
            ClientMethod::Get(basic::Get { queue, no_ack })
        }
        _ => return Ok(None),
    }))
}
