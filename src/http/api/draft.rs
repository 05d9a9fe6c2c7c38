//! From changed files to a proposal: whose they are, whether they make a whole rulebook, what it needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::auth::Signed;
use super::super::problem::{self, Code, Problem};
use super::super::site::Shared;
use super::super::work::Kind;
use super::told::ProposalTold;
use crate::agency::officer::Holder;
use crate::broker::governance::{Deed, Done, Draft, Needs, NotDone, Proposal, When};
use crate::broker::limits::PROPOSAL_BYTES;
use crate::broker::record::{Record, octets};
use crate::message::bundle::Bundle;
use crate::message::id::Digest;
use crate::policy::change::Changes;
use crate::policy::checked::{Checked, check, check_return};
use crate::policy::office::Action;
use crate::policy::recovery::made;

/// What an officer wants to propose.
pub(super) struct Wanted {
    /// The rulebook that he looked at.
    pub(super) base: Digest,
    pub(super) changes: Changes,
    pub(super) title: String,
    pub(super) when: When,
    pub(super) returns: Option<u64>,
    /// Whether the files are as the log has them from before the board gave an agency officers, or ended
    /// it: no officer gives them.
    pub(super) restores: bool,
}

/// Changes that are found good, with the approvals that they need.
pub(super) struct Good {
    /// Those that are made: in an agency's file the board's part alone.
    changes: Changes,
    pub(super) needs: Needs,
    pub(super) checked: Checked,
}

/// Finds whether an officer may propose these changes of the rulebook in force, and whether they make
/// a whole one. Nothing is told of a file that is not his to change.
pub(super) async fn checked(
    shared: &Shared,
    signed: &Signed,
    changes: &Changes,
    restores: bool,
) -> Result<Good, Problem> {
    let owners: BTreeSet<Holder> = changes.paths().map(|path| signed.acts_for(path)).collect();
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
    let base = Arc::clone(&signed.view.rulebook);
    let changes = if restores {
        changes.clone()
    } else {
        made(&base, changes, &signed.id.holder).map_err(Problem::faults)?
    };
    let (bytes, most) = (octets(&changes), PROPOSAL_BYTES);
    if bytes > most {
        return Err(not_done(&NotDone::TooLarge { bytes, most }));
    }
    if changes
        .files()
        .all(|(path, content)| base.bundle().get(path) == content)
    {
        let says = "the files are as they are in force";
        return Err(Problem::new(&problem::NO_CHANGE, says));
    }
    let holder = signed.id.holder.clone();
    let checked = signed.work(shared, Kind::Check, move |_| {
        let check = if restores { check_return } else { check };
        let checked = check(&base, &changes, &holder);
        checked.map(|checked| (checked, changes))
    });
    let checked = checked.await?;
    signed.again(shared).await?;
    let (checked, changes) = checked.map_err(Problem::faults)?;
    // By what it says, the change of an agency's own file may be the board's: the agency asks for it.
    Ok(Good {
        changes,
        needs: needs(signed, &checked.owner)?,
        checked,
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
    let Good {
        changes,
        needs,
        checked,
    } = checked(shared, signed, &wanted.changes, wanted.restores).await?;
    let draft = Draft {
        act: signed.act(),
        owner: checked.owner,
        base: wanted.base,
        digest: checked.rulebook.digest(),
        impact: None,
        changes,
        title: wanted.title,
        when: wanted.when,
        returns: wanted.returns,
        needs,
    };
    match govern(shared, signed, Deed::Propose(draft)).await? {
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
    let proposal = proposal.filter(|it| signed.sees_proposal(it));
    proposal.ok_or_else(Problem::absent)
}

/// The changes of a proposal, as its record has them, for an officer who may see it still once that is
/// read.
pub(super) async fn changes_of(
    shared: &Shared,
    signed: &Signed,
    proposal: &Proposal,
) -> Result<Changes, Problem> {
    let stored = shared.backbone.record(proposal.entry).await;
    signed.again(shared).await?;
    let stored = stored.map_err(|unread| not_done(&NotDone::Unread(unread.0)))?;
    match &stored.record {
        Record::Proposed(proposed) => Ok(proposed.draft.changes.clone()),
        _ => Err(not_done(&NotDone::Unread(
            "the record is no proposal".to_owned(),
        ))),
    }
}

/// Of changes that were made for `owner`, those that an officer names: with an agency that goes all of its
/// files go, of which he names the first.
pub(super) fn named(signed: &Signed, changes: &Changes, owner: &Holder) -> Changes {
    changes.only(|path| signed.sees(path) || signed.acts_for(path) == *owner)
}

/// The text of the rulebook that a proposal rests on, which was in force when it was proposed.
pub(super) async fn base_of(
    shared: &Shared,
    signed: &Signed,
    proposal: &Proposal,
) -> Result<Bundle, Problem> {
    let mut activations = signed.view.governance.activations();
    let base = activations.find(|it| it.digest == proposal.base);
    let base = base.ok_or_else(|| {
        let says = "its rulebook is not remembered any more";
        not_done(&NotDone::Unread(says.to_owned()))
    })?;
    let (entry, backbone) = (base.entry, Arc::clone(&shared.backbone));
    let text = signed.work(shared, Kind::Check, move |_| backbone.text(entry));
    let text = text.await?;
    signed.again(shared).await?;
    text.map_err(|_| unread_back())
}

/// The log does not give back the rulebook of a proposal.
pub(super) fn unread_back() -> Problem {
    let says = "its rulebook cannot be read back";
    not_done(&NotDone::Unread(says.to_owned()))
}

/// Has the core do what an officer may do still: he may have waited for a place, a thread or his body.
pub(super) async fn govern(shared: &Shared, signed: &Signed, deed: Deed) -> Result<Done, Problem> {
    signed.again(shared).await?;
    let done = shared.backbone.govern(deed).await;
    done.map_err(|why| not_done(&why))
}

fn stopped() -> Problem {
    not_done(&NotDone::Stopped)
}

/// Why a deed was not done, as a problem.
pub(super) fn not_done(why: &NotDone) -> Problem {
    let code: &'static Code = match why {
        NotDone::Absent(_) | NotDone::NoMeasure(_) => return Problem::absent(),
        NotDone::Closed { .. } | NotDone::MeasureClosed { .. } => &problem::CLOSED,
        NotDone::StaleBase { .. } => &problem::STALE_BASE,
        NotDone::NoChange => &problem::NO_CHANGE,
        NotDone::Title { .. }
        | NotDone::Past { .. }
        | NotDone::MeasureEnd { .. }
        | NotDone::NormalLevel
        | NotDone::NoPermit(_)
        | NotDone::TooManyPermits { .. } => &problem::BAD_REQUEST,
        NotDone::TooLarge { .. } => &problem::TOO_LARGE,
        NotDone::TooMany { .. } | NotDone::TooManyMeasures | NotDone::SuspendedBefore { .. } => {
            &problem::TOO_MANY_PENDING
        }
        NotDone::TooMuchToday { .. } => &problem::TOO_MUCH_TODAY,
        NotDone::OtherNeeds(_) | NotDone::NoPart(_) | NotDone::OthersMeasure(_) => {
            &problem::FORBIDDEN
        }
        NotDone::OwnProposal(_) | NotDone::OwnMeasure(_) => &problem::OWN_PROPOSAL,
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
        | NotDone::Told
        | NotDone::NotAhead { .. }
        | NotDone::OriginClosed(_)
        | NotDone::DiskFull
        | NotDone::Stopped => &problem::NOT_TAKEN,
    };
    Problem::new(code, why.to_string())
}
