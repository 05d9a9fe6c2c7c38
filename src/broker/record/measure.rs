//! Records of measures: what officers declare of their own agency without a change of its rules, and of
//! certificates that end.

use std::collections::BTreeSet;

use super::draft::{Act, SignedText};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;
use crate::policy::measures::{Level, Permits};

/// What a measure does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// The agency's systems work this far.
    Level(Level),
    /// Permits of the agency give nothing.
    Suspend(Permits),
    /// The agency's measure of this number ends before its time.
    Lift(u64),
}

/// A measure that an officer has declared. A suspension holds from here on, any other once a second
/// officer has confirmed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// When.
    pub at: Timestamp,
    /// The agency.
    pub agency: AgencyId,
    /// Counts the agency's measures from 1.
    pub number: u64,
    /// The officer.
    pub act: Act,
    /// What it does.
    pub measure: Measure,
    /// When it ends: of a suspension unless it is confirmed, of the end of another measure unless it is
    /// confirmed by then.
    pub until: Timestamp,
    /// What it is for, in one line of up to [`TITLE_BYTES`](crate::broker::limits::TITLE_BYTES).
    pub reason: String,
    /// Other agencies that are told of a suspension: the members of the board.
    pub alarms: BTreeSet<AgencyId>,
}

/// A measure that a second officer of its agency has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// When.
    pub at: Timestamp,
    /// The agency.
    pub agency: AgencyId,
    /// The confirmation.
    pub confirmation: Confirmation,
}

/// A confirmation, signed by its officer on his own machine. The signature was verified before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The officer.
    pub act: Act,
    /// The number of the measure of his agency.
    pub measure: u64,
    /// The statement that he signed.
    pub signed: SignedText,
}

/// A measure that has ended, and by no other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureEnded {
    /// When.
    pub at: Timestamp,
    /// The agency.
    pub agency: AgencyId,
    /// The number of its measure.
    pub measure: u64,
    /// Why.
    pub why: EndedBy,
}

/// Why a measure has ended that no other one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Its time is over.
    Time,
    /// The rulebook has none of the permits any more that it suspends.
    Gone,
    /// Its officer has taken it back before a second officer confirmed it.
    Withdrawn,
    /// What it was to lift has ended otherwise.
    Needless,
}

/// A certificate of an agency that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// When this was noticed.
    pub at: Timestamp,
    /// The agency.
    pub agency: AgencyId,
    /// Whose the certificate is: a system, an officer or an issuer of the agency.
    pub whose: String,
    /// When the certificate ends.
    pub ends: Timestamp,
    /// The days before its end that it has come to; 0 once it has ended.
    pub days: u32,
}
