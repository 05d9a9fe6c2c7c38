//! Receipts: what a sender may know of its exchange, rendered from the record when delivered.

use serde_json::{Map, Value, json};

use super::record::{Confidential, Exchange, LastNumbers, Lost, Outcome, Rejected};
use crate::message::id::Mask;

/// The receipt of a ruled exchange.
pub fn of_exchange(exchange: &Exchange, confidential: &Confidential) -> Value {
    let released = exchange
        .recipients
        .iter()
        .filter(|recipient| recipient.known);
    let released = released.filter_map(|recipient| match &recipient.outcome {
        Outcome::Released(released) => Some((recipient.unit.to_string(), released)),
        Outcome::Refused { .. } => None,
    });
    let mut recipients: Vec<Value> = released
        .map(|(unit, released)| {
            let withheld = withheld(exchange.holds, released.mask);
            json!({ "unit": unit, "outcome": "released", "withheld": withheld })
        })
        .collect();
    let outcome = if recipients.is_empty() {
        "refused"
    } else {
        "released"
    };
    recipients.extend(confidential.told.iter().map(|told| {
        let mut refusal = Map::new();
        refusal.insert("unit".into(), told.unit.clone().into());
        refusal.insert("outcome".into(), "refused".into());
        let optional = [("policy", &told.policy), ("basis", &told.basis)];
        for (name, value) in optional {
            if let Some(value) = value {
                refusal.insert(name.into(), value.clone().into());
            }
        }
        refusal.insert("reason".into(), told.reason.clone().into());
        Value::Object(refusal)
    }));
    json!({
        "sequence": exchange.number,
        "time": exchange.at.to_string(),
        "rulebook": exchange.rulebook.to_string(),
        "outcome": outcome,
        "recipients": recipients,
        "warnings": warnings(confidential),
    })
}

/// The receipt of a submission that was not ruled.
pub fn of_rejected(rejected: &Rejected, confidential: &Confidential) -> Value {
    json!({
        "sequence": rejected.number,
        "time": rejected.at.to_string(),
        "outcome": if rejected.code == 406 { "invalid" } else { "refused" },
        "code": rejected.code,
        "place": rejected.place,
        "rule": rejected.rule,
        "faults": faults(confidential),
        "faults_untold": confidential.faults_untold,
        "recipients": [],
        "warnings": warnings(confidential),
    })
}

/// What was wrong, each with its text.
fn faults(confidential: &Confidential) -> Vec<Value> {
    let faults = confidential.faults.iter();
    faults
        .map(|fault| json!({ "place": fault.place, "rule": fault.rule, "text": fault.text }))
        .collect()
}

/// The notice to a unit whose numbers jump, since the end of the log was lost: what it was told under a
/// number between is gone.
pub fn of_lost(lost: &Lost, numbers: &LastNumbers) -> Value {
    let gap = |before: u64| {
        let (from, to) = (before.saturating_add(1), before.saturating_add(lost.jump));
        json!({ "from": from, "to": to })
    };
    json!({
        "time": lost.at.to_string(),
        "outcome": "lost",
        "sequence": gap(numbers.sent),
        "x-carnet-sequence": gap(numbers.received),
        "recipients": [],
        "warnings": [],
    })
}

fn warnings(confidential: &Confidential) -> Vec<Value> {
    let warnings = confidential.warnings.iter();
    warnings
        .map(|(place, rule)| json!({ "place": place, "rule": rule }))
        .collect()
}

/// Names of the categories that the type can hold and the unit does not get, present or not.
pub fn withheld(holds: Mask, mask: Mask) -> Vec<String> {
    holds
        .without(mask)
        .categories()
        .map(|category| category.to_string())
        .collect()
}
