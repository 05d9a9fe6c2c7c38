//! A record as it is read, one after the other: its number, and what earlier ones say of it.

use super::describe::Described;
use super::earlier::{About, Earlier, InForce};
use crate::agency::keys::Ring;
use crate::backbone::error::StartError;
use crate::backbone::keeper::decoded;
use crate::broker::record::Record;
use crate::journal::{Lsn, StoredRecord};
use crate::message::id::Digest;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// What was read so far, as far as later records rest on it. It reads every record once, in order.
#[derive(Default)]
pub(crate) struct Telling {
    /// Number of the next piece of evidence.
    pub(crate) next: u64,
    earlier: Earlier,
}

impl Telling {
    /// Reads one record on.
    pub(crate) fn read(&mut self, stored: &StoredRecord) -> Result<Entry, StartError> {
        let record = decoded(stored)?;
        let number = record.is_evidence().then_some(self.next);
        self.next += u64::from(number.is_some());
        let about = self.earlier.read(stored.lsn, number, &record);
        Ok(Entry {
            about,
            number,
            lsn: stored.lsn,
            record,
            clock: stored.clock.map(Timestamp::from_millis),
        })
    }
}

/// A record as it is read: with its number, where it is evidence.
pub(crate) struct Entry {
    pub(crate) number: Option<u64>,
    pub(crate) lsn: Lsn,
    pub(crate) record: Record,
    /// What earlier records say of it.
    pub(crate) about: Option<About>,
    /// What the clock said when it was written.
    pub(crate) clock: Option<Timestamp>,
}

/// What is told of a record as an item of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All that the officer may know of it.
    Whole,
    /// An exchange, to its sender.
    Sent,
    /// An exchange, to this one of its recipients.
    Received(usize),
}

impl Entry {
    /// A record that is read apart from those before it: without its number, and what these say of it.
    pub(super) fn alone(stored: &StoredRecord) -> Result<Self, StartError> {
        Ok(Self {
            number: None,
            lsn: stored.lsn,
            record: decoded(stored)?,
            about: None,
            clock: stored.clock.map(Timestamp::from_millis),
        })
    }

    /// With what is sealed in it in clear, where its key is in the ring.
    pub(crate) fn opened(mut self, ring: &Ring) -> Self {
        self.record = self.record.opened(ring);
        self
    }

    /// Whether it says what happened, and not only how queues are kept.
    pub(crate) fn is_told(&self) -> bool {
        let is_story = matches!(
            self.record,
            Record::OrderEnded { .. }
                | Record::Recovered
                | Record::Stopped { .. }
                | Record::Repeats(_)
        );
        is_story || self.record.is_evidence()
    }

    /// Everything of it, by the rulebook that decided.
    pub(crate) fn in_full(&self, rulebooks: &[InForce]) -> Described {
        let decided_by = match &self.record {
            Record::Exchange(exchange) => Some(exchange.rulebook),
            _ => None,
        };
        let rulebook = decided_by.and_then(|wanted| parse(rulebooks, wanted));
        let described = Described::of(self.number, self.lsn, &self.record, rulebook.as_ref());
        let described = described.with_its_id(&self.record);
        described
            .with_earlier(self.about.as_ref())
            .at_clock(self.clock)
    }

    /// In a line or as JSON, with lines below it.
    pub(crate) fn text(&self, json: bool) -> String {
        let described = Described::of(self.number, self.lsn, &self.record, None);
        let described = described.with_earlier(self.about.as_ref());
        let described = described.at_clock(self.clock);
        if json {
            format!("{}\n", described.to_json())
        } else {
            described.to_text()
        }
    }
}

/// The rulebook that decided: it is in the log for ever, as it was.
fn parse(rulebooks: &[InForce], wanted: Digest) -> Option<Rulebook> {
    let mut rulebooks = rulebooks.iter();
    let in_force = rulebooks.find(|it| it.digest == wanted)?;
    Rulebook::load(&in_force.bundle).ok()
}
