//! Bodies and parameters as they are read: what is wrong with one is told by its place.

use std::time::Duration;

use axum::Json;
use axum::body::{Bytes, HttpBody, to_bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::{BAD_REQUEST, MEDIA_TYPE, Problem, TOO_LARGE, TOO_SLOW};

/// Octets of a body, at most: files of a rulebook, as JSON.
pub(super) const BODY: usize = 8 << 20;
/// Octets of a body that is read before it is looked at who asks: so that what is refused is told on a
/// connection that goes on. Larger ones have places, which their agencies share.
pub(super) const SMALL: u64 = 64 << 10;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Reads a small body whole, whatever becomes of the request.
pub(super) async fn read_small(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.size_hint().upper().is_none_or(|octets| octets > SMALL) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match in_time(to_bytes(body, BODY)).await {
        Ok(Ok(octets)) => next.run(Request::from_parts(parts, octets.into())).await,
        Ok(Err(_)) => {
            Problem::new(&BAD_REQUEST, "the body ended before its length").into_response()
        }
        Err(slow) => slow.into_response(),
    }
}

/// What is read of a body, unless that takes too long.
async fn in_time<T>(read: impl Future<Output = T>) -> Result<T, Problem> {
    let read = tokio::time::timeout(BODY_TIME, read).await;
    let says = || format!("the body did not come within {} s", BODY_TIME.as_secs());
    read.map_err(|_| Problem::new(&TOO_SLOW, says()))
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match in_time(Json::from_request(request, state)).await? {
            Ok(Json(read)) => Ok(Self(read)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
                &MEDIA_TYPE,
                "the body is not declared as JSON",
            )),
            Err(error) if error.status() == TOO_LARGE.status => {
                Err(Problem::new(&TOO_LARGE, format!("more than {BODY} octets")))
            }
            Err(error) => Err(Problem::new(&BAD_REQUEST, error.body_text())),
        }
    }
}

/// A file as a body: text, which is what files of a rulebook are.
pub(super) struct Text(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes);
        if !kind.is_some_and(|kind| kind.starts_with(b"text/plain")) {
            return Err(Problem::new(&MEDIA_TYPE, "a file is sent as text/plain"));
        }
        let octets = in_time(to_bytes(request.into_body(), BODY)).await?;
        let octets =
            octets.map_err(|_| Problem::new(&TOO_LARGE, format!("more than {BODY} octets")))?;
        if std::str::from_utf8(&octets).is_err() {
            return Err(Problem::new(&BAD_REQUEST, "the file is not UTF-8"));
        }
        Ok(Self(octets))
    }
}

/// What stands in the path.
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        // A number that is none names nothing that there is.
        read.map(|Path(at)| Self(at)).map_err(|_| Problem::absent())
    }
}

/// Parameters behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::new(&BAD_REQUEST, error.body_text()))
    }
}

/// The file that is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FileAsked {
    /// Its path, such as `policies/post.cedar`
    path: String,
}

impl FileAsked {
    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// A text as an answer.
pub(super) fn text(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
