//! An exchange as auditors read it: what its sender asked for; who received what of it and who did
//! not, by which rules; and what of that the sender was told.
//!
//! In a line of the tail it is short. In full it needs the rulebook that decided, and what is
//! confidential between sender and broker.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::names::categories;
use crate::broker::delivery::confidential;
use crate::broker::receipt::withheld;
use crate::broker::record::{Confidential, Exchange, Outcome, Recipient, Released};
use crate::message::id::Mask;
use crate::policy::rulebook::Rulebook;
use crate::policy::words::PolicyId;

/// What is said of an exchange.
#[derive(Default)]
pub(super) struct Told<'r> {
    /// Lines of text.
    pub(super) lines: Vec<String>,
    /// One value for each recipient.
    pub(super) recipients: Vec<Value>,
    /// In full: further fields by name.
    pub(super) more: Vec<(&'static str, Value)>,
    /// The policies that took part.
    pub(super) policies: BTreeSet<&'r PolicyId>,
}

impl<'r> Told<'r> {
    /// Recipients, a line each.
    pub(super) fn briefly(exchange: &'r Exchange) -> Self {
        let mut told = Self::default();
        for recipient in &exchange.recipients {
            let (mut line, value) = told.decision(exchange, recipient);
            if let Outcome::Released(released) = &recipient.outcome {
                let withheld = withheld(exchange.holds, released.mask);
                if !withheld.is_empty() {
                    line = format!("{line}  withheld {}", withheld.join(" "));
                }
            }
            told.lines.push(line);
            told.recipients.push(value);
        }
        told
    }

    /// Everything, by the rulebook that decided.
    pub(super) fn in_full(exchange: &'r Exchange, rulebook: &Rulebook) -> Self {
        let mut told = Self::default();
        let secret = confidential(&exchange.sealed);
        told.lines.push(format!("rulebook  {}", exchange.rulebook));
        told.asked(&secret);
        for (place, rule) in &secret.warnings {
            told.lines
                .push(format!("warning  at {}: {rule}", place.escape_debug()));
        }
        let warnings = secret.warnings.iter();
        let warnings = warnings.map(|(place, rule)| json!({"place": place, "rule": rule}));
        told.more.push(("warnings", warnings.collect()));
        for recipient in &exchange.recipients {
            let (line, mut value) = told.decision(exchange, recipient);
            told.lines.push(line);
            if let Outcome::Released(released) = &recipient.outcome {
                let why = told.withheld(exchange.holds, released, rulebook);
                add(&mut value, "withheld_by", why);
            }
            told.secrecy(recipient, &secret, rulebook, &mut value);
            told.recipients.push(value);
        }
        told.nobodies(exchange, &secret);
        if exchange.recipients.is_empty() && secret.told.is_empty() {
            let says = "nobody receives it: no rule permits it to any unit, and none was addressed";
            told.lines.push(says.to_owned());
        }
        if !exchange.errors.is_empty() {
            let by = joined(&exchange.errors);
            told.lines.push(format!(
                "ALARM  could not be evaluated, so nothing was given by it: {by}"
            ));
        }
        told.more.push(("errors", json!(texts(&exchange.errors))));
        told.policies.extend(&exchange.errors);
        told
    }

    /// What its sender set on the message, as the sender wrote it.
    fn asked(&mut self, secret: &Confidential) {
        let handling = secret.handling.name();
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let fields = [
            ("message_id", secret.message_id.clone()),
            ("correlation_id", optional(&secret.correlation_id)),
            ("to", secret.to.join(" ")),
            ("purpose", optional(&secret.purpose)),
            (
                "handling",
                if handling == "none" {
                    String::new()
                } else {
                    handling.to_owned()
                },
            ),
            ("justification", optional(&secret.justification)),
        ];
        let mut asked = serde_json::Map::new();
        for (name, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
            self.lines.push(format!("{name}  {}", text.escape_debug()));
            let value = if name == "to" {
                json!(secret.to)
            } else {
                json!(text)
            };
            asked.insert(name.to_owned(), value);
        }
        self.more.push(("asked", Value::Object(asked)));
    }

    /// What was decided for a unit.
    fn decision(&mut self, exchange: &Exchange, recipient: &'r Recipient) -> (String, Value) {
        let unit = recipient.unit.to_string();
        match &recipient.outcome {
            Outcome::Released(released) => {
                self.policies.extend(&released.policies);
                let (mask, by) = (released.mask, joined(&released.policies));
                let value = json!({"unit": unit, "outcome": "released",
                    "number": released.number, "categories": categories(mask),
                    "withheld": withheld(exchange.holds, mask),
                    "policies": texts(&released.policies),
                    "retain_days": released.retain_days,
                    "onward": released.onward.to_string()});
                (format!("-> {unit}  {mask}  by {by}"), value)
            }
            Outcome::Refused { policies } => {
                self.policies.extend(policies);
                let by = if policies.is_empty() {
                    "no policy permits it".to_owned()
                } else {
                    format!("by {}", joined(policies))
                };
                let value =
                    json!({"unit": unit, "outcome": "refused", "policies": texts(policies)});
                (format!("x  {unit}  refused, {by}"), value)
            }
        }
    }

    /// Why a unit does not get the rest: forbidden by a rule, or given by none.
    fn withheld(&mut self, holds: Mask, released: &'r Released, rulebook: &Rulebook) -> Value {
        let mut left = holds.without(released.mask).without(Mask::REFERENCE_TOKEN);
        let mut reasons = Vec::new();
        for id in &released.withholding {
            let of_rule = rulebook
                .rule(id)
                .map_or(Mask::NONE, |rule| rule.head.actions.disclose);
            let taken = left.intersection(of_rule);
            if !taken.is_empty() {
                self.policies.insert(id);
                self.lines
                    .push(format!("   withheld {taken}: taken by {id}"));
                reasons.push(json!({"categories": categories(taken), "policy": id.as_str()}));
            }
            left = left.without(taken);
        }
        if !left.is_empty() {
            self.lines
                .push(format!("   withheld {left}: no rule gives it"));
            reasons.push(json!({"categories": categories(left), "policy": null}));
        }
        let Released {
            retain_days,
            onward,
            ..
        } = released;
        self.lines.push(format!(
            "   to be kept {retain_days} days at most, onward: {onward}"
        ));
        Value::Array(reasons)
    }

    /// What the sender was told of a unit, and what it must not know.
    fn secrecy(
        &mut self,
        recipient: &Recipient,
        secret: &Confidential,
        rulebook: &Rulebook,
        value: &mut Value,
    ) {
        let unit = recipient.unit.to_string();
        let (is_released, policies) = match &recipient.outcome {
            Outcome::Released(_) => (true, &[][..]),
            Outcome::Refused { policies } => (false, policies.as_slice()),
        };
        let hidden = policies
            .iter()
            .filter_map(|id| rulebook.rule(id))
            .any(|rule| rule.hidden);
        let covert = hidden || !recipient.known;
        let told = secret.told.iter().find(|told| told.unit == unit);
        let told = match told {
            Some(told) => Some(told.reason.as_str()),
            None => (is_released && recipient.known).then_some("released"),
        };
        add(value, "covert", json!(covert));
        add(value, "told_to_sender", json!(told));
        let told = told.map_or("nothing of it".to_owned(), |told| format!("{told:?}"));
        if covert {
            self.lines.push(format!(
                "   COVERT: its sender must not know, and was told {told}"
            ));
        } else if !is_released {
            self.lines.push(format!("   its sender was told {told}"));
        }
    }

    /// Addressees that no message from this sender can reach.
    fn nobodies(&mut self, exchange: &Exchange, secret: &Confidential) {
        let is_one = |unit: &str| {
            let mut units = exchange.recipients.iter().map(|recipient| &recipient.unit);
            !units.any(|known| known.to_string() == unit)
        };
        let mut nobodies = Vec::new();
        for told in secret.told.iter().filter(|told| is_one(&told.unit)) {
            let (unit, reason) = (told.unit.escape_debug(), &told.reason);
            self.lines.push(format!(
                "x  {unit}  addressed, and nobody that it can reach: its sender was told {reason:?}"
            ));
            nobodies.push(&told.unit);
        }
        self.more.push(("unreachable", json!(nobodies)));
    }
}

fn add(value: &mut Value, name: &str, field: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), field);
    }
}

pub(super) fn texts(policies: &[PolicyId]) -> Vec<String> {
    policies.iter().map(ToString::to_string).collect()
}

pub(super) fn joined(policies: &[PolicyId]) -> String {
    texts(policies).join(", ")
}
