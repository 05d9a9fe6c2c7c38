//! What the fixtures of frames hold.

use std::borrow::Cow;

use bytes::Bytes;
use carnet::agency::keys::{BadFrame, RetentionClass, Ring, Sealing};
use carnet::broker::format::OpenPayload;
use carnet::broker::payload::{Kept, PayloadHead, PrivateHead};
use carnet::journal::{Frame, Lsn};
use carnet::message::envelope::Asked;
use carnet::message::facts::{FactValue, Facts};
use carnet::message::id::{Category, ExchangeId};
use carnet::message::spans::{Part, Quoted, Spans};
use carnet::policy::request::Question;
use carnet::policy::words::Onward;

use crate::ring::ring;
use crate::values::{at, keyed, unit};

/// The exchange whose frame the fixture is.
pub(crate) const FRAMED: ExchangeId = ExchangeId([0xee; 16]);

/// The classes of its parts.
pub(crate) const KEPT: Kept = Kept {
    body: RetentionClass::PRIVATE,
    facts: RetentionClass::PRIVATE,
};

/// How it is sealed.
pub(crate) fn sealing(ring: &Ring) -> Sealing<'_> {
    ring.sealing(FRAMED, at(0))
}

/// What the frame of an exchange holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Payload {
    pub(crate) spans: Spans,
    pub(crate) facts: Facts,
    pub(crate) question: Question<'static>,
    pub(crate) answered: Option<Lsn>,
    pub(crate) body: Bytes,
}

impl Payload {
    pub(crate) fn seal(&self) -> Frame {
        let head = PayloadHead {
            spans: &self.spans,
            facts: &self.facts,
            question: &self.question,
            answered: self.answered,
        };
        head.seal(&sealing(&ring()), KEPT, &self.body)
    }

    /// What of it a delivery can come to read.
    pub(crate) fn open(octets: &Bytes) -> Result<Self, BadFrame> {
        let read = OpenPayload::open(FRAMED, octets, &ring())?;
        let (facts, question) = read.ruled_from()?;
        let answers = question.answers.iter().map(|unit| read.answered(unit));
        let answered = answers.collect::<Result<Vec<_>, _>>()?;
        assert_eq!(read.answered(&unit("police/nobody"))?, None);
        Ok(Self {
            spans: read.spans()?,
            facts,
            question,
            answered: answered.into_iter().next().flatten(),
            body: read.body().clone(),
        })
    }
}

/// What a frame holds, with every sort of fact and part.
pub(crate) fn payload() -> Payload {
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let facts = [
        ("codes", FactValue::Strings(strings(&["04", "0406"]))),
        ("areas", FactValue::Areas(strings(&["ipr"]))),
        ("weight", FactValue::Long(-3)),
        ("secret", FactValue::Bool(true)),
        ("until", FactValue::Time(at(0))),
    ];
    let run = |category: Category, nth: usize| Part::Run {
        start: nth,
        end: nth + 1,
        category,
    };
    let token = |quoted| Part::Token {
        start: 20,
        value: 21,
        after: 22,
        end: 23,
        kind: "s10".to_owned(),
        quoted,
    };
    let quoted = Quoted {
        originator: "customs".parse().unwrap(),
        clear: "RR1".to_owned(),
    };
    let within = Part::Within {
        start: 24,
        inner: 25,
        close: 26,
        end: 27,
        parts: 0,
    };
    let parts = Category::ALL.into_iter().zip(0..);
    let parts = parts.map(|(category, nth)| run(category, nth));
    Payload {
        spans: Spans::of_parts(
            parts
                .chain([token(None), token(Some(quoted)), within])
                .collect(),
        ),
        facts: facts.map(|(name, value)| (name.to_owned(), value)).into(),
        question: Question {
            asked: Cow::Owned(Asked {
                to: vec![unit("customs/main")],
                purpose: Some("customs-control".parse().unwrap()),
                case: Some("CASE-1".to_owned()),
                handling: Onward::AskOriginator,
            }),
            answers: [unit("customs/main")].into(),
            quotes: Cow::Owned(["police".parse().unwrap()].into()),
            own_keys: vec![keyed(4)],
        },
        answered: Some(Lsn(4_096)),
        body: Bytes::from_static(b"{\"ID\":\"RR1\"}"),
    }
}

/// A private publish, and its body.
pub(crate) fn private() -> (PrivateHead<'static>, &'static [u8]) {
    let head = PrivateHead {
        exchange: "",
        routing_key: "work",
        raw_properties: &[0x80, 0, 4, b't', b'e', b'x', b't'],
    };
    (head, b"job 1")
}
