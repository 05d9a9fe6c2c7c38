//! `me`: the officer who asks.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::Signed;
use super::super::problem::Told;

/// The officer who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The address, such as `post/o-2117`
    officer: String,
    /// What the rulebook in force lets this officer do
    roles: Vec<&'static str>,
    /// Whether the officer's agency is a member of the board
    seat: bool,
    /// SHA-256 of the certificate's public key
    key: String,
    /// The last instant of the certificate
    certificate_until: String,
}

/// The officer who asks
#[utoipa::path(get, path = "/api/v1/me", responses(
    (status = OK, body = Me),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn me(signed: Signed) -> Json<Me> {
    Json(Me {
        officer: signed.id.to_string(),
        roles: signed.actor.roles.iter().map(|role| role.name()).collect(),
        seat: signed.actor.seat,
        key: signed.summary.public_key.to_string(),
        certificate_until: signed.summary.not_after.to_string(),
    })
}
