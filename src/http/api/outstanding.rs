//! `log/outstanding`: what of an agency's messages waits, and what is delivered and not settled, as it is
//! now. Who asked is a record of the log, before anything is told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::Asked;
use super::super::log::{Sight, written_at};
use super::super::problem::{self, Problem};
use super::super::site::Shared;
use super::draft::not_done;
use super::log::{AskedOf, reasoned, record, sight};

/// Why an auditor asks.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutstandingAsked {
    /// Why: it is written into the log
    #[param(min_length = 1, max_length = 500)]
    why: String,
}

/// What is outstanding.
#[derive(Serialize, ToSchema)]
pub(super) struct OutstandingTold {
    /// The queues of your agency in which something is
    queues: Vec<QueueTold>,
}

/// A queue in which something is.
#[derive(Serialize, ToSchema)]
pub(super) struct QueueTold {
    /// Its unit
    unit: String,
    /// Its name
    queue: String,
    /// Messages that wait: confirmed to their senders, and not delivered, or come back
    waiting: u64,
    /// Messages that are delivered and not settled
    out: u64,
    /// When the oldest of all was recorded
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// What is outstanding of your agency: confirmed and not delivered, or delivered and not settled
#[utoipa::path(get, path = "/api/v1/log/outstanding", params(OutstandingAsked), responses(
    (status = OK, body = OutstandingTold),
    (status = "4XX", body = problem::Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = problem::Told, content_type = "application/problem+json"),
))]
pub(super) async fn outstanding(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Asked(wanted): Asked<OutstandingAsked>,
) -> Result<Json<OutstandingTold>, Problem> {
    reasoned(&wanted.why)?;
    let sight = sight(&signed, None, shared.backbone.now())?;
    let Sight::Own(agency) = &sight else {
        return Err(Problem::absent());
    };
    let found = shared.backbone.outstanding(agency).await;
    let mut queues = Vec::new();
    for found in found.map_err(|why| not_done(&why))? {
        let since = match found.oldest {
            // What cannot be read has no time; the rest is told.
            Some(entry) => match shared.backbone.record(entry).await {
                Ok(stored) => written_at(&stored.record),
                Err(_) => None,
            },
            None => None,
        };
        queues.push(QueueTold {
            unit: found.unit.to_string(),
            queue: found.queue,
            waiting: found.waiting,
            out: found.out,
            since: since.map(|at| at.to_string()),
        });
    }
    let asked = AskedOf {
        why: &wanted.why,
        query: "outstanding".to_owned(),
        grant: None,
        sight: &sight,
    };
    record(&shared, &signed, &asked, queues.len()).await?;
    Ok(Json(OutstandingTold { queues }))
}
