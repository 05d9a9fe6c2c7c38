//! A ruled message: the record to be and its payload frame, sealed.
//!
//! Holding one is the proof that its message was valid, that its sender may send it, and that policy
//! decided who receives what of it: its fields are private, and [`Ruled::by`] alone makes one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::admission::Admission;
use super::told;
use crate::agency::keys::{Delivered, Keys, SealedPart};
use crate::broker::format::octets;
use crate::broker::limits::DERIVED_REPEAT_WINDOW;
use crate::broker::payload::{Kept, PayloadHead};
use crate::broker::record::{
    Confidential, Exchange, Identifier, OrderChange, Outcome, Recipient, Rejected, Released, Told,
};
use crate::broker::register::ORDER_TYPE;
use crate::broker::reply::Refusal;
use crate::journal::{Frame, Lsn};
use crate::message::envelope::Asked;
use crate::message::facts::FactValue;
use crate::message::id::{Digest, KeyedDigest, Purpose, UnitId};
use crate::message::rule::{self, Rule};
use crate::message::time::Timestamp;
use crate::message::valid::{Key, Valid};
use crate::policy::request::{Question, RuleRequest};
use crate::policy::rule as policy;
use crate::policy::rulebook::Rulebook;
use crate::policy::ruling::{self, Refused, Ruling, Verdict};
use crate::policy::standing::{CaseId, Reads};
use crate::policy::words::PolicyId;

/// A valid message on which policy has ruled. Its record lacks what only the ledger knows: time,
/// numbers, queues.
#[derive(Debug, Clone)]
pub struct Ruled {
    exchange: Box<Exchange>,
    frame: Frame,
    refusal: Option<Refusal>,
    warned: bool,
}

impl Ruled {
    /// Rules on a valid message, and makes the record to be and its payload frame.
    pub(in crate::broker) fn by(admission: &Admission<'_>, valid: &Valid) -> Self {
        let &Admission {
            peer,
            view,
            draw,
            now,
        } = admission;
        let content = valid.content();
        let answered = valid.envelope().correlation_id();
        let answered = answered.and_then(|id| view.keys.open_delivery(&peer.unit.id, id));
        let repeats = content_key(valid, answered.as_ref(), &view.keys);
        let keys = content.keys.iter();
        let keys: Vec<KeyedDigest> = keys
            .map(|key| view.keys.of_identifier(&key.name, &key.value))
            .collect();
        let own = content.keys.iter().zip(&keys).filter(|(key, _)| key.own);
        let at = answered.as_ref().map(|it| Lsn(it.address));
        let question = Question {
            asked: Cow::Borrowed(valid.envelope().asked()),
            answers: answered.into_iter().map(|it| it.sender).collect(),
            quotes: Cow::Borrowed(&content.quotes),
            own_keys: own.map(|(_, digest)| *digest).collect(),
        };
        let request = RuleRequest {
            sender: &peer.unit,
            entry: valid.entry(),
            facts: &content.facts,
            question: &question,
        };
        let ruling = policy::rule(&request, &view.rulebook, &view.standing, now);
        let quoted = Quoted::of(valid, &ruling);
        let confidential = quoted.confidential(valid, &ruling, &view.rulebook, at);
        let head = PayloadHead {
            spans: &content.spans,
            facts: &content.facts,
            question: &question,
            answered: at,
        };
        let class = admission.class_of(valid.entry().message_type.as_str());
        let kept = Kept {
            body: class,
            facts: class,
        };
        let ring = view.keys.ring();
        let sealing = ring.sealing(draw.exchange, now);
        let frame = head.seal(&sealing, kept, valid.body());
        let refusal = (!ruling.is_released_visibly()).then(|| Refusal {
            code: 403,
            text: told::sentence(confidential.refusal_text()),
        });
        let warned = !confidential.warnings.is_empty() || !confidential.told.is_empty();
        let record = Draft {
            valid,
            ruling: &ruling,
            confidential: &confidential,
            sealed: confidential.seal(&sealing, class),
            frame: Digest(*frame.digest()),
            repeats,
            keys: &keys,
        };
        Self {
            exchange: Box::new(record.exchange(admission)),
            frame,
            refusal,
            warned,
        }
    }

    /// The record to be.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The payload frame.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The return for its sender, where no recipient that it may know of gets it.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Whether its receipt has a warning or a refusal.
    pub(in crate::broker) fn is_exception(&self) -> bool {
        self.refusal.is_some() || self.warned
    }

    /// The message without the units that have got it by an earlier record.
    pub(in crate::broker) fn without(mut self, had: Vec<UnitId>) -> Self {
        let gets = |recipient: &Recipient| recipient.known || !had.contains(&recipient.unit);
        self.exchange.recipients.retain(gets);
        self.exchange.had = had;
        self
    }

    /// The record to be, for the ledger to complete, and the frame.
    pub(in crate::broker) fn into_record(self) -> (Box<Exchange>, Frame) {
        (self.exchange, self.frame)
    }

    /// The record of a message that breaks a rule which only the ledger can hold it to.
    pub(in crate::broker) fn rejected(
        self,
        refusal: &Refusal,
        place: &str,
        rule: &Rule,
    ) -> Rejected {
        let exchange = self.exchange;
        Rejected {
            id: exchange.id,
            at: exchange.at,
            sender: exchange.sender,
            unit: exchange.unit,
            message_type: exchange.message_type.to_string(),
            code: refusal.code,
            place: place.to_owned(),
            rule: rule.name.to_owned(),
            body: exchange.content,
            number: 0,
            receipt: None,
            sealed: exchange.sealed,
            said: Some(refusal.text.clone()),
            case: None,
        }
    }
}

/// What a record holds of a ruling: in this two rulings of one message are the same, or differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Releases and recorded refusals, by address.
    pub recipients: Vec<Recipient>,
    /// The case that counts as a fact.
    pub case: Option<CaseId>,
    /// Whether it counts for a unit that the sender may know of.
    pub case_shown: bool,
    /// Rules that could not be evaluated, sorted.
    pub errors: Vec<PolicyId>,
    /// What it rests on.
    pub reads: Reads,
}

impl Recorded {
    /// Of a ruling on a message that asked for this.
    pub fn of(ruling: &Ruling, asked: &Asked) -> Self {
        let recorded = ruling.verdicts.iter().filter(|it| it.is_recorded());
        let case = asked.case.as_ref().filter(|_| ruling.case_counts);
        Self {
            recipients: recorded.map(Recipient::from).collect(),
            case: case.and_then(|case| case.parse().ok()),
            case_shown: !ruling.case_ignored,
            errors: ruling.errors.clone(),
            reads: ruling.reads.clone(),
        }
    }
}

/// What the record of a ruled message is made from.
struct Draft<'a> {
    valid: &'a Valid,
    ruling: &'a Ruling,
    confidential: &'a Confidential<'a>,
    /// That part, sealed.
    sealed: SealedPart,
    /// The frame's digest.
    frame: Digest,
    /// The digest of its content, by which a repeat is known.
    repeats: KeyedDigest,
    /// The digests of the message's keys, in their order.
    keys: &'a [KeyedDigest],
}

impl Draft<'_> {
    fn exchange(self, admission: &Admission<'_>) -> Exchange {
        let order = self.order_change();
        let Self {
            valid,
            ruling,
            confidential,
            sealed,
            ..
        } = self;
        let Admission {
            peer, view, draw, ..
        } = admission;
        let (content, keys, envelope) = (valid.content(), &view.keys, valid.envelope());
        let derived = admission.derives_message_id() && envelope.message_id().is_none();
        let recorded = Recorded::of(ruling, envelope.asked());
        Exchange {
            id: draw.exchange,
            secret: draw.secret,
            at: admission.now,
            sender: admission.system(),
            unit: peer.unit.id.clone(),
            message_type: valid.entry().message_type.clone(),
            holds: valid.entry().holds,
            number: None,
            rulebook: view.rulebook.digest(),
            reads: recorded.reads,
            case: recorded.case,
            case_shown: recorded.case_shown,
            facts: draw.secret.facts_digest(&octets(&content.facts)),
            frame: self.frame,
            confidential: Digest::of(sealed.sealed()),
            body_bytes: u64::try_from(valid.body().len()).unwrap_or(u64::MAX),
            key: keys.of_message(&peer.unit.id, confidential.message_id),
            content: self.repeats,
            answer: (!ruling.is_released_visibly()).then(|| answer(confidential, keys)),
            again: None,
            had: Vec::new(),
            window: if derived {
                view.repeat_window.min(DERIVED_REPEAT_WINDOW)
            } else {
                view.repeat_window
            },
            keys: (content.keys.iter().zip(self.keys))
                .map(|(key, digest)| Identifier {
                    kind: key.name.clone(),
                    digest: *digest,
                    category: key.category,
                    shown: key.shown,
                })
                .collect(),
            deadline: envelope.ttl().map(|ttl| admission.now.plus(ttl)),
            order,
            recipients: recorded.recipients,
            receipt: None,
            sealed,
            errors: recorded.errors,
        }
    }

    /// What the message says of orders. A secret one never counts, and neither does an open version of it
    /// from then on; a withdrawn result says nothing.
    fn order_change(&self) -> Option<OrderChange> {
        let (valid, content) = (self.valid, self.valid.content());
        let is_number = |key: &Key| key.name == "control-order";
        let keys = content.keys.iter().zip(self.keys);
        let (_, &number) = keys.clone().find(|(key, _)| is_number(key))?;
        let is = |fact: &str| content.facts.get(fact) == Some(&FactValue::Bool(true));
        match valid.entry().message_type.as_str() {
            ORDER_TYPE if is("cancels") || is("secret") => Some(OrderChange::Withdraws { number }),
            ORDER_TYPE => {
                let subjects = keys.filter(|(key, _)| !is_number(key));
                let deadline = match content.facts.get("until") {
                    Some(FactValue::Time(time)) => *time,
                    _ => Timestamp::default(),
                };
                Some(OrderChange::Opens {
                    number,
                    subjects: subjects.map(|(_, digest)| *digest).collect(),
                    deadline,
                })
            }
            "control.result" if !is("cancels") => Some(OrderChange::Reports { number }),
            _ => None,
        }
    }
}

/// What makes a repeat a repeat. What it answers is the exchange that its `correlation_id` names: a
/// delivery that came again may have come under another id.
fn content_key(valid: &Valid, answered: Option<&Delivered>, keys: &Keys) -> KeyedDigest {
    let said = valid.content_digest().0;
    match (valid.envelope().correlation_id(), answered) {
        (None, _) => keys.digest("content", &[&said]),
        (Some(_), Some(to)) => keys.digest("content", &[&said, &to.exchange.0]),
        (Some(unknown), None) => keys.digest("content", &[&said, unknown.as_bytes()]),
    }
}

/// What the sender of a message that is refused for all whom it may know of sees of that, time and
/// numbers apart.
fn answer(confidential: &Confidential<'_>, keys: &Keys) -> KeyedDigest {
    let (told, warnings) = (octets(&confidential.told), octets(&confidential.warnings));
    keys.digest("answer", &[&told, &warnings])
}

/// The decision for one unit as its record has it: number and queues are the ledger's to give.
impl From<&ruling::Outcome> for Outcome {
    fn from(outcome: &ruling::Outcome) -> Self {
        match outcome {
            ruling::Outcome::Released(released) => Self::Released(Released {
                number: 0,
                mask: released.mask,
                policies: released.policies.clone(),
                retain_days: released.retain_days,
                onward: released.onward,
                queues: Vec::new(),
                withholding: released.withholding.clone(),
            }),
            ruling::Outcome::Refused(Refused::Forbidden { policies, .. }) => Self::Refused {
                policies: policies.clone(),
            },
            ruling::Outcome::Refused(_) => Self::Refused {
                policies: Vec::new(),
            },
        }
    }
}

impl From<&Verdict> for Recipient {
    fn from(verdict: &Verdict) -> Self {
        Self {
            unit: verdict.unit.clone(),
            known: verdict.known,
            outcome: (&verdict.outcome).into(),
        }
    }
}

/// Texts of a ruled message that its record quotes and that are made for it alone.
pub(crate) struct Quoted<'a> {
    message_id: Cow<'a, str>,
    to: Vec<String>,
    answer: BTreeMap<String, ruling::Told<'a>>,
}

impl<'a> Quoted<'a> {
    /// The texts of a message on which this was ruled.
    pub(crate) fn of(valid: &'a Valid, ruling: &'a Ruling) -> Self {
        Self {
            message_id: valid.message_id(),
            to: (valid.envelope().asked().to.iter())
                .map(ToString::to_string)
                .collect(),
            answer: ruling.answer(),
        }
    }

    /// What only the sender may read of the record: its own words, and what it is told. `answered` is the
    /// record that it replies to.
    pub(crate) fn confidential(
        &'a self,
        valid: &'a Valid,
        ruling: &Ruling,
        rulebook: &'a Rulebook,
        answered: Option<Lsn>,
    ) -> Confidential<'a> {
        let (envelope, asked) = (valid.envelope(), valid.envelope().asked());
        let case = ruling.case_ignored;
        let unknown = envelope.correlation_id().is_some() && answered.is_none();
        let unknown = unknown.then_some(("property correlation_id", rule::UNKNOWN.name));
        // The envelope's warnings are among the content's.
        let warnings = valid.content().warnings.iter();
        let warnings = warnings.map(|it| (it.place.as_str(), it.rule.as_str()));
        let told = self.answer.iter().filter_map(|(unit, told)| match told {
            ruling::Told::Released(_) => None,
            ruling::Told::NotPermitted => Some(Told {
                unit,
                policy: None,
                reason: told::NOT_PERMITTED,
                basis: None,
            }),
            ruling::Told::Forbidden(policies) => {
                let policy = policies.first();
                let rule = policy.and_then(|id| rulebook.rule(id));
                Some(Told {
                    unit,
                    policy: policy.map(PolicyId::as_str),
                    reason: rule.map_or(told::NOT_PERMITTED, |rule| &rule.reason),
                    basis: rule.map(|rule| rule.basis.as_str()),
                })
            }
        });
        Confidential {
            message_id: &self.message_id,
            justification: envelope.justification(),
            to: self.to.iter().map(String::as_str).collect(),
            warnings: warnings
                .chain(case.then_some(("header case", rule::CASE.name)))
                .chain(unknown)
                .collect(),
            told: told.collect(),
            purpose: asked.purpose.as_ref().map(Purpose::as_str),
            handling: asked.handling,
            correlation_id: envelope.correlation_id(),
            ..Confidential::default()
        }
    }
}
