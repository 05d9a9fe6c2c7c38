//! The repository's own agencies, messages and policies, and publishes admitted under them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carnet::agency::keys::{KeyCheck, Keys, SharedRing};
use carnet::agency::registry::{Peer, Registry};
use carnet::backbone::start::genesis_of;
use carnet::broker::admit::{Draw, View, admit};
use carnet::broker::command::Command;
use carnet::broker::exchange::{Arrived, Submission, Verdict};
use carnet::broker::governance::{Deed, Ticket};
use carnet::broker::record::{Activated, CaseChange, Genesis, LeafSecret, Record, Text};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::message::bundle::Bundle;
use carnet::message::envelope::{HeaderValue, Publish};
use carnet::message::id::{Digest, ExchangeId, KeyedDigest};
use carnet::message::time::Timestamp;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::standing::Standing;

use crate::ring::ring;
use crate::shipped::shipped;

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_rfc3339("2026-03-16T12:00:00Z").unwrap()
}

#[derive(Clone)]
pub(crate) struct Border {
    bundle: Bundle,
    rulebook: Arc<Rulebook>,
    keys: Arc<Keys>,
}

impl Border {
    pub(crate) fn read() -> Self {
        let bundle = shipped();
        let pki = DevelopmentPki::create(&bundle, noon()).unwrap();
        let bundle = development_bundle(&bundle, &pki).unwrap();
        let rulebook = Arc::new(Rulebook::parse(&bundle).unwrap().activated(1));
        let units = rulebook.registry().units().map(|unit| &unit.id);
        let keys = Arc::new(Keys::derive(SharedRing::new(ring()), units));
        Self {
            bundle,
            rulebook,
            keys,
        }
    }

    /// The same rulebook, put into force once more.
    pub(crate) fn activate_again(&mut self, epoch: u64) -> Command {
        self.activate_changed(&[], epoch)
    }

    /// The same rulebook with changes of its texts, put into force.
    pub(crate) fn activate_changed(
        &mut self,
        changes: &[(&str, &str, &str)],
        epoch: u64,
    ) -> Command {
        *self = self.changed(changes, epoch);
        self.activate()
    }

    /// The same with changes of the rulebook's texts: file, what is there, and what takes its place.
    pub(crate) fn changed(&self, changes: &[(&str, &str, &str)], epoch: u64) -> Self {
        let mut bundle = self.bundle.clone();
        for (file, there, instead) in changes {
            let before = bundle.text(file).expect("a file of the bundle");
            let after = before.replace(there, instead);
            assert_ne!(before, after, "{file} has no {there}");
            bundle.insert(*file, after.into_bytes());
        }
        let rulebook = Rulebook::parse(&bundle).unwrap().activated(epoch);
        Self {
            bundle,
            rulebook: Arc::new(rulebook),
            keys: Arc::clone(&self.keys),
        }
    }

    /// By what the rulebook comes into force, without its text: thousands of replays would only skip it.
    pub(crate) fn in_force(&self) -> Genesis {
        let mut genesis = genesis_of(&self.rulebook, true, KeyCheck([0; 16]), noon());
        genesis.bundle = Bundle::default();
        genesis
    }

    /// Puts it into force, as `--dev` does with its folders.
    pub(crate) fn activate(&self) -> Command {
        Command::Govern(Ticket(1), Box::new(self.activated(None)))
    }

    /// Puts it into force, by this proposal.
    pub(crate) fn activated(&self, proposal: Option<u64>) -> Deed {
        let Genesis {
            at, digest, units, ..
        } = self.in_force();
        Deed::Activate(Activated {
            at,
            proposal,
            tells: BTreeSet::new(),
            digest,
            text: Text::Whole(Bundle::default()),
            units,
        })
    }

    /// The first record.
    pub(crate) fn genesis(&self) -> Record {
        Record::Genesis(self.in_force())
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.rulebook.registry()
    }

    pub(crate) fn view(&self, standing: &Arc<Standing>) -> View {
        View {
            rulebook: Arc::clone(&self.rulebook),
            standing: Arc::clone(standing),
            governance: Arc::default(),
            keys: Arc::clone(&self.keys),
            repeat_window: Duration::from_hours(24),
        }
    }

    pub(crate) fn peer(&self, agency: &str, system: &str) -> Peer {
        let agency = self.rulebook.registry().agency(agency).unwrap().clone();
        let system = Arc::clone(&agency.systems[system]);
        let unit = Arc::clone(&agency.units[&system.unit]);
        Peer {
            agency,
            unit,
            system,
        }
    }

    /// A publish of one of the repository's examples, `postal.item/valid/orchids`.
    pub(crate) fn publish(&self, example: &str, id: &str, headers: &[(&str, &str)]) -> Publish {
        let (message_type, file) = example.split_once('/').unwrap();
        let folder = format!("messages/{message_type}/examples/");
        let path = format!("{folder}{file}.json");
        let found = self.bundle.files().find(|(name, _)| **name == *path);
        let body = found.unwrap_or_else(|| panic!("{path} is missing")).1;
        publish(message_type, id, body, headers)
    }

    /// The shortest valid example of each type, by type.
    pub(crate) fn shortest_examples(&self) -> BTreeMap<&str, &[u8]> {
        let mut shortest: BTreeMap<&str, &[u8]> = BTreeMap::new();
        for (path, body) in self.bundle.files() {
            let parts: Vec<&str> = path.split('/').collect();
            if let ["messages", message_type, "examples", "valid", _] = parts[..] {
                let known = shortest.entry(message_type).or_insert(body);
                if body.len() < known.len() {
                    *known = body;
                }
            }
        }
        shortest
    }
}

pub(crate) fn publish(kind: &str, id: &str, body: &[u8], headers: &[(&str, &str)]) -> Publish {
    let text = |(name, value): &(&str, &str)| {
        let list = value.split('+').map(str::to_owned).collect();
        ((*name).to_owned(), HeaderValue::List(list))
    };
    let header = |pair: &(&str, &str)| match pair.0 {
        "to" => text(pair),
        name => (name.to_owned(), HeaderValue::Text(pair.1.to_owned())),
    };
    Publish {
        message_type: kind.into(),
        message_id: Some(id.to_owned()),
        content_type: Some("application/json".to_owned()),
        body: Bytes::copy_from_slice(body),
        headers: headers.iter().map(header).collect(),
        ..Publish::default()
    }
}

/// What must be in the log, once, when a publish was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    Exchange(KeyedDigest),
    Rejected(KeyedDigest),
    Case(String),
    Private(Digest),
}

impl Fact {
    pub(crate) fn of_case(change: &CaseChange) -> Self {
        Self::Case(format!("{} {:?}", change.case, change.what))
    }
}

/// A submission that can be handed over more than once: admission is dear, and its outcome is a value.
#[derive(Clone)]
pub(crate) struct Admitted(Submission);

impl Admitted {
    pub(crate) fn new(peer: &Peer, publish: &Publish, view: &View, now: Timestamp) -> Self {
        let drawn = Digest::of(publish.message_id.as_deref().unwrap_or_default().as_bytes());
        let exchange = ExchangeId(*drawn.0.first_chunk().unwrap());
        let arrived = Arrived {
            publish: publish.clone(),
            exchange: "carnet".into(),
            raw_properties: Bytes::new(),
        };
        let draw = Draw {
            exchange,
            secret: LeafSecret::new(drawn.0),
        };
        Self(admit(peer, arrived, view, draw, now))
    }

    pub(crate) fn fact(&self) -> Fact {
        match self.0.verdict() {
            Verdict::Ruled(ruled) => Fact::Exchange(ruled.exchange().key),
            Verdict::Rejected { rejected, .. } => Fact::Rejected(rejected.body),
            Verdict::Case { change, .. } => Fact::of_case(change),
        }
    }

    /// What admission made of it.
    pub(crate) fn verdict(&self) -> &Verdict {
        self.0.verdict()
    }

    /// Released to someone: a repeat of it is never ruled anew.
    pub(crate) fn is_released(&self) -> bool {
        matches!(self.0.verdict(), Verdict::Ruled(ruled) if ruled.refusal().is_none())
    }

    pub(crate) fn submission(&self) -> Box<Submission> {
        Box::new(self.0.clone())
    }
}
