//! What a change means, by meaning: rules, rows, agencies, types, each before and after.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::auth::Signed;
use super::super::body::At;
use super::super::problem::{Problem, Told};
use super::super::site::Shared;
use super::super::work::Kind;
use super::draft::{base_of, changes_of, seen, unread_back};
use crate::policy::difference::Difference;
use crate::policy::rulebook::Rulebook;

/// What differs between two rulebooks.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
pub(super) struct DifferenceTold {
    /// The things that differ: `kind`, `name`, `path`, `change`, and what is said of them before and after
    #[schema(value_type = Vec<Object>)]
    things: Value,
    /// These as text, for people
    text: String,
}

impl DifferenceTold {
    /// As an officer may know it who sees these files.
    pub(super) fn of(difference: Difference, sees: impl Fn(&str) -> bool) -> Self {
        let difference = difference.seen(sees);
        Self {
            text: difference.to_string(),
            things: json!(difference),
        }
    }
}

/// What a proposal changes, by meaning
#[utoipa::path(get, path = "/api/v1/proposals/{number}/difference", params(("number" = u64, Path)), responses(
    (status = OK, body = DifferenceTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn difference(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
) -> Result<Json<DifferenceTold>, Problem> {
    let proposal = seen(&signed, number)?;
    let changes = changes_of(&shared, &signed, proposal).await?;
    let base = base_of(&shared, &signed, proposal).await?;
    let told = signed.work(&shared, Kind::Check, move |_| {
        let next = Rulebook::load(&changes.applied(&base)).ok()?;
        Some(Difference::between(&Rulebook::load(&base).ok()?, &next))
    });
    let told = told.await?;
    signed.again(&shared).await?;
    let sees = |path: &str| signed.sees_in(proposal, path);
    told.map(|difference| Json(DifferenceTold::of(difference, sees)))
        .ok_or_else(unread_back)
}
