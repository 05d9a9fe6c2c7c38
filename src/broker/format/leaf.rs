//! The leaf of a record of evidence, from its octets as they stand on disk.
//!
//! An exchange has a common part, its sender's and one for each recipient, numbered in this order. Any other record
//! is one part, all that stands behind its secret. What stands of an exchange beside the parts is committed to by
//! none.

use super::exchange::Whole;
use super::form::Form;
use super::records::{RecordError, is_evidence, known};
use super::take::{Malformed, Take};
use crate::broker::record::{LeafSecret, Outcome, Record};
use crate::evidence::leaf::{Leaf, Opened, Part, Parts, What};
use crate::journal::Kind;
use crate::message::id::{Digest, KeyedDigest, MessageType, SystemId, UnitId};
use crate::message::time::Timestamp;

/// The parts of a record of evidence.
pub struct Evidence<'a> {
    secret: LeafSecret,
    /// In the order of their numbers.
    parts: Vec<Part<'a>>,
    /// How many a party may learn of.
    shown: usize,
}

impl<'a> Evidence<'a> {
    /// The parts of a record as the journal has it; none where it is no evidence.
    ///
    /// # Errors
    /// Where its schema is not one of this version's, or its octets are not its kind's.
    pub fn of(kind: Kind, body: &'a [u8]) -> Result<Option<Self>, RecordError> {
        known(kind.schema)?;
        if !is_evidence(kind.kind) {
            return Ok(None);
        }
        let mut from = Take::new(body);
        let part = |what, octets| Part {
            what,
            kind: kind.kind,
            schema: kind.schema,
            octets,
        };
        if kind.kind == Record::EXCHANGE {
            return Ok(Some(Self::of_exchange(&mut from, part)?));
        }
        let secret = LeafSecret::take(&mut from)?;
        Ok(Some(Self {
            secret,
            parts: vec![part(What::Whole, from.rest())],
            shown: 1,
        }))
    }

    fn of_exchange(
        from: &mut Take<'a>,
        part: impl Fn(What, &'a [u8]) -> Part<'a>,
    ) -> Result<Self, Malformed> {
        let Whole {
            secret,
            parts: mut from,
            mut beside,
        } = Whole::take(from)?;
        let mut parts = vec![
            part(What::Common, from.long()?),
            part(What::Sender, from.long()?),
        ];
        let count = from.count(4)?;
        KeyedDigest::take(&mut beside)?;
        let mut shown = parts.len();
        for _ in 0..count {
            let octets = from.long()?;
            let recipient = super::exchange::recipient(Take::new(octets), &mut beside)?;
            shown += usize::from(recipient.known);
            parts.push(part(What::Recipient, octets));
        }
        from.end()?;
        Ok(Self {
            secret,
            parts,
            shown,
        })
    }

    /// The parts, in the order of their numbers.
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The leaf.
    pub fn leaf(&self) -> Leaf {
        self.added().leaf(self.shown)
    }

    /// How the part with this number opens.
    pub fn opened(&self, number: usize) -> Option<Opened> {
        self.added().close(self.shown, number).1
    }

    fn added(&self) -> Parts {
        let mut parts = Parts::new(&self.secret);
        self.parts.iter().for_each(|part| parts.add(part));
        parts
    }
}

/// What an opened part says.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "part", rename_all = "lowercase")]
pub enum Said {
    /// What every party to an exchange may open.
    Common {
        /// When it was committed.
        at: Timestamp,
        /// The rulebook that decided.
        rulebook: Digest,
        /// The keyed digest of the facts.
        facts: Digest,
    },
    /// What its sender may open.
    Sender {
        /// The system that sent it.
        system: SystemId,
        /// Its unit.
        unit: UnitId,
        /// The type of the message.
        #[serde(rename = "type")]
        message_type: MessageType,
        /// Octets of the body.
        octets: u64,
        /// SHA-256 of the payload frame.
        frame: Digest,
        /// SHA-256 of what is between sender and broker.
        confidential: Digest,
        /// The unit's own number; none for a repeat.
        number: Option<u64>,
    },
    /// What one recipient may open.
    Recipient {
        /// The unit.
        unit: UnitId,
        /// The decision.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// All of a record that has no parts.
    #[serde(skip)]
    Whole(Box<Record>),
}

impl Said {
    /// Reads a part.
    ///
    /// # Errors
    /// Where its schema or kind is not one of this version's, or its octets are not that kind's.
    pub fn of(part: &Part<'_>) -> Result<Self, RecordError> {
        let kind = Kind {
            kind: part.kind,
            schema: part.schema,
        };
        known(kind.schema)?;
        if part.what != What::Whole && kind.kind != Record::EXCHANGE {
            return Err(RecordError::Kind(kind.kind));
        }
        let mut from = Take::new(part.octets);
        let said = match part.what {
            What::Whole => {
                let body = [&[0; 32][..], part.octets].concat();
                return Ok(Self::Whole(Box::new(Record::decode(kind, &body)?)));
            }
            What::Common => Self::Common {
                at: Form::take(&mut from)?,
                rulebook: Form::take(&mut from)?,
                facts: Form::take(&mut from)?,
            },
            What::Sender => Self::Sender {
                system: Form::take(&mut from)?,
                unit: Form::take(&mut from)?,
                message_type: Form::take(&mut from)?,
                octets: Form::take(&mut from)?,
                frame: Form::take(&mut from)?,
                confidential: Form::take(&mut from)?,
                number: Form::take(&mut from)?,
            },
            What::Recipient => Self::Recipient {
                unit: Form::take(&mut from)?,
                outcome: Form::take(&mut from)?,
            },
        };
        from.end()?;
        Ok(said)
    }
}
