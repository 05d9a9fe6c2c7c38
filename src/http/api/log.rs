//! `log`: what an auditor finds in the log. Each look is a record of the log itself, before its results
//! are told.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::Asked;
use super::super::log::{Telling, seen};
use super::super::problem::{BAD_REQUEST, Problem, Told};
use super::super::site::Shared;
use super::draft::{govern, not_done};
use crate::backbone::embedded::Embedded;
use crate::broker::governance::{Deed, NotDone};
use crate::broker::record::Inquiry;
use crate::message::id::AgencyId;
use crate::policy::office::Action;

/// Records of a look, where none is asked for.
const LAST: usize = 10;
/// Records of a look, at most.
const LAST_MAX: usize = 1_000;
/// Octets of what an officer says of why, at most.
const WHY_MAX: usize = 500;

/// Octets of a kind or of a message's id, at most: AMQP's short texts have no more.
const TEXT_MAX: usize = 255;

/// What an auditor looks for, and why.
#[derive(Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LookedFor {
    /// Why: it is written into the log
    #[param(min_length = 1, max_length = 500)]
    #[serde(skip_serializing)]
    why: String,
    /// So many records, the last of all
    #[param(minimum = 1, maximum = 1000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<usize>,
    /// Of this kind alone: `sent`, `received`, `rejected`, `narrowed`, `case`, `accessed`,
    /// `refusals-counted`
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Of messages that the agency sent under this id alone
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundTold {
    /// The records, the oldest first
    #[schema(value_type = Vec<Object>)]
    records: Vec<Value>,
}

/// Look into the log: what the agency sent, and what its units were given
#[utoipa::path(get, path = "/api/v1/log", params(LookedFor), responses(
    (status = OK, body = FoundTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn look(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Asked(wanted): Asked<LookedFor>,
) -> Result<Json<FoundTold>, Problem> {
    let holder = &signed.actor.holder;
    signed.needs(Action::Audit, holder)?;
    let agency = holder.agency().ok_or_else(Problem::absent)?.clone();
    let last = wanted.last.unwrap_or(LAST);
    if !(1..=LAST_MAX).contains(&last) {
        let says = format!("last is from 1 to {LAST_MAX}");
        return Err(Problem::new(&BAD_REQUEST, says));
    }
    if wanted.why.trim().is_empty() || wanted.why.len() > WHY_MAX {
        let says = format!("why is a text of 1 to {WHY_MAX} octets");
        return Err(Problem::new(&BAD_REQUEST, says));
    }
    let texts = [&wanted.kind, &wanted.message_id].into_iter().flatten();
    if let Some(long) = texts.map(String::len).find(|length| *length > TEXT_MAX) {
        let says = format!("{long} octets are more than any kind or message_id has: {TEXT_MAX}");
        return Err(Problem::new(&BAD_REQUEST, says));
    }
    let (why, query) = (wanted.why.clone(), serde_json::json!(wanted).to_string());
    // One at a time: each reads the log from its beginning.
    let place = Arc::clone(&shared.rates.looks).lock_owned().await;
    let backbone = Arc::clone(&shared.backbone);
    // Kept until it has ended, whether its officer waits for it or not.
    let look = move || {
        let _place = place;
        find(&backbone, &agency, &wanted, last)
    };
    let found = spawn_blocking(look).await;
    let records = found.map_err(|_| not_done(&NotDone::Stopped))??;
    let inquiry = Inquiry {
        why: &why,
        query: &query,
    };
    let access = Deed::Access {
        act: signed.act(),
        asked: inquiry.seal(),
        results: u64::try_from(records.len()).unwrap_or(u64::MAX),
    };
    govern(&shared, access).await?;
    Ok(Json(FoundTold { records }))
}

fn find(
    backbone: &Embedded,
    agency: &AgencyId,
    wanted: &LookedFor,
    last: usize,
) -> Result<Vec<Value>, Problem> {
    let unread = |says: String| not_done(&NotDone::Unread(says));
    let (mut telling, mut found) = (Telling::default(), VecDeque::new());
    for stored in backbone.scan() {
        let stored = stored.map_err(|error| unread(error.to_string()))?;
        let entry = telling
            .read(&stored)
            .map_err(|error| unread(error.to_string()))?;
        let seen = seen::of_agency(agency, &entry);
        for item in seen.into_iter().filter(|item| wanted.is(item)) {
            found.push_back(item);
            if found.len() > last {
                found.pop_front();
            }
        }
    }
    Ok(found.into())
}

impl LookedFor {
    fn is(&self, item: &Value) -> bool {
        let has = |name: &str, wanted: &Option<String>| {
            let there = item.get(name).and_then(Value::as_str);
            wanted.is_none() || there == wanted.as_deref()
        };
        has("kind", &self.kind) && has("message_id", &self.message_id)
    }
}
