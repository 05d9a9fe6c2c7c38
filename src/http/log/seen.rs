//! What an agency's auditor sees of the log: what his agency sent, as its sender was told, and what its
//! units were given. Numbers are the units' own: the place of a record in the log says how much others do.

use serde_json::{Value, json};

use super::item::{Item, message_id};
use super::{Described, Entry};
use crate::broker::receipt::Receipt;
use crate::broker::record::{
    CaseStep, Confidential, Exchange, Narrowed, Outcome, Recipient, Record, Rejected,
};
use crate::message::id::AgencyId;

/// What an auditor of `agency` sees of a record: nothing where it is not his agency's, two items where
/// it sent something to itself.
pub(crate) fn of_agency(agency: &AgencyId, entry: &Entry) -> Vec<Item> {
    match &entry.record {
        Record::Exchange(exchange) => of_exchange(agency, exchange, &entry.record),
        Record::Rejected(rejected) if rejected.sender.agency == *agency => {
            vec![Item {
                kind: "rejected",
                message_id: message_id(&entry.record),
                told: rejected_told(rejected),
            }]
        }
        Record::Narrowed(narrowed) if narrowed.unit.agency == *agency => {
            vec![item("narrowed", narrowed_told(narrowed))]
        }
        Record::Case(change) if change.sender.agency == *agency => {
            let told = json!({"at": change.at, "case": change.case, "unit": change.sender,
                "step": step(&change.what)});
            vec![item("case", told)]
        }
        Record::RefusalsCounted(counted) if counted.party.agency() == agency => {
            let told = json!({"at": counted.to, "from": counted.from, "count": counted.count});
            vec![item("refusals-counted", told)]
        }
        Record::Accessed(accessed) if accessed.act.by.holder.agency() == Some(agency) => {
            vec![described("accessed", entry)]
        }
        Record::Revoked(revoked) if revoked.agency == *agency => {
            vec![described("certificate-withdrawn", entry)]
        }
        Record::NewKey(key) if key.agency == *agency => vec![described("new-key", entry)],
        _ => Vec::new(),
    }
}

/// A record that is the agency's as a whole, without its place in the log.
fn described(kind: &'static str, entry: &Entry) -> Item {
    let mut told = Described::of(None, entry.lsn, &entry.record, None).to_json();
    if let Some(fields) = told.as_object_mut() {
        fields.retain(|name, _| !["number", "lsn", "clock"].contains(&name.as_str()));
    }
    item(kind, told)
}

/// What is found by its kind alone.
fn item(kind: &'static str, mut told: Value) -> Item {
    if let Some(fields) = told.as_object_mut() {
        fields.insert("kind".to_owned(), json!(kind));
    }
    Item {
        kind,
        message_id: None,
        told,
    }
}

const fn step(step: &CaseStep) -> &'static str {
    match step {
        CaseStep::Open { .. } => "opened",
        CaseStep::Join => "joined",
        CaseStep::Close => "closed",
    }
}

fn of_exchange(agency: &AgencyId, exchange: &Exchange, record: &Record) -> Vec<Item> {
    let mut seen = Vec::new();
    // A repeat has a record where it reached others, of which its sender is told nothing.
    if exchange.sender.agency == *agency && !exchange.is_repeat() {
        let confidential = Confidential::open(&exchange.sealed);
        let receipt = confidential
            .as_ref()
            .map(|it| Receipt::of_exchange(exchange, it));
        let id = message_id(record);
        let told = json!({"at": exchange.at, "system": exchange.sender,
            "type": exchange.message_type, "case": exchange.case, "message_id": id,
            "receipt": receipt});
        seen.push(Item {
            message_id: id,
            ..item("sent", told)
        });
    }
    let own = exchange.recipients.iter();
    let own = own.filter(|recipient| recipient.unit.agency == *agency);
    seen.extend(own.filter_map(|recipient| received(exchange, recipient)));
    seen
}

/// A release, as its delivery says it; what was refused to a unit it is not told of.
fn received(exchange: &Exchange, recipient: &Recipient) -> Option<Item> {
    let Outcome::Released(released) = &recipient.outcome else {
        return None;
    };
    let told = json!({"at": exchange.at, "unit": recipient.unit, "sequence": released.number,
        "type": exchange.message_type, "sender": exchange.sender.agency,
        "categories": released.mask, "withheld": exchange.holds.without(released.mask),
        "rulebook": exchange.rulebook});
    Some(item("received", told))
}

fn rejected_told(rejected: &Rejected) -> Value {
    let confidential = Confidential::open(&rejected.sealed);
    let receipt = confidential
        .as_ref()
        .map(|it| Receipt::of_rejected(rejected, it));
    let id = confidential.as_ref().map(|it| it.message_id);
    json!({"kind": "rejected", "at": rejected.at, "system": rejected.sender,
        "type": rejected.message_type, "message_id": id, "receipt": receipt})
}

fn narrowed_told(narrowed: &Narrowed) -> Value {
    let left = &narrowed.left;
    json!({"at": narrowed.at, "unit": narrowed.unit, "categories": left.mask, "rulebook": left.rulebook})
}
