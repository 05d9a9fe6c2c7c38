//! Five agencies, five message types and the rules of the shapes, small enough to read.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use carnet::agency::registry::Peer;
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::{Bundle, Fault};
use carnet::message::catalogue::Catalogue;
use carnet::message::facts::{FactValue, Facts};
use carnet::message::id::UnitId;
use carnet::message::time::Timestamp;
use carnet::policy::request::{Question, RuleRequest};
use carnet::policy::rule::{rule, rule_for};
use carnet::policy::rulebook::Rulebook;
use carnet::policy::ruling::{Outcome, Released, Ruling};
use carnet::policy::schema::schema_text;
use carnet::policy::standing::{Case, Standing, Versioned};
use carnet::policy::vocabulary::Vocabulary;

pub(crate) const POST: &str = include_str!("post.cedar");
pub(crate) const CUSTOMS: &str = include_str!("customs.cedar");
pub(crate) const FLOOR: &str = include_str!("floor.cedar");

/// The rules of the floor, as the board lists them.
pub(crate) const LISTED: &str =
    r#"floor = ["floor-secret", "floor-quoted-token", "floor-originator", "floor-officer"]"#;

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn set<T: std::str::FromStr<Err: std::fmt::Debug> + Ord>(texts: &[&str]) -> BTreeSet<T> {
    texts.iter().map(|text| id(text)).collect()
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
}

/// An agency's file; each unit is `(name, purpose, further lines)`.
pub(crate) fn agency(
    name: &str,
    kind: &str,
    country: &str,
    units: &[(&str, &str, &str)],
) -> String {
    let mut parts = vec![format!(
        r#"id = "{name}"
kind = "{kind}"
country = "{country}"
name = {{ en = "{name}" }}
contact = {{ desk = "Desk", email = "desk@{name}.example" }}
[trust]
issuers = ["ca.pem"]
[retention]
default = "30d"
[[system]]
id = "test"
unit = "main"
certificate = "urn:carnet:{name}:system:test"
sends = ["*"]
reads = ["inbox"]
"#
    )];
    for (unit, purpose, more) in units {
        let receives = if more.contains("receives") {
            ""
        } else {
            "receives = [\"*\"]"
        };
        parts.push(format!(
            "[[unit]]\nid = \"{unit}\"\npurpose = \"{purpose}\"\n{receives}\n{more}\n"
        ));
    }
    parts.concat()
}

fn agencies() -> [(&'static str, String); 5] {
    const CLEARED: &str = "clearances = [\"controlled-delivery\"]";
    let investigation =
        format!("{CLEARED}\nreceives = [\"control.order\", \"seizure.*\"]\nlisted = false");
    let customs = [
        ("main", "customs-control", ""),
        ("investigation", "law-enforcement", &*investigation),
    ];
    let main = |purpose, more| [("main", purpose, more)];
    [
        ("customs", agency("customs", "customs", "XM", &customs)),
        (
            "police",
            agency("police", "police", "XM", &main("law-enforcement", CLEARED)),
        ),
        (
            "environment",
            agency(
                "environment",
                "environment",
                "XM",
                &main("environment-protection", ""),
            ),
        ),
        (
            "post",
            agency("post", "post", "XM", &main("postal-security", "")),
        ),
        (
            "customs-xa",
            agency(
                "customs-xa",
                "customs",
                "XA",
                &main("mutual-assistance", ""),
            ),
        ),
    ]
}

/// A message type with one element a category and one a fact.
fn message(
    bundle: &mut Bundle,
    (name, entity): (&str, &str),
    senders: &str,
    facts: &[(&str, &str)],
    categories: &str,
) {
    let mut manifest = vec![format!(
        r#"type = "{name}"
entity = "{entity}"
edition = "2026-01"
title = {{ en = "{name}" }}
standard = "none"
senders = [{senders}]
addressed = "optional"
max_size = "64 KiB"
[[key]]
name = "number"
at = "/reference"
own = true
"#
    )];
    let mut elements = Vec::new();
    for category in categories.split(' ') {
        let token = if category == "reference" {
            ", \"x-carnet-token\": true"
        } else {
            ""
        };
        elements.push(format!(
            r#""{category}": {{"type": "string", "x-carnet-category": "{category}"{token}}}"#
        ));
    }
    for (fact, kind) in facts {
        manifest.push(format!(
            "[facts.{fact}]\nat = \"/of-{fact}\"\nas = \"{kind}\"\ncategory = \"goods\"\n"
        ));
        let element = match *kind {
            "integer" => r#""type": "integer""#,
            "hs-prefixes" => r#""type": "string", "format": "hs""#,
            "time" => r#""type": "string", "format": "date""#,
            _ => r#""type": "string""#,
        };
        elements.push(format!(
            r#""of-{fact}": {{{element}, "x-carnet-category": "goods"}}"#
        ));
    }
    let schema = format!(
        r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "carnet:{name}:2026-01",
        "type": "object", "additionalProperties": false, "required": ["reference"], "properties": {{{}}}}}"#,
        elements.join(", ")
    );
    bundle.insert(format!("messages/{name}/message.toml"), manifest.concat());
    bundle.insert(format!("messages/{name}/schema.json"), schema);
    bundle.insert(
        format!("messages/{name}/examples/valid/least.json"),
        r#"{"reference": "x"}"#,
    );
}

fn messages(bundle: &mut Bundle) {
    let (hs, areas, risk) = (
        ("hs", "hs-prefixes"),
        ("areas", "areas"),
        ("risk", "integer"),
    );
    let secret = ("secret", "equals:controlled-delivery");
    message(
        bundle,
        ("postal.item", "PostalItem"),
        r#""post""#,
        &[hs, ("permit", "present")],
        "reference party identity goods commercial postal",
    );
    message(
        bundle,
        ("control.order", "ControlOrder"),
        r#""customs""#,
        &[areas, secret, ("until", "time"), hs],
        "reference goods route postal control investigation officer narrative",
    );
    message(
        bundle,
        ("declaration.export", "DeclarationExport"),
        r#""customs""#,
        &[hs, areas, risk],
        "reference party identity goods commercial financial route",
    );
    message(
        bundle,
        ("risk.assessment", "RiskAssessment"),
        r#""customs", "police""#,
        &[areas, risk],
        "reference goods control risk",
    );
    message(
        bundle,
        ("seizure.report", "SeizureReport"),
        r#""customs", "police", "post""#,
        &[areas, hs],
        "reference goods route environment control investigation narrative identity",
    );
}

/// The whole bundle, its issuers made once: what tests change is text.
pub(crate) fn bundle() -> Bundle {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    let made = || {
        let mut bundle = Bundle::default();
        for (name, text) in agencies() {
            bundle.insert(format!("agencies/{name}/agency.toml"), text);
        }
        messages(&mut bundle);
        let schema =
            schema_text(&Catalogue::parse(&bundle).unwrap(), &Vocabulary::default()).unwrap();
        bundle.insert("policies/border.cedarschema", schema);
        let board = format!("[board]\nquorum = 2\nmembers = [\"customs\", \"post\"]\n{LISTED}\n");
        bundle.insert("policies/board.toml", board);
        bundle.insert("policies/agreements.toml", include_str!("agreements.toml"));
        bundle.insert("policies/post.cedar", POST);
        bundle.insert("policies/customs.cedar", CUSTOMS);
        bundle.insert("policies/floor.cedar", FLOOR);
        let pki = DevelopmentPki::create(&bundle, noon()).unwrap();
        development_bundle(&bundle, &pki).unwrap()
    };
    BUNDLE.get_or_init(made).clone()
}

pub(crate) fn rulebook_of(bundle: &Bundle) -> Result<Rulebook, Vec<Fault>> {
    Rulebook::parse(bundle)
}

/// The fixture's rulebook with further rules in customs' file.
pub(crate) fn rulebook_with(rules: &str) -> Rulebook {
    let mut bundle = bundle();
    bundle.insert("policies/customs.cedar", format!("{CUSTOMS}\n{rules}"));
    rulebook_of(&bundle).unwrap()
}

/// The same under another board.
pub(crate) fn rulebook_under(board: &str, rules: &str) -> Rulebook {
    let mut bundle = bundle();
    bundle.insert("policies/board.toml", board);
    bundle.insert("policies/customs.cedar", format!("{CUSTOMS}\n{rules}"));
    rulebook_of(&bundle).unwrap()
}

pub(crate) fn rulebook() -> Rulebook {
    rulebook_of(&bundle()).unwrap()
}

/// A message on its way: what is not set has a default that opens nothing.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) from: UnitId,
    pub(crate) kind: &'static str,
    pub(crate) facts: Facts,
    pub(crate) question: Question<'static>,
    pub(crate) standing: Standing,
    pub(crate) now: Timestamp,
}

impl Message {
    pub(crate) fn new(from: &str, message_type: &'static str) -> Self {
        Self {
            from: id(from),
            kind: message_type,
            facts: Facts::new(),
            question: Question::default(),
            standing: Standing::default(),
            now: noon(),
        }
    }

    pub(crate) fn fact(mut self, name: &str, value: FactValue) -> Self {
        self.facts.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn hs(self, prefixes: &[&str]) -> Self {
        self.fact("hs", FactValue::Strings(set(prefixes)))
    }

    pub(crate) fn areas(self, areas: &[&str]) -> Self {
        self.fact("areas", FactValue::Areas(set(areas)))
    }

    pub(crate) fn to(mut self, addressees: &[&str]) -> Self {
        self.question.asked.to_mut().to = addressees.iter().map(|a| id(a)).collect();
        self
    }

    pub(crate) fn quoting(mut self, case: &str) -> Self {
        self.question.asked.to_mut().case = Some(case.to_owned());
        self
    }

    /// Puts an open case into standing.
    pub(crate) fn case(mut self, name: &str, members: &[&str]) -> Self {
        let case = Case {
            areas: set(&["drugs"]),
            members: set(members),
        };
        self.standing.cases.insert_mut(
            id(name),
            Versioned {
                epoch: 100,
                value: case,
            },
        );
        self
    }

    pub(crate) fn ask<T>(&self, rulebook: &Rulebook, ask: impl FnOnce(&RuleRequest<'_>) -> T) -> T {
        let sender = rulebook.registry().unit(&self.from).unwrap();
        let entry = rulebook.catalogue().get(self.kind).unwrap();
        ask(&RuleRequest {
            sender,
            entry,
            facts: &self.facts,
            question: &self.question,
        })
    }

    pub(crate) fn rule(&self, rulebook: &Rulebook) -> Ruling {
        self.ask(rulebook, |request| {
            rule(request, rulebook, &self.standing, self.now)
        })
    }

    pub(crate) fn outcome(&self, rulebook: &Rulebook, unit: &str) -> Outcome {
        let unit = id(unit);
        self.ask(rulebook, |request| {
            rule_for(&unit, request, rulebook, &self.standing, self.now).0
        })
    }

    /// What `unit` gets, in the words of a table: `-` where that is nothing.
    pub(crate) fn gets(&self, rulebook: &Rulebook, unit: &str) -> String {
        let ruling = self.rule(rulebook);
        let mut found = releases(&ruling).filter(|(id, _)| id.to_string() == unit);
        found
            .next()
            .map_or_else(|| "-".to_owned(), |(_, released)| released.mask.to_string())
    }
}

/// The units that receive the message, known to the sender or not.
pub(crate) fn releases(ruling: &Ruling) -> impl Iterator<Item = (&UnitId, &Released)> {
    ruling.verdicts.iter().filter_map(|it| match &it.outcome {
        Outcome::Released(released) => Some((&it.unit, released)),
        Outcome::Refused(_) => None,
    })
}

/// A system of the agency's main unit that may send `sends`.
pub(crate) fn peer(rulebook: &Rulebook, agency: &str, sends: &str) -> Peer {
    let agency = rulebook.registry().agency(agency).unwrap().clone();
    let unit = agency.units["main"].clone();
    let mut system = agency.systems["test"].as_ref().clone();
    system.sends = vec![id(sends)];
    Peer {
        agency,
        unit,
        system: Arc::new(system),
    }
}

pub(crate) fn later(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}
