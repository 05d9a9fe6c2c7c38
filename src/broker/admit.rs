//! Admission: from a publish to a submission. Pure and synchronous; runs in the connection's task.

mod case;
mod told;

use std::sync::Arc;
use std::time::Duration;

use super::command::{NOT_PERMITTED, Refusal};
use super::dedup::Looked;
use super::exchange::{Returnable, Submission, Verdict};
use super::format::octets;
use super::limits::DERIVED_REPEAT_WINDOW;
use super::payload::{Kept, PayloadHead};
use super::record::{
    Confidential, Exchange, LeafSecret, OrderChange, Outcome, Recipient, Rejected, Released, Told,
};
use super::register::ORDER_TYPE;
use crate::agency::keys::{Delivered, Keys, RetentionClass};
use crate::agency::registry::{MessageIdRule, Peer};
use crate::journal::{Frame, Lsn};
use crate::message::envelope::{Publish, SenderTerms};
use crate::message::facts::FactValue;
use crate::message::id::{Digest, ExchangeId, KeyedDigest, SystemId};
use crate::message::rule::{self, Rule};
use crate::message::spans::Quoted;
use crate::message::time::Timestamp;
use crate::message::valid::{Faults, Invalid, InvalidKind, Key, Valid, Warning};
use crate::policy::request::Question;
use crate::policy::rule::{self as policy, may_send};
use crate::policy::rulebook::Rulebook;
use crate::policy::ruling::{self, Ruling};
use crate::policy::standing::Standing;
use crate::policy::words::PURPOSES;

/// What a decision looks at besides the message: snapshots, shared by all connections.
#[derive(Debug, Clone)]
pub struct View {
    /// The active rulebook.
    pub rulebook: Arc<Rulebook>,
    /// Standing facts.
    pub standing: Arc<Standing>,
    /// Keys of the rulebook's units.
    pub keys: Arc<Keys>,
    /// How long a repeat is recognised.
    pub repeat_window: Duration,
}

/// What was drawn for this message.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// The exchange's id.
    pub exchange: ExchangeId,
    /// What the salts of its leaf's parts come from.
    pub secret: LeafSecret,
}

/// Why a publish is not ruled.
struct NotRuled {
    code: u16,
    faults: Faults,
}

impl From<Faults> for NotRuled {
    fn from(faults: Faults) -> Self {
        let is_unknown = faults.first.kind == InvalidKind::UnknownType;
        let code = if is_unknown { 312 } else { 406 };
        Self { code, faults }
    }
}

impl From<Invalid> for NotRuled {
    fn from(invalid: Invalid) -> Self {
        Faults::from(invalid).into()
    }
}

/// Admits a publish of `peer`: valid or not, allowed or not, to whom and what of it. Every outcome
/// is a submission, for every outcome is a fact.
pub fn admit(
    peer: &Peer,
    (publish, wire): (Publish, Returnable),
    view: &View,
    draw: Draw,
    now: Timestamp,
) -> Submission {
    let verdict = match publish.message_type.strip_prefix("case.") {
        Some(step) => case::step((peer, draw), step, &publish, view),
        None => valid(peer, &publish, view).map(|valid| ruled(peer, &valid, view, draw, now)),
    };
    let verdict =
        verdict.unwrap_or_else(|not_ruled| rejected((peer, draw), &publish, view, &not_ruled));
    Submission {
        publish,
        wire,
        verdict,
        receipts: peer.system.receipts,
        looked: Looked::default(),
        refusals_max: peer.agency.limits.refusals_per_minute,
        rulebook_epoch: view.rulebook.epoch(),
    }
}

/// The message, where it keeps its type's rules and this system may send it.
fn valid(peer: &Peer, publish: &Publish, view: &View) -> Result<Valid, NotRuled> {
    let catalogue = view.rulebook.catalogue();
    if let Some(entry) = catalogue.get(&publish.message_type)
        && !may_send(peer, entry)
    {
        return Err(refused(
            &rule::SENDS,
            "this system does not send this type: see its 'sends'",
        ));
    }
    let user_id = peer.user_id();
    let derives_message_id = peer.system.message_id == MessageIdRule::Derived;
    let terms = SenderTerms {
        user_id: &user_id,
        derives_message_id,
    };
    let quoted = |text: &str| {
        let token = view.keys.open_token(&peer.unit.id, text)?;
        Some(Quoted {
            originator: token.originator,
            clear: token.value,
        })
    };
    let valid = Valid::parse(publish, catalogue, &terms, &quoted)?;
    match valid.envelope().purpose() {
        Some(purpose) if !PURPOSES.contains(&purpose.as_str()) => Err(no_purpose()),
        _ => Ok(valid),
    }
}

fn no_purpose() -> NotRuled {
    let says = format!("is none of {}", PURPOSES.join(", "));
    Invalid::envelope("header purpose", &rule::PURPOSE, says).into()
}

fn refused(rule: &Rule, says: &str) -> NotRuled {
    NotRuled {
        code: 403,
        faults: Invalid::envelope("routing key", rule, says).into(),
    }
}

/// Rules on a valid message and makes the record to be, and its payload frame.
fn ruled(peer: &Peer, valid: &Valid, view: &View, draw: Draw, now: Timestamp) -> Verdict {
    let content = valid.content();
    let answered = valid.envelope().correlation_id();
    let answered = answered.and_then(|id| view.keys.open_delivery(&peer.unit.id, id));
    let repeats = content_key(valid, answered.as_ref(), &view.keys);
    let (question, answered) = question(valid, answered, &view.keys);
    let request = question.request(&peer.unit, valid.entry(), &content.facts);
    let ruling = policy::rule(&request, &view.rulebook, &view.standing, now);
    let confidential = confidential(valid, &ruling, &view.rulebook, (&question, answered));
    let head = PayloadHead {
        spans: content.spans.clone(),
        facts: content.facts.clone(),
        question,
        answered,
    };
    let kept = peer
        .agency
        .retention_of(valid.entry().message_type.as_str());
    let class = RetentionClass::of(kept);
    let kept = Kept {
        body: class,
        facts: class,
    };
    let frame = head.seal(draw.exchange, kept, valid.body());
    let refusal = (!ruling.is_released_visibly()).then(|| Refusal {
        code: 403,
        text: told::sentence(&confidential.refusal_text()),
    });
    let warned = !confidential.warnings.is_empty() || !confidential.told.is_empty();
    let exchange = exchange(
        (peer, now),
        valid,
        view,
        (&ruling, draw),
        (&frame, &confidential, repeats),
    );
    Verdict::Ruled {
        exchange: Box::new(exchange),
        frame,
        refusal,
        warned,
    }
}

/// What the message asks, and where the one stands that it replies to.
fn question(valid: &Valid, answered: Option<Delivered>, keys: &Keys) -> (Question, Option<Lsn>) {
    let (envelope, content) = (valid.envelope(), valid.content());
    let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
    let at = answered.as_ref().map(|it| Lsn(it.address));
    let own = content.keys.iter().filter(|key| key.own);
    let question = Question {
        to: (!to.is_empty()).then_some(to),
        purpose: envelope.purpose().cloned(),
        case: envelope.case().map(str::to_owned),
        answers: answered.into_iter().map(|it| it.sender).collect(),
        quotes: content.quotes.clone(),
        own_keys: own
            .map(|key| key_digest(keys, &key.name, &key.value))
            .collect(),
        handling: envelope.handling(),
    };
    (question, at)
}

fn exchange(
    (peer, now): (&Peer, Timestamp),
    valid: &Valid,
    view: &View,
    (ruling, draw): (&Ruling, Draw),
    (frame, confidential, repeats): (&Frame, &Confidential, KeyedDigest),
) -> Exchange {
    let (content, keys, envelope) = (valid.content(), &view.keys, valid.envelope());
    let unit = peer.unit.id.to_string();
    let derived =
        peer.system.message_id == MessageIdRule::Derived && envelope.message_id().is_none();
    let case = envelope.case().filter(|_| ruling.case_counts);
    let sealed = confidential.seal();
    Exchange {
        id: draw.exchange,
        secret: draw.secret,
        at: now,
        sender: SystemId {
            agency: peer.agency.id.clone(),
            system: peer.system.name.clone(),
        },
        unit: peer.unit.id.clone(),
        message_type: valid.entry().message_type.clone(),
        holds: valid.entry().holds,
        number: None,
        rulebook: view.rulebook.digest(),
        reads: ruling.reads.clone(),
        case: case.and_then(|case| case.parse().ok()),
        case_shown: !ruling.case_ignored,
        facts: draw.secret.facts_digest(&octets(&content.facts)),
        frame: Digest(*frame.digest()),
        confidential: Digest::of(sealed.sealed()),
        body_bytes: u64::try_from(valid.body().len()).unwrap_or(u64::MAX),
        key: keys.digest(
            "message_id",
            &[unit.as_bytes(), confidential.message_id.as_bytes()],
        ),
        content: repeats,
        answer: (!ruling.is_released_visibly()).then(|| answer(confidential, keys)),
        again: None,
        had: Vec::new(),
        window: if derived {
            view.repeat_window.min(DERIVED_REPEAT_WINDOW)
        } else {
            view.repeat_window
        },
        keys: content
            .keys
            .iter()
            .map(|key| (key.name.clone(), key_digest(keys, &key.name, &key.value)))
            .collect(),
        deadline: envelope.ttl().map(|ttl| now.plus(ttl)),
        order: order_change(valid, keys),
        recipients: recipients(ruling),
        receipt: None,
        sealed,
        errors: ruling.errors.clone(),
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
fn answer(confidential: &Confidential, keys: &Keys) -> KeyedDigest {
    let (told, warnings) = (octets(&confidential.told), octets(&confidential.warnings));
    keys.digest("answer", &[&told, &warnings])
}

/// Identifiers are found by their kind and value; what tells equal ones apart is the index's.
fn key_digest(keys: &Keys, name: &str, value: &str) -> KeyedDigest {
    keys.digest("key", &[name.as_bytes(), value.as_bytes()])
}

fn recipients(ruling: &Ruling) -> Vec<Recipient> {
    let recorded = ruling
        .verdicts
        .iter()
        .filter(|verdict| verdict.is_recorded());
    recorded
        .map(|verdict| Recipient {
            unit: verdict.unit.clone(),
            known: verdict.known,
            outcome: match &verdict.outcome {
                ruling::Outcome::Released(released) => Outcome::Released(Released {
                    number: 0,
                    mask: released.mask,
                    policies: released.policies.clone(),
                    retain_days: released.retain_days,
                    onward: released.onward,
                    queues: Vec::new(),
                    withholding: released.withholding.clone(),
                }),
                ruling::Outcome::Refused(ruling::Refused::Forbidden { policies, .. }) => {
                    Outcome::Refused {
                        policies: policies.clone(),
                    }
                }
                ruling::Outcome::Refused(_) => Outcome::Refused {
                    policies: Vec::new(),
                },
            },
        })
        .collect()
}

/// What only the sender may read of the record: its own words, and what it is told.
fn confidential(
    valid: &Valid,
    ruling: &Ruling,
    rulebook: &Rulebook,
    (question, answered): (&Question, Option<Lsn>),
) -> Confidential {
    let envelope = valid.envelope();
    let case = ruling.case_ignored.then(|| Warning {
        place: "header case".to_owned(),
        rule: rule::CASE.name.to_owned(),
    });
    // The envelope's warnings are among the content's.
    let unknown = envelope.correlation_id().is_some() && answered.is_none();
    let unknown = unknown.then(|| Warning {
        place: "property correlation_id".to_owned(),
        rule: rule::UNKNOWN.name.to_owned(),
    });
    let warnings = valid.content().warnings.iter().chain(&case).chain(&unknown);
    let told = ruling.answer();
    let told = told.iter().filter_map(|(unit, told)| match told {
        ruling::Told::Released(_) => None,
        ruling::Told::NotPermitted => Some(Told {
            unit: unit.clone(),
            policy: None,
            reason: NOT_PERMITTED.to_owned(),
            basis: None,
        }),
        ruling::Told::Forbidden(policies) => {
            let rule = policies.first().and_then(|id| rulebook.rule(id));
            Some(Told {
                unit: unit.clone(),
                policy: policies.first().map(ToString::to_string),
                reason: rule.map_or_else(|| NOT_PERMITTED.to_owned(), |rule| rule.reason.clone()),
                basis: rule.map(|rule| rule.basis.clone()),
            })
        }
    });
    Confidential {
        message_id: valid.message_id(),
        justification: envelope.justification().map(str::to_owned),
        to: question.to.clone().unwrap_or_default(),
        warnings: warnings
            .map(|w| (w.place.clone(), w.rule.clone()))
            .collect(),
        told: told.collect(),
        purpose: envelope.purpose().map(ToString::to_string),
        handling: envelope.handling(),
        correlation_id: envelope.correlation_id().map(str::to_owned),
        ..Confidential::default()
    }
}

/// What the message says of orders. A secret one never counts, and neither does an open version of it
/// from then on; a withdrawn result says nothing.
fn order_change(valid: &Valid, keys: &Keys) -> Option<OrderChange> {
    let content = valid.content();
    let is_number = |key: &&Key| key.name == "control-order";
    let order = content.keys.iter().find(is_number)?;
    let number = key_digest(keys, &order.name, &order.value);
    let is = |fact: &str| content.facts.get(fact) == Some(&FactValue::Bool(true));
    match valid.entry().message_type.as_str() {
        ORDER_TYPE if is("cancels") || is("secret") => Some(OrderChange::Withdraws { number }),
        ORDER_TYPE => {
            let subjects = content.keys.iter().filter(|key| !is_number(key));
            let deadline = match content.facts.get("until") {
                Some(FactValue::Time(time)) => *time,
                _ => Timestamp::default(),
            };
            Some(OrderChange::Opens {
                number,
                subjects: subjects
                    .map(|key| key_digest(keys, &key.name, &key.value))
                    .collect(),
                deadline,
            })
        }
        "control.result" if !is("cancels") => Some(OrderChange::Reports { number }),
        _ => None,
    }
}

fn rejected(
    (peer, draw): (&Peer, Draw),
    publish: &Publish,
    view: &View,
    not_ruled: &NotRuled,
) -> Verdict {
    let NotRuled { code, faults } = not_ruled;
    Verdict::Rejected {
        rejected: Box::new(rejection((peer, draw), publish, view, not_ruled)),
        refusal: Refusal {
            code: *code,
            text: told::sentences(faults),
        },
    }
}

/// The record of a publish that is not ruled, with place and rule of its first fault, and what its
/// sender is told of all.
fn rejection(
    (peer, draw): (&Peer, Draw),
    publish: &Publish,
    view: &View,
    not_ruled: &NotRuled,
) -> Rejected {
    let NotRuled { code, faults } = not_ruled;
    let confidential = Confidential {
        message_id: message_id(publish),
        faults: faults.iter().map(told::fault).collect(),
        faults_untold: u32::try_from(faults.untold).unwrap_or(u32::MAX),
        ..Confidential::default()
    };
    Rejected {
        id: draw.exchange,
        at: Timestamp::default(),
        sender: SystemId {
            agency: peer.agency.id.clone(),
            system: peer.system.name.clone(),
        },
        unit: peer.unit.id.clone(),
        message_type: publish.message_type.chars().take(96).collect(),
        code: *code,
        place: faults.first.place.clone(),
        rule: faults.first.rule.clone(),
        body: view.keys.digest("body", &[&publish.body]),
        number: 0,
        receipt: None,
        sealed: confidential.seal(),
        case: None,
    }
}

fn message_id(publish: &Publish) -> String {
    let id = publish.message_id.as_deref().unwrap_or_default();
    id.chars().take(255).collect()
}
