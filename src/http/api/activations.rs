//! `activations`: the rulebooks that were in force, and how one is taken back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use super::super::auth::Signed;
use super::super::body::{Asked, At};
use super::super::page::{Page, PageAsked};
use super::super::problem::{LATER_CHANGES, Problem, Told};
use super::super::site::Shared;
use super::super::work::Kind;
use super::draft::{Wanted, changes_of, named, not_done, propose, seen};
use super::told::{ActivationTold, ProposalTold, created};
use crate::broker::governance::{NotDone, When};
use crate::policy::office::Action;

/// Rulebooks that were in force, the newest first
#[utoipa::path(get, path = "/api/v1/activations", params(PageAsked), responses(
    (status = OK, body = Page<ActivationTold>),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    signed: Signed,
    Asked(asked): Asked<PageAsked>,
) -> Result<Json<Page<ActivationTold>>, Problem> {
    let all = signed.view.governance.activations();
    let tell = |it| ActivationTold::to(&signed, it);
    Page::of("activations", &asked, all, |it| it.number, tell).map(Json)
}

/// Propose that what an activation changed is as it was before; approved, it takes effect at once
#[utoipa::path(post, path = "/api/v1/activations/{number}/return", params(("number" = u64, Path)), responses(
    (status = CREATED, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn take_back(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
) -> Result<Response, Problem> {
    let wanted = returned(&shared, &signed, number).await?;
    Ok(created(propose(&shared, &signed, wanted).await?))
}

/// What takes an activation back.
pub(super) async fn returned(
    shared: &Arc<Shared>,
    signed: &Signed,
    number: u64,
) -> Result<Wanted, Problem> {
    let governance = &signed.view.governance;
    let activation = governance.activation(number).ok_or_else(Problem::absent)?;
    let proposal = seen(signed, activation.proposal.ok_or_else(Problem::absent)?)?;
    signed.needs(Action::Activate, &proposal.owner)?;
    let changed = changes_of(shared, signed, proposal).await?;
    let before = number
        .checked_sub(1)
        .and_then(|before| governance.activation(before));
    let before = before.ok_or_else(Problem::absent)?.entry;
    let backbone = Arc::clone(&shared.backbone);
    let before = signed.work(shared, Kind::Check, move |_| backbone.text(before));
    let before = before.await?;
    signed.again(shared).await?;
    let before = before.map_err(|unread| not_done(&NotDone::Unread(unread.0)))?;
    // Who changed these files again since would find his change gone.
    let active = signed.view.rulebook.bundle();
    let changed_again = changed
        .files()
        .find(|(path, content)| active.get(path) != *content);
    if let Some((path, _)) = changed_again {
        let says = format!("{path} was changed again since activation {number}");
        return Err(Problem::new(&LATER_CHANGES, says));
    }
    let back = changed.inverse(&before);
    let restores = !proposal.turns.is_empty();
    Ok(Wanted {
        base: signed.view.rulebook.digest(),
        changes: if restores {
            back
        } else {
            named(signed, &back, &proposal.owner)
        },
        title: format!("Return from activation {number}: {}", proposal.title),
        when: When::Approved,
        returns: Some(number),
        restores,
    })
}
