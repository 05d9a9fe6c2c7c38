//! What an officer sees of the log: what is his agency's, or what a grant opens of all agencies'.

use serde_json::Value;

use super::describe;
use super::entry::{Entry, Part};
use super::granted::{InFull, Opened};
use super::seen;
use crate::broker::record::Record;
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

/// The numbers of the parts of an exchange's leaf.
const COMMON: usize = 0;
const SENDER: usize = 1;
const RECIPIENTS: usize = 2;

/// The parts of a leaf that are opened.
pub(super) enum Opens {
    /// All that there are.
    All,
    /// Those with these numbers.
    Some(Vec<usize>),
}

/// What an officer sees of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// What his agency sent and was given.
    Own(AgencyId),
    /// What a grant opens of all agencies.
    Granted(Opened),
}

impl Sight {
    /// What it has of a record.
    pub(super) fn parts(&self, record: &Record) -> Vec<Part> {
        match self {
            Self::Own(agency) => seen::parts(agency, record),
            Self::Granted(_) if record.is_evidence() => vec![Part::Whole],
            Self::Granted(_) => Vec::new(),
        }
    }

    /// The kinds that what it has may be of.
    pub(crate) const fn kinds(&self) -> &'static [&'static str] {
        match self {
            Self::Own(_) => &[
                "sent",
                "received",
                "rejected",
                "narrowed",
                "case",
                "declared",
                "confirmed",
                "measure-ended",
                "refusals-counted",
                "certificate-withdrawn",
                "new-key",
                "accessed",
            ],
            Self::Granted(_) => &[
                "exchange",
                "rejected",
                "narrowed",
                "case",
                "lost",
                "refusals-counted",
                "genesis",
                "proposed",
                "approved",
                "withdrawn",
                "scheduled",
                "activated",
                "declared",
                "confirmed",
                "measure-ended",
                "certificate-withdrawn",
                "new-key",
                "accessed",
            ],
        }
    }

    /// Whether part of a record is told as one of this kind.
    pub(super) fn is_kind(&self, kind: &str, part: Part, record: &Record) -> bool {
        let name = match self {
            Self::Own(_) => seen::kind(part, record),
            Self::Granted(_) => describe::kind(record),
        };
        name == kind
    }

    /// Which parts of a record's leaf are opened to him with this item; none where none is.
    pub(super) fn opens(&self, part: Part, record: &Record) -> Option<Opens> {
        let is_exchange = matches!(record, Record::Exchange(_));
        let is_sealed = matches!(record, Record::Rejected(_) | Record::Accessed(_));
        match (self, part) {
            (Self::Own(_), Part::Sent) => Some(Opens::Some(vec![COMMON, SENDER])),
            (Self::Own(_), Part::Received(at)) => Some(Opens::Some(vec![COMMON, RECIPIENTS + at])),
            (Self::Own(_), Part::Whole) => Some(Opens::All),
            (Self::Granted(opened), _) if !opened.rulings => {
                is_exchange.then(|| Opens::Some(vec![COMMON]))
            }
            // What is sealed in a record stands in its one part.
            (Self::Granted(opened), _) => (opened.payload || !is_sealed).then_some(Opens::All),
        }
    }

    /// What is told of it.
    pub(super) fn tell(&self, part: Part, entry: Entry, full: Option<&InFull>) -> Value {
        match self {
            Self::Own(_) => seen::tell(part, &entry),
            Self::Granted(opened) => opened.tell(entry, full),
        }
    }
}

/// When a record was written, by the log's time, which never steps back; none where it does not say so.
pub(in crate::http) fn written_at(record: &Record) -> Option<Timestamp> {
    Some(match record {
        Record::Genesis(it) => it.at,
        Record::Activated(it) => it.at,
        Record::Proposed(it) => it.at,
        Record::Approved(it) => it.at,
        Record::Withdrawn(it) => it.at,
        Record::Scheduled(it) => it.at,
        Record::Declared(it) => it.at,
        Record::Confirmed(it) => it.at,
        Record::MeasureEnded(it) => it.at,
        Record::Revoked(it) => it.at,
        Record::NewKey(it) => it.at,
        Record::Accessed(it) => it.at,
        Record::Exchange(it) => it.at,
        Record::Rejected(it) => it.at,
        Record::Case(it) => it.at,
        Record::Narrowed(it) => it.at,
        Record::Lost(it) => it.at,
        Record::Expiring(it) => it.at,
        Record::Placed(it) => it.at,
        Record::Repeats(it) => it.at,
        Record::RefusalsNoted(it) | Record::RefusalsCounted(it) => it.to,
        Record::OrderEnded { at, .. } | Record::Probed { at } => *at,
        Record::Checkpoint(checkpoint) => checkpoint.at,
        Record::Settled(_)
        | Record::Topology(_)
        | Record::Lease { .. }
        | Record::Recovered
        | Record::Stopped { .. } => return None,
    })
}
