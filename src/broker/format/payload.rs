//! What a payload frame holds beside the body: what the message was published with, and what its
//! ruling was made from.

use std::collections::BTreeSet;

use super::form::{Form, form};
use super::take::{Malformed, Take};
use crate::broker::payload::{PayloadHead, PrivateHead};
use crate::journal::Lsn;
use crate::message::facts::Facts;
use crate::message::id::{AgencyId, KeyedDigest, Purpose, UnitId};
use crate::message::spans::{Quoted, Spans};
use crate::policy::request::Question;
use crate::policy::words::Onward;

form!(PayloadHead {
    spans: Spans,
    facts: Facts,
    question: Question,
    answered: Option<Lsn>,
});

form!(PrivateHead {
    exchange: String,
    routing_key: String,
    raw_properties: Vec<u8>,
});

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
