//! Records by the kind and schema that stand in the journal's record header.
//!
//! A kind is never given to another record and never used again. A schema number has one decoder,
//! for as long as logs of it are read; an encoding never changes under its number.
//!
//! | kind | record | layout |
//! |---|---|---|
//! | 1, 2, 22 to 25 | genesis, activated, proposed, approved, withdrawn, scheduled | [`governance`](super::governance) |
//! | 3 | exchange | [`exchange`](super::exchange) |
//! | 4, 9, 10, 15, 16, 17 | rejected, case, narrowed, refusals noted and counted, lost | [`evidence`](super::evidence) |
//! | 5, 6, 7, 18 to 21 | placed, settled, a queue declared, deleted, purged, bound, unbound | [`queues`](super::queues) |
//! | 8 | lease | queue, address |
//! | 11 | recovered | nothing |
//! | 12 | stopped | list of queue and address |
//! | 13 | an order ended | time, order |
//! | 14 | repeats | [`evidence`](super::evidence) |
//! | 26, 27 | accessed, probed | [`governance`](super::governance), time |
//! | 28 to 31 | a measure declared, confirmed, ended, a certificate that ends | [`measures`](super::measures) |
//! | 32, 33 | a connection closed for its certificate, a new key | [`trust`](super::trust) |
//! | 34 | a checkpoint of the tree | [`evidence`](super::evidence) |
//!
//! Before a record of evidence, an exchange apart, stands the secret of its leaf, 32 octets.

use std::cmp::Ordering;

use super::exchange::Whole;
use super::form::Form;
use super::take::{Malformed, Take};
use super::words::{Numbered, numbered};
use crate::broker::ids::OrderKey;
use crate::broker::record::{
    Accessed, Activated, Approved, Binding, CaseChange, Checkpoint, Confirmed, CountedRefusals,
    Declared, Exchange, Expiring, Genesis, LeafSecret, Lost, MeasureEnded, Narrowed, NewKey,
    Placed, Proposed, QueueId, QueueProperties, Record, Rejected, Repeats, Revoked, SCHEMA,
    Scheduled, Settled, Topology, Withdrawn,
};
use crate::journal::{Kind, Lsn};
use crate::message::id::{KeyedDigest, UnitId};
use crate::message::time::Timestamp;

/// Why a record could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version.
    #[error("record schema {0} is newer than this version reads ({SCHEMA}); upgrade carnet")]
    Schema(u16),
    /// Written before records had a form that lasts.
    #[error(
        "record schema {0} is of an early version, which this one ({SCHEMA}) does not read; begin a new log"
    )]
    Early(u16),
    /// A kind that this schema does not have.
    #[error("record kind {0} is none of schema {SCHEMA}: the record is damaged")]
    Kind(u8),
    /// The octets are not a record of their kind.
    #[error("the record is {0}")]
    Encoding(#[from] Malformed),
}

numbered!(Record {
    1 = Genesis(genesis: Genesis),
    2 = Activated(activated: Box<Activated>),
    3 = Exchange(exchange: Box<Exchange>),
    4 = Rejected(rejected: Box<Rejected>),
    5 = Placed(placed: Box<Placed>),
    6 = Settled(settled: Settled),
    8 = Lease { queue: QueueId, up_to: Lsn },
    9 = Case(change: CaseChange),
    10 = Narrowed(narrowed: Narrowed),
    11 = Recovered,
    12 = Stopped { out: Vec<(QueueId, Lsn)> },
    13 = OrderEnded { at: Timestamp, order: OrderKey },
    14 = Repeats(repeats: Repeats),
    15 = RefusalsNoted(counted: CountedRefusals),
    16 = RefusalsCounted(counted: CountedRefusals),
    17 = Lost(lost: Lost),
    22 = Proposed(proposed: Box<Proposed>),
    23 = Approved(approved: Box<Approved>),
    24 = Withdrawn(withdrawn: Withdrawn),
    25 = Scheduled(scheduled: Scheduled),
    26 = Accessed(accessed: Box<Accessed>),
    27 = Probed { at: Timestamp },
    28 = Declared(declared: Box<Declared>),
    29 = Confirmed(confirmed: Box<Confirmed>),
    30 = MeasureEnded(ended: MeasureEnded),
    31 = Expiring(expiring: Expiring),
    32 = Revoked(revoked: Box<Revoked>),
    33 = NewKey(key: Box<NewKey>),
    34 = Checkpoint(checkpoint: Box<Checkpoint>),
    ; Topology(Topology)
});

numbered!(Topology {
    7 = Declared {
        queue: QueueId,
        unit: UnitId,
        name: String,
        properties: QueueProperties,
    },
    18 = Deleted(queue: QueueId),
    19 = Purged { queue: QueueId, out: Vec<Lsn> },
    20 = Bound { queue: QueueId, binding: Binding },
    21 = Unbound { queue: QueueId, binding: Binding },
});

impl Record {
    /// The kind of [`Record::Exchange`]: who looks for these alone need not read the others.
    pub const EXCHANGE: u8 = 3;

    /// The kinds of records that are found by keys: exchange, case and narrowed.
    pub const KEYED: [u8; 3] = [Self::EXCHANGE, 9, 10];

    /// The kind of [`Record::Checkpoint`].
    pub const CHECKPOINT: u8 = 34;

    /// The kind of [`Record::Stopped`]: a journal that ends with it was closed cleanly.
    pub const STOPPED: u8 = 12;

    /// The kind, for the journal's record header.
    pub fn kind(&self) -> u8 {
        self.number()
    }

    /// Whether the record is evidence: a leaf of the tree.
    pub fn is_evidence(&self) -> bool {
        is_evidence(self.number())
    }

    /// Whether records of a kind are evidence.
    pub const fn is_evidence_kind(kind: u8) -> bool {
        is_evidence(kind)
    }

    /// Appends the octets behind the record header. The secret is that of evidence which has none of its
    /// own.
    pub fn encode(&self, secret: &LeafSecret, out: &mut Vec<u8>) {
        if has_secret_before(self.number()) {
            secret.put(out);
        }
        self.put_inside(out);
    }

    /// Reads a record back from what the journal has of it.
    ///
    /// # Errors
    /// Where its schema or kind is not one of this version's, or its octets are not that kind's.
    pub fn decode(kind: Kind, body: &[u8]) -> Result<Self, RecordError> {
        let Kind { kind, schema } = kind;
        known(schema)?;
        let mut from = Take::new(body);
        if has_secret_before(kind) {
            LeafSecret::take(&mut from)?;
        }
        let record = Self::take_inside(kind, &mut from)?.ok_or(RecordError::Kind(kind))?;
        from.end()?;
        Ok(record)
    }
}

impl Exchange {
    /// The digest by which a repeat of it is recognised, and nothing else of its record.
    ///
    /// # Errors
    /// Where its schema is not one of this version's, or its octets end too early.
    pub fn key_in(schema: u16, body: &[u8]) -> Result<KeyedDigest, RecordError> {
        known(schema)?;
        let mut beside = Whole::take(&mut Take::new(body))?.beside;
        Ok(Form::take(&mut beside)?)
    }
}

/// Whether records of a kind are evidence. Those that are not say how messages move through queues, or how
/// the broker keeps its books.
pub(super) const fn is_evidence(kind: u8) -> bool {
    matches!(kind, 1..=4 | 9 | 10 | 16 | 17 | 22..=26 | 28..=30 | 32 | 33)
}

/// Whether the secret of a record's leaf stands before it: an exchange has one of its own.
pub(super) const fn has_secret_before(kind: u8) -> bool {
    is_evidence(kind) && kind != Record::EXCHANGE
}

pub(super) fn known(schema: u16) -> Result<(), RecordError> {
    match schema.cmp(&SCHEMA) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(RecordError::Schema(schema)),
        Ordering::Less => Err(RecordError::Early(schema)),
    }
}
