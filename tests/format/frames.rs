//! What the fixtures of frames hold.

use carnet::agency::keys::RetentionClass;
use carnet::broker::payload::{Kept, PayloadHead, PrivateHead};
use carnet::journal::Lsn;
use carnet::message::facts::FactValue;
use carnet::message::id::{Category, ExchangeId};
use carnet::message::spans::{Part, Quoted, Spans};
use carnet::policy::request::Question;
use carnet::policy::words::Onward;

use crate::values::{at, keyed, unit};

/// The exchange whose frame the fixture is.
pub(crate) const FRAMED: ExchangeId = ExchangeId([0xee; 16]);

/// The classes of its parts.
pub(crate) const KEPT: Kept = Kept {
    body: RetentionClass::PRIVATE,
    facts: RetentionClass::PRIVATE,
};

/// What a frame holds, with every sort of fact and part, and its body.
pub(crate) fn payload() -> (PayloadHead, &'static [u8]) {
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
    let head = PayloadHead {
        spans: Spans::of_parts(
            parts
                .chain([token(None), token(Some(quoted)), within])
                .collect(),
        ),
        facts: facts.map(|(name, value)| (name.to_owned(), value)).into(),
        question: Question {
            to: Some(vec!["customs/main".to_owned()]),
            purpose: Some("customs-control".parse().unwrap()),
            case: Some("CASE-1".to_owned()),
            answers: [unit("customs/main")].into(),
            quotes: ["police".parse().unwrap()].into(),
            own_keys: vec![keyed(4)],
            handling: Onward::AskOriginator,
        },
        answered: Some(Lsn(4_096)),
    };
    (head, b"{\"ID\":\"RR1\"}")
}

/// A private publish, and its body.
pub(crate) fn private() -> (PrivateHead, &'static [u8]) {
    let head = PrivateHead {
        exchange: String::new(),
        routing_key: "work".to_owned(),
        raw_properties: vec![0x80, 0, 4, b't', b'e', b'x', b't'],
    };
    (head, b"job 1")
}
