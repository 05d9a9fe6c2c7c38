//! Five agencies, five message types and the rules of the shapes, small enough to read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use carnet::agency::registry::{
    Agency, AgencyLimits, InboxMode, Peer, Registry, System, TypePattern, Unit,
};
use carnet::message::bundle::{Bundle, Fault};
use carnet::message::catalogue::{Addressed, Catalogue, MessageEntry};
use carnet::message::facts::{FactRule, FactValue, Facts};
use carnet::message::id::{AgencyId, KeyedDigest, Mask, Purpose, UnitId};
use carnet::message::time::Timestamp;
use carnet::policy::rule::{RuleRequest, rule, rule_for};
use carnet::policy::rulebook::Rulebook;
use carnet::policy::ruling::{Outcome, Ruling};
use carnet::policy::schema::schema_text;
use carnet::policy::standing::{Case, Standing, Versioned};
use carnet::policy::words::Onward;

pub(crate) const POST: &str = include_str!("post.cedar");
pub(crate) const CUSTOMS: &str = include_str!("customs.cedar");
pub(crate) const FLOOR: &str = include_str!("floor.cedar");

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn set<T: std::str::FromStr<Err: std::fmt::Debug> + Ord>(texts: &[&str]) -> BTreeSet<T> {
    texts.iter().map(|text| id(text)).collect()
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap()
}

fn unit(address: &str, purpose: &str, clearances: &[&str], listed: bool) -> Unit {
    Unit {
        id: id(address),
        purpose: id(purpose),
        clearances: set(clearances),
        receives: vec![TypePattern::Any],
        listed,
        inbox: InboxMode::All,
    }
}

fn agency(name: &str, kind: &str, country: &str, units: Vec<Unit>) -> Agency {
    let units = units
        .into_iter()
        .map(|unit| (unit.id.unit.clone(), Arc::new(unit)));
    Agency {
        id: id(name),
        kind: kind.to_owned(),
        country: country.to_owned(),
        name: BTreeMap::new(),
        issuers: Vec::new(),
        units: units.collect(),
        systems: BTreeMap::new(),
        officers: BTreeMap::new(),
        limits: AgencyLimits {
            messages_per_second: 10,
            refusals_per_minute: 10,
        },
        retention: Vec::new(),
    }
}

pub(crate) fn registry() -> Registry {
    let main = |name: &str, purpose, clearances: &[&str]| {
        unit(&format!("{name}/main"), purpose, clearances, true)
    };
    let mut investigation = unit(
        "customs/investigation",
        "law-enforcement",
        &["controlled-delivery"],
        false,
    );
    investigation.receives = vec![
        TypePattern::Exactly("control.order".to_owned()),
        TypePattern::Below("seizure".into()),
    ];
    let customs = vec![main("customs", "customs-control", &[]), investigation];
    let police = vec![main("police", "law-enforcement", &["controlled-delivery"])];
    let environment = vec![main("environment", "environment-protection", &[])];
    let post = vec![main("post", "postal-security", &[])];
    let abroad = vec![main("customs-xa", "mutual-assistance", &[])];
    [
        agency("customs", "customs", "XM", customs),
        agency("police", "police", "XM", police),
        agency("environment", "environment", "XM", environment),
        agency("post", "post", "XM", post),
        agency("customs-xa", "customs", "XA", abroad),
    ]
    .into_iter()
    .collect()
}

fn entry(name: &str, entity: &str, senders: &[&str], facts: &[(&str, &str)]) -> MessageEntry {
    let fact = |(name, kind): &(&str, &str)| FactRule {
        name: (*name).to_owned(),
        at: vec!["/x".to_owned()],
        kind: id(kind),
        category: id("goods"),
    };
    MessageEntry {
        message_type: id(name),
        entity: entity.to_owned(),
        edition: "2026-01".to_owned(),
        title: BTreeMap::new(),
        standard: String::new(),
        senders: senders.iter().map(|s| (*s).to_owned()).collect(),
        addressed: Addressed::Optional,
        max_size_bytes: 65536,
        keys: Vec::new(),
        facts: facts.iter().map(fact).collect(),
        holds: holds(name),
        has_tokens: true,
    }
}

pub(crate) fn holds(message_type: &str) -> Mask {
    let text = match message_type {
        "postal.item" => "reference party identity goods commercial postal",
        "control.order" => "reference goods route postal control investigation officer narrative",
        "declaration.export" => "reference party identity goods commercial financial route",
        "risk.assessment" => "reference goods control risk",
        _ => "reference goods route environment control investigation narrative identity",
    };
    text.split(' ').map(|name| name.parse().unwrap()).collect()
}

pub(crate) fn catalogue() -> Catalogue {
    let hs = ("hs", "hs-prefixes");
    let areas = ("areas", "areas");
    let risk = ("risk", "integer");
    [
        entry(
            "postal.item",
            "PostalItem",
            &["post"],
            &[hs, ("permit", "present")],
        ),
        entry(
            "control.order",
            "ControlOrder",
            &["customs"],
            &[
                areas,
                ("secret", "equals:controlled-delivery"),
                ("until", "time"),
                hs,
            ],
        ),
        entry(
            "declaration.export",
            "DeclarationExport",
            &["customs"],
            &[hs, areas, risk],
        ),
        entry(
            "risk.assessment",
            "RiskAssessment",
            &["customs", "police"],
            &[areas, risk],
        ),
        entry(
            "seizure.report",
            "SeizureReport",
            &["customs", "police", "post"],
            &[areas, hs],
        ),
    ]
    .into_iter()
    .collect()
}

pub(crate) fn bundle() -> Bundle {
    let mut bundle = Bundle::default();
    bundle.insert(
        "policies/border.cedarschema",
        schema_text(&catalogue()).unwrap(),
    );
    bundle.insert(
        "policies/board.toml",
        "[board]\nquorum = 2\nmembers = [\"customs\", \"post\"]\n",
    );
    bundle.insert("policies/agreements.toml", include_str!("agreements.toml"));
    bundle.insert("policies/post.cedar", POST);
    bundle.insert("policies/customs.cedar", CUSTOMS);
    bundle.insert("policies/floor.cedar", FLOOR);
    bundle
}

pub(crate) fn rulebook_of(bundle: &Bundle) -> Result<Rulebook, Vec<Fault>> {
    Rulebook::assemble(bundle, registry(), catalogue())
}

/// The fixture's rulebook with further rules in customs' file.
pub(crate) fn rulebook_with(rules: &str) -> Rulebook {
    let mut bundle = bundle();
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
    pub(crate) message_type: &'static str,
    pub(crate) facts: Facts,
    pub(crate) to: Option<Vec<String>>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) case: Option<String>,
    pub(crate) answers: BTreeSet<UnitId>,
    pub(crate) quotes: BTreeSet<AgencyId>,
    pub(crate) own_keys: Vec<KeyedDigest>,
    pub(crate) handling: Onward,
    pub(crate) standing: Standing,
    pub(crate) now: Timestamp,
}

impl Message {
    pub(crate) fn new(from: &str, message_type: &'static str) -> Self {
        Self {
            from: id(from),
            message_type,
            facts: Facts::new(),
            to: None,
            purpose: None,
            case: None,
            answers: BTreeSet::new(),
            quotes: BTreeSet::new(),
            own_keys: Vec::new(),
            handling: Onward::Free,
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
        self.to = Some(addressees.iter().map(|a| (*a).to_owned()).collect());
        self
    }

    pub(crate) fn quoting(mut self, case: &str) -> Self {
        self.case = Some(case.to_owned());
        self
    }

    /// Puts a case into standing, at a new epoch.
    pub(crate) fn case(mut self, name: &str, members: &[&str], open: bool) -> Self {
        let case = Case {
            areas: set(&["drugs"]),
            members: set(members),
            open,
        };
        let epoch = 100 + self.standing.cases.len() as u64;
        self.standing
            .cases
            .insert(id(name), Versioned { epoch, value: case });
        self
    }

    pub(crate) fn ask<T>(&self, rulebook: &Rulebook, ask: impl FnOnce(&RuleRequest<'_>) -> T) -> T {
        ask(&RuleRequest {
            sender: rulebook.registry().unit(&self.from).unwrap(),
            entry: rulebook.catalogue().get(self.message_type).unwrap(),
            facts: &self.facts,
            to: self.to.as_deref(),
            purpose: self.purpose.as_ref(),
            case: self.case.as_deref(),
            answers: &self.answers,
            quotes: &self.quotes,
            own_keys: &self.own_keys,
            handling: self.handling,
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
            rule_for(&unit, request, rulebook, &self.standing, self.now)
        })
    }

    /// What `unit` gets, in the words of a table: `-` where that is nothing.
    pub(crate) fn gets(&self, rulebook: &Rulebook, unit: &str) -> String {
        let ruling = self.rule(rulebook);
        let mut found = ruling.releases().filter(|(id, _)| id.to_string() == unit);
        found
            .next()
            .map_or_else(|| "-".to_owned(), |(_, released)| released.mask.to_string())
    }
}

/// A system of the unit that may send `sends`.
pub(crate) fn peer(unit: &str, sends: &str) -> Peer {
    let unit: UnitId = id(unit);
    let registry = registry();
    let agency = registry.agency(unit.agency.as_str()).unwrap().clone();
    let system = System {
        name: id("test"),
        unit: unit.unit.clone(),
        certificate: String::new(),
        sends: vec![match sends.strip_suffix(".*") {
            Some(prefix) => TypePattern::Below(prefix.to_owned()),
            None => TypePattern::Exactly(sends.to_owned()),
        }],
        reads: BTreeSet::new(),
        networks: Vec::new(),
        message_id: carnet::agency::registry::MessageIdRule::Required,
        receipts: carnet::agency::registry::Receipts::All,
    };
    Peer {
        unit: agency.units[&unit.unit].clone(),
        agency,
        system: Arc::new(system),
    }
}

pub(crate) fn later(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}
