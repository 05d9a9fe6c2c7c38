//! Why a deed was not done.

use super::measures::Stage;
use super::state::State;
use crate::agency::officer::{Holder, OfficerId};
use crate::broker::limits::{AGENCY_MEASURES, OFFICER_MEASURES};
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;

/// Why a deed was not done: nothing is recorded of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// There is no proposal of this number, or it is closed for too long to be remembered.
    #[error("there is no proposal {0}")]
    Absent(u64),
    /// The proposal is not pending any more.
    #[error("proposal {number} is not pending any more: {state}")]
    Closed {
        /// Its number.
        number: u64,
        /// What has become of it.
        state: State,
    },
    /// Another rulebook is in force than the one that it rests on.
    #[error(
        "it rests on rulebook {base}, and {active} is in force; look at the changes since, and propose it \
         on that one"
    )]
    StaleBase {
        /// The one that it rests on.
        base: Digest,
        /// The one in force.
        active: Digest,
    },
    /// It changes nothing.
    #[error("it changes nothing of the rulebook in force")]
    NoChange,
    /// The approvals that it would need are not those of its owner.
    #[error("a proposal of {0} needs approvals of its own")]
    OtherNeeds(Holder),
    /// Its title is empty, of several lines or too long.
    #[error("the title must be one line of 1 to {most} octets")]
    Title {
        /// Octets at most.
        most: usize,
    },
    /// Its files are too large.
    #[error("the files have {bytes} octets together, and {most} are taken at most")]
    TooLarge {
        /// Their octets.
        bytes: usize,
        /// Octets at most.
        most: usize,
    },
    /// The body of its proposer has too many pending of the owner.
    #[error("officers of {by} have {most} proposals pending, and no more are taken; withdraw one")]
    TooMany {
        /// The proposer's body.
        by: Holder,
        /// How many at most.
        most: usize,
    },
    /// The body of its proposer has proposed too much today.
    #[error(
        "officers of {by} have proposed too much today: {most} octets are taken, until midnight (UTC)"
    )]
    TooMuchToday {
        /// The proposer's body.
        by: Holder,
        /// Octets at most.
        most: u64,
    },
    /// An officer of a body that has no part in it.
    #[error("officer {0} is of no agency that has a part in it")]
    NoPart(OfficerId),
    /// Its proposer cannot approve it.
    #[error("officer {0} proposed it, and another must approve it")]
    OwnProposal(OfficerId),
    /// The key took part already, by this or another officer.
    #[error("the same key has proposed or approved it; two officers have two keys")]
    SameKey,
    /// The officer has approved it.
    #[error("officer {0} has approved it already")]
    Twice(OfficerId),
    /// Another officer of the agency has approved it.
    #[error("{0} has approved it already, and an agency has one vote")]
    Voted(AgencyId),
    /// What was signed is not the statement of this proposal and officer.
    #[error("what was signed is not the statement of this proposal and this officer")]
    OtherStatement,
    /// The agency has no measure of this number, or it is closed for too long to be remembered.
    #[error("there is no measure {0}")]
    NoMeasure(u64),
    /// The measure is not open to this: not yet, or not any more.
    #[error("measure {number} is not open to this: {stage}")]
    MeasureClosed {
        /// Its number.
        number: u64,
        /// What has become of it.
        stage: Stage,
    },
    /// Who declared a measure cannot confirm it.
    #[error("officer {0} declared it, and another must confirm it")]
    OwnMeasure(OfficerId),
    /// Another officer than the one who declared a measure cannot withdraw it.
    #[error("officer {0} declared it, and he alone withdraws it")]
    OthersMeasure(OfficerId),
    /// The officer or his agency has too many measures open.
    #[error(
        "an officer has at most {OFFICER_MEASURES} measures open that nobody confirmed, and an agency \
         {AGENCY_MEASURES} in all; have one confirmed or lifted, withdraw one that waits, or wait for its end"
    )]
    TooManyMeasures,
    /// The officer has suspended permits by his word alone, and no second officer confirmed it.
    #[error(
        "what this officer suspended before has ended without a second officer's word; he can suspend again \
         from {from} on, and another officer at once"
    )]
    SuspendedBefore {
        /// From when on he can again.
        from: Timestamp,
    },
    /// A level without an end, or with one that is over or too late; an end of anything else.
    #[error(
        "a level needs an end that is to come, and at most 72 hours ahead: by {latest}; anything else has \
         none of your own"
    )]
    MeasureEnd {
        /// The latest end.
        latest: Timestamp,
    },
    /// Normal is the absence of a level.
    #[error("'normal' is declared by lifting the measure in force")]
    NormalLevel,
    /// The agency has no permit of this name.
    #[error("'{0}' is no permit of this agency; a rule that forbids cannot be suspended")]
    NoPermit(String),
    /// Too many permits are named.
    #[error("a measure names at most {most} permits; suspend all")]
    TooManyPermits {
        /// How many at most.
        most: usize,
    },
    /// The agency was told so already.
    #[error("the agency was told already")]
    Told,
    /// It lacks approvals.
    #[error("it has {votes} of the {needed} approvals that it needs")]
    NotComplete {
        /// How many it has.
        votes: u32,
        /// How many it needs.
        needed: u32,
    },
    /// It has its approvals, and is to take effect later, or waits to be asked for.
    #[error("its time has not come, or nobody has asked that it take effect")]
    NotDue,
    /// It is to take effect at a time that is over.
    #[error("the time at which it takes effect must be to come: {at} is over, it is {now}")]
    Past {
        /// The time.
        at: Timestamp,
        /// When that was asked for.
        now: Timestamp,
    },
    /// The rulebook is not the one that was approved.
    #[error("the rulebook that is to take effect has digest {digest}, and {approved} was approved")]
    OtherText {
        /// Its digest.
        digest: Digest,
        /// The digest that was approved.
        approved: Digest,
    },
    /// Only a development log takes a rulebook without a proposal.
    #[error("a rulebook takes effect by a proposal alone: this log was not begun with --dev")]
    NoProposal,
    /// Another activation was a moment ago.
    #[error("another rulebook took effect a moment ago; ask again")]
    TooSoon,
    /// The rulebook that it makes has faults.
    #[error("the rulebook that it makes has faults, the first: {0}")]
    Faulty(String),
    /// A checkpoint of a tree that is not larger than the last one that was shown.
    #[error("a tree of {size} is not shown behind one of {last}")]
    NotAhead {
        /// Leaves.
        size: u64,
        /// Leaves of the last one.
        last: u64,
    },
    /// A checkpoint under a name under which more was shown than is left.
    #[error(
        "under the name {0} more may have been signed than is left of the log: it goes on under another name \
         (docs/operating.md)"
    )]
    OriginClosed(String),
    /// The log could not be read.
    #[error("the log cannot be read: {0}")]
    Unread(String),
    /// Nothing can be stored.
    #[error("the disk is full")]
    DiskFull,
    /// The broker stops.
    #[error("the broker stops")]
    Stopped,
}
