//! The repository's own agencies, messages and policies, and publishes admitted under them.

use std::sync::Arc;

use bytes::Bytes;
use carnet::agency::keys::{KeyCheck, Keys, MasterKey};
use carnet::agency::registry::{Peer, Receipts};
use carnet::backbone::start::genesis_of;
use carnet::broker::admit::{Draw, View, admit};
use carnet::broker::command::Refusal;
use carnet::broker::dedup::Looked;
use carnet::broker::exchange::{Returnable, Submission, Verdict};
use carnet::broker::limits::REPEAT_WINDOW;
use carnet::broker::record::{CaseChange, Exchange, Genesis, LeafSecret, Record, Rejected};
use carnet::cli::certs::pki::{DevelopmentPki, development_bundle};
use carnet::journal::Frame;
use carnet::message::bundle::Bundle;
use carnet::message::envelope::{HeaderValue, Publish};
use carnet::message::id::{Digest, ExchangeId, KeyedDigest};
use carnet::message::time::Timestamp;
use carnet::policy::rulebook::Rulebook;
use carnet::policy::standing::Standing;

use crate::shipped::shipped;

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_rfc3339("2026-03-16T12:00:00Z").unwrap()
}

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
        let keys = Arc::new(Keys::derive(&MasterKey::new([3; 32]), units));
        Self {
            bundle,
            rulebook,
            keys,
        }
    }

    /// The same rulebook, put into force once more.
    pub(crate) fn activate_again(&mut self, epoch: u64) -> Genesis {
        let rulebook = Rulebook::parse(&self.bundle).unwrap().activated(epoch);
        self.rulebook = Arc::new(rulebook);
        let mut genesis = genesis_of(&self.rulebook, (false, KeyCheck([0; 16])), noon());
        genesis.bundle = Bundle::default();
        genesis
    }

    /// The same rulebook with changes of its texts, put into force: file, what is there, and what takes
    /// its place.
    pub(crate) fn activate_changed(
        &mut self,
        changes: &[(&str, &str, &str)],
        epoch: u64,
    ) -> Genesis {
        for (file, there, instead) in changes {
            let before = self.bundle.text(file).expect("a file of the bundle");
            let after = before.replace(there, instead);
            assert_ne!(before, after, "{file} has no {there}");
            self.bundle.insert(*file, after.into_bytes());
        }
        self.activate_again(epoch)
    }

    /// The first record, without the rulebook's text: thousands of replays would only skip it.
    pub(crate) fn genesis(&self) -> Record {
        let mut genesis = genesis_of(&self.rulebook, (false, KeyCheck([0; 16])), noon());
        genesis.bundle = Bundle::default();
        Record::Genesis(genesis)
    }

    pub(crate) fn view(&self, standing: &Arc<Standing>) -> View {
        View {
            rulebook: Arc::clone(&self.rulebook),
            standing: Arc::clone(standing),
            keys: Arc::clone(&self.keys),
            repeat_window: REPEAT_WINDOW,
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
        message_type: kind.to_owned(),
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

/// A submission that can be made again: admission is dear, and its outcome is a value.
#[derive(Clone)]
pub(crate) struct Admitted {
    publish: Publish,
    wire: Returnable,
    receipts: Receipts,
    refusals_max: u32,
    rulebook_epoch: u64,
    outcome: Outcome,
}

#[derive(Clone)]
enum Outcome {
    Ruled(Box<Exchange>, Frame, Option<Refusal>, bool),
    Rejected(Box<Rejected>, Refusal),
    Case(Box<CaseChange>, Box<Rejected>),
}

impl Admitted {
    pub(crate) fn new(peer: &Peer, publish: &Publish, view: &View, now: Timestamp) -> Self {
        let wire = Returnable {
            exchange: "carnet".into(),
            routing_key: publish.message_type.as_str().into(),
            raw_properties: Bytes::new(),
            body: publish.body.clone(),
        };
        let drawn = Digest::of(publish.message_id.as_deref().unwrap_or_default().as_bytes());
        let exchange = ExchangeId(*drawn.0.first_chunk().unwrap());
        let submission = admit(
            peer,
            (publish.clone(), wire.clone()),
            view,
            Draw {
                exchange,
                secret: LeafSecret::new(drawn.0),
            },
            now,
        );
        let outcome = match submission.verdict {
            Verdict::Ruled {
                exchange,
                frame,
                refusal,
                warned,
            } => Outcome::Ruled(exchange, frame, refusal, warned),
            Verdict::Rejected { rejected, refusal } => Outcome::Rejected(rejected, refusal),
            Verdict::Case { change, refused } => Outcome::Case(change, refused),
        };
        Self {
            publish: submission.publish,
            wire,
            receipts: submission.receipts,
            refusals_max: submission.refusals_max,
            rulebook_epoch: submission.rulebook_epoch,
            outcome,
        }
    }

    pub(crate) fn fact(&self) -> Fact {
        match &self.outcome {
            Outcome::Ruled(exchange, ..) => Fact::Exchange(exchange.key),
            Outcome::Rejected(rejected, _) => Fact::Rejected(rejected.body),
            Outcome::Case(change, _) => Fact::of_case(change),
        }
    }

    /// Released to someone: a repeat of it is never ruled anew.
    pub(crate) fn is_released(&self) -> bool {
        matches!(&self.outcome, Outcome::Ruled(_, _, None, _))
    }

    pub(crate) fn submission(&self) -> Box<Submission> {
        let verdict = match self.outcome.clone() {
            Outcome::Ruled(exchange, frame, refusal, warned) => Verdict::Ruled {
                exchange,
                frame,
                refusal,
                warned,
            },
            Outcome::Rejected(rejected, refusal) => Verdict::Rejected { rejected, refusal },
            Outcome::Case(change, refused) => Verdict::Case { change, refused },
        };
        Box::new(Submission {
            publish: self.publish.clone(),
            wire: self.wire.clone(),
            verdict,
            receipts: self.receipts,
            looked: Looked::default(),
            refusals_max: self.refusals_max,
            rulebook_epoch: self.rulebook_epoch,
        })
    }
}
