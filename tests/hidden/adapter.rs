//! The shapes of the core that a connection's task makes and reads, in one place: where they change,
//! this file does, and no script.
//!
//! What stands here a connection does too, in `server::connection`, which no test can reach without
//! a socket. The octets themselves are compared on the wire, by `tests/wire/hidden.rs`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carnet::agency::keys::SharedRing;
use carnet::agency::registry::Peer;
use carnet::backbone::index::Index;
use carnet::backbone::tiles::Tiles;
use carnet::broker::admit::{Draw, View, admit};
use carnet::broker::command::{Ask, Command, ExchangeTraits, Private, Unroutable};
use carnet::broker::delivery::{Made, Rendered, Shown};
use carnet::broker::effect::{Answer, Deliver, Less};
use carnet::broker::exchange::{Arrived, Returnable, Submission};
use carnet::broker::ids::{ChannelKey, ConnectionId, Origin};
use carnet::broker::ledger::may_read;
use carnet::broker::payload::PrivateHead;
use carnet::broker::queue::Volume;
use carnet::broker::record::{LeafSecret, QueueId, QueueProperties};
use carnet::broker::reply::Refusal;
use carnet::http::log::{Look, Past, Query, Sight, Sought};
use carnet::journal::Reader;
use carnet::journal::snapshot::Files;
use carnet::message::envelope::expires_after;
use carnet::message::id::{AgencyId, Digest, ExchangeId, SystemId};
use carnet::message::time::Timestamp;
use carnet_disk::SimVfs;

use crate::border::morning;
use crate::letter::Letter;
use crate::ring::ring;

/// A system has connected.
pub(crate) fn attach(connection: ConnectionId, peer: &Peer) -> Command {
    Command::Attach {
        connection,
        unit: peer.unit.id.clone(),
        system: SystemId {
            agency: peer.agency.id.clone(),
            system: peer.system.name.clone(),
        },
        releases: peer.system.reads.contains("inbox"),
    }
}

/// A publish to `carnet`, admitted by what is so now. What is drawn for it follows from `drawn`.
pub(crate) fn submission(
    peer: &Peer,
    letter: &Letter,
    view: &View,
    (drawn, now): (&str, Timestamp),
) -> Box<Submission> {
    let drawn = Digest::of(drawn.as_bytes());
    let exchange = ExchangeId(*drawn.0.first_chunk().unwrap());
    let arrived = Arrived {
        publish: letter.publish.clone(),
        exchange: letter.exchange.into(),
        raw_properties: Bytes::new(),
    };
    let secret = LeafSecret::new(drawn.0);
    let draw = Draw { exchange, secret };
    Box::new(admit(peer, arrived, view, draw, now))
}

/// A publish to a queue of the unit's own.
pub(crate) fn private(peer: &Peer, origin: Origin, letter: &Letter) -> Command {
    let head = PrivateHead {
        exchange: letter.exchange,
        routing_key: &letter.publish.message_type,
        raw_properties: &[],
    };
    let expiration = letter.publish.expiration.as_deref();
    Command::from(Private {
        read_over: None,
        origin,
        wire: wire(letter),
        unroutable: Unroutable::of(true),
        copies: Vec::new(),
        frame: head.seal(
            &ring().sealing(ExchangeId([0; 16]), Timestamp::default()),
            &letter.publish.body,
        ),
        marked: false,
        ttl: expiration.map(|text| expires_after(text).unwrap()),
        quota: Volume::most(&peer.agency.limits),
    })
}

fn wire(letter: &Letter) -> Returnable {
    Returnable {
        exchange: letter.exchange.into(),
        routing_key: letter.publish.message_type.clone(),
        raw_properties: Bytes::new(),
        body: letter.publish.body.clone(),
    }
}

/// `queue.declare`, of a durable queue without arguments; what the connection refuses itself where it
/// may not be read.
pub(crate) fn declare(peer: &Peer, name: &str, passive: bool) -> Result<Ask, Answer> {
    if !may_read(peer, name) {
        let text = format!("this system does not read queue '{name}': see its 'reads'");
        return Err(Answer::Refused(Refusal { code: 403, text }));
    }
    Ok(Ask::DeclareQueue {
        name: name.to_owned(),
        passive,
        properties: QueueProperties {
            durable: true,
            ..QueueProperties::default()
        },
    })
}

/// `exchange.declare`, of a durable topic exchange.
pub(crate) fn declare_exchange(name: &str, passive: bool) -> Ask {
    Ask::DeclareExchange {
        name: name.to_owned(),
        kind: "topic".to_owned(),
        traits: ExchangeTraits {
            passive,
            durable: true,
            auto_delete: false,
            internal: false,
        },
        argument: None,
    }
}

/// `queue.bind`; what the connection refuses itself where it may not be asked.
pub(crate) fn bind(peer: &Peer, queue: &str, exchange: &str, key: &str) -> Result<Ask, Answer> {
    if !may_read(peer, exchange) {
        let text = format!("this system does not read '{exchange}': see its 'reads'");
        return Err(Answer::Refused(Refusal { code: 403, text }));
    }
    Ok(Ask::Bind {
        queue: queue.to_owned(),
        exchange: exchange.to_owned(),
        key: key.to_owned(),
        remove: false,
    })
}

/// `queue.unbind`.
pub(crate) fn unbind(queue: &str, exchange: &str, key: &str) -> Ask {
    Ask::Bind {
        queue: queue.to_owned(),
        exchange: exchange.to_owned(),
        key: key.to_owned(),
        remove: true,
    }
}

/// `queue.delete`, if empty or not.
pub(crate) fn delete(queue: &str, if_empty: bool) -> Ask {
    Ask::Delete {
        queue: queue.to_owned(),
        if_unused: false,
        if_empty,
    }
}

/// `basic.get`.
pub(crate) fn get(peer: &Peer, queue: &str) -> Ask {
    Ask::Get {
        queue: queue.to_owned(),
        may_read: may_read(peer, queue),
    }
}

/// `basic.consume`.
pub(crate) fn consume(peer: &Peer, number: u64, queue: &str) -> Ask {
    Ask::Consume {
        number,
        queue: queue.to_owned(),
        exclusive: false,
        priority: 0,
        may_read: may_read(peer, queue),
    }
}

/// What a connection hands over where a delivery must be narrower first.
pub(crate) fn narrow(
    (connection, deliver): (ConnectionId, &Deliver),
    peer: &Peer,
    (less, queues): (Less, Vec<QueueId>),
    at: Timestamp,
) -> Command {
    Command::Narrow {
        to: ChannelKey::new(connection, deliver.channel),
        delivery: deliver.delivery,
        narrowed: deliver.narrowed(peer.unit.id.clone(), at, less, queues),
    }
}

/// A return as its client reads it, but for the code's name.
pub(crate) fn returned(refusal: &Refusal) -> String {
    format!("return {} {}", refusal.code, refusal.text)
}

/// A delivery or what was got, whole but for its own id, of which the length stands.
pub(crate) fn delivered(deliver: &Deliver, rendered: &Rendered) -> String {
    let again = if deliver.redelivered { " again" } else { "" };
    let Rendered {
        properties,
        died,
        body,
        returns,
        ..
    } = rendered;
    let (exchange, routing_key) = rendered.route();
    let mut text = format!("from '{exchange}' {routing_key}{again}, came back {returns} times");
    match properties {
        Shown::Raw(raw) => write!(text, ", {} octets of properties", raw.len()).unwrap(),
        Shown::Made(made) => properties_of(made, &mut text),
    }
    for death in &died.deaths {
        write!(text, ", died {death:?}").unwrap();
    }
    write!(text, ": {}", String::from_utf8_lossy(body)).unwrap();
    text
}

fn properties_of(made: &Made, text: &mut String) {
    if let Some(id) = &made.message_id {
        write!(text, ", an id of {} octets", id.len()).unwrap();
    }
    if let Some(id) = &made.correlation_id {
        write!(text, ", answers {id}").unwrap();
    }
    write!(text, ", of {}", made.timestamp).unwrap();
    for (name, value) in &made.headers {
        write!(text, ", {name}={value}").unwrap();
    }
}

/// The id under which a unit received a message.
pub(crate) fn own_id(rendered: &Rendered) -> Option<&String> {
    match &rendered.properties {
        Shown::Made(made) => made.message_id.as_ref(),
        Shown::Raw(_) => None,
    }
}

/// An answer as its client reads it.
pub(crate) fn answered(answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Queue {
            name,
            messages,
            consumers,
        } => format!("queue '{name}': {messages} messages, {consumers} consumers"),
        Answer::Count(count) => format!("{count} messages"),
        Answer::Empty => "nothing to be got".to_owned(),
        Answer::Refused(Refusal { code, text }) => format!("the channel is closed: {code} {text}"),
        Answer::Fenced(_) => "done, all before it too".to_owned(),
    }
}

/// What the auditor of an agency is told of the log, of all and by filters, page by page: a line for each
/// page with its cursor, and one for each item.
pub(crate) fn audited(
    reader: Reader<SimVfs>,
    agency: &AgencyId,
    now: Timestamp,
    view: &View,
) -> Vec<String> {
    let files = Files::index(SimVfs::new(2), Path::new("/data")).unwrap();
    let index = Index::new(files, reader.clone(), Arc::clone(&view.keys));
    // The tree's files are not looked into: no proof is asked for.
    let tiles = Tiles::of(SimVfs::new(0), Path::new("/data"));
    let past = Past::new(reader, SharedRing::new(ring()), Arc::new(index), tiles);
    let mut lines = Vec::new();
    for (query, most) in looked_for() {
        let sight = Sight::Own(agency.clone());
        let key = query.key.as_deref();
        let mut look = Look {
            whose: agency.to_string(),
            sought: key.map(|key| Sought::of(key, &sight, view)),
            sight,
            query,
            cursor: None,
            from: None,
            most,
            full: true,
            proved: false,
        };
        loop {
            let told = look.at(&past, now, &|_| None, &|| false).unwrap();
            lines.push(format!("audited: {} {:?}", told.items.len(), told.older));
            lines.extend(told.items.iter().map(ToString::to_string));
            look.cursor = told.older;
            if look.cursor.is_none() {
                break;
            }
        }
    }
    lines
}

/// What is known under an identifier of what is hidden, and what that leads to.
fn under(key: &str) -> Query {
    Query {
        key: Some(key.to_owned()),
        follow: vec!["control-order".to_owned(), "s10".to_owned()],
        ..Query::default()
    }
}

/// What he looks for, and by how many a page: also for what is hidden.
fn looked_for() -> [(Query, usize); 6] {
    let received = Query {
        kind: Some("received".to_owned()),
        since: Some(morning().plus(Duration::from_millis(1))),
        ..Query::default()
    };
    let orders = Query {
        message_type: Some("control.order".to_owned()),
        ..Query::default()
    };
    let one = Query {
        message_id: Some("hidden-order".to_owned()),
        ..Query::default()
    };
    [
        (Query::default(), 100),
        (received, 2),
        (orders, 10),
        (one, 10),
        (under("hidden-order"), 10),
        (under("CO-2026-00902"), 10),
    ]
}
