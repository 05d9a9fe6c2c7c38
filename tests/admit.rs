//! Admission as a function: a peer, a publish, snapshots and the time in; a submission out.
//!
//! What the wire cannot show: whose record a refusal becomes, and which ids count as an answer. The
//! answers to a publisher over real sockets are `tests/wire.rs`'s.
#![cfg(test)]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/shipped.rs"]
mod shipped;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carnet::agency::keys::{Delivered, Keys, SharedRing};
use carnet::agency::registry::Peer;
use carnet::broker::admit::{Draw, View, admit};
use carnet::broker::exchange::{Arrived, Verdict};
use carnet::broker::record::{LeafSecret, Outcome};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::Bundle;
use carnet::message::catalogue::Catalogue;
use carnet::message::envelope::{HeaderValue, Publish};
use carnet::message::id::{ExchangeId, UnitId};
use carnet::message::time::Timestamp;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::schema::schema_text;
use carnet::policy::standing::Standing;
use carnet::policy::vocabulary::Vocabulary;
use shipped::shipped;

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
}

/// The repository's rulebook, no standing facts, keys of a known master key.
fn view() -> View {
    view_of(&shipped())
}

fn view_of(bundle: &Bundle) -> View {
    let pki = DevelopmentPki::create(bundle, now()).unwrap();
    let bundle = development_bundle(bundle, &pki).unwrap();
    let rulebook = Rulebook::parse(&bundle).unwrap().activated(1);
    let units = rulebook.registry().units().map(|unit| &unit.id);
    let keys = Keys::derive(SharedRing::new(ring::ring()), units);
    View {
        governance: Arc::default(),
        rulebook: Arc::new(rulebook),
        standing: Arc::new(Standing::default()),
        keys: Arc::new(keys),
        repeat_window: Duration::from_hours(24),
    }
}

fn peer(view: &View, agency: &str, system: &str) -> Peer {
    let registry = view.rulebook.registry();
    let agency = registry.agency(agency).expect("an agency");
    let mut systems = agency.systems.values();
    let system = systems.find(|s| s.name.to_string() == system);
    let system = system.expect("a system");
    Peer {
        agency: Arc::clone(agency),
        unit: Arc::clone(&agency.units[&system.unit]),
        system: Arc::clone(system),
    }
}

fn publish(message_type: &str, example: &str) -> Publish {
    let path = format!("messages/{message_type}/examples/{example}.json");
    let mut body = Vec::new();
    let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    file.unwrap().read_to_end(&mut body).unwrap();
    Publish {
        message_type: message_type.into(),
        message_id: Some("m-1".to_owned()),
        body: body.into(),
        ..Publish::default()
    }
}

fn verdict(view: &View, peer: &Peer, publish: Publish) -> Verdict {
    let draw = Draw {
        exchange: ExchangeId([9; 16]),
        secret: LeafSecret::new([8; 32]),
    };
    let arrived = Arrived {
        publish,
        exchange: "carnet".into(),
        raw_properties: vec![0, 0].into(),
    };
    admit(peer, arrived, view, draw, now()).verdict().clone()
}

/// The units that a ruling releases to.
fn released(verdict: &Verdict) -> Vec<String> {
    let Verdict::Ruled(ruled) = verdict else {
        panic!("not ruled: {verdict:?}");
    };
    let recipients = ruled.exchange().recipients.iter();
    let released = recipients.filter(|r| matches!(r.outcome, Outcome::Released(_)));
    released
        .map(|recipient| recipient.unit.to_string())
        .collect()
}

#[test]
fn nobody_publishes_in_another_name() {
    let view = view();
    let post = peer(&view, "post", "items");
    let forged = |name: &str| (name.to_owned(), HeaderValue::Text("police".to_owned()));
    let item = || publish("postal.item", "valid/ornaments");
    let attempts = [
        Publish {
            user_id: Some("police-operations".to_owned()),
            ..item()
        },
        Publish {
            headers: vec![forged("x-carnet-sender")],
            ..item()
        },
        Publish {
            headers: vec![forged("X-CARNET-SEQUENCE")],
            ..item()
        },
        publish("police.alert", "valid/person"),
    ];
    for attempt in attempts {
        let Verdict::Rejected { rejected, refusal } = verdict(&view, &post, attempt) else {
            panic!("admitted");
        };
        // The attempt is a fact, and it is the certificate's holder's.
        assert_eq!(rejected.sender.to_string(), "post/items");
        assert_eq!(rejected.unit, post.unit.id);
        assert_eq!(rejected.code, refusal.code);
        assert!(!refusal.text.contains("police"), "{}", refusal.text);
    }
    let own = Publish {
        user_id: Some("post-items".to_owned()),
        ..item()
    };
    assert_eq!(released(&verdict(&view, &post, own)), ["customs/main"]);
}

#[test]
fn an_answer_counts_only_with_an_id_that_its_unit_was_given() {
    let view = view();
    let environment = peer(&view, "environment", "permits");
    let unit = |text: &str| text.parse::<UnitId>().unwrap();
    let delivered = Delivered {
        exchange: ExchangeId([1; 16]),
        address: 4_242,
        sender: unit("customs/main"),
    };
    let given_to = |to: &str| {
        let sealed = view.keys.seal_delivery(&unit(to), &delivered);
        sealed.expect("an id of a unit's own")
    };
    let answer = |correlation_id: Option<String>| {
        let mut answer = publish("inquiry.response", "valid/story-06");
        answer.correlation_id = correlation_id;
        let to = HeaderValue::Text("customs/main".to_owned());
        answer.headers.push(("to".to_owned(), to));
        released(&verdict(&view, &environment, answer))
    };
    assert_eq!(answer(Some(given_to("environment/main"))), ["customs/main"]);
    // Unasked; made up; what another unit was given, and passed on.
    assert_eq!(answer(None), [""; 0]);
    assert_eq!(answer(Some("cd1~made-up".to_owned())), [""; 0]);
    assert_eq!(answer(Some(given_to("police/main"))), [""; 0]);
}

#[test]
fn the_texts_of_refusals_fit_a_return_whatever_was_sent() {
    let view = view();
    let post = peer(&view, "post", "items");
    let long = "é".repeat(120);
    let header = |name: &str| (name.to_owned(), HeaderValue::Text(long.clone()));
    let with = |headers| Publish {
        headers,
        ..publish("postal.item", "valid/ornaments")
    };
    let unknown = Publish {
        message_type: long.as_str().into(),
        ..publish("postal.item", "valid/ornaments")
    };
    let attempts = [
        unknown,
        with(vec![header("purpose")]),
        with(vec![header("handling")]),
        with(vec![header(&format!("x-carnet-{long}"))]),
    ];
    for attempt in attempts {
        let Verdict::Rejected { rejected, refusal } = verdict(&view, &post, attempt) else {
            panic!("admitted");
        };
        assert!(refusal.text.len() <= 255, "{}", refusal.text);
        assert!(rejected.message_type.chars().count() <= 96);
    }
}

#[test]
fn a_purpose_that_a_message_asks_for_is_a_word_of_the_boards() {
    let asking = |purpose: &str| Publish {
        headers: vec![("purpose".to_owned(), HeaderValue::Text(purpose.to_owned()))],
        ..publish("postal.item", "valid/ornaments")
    };
    let mut bundle = shipped();
    let board = bundle.text("policies/board.toml").unwrap();
    let with_one_more = "[vocabulary.purpose]\nfood-safety = \"Safety of food and feed\"";
    let board = board.replace("[vocabulary.purpose]", with_one_more);
    bundle.insert("policies/board.toml", board);
    let catalogue = Catalogue::parse(&bundle).unwrap();
    let schema = schema_text(&catalogue, &Vocabulary::read(&bundle).unwrap()).unwrap();
    bundle.insert("policies/border.cedarschema", schema);
    for (view, known) in [(view(), false), (view_of(&bundle), true)] {
        let post = peer(&view, "post", "items");
        let verdict = verdict(&view, &post, asking("food-safety"));
        assert_eq!(matches!(verdict, Verdict::Ruled(_)), known, "{verdict:?}");
    }
}

#[test]
fn a_routing_key_that_is_no_types_name_is_not_kept_in_evidence() {
    let view = view();
    let post = peer(&view, "post", "items");
    let kept = |message_type: &str| {
        let attempt = Publish {
            message_type: message_type.into(),
            body: "{}".into(),
            ..Publish::default()
        };
        let Verdict::Rejected { rejected, .. } = verdict(&view, &post, attempt) else {
            panic!("admitted");
        };
        (rejected.message_type, rejected.code)
    };
    for personal in ["Ilse Marrow", "postal.item.RR473124829GB"] {
        assert_eq!(kept(personal), (String::new(), 312));
    }
    assert_eq!(kept("case.ilse-marrow"), (String::new(), 403));
    assert_eq!(kept("postal.item"), ("postal.item".to_owned(), 406));
    assert_eq!(kept("case.join"), ("case.join".to_owned(), 403));
}

#[test]
fn a_repeat_of_a_message_has_the_same_key_and_content_and_another_has_not() {
    let view = view();
    let post = peer(&view, "post", "items");
    let identity = |publish: Publish| match verdict(&view, &post, publish) {
        Verdict::Ruled(ruled) => (ruled.exchange().key, ruled.exchange().content),
        other => panic!("not ruled: {other:?}"),
    };
    let first = identity(publish("postal.item", "valid/ornaments"));
    assert_eq!(identity(publish("postal.item", "valid/ornaments")), first);
    let other = identity(publish("postal.item", "valid/orchids"));
    assert_eq!((other.0 == first.0, other.1 == first.1), (true, false));
    let renamed = identity(Publish {
        message_id: Some("m-2".to_owned()),
        ..publish("postal.item", "valid/ornaments")
    });
    assert_eq!((renamed.0 == first.0, renamed.1 == first.1), (false, true));
}
