//! What the parts of a payload frame hold.
//!
//! ```text
//! body     kept properties, none so far: length u32 = 0 | body
//! facts    spans | facts | question | record that it replies to or none
//! private  exchange, routing key, properties as they came: each behind its length u32 | body
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;

use super::form::{Form, form, front, put_long, whole};
use super::take::{Malformed, Take};
use crate::agency::keys::{BadFrame, FramePart, FrameWriter, OpenFrame, RetentionClass};
use crate::broker::payload::{Kept, KeptProperties, PayloadHead, PrivateHead};
use crate::journal::{Frame, Lsn};
use crate::message::facts::Facts;
use crate::message::id::{AgencyId, ExchangeId, KeyedDigest, Purpose, UnitId};
use crate::message::spans::{Quoted, Spans};
use crate::policy::request::Question;
use crate::policy::words::Onward;

/// A private publish is no exchange.
const PRIVATE: ExchangeId = ExchangeId([0; 16]);

/// More than a head takes, as a rule.
const HEAD_BYTES: usize = 1 << 10;

impl PayloadHead {
    /// The frame of an exchange with this body.
    pub fn seal(&self, id: ExchangeId, kept: Kept, body: &[u8]) -> Frame {
        let writer = FrameWriter::new(id, body.len() + HEAD_BYTES)
            .part(FramePart::Body, kept.body, |out| {
                KeptProperties.put(out);
                out.extend_from_slice(body);
            })
            .part(FramePart::Facts, kept.facts, |out| self.put(out));
        Frame::new(writer.finish())
    }

    /// Head and body, by the frame of an exchange.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged or not that exchange's.
    pub fn open(id: ExchangeId, octets: &Bytes) -> Result<(Self, Bytes), BadFrame> {
        let frame = OpenFrame::of(id, octets)?;
        let content = frame.content(FramePart::Body)?;
        let (KeptProperties, body) = front(content).map_err(|_| BadFrame)?;
        let head = whole(frame.content(FramePart::Facts)?).map_err(|_| BadFrame)?;
        Ok((head, octets.slice_ref(body)))
    }
}

impl PrivateHead {
    /// The frame of a private publish with this body.
    pub fn seal(&self, body: &[u8]) -> Frame {
        let head = self.exchange.len() + self.routing_key.len() + self.raw_properties.len();
        let writer = FrameWriter::new(PRIVATE, body.len() + head + Self::LEAST);
        let writer = writer.part(FramePart::Private, RetentionClass::PRIVATE, |out| {
            self.put(out);
            out.extend_from_slice(body);
        });
        Frame::new(writer.finish())
    }

    /// Head and body, by the frame of a private publish.
    ///
    /// # Errors
    /// [`BadFrame`] where it is damaged, or an exchange's.
    pub fn open(octets: &Bytes) -> Result<(Self, Bytes), BadFrame> {
        let content = OpenFrame::of(PRIVATE, octets)?.content(FramePart::Private)?;
        let (head, body) = front(content).map_err(|_| BadFrame)?;
        Ok((head, octets.slice_ref(body)))
    }
}

form!(PayloadHead {
    spans: Spans,
    facts: Facts,
    question: Question,
    answered: Option<Lsn>,
});

/// The octets of the properties that are kept of an exchange: none so far.
impl Form for KeptProperties {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_long(&[], out);
    }

    fn take(from: &mut Take<'_>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let is_known = from.long()?.is_empty();
        is_known.then_some(Self).ok_or(before)
    }
}

impl Form for PrivateHead {
    const LEAST: usize = 12;

    fn put(&self, out: &mut Vec<u8>) {
        self.exchange.put(out);
        self.routing_key.put(out);
        put_long(&self.raw_properties, out);
    }

    fn take(from: &mut Take<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            exchange: Form::take(from)?,
            routing_key: Form::take(from)?,
            raw_properties: from.long()?.to_vec(),
        })
    }
}

form!(Question {
    to: Option<Vec<String>>,
    purpose: Option<Purpose>,
    case: Option<String>,
    answers: BTreeSet<UnitId>,
    quotes: BTreeSet<AgencyId>,
    own_keys: Vec<KeyedDigest>,
    handling: Onward,
});

form!(Quoted {
    originator: AgencyId,
    clear: String,
});

impl Form for Spans {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        super::form::put_list(self.parts().iter(), out);
    }

    fn take(from: &mut Take<'_>) -> Result<Self, Malformed> {
        Ok(Self::of_parts(Form::take(from)?))
    }
}
