//! Records of the rulebook and what follows from them, field by field in the order in which they stand
//! on disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::form::{Form, form, octets, put_count, put_long, whole};
use super::take::{Malformed, Take};
use crate::agency::keys::{KeyCheck, RetentionClass, SealedPart, Sealing};
use crate::agency::officer::{Holder, OfficerId};
use crate::agency::registry::InboxMode;
use crate::broker::governance::{
    Act, Activation, Approval, Budgets, Declarations, Draft, Governance, Needs, Proposal, Spent,
    State, Told, Vote, When,
};
use crate::broker::ids::EntryId;
use crate::broker::record::{
    Accessed, Activated, Approved, Genesis, Inquiry, Proposed, Scheduled, SignedText, Text,
    UnitEntry, Withdrawn,
};
use crate::journal::Lsn;
use crate::message::bundle::Bundle;
use crate::message::id::{AgencyId, Digest, ExchangeId, OfficerName, UnitId};
use crate::message::time::Timestamp;
use crate::policy::change::Changes;
use crate::policy::recovery::Turn;

form!(Genesis {
    at: Timestamp,
    bundle: Bundle,
    digest: Digest,
    development: bool,
    units: Vec<UnitEntry>,
    key_check: KeyCheck,
});

form!(UnitEntry {
    id: UnitId,
    inbox: InboxMode,
    listed: bool,
    delivery_limit: Option<u32>,
});

form!(Activated {
    at: Timestamp,
    proposal: Option<u64>,
    tells: BTreeSet<AgencyId>,
    digest: Digest,
    text: Text,
    units: Vec<UnitEntry>,
});

form!(Proposed {
    at: Timestamp,
    number: u64,
    draft: Draft,
});

form!(Draft {
    act: Act,
    owner: Holder,
    base: Digest,
    digest: Digest,
    impact: Option<Digest>,
    title: String,
    when: When,
    returns: Option<u64>,
    needs: Needs,
    changes: Changes,
});

form!(Approved {
    at: Timestamp,
    approval: Approval,
});

form!(Approval {
    act: Act,
    proposal: u64,
    signed: SignedText,
});

form!(SignedText {
    statement: String,
    scheme: String,
    signature: Vec<u8>,
    certificate: Vec<u8>,
});

form!(Withdrawn {
    at: Timestamp,
    act: Act,
    proposal: u64,
});

form!(Scheduled {
    at: Timestamp,
    act: Act,
    proposal: u64,
    until: Option<Timestamp>,
});

form!(Accessed {
    at: Timestamp,
    act: Act,
    id: ExchangeId,
    asked: SealedPart,
    results: u64,
});

form!(Inquiry<'a> {
    why: &'a str,
    query: &'a str,
});

impl<'a> Inquiry<'a> {
    /// The part of a record that holds it.
    pub fn seal(&self, sealing: &Sealing<'_>, class: RetentionClass) -> SealedPart {
        SealedPart::new(sealing, class, octets(self))
    }

    /// Reads it from its part of a record, once that was opened; none where it was not, or is damaged.
    pub fn read(opened: &'a SealedPart) -> Option<Self> {
        whole(opened.content().ok()?).ok()
    }
}

form!(Act {
    by: OfficerId,
    key: Digest,
    vouched_by: Option<Digest>,
});

form!(OfficerId {
    holder: Holder,
    officer: OfficerName,
});

/// How many of which: one at least, and no more than there are.
impl<'a> Form<'a> for Needs {
    const LEAST: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.votes().put(out);
        self.of().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let before = from.malformed();
        let votes = Form::take(from)?;
        let of: BTreeSet<AgencyId> = Form::take(from)?;
        Self::quorum(votes, of).ok_or(before)
    }
}

/// Paths with the octets of their files; without where a file is removed.
impl<'a> Form<'a> for Changes {
    const LEAST: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.files().count(), out);
        for (path, content) in self.files() {
            put_long(path.as_bytes(), out);
            content.put(out);
        }
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        let mut changes = Self::default();
        let mut last: Option<&str> = None;
        for _ in 0..from.count(5)? {
            let before = from.malformed();
            let path = from.text()?;
            if last.is_some_and(|last| last >= path) {
                return Err(before);
            }
            let content: Option<&[u8]> = Form::take(from)?;
            changes.insert(path, content.map(<[u8]>::to_vec));
            last = Some(path);
        }
        Ok(changes)
    }
}

form!(Governance {
    log: Option<Digest>,
    proposed: u64,
    proposals: BTreeMap<u64, Arc<Proposal>>,
    closed: VecDeque<u64>,
    activations: VecDeque<Activation>,
    whole: Option<EntryId>,
    budgets: Budgets,
    measures: BTreeMap<AgencyId, Arc<Declarations>>,
    told: BTreeMap<AgencyId, Arc<Told>>,
});

form!(Told {
    ends: BTreeMap<String, (Timestamp, u32)>,
});

form!(Budgets {
    spent: BTreeMap<Holder, Spent>,
});

form!(Spent {
    day: u64,
    octets: u64,
});

form!(Proposal {
    number: u64,
    entry: EntryId,
    at: Timestamp,
    act: Act,
    owner: Holder,
    base: Digest,
    digest: Digest,
    impact: Option<Digest>,
    title: String,
    when: When,
    returns: Option<u64>,
    turns: BTreeMap<AgencyId, Turn>,
    needs: Needs,
    votes: Vec<Vote>,
    state: State,
});

form!(Vote {
    at: Timestamp,
    act: Act,
    entry: EntryId,
});

form!(Activation {
    number: u64,
    at: Timestamp,
    digest: Digest,
    proposal: Option<u64>,
    entry: EntryId,
});

/// The address of its record.
impl<'a> Form<'a> for EntryId {
    const LEAST: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.at().put(out);
    }

    fn take(from: &mut Take<'a>) -> Result<Self, Malformed> {
        Lsn::take(from).map(Self::new)
    }
}
