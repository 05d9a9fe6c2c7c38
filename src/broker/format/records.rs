//! Records by the kind and schema that stand in the journal's record header.
//!
//! A kind is never given to another record and never used again. A schema number has one decoder,
//! for as long as logs of it are read; an encoding never changes under its number.
//!
//! | kind | record | layout |
//! |---|---|---|
//! | 1, 2 | genesis, activated | [`evidence`](super::evidence) |
//! | 3 | exchange | [`exchange`](super::exchange) |
//! | 4, 9, 10, 15, 16, 17 | rejected, case, narrowed, refusals noted and counted, lost | [`evidence`](super::evidence) |
//! | 5, 6, 7, 18 to 21 | placed, settled, a queue declared, deleted, purged, bound, unbound | [`queues`](super::queues) |
//! | 8 | lease | queue, address |
//! | 11 | recovered | nothing |
//! | 12 | stopped | list of queue and address |
//! | 13 | an order ended | time, order |
//! | 14 | repeats | [`evidence`](super::evidence) |

use std::cmp::Ordering;

use super::exchange::ExchangeRef;
use super::form::Form;
use super::take::{Malformed, Take};
use crate::broker::record::{Record, SCHEMA, Topology};
use crate::journal::Kind;

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

impl Record {
    /// All kinds of records that are written.
    pub const KINDS: [u8; 21] = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    ];

    /// Appends the octets behind the record header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Genesis(genesis) | Self::Activated(genesis) => genesis.put(out),
            Self::Exchange(exchange) => exchange.put(out),
            Self::Rejected(rejected) => rejected.put(out),
            Self::Placed(placed) => placed.put(out),
            Self::Settled(settled) => settled.put(out),
            Self::Topology(topology) => put_topology(topology, out),
            Self::Lease { queue, up_to } => {
                queue.put(out);
                up_to.put(out);
            }
            Self::Case(change) => change.put(out),
            Self::Narrowed(narrowed) => narrowed.put(out),
            Self::OrderEnded { at, order } => {
                at.put(out);
                order.put(out);
            }
            Self::Recovered => {}
            Self::Stopped { out: left } => left.put(out),
            Self::Repeats(repeats) => repeats.put(out),
            Self::RefusalsNoted(counted) | Self::RefusalsCounted(counted) => counted.put(out),
            Self::Lost(lost) => lost.put(out),
        }
    }

    /// Reads a record back from what the journal has of it.
    ///
    /// # Errors
    /// Where its schema or kind is not one of this version's, or its octets are not that kind's.
    pub fn decode(kind: Kind, body: &[u8]) -> Result<Self, RecordError> {
        let Kind { kind, schema } = kind;
        known(schema)?;
        let mut from = Take::new(body);
        let record = of_schema_4(kind, &mut from)?.ok_or(RecordError::Kind(kind))?;
        from.end()?;
        Ok(record)
    }
}

impl<'a> ExchangeRef<'a> {
    /// The record of an exchange, by what the journal has of it.
    ///
    /// # Errors
    /// Where its schema is not one of this version's, or its octets end too early. What stands in its
    /// parts is held to its form when it is read.
    pub fn decode(schema: u16, body: &'a [u8]) -> Result<Self, RecordError> {
        known(schema)?;
        Ok(Self::of(body)?)
    }
}

fn known(schema: u16) -> Result<(), RecordError> {
    match schema.cmp(&SCHEMA) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(RecordError::Schema(schema)),
        Ordering::Less => Err(RecordError::Early(schema)),
    }
}

/// None where there is no such kind.
fn of_schema_4(kind: u8, from: &mut Take<'_>) -> Result<Option<Record>, Malformed> {
    Ok(Some(match kind {
        1 => Record::Genesis(Form::take(from)?),
        2 => Record::Activated(Form::take(from)?),
        3 => Record::Exchange(Form::take(from)?),
        4 => Record::Rejected(Form::take(from)?),
        5 => Record::Placed(Form::take(from)?),
        6 => Record::Settled(Form::take(from)?),
        7 => Record::Topology(Topology::Declared {
            queue: Form::take(from)?,
            unit: Form::take(from)?,
            name: Form::take(from)?,
            properties: Form::take(from)?,
        }),
        8 => Record::Lease {
            queue: Form::take(from)?,
            up_to: Form::take(from)?,
        },
        9 => Record::Case(Form::take(from)?),
        10 => Record::Narrowed(Form::take(from)?),
        11 => Record::Recovered,
        12 => Record::Stopped {
            out: Form::take(from)?,
        },
        13 => Record::OrderEnded {
            at: Form::take(from)?,
            order: Form::take(from)?,
        },
        14 => Record::Repeats(Form::take(from)?),
        15 => Record::RefusalsNoted(Form::take(from)?),
        16 => Record::RefusalsCounted(Form::take(from)?),
        17 => Record::Lost(Form::take(from)?),
        18 => Record::Topology(Topology::Deleted(Form::take(from)?)),
        19 => Record::Topology(Topology::Purged {
            queue: Form::take(from)?,
            out: Form::take(from)?,
        }),
        20 => Record::Topology(Topology::Bound {
            queue: Form::take(from)?,
            binding: Form::take(from)?,
        }),
        21 => Record::Topology(Topology::Unbound {
            queue: Form::take(from)?,
            binding: Form::take(from)?,
        }),
        _ => return Ok(None),
    }))
}

fn put_topology(topology: &Topology, out: &mut Vec<u8>) {
    match topology {
        Topology::Declared {
            queue,
            unit,
            name,
            properties,
        } => {
            queue.put(out);
            unit.put(out);
            name.put(out);
            properties.put(out);
        }
        Topology::Deleted(queue) => queue.put(out),
        Topology::Purged { queue, out: left } => {
            queue.put(out);
            left.put(out);
        }
        Topology::Bound { queue, binding } | Topology::Unbound { queue, binding } => {
            queue.put(out);
            binding.put(out);
        }
    }
}
