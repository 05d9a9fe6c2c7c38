//! `/api/v1`: a file a resource. [`router`] lists all; [`description`] is what clients are made from.

#![expect(
    unused_qualifications,
    reason = "utoipa's macros name what stands in scope by its whole path"
)]

mod activations;
mod deciding;
mod difference;
mod draft;
mod log;
mod me;
mod measures;
mod outstanding;
mod proposals;
mod rulebook;
mod rulebooks;
mod told;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Signed;
use super::body::{At, BODY, read_small, text};
use super::problem::{self, METHOD, Problem};
use super::site::Shared;
use super::tiles;

/// What stands at the head of the description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Carnet",
        version = "1",
        description = "What officers of agencies do with a broker: see the rulebook, propose changes, approve them, have them take \
            effect and have them taken back. Over mutual TLS: who asks is known by his certificate. Whatever is foreign to him is \
            absent."
    ),
    components(schemas(problem::Told))
)]
struct Head;

/// All resources. The one list of them.
fn resources() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(Head::openapi())
        .routes(routes!(me::me))
        .routes(routes!(rulebook::rulebook))
        .routes(routes!(rulebook::files))
        .routes(routes!(rulebook::file, rulebook::edit, rulebook::remove))
        .routes(routes!(proposals::check))
        .routes(routes!(proposals::list, proposals::propose))
        .routes(routes!(proposals::proposal, proposals::withdraw))
        .routes(routes!(proposals::file))
        .routes(routes!(difference::difference))
        .routes(routes!(proposals::rebase))
        .routes(routes!(deciding::statement))
        .routes(routes!(deciding::approve))
        .routes(routes!(deciding::activate))
        .routes(routes!(activations::list))
        .routes(routes!(activations::take_back))
        .routes(routes!(measures::list, measures::declare))
        .routes(routes!(measures::suspensions))
        .routes(routes!(measures::one, measures::withdraw))
        .routes(routes!(measures::statement))
        .routes(routes!(measures::confirm))
        .routes(routes!(log::look))
        .routes(routes!(outstanding::outstanding))
        .routes(routes!(rulebooks::list))
        .routes(routes!(rulebooks::files))
}

/// The interface as a router; what it does not know is a problem like any other.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let (router, _) = resources().split_for_parts();
    router
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/problems/{code}", get(page))
        .route("/log/checkpoint", get(tiles::checkpoint))
        .route("/log/tile/{*name}", get(tiles::tile))
        .fallback(async |_: Signed| Problem::absent())
        .method_not_allowed_fallback(async |_: Signed| {
            Problem::new(&METHOD, "the resource does not take this method")
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(read_small))
        .with_state(shared)
}

/// The interface in OpenAPI 3.1, generated from the code.
pub(crate) fn description() -> Description {
    resources().split_for_parts().1
}

async fn openapi(_: Signed) -> Response {
    // Made once: it is large, and asked for by anyone who is an officer.
    static DESCRIBED: LazyLock<Bytes> = LazyLock::new(|| {
        let described = serde_json::to_vec(&description());
        described.unwrap_or_default().into()
    });
    let json = [(CONTENT_TYPE, "application/json")];
    (json, DESCRIBED.clone()).into_response()
}

async fn page(_: Signed, At(code): At<String>) -> Result<Response, Problem> {
    problem::page(&code).map(text).ok_or_else(Problem::absent)
}
