//! `rulebook`: the one in force, as far as it is the officer's to see, and the edit of one of its files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::{Asked, FileAsked, Text, text};
use super::super::problem::{BAD_REQUEST, IF_MATCH_MISSING, Problem, STALE, Told};
use super::super::site::Shared;
use super::draft::{Wanted, propose};
use super::told::{ProposalTold, created};
use crate::broker::governance::When;
use crate::message::id::Digest;
use crate::policy::change::Changes;

/// The rulebook in force.
#[derive(Serialize, ToSchema)]
pub(super) struct RulebookTold {
    /// Its digest, over all of its files
    digest: String,
    /// The number of its activation
    activation: u64,
    /// Since when it is in force
    since: String,
    /// The agencies that take part
    agencies: Vec<String>,
    /// Its files: the officer's own agency's, and those that belong to the board
    files: Vec<FileTold>,
}

/// A file of a rulebook.
#[derive(Serialize, ToSchema)]
pub(super) struct FileTold {
    /// Its path
    path: String,
    /// Whose officers change it: an agency, or `board`
    owner: String,
    /// Its octets
    bytes: usize,
    /// SHA-256 of its text
    sha256: String,
}

/// The file that is edited, and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Edited {
    /// Its path, such as `policies/post.cedar`
    path: String,
    /// What the change is for, in one line
    title: String,
}

/// A file of the rulebook in force, where it is the officer's to see: his own agency's, or the board's,
/// which bind all agencies.
fn visible<'s>(signed: &'s Signed, path: &str) -> Option<&'s [u8]> {
    let content = signed.view.rulebook.bundle().get(path);
    content.filter(|_| signed.sees(path))
}

/// The rulebook in force
#[utoipa::path(get, path = "/api/v1/rulebook", responses(
    (status = OK, body = RulebookTold, headers(("etag" = String, description = "The digest"))),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn rulebook(signed: Signed) -> Result<Response, Problem> {
    let active = signed
        .view
        .governance
        .active()
        .ok_or_else(Problem::absent)?;
    let bundle = signed.view.rulebook.bundle();
    let files = bundle.files().filter_map(|(path, _)| {
        let content = visible(&signed, path)?;
        Some(FileTold {
            path: path.to_owned(),
            owner: signed.owner_of(path).to_string(),
            bytes: content.len(),
            sha256: Digest::of(content).to_string(),
        })
    });
    let digest = signed.view.rulebook.digest();
    let agencies = signed.view.rulebook.registry().agencies();
    let told = RulebookTold {
        digest: digest.to_string(),
        activation: active.number,
        since: active.at.to_string(),
        agencies: agencies.map(|agency| agency.id.to_string()).collect(),
        files: files.collect(),
    };
    Ok((etag(digest), Json(told)).into_response())
}

/// The texts of the files in force
#[utoipa::path(get, path = "/api/v1/rulebook/files", responses(
    (status = OK, body = BTreeMap<String, String>, headers(("etag" = String, description = "The digest of the rulebook"))),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn files(signed: Signed) -> Response {
    let bundle = signed.view.rulebook.bundle();
    let files = bundle.files().filter_map(|(path, _)| {
        let content = visible(&signed, path)?;
        Some((path, String::from_utf8_lossy(content)))
    });
    let files: BTreeMap<&str, Cow<'_, str>> = files.collect();
    (etag(signed.view.rulebook.digest()), Json(files)).into_response()
}

/// A file of the rulebook in force
#[utoipa::path(get, path = "/api/v1/rulebook/file", params(FileAsked), responses(
    (status = OK, body = String, content_type = "text/plain", headers(("etag" = String, description = "SHA-256 of the text"))),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn file(
    signed: Signed,
    Asked(asked): Asked<FileAsked>,
) -> Result<Response, Problem> {
    let content = visible(&signed, asked.path()).ok_or_else(Problem::absent)?;
    let told = text(String::from_utf8_lossy(content).into_owned());
    Ok((etag(Digest::of(content)), told).into_response())
}

/// Propose another text of one file
#[utoipa::path(put, path = "/api/v1/rulebook/file", params(
    Edited,
    ("if-match" = Option<String>, Header, description = "The ETag of the text that the change was made on"),
    ("if-none-match" = Option<String>, Header, description = "`*` for a file that is new"),
), request_body(content = String, content_type = "text/plain"), responses(
    (status = CREATED, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn edit(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Asked(edited): Asked<Edited>,
    headers: HeaderMap,
    Text(content): Text,
) -> Result<Response, Problem> {
    change(&shared, &signed, edited, &headers, Some(content.to_vec())).await
}

/// Propose that one file goes
#[utoipa::path(delete, path = "/api/v1/rulebook/file", params(
    Edited,
    ("if-match" = Option<String>, Header, description = "The ETag of the text that is to go; without it the answer is 428"),
), responses(
    (status = CREATED, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Asked(edited): Asked<Edited>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    change(&shared, &signed, edited, &headers, None).await
}

async fn change(
    shared: &Arc<Shared>,
    signed: &Signed,
    Edited { path, title }: Edited,
    headers: &HeaderMap,
    content: Option<Vec<u8>>,
) -> Result<Response, Problem> {
    matches(headers, visible(signed, &path))?;
    let mut changes = Changes::default();
    changes.insert(path, content);
    let wanted = Wanted {
        base: signed.view.rulebook.digest(),
        changes,
        title,
        when: When::Asked,
        returns: None,
        restores: false,
    };
    Ok(created(propose(shared, signed, wanted).await?))
}

/// Nothing where the change was made on the text that there is.
fn matches(headers: &HeaderMap, there: Option<&[u8]>) -> Result<(), Problem> {
    let there = there.map(Digest::of);
    let of = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    match (of(IF_MATCH), of(IF_NONE_MATCH), there) {
        (None, None, _) => Err(Problem::new(&IF_MATCH_MISSING, "If-Match names no text")),
        (Some(_), Some(_), _) => Err(Problem::new(
            &BAD_REQUEST,
            "If-Match is for a file that is there, If-None-Match for a new one: send one of them",
        )),
        (Some(tag), None, Some(there)) if tag == quoted(there) => Ok(()),
        (None, Some("*"), None) => Ok(()),
        (_, _, Some(there)) => {
            let says = format!("the file's ETag is {}", quoted(there));
            Err(Problem::new(&STALE, says))
        }
        (_, _, None) => Err(Problem::new(
            &STALE,
            "there is no such file that you may see",
        )),
    }
}

fn quoted(digest: Digest) -> String {
    format!("\"{digest}\"")
}

fn etag(digest: Digest) -> [(HeaderName, String); 1] {
    [(ETAG, quoted(digest))]
}
