//! `/log`: the log's tree as files, by C2SP's names (<https://c2sp.org/tlog-tiles>).
//!
//! What they say is how many records of evidence there are, and a commitment to each that tells nothing of it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::auth::Signed;
use super::body::At;
use super::problem::{NOT_TAKEN, Problem};
use super::site::Shared;
use super::work::{Gone, Kind};
use crate::evidence::tile::Name;
use crate::policy::office::Action;

/// The last checkpoint, to auditors.
pub(super) async fn checkpoint(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
) -> Result<Response, Problem> {
    let octets = file(&shared, &signed, "checkpoint".to_owned()).await?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, octets).into_response())
}

/// A tile or a bundle of entries, to auditors.
pub(super) async fn tile(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(name): At<String>,
) -> Result<Response, Problem> {
    // A name that is none would be a path elsewhere.
    let name: Name = format!("tile/{name}")
        .parse()
        .map_err(|_| Problem::absent())?;
    let octets = file(&shared, &signed, name.to_string()).await?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CACHE_CONTROL, "private, max-age=604800, immutable"),
    ];
    Ok((headers, octets).into_response())
}

async fn file(shared: &Arc<Shared>, signed: &Signed, name: String) -> Result<Bytes, Problem> {
    signed.needs(Action::Audit, &signed.actor.holder)?;
    let tiles = shared.backbone.tiles().clone();
    let read = move |_: &Gone| tiles.file(&name);
    let read = signed.work(shared, Kind::Look, read).await?;
    signed.again(shared).await?;
    let read = read.map_err(|error| Problem::new(&NOT_TAKEN, error.to_string()))?;
    read.map(Bytes::from).ok_or_else(Problem::absent)
}
