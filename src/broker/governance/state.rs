//! What is proposed, decided and in force, as the records have it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::deed::Statement;
use super::measures::Declarations;
use super::spent::Budgets;
use super::told::Told;
use super::vote::Vote;
use crate::agency::officer::{Holder, OfficerId};
use crate::broker::ids::EntryId;
use crate::broker::limits::{OWNER_ACTIVATIONS, OWNER_CLOSED};
use crate::broker::record::{
    Act, Activated, Approval, Approved, Draft, Genesis, Needs, Proposed, Scheduled, Text, When,
    Withdrawn,
};
use crate::journal::Lsn;
use crate::message::id::{AgencyId, Digest};
use crate::message::time::Timestamp;
use crate::policy::recovery::{Turn, in_words};

/// The proposals that are pending, those closed last, the rulebooks in force last, and the measures of
/// agencies. Texts and signatures are in the records. Cheap to clone: a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Governance {
    /// The log's digest; none before it is begun.
    pub(in crate::broker) log: Option<Digest>,
    /// How many were proposed ever.
    pub(in crate::broker) proposed: u64,
    pub(in crate::broker) proposals: BTreeMap<u64, Arc<Proposal>>,
    /// The numbers of closed ones, the longest closed first.
    pub(in crate::broker) closed: VecDeque<u64>,
    /// The oldest first.
    pub(in crate::broker) activations: VecDeque<Activation>,
    /// The newest record with the whole text of a rulebook.
    pub(in crate::broker) whole: Option<EntryId>,
    pub(in crate::broker) budgets: Budgets,
    pub(in crate::broker) measures: BTreeMap<AgencyId, Arc<Declarations>>,
    pub(in crate::broker) told: BTreeMap<AgencyId, Arc<Told>>,
}

/// A rulebook that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// Counts activations from 1, which is the first rulebook's.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The rulebook's digest.
    pub digest: Digest,
    /// The proposal that it came from; none for the first rulebook, and in a development log.
    pub proposal: Option<u64>,
    /// Its record.
    pub entry: EntryId,
}

/// A proposal, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Counts proposals from 1.
    pub number: u64,
    /// Its record, which has the changes.
    pub entry: EntryId,
    /// When it was proposed.
    pub at: Timestamp,
    /// Who proposed it.
    pub act: Act,
    /// The one body whose part of the rulebook changes.
    pub owner: Holder,
    /// The digest of the rulebook that it rests on.
    pub base: Digest,
    /// The digest of the rulebook that it makes.
    pub digest: Digest,
    /// The digest of a report on what it would have changed, where there is one.
    pub impact: Option<Digest>,
    /// What it is for.
    pub title: String,
    /// When it takes effect.
    pub when: When,
    /// The number of the activation that it takes back, where it does.
    pub returns: Option<u64>,
    /// What it comes to for agencies that the board gives officers, or ends.
    pub turns: BTreeMap<AgencyId, Turn>,
    /// The approvals that it needs.
    pub needs: Needs,
    /// Those that it has, in their order.
    pub votes: Vec<Vote>,
    /// What has become of it.
    pub state: State,
}

/// What has become of a proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// It waits for approvals, or for its time.
    #[default]
    Pending,
    /// It took effect, by the activation of this number.
    Activated(u64),
    /// An officer took it back.
    Withdrawn {
        /// When.
        at: Timestamp,
        /// Who.
        by: OfficerId,
    },
    /// The activation of this number, of another, took away the rulebook that it rests on.
    Superseded(u64),
}

impl State {
    /// Its word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Activated(_) => "activated",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Superseded(_) => "superseded",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Activated(number) => write!(f, "it took effect by activation {number}"),
            Self::Withdrawn { at, by } => write!(f, "{by} withdrew it at {at}"),
            Self::Superseded(number) => write!(
                f,
                "it is superseded by activation {number}, which took away the rulebook that it rests on"
            ),
        }
    }
}

impl Proposal {
    /// Whether it has files of an agency of this name that took part when it was made.
    pub fn is_of_one_that_had(&self, agency: &str) -> bool {
        let is_it = |it: &AgencyId| it.as_str() == agency;
        self.turns.keys().any(is_it) || self.act.by.holder.agency().is_some_and(is_it)
    }

    /// Whether it is not closed.
    pub fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    /// Whether it has the approvals that it needs.
    pub fn is_complete(&self) -> bool {
        self.vote_count() >= self.needs.votes()
    }

    /// Whether it is to take effect now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let is_time = match self.when {
            When::Asked => false,
            When::Approved => true,
            When::At(time) => time <= now,
        };
        self.is_pending() && self.is_complete() && is_time
    }

    /// How many agencies have approved it.
    pub fn vote_count(&self) -> u32 {
        u32::try_from(self.votes.len()).unwrap_or(u32::MAX)
    }

    /// Whether officers of this body have a part in it: it changes the body's own, or needs an approval of it.
    pub fn concerns(&self, holder: &Holder) -> bool {
        let is_asked = |agency: &AgencyId| self.needs.of().contains(agency);
        self.owner == *holder || holder.agency().is_some_and(is_asked)
    }
}

impl Governance {
    /// A digest that names this log: officers sign it with what they approve, so that an approval counts
    /// in no other log.
    pub fn log(&self) -> Option<Digest> {
        self.log
    }

    /// The activation of the rulebook in force; none before the log is begun.
    pub fn active(&self) -> Option<&Activation> {
        self.activations.back()
    }

    /// The rulebooks that were in force last, the newest first.
    pub fn activations(&self) -> impl Iterator<Item = &Activation> {
        self.activations.iter().rev()
    }

    /// An activation by its number, where it is remembered.
    pub fn activation(&self, number: u64) -> Option<&Activation> {
        let found = self
            .activations
            .binary_search_by_key(&number, |it| it.number);
        self.activations.get(found.ok()?)
    }

    /// Proposals, pending and closed, the newest first.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.values().rev().map(AsRef::as_ref)
    }

    /// A proposal by its number, where it is pending or remembered.
    pub fn proposal(&self, number: u64) -> Option<&Proposal> {
        self.proposals.get(&number).map(AsRef::as_ref)
    }

    /// The numbers of proposals that are to take effect now.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = u64> {
        let due = self.proposals.values().filter(move |it| it.is_due(now));
        due.map(|it| it.number)
    }

    /// What this officer signs to approve a proposal; none where there is no such proposal.
    pub fn statement(&self, number: u64, officer: &OfficerId) -> Option<Statement> {
        let proposal = self.proposal(number)?;
        Some(Statement {
            log: self.log?,
            proposal: number,
            owner: proposal.owner.clone(),
            about: in_words(&proposal.turns),
            base: proposal.base,
            digest: proposal.digest,
            impact: proposal.impact,
            officer: officer.clone(),
        })
    }

    /// The newest record with the whole text of a rulebook.
    pub fn whole(&self) -> Option<EntryId> {
        self.whole
    }
}

/// What records say.
impl Governance {
    pub(in crate::broker) fn begun(&mut self, genesis: &Genesis, at: Lsn) {
        self.log = Some(genesis.log());
        self.whole = Some(EntryId::new(at));
        self.enter(genesis.at, genesis.digest, None, at);
    }

    pub(in crate::broker) fn proposed(&mut self, proposed: &Proposed, at: Lsn) {
        let turns = proposed.draft.turns();
        let Draft {
            act,
            owner,
            base,
            digest,
            impact,
            changes: _,
            title,
            when,
            returns,
            needs,
        } = proposed.draft.clone();
        self.budgets.spend(proposed);
        self.proposed = proposed.number;
        let proposal = Proposal {
            number: proposed.number,
            entry: EntryId::new(at),
            at: proposed.at,
            act,
            owner,
            base,
            digest,
            impact,
            title,
            when,
            returns,
            turns,
            needs,
            votes: Vec::new(),
            state: State::Pending,
        };
        self.proposals.insert(proposed.number, Arc::new(proposal));
    }

    pub(in crate::broker) fn approved(&mut self, approved: &Approved, at: Lsn) {
        let Approval { act, proposal, .. } = &approved.approval;
        let vote = Vote {
            at: approved.at,
            act: act.clone(),
            entry: EntryId::new(at),
        };
        self.change(*proposal, |it| {
            it.votes.push(vote);
            // Nobody expects any more what was to be at a time that is over.
            if matches!(it.when, When::At(time) if time < approved.at) {
                it.when = When::Asked;
            }
        });
    }

    pub(in crate::broker) fn withdrawn(&mut self, withdrawn: &Withdrawn) {
        let state = State::Withdrawn {
            at: withdrawn.at,
            by: withdrawn.act.by.clone(),
        };
        self.close(withdrawn.proposal, state);
        self.forget_proposals();
    }

    pub(in crate::broker) fn scheduled(&mut self, scheduled: &Scheduled) {
        let when = scheduled.until.map_or(When::Approved, When::At);
        self.change(scheduled.proposal, |it| it.when = when);
    }

    /// Another rulebook is in force: what rested on the one before is closed.
    pub(in crate::broker) fn activated(&mut self, activated: &Activated, at: Lsn) {
        if matches!(activated.text, Text::Whole(_)) {
            self.whole = Some(EntryId::new(at));
        }
        let number = self.enter(activated.at, activated.digest, activated.proposal, at);
        let pending = self.proposals.values().filter(|it| it.is_pending());
        let pending: Vec<u64> = pending.map(|it| it.number).collect();
        for proposal in pending {
            let is_it = activated.proposal == Some(proposal);
            let closed = if is_it {
                State::Activated
            } else {
                State::Superseded
            };
            self.close(proposal, closed(number));
        }
        self.forget_activations();
        self.forget_proposals();
    }

    fn enter(&mut self, at: Timestamp, digest: Digest, proposal: Option<u64>, entry: Lsn) -> u64 {
        let number = self.active().map_or(0, |active| active.number) + 1;
        self.activations.push_back(Activation {
            number,
            at,
            digest,
            proposal,
            entry: EntryId::new(entry),
        });
        number
    }

    /// Forgets of each owner the activations before its last ones, so that one that changes much takes no
    /// return from another. The one before a remembered one stays: a return leads to it.
    fn forget_activations(&mut self) {
        let mut since: BTreeMap<Option<Holder>, usize> = BTreeMap::new();
        let mut leads_back = false;
        let proposals = &self.proposals;
        let mut kept: VecDeque<Activation> = VecDeque::new();
        for activation in self.activations.iter().rev() {
            let proposal = activation
                .proposal
                .and_then(|number| proposals.get(&number));
            let count = since
                .entry(proposal.map(|it| it.owner.clone()))
                .or_default();
            *count += 1;
            let is_remembered = *count <= OWNER_ACTIVATIONS;
            if is_remembered || leads_back {
                kept.push_front(activation.clone());
            }
            leads_back = is_remembered;
        }
        self.activations = kept;
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Proposal)) {
        if let Some(proposal) = self.proposals.get_mut(&number) {
            change(Arc::make_mut(proposal));
        }
    }

    fn close(&mut self, number: u64, state: State) {
        self.change(number, |it| it.state = state);
        self.closed.push_back(number);
    }

    /// Forgets of each owner the proposals that were closed before its last ones. Those that a remembered
    /// activation came from stay.
    fn forget_proposals(&mut self) {
        let activated: BTreeSet<u64> = self
            .activations
            .iter()
            .filter_map(|it| it.proposal)
            .collect();
        let mut since: BTreeMap<Holder, usize> = BTreeMap::new();
        let mut kept = VecDeque::new();
        for number in self.closed.iter().rev() {
            let Some(proposal) = self.proposals.get(number) else {
                continue;
            };
            let is_activated = activated.contains(number);
            let count = since.entry(proposal.owner.clone()).or_default();
            *count += usize::from(!is_activated);
            if is_activated || *count <= OWNER_CLOSED {
                kept.push_front(*number);
            } else {
                self.proposals.remove(number);
            }
        }
        self.closed = kept;
    }
}
