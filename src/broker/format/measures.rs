//! Measures of agencies, field by field in the order in which they stand on disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::form::{Form, form};
use super::take::{Malformed, Take};
use crate::broker::governance::{Declaration, Declarations, Stage, Vote};
use crate::broker::ids::EntryId;
use crate::broker::record::{
    Act, Confirmation, Confirmed, Declared, EndedBy, Expiring, Measure, MeasureEnded, SignedText,
};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;
use crate::policy::measures::{Level, Measures, Permits, Until};

form!(Declared {
    at: Timestamp,
    agency: AgencyId,
    number: u64,
    act: Act,
    measure: Measure,
    until: Timestamp,
    reason: String,
    alarms: BTreeSet<AgencyId>,
});

form!(Confirmed {
    at: Timestamp,
    agency: AgencyId,
    confirmation: Confirmation,
});

form!(Confirmation {
    act: Act,
    measure: u64,
    signed: SignedText,
});

form!(MeasureEnded {
    at: Timestamp,
    agency: AgencyId,
    measure: u64,
    why: EndedBy,
});

form!(Expiring {
    at: Timestamp,
    agency: AgencyId,
    whose: String,
    ends: Timestamp,
    days: u32,
});

form!(Declarations {
    declared: u64,
    all: BTreeMap<u64, Arc<Declaration>>,
    closed: VecDeque<u64>,
});

form!(Declaration {
    number: u64,
    entry: EntryId,
    at: Timestamp,
    act: Act,
    measure: Measure,
    until: Option<Timestamp>,
    reason: String,
    confirmed: Option<Vote>,
    stage: Stage,
});

form!(Measures {
    level: Option<Until<Level>>,
    suspended: Vec<Until<Permits>>,
});

impl<'a, T: Form<'a>> Form<'a> for Until<T> {
    const LEAST: usize = 1 + T::LEAST;

    fn put(&self, out: &mut Vec<u8>) {
        self.value.put(out);
        self.end.put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            value: Form::take(from)?,
            end: Form::take(from)?,
        })
    }
}
