//! How a proposal is decided: what an officer signs, his approval, and when it takes effect.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use data_encoding::BASE64;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::auth::Signed;
use super::super::body::{At, Body, text};
use super::super::problem::{BAD_REQUEST, BAD_SIGNATURE, NEW_KEY, Problem, Told};
use super::super::site::Shared;
use super::super::work::Kind;
use super::draft::{govern, not_done, seen, told};
use super::told::ProposalTold;
use crate::agency::signature;
use crate::agency::token::Vouched;
use crate::broker::governance::{Approval, Deed, Done, NotDone, SignedText, State as Became};
use crate::message::time::Timestamp;
use crate::policy::office::Action;

/// How long a key of an identity provider must be known before who is known by its tokens alone approves.
const KEY_TRUSTED: Duration = Duration::from_hours(24);

/// An approval, or a confirmation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approving {
    /// The signature of the statement by the key of your certificate, Base64: ECDSA with SHA-256 or
    /// SHA-384 as DER, Ed25519, or RSA with SHA-256
    signature: String,
}

/// When an approved proposal takes effect.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Activating {
    /// A time; none for now
    at: Option<String>,
}

/// What you sign to approve a proposal
#[utoipa::path(get, path = "/api/v1/proposals/{number}/statement", params(("number" = u64, Path)), responses(
    (status = OK, body = String, content_type = "text/plain"),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn statement(signed: Signed, At(number): At<u64>) -> Result<Response, Problem> {
    seen(&signed, number)?;
    Ok(text(statement_of(&signed, number)?))
}

fn statement_of(signed: &Signed, number: u64) -> Result<String, Problem> {
    let statement = signed.view.governance.statement(number, &signed.id);
    Ok(statement.ok_or_else(Problem::absent)?.to_string())
}

/// Approve a proposal
#[utoipa::path(post, path = "/api/v1/proposals/{number}/approvals", params(("number" = u64, Path)), request_body = Approving, responses(
    (status = OK, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn approve(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
    Body(asked): Body<Approving>,
) -> Result<Json<ProposalTold>, Problem> {
    signed.needs(Action::Approve, &seen(&signed, number)?.owner)?;
    let statement = statement_of(&signed, number)?;
    let approval = Approval {
        act: signed.act(),
        proposal: number,
        signed: signed_text(&shared, &signed, statement, &asked)?,
    };
    let done = govern(&shared, &signed, Deed::Approve(approval)).await?;
    let is_due = {
        let view = shared.backbone.view();
        let proposal = view.governance.proposal(number);
        proposal.is_some_and(|it| it.is_due(shared.backbone.now()))
    };
    if done == (Done::Approved { complete: true })
        && is_due
        && let Err(why) = activate_now(&shared, &signed, number).await
    {
        // The approval counts; what is due takes effect within a second of when it can.
        tracing::warn!(
            proposal = number,
            ?why,
            "an approved proposal has not taken effect yet"
        );
    }
    told(&shared, number).map(Json)
}

/// A statement that an officer has signed with the key of his certificate.
pub(super) fn signed_text(
    shared: &Shared,
    signed: &Signed,
    statement: String,
    asked: &Approving,
) -> Result<SignedText, Problem> {
    let is_new = |vouched: &Vouched| shared.backbone.now().since(vouched.key_since) < KEY_TRUSTED;
    if signed.vouched.as_ref().is_some_and(is_new) {
        let says = "the key that signed your token is new at the identity provider";
        return Err(Problem::new(&NEW_KEY, says));
    }
    let octets = BASE64.decode(asked.signature.as_bytes());
    let octets = octets.map_err(|_| Problem::new(&BAD_REQUEST, "/signature is not Base64"))?;
    let scheme = signature::verify(&signed.certificate, statement.as_bytes(), &octets);
    let scheme = scheme.ok_or_else(|| {
        let says = "the signature is not one of the statement by your certificate's key";
        Problem::new(&BAD_SIGNATURE, says)
    })?;
    Ok(SignedText {
        statement,
        scheme: scheme.to_owned(),
        signature: octets,
        certificate: signed.certificate.to_vec(),
    })
}

/// Have an approved proposal take effect, now or at a time
#[utoipa::path(post, path = "/api/v1/proposals/{number}/activation", params(("number" = u64, Path)), request_body = Activating, responses(
    (status = OK, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn activate(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
    Body(asked): Body<Activating>,
) -> Result<Json<ProposalTold>, Problem> {
    let proposal = seen(&signed, number)?;
    signed.needs(Action::Activate, signed.side(proposal))?;
    let at = asked.at.as_deref().map(|at| time("/at", at));
    let at = at.transpose()?;
    let is_complete = proposal.is_complete();
    if at.is_none() && proposal.is_pending() && !is_complete {
        let (votes, needed) = (proposal.vote_count(), proposal.needs.votes());
        return Err(not_done(&NotDone::NotComplete { votes, needed }));
    }
    let act = signed.act();
    let schedule = Deed::Schedule {
        act,
        proposal: number,
        at,
    };
    govern(&shared, &signed, schedule).await?;
    if is_complete && at.is_none() {
        activate_now(&shared, &signed, number).await?;
    }
    told(&shared, number).map(Json)
}

/// Puts a proposal that is due into force. The broker does it by itself within a second: who asked is
/// told when it is so.
async fn activate_now(shared: &Shared, signed: &Signed, number: u64) -> Result<(), Problem> {
    let stopped = || not_done(&NotDone::Stopped);
    let place = shared
        .work
        .place(Kind::Activation, &signed.actor.holder)
        .await;
    let place = place.ok_or_else(stopped)?;
    let backbone = Arc::clone(&shared.backbone);
    // It ends whether its officer waits or not, and has its place until then.
    let activation = tokio::spawn(async move {
        let done = backbone.activate_due(number).await;
        drop(place);
        done
    });
    let Err(why) = activation.await.map_err(|_| stopped())? else {
        return Ok(());
    };
    let view = shared.backbone.view();
    let proposal = view.governance.proposal(number);
    // The broker itself was faster.
    if proposal.is_some_and(|it| matches!(it.state, Became::Activated(_))) {
        Ok(())
    } else {
        Err(not_done(&why))
    }
}

/// The time that stands at `place` of a request.
pub(super) fn time(place: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::from_rfc3339(text).ok_or_else(|| {
        let says = format!("{place} is no time: write 2026-07-01T06:00:00Z");
        Problem::new(&BAD_REQUEST, says)
    })
}
