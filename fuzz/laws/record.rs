//! Records and what the frames of their payloads hold: octets are refused, or they are the very octets
//! that are written of what was read.

use bytes::Bytes;
use carnet::agency::keys::{BadFrame, FramePart, FrameWriter, RetentionClass, Ring};
use carnet::broker::format::{OpenPayload, OpenPrivate};
use carnet::broker::payload::{Kept, PayloadHead};
use carnet::broker::record::{Confidential, Exchange, LeafSecret, Record, SCHEMA};
use carnet::journal::{Kind, Lsn};
use carnet::message::facts::Facts;
use carnet::message::id::ExchangeId;
use carnet::message::spans::Spans;
use carnet::message::time::Timestamp;
use carnet::policy::request::Question;

/// First octets that say that the rest is sealed in a frame; below them it is the kind of a record.
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
        FRAME_OF_EXCHANGE => frame(rest),
        FRAME_OF_PRIVATE => private(rest),
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
        if let Some(told) = Confidential::read(&exchange.sealed) {
            let ring = ring();
            let again = told.seal(&ring.sealing(FRAMED, Timestamp::default()), KEPT.facts);
            assert_eq!(Confidential::read(&again.opened(&ring, FRAMED)), Some(told));
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

/// The ring that frames are sealed with.
pub(crate) fn ring() -> Ring {
    Ring::new([3; 32], [4; 32])
}

fn opened(octets: &[u8]) -> Result<Opened, BadFrame> {
    let read = OpenPayload::open(FRAMED, octets, &ring())?;
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

/// The frame of an exchange with an empty body and this as its part of the facts.
fn frame(octets: &[u8]) -> bool {
    let ring = ring();
    let sealing = ring.sealing(FRAMED, Timestamp::default());
    let writer = FrameWriter::new(sealing, octets.len())
        .part(FramePart::Body, KEPT.body, |out| out.extend([0; 4]))
        .part(FramePart::Facts, KEPT.facts, |out| out.extend(octets));
    let sealed = writer.finish();
    let Ok(read) = opened(&sealed) else {
        return false;
    };
    let head = PayloadHead {
        spans: &read.spans,
        facts: &read.facts,
        question: &read.question,
        answered: read.answered,
    };
    let again = head.seal(&sealing, KEPT, &read.body);
    assert_eq!(opened(again.octets()).ok(), Some(read));
    true
}

/// The frame of a private publish that holds this.
fn private(octets: &[u8]) -> bool {
    let ring = ring();
    let sealing = ring.sealing(FRAMED, Timestamp::default());
    let writer = FrameWriter::new(sealing, octets.len());
    let writer = writer.part(FramePart::Private, KEPT.body, |out| out.extend(octets));
    let sealed = writer.finish();
    let opened = OpenPrivate::open(&sealed, &ring).expect("what is sealed opens");
    let Ok((head, body)) = opened.read() else {
        return false;
    };
    assert_eq!(head.seal(&sealing, &body).octets(), &sealed);
    true
}
