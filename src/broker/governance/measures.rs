//! The measures of agencies, as the records have them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::vote::Vote;
use crate::agency::officer::OfficerId;
use crate::broker::ids::EntryId;
use crate::broker::limits::CLOSED_MEASURES;
use crate::broker::record::{Act, EndedBy, Measure};
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;
use crate::policy::measures::{Measures, Permits, Until};

/// The measures that an agency's officers have declared: those that are open, and those closed last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declarations {
    /// How many were declared ever.
    pub(in crate::broker) declared: u64,
    pub(in crate::broker) all: BTreeMap<u64, Arc<Declaration>>,
    /// The numbers of closed ones, the longest closed first.
    pub(in crate::broker) closed: VecDeque<u64>,
}

/// A measure that an officer has declared, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Counts the agency's measures from 1.
    pub number: u64,
    /// Its record.
    pub entry: EntryId,
    /// When it was declared.
    pub at: Timestamp,
    /// Who declared it.
    pub act: Act,
    /// What it does.
    pub measure: Measure,
    /// When it ends by itself; none for a suspension that was confirmed.
    pub until: Option<Timestamp>,
    /// What it is for.
    pub reason: String,
    /// Who confirmed it.
    pub confirmed: Option<Vote>,
    /// What has become of it.
    pub stage: Stage,
}

/// What has become of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a second officer, and does nothing before.
    Waits,
    /// It is in force.
    Holds,
    /// It has ended another one.
    Done {
        /// When.
        at: Timestamp,
    },
    /// It has ended, in force or not, and by no other one.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        why: EndedBy,
    },
    /// The measure of this number has ended it.
    Lifted {
        /// When.
        at: Timestamp,
        /// The number.
        by: u64,
    },
    /// The level of this number stands in its place.
    Replaced {
        /// When.
        at: Timestamp,
        /// The number.
        by: u64,
    },
}

impl Stage {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Holds => "holds",
            Self::Done { .. } => "done",
            Self::Ended { .. } => "ended",
            Self::Lifted { .. } => "lifted",
            Self::Replaced { .. } => "replaced",
        }
    }

    /// Whether it is in force, or may come to be.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waits | Self::Holds)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits => f.write_str("it waits for a second officer"),
            Self::Holds => f.write_str("it is in force"),
            Self::Done { at } => write!(f, "it has done its work at {at}"),
            Self::Ended { at, why } => {
                let why = match why {
                    EndedBy::Time => "its time was over",
                    EndedBy::Gone => "its permits were gone",
                    EndedBy::Withdrawn => "the officer who declared it withdrew it",
                    EndedBy::Needless => "what it was to lift had ended",
                };
                write!(f, "{why} at {at}")
            }
            Self::Lifted { at, by } => write!(f, "measure {by} has lifted it at {at}"),
            Self::Replaced { at, by } => write!(f, "measure {by} took its place at {at}"),
        }
    }
}

/// What an officer signs when he confirms a measure: a few lines that bind his confirmation to one log,
/// one measure, what it does and him. Shown it is the statement, with a line feed behind each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureStatement {
    /// The log's digest: see [`Governance::log`](super::Governance::log).
    pub log: Digest,
    /// The agency.
    pub agency: AgencyId,
    /// The measure's number.
    pub number: u64,
    /// What it does, in words.
    pub does: String,
    /// When it ends by itself, or ends unless it is confirmed.
    pub until: Timestamp,
    /// What it is for.
    pub reason: String,
    /// The officer who signs.
    pub officer: OfficerId,
}

impl fmt::Display for MeasureStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "carnet measure 1")?;
        writeln!(f, "log {}", self.log)?;
        writeln!(f, "agency {}", self.agency)?;
        writeln!(f, "measure {}", self.number)?;
        writeln!(f, "does {}", self.does)?;
        writeln!(f, "until {}", self.until)?;
        writeln!(f, "reason {}", self.reason)?;
        writeln!(f, "officer {}", self.officer)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => write!(f, "level {}", level.name()),
            Self::Suspend(Permits::All) => f.write_str("suspend all permits"),
            Self::Suspend(Permits::Named(named)) => {
                f.write_str("suspend")?;
                named.iter().try_for_each(|permit| write!(f, " {permit}"))
            }
            Self::Lift(number) => write!(f, "lift measure {number}"),
        }
    }
}

impl Measure {
    /// What it does without the names of permits, for others than officers of its agency.
    pub fn in_short(&self) -> String {
        match self {
            Self::Suspend(_) => "suspend".to_owned(),
            Self::Level(_) | Self::Lift(_) => self.to_string(),
        }
    }
}

impl Declaration {
    /// Whether it is in force at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.stage == Stage::Holds && !self.is_over(now)
    }

    /// In a sentence, without the names of permits.
    pub fn in_words(&self, agency: &AgencyId) -> String {
        let (number, does, at) = (self.number, self.measure.in_short(), self.at);
        let end = match self.until {
            Some(until) if self.confirmed.is_none() => {
                format!("until {until} unless a second officer confirms it")
            }
            Some(until) => format!("until {until}"),
            None => "until two officers lift it".to_owned(),
        };
        format!("{agency}: measure {number} ({does}) was declared at {at} and holds {end}")
    }

    /// Whether a second officer can confirm it at `now`.
    pub fn is_open_to_confirm(&self, now: Timestamp) -> bool {
        self.stage.is_open() && self.confirmed.is_none() && !self.is_over(now)
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Declarations {
    /// The agency's measures, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &Declaration> {
        self.all.values().rev().map(AsRef::as_ref)
    }

    /// Those that are in force, or may come to be.
    pub(super) fn open(&self) -> impl Iterator<Item = &Declaration> {
        self.all().filter(|it| it.stage.is_open())
    }

    /// What policies read of those in force.
    pub(super) fn in_force(&self) -> Measures {
        let mut measures = Measures::default();
        let all = self.all.values();
        for it in all.filter(|it| it.stage == Stage::Holds) {
            let end = it.until;
            match &it.measure {
                Measure::Level(level) => measures.level = Some(Until { value: *level, end }),
                Measure::Suspend(permits) => measures.suspended.push(Until {
                    value: permits.clone(),
                    end,
                }),
                Measure::Lift(_) => {}
            }
        }
        measures
    }

    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut Declaration)) {
        if let Some(declaration) = self.all.get_mut(&number) {
            change(Arc::make_mut(declaration));
        }
    }

    /// Closes one, and with it those that wait to lift it.
    pub(super) fn close(&mut self, number: u64, stage: Stage, at: Timestamp) {
        self.close_one(number, stage);
        let lifts = |it: &&Declaration| it.measure == Measure::Lift(number);
        let waiting = self.open().filter(lifts).map(|it| it.number);
        let why = EndedBy::Needless;
        for lift in waiting.collect::<Vec<u64>>() {
            self.close_one(lift, Stage::Ended { at, why });
        }
    }

    fn close_one(&mut self, number: u64, stage: Stage) {
        self.change(number, |it| it.stage = stage);
        self.closed.push_back(number);
        if self.closed.len() > CLOSED_MEASURES
            && let Some(oldest) = self.closed.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}
