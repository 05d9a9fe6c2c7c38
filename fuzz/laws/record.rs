//! Records and the frames of their payloads: octets are refused, or they are the very octets that
//! are written of what was read.

use bytes::Bytes;
use carnet::agency::keys::{BadFrame, RetentionClass};
use carnet::broker::format::PayloadRef;
use carnet::broker::payload::{Kept, PayloadHead, PrivateHead};
use carnet::broker::record::{Confidential, Exchange, LeafSecret, Record, SCHEMA};
use carnet::journal::{Kind, Lsn};
use carnet::message::facts::Facts;
use carnet::message::id::ExchangeId;
use carnet::message::spans::Spans;
use carnet::policy::request::Question;

/// First octets that say that the rest is a frame; below them it is the kind of a record.
pub(crate) const FRAME_OF_EXCHANGE: u8 = 250;
pub(crate) const FRAME_OF_PRIVATE: u8 = 251;

/// The exchange whose frame is read.
pub(crate) const FRAMED: ExchangeId = ExchangeId([0xee; 16]);

const KEPT: Kept = Kept {
    body: RetentionClass::PRIVATE,
    facts: RetentionClass::PRIVATE,
};

/// Whether the octets are a record, or a frame.
pub(crate) fn holds(octets: &[u8]) -> bool {
    let Some((first, rest)) = octets.split_first() else {
        return false;
    };
    match *first {
        FRAME_OF_EXCHANGE => frame(&Bytes::copy_from_slice(rest)),
        FRAME_OF_PRIVATE => private(&Bytes::copy_from_slice(rest)),
        kind => record(kind, rest),
    }
}

fn record(kind: u8, octets: &[u8]) -> bool {
    let is_exchange = kind == 3;
    let kind = Kind {
        kind,
        schema: SCHEMA,
    };
    let Ok(record) = Record::decode(kind, octets) else {
        return false;
    };
    let mut written = Vec::new();
    // The secret before a record is no part of it.
    let secret = octets.first_chunk().copied().unwrap_or_default();
    record.encode(&LeafSecret::new(secret), &mut written);
    assert_eq!(written, octets, "{record:?}");
    assert_eq!(record.kind(), kind.kind);
    if let Record::Exchange(exchange) = record {
        if let Some(told) = Confidential::open(&exchange.sealed) {
            assert_eq!(Confidential::open(&told.seal()), Some(told));
        }
        assert_eq!(Exchange::key_in(SCHEMA, octets).ok(), Some(exchange.key));
    } else {
        assert!(!is_exchange);
    }
    true
}

/// All that is read of the frame of an exchange.
#[derive(Debug, PartialEq)]
struct Opened {
    spans: Spans,
    facts: Facts,
    question: Question<'static>,
    answered: Option<Lsn>,
    body: Bytes,
}

fn opened(octets: &Bytes) -> Result<Opened, BadFrame> {
    let read = PayloadRef::open(FRAMED, octets)?;
    let (facts, question) = read.ruled_from()?;
    let answered = question.answers.iter().map(|unit| read.answered(unit));
    let answered = answered.collect::<Result<Vec<_>, _>>()?;
    Ok(Opened {
        spans: read.spans()?,
        facts,
        question,
        answered: answered.into_iter().next().flatten(),
        body: read.body().clone(),
    })
}

fn frame(octets: &Bytes) -> bool {
    let Ok(read) = opened(octets) else {
        return false;
    };
    let head = PayloadHead {
        spans: &read.spans,
        facts: &read.facts,
        question: &read.question,
        answered: read.answered,
    };
    let again = Bytes::copy_from_slice(head.seal(FRAMED, KEPT, &read.body).octets());
    assert_eq!(opened(&again).ok(), Some(read));
    true
}

fn private(octets: &Bytes) -> bool {
    let Ok((head, body)) = PrivateHead::open(octets) else {
        return false;
    };
    let again = Bytes::copy_from_slice(head.seal(&body).octets());
    assert_eq!(again.len(), octets.len());
    let (same, whole) = PrivateHead::open(&again).expect("what is sealed opens");
    assert_eq!((same, whole), (head, body));
    true
}
