//! Deeds: what officers, and the broker itself, want done to the rulebook, and what it comes to.

use std::collections::BTreeSet;
use std::fmt;

use crate::agency::keys::SealedPart;
use crate::agency::officer::{Holder, OfficerId};
use crate::broker::ids::EntryId;
use crate::broker::record::{
    Act, Activated, Approval, Confirmation, Draft, Expiring, Measure, NewKey, Revoked,
};
use crate::message::id::{AgencyId, Digest, ExchangeId};
use crate::message::time::Timestamp;

/// Something that an officer, or the broker itself, wants done to the rulebook.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Changes are proposed.
    Propose(Draft),
    /// A proposal is approved.
    Approve(Approval),
    /// A proposal is withdrawn.
    Withdraw {
        /// Who withdraws it.
        act: Act,
        /// Its number.
        proposal: u64,
    },
    /// A proposal is to take effect.
    Schedule {
        /// Who says so.
        act: Act,
        /// Its number.
        proposal: u64,
        /// When; none for as soon as it has its approvals.
        at: Option<Timestamp>,
    },
    /// A rulebook takes effect: by the broker itself, once its proposal is due.
    Activate(Activated),
    /// An officer looks into the log.
    Access {
        /// The officer.
        act: Act,
        /// Drawn: what he asked is bound to it.
        id: ExchangeId,
        /// What he asked and why.
        asked: SealedPart,
        /// How many records he is to be shown.
        results: u64,
    },
    /// An officer declares a measure of his agency.
    Declare(Declaring),
    /// A second officer confirms it.
    Confirm(Confirmation),
    /// An officer takes back what he declared, before a second officer has confirmed it.
    Undeclare {
        /// Who declared it.
        act: Act,
        /// The number of the measure of his agency.
        measure: u64,
    },
    /// A suspension ends since its permits are gone: by the broker itself.
    Gone(Gone),
    /// An agency is told that a certificate ends: by the broker itself.
    Tell(Expiring),
    /// The broker noted something of those whom an agency vouches for: its record has the time.
    Note(Noted),
    /// The broker tries whether the log takes a record.
    Probe,
}

/// What the broker noted of those whom an agency vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// A connection was closed since its certificate is withdrawn.
    Revoked(Box<Revoked>),
    /// A key is new at the agency's identity provider.
    NewKey(Box<NewKey>),
}

impl Noted {
    /// The agency.
    pub const fn agency(&self) -> &AgencyId {
        match self {
            Self::Revoked(revoked) => &revoked.agency,
            Self::NewKey(key) => &key.agency,
        }
    }
}

/// A measure as an officer hands it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaring {
    /// The officer; the measure is of his agency.
    pub act: Act,
    /// What it is to do.
    pub measure: Measure,
    /// When it is to end: of a level alone, since what else is declared lasts as long as it may.
    pub until: Option<Timestamp>,
    /// What it is for.
    pub reason: String,
    /// Members of the board, whom a suspension alarms.
    pub board: BTreeSet<AgencyId>,
}

/// A suspension whose permits are gone from the rulebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The agency.
    pub agency: AgencyId,
    /// The number of its measure.
    pub measure: u64,
    /// The digest of the rulebook that has none of them.
    pub rulebook: Digest,
}

/// What a deed has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The proposal has this number.
    Proposed(u64),
    /// The approval counts.
    Approved {
        /// Whether it was the last that was needed.
        complete: bool,
    },
    /// The proposal is withdrawn.
    Withdrawn,
    /// The time is set.
    Scheduled,
    /// The rulebook is in force.
    Activated {
        /// The number of its activation, from 1, which is the first rulebook's.
        number: u64,
    },
    /// The measure has this number.
    Declared(u64),
    /// The measure is confirmed.
    Confirmed,
    /// The measure has ended.
    MeasureEnded,
    /// There is a record of it.
    Recorded(EntryId),
}

/// The number of a deed that is under way, by which its answer finds who asked. Never given twice by
/// one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What an officer signs when he approves a proposal: a few lines that bind his approval to one log, one
/// proposal, one text and him. Shown it is the statement, with a line feed behind each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The log's digest: see [`Governance::log`](super::Governance::log).
    pub log: Digest,
    /// The proposal's number.
    pub proposal: u64,
    /// The body whose part of the rulebook changes.
    pub owner: Holder,
    /// What it comes to for agencies that the board gives officers, or ends: a line each.
    pub about: Vec<String>,
    /// The digest of the rulebook that it rests on.
    pub base: Digest,
    /// The digest of the rulebook that it makes.
    pub digest: Digest,
    /// The digest of the report on what it would have changed, where there is one.
    pub impact: Option<Digest>,
    /// The officer.
    pub officer: OfficerId,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let impact = self.impact.map(|digest| digest.to_string());
        writeln!(f, "carnet approval 1")?;
        writeln!(f, "log {}", self.log)?;
        writeln!(f, "proposal {}", self.proposal)?;
        writeln!(f, "owner {}", self.owner)?;
        for about in &self.about {
            writeln!(f, "{about}")?;
        }
        writeln!(f, "base {}", self.base)?;
        writeln!(f, "rulebook {}", self.digest)?;
        writeln!(f, "impact {}", impact.as_deref().unwrap_or("none"))?;
        writeln!(f, "officer {}", self.officer)
    }
}
