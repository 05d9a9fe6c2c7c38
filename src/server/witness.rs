//! A witness of other logs: it cosigns a checkpoint that continues the one it cosigned before
//! (<https://c2sp.org/tlog-witness>).
//!
//! What it cosigned last of each log stands in a file of its folder, named by the SHA-256 of the log's origin,
//! and is on the disk before the answer goes out: no restart lets it cosign two histories.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path as InPath, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::clock::Clock;
use super::plain::answer;
use crate::evidence::checkpoint::Checkpoint;
use crate::evidence::key::{Signer, VerifierKey};
use crate::evidence::note::{NOTE_BYTES_MAX, Note};
use crate::evidence::signature::Signed;
use crate::evidence::witness::{Declined, REQUEST_BYTES_MAX, Request};
use crate::journal::vfs::{DiskVfs, put_in_place, read_whole};
use crate::message::id::Digest;

/// Connections at a time: logs ask once a second at most, and few of them.
const CONNECTIONS: usize = 64;
/// How long a connection may last; a log makes another.
const LASTS: Duration = Duration::from_mins(1);

/// A witness: its key, the logs that it looks after, and what it cosigned last of each.
pub(crate) struct Witness {
    signer: Signer,
    logs: Vec<VerifierKey>,
    folder: PathBuf,
    clock: Clock,
    /// By the digest of its origin, a log's checkpoint with the log's signature and the witness's own.
    last: Mutex<BTreeMap<Digest, Seen>>,
}

struct Seen {
    checkpoint: Checkpoint,
    note: String,
}

impl Witness {
    /// Goes on from what stands in the folder.
    ///
    /// # Errors
    /// A file there that cannot be read, or that this witness did not sign: it would forget what it has
    /// cosigned.
    pub(crate) fn open(
        signer: Signer,
        logs: Vec<VerifierKey>,
        folder: PathBuf,
    ) -> io::Result<Self> {
        let mut last = BTreeMap::new();
        for log in &logs {
            let origin = Digest::of(log.name().as_bytes());
            let path = file(&folder, origin);
            let most = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
            let Some(octets) = read_whole(&DiskVfs, &path, most)? else {
                continue;
            };
            let seen = String::from_utf8(octets).ok();
            let seen = seen.and_then(|note| Seen::of(note, log.name(), signer.verifier()));
            let seen = seen.ok_or_else(|| {
                let says = "is no checkpoint of its log that this witness cosigned";
                io::Error::other(format!("{} {says}", path.display()))
            })?;
            last.insert(origin, seen);
        }
        Ok(Self {
            signer,
            logs,
            folder,
            clock: Clock::default(),
            last: Mutex::new(last),
        })
    }

    /// Answers on `listeners`, until one of them ends.
    pub(crate) async fn serve(self, listeners: Vec<TcpListener>) {
        let open = Arc::new(Semaphore::new(CONNECTIONS));
        let pages = Router::new()
            .route("/add-checkpoint", post(add))
            .route("/{origin}/checkpoint", get(last))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(Arc::new(self));
        let served = listeners.into_iter().map(|listener| {
            let open = Arc::clone(&open);
            Box::pin(answer(listener, pages.clone(), open, LASTS))
        });
        futures_util::future::select_all(served).await;
    }

    /// Cosigns what continues the last, once that is on the disk. One after another: what was checked
    /// against the last is written before another is checked.
    fn add(&self, body: &str) -> Result<String, Refused> {
        let request = Request::read(body).map_err(Declined::from)?;
        let origin = Digest::of(request.checkpoint.origin.as_bytes());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let head = last.get(&origin).map(|seen| seen.checkpoint.head);
        request.continues(head, &self.logs)?;
        let Request {
            note, checkpoint, ..
        } = request;
        let cosignature = self.signer.sign(&note.text, self.clock.now());
        let answer = cosignature.to_string();
        let mut note = note.signed_by_these(&self.logs);
        note.signatures.push(cosignature);
        let note = note.to_string();
        put_in_place(&DiskVfs, &file(&self.folder, origin), note.as_bytes())
            .map_err(Refused::Disk)?;
        last.insert(origin, Seen { checkpoint, note });
        Ok(answer)
    }
}

impl Seen {
    /// What stands in a file, where it is of this log and cosigned by this witness.
    fn of(note: String, log: &str, witness: &VerifierKey) -> Option<Self> {
        let read = Note::read(&note).ok()?;
        let is_own = matches!(read.signed_by(witness), Signed::By(_));
        let checkpoint = Checkpoint::read(&read.text).ok()?;
        (is_own && checkpoint.origin == log).then_some(Self { checkpoint, note })
    }
}

fn file(folder: &Path, origin: Digest) -> PathBuf {
    folder.join(format!("{origin}.checkpoint"))
}

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Declined(#[from] Declined),
    #[error("the checkpoint could not be written down: {0}")]
    Disk(io::Error),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let says = format!("{self}\n");
        match self {
            Self::Declined(Declined::Malformed(_)) => (StatusCode::BAD_REQUEST, says),
            Self::Declined(Declined::UnknownLog) => (StatusCode::NOT_FOUND, says),
            Self::Declined(Declined::Unsigned) => (StatusCode::FORBIDDEN, says),
            Self::Declined(Declined::Inconsistent) => (StatusCode::UNPROCESSABLE_ENTITY, says),
            Self::Declined(Declined::Moved(size)) => {
                let size = ([(CONTENT_TYPE, "text/x.tlog.size")], format!("{size}\n"));
                return (StatusCode::CONFLICT, size).into_response();
            }
            Self::Disk(error) => {
                tracing::error!(%error, "a checkpoint could not be written down, and is not cosigned");
                (StatusCode::SERVICE_UNAVAILABLE, says)
            }
        }
        .into_response()
    }
}

async fn add(State(witness): State<Arc<Witness>>, body: String) -> Response {
    // It waits for the disk.
    match spawn_blocking(move || witness.add(&body)).await {
        Ok(Ok(cosignature)) => cosignature.into_response(),
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn last(State(witness): State<Arc<Witness>>, InPath(origin): InPath<String>) -> Response {
    let last = witness.last.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin.parse().ok();
    match origin.and_then(|origin: Digest| last.get(&origin)) {
        Some(seen) => seen.note.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
