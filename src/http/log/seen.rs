//! What an agency's auditor sees of the log: what his agency sent, as its sender was told, and what its
//! units were given. Numbers are the units' own: the place of a record in the log says how much others do.

use serde_json::{Value, json};

use super::describe::{self, Described};
use super::entry::{Entry, Part};
use crate::broker::receipt::Receipt;
use crate::broker::record::{
    CaseStep, Confidential, CountedRefusals, Exchange, Narrowed, Outcome, Recipient, Record,
    Rejected,
};
use crate::message::id::AgencyId;

/// What an auditor of `agency` sees of a record: nothing where it is not his agency's, several parts
/// where it sent something to itself.
pub(super) fn parts(agency: &AgencyId, record: &Record) -> Vec<Part> {
    let is_own = match record {
        Record::Exchange(exchange) => return parts_of(agency, exchange),
        Record::Rejected(rejected) => rejected.sender.agency == *agency,
        Record::Narrowed(narrowed) => narrowed.unit.agency == *agency,
        Record::Case(change) => change.sender.agency == *agency,
        Record::RefusalsCounted(counted) => counted.party.agency() == agency,
        Record::Declared(declared) => declared.agency == *agency,
        Record::Confirmed(confirmed) => confirmed.agency == *agency,
        Record::MeasureEnded(ended) => ended.agency == *agency,
        Record::Revoked(revoked) => revoked.agency == *agency,
        Record::NewKey(key) => key.agency == *agency,
        Record::Accessed(accessed) => accessed.act.by.holder.agency() == Some(agency),
        _ => false,
    };
    is_own.then_some(Part::Whole).into_iter().collect()
}

fn parts_of(agency: &AgencyId, exchange: &Exchange) -> Vec<Part> {
    // A repeat has a record where it reached others, of which its sender is told nothing.
    let is_sent = exchange.sender.agency == *agency && !exchange.is_repeat();
    let sent = is_sent.then_some(Part::Sent);
    // What was refused to a unit it is not told of.
    let is_given = |recipient: &Recipient| {
        recipient.unit.agency == *agency && matches!(recipient.outcome, Outcome::Released(_))
    };
    let recipients = exchange.recipients.iter().enumerate();
    let own = recipients.filter(|(_, recipient)| is_given(recipient));
    let given = own.map(|(at, _)| Part::Received(at));
    sent.into_iter().chain(given).collect()
}

/// The name of its kind.
pub(super) const fn kind(part: Part, record: &Record) -> &'static str {
    match part {
        Part::Sent => "sent",
        Part::Received(_) => "received",
        Part::Whole => describe::kind(record),
    }
}

/// What is told of it.
pub(super) fn tell(part: Part, entry: &Entry) -> Value {
    let mut told = match (part, &entry.record) {
        (Part::Sent, Record::Exchange(exchange)) => sent(exchange),
        (Part::Received(at), Record::Exchange(exchange)) => received(exchange, at),
        (_, Record::Rejected(rejected)) => rejected_told(rejected),
        (_, Record::Narrowed(narrowed)) => narrowed_told(narrowed),
        (_, Record::Case(change)) => json!({"at": change.at, "case": change.case,
            "unit": change.sender, "step": step(&change.what)}),
        (_, Record::RefusalsCounted(counted)) => {
            let CountedRefusals { from, to, .. } = counted;
            json!({"at": to, "from": from, "to": to, "count": counted.count})
        }
        (_, record) => Described::of(None, entry.lsn, record, None).to_json(),
    };
    if let Some(fields) = told.as_object_mut() {
        // Where a record lies says how much others do.
        fields.retain(|name, _| !["number", "lsn", "clock"].contains(&name.as_str()));
        fields.insert("kind".to_owned(), json!(kind(part, &entry.record)));
    }
    told
}

fn sent(exchange: &Exchange) -> Value {
    let confidential = Confidential::read(&exchange.sealed);
    let receipt = confidential
        .as_ref()
        .map(|it| Receipt::of_exchange(exchange, it));
    let id = confidential.as_ref().map(|it| it.message_id);
    // One that counted for units alone that the sender may not know of says that there are some.
    let case = exchange.case.as_ref().filter(|_| exchange.case_shown);
    json!({"at": exchange.at, "system": exchange.sender, "unit": exchange.unit,
        "type": exchange.message_type, "case": case, "message_id": id,
        "receipt": receipt})
}

const fn step(step: &CaseStep) -> &'static str {
    match step {
        CaseStep::Open { .. } => "opened",
        CaseStep::Join => "joined",
        CaseStep::Close => "closed",
    }
}

/// A release, as its delivery says it.
fn received(exchange: &Exchange, at: usize) -> Value {
    let Some(Recipient {
        unit,
        outcome: Outcome::Released(released),
        ..
    }) = exchange.recipients.get(at)
    else {
        return Value::Null;
    };
    json!({"at": exchange.at, "unit": unit, "sequence": released.number,
        "type": exchange.message_type, "sender": exchange.sender.agency,
        "categories": released.mask, "withheld": exchange.holds.without(released.mask),
        "rulebook": exchange.rulebook})
}

fn rejected_told(rejected: &Rejected) -> Value {
    let confidential = Confidential::read(&rejected.sealed);
    let receipt = confidential
        .as_ref()
        .map(|it| Receipt::of_rejected(rejected, it));
    let id = confidential.as_ref().map(|it| it.message_id);
    json!({"at": rejected.at, "system": rejected.sender, "unit": rejected.unit,
        "type": rejected.message_type, "message_id": id, "receipt": receipt})
}

fn narrowed_told(narrowed: &Narrowed) -> Value {
    let left = &narrowed.left;
    json!({"at": narrowed.at, "unit": narrowed.unit, "categories": left.mask, "rulebook": left.rulebook})
}
