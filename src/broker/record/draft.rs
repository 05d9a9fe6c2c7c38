//! What officers hand over: changes of the rulebook, and their approvals.

use std::collections::{BTreeMap, BTreeSet};

use crate::agency::officer::{Holder, OfficerId};
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;
use crate::policy::recovery::{Turn, turns};

/// An officer who acts, and the keys by which he is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The officer.
    pub by: OfficerId,
    /// SHA-256 of the `SubjectPublicKeyInfo` of the certificate that he acted with.
    pub key: Digest,
    /// The JWK thumbprint of the key of his agency's identity provider that signed his token; none where
    /// his certificate alone says who he is.
    pub vouched_by: Option<Digest>,
}

/// The approvals that a proposal needs: so many, by officers of different agencies among those named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    votes: u32,
    of: BTreeSet<AgencyId>,
}

impl Needs {
    /// One approval, of this agency.
    pub fn agency(agency: AgencyId) -> Self {
        Self {
            votes: 1,
            of: BTreeSet::from([agency]),
        }
    }

    /// Approvals of so many of these agencies; none where there are not as many, or none is needed.
    pub fn quorum(votes: u32, of: BTreeSet<AgencyId>) -> Option<Self> {
        let most = u32::try_from(of.len()).unwrap_or(u32::MAX);
        (1..=most).contains(&votes).then_some(Self { votes, of })
    }

    /// How many agencies must approve.
    pub fn votes(&self) -> u32 {
        self.votes
    }

    /// The agencies of which these must be.
    pub fn of(&self) -> &BTreeSet<AgencyId> {
        &self.of
    }
}

/// When a proposal takes effect, once it has the approvals that it needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    /// Once an officer asks for it.
    #[default]
    Asked,
    /// With its last approval.
    Approved,
    /// At this time, or with its last approval where that comes later.
    At(Timestamp),
}

/// A proposal as it is handed over: which files of the rulebook change, and how it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who proposes it.
    pub act: Act,
    /// The one body whose part of the rulebook changes.
    pub owner: Holder,
    /// The digest of the rulebook that it rests on.
    pub base: Digest,
    /// The digest of the rulebook that it makes.
    pub digest: Digest,
    /// The digest of a report on what it would have changed, where there is one.
    pub impact: Option<Digest>,
    /// The files.
    pub changes: Changes,
    /// What it is for, in one line of up to [`TITLE_BYTES`](crate::broker::limits::TITLE_BYTES).
    pub title: String,
    /// When it takes effect.
    pub when: When,
    /// The number of the activation that it takes back, where it does.
    pub returns: Option<u64>,
    /// The approvals that it needs.
    pub needs: Needs,
}

impl Draft {
    /// What it comes to for agencies that the board gives officers, or ends.
    pub fn turns(&self) -> BTreeMap<AgencyId, Turn> {
        let (by, returns) = (&self.act.by.holder, self.returns.is_some());
        turns(&self.owner, by, &self.changes, returns)
    }
}

/// An approval, signed by its officer on his own machine. The signature was verified before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who approves: the vote is his agency's.
    pub act: Act,
    /// The proposal's number.
    pub proposal: u64,
    /// The statement that he signed.
    pub signed: SignedText,
}

/// A statement with the signature of an officer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// What he signed: the lines of a [`Statement`](crate::broker::governance::Statement), or of one of a
    /// measure.
    pub statement: String,
    /// How he signed it, such as `ecdsa-p256-sha256`.
    pub scheme: String,
    /// His signature.
    pub signature: Vec<u8>,
    /// His certificate as DER, so that every reader of the log can verify the signature.
    pub certificate: Vec<u8>,
}
