//! Notices: what officers of an agency, or those who keep its certificates, should see to. The record
//! itself lies in `receipts` of the agency's unit `main`, once, and is told from there.
//!
//! INVARIANT: who is told follows from the record alone, when it is put there and when it is delivered.
//! What is told of another agency is that something is so, and nothing of what it is about.

use std::collections::BTreeSet;

use serde::Serialize;

use super::record::{
    Activated, Confirmed, Declared, EndedBy, Expiring, MeasureEnded, Proposed, Record,
};
use crate::agency::officer::Holder;
use crate::message::id::{AgencyId, Digest, UnitId};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;
use crate::policy::recovery::in_words;

/// The unit that each agency has.
const MAIN: &str = "main";

/// A notice, as its agency gets it: a JSON object with these fields.
#[derive(Debug, Serialize)]
pub(crate) struct Notice<'a> {
    #[serde(skip)]
    pub(crate) at: Timestamp,
    time: Timestamp,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "notice", rename_all = "lowercase")]
enum What<'a> {
    /// A proposal that the agency may approve, or of the board that changes its files.
    Proposal {
        proposal: u64,
        owner: String,
        /// What it comes to for agencies that the board gives officers, or ends.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        about: Vec<String>,
        approvals: u32,
    },
    /// The board has changed the agency's files.
    Activation {
        #[serde(skip_serializing_if = "Option::is_none")]
        proposal: Option<u64>,
        rulebook: Digest,
    },
    /// A measure of the agency itself.
    Measure {
        measure: u64,
        does: String,
        until: Timestamp,
    },
    /// A second officer has confirmed a measure of the agency.
    Confirmation { measure: u64 },
    /// A measure of the agency has ended by itself.
    End { measure: u64, why: &'static str },
    /// Another agency has suspended permits.
    Suspension {
        agency: &'a AgencyId,
        measure: u64,
        until: Timestamp,
    },
    /// A certificate of the agency ends.
    Certificate {
        whose: &'a str,
        ends: Timestamp,
        days: u32,
    },
}

/// The agencies that are told of a record.
pub(crate) fn told_of(record: &Record) -> BTreeSet<AgencyId> {
    match record {
        Record::Proposed(proposed) => {
            let mut told = proposed.draft.needs.of().clone();
            if proposed.draft.owner == Holder::Board {
                told.extend(changed_agencies(&proposed.draft.changes));
            }
            told
        }
        Record::Activated(activated) => activated.tells.clone(),
        Record::Declared(declared) => {
            let mut told = declared.alarms.clone();
            told.insert(declared.agency.clone());
            told
        }
        Record::Confirmed(confirmed) => BTreeSet::from([confirmed.agency.clone()]),
        Record::MeasureEnded(ended) => BTreeSet::from([ended.agency.clone()]),
        Record::Expiring(expiring) => BTreeSet::from([expiring.agency.clone()]),
        _ => BTreeSet::new(),
    }
}

/// The agencies of which entries, systems or officers are in these files.
pub(crate) fn changed_agencies(changes: &Changes) -> BTreeSet<AgencyId> {
    let agencies = changes.paths().filter_map(|path| {
        let (agency, _) = path.strip_prefix("agencies/")?.split_once('/')?;
        agency.parse().ok()
    });
    agencies.collect()
}

/// The unit in whose `receipts` an agency is told.
pub(crate) fn unit_of(agency: &AgencyId) -> Option<UnitId> {
    Some(UnitId {
        agency: agency.clone(),
        unit: MAIN.parse().ok()?,
    })
}

impl<'a> Notice<'a> {
    /// Its routing key.
    pub(crate) const KEY: &'static str = "carnet.notice";

    /// What a unit is told of a record; nothing where it is not told of it.
    pub(crate) fn of(record: &'a Record, unit: &UnitId) -> Option<Self> {
        let agency = &unit.agency;
        let is_told = unit.unit.as_str() == MAIN && told_of(record).contains(agency);
        let (at, what) = match record {
            _ if !is_told => return None,
            Record::Proposed(proposed) => of_proposed(proposed, agency),
            Record::Activated(activated) => of_activated(activated),
            Record::Declared(declared) => of_declared(declared, agency),
            Record::Confirmed(confirmed) => of_confirmed(confirmed),
            Record::MeasureEnded(ended) => of_ended(ended),
            Record::Expiring(expiring) => of_expiring(expiring),
            _ => return None,
        };
        Some(Self { at, time: at, what })
    }

    /// Its octets on the wire.
    pub(crate) fn octets(&self) -> Vec<u8> {
        // What is serialised are texts and numbers, under names that are texts.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Who has no vote is told of his own agency alone.
fn of_proposed<'a>(proposed: &'a Proposed, reader: &AgencyId) -> (Timestamp, What<'a>) {
    let draft = &proposed.draft;
    let mut turns = draft.turns();
    turns.retain(|agency, _| agency == reader || draft.needs.of().contains(reader));
    let what = What::Proposal {
        proposal: proposed.number,
        owner: draft.owner.to_string(),
        about: in_words(&turns),
        approvals: draft.needs.votes(),
    };
    (proposed.at, what)
}

fn of_activated(activated: &Activated) -> (Timestamp, What<'_>) {
    let what = What::Activation {
        proposal: activated.proposal,
        rulebook: activated.digest,
    };
    (activated.at, what)
}

/// To its own agency, what it does; to others, that permits are suspended.
fn of_declared<'a>(declared: &'a Declared, reader: &AgencyId) -> (Timestamp, What<'a>) {
    let Declared {
        at,
        agency,
        number,
        until,
        measure,
        ..
    } = declared;
    let (measure_number, until) = (*number, *until);
    let what = if agency == reader {
        What::Measure {
            measure: measure_number,
            // Systems read receipts, and officers the measure.
            does: measure.in_short(),
            until,
        }
    } else {
        What::Suspension {
            agency,
            measure: measure_number,
            until,
        }
    };
    (*at, what)
}

fn of_confirmed(confirmed: &Confirmed) -> (Timestamp, What<'_>) {
    let measure = confirmed.confirmation.measure;
    (confirmed.at, What::Confirmation { measure })
}

fn of_ended(ended: &MeasureEnded) -> (Timestamp, What<'_>) {
    let what = What::End {
        measure: ended.measure,
        why: match ended.why {
            EndedBy::Time => "time",
            EndedBy::Gone => "gone",
            EndedBy::Withdrawn => "withdrawn",
            EndedBy::Needless => "needless",
        },
    };
    (ended.at, what)
}

fn of_expiring(expiring: &Expiring) -> (Timestamp, What<'_>) {
    let what = What::Certificate {
        whose: &expiring.whose,
        ends: expiring.ends,
        days: expiring.days,
    };
    (expiring.at, what)
}
