//! What the parts of a payload frame hold.
//!
//! ```text
//! body     kept properties, none so far: length u32 = 0 | body
//! facts    spans | facts | question | record that it replies to or none
//! private  exchange, routing key, properties as they came: each behind its length u32 | body
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::form::{Form, form, front, put_count, put_list, put_long, put_measured};
use super::take::{Malformed, Take};
use crate::agency::keys::{
    BadFrame, FramePart, FrameWriter, OpenFrame, RetentionClass, Ring, Sealing,
};
use crate::broker::payload::{Kept, KeptProperties, PayloadHead, PrivateHead};
use crate::journal::{Frame, Lsn};
use crate::message::envelope::Asked;
use crate::message::facts::Facts;
use crate::message::id::{AgencyId, ExchangeId, UnitId};
use crate::message::onward::Onward;
use crate::message::spans::{Quoted, Spans};
use crate::policy::request::Question;

/// The octets of an address.
const LSN_BYTES: usize = 8;

/// Octets that are set aside for a head: more than one takes, as a rule.
const HEAD_BYTES: usize = 1 << 10;

impl PayloadHead<'_> {
    /// The frame of an exchange with this body.
    pub fn seal(&self, sealing: &Sealing<'_>, kept: Kept, body: &[u8]) -> Frame {
        let writer = FrameWriter::new(*sealing, body.len() + HEAD_BYTES)
            .part(FramePart::Body, kept.body, |out| {
                KeptProperties.put(out);
                out.extend_from_slice(body);
            })
            .part(FramePart::Facts, kept.facts, |out| self.put(out));
        Frame::new(writer.finish())
    }

    fn put(&self, out: &mut Vec<u8>) {
        let Question {
            asked,
            answers,
            quotes,
            own_keys,
        } = self.question;
        self.spans.put(out);
        self.facts.put(out);
        put_addressees(&asked.to, out);
        asked.purpose.put(out);
        asked.case.put(out);
        answers.put(out);
        quotes.put(out);
        own_keys.put(out);
        asked.handling.put(out);
        self.answered.put(out);
    }
}

/// The frame of an exchange, opened and taken apart; read only where it is asked for.
#[derive(Debug, Clone)]
pub struct OpenPayload {
    body: Bytes,
    head: Bytes,
}

impl OpenPayload {
    /// The frame of the exchange with this id.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged or not that exchange's, or a key of it is not in the ring. What
    /// stands in the part of the facts is held to its form when it is read.
    pub fn open(id: ExchangeId, octets: &[u8], ring: &Ring) -> Result<Self, BadFrame> {
        let frame = OpenFrame::of(id, octets, ring)?;
        let content = frame.content(FramePart::Body)?;
        let (KeptProperties, body) = front(&content).map_err(|_| BadFrame)?;
        Ok(Self {
            body: content.slice_ref(body),
            head: frame.content(FramePart::Facts)?,
        })
    }

    /// The body as it was sent.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body by data category.
    ///
    /// # Errors
    /// [`BadFrame`] where they are not what was written; so of all that is read from the head.
    pub fn spans(&self) -> Result<Spans, BadFrame> {
        Form::take(&mut Take::new(&self.head)).map_err(|_| BadFrame)
    }

    /// The facts that the ruling was made from, and what was asked beside them.
    pub fn ruled_from(&self) -> Result<(Facts, Question<'static>), BadFrame> {
        let head = self.read_head().map_err(|_| BadFrame)?;
        Ok((head.facts, head.question))
    }

    /// The record of the message of `unit` that this one replies to; none where it replies to another's
    /// or to none.
    pub fn answered(&self, unit: &UnitId) -> Result<Option<Lsn>, BadFrame> {
        // It is the last field. Few messages are replies, and where no 1 stands in front of an address
        // the head is not read for it.
        if self.head.iter().nth_back(LSN_BYTES) != Some(&1) {
            return Ok(None);
        }
        let Head {
            question, answered, ..
        } = self.read_head().map_err(|_| BadFrame)?;
        Ok(answered.filter(|_| question.answers.contains(unit)))
    }

    fn read_head(&self) -> Result<Head, Malformed> {
        let mut from = Take::new(&self.head);
        Spans::take(&mut from)?;
        let facts = Form::take(&mut from)?;
        let mut asked = Asked {
            to: addressees(&mut from)?,
            purpose: Form::take(&mut from)?,
            case: Form::take(&mut from)?,
            handling: Onward::default(),
        };
        let mut question = Question {
            answers: Form::take(&mut from)?,
            quotes: Cow::Owned(Form::take(&mut from)?),
            own_keys: Form::take(&mut from)?,
            ..Question::default()
        };
        asked.handling = Form::take(&mut from)?;
        question.asked = Cow::Owned(asked);
        let answered = Form::take(&mut from)?;
        from.end()?;
        Ok(Head {
            facts,
            question,
            answered,
        })
    }
}

/// The rest of the part of the facts, behind the spans.
struct Head {
    facts: Facts,
    question: Question<'static>,
    answered: Option<Lsn>,
}

/// Writes addressees as texts; no list where there are none.
fn put_addressees(to: &[UnitId], out: &mut Vec<u8>) {
    (!to.is_empty()).put(out);
    if !to.is_empty() {
        put_count(to.len(), out);
        for unit in to {
            put_measured(out, |out| {
                out.extend_from_slice(unit.agency.as_str().as_bytes());
                out.push(b'/');
                out.extend_from_slice(unit.unit.as_str().as_bytes());
            });
        }
    }
}

/// Reads what [`put_addressees`] writes and no other spelling of it: a list that is there names at
/// least one unit, and none twice.
fn addressees(from: &mut Take<'_>) -> Result<Vec<UnitId>, Malformed> {
    if !bool::take(from)? {
        return Ok(Vec::new());
    }
    let before = from.malformed();
    let count = from.count(String::LEAST)?;
    let units = (0..count).map(|_| from.text()?.parse().map_err(|_| before));
    let units: Vec<UnitId> = units.collect::<Result<_, _>>()?;
    let distinct = units.iter().collect::<BTreeSet<_>>().len();
    let is_one = distinct > 0 && distinct == units.len();
    is_one.then_some(units).ok_or(before)
}

impl PrivateHead<'_> {
    /// The frame of a private publish with this body.
    pub fn seal(&self, sealing: &Sealing<'_>, body: &[u8]) -> Frame {
        let head = self.exchange.len() + self.routing_key.len() + self.raw_properties.len();
        let writer = FrameWriter::new(*sealing, body.len() + head + Self::LEAST);
        let writer = writer.part(FramePart::Private, RetentionClass::PRIVATE, |out| {
            self.put(out);
            out.extend_from_slice(body);
        });
        Frame::new(writer.finish())
    }
}

/// The frame of a private publish, opened.
#[derive(Debug, Clone)]
pub struct OpenPrivate(Bytes);

impl OpenPrivate {
    /// Opens it.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged or an exchange's, or its key is not in the ring.
    pub fn open(octets: &[u8], ring: &Ring) -> Result<Self, BadFrame> {
        let (_, frame) = OpenFrame::any(octets, ring)?;
        frame.content(FramePart::Private).map(Self)
    }

    /// Head and body.
    ///
    /// # Errors
    /// [`BadFrame`] where they are not what was written.
    pub fn read(&self) -> Result<(PrivateHead<'_>, Bytes), BadFrame> {
        let (head, body) = front(&self.0).map_err(|_| BadFrame)?;
        Ok((head, self.0.slice_ref(body)))
    }

    /// Octets of it, shared.
    pub fn share(&self, octets: &[u8]) -> Bytes {
        self.0.slice_ref(octets)
    }
}

/// The octets of the properties that are kept of an exchange: none so far.
impl<'a> Form<'a> for KeptProperties {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_long(&[], out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let is_known = from.long()?.is_empty();
        is_known.then_some(Self).ok_or(before)
    }
}

form!(PrivateHead<'a> {
    exchange: &'a str,
    routing_key: &'a str,
    raw_properties: &'a [u8],
});

form!(Quoted {
    originator: AgencyId,
    clear: String,
});

impl<'a> Form<'a> for Spans {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.parts().iter(), out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self::of_parts(Form::take(from)?))
    }
}
