//! From changed files to a proposal: whose they are, whether they make a whole rulebook, what it needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::auth::Signed;
use super::super::problem::{self, Code, Problem};
use super::super::site::Shared;
use super::told::ProposalTold;
use crate::agency::officer::Holder;
use crate::broker::governance::{Deed, Done, Draft, Needs, NotDone, Proposal, When};
use crate::message::bundle::Fault;
use crate::message::id::Digest;
use crate::policy::change::Changes;
use crate::policy::office::Action;
use crate::policy::possible;
use crate::policy::rulebook::Rulebook;

/// What an officer wants to propose.
pub(super) struct Wanted {
    /// The rulebook that he looked at.
    pub(super) base: Digest,
    pub(super) changes: Changes,
    pub(super) title: String,
    pub(super) when: When,
    pub(super) returns: Option<u64>,
}

/// Changes that are found good, and the rulebook that they make.
pub(super) struct Checked {
    pub(super) owner: Holder,
    pub(super) needs: Needs,
    pub(super) rulebook: Rulebook,
}

/// Finds whether an officer may propose these changes of the rulebook in force, and whether they make
/// a whole one.
pub(super) async fn checked(signed: &Signed, changes: &Changes) -> Result<Checked, Problem> {
    let owners: BTreeSet<Holder> = changes.paths().map(|path| signed.owner_of(path)).collect();
    for owner in &owners {
        signed.needs(Action::Propose, owner)?;
    }
    let mut owners = owners.into_iter();
    let Some(owner) = owners.next() else {
        return Err(Problem::new(&problem::NO_CHANGE, "no file is given"));
    };
    if let Some(other) = owners.next() {
        let says = format!("some of the files belong to {owner}, some to {other}");
        return Err(Problem::new(&problem::SEVERAL_OWNERS, says));
    }
    let needs = needs(signed, &owner)?;
    let base = Arc::clone(&signed.view.rulebook);
    let next = changes.applied(base.bundle());
    if next.digest() == base.digest() {
        let says = "the files are as they are in force";
        return Err(Problem::new(&problem::NO_CHANGE, says));
    }
    let parsed = tokio::task::spawn_blocking(move || {
        let rulebook = Rulebook::parse(&next)?;
        let impossible = possible::look(&rulebook).faults;
        if impossible.is_empty() {
            Ok(rulebook)
        } else {
            Err(impossible)
        }
    });
    let parsed: Result<Rulebook, Vec<Fault>> = parsed.await.map_err(|_| stopped())?;
    Ok(Checked {
        owner,
        needs,
        rulebook: parsed.map_err(Problem::faults)?,
    })
}

/// The approvals that changes of this owner's need, by the board in force.
fn needs(signed: &Signed, owner: &Holder) -> Result<Needs, Problem> {
    match owner {
        Holder::Agency(agency) => Ok(Needs::agency(agency.clone())),
        Holder::Board => {
            let board = signed.view.rulebook.board();
            let quorum = u32::try_from(board.quorum).unwrap_or(u32::MAX);
            let needs = Needs::quorum(quorum, board.members.clone());
            needs.ok_or_else(|| Problem::new(&problem::FORBIDDEN, "the board has no quorum"))
        }
    }
}

/// Proposes changes that an officer wants, and tells the proposal.
pub(super) async fn propose(
    shared: &Arc<Shared>,
    signed: &Signed,
    wanted: Wanted,
) -> Result<ProposalTold, Problem> {
    let active = signed.view.rulebook.digest();
    if wanted.base != active {
        let base = wanted.base;
        return Err(not_done(&NotDone::StaleBase { base, active }));
    }
    let checked = checked(signed, &wanted.changes).await?;
    let draft = Draft {
        act: signed.act(),
        owner: checked.owner,
        base: wanted.base,
        digest: checked.rulebook.digest(),
        impact: None,
        changes: wanted.changes,
        title: wanted.title,
        when: wanted.when,
        returns: wanted.returns,
        needs: checked.needs,
    };
    match govern(shared, Deed::Propose(draft)).await? {
        Done::Proposed(number) => told(shared, number),
        _ => Err(stopped()),
    }
}

/// A proposal as it stands now.
pub(super) fn told(shared: &Shared, number: u64) -> Result<ProposalTold, Problem> {
    let view = shared.backbone.view();
    let proposal = view.governance.proposal(number);
    proposal.map(ProposalTold::from).ok_or_else(Problem::absent)
}

/// A proposal that the officer may see.
pub(super) fn seen(signed: &Signed, number: u64) -> Result<&Proposal, Problem> {
    let proposal = signed.view.governance.proposal(number);
    let proposal = proposal.filter(|it| signed.actor.may(Action::See, &it.owner));
    proposal.ok_or_else(Problem::absent)
}

/// Has the core do it.
pub(super) async fn govern(shared: &Shared, deed: Deed) -> Result<Done, Problem> {
    let done = shared.backbone.govern(deed).await;
    done.map_err(|why| not_done(&why))
}

fn stopped() -> Problem {
    not_done(&NotDone::Stopped)
}

/// Why a deed was not done, as a problem.
pub(super) fn not_done(why: &NotDone) -> Problem {
    let code: &'static Code = match why {
        NotDone::Absent(_) => return Problem::absent(),
        NotDone::Closed { .. } => &problem::CLOSED,
        NotDone::StaleBase { .. } => &problem::STALE_BASE,
        NotDone::NoChange => &problem::NO_CHANGE,
        NotDone::Title { .. } => &problem::BAD_REQUEST,
        NotDone::TooLarge { .. } => &problem::TOO_LARGE,
        NotDone::TooMany { .. } => &problem::TOO_MANY_PENDING,
        NotDone::OtherNeeds(_) | NotDone::NoPart(_) => &problem::FORBIDDEN,
        NotDone::OwnProposal(_) => &problem::OWN_PROPOSAL,
        NotDone::SameKey => &problem::SAME_KEY,
        NotDone::Twice(_) | NotDone::Voted(_) => &problem::ALREADY_APPROVED,
        NotDone::OtherStatement => &problem::BAD_SIGNATURE,
        NotDone::NotComplete { .. } => &problem::NOT_COMPLETE,
        NotDone::NotDue => &problem::NOT_DUE,
        NotDone::Faulty(_) => &problem::FAULTS,
        NotDone::TooSoon => &problem::TOO_MANY_REQUESTS,
        NotDone::OtherText { .. }
        | NotDone::NoProposal
        | NotDone::Unread(_)
        | NotDone::DiskFull
        | NotDone::Stopped => &problem::NOT_TAKEN,
    };
    Problem::new(code, why.to_string())
}
