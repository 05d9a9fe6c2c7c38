//! The leaf of a record of evidence, from its octets as they stand on disk.
//!
//! An exchange has a common part, its sender's and one for each recipient, numbered in this order. Any other record
//! is one part, all that stands behind its secret. What stands of an exchange beside the parts is committed to by
//! none.

use super::exchange::Whole;
use super::form::Form;
use super::records::{RecordError, is_evidence, known};
use super::take::{Malformed, Take};
use crate::broker::record::{LeafSecret, Record};
use crate::evidence::leaf::{Leaf, Opened, Part, Parts, What};
use crate::journal::Kind;
use crate::message::id::KeyedDigest;

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
