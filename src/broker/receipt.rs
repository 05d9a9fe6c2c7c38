//! Receipts: what a sender may know of its exchange, rendered from the record when delivered.

use std::borrow::Cow;

use serde::Serialize;

use super::exchange::{Place, places};
use super::record::{
    Confidential, Exchange, FaultTold, LastNumbers, Lost, Outcome, Rejected, Told,
};
use crate::message::id::{Digest, Mask, UnitId};
use crate::message::time::Timestamp;

/// The receipt of one exchange, as its sender gets it: a JSON object with these fields.
#[derive(Debug, Serialize)]
pub(crate) struct Receipt<'a> {
    sequence: Sequence,
    #[serde(rename = "x-carnet-sequence", skip_serializing_if = "Option::is_none")]
    received: Option<Gap>,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    rulebook: Option<Digest>,
    outcome: &'static str,
    #[serde(flatten)]
    not_ruled: Option<NotRuled<'a>>,
    recipients: Vec<Recipient<'a>>,
    warnings: Vec<Place<'a>>,
}

/// The sender's own number, or the numbers between which its receipts are lost.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Sequence {
    Number(Option<u64>),
    Lost(Gap),
}

/// Numbers that are given no more, the first and the last of them.
#[derive(Debug, Serialize)]
struct Gap {
    from: u64,
    to: u64,
}

/// Why a message was not ruled.
#[derive(Debug, Serialize)]
struct NotRuled<'a> {
    code: u16,
    place: &'a str,
    rule: &'a str,
    faults: Cow<'a, [FaultTold<'a>]>,
    faults_untold: u32,
}

/// A recipient of which the sender may know, or an addressee that it named.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
enum Recipient<'a> {
    Released { unit: &'a UnitId, withheld: Mask },
    Refused(&'a Told<'a>),
}

impl<'a> Receipt<'a> {
    /// The receipt of a ruled exchange.
    pub(crate) fn of_exchange(exchange: &'a Exchange, confidential: &'a Confidential<'a>) -> Self {
        let known = exchange.recipients.iter().filter(|it| it.known);
        let released = known.filter_map(|recipient| match &recipient.outcome {
            Outcome::Released(released) => Some(Recipient::Released {
                unit: &recipient.unit,
                withheld: exchange.holds.without(released.mask),
            }),
            Outcome::Refused { .. } => None,
        });
        let refused = confidential.told.iter().map(Recipient::Refused);
        let recipients: Vec<Recipient<'a>> = released.chain(refused).collect();
        let is_released = matches!(recipients.first(), Some(Recipient::Released { .. }));
        Self {
            sequence: Sequence::Number(exchange.number),
            received: None,
            time: exchange.at,
            rulebook: Some(exchange.rulebook),
            outcome: if is_released { "released" } else { "refused" },
            not_ruled: None,
            recipients,
            warnings: places(confidential),
        }
    }

    /// The receipt of a submission that was not ruled.
    pub(crate) fn of_rejected(rejected: &'a Rejected, confidential: &'a Confidential<'a>) -> Self {
        let is_invalid = rejected.code == 406;
        let said = rejected.said.as_ref().map(|text| FaultTold {
            place: &rejected.place,
            rule: &rejected.rule,
            text,
        });
        let faults = match said {
            Some(said) => Cow::Owned(vec![said]),
            None => Cow::Borrowed(confidential.faults.as_slice()),
        };
        Self {
            sequence: Sequence::Number(Some(rejected.number)),
            received: None,
            time: rejected.at,
            rulebook: None,
            outcome: if is_invalid { "invalid" } else { "refused" },
            not_ruled: Some(NotRuled {
                code: rejected.code,
                place: &rejected.place,
                rule: &rejected.rule,
                faults,
                faults_untold: confidential.faults_untold,
            }),
            recipients: Vec::new(),
            warnings: places(confidential),
        }
    }

    /// The notice to a unit whose numbers jump, since the end of the log was lost: what it was told
    /// under a number between is gone.
    pub(crate) fn of_lost(lost: &Lost, numbers: &LastNumbers) -> Self {
        let gap = |before: u64| Gap {
            from: before.saturating_add(1),
            to: before.saturating_add(lost.jump),
        };
        Self {
            sequence: Sequence::Lost(gap(numbers.sent)),
            received: Some(gap(numbers.received)),
            time: lost.at,
            rulebook: None,
            outcome: "lost",
            not_ruled: None,
            recipients: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Its octets on the wire.
    pub(crate) fn octets(&self) -> Vec<u8> {
        // What is serialised are texts, numbers and lists of these, under names that are texts.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
