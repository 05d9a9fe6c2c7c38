//! Rendering: what a unit sees of a message in one of its queues.
//!
//! Runs in the consumer's task, after the sync that released it. It looks at what the ruling rested
//! on once more: a newer ruling narrows, and never widens, what was released.

use bytes::Bytes;

use super::admit::View;
use super::command::Deliver;
use super::ledger::QueueKind;
use super::payload::{self, PayloadHead};
use super::receipt;
use super::record::{Confidential, Death, Exchange, Outcome, Record, Released, Stored};
use crate::agency::keys::{BadFrame, Delivered, Token};
use crate::journal::Lsn;
use crate::message::id::{AgencyId, Digest, Mask, UnitId};
use crate::message::project::{TokenElement, project};
use crate::message::time::Timestamp;
use crate::policy::rule::rule_for;
use crate::policy::ruling::{self, Outcome as Ruled};

/// A message as a client gets it, but for its delivery tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The exchange to show.
    pub exchange: String,
    /// The routing key to show.
    pub routing_key: String,
    /// Properties.
    pub properties: Shown,
    /// What `x-death` shows, newest first.
    pub deaths: Vec<Death>,
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
    pub answers: Option<Lsn>,
    /// `timestamp`: of admission.
    pub timestamp: Timestamp,
    /// `x-carnet-*`, all of them text.
    pub headers: Vec<(&'static str, String)>,
}

impl Rendered {
    /// Where the unit's own message stands that this one answers, if it answers one.
    pub fn answers(&self) -> Option<Lsn> {
        match &self.properties {
            Shown::Made(made) => made.answers,
            Shown::Raw(_) => None,
        }
    }

    /// Shows `unit` its own `message_id` of the message that is answered.
    pub fn correlate(&mut self, answered: &Record, unit: &UnitId) {
        if let (Shown::Made(made), Record::Exchange(asked)) = (&mut self.properties, answered)
            && asked.unit == *unit
        {
            made.correlation_id = Some(confidential(&asked.sealed).message_id);
        }
    }
}

/// What is to be done with a delivery.
#[derive(Debug, PartialEq)]
pub enum Prepared {
    /// Send it.
    Send(Box<Rendered>),
    /// A newer ruling gives less: record that first, then it comes again.
    Narrow(Mask),
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
    let mut rendered = match (&stored.record, deliver.kind) {
        (Record::Exchange(exchange), QueueKind::Receipts) => {
            let told = confidential(&exchange.sealed);
            let body = receipt::of_exchange(exchange, &told);
            notice(body.to_string(), told.message_id, exchange.at)
        }
        (Record::Rejected(rejected), QueueKind::Receipts) => {
            let told = confidential(&rejected.sealed);
            let body = receipt::of_rejected(rejected, &told);
            notice(body.to_string(), told.message_id, rejected.at)
        }
        (Record::Exchange(exchange), _) => {
            let release = Release::find(exchange, unit)?;
            let (head, body) = payload::open(exchange.id, &stored.frame)?;
            match release.allowed(deliver, &head, view, now) {
                Allowed::Less(mask) => return Ok(Prepared::Narrow(mask)),
                Allowed::This(mask, rulebook) => {
                    let at = deliver.overlay.source.unwrap_or(deliver.delivery.entry);
                    release.render((mask, rulebook, at), (&head, &body), view)
                }
            }
        }
        (Record::Placed(_), _) => {
            let (head, body) = payload::open_private(&stored.frame)?;
            Rendered {
                exchange: head.exchange,
                routing_key: head.routing_key,
                properties: Shown::Raw(head.raw_properties.into()),
                deaths: Vec::new(),
                body,
            }
        }
        _ => return Err(Unrenderable::Foreign),
    };
    rendered.deaths.clone_from(&deliver.overlay.deaths);
    Ok(Prepared::Send(Box::new(rendered)))
}

/// What of a record only its sender may read.
pub fn confidential(sealed: &[u8]) -> Confidential {
    postcard::from_bytes(sealed).unwrap_or_default()
}

fn notice(body: String, correlation_id: String, at: Timestamp) -> Rendered {
    let made = Made {
        correlation_id: Some(correlation_id),
        timestamp: at,
        ..Made::default()
    };
    Rendered {
        exchange: "carnet".to_owned(),
        routing_key: "carnet.receipt".to_owned(),
        properties: Shown::Made(Box::new(made)),
        deaths: Vec::new(),
        body: body.into(),
    }
}

enum Allowed {
    This(Mask, Digest),
    Less(Mask),
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
        head: &PayloadHead,
        view: &View,
        now: Timestamp,
    ) -> Allowed {
        let (mask, rulebook) = match deliver.overlay.narrowed {
            Some((mask, rulebook)) => (mask, rulebook),
            None => (self.released.mask, self.exchange.rulebook),
        };
        let reads = &self.exchange.reads;
        if mask.is_empty() || reads.still_hold(&view.standing, view.rulebook.epoch(), now) {
            return Allowed::This(mask, rulebook);
        }
        let newer = self.ruled_again(head, view, now);
        let both = newer.and_then(|newer| self.as_ruling(mask).intersect(&newer));
        match both.map_or(Mask::NONE, |both| both.mask) {
            same if same == mask => Allowed::This(mask, view.rulebook.digest()),
            less => Allowed::Less(less),
        }
    }

    fn ruled_again(
        &self,
        head: &PayloadHead,
        view: &View,
        now: Timestamp,
    ) -> Option<ruling::Released> {
        let rulebook = &view.rulebook;
        let sender = rulebook.registry().unit(&self.exchange.unit)?;
        let entry = rulebook
            .catalogue()
            .get(self.exchange.message_type.as_str())?;
        let request = head.question.request(sender, entry, &head.facts);
        match rule_for(self.unit, &request, rulebook, &view.standing, now) {
            Ruled::Released(released) => Some(released),
            Ruled::Refused(_) => None,
        }
    }

    fn as_ruling(&self, mask: Mask) -> ruling::Released {
        ruling::Released {
            mask,
            withheld: self.exchange.holds.without(mask),
            policies: self.released.policies.clone(),
            withholding: Vec::new(),
            retain_days: self.released.retain_days,
            onward: self.released.onward,
        }
    }

    fn render(
        &self,
        (mask, rulebook, at): (Mask, Digest, Lsn),
        (head, body): (&PayloadHead, &[u8]),
        view: &View,
    ) -> Rendered {
        let sender = &self.exchange.sender.agency;
        let mut token = |element: &TokenElement<'_>| self.token(element, sender, view);
        let Some(body) = project(body, &head.spans, mask, &mut token) else {
            return self.withdrawn();
        };
        let delivered = Delivered {
            exchange: self.exchange.id,
            address: at.0,
            sender: self.exchange.unit.clone(),
        };
        let is_asker = head.question.answers.contains(self.unit);
        Rendered {
            exchange: super::ledger::standing_name(self.unit, QueueKind::Inbox),
            routing_key: format!("{}.{sender}", self.exchange.message_type),
            properties: Shown::Made(Box::new(Made {
                message_id: view.keys.seal_delivery(self.unit, &delivered),
                correlation_id: None,
                answers: head.answered.filter(|_| is_asker),
                timestamp: self.exchange.at,
                headers: self.headers(mask, rulebook, view),
            })),
            deaths: Vec::new(),
            body: body.into(),
        }
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

    fn headers(&self, mask: Mask, rulebook: Digest, view: &View) -> Vec<(&'static str, String)> {
        let unit = view.rulebook.registry().unit(&self.exchange.unit);
        let listed = unit.is_some_and(|unit| unit.listed);
        let sender = if listed {
            self.exchange.unit.to_string()
        } else {
            self.exchange.sender.agency.to_string()
        };
        let policy = self.released.policies.first();
        let reason = policy.and_then(|id| view.rulebook.rule(id));
        let withheld = receipt::withheld(self.exchange.holds, mask).join(",");
        let mut headers = vec![
            ("x-carnet-sender", sender),
            ("x-carnet-sequence", self.released.number.to_string()),
            ("x-carnet-rulebook", rulebook.to_string()),
            ("x-carnet-withheld", withheld),
            (
                "x-carnet-retain-days",
                self.released.retain_days.to_string(),
            ),
            ("x-carnet-onward", self.released.onward.name().to_owned()),
        ];
        if let Some(rule) = reason {
            headers.push(("x-carnet-reason", format!("{}: {}", rule.id, rule.reason)));
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
        Rendered {
            exchange: super::ledger::standing_name(self.unit, QueueKind::Inbox),
            routing_key: "carnet.withdrawn".to_owned(),
            properties: Shown::Made(Box::new(made)),
            deaths: Vec::new(),
            body: Bytes::new(),
        }
    }
}
