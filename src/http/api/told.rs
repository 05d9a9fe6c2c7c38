//! Proposals and activations as they are told.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::Signed;
use crate::agency::officer::Holder;
use crate::broker::governance::{Activation, Proposal, State, Vote, When};
use crate::policy::office::Action;
use crate::policy::recovery::in_words;

/// A proposal to change the rulebook, and what has become of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Proposal)]
pub(super) struct ProposalTold {
    /// Counts proposals from 1
    number: u64,
    /// `pending`, `activated`, `withdrawn` or `superseded`
    state: &'static str,
    /// What it is for
    title: String,
    /// Whose part of the rulebook changes: an agency, or `board`
    owner: String,
    /// What it comes to for agencies that the board gives officers, or ends, such as `recovery of vet`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    about: Vec<String>,
    /// Who proposed it
    by: String,
    /// When
    at: String,
    /// The digest of the rulebook that it rests on
    base: String,
    /// The digest of the rulebook that it makes
    digest: String,
    /// How many agencies must approve it
    needed: u32,
    /// Agencies of which these must be
    needed_of: Vec<String>,
    /// Approvals that it has
    votes: Vec<VoteTold>,
    /// Whether it has the approvals that it needs
    complete: bool,
    /// When it takes effect: `asked` for, once `approved`, or `at` a time
    when: &'static str,
    /// The time, where it is to take effect at one
    #[serde(skip_serializing_if = "Option::is_none")]
    when_at: Option<String>,
    /// The activation by which it took effect, or was superseded
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<u64>,
    /// The activation that it takes back
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<u64>,
}

/// An approval that counts.
#[derive(Serialize, ToSchema)]
#[schema(as = Vote)]
pub(super) struct VoteTold {
    /// Who approved
    by: String,
    /// When
    at: String,
    /// SHA-256 of the public key that signed
    key: String,
}

impl From<&Vote> for VoteTold {
    fn from(vote: &Vote) -> Self {
        Self {
            by: vote.act.by.to_string(),
            at: vote.at.to_string(),
            key: vote.act.key.to_string(),
        }
    }
}

/// The answer to what made a proposal.
pub(super) fn created(told: ProposalTold) -> Response {
    let location = format!("/api/v1/proposals/{}", told.number);
    (StatusCode::CREATED, [(LOCATION, location)], Json(told)).into_response()
}

impl From<&Proposal> for ProposalTold {
    fn from(proposal: &Proposal) -> Self {
        let (when, when_at) = match proposal.when {
            When::Asked => ("asked", None),
            When::Approved => ("approved", None),
            When::At(time) => ("at", Some(time.to_string())),
        };
        let activation = match proposal.state {
            State::Activated(number) | State::Superseded(number) => Some(number),
            State::Pending | State::Withdrawn { .. } => None,
        };
        Self {
            number: proposal.number,
            state: proposal.state.name(),
            title: proposal.title.clone(),
            owner: proposal.owner.to_string(),
            about: in_words(&proposal.turns),
            by: proposal.act.by.to_string(),
            at: proposal.at.to_string(),
            base: proposal.base.to_string(),
            digest: proposal.digest.to_string(),
            needed: proposal.needs.votes(),
            needed_of: proposal
                .needs
                .of()
                .iter()
                .map(ToString::to_string)
                .collect(),
            votes: proposal.votes.iter().map(VoteTold::from).collect(),
            complete: proposal.is_complete(),
            when,
            when_at,
            activation,
            returns: proposal.returns,
        }
    }
}

/// A rulebook that came into force.
#[derive(Serialize, ToSchema)]
#[schema(as = Activation)]
pub(super) struct ActivationTold {
    /// Counts activations from 1, which is the first rulebook's
    pub(super) number: u64,
    /// When
    at: String,
    /// The rulebook's digest
    digest: String,
    /// The proposal that it came from, where it is yours to see
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalTold>,
}

impl ActivationTold {
    /// As an officer may see it: of another agency's change, that there was one.
    pub(super) fn to(signed: &Signed, activation: &Activation) -> Self {
        let sees = |owner: &Holder| signed.actor.may(Action::See, owner);
        Self::of(signed, activation, sees)
    }

    /// With its proposal where the owner's are to be seen.
    pub(super) fn of(
        signed: &Signed,
        activation: &Activation,
        sees: impl Fn(&Holder) -> bool,
    ) -> Self {
        let proposal = activation.proposal;
        let proposal = proposal.and_then(|number| signed.view.governance.proposal(number));
        let proposal = proposal.filter(|it| sees(signed.side(it)));
        Self {
            number: activation.number,
            at: activation.at.to_string(),
            digest: activation.digest.to_string(),
            proposal: proposal.map(ProposalTold::from),
        }
    }
}
