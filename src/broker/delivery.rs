//! Rendering: what a unit sees of a message in one of its queues.
//!
//! INVARIANT: what is shown follows from whose the record is, never from the queue that it lies in: its
//! sender's unit sees its receipt, a unit that it was released to its release, the unit that put it
//! into queues of its own the message as it was, an agency that is told of it a notice, and any other
//! nothing.
//!
//! Runs in the consumer's task, after the sync that released it. It looks at what the ruling rested
//! on once more: a newer ruling narrows, and never widens, what was released.

use bytes::Bytes;

use super::admit::View;
use super::effect::{Deliver, Less};
use super::format::{OpenPayload, OpenPrivate};
use super::ids::EntryId;
use super::ledger::Died;
use super::ledger::QueueKind;
use super::limits::REASON_BYTES;
use super::notice::Notice;
use super::receipt::Receipt;
use super::record::{Confidential, Exchange, Outcome, QueueId, Record, Released, Stored, Terms};
use super::reply::Refusal;
use crate::agency::keys::{BadFrame, Delivered, Ring, SealedPart, Token};
use crate::journal::Lsn;
use crate::message::facts::Facts;
use crate::message::id::{AgencyId, Category, Digest, Mask, UnitId};
use crate::message::project::{TokenElement, project};
use crate::message::time::Timestamp;
use crate::policy::explain::InForce;
use crate::policy::request::{Question, RuleRequest};
use crate::policy::rule::rule_for;
use crate::policy::ruling::{self, Outcome as Ruled};
use crate::policy::source::Rule;
use crate::policy::standing::Reads;

/// A message as a client gets it, but for its delivery tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The exchange to which it was published.
    pub exchange: String,
    /// The routing key under which it was published.
    pub routing_key: String,
    /// The queue of its unit's own into which it was dead-lettered: by the default exchange, under the
    /// queue's name.
    pub moved_to: Option<String>,
    /// Properties.
    pub properties: Shown,
    /// What `x-death` shows.
    pub died: Died,
    /// How often it came back to its queue, as `x-delivery-count` shows it.
    pub returns: u32,
    /// The body, projected.
    pub body: Bytes,
}

/// Properties to show.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// As the agency itself published them.
    Raw(Bytes),
    /// Made by the broker.
    Made(Box<Made>),
}

/// Properties made by the broker: an allow-list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// `message_id`: the unit's own id of this delivery.
    pub message_id: Option<String>,
    /// `correlation_id`.
    pub correlation_id: Option<String>,
    /// Where the unit's own message stands that this one answers: see [`Rendered::answers`].
    pub answers: Option<EntryId>,
    /// `timestamp`: of admission.
    pub timestamp: Timestamp,
    /// `x-carnet-*`, all of them text.
    pub headers: Vec<(&'static str, String)>,
}

impl Rendered {
    /// A message as it came by this exchange and routing key, for the first time.
    pub fn new(route: (String, String), properties: Shown, body: Bytes) -> Self {
        let (exchange, routing_key) = route;
        Self {
            exchange,
            routing_key,
            moved_to: None,
            properties,
            died: Died::default(),
            returns: 0,
            body,
        }
    }

    /// The exchange and the routing key by which it came into its queue.
    pub fn route(&self) -> (&str, &str) {
        match &self.moved_to {
            Some(queue) => ("", queue),
            None => (&self.exchange, &self.routing_key),
        }
    }

    /// Where the unit's own message stands that this one answers, if it answers one.
    pub fn answers(&self) -> Option<EntryId> {
        match &self.properties {
            Shown::Made(made) => made.answers,
            Shown::Raw(_) => None,
        }
    }

    /// Shows `unit` its own `message_id` of the message that is answered.
    pub fn correlate(&mut self, answered: &Record, unit: &UnitId, ring: &Ring) {
        if let (Shown::Made(made), Record::Exchange(asked)) = (&mut self.properties, answered)
            && asked.unit == *unit
        {
            let opened = asked.sealed.opened(ring, asked.id);
            let told = Confidential::read(&opened);
            made.correlation_id = told.map(|told| told.message_id.to_owned());
        }
    }
}

/// What is to be done with a delivery.
#[derive(Debug, PartialEq)]
pub enum Prepared {
    /// Send it.
    Send(Box<Rendered>),
    /// A newer ruling gives less, or asks for more: record what is left of the release that was put
    /// into these queues, then it comes again.
    Narrow(Less, Vec<QueueId>),
}

/// Why a delivery cannot be rendered: ours, never the peer's.
#[derive(Debug, thiserror::Error)]
pub enum Unrenderable {
    /// The frame is damaged.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// The record is not one that a queue can hold for this unit.
    #[error("the record does not belong into this queue")]
    Foreign,
}

/// Prepares a delivery for `unit` from the record that holds the message.
pub fn prepare(
    deliver: &Deliver,
    stored: &Stored,
    unit: &UnitId,
    view: &View,
    now: Timestamp,
) -> Result<Prepared, Unrenderable> {
    let ring = view.keys.ring();
    let mut rendered = match &stored.record {
        Record::Exchange(exchange) if exchange.unit == *unit => {
            let opened = exchange.sealed.opened(&ring, exchange.id);
            let told = Confidential::read(&opened);
            let message_id = told.as_ref().map(|told| told.message_id);
            let told = told.unwrap_or_default();
            notice(
                &Receipt::of_exchange(exchange, &told),
                message_id,
                exchange.at,
            )
        }
        Record::Rejected(rejected) if rejected.unit == *unit => {
            let opened = rejected.sealed.opened(&ring, rejected.id);
            let told = Confidential::read(&opened);
            let message_id = told.as_ref().map(|told| told.message_id);
            let told = told.unwrap_or_default();
            notice(
                &Receipt::of_rejected(rejected, &told),
                message_id,
                rejected.at,
            )
        }
        Record::Lost(lost) => {
            let numbers = lost.units.iter().find(|it| it.unit == *unit);
            let numbers = numbers.ok_or(Unrenderable::Foreign)?;
            notice(&Receipt::of_lost(lost, numbers), None, lost.at)
        }
        Record::Exchange(exchange) => {
            let release = Release::find(exchange, unit)?;
            let payload = OpenPayload::open(exchange.id, &stored.frame, &ring)?;
            match release.allowed(deliver, &payload, view, now)? {
                Allowed::Less(less) => {
                    let queues = release.released.queues.clone();
                    return Ok(Prepared::Narrow(less, queues));
                }
                Allowed::This(terms) => {
                    let at = deliver.source().at();
                    release.render(&terms, at, &payload, view)?
                }
            }
        }
        Record::Placed(placed) if placed.unit == *unit => {
            let opened = OpenPrivate::open(&stored.frame, &ring)?;
            let (head, body) = opened.read()?;
            let properties = Shown::Raw(opened.share(head.raw_properties));
            let route = (head.exchange.to_owned(), head.routing_key.to_owned());
            Rendered::new(route, properties, body)
        }
        record => {
            let told = Notice::of(record, unit).ok_or(Unrenderable::Foreign)?;
            noticed(&told)
        }
    };
    rendered.died.clone_from(&deliver.overlay.died);
    rendered.moved_to.clone_from(&deliver.moved_to);
    rendered.returns = deliver.returns;
    Ok(Prepared::Send(Box::new(rendered)))
}

fn noticed(told: &Notice<'_>) -> Rendered {
    let made = Made {
        timestamp: told.at,
        ..Made::default()
    };
    let route = ("carnet".to_owned(), Notice::KEY.to_owned());
    Rendered::new(route, Shown::Made(Box::new(made)), told.octets().into())
}

fn notice(receipt: &Receipt<'_>, message_id: Option<&str>, at: Timestamp) -> Rendered {
    let made = Made {
        correlation_id: message_id.map(str::to_owned),
        timestamp: at,
        ..Made::default()
    };
    let route = ("carnet".to_owned(), "carnet.receipt".to_owned());
    Rendered::new(route, Shown::Made(Box::new(made)), receipt.octets().into())
}

enum Allowed {
    This(Terms),
    Less(Less),
}

/// One unit's release of an exchange.
struct Release<'a> {
    exchange: &'a Exchange,
    unit: &'a UnitId,
    released: &'a Released,
}

impl<'a> Release<'a> {
    fn find(exchange: &'a Exchange, unit: &'a UnitId) -> Result<Self, Unrenderable> {
        let recipients = exchange.recipients.iter();
        let own = recipients.filter(|recipient| recipient.unit == *unit);
        let released = own
            .into_iter()
            .find_map(|recipient| match &recipient.outcome {
                Outcome::Released(released) => Some(released),
                Outcome::Refused { .. } => None,
            });
        let released = released.ok_or(Unrenderable::Foreign)?;
        Ok(Self {
            exchange,
            unit,
            released,
        })
    }

    /// What may be sent now: what was released, less what a newer ruling takes away.
    fn allowed(
        &self,
        deliver: &Deliver,
        payload: &OpenPayload,
        view: &View,
        now: Timestamp,
    ) -> Result<Allowed, BadFrame> {
        let narrowed = deliver.overlay.narrowed.clone();
        let terms = narrowed.unwrap_or_else(|| self.terms());
        let reads = &self.exchange.reads;
        let is_so = reads.still_hold(&view.standing, view.rulebook.epoch(), now);
        if terms.mask.is_empty() || is_so {
            return Ok(Allowed::This(terms));
        }
        let (facts, question) = payload.ruled_from()?;
        let in_force = InForce {
            rulebook: &view.rulebook,
            standing: &view.standing,
            now,
        };
        let (newer, reads) = ruled_again(self.exchange, self.unit, &facts, &question, &in_force);
        let holds = self.exchange.holds;
        let left = left_of(&terms, newer.as_ref(), holds, view.rulebook.digest());
        let same = left.mask == terms.mask
            && left.retain_days == terms.retain_days
            && left.onward == terms.onward;
        Ok(if same {
            Allowed::This(left)
        } else {
            Allowed::Less(Less { left, reads })
        })
    }

    /// What was released.
    fn terms(&self) -> Terms {
        terms_of(self.released, self.exchange.rulebook)
    }

    fn render(
        &self,
        terms: &Terms,
        at: Lsn,
        payload: &OpenPayload,
        view: &View,
    ) -> Result<Rendered, BadFrame> {
        let sender = &self.exchange.sender.agency;
        let mut token = |element: &TokenElement<'_>| self.token(element, sender, view);
        let spans = payload.spans()?;
        let Some(body) = project(payload.body(), &spans, terms.mask, &mut token) else {
            return Ok(self.withdrawn());
        };
        let delivered = Delivered {
            exchange: self.exchange.id,
            address: at.0,
            sender: self.exchange.unit.clone(),
        };
        let made = Made {
            message_id: view.keys.seal_delivery(self.unit, &delivered),
            correlation_id: None,
            answers: payload.answered(self.unit)?.map(EntryId::new),
            timestamp: self.exchange.at,
            headers: self.headers(terms, view),
        };
        Ok(self.rendered(
            format!("{}.{sender}", self.exchange.message_type),
            made,
            body.into(),
        ))
    }

    fn token(&self, element: &TokenElement<'_>, sender: &AgencyId, view: &View) -> String {
        let token = Token {
            kind: element.kind.to_owned(),
            originator: element.originator.unwrap_or(sender).clone(),
            value: element.clear.to_owned(),
        };
        // A unit that has left the rulebook has no key: it gets a token that nobody opens.
        let sealed = view.keys.seal_token(self.unit, &token);
        sealed.unwrap_or_else(|| "ct1~0".to_owned())
    }

    fn headers(&self, terms: &Terms, view: &View) -> Vec<(&'static str, String)> {
        let unit = view.rulebook.registry().unit(&self.exchange.unit);
        let listed = unit.is_some_and(|unit| unit.listed);
        let sender = if listed {
            self.exchange.unit.to_string()
        } else {
            self.exchange.sender.agency.to_string()
        };
        let policy = terms.policies.first();
        let reason = policy.and_then(|id| view.rulebook.rule(id));
        let withheld = self.exchange.holds.without(terms.mask).categories();
        let withheld: Vec<&str> = withheld.map(Category::name).collect();
        let mut headers = vec![
            ("x-carnet-sender", sender),
            ("x-carnet-sequence", self.released.number.to_string()),
            ("x-carnet-rulebook", terms.rulebook.to_string()),
            ("x-carnet-withheld", withheld.join(",")),
            ("x-carnet-retain-days", terms.retain_days.to_string()),
            ("x-carnet-onward", terms.onward.name().to_owned()),
        ];
        if let Some(rule) = reason {
            headers.push(("x-carnet-reason", shown_reason(rule)));
        }
        headers
    }

    /// The number was given, so it is delivered, once, without anything in it.
    fn withdrawn(&self) -> Rendered {
        let made = Made {
            timestamp: self.exchange.at,
            headers: vec![("x-carnet-sequence", self.released.number.to_string())],
            ..Made::default()
        };
        self.rendered("carnet.withdrawn".to_owned(), made, Bytes::new())
    }

    fn rendered(&self, routing_key: String, made: Made, body: Bytes) -> Rendered {
        let exchange = super::ledger::standing_name(self.unit, QueueKind::Inbox);
        Rendered::new((exchange, routing_key), Shown::Made(Box::new(made)), body)
    }
}

/// What a release gives, as it was decided by a rulebook.
pub(super) fn terms_of(released: &Released, rulebook: Digest) -> Terms {
    Terms {
        mask: released.mask,
        retain_days: released.retain_days,
        onward: released.onward,
        policies: released.policies.clone(),
        rulebook,
    }
}

/// What a unit of an exchange would be given by another ruling on its facts, and what that was made from.
pub(super) fn ruled_again(
    exchange: &Exchange,
    unit: &UnitId,
    facts: &Facts,
    question: &Question<'_>,
    in_force: &InForce<'_>,
) -> (Option<ruling::Released>, Reads) {
    let &InForce {
        rulebook,
        standing,
        now,
    } = in_force;
    let entry = rulebook.catalogue().get(exchange.message_type.as_str());
    let sender = rulebook.registry().unit(&exchange.unit);
    let (Some(sender), Some(entry)) = (sender, entry) else {
        let reads = Reads {
            rulebook_epoch: rulebook.epoch(),
            ..Reads::default()
        };
        return (None, reads);
    };
    let request = RuleRequest {
        sender,
        entry,
        facts,
        question,
    };
    match rule_for(unit, &request, rulebook, standing, now) {
        (Ruled::Released(released), reads) => (Some(released), reads),
        (Ruled::Refused(_), reads) => (None, reads),
    }
}

/// What a newer ruling by a rulebook leaves of a release whose type can hold `holds`.
pub(super) fn left_of(
    terms: &Terms,
    newer: Option<&ruling::Released>,
    holds: Mask,
    rulebook: Digest,
) -> Terms {
    let both = newer.and_then(|newer| as_ruling(terms).intersect(newer, holds));
    match both {
        Some(both) => Terms {
            mask: both.mask,
            retain_days: both.retain_days,
            onward: both.onward,
            policies: both.policies,
            rulebook,
        },
        None => Terms {
            mask: Mask::NONE,
            rulebook,
            ..terms.clone()
        },
    }
}

fn as_ruling(terms: &Terms) -> ruling::Released {
    ruling::Released {
        mask: terms.mask,
        policies: terms.policies.clone(),
        withholding: Vec::new(),
        retain_days: terms.retain_days,
        onward: terms.onward,
    }
}

/// The refusal that a repeat of a message gets: what the first was told, by its record, as far as that
/// can be read.
pub fn told_again(first: Option<&Record>, ring: &Ring) -> Refusal {
    let opened = match first {
        Some(Record::Exchange(exchange)) => exchange.sealed.opened(ring, exchange.id),
        _ => SealedPart::closed(),
    };
    let told = Confidential::read(&opened).unwrap_or_default();
    Refusal {
        code: 403,
        text: told.refusal_text().to_owned(),
    }
}

/// A rule and its reason, in as many octets as the header of a delivery has for them.
fn shown_reason(rule: &Rule) -> String {
    let mut text = format!("{}: {}", rule.id, rule.reason);
    text.truncate(text.floor_char_boundary(REASON_BYTES));
    text
}
