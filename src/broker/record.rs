//! Records: the durable facts, each a decision already taken. Replay applies them and decides
//! nothing, so it needs no old policy and no old code; only this encoding is versioned.
//!
//! How they stand on disk is [`format`](super::format)'s. New fields and kinds come with a new schema
//! number; old ones stay readable.

mod access;
mod case;
mod checkpoint;
mod closed;
mod draft;
mod identifier;
mod measure;
mod queues;
mod rulebook;
mod trust;

use std::time::Duration;

use super::ids::OrderKey;
use crate::agency::keys::SealedPart;
use crate::agency::registry::Party;
use crate::journal::Lsn;
use crate::message::id::{
    AgencyId, Digest, ExchangeId, KeyedDigest, Mask, MessageType, SystemId, UnitId,
};
use crate::message::time::Timestamp;
use crate::policy::standing::{CaseId, Reads};
use crate::policy::words::{Onward, PolicyId};

pub use self::access::{Accessed, Inquiry};
pub use self::case::{CaseChange, CaseStep};
pub use self::checkpoint::Checkpoint;
pub use self::draft::{Act, Approval, Draft, Needs, SignedText, When};
pub use self::identifier::{Identifier, KnownAs};
pub use self::measure::{
    Confirmation, Confirmed, Declared, EndedBy, Expiring, Measure, MeasureEnded,
};
pub use self::queues::{
    Argument, Binding, Cause, Moved, Placed, QueueProperties, Settled, SettledLine, Settling,
    Topology,
};
pub use self::rulebook::{
    Activated, Approved, Genesis, Proposed, Scheduled, Text, UnitEntry, Withdrawn, octets,
};
pub use self::trust::{NewKey, Revoked, shortened};
pub use super::ids::QueueId;
pub use crate::evidence::leaf::LeafSecret;

/// The schema number of records written now.
pub const SCHEMA: u16 = 9;

/// One durable fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The first rulebook. Record 0 of every log. Evidence.
    Genesis(Genesis),
    /// Another rulebook took its place. Evidence.
    Activated(Box<Activated>),
    /// A change of the rulebook was proposed. Evidence.
    Proposed(Box<Proposed>),
    /// A proposal was approved. Evidence.
    Approved(Box<Approved>),
    /// A proposal was withdrawn. Evidence.
    Withdrawn(Withdrawn),
    /// The time was set at which a proposal takes effect. Evidence.
    Scheduled(Scheduled),
    /// An officer declared a measure of his agency. Evidence.
    Declared(Box<Declared>),
    /// A second officer confirmed it. Evidence.
    Confirmed(Box<Confirmed>),
    /// A measure has ended by itself. Evidence.
    MeasureEnded(MeasureEnded),
    /// A certificate of an agency ends soon, or has ended: the agency is told.
    Expiring(Expiring),
    /// A connection was closed since its certificate is withdrawn. Evidence.
    Revoked(Box<Revoked>),
    /// A key is new at an agency's identity provider. Evidence.
    NewKey(Box<NewKey>),
    /// An officer looked into the log. Evidence.
    Accessed(Box<Accessed>),
    /// The broker tried whether the log takes a record.
    Probed {
        /// When.
        at: Timestamp,
    },
    /// A valid message was ruled: released to some, refused to others. Evidence.
    Exchange(Box<Exchange>),
    /// A submission was rejected: it could not be ruled. Evidence.
    Rejected(Box<Rejected>),
    /// A message was put into queues of its unit's own: a private publish (its frame is this
    /// record's), or one that moved (dead-lettered).
    Placed(Box<Placed>),
    /// Entries left their queues, or came back to them.
    Settled(Settled),
    /// A queue or binding was made or removed.
    Topology(Topology),
    /// Entries up to an address may be sent from now on.
    Lease {
        /// The queue that the entries are in.
        queue: QueueId,
        /// The highest address that may be sent.
        up_to: Lsn,
    },
    /// A case was opened, joined or closed. Evidence.
    Case(CaseChange),
    /// A release was narrowed before it was delivered. Evidence.
    Narrowed(Narrowed),
    /// An open order passed its deadline.
    OrderEnded {
        /// When.
        at: Timestamp,
        /// Which.
        order: OrderKey,
    },
    /// The broker started after a stop that was not clean.
    Recovered,
    /// The broker stopped cleanly; these entries were out.
    Stopped {
        /// Entries that were sent and not settled.
        out: Vec<(QueueId, Lsn)>,
    },
    /// Identical repeats since the last record of them: answered from the first, so they have no record
    /// of their own.
    Repeats(Repeats),
    /// Refusals beyond an agency's limit were told in this batch: counted, so that what was confirmed
    /// is on the disk, and told as evidence when the minute is over.
    RefusalsNoted(CountedRefusals),
    /// All refusals of a minute that have no record of their own. Evidence.
    RefusalsCounted(CountedRefusals),
    /// The end of the log is gone, and that was accepted. Evidence.
    Lost(Lost),
    /// The log has signed its tree, and shows that.
    Checkpoint(Box<Checkpoint>),
}

/// A record with the message that it holds, as a delivery needs both.
#[derive(Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// The payload frame.
    pub frame: bytes::Bytes,
}

/// A valid message and what was decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Drawn at admission.
    pub id: ExchangeId,
    /// What the salts of its leaf's parts come from.
    pub secret: LeafSecret,
    /// When it was committed.
    pub at: Timestamp,
    /// The system that sent it.
    pub sender: SystemId,
    /// Its unit.
    pub unit: UnitId,
    /// Its type.
    pub message_type: MessageType,
    /// The categories that messages of the type can hold, by the deciding rulebook.
    pub holds: Mask,
    /// The sending unit's own number of this exchange, from 1; none for a repeat that its sender must
    /// not be able to tell from any other: see [`Again`].
    pub number: Option<u64>,
    /// The rulebook that decided.
    pub rulebook: Digest,
    /// What the ruling rested on.
    pub reads: Reads,
    /// The case that counted as a fact.
    pub case: Option<CaseId>,
    /// Whether that case counted for a unit that the sender may know of.
    pub case_shown: bool,
    /// The facts' digest under the secret: see [`LeafSecret::facts_digest`].
    pub facts: Digest,
    /// SHA-256 of the frame.
    pub frame: Digest,
    /// SHA-256 of the sealed part's content.
    pub confidential: Digest,
    /// The body's length in bytes.
    pub body_bytes: u64,
    /// De-duplication: unit and `message_id`.
    pub key: KeyedDigest,
    /// De-duplication: the content.
    pub content: KeyedDigest,
    /// Keyed digest of what its sender may see of the ruling, time and numbers apart, where the message
    /// is refused for all whom its sender may know of.
    pub answer: Option<KeyedDigest>,
    /// The first exchange, where this is a repeat that reached units that had not got it and that its
    /// sender may not know of.
    pub again: Option<Again>,
    /// Units that its sender may not know of and that have got this very message by an earlier
    /// record, sorted: none of them gets it twice.
    pub had: Vec<UnitId>,
    /// How long a repeat is recognised.
    pub window: Duration,
    /// Its identifiers, for the index.
    pub keys: Vec<Identifier>,
    /// When it expires in its recipients' queues.
    pub deadline: Option<Timestamp>,
    /// An order that this opens, or that this result closes.
    pub order: Option<OrderChange>,
    /// Releases and recorded refusals, in the order of units.
    pub recipients: Vec<Recipient>,
    /// The queue for the sender's receipt; the ledger fills it in where one is wanted.
    pub receipt: Option<QueueId>,
    /// A [`Confidential`], under a key of its own.
    pub sealed: SealedPart,
    /// Rules that could not be evaluated, sorted: what they name was withheld.
    pub errors: Vec<PolicyId>,
}

/// The first exchange of a message that was refused for all whom its sender may know of, and that was
/// sent again and ruled anew with the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// The record whose answer its sender gets each time.
    pub first: Lsn,
    /// Until when a repeat is recognised: as long as if it had not been ruled anew.
    pub until: Timestamp,
}

/// The part of an exchange that only the sender and entitled readers may see. It borrows from the
/// message when it is written, and from the record when it is read. Serialised it is what the sender
/// asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Confidential<'a> {
    /// The publisher's `message_id`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message_id: &'a str,
    /// Why it was sent, where the sender said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub justification: Option<&'a str>,
    /// Addressees as named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<&'a str>,
    /// Faults that did not stop it: place and rule.
    #[serde(skip)]
    pub warnings: Vec<(&'a str, &'a str)>,
    /// Texts of the refusals that are told: unit as the sender named it, policy, reason, basis.
    #[serde(skip)]
    pub told: Vec<Told<'a>>,
    /// Header `purpose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<&'a str>,
    /// Header `handling`.
    #[serde(skip_serializing_if = "Onward::is_free")]
    pub handling: Onward,
    /// The publisher's `correlation_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<&'a str>,
    /// What was wrong with one that was not ruled.
    #[serde(skip)]
    pub faults: Vec<FaultTold<'a>>,
    /// How many faults more it had.
    #[serde(skip)]
    pub faults_untold: u32,
}

/// A fault of a message as the sender's receipt shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FaultTold<'a> {
    /// JSON pointer, property or header.
    pub place: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// What was wrong there. It may have a name or digit of the message.
    pub text: &'a str,
}

/// A refusal as the sender's receipt shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Told<'a> {
    /// The unit, as the sender named it or may know it.
    pub unit: &'a str,
    /// The deciding policy; none for a default refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<&'a str>,
    /// Why, in plain words.
    pub reason: &'a str,
    /// On which legal basis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<&'a str>,
}

/// What was decided for one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The unit.
    pub unit: UnitId,
    /// Whether the sender may know of it.
    pub known: bool,
    /// The decision.
    pub outcome: Outcome,
}

/// A decision for one unit. Serialised it is what an auditor is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// The unit receives the message.
    Released(Released),
    /// The unit does not receive it; the policies that forbid it, none where no policy permits it.
    Refused {
        /// Policy ids, sorted.
        policies: Vec<PolicyId>,
    },
}

/// A release to one unit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Released {
    /// The unit's own number of this delivery, from 1 and without gaps; 0 until the ledger gives it.
    #[serde(skip_serializing_if = "is_to_be_given")]
    pub number: u64,
    /// The categories that the unit gets.
    #[serde(rename = "categories")]
    pub mask: Mask,
    /// The permits that gave it, sorted.
    pub policies: Vec<PolicyId>,
    /// How long the unit may keep it, in days.
    pub retain_days: u32,
    /// Whether it may pass it on.
    pub onward: Onward,
    /// The queues that it was put into.
    #[serde(skip)]
    pub queues: Vec<QueueId>,
    /// The forbids that took categories away, sorted.
    #[serde(skip)]
    pub withholding: Vec<PolicyId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_to_be_given(number: &u64) -> bool {
    *number == 0
}

impl Outcome {
    /// The policies that decided.
    pub fn policies(&self) -> &[PolicyId] {
        match self {
            Self::Released(Released { policies, .. }) | Self::Refused { policies } => policies,
        }
    }
}

/// An order's effect on standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderChange {
    /// The agencies to which this is released hold an order of its sender's on these keys until
    /// `deadline`. An older one of the same number is over.
    Opens {
        /// The order's number in its sender's own series.
        number: KeyedDigest,
        /// Keys of its subject.
        subjects: Vec<KeyedDigest>,
        /// When it ends by itself.
        deadline: Timestamp,
    },
    /// Its sender's own order of this number is over.
    Withdraws {
        /// The order's number in its sender's own series.
        number: KeyedDigest,
    },
    /// A result: its sender's own order of this number is over, and so is its part in those of
    /// agencies that have got the result.
    Reports {
        /// The number that the result names.
        number: KeyedDigest,
    },
}

/// A submission that was not ruled. Digest, place and rule are kept; never the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Drawn at admission, as of an exchange: its sealed part is bound to it.
    pub id: ExchangeId,
    /// When.
    pub at: Timestamp,
    /// The system that sent it.
    pub sender: SystemId,
    /// Its unit.
    pub unit: UnitId,
    /// The name of its type or step of a case; empty where the rulebook has none of this name.
    pub message_type: String,
    /// The reply code: 312, 403 or 406.
    pub code: u16,
    /// JSON pointer, property or header: of names that the type or the broker has, never of the
    /// sender's own.
    pub place: String,
    /// The rule that it broke.
    pub rule: String,
    /// Keyed digest of the body.
    pub body: KeyedDigest,
    /// The sending unit's own number, as of an exchange.
    pub number: u64,
    /// The queue for the sender's receipt; the ledger fills it in where one is wanted.
    pub receipt: Option<QueueId>,
    /// A [`Confidential`], under a key of its own.
    pub sealed: SealedPart,
    /// What its sender is told of place and rule, where the ledger refused it; in what is sealed then
    /// stands nothing of it.
    pub said: Option<String>,
    /// The case, open or closed, where it is a step of one that was not its sender's to take.
    pub case: Option<CaseId>,
}

/// Refusals and rejections beyond the limit of an agency: how many, and nothing else of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedRefusals {
    /// The party whose messages were refused or rejected.
    pub party: Party,
    /// When the first was told.
    pub from: Timestamp,
    /// When the last was; of evidence, when it was written.
    pub to: Timestamp,
    /// How many.
    pub count: u64,
}

/// What a release gives its unit: data, and what the unit must do with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Terms {
    /// The categories that the unit gets.
    #[serde(rename = "categories")]
    pub mask: Mask,
    /// How long the unit may keep it, in days.
    pub retain_days: u32,
    /// Whether it may pass it on.
    pub onward: Onward,
    /// The permits that gave it, sorted.
    pub policies: Vec<PolicyId>,
    /// The rulebook that gives these terms.
    pub rulebook: Digest,
}

/// A release that a newer rulebook or standing narrowed before it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowed {
    /// When.
    pub at: Timestamp,
    /// The exchange's record.
    pub exchange: Lsn,
    /// The unit that it was released to.
    pub unit: UnitId,
    /// The queues that it was released into.
    pub queues: Vec<QueueId>,
    /// What is left of it; no data means it is withdrawn.
    pub left: Terms,
}

/// How often each agency sent again what was decided already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeats {
    /// When this was written down.
    pub at: Timestamp,
    /// When the first of them came.
    pub since: Timestamp,
    /// Agencies in order, each with how many repeats.
    pub counts: Vec<(AgencyId, u64)>,
}

/// A part of the log that is gone, from an address on up to where the log goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// When the loss was accepted.
    pub at: Timestamp,
    /// Where what is left ends.
    pub from: Lsn,
    /// The last address that the log is known to have reached.
    pub known: Lsn,
    /// How many pieces of evidence are left.
    pub evidence: u64,
    /// How many pieces of evidence there were, where that is known.
    pub evidence_known: Option<u64>,
    /// How far the numbers of each unit jump: none of those between is given again.
    pub jump: u64,
    /// Each unit's numbers before the jump.
    pub units: Vec<LastNumbers>,
}

/// The last numbers that a unit had when the end of the log was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastNumbers {
    /// The unit.
    pub unit: UnitId,
    /// The number of the last message that it sent.
    pub sent: u64,
    /// The number of the last message that it was sent.
    pub received: u64,
    /// Its queue for receipts, which gets a notice.
    pub receipts: QueueId,
}

impl Exchange {
    /// Whether the message was recorded before, and had reached units or is told the same again.
    pub fn is_repeat(&self) -> bool {
        self.again.is_some() || !self.had.is_empty()
    }
}

impl Terms {
    /// Terms that give only what both give: no more data, kept no longer, passed on no further. The
    /// permits and the rulebook are those of `newer`.
    #[must_use]
    pub fn and(self, newer: &Self) -> Self {
        Self {
            mask: self.mask.both(newer.mask),
            retain_days: self.retain_days.min(newer.retain_days),
            onward: self.onward.max(newer.onward),
            ..newer.clone()
        }
    }
}
