//! `log`: what an auditor finds in the log. Each look is a record of the log itself, before its results
//! are told.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::Asked;
use super::super::log::granted::Opened;
use super::super::log::{Entry, Item, Telling, seen};
use super::super::problem::{BAD_REQUEST, FORBIDDEN, Problem, Told};
use super::super::site::Shared;
use super::super::work::{Gone, Kind};
use super::draft::{govern, not_done};
use crate::agency::officer::Holder;
use crate::agency::registry::Grant;
use crate::backbone::embedded::Embedded;
use crate::broker::governance::{Deed, NotDone};
use crate::broker::record::Inquiry;
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;
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
    /// `refusals-counted`, `certificate-withdrawn`, `new-key`
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Of messages that the agency sent under this id alone
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// By this grant of the board, which opens the log of all agencies; none for what is your agency's
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
}

/// What of the log an officer reads.
enum Sight {
    /// What his agency sent and was given.
    Own(AgencyId),
    /// What of all agencies a grant opens.
    Granted(Opened),
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
    let sight = sight(&signed, wanted.grant.as_deref(), shared.backbone.now())?;
    let last = wanted.last.unwrap_or(LAST);
    if !(1..=LAST_MAX).contains(&last) {
        let says = format!("last is from 1 to {LAST_MAX}");
        return Err(Problem::new(&BAD_REQUEST, says));
    }
    if wanted.why.trim().is_empty() || wanted.why.len() > WHY_MAX {
        let says = format!("why is a text of 1 to {WHY_MAX} octets");
        return Err(Problem::new(&BAD_REQUEST, says));
    }
    let texts = [&wanted.kind, &wanted.message_id, &wanted.grant];
    let texts = texts.into_iter().flatten();
    if let Some(long) = texts.map(String::len).find(|length| *length > TEXT_MAX) {
        let says =
            format!("{long} octets are more than any kind, message_id or grant has: {TEXT_MAX}");
        return Err(Problem::new(&BAD_REQUEST, says));
    }
    let (why, query) = (wanted.why.clone(), serde_json::json!(wanted).to_string());
    let backbone = Arc::clone(&shared.backbone);
    let look = move |gone: &Gone| find(&backbone, &sight, &wanted, last, gone);
    let records = signed.work(&shared, Kind::Look, look).await??;
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

/// What an officer may read: of his agency, or by a grant that is his agency's and opens something now.
fn sight(signed: &Signed, grant: Option<&str>, now: Timestamp) -> Result<Sight, Problem> {
    let holder = &signed.actor.holder;
    let Some(name) = grant else {
        signed.needs(Action::Audit, holder)?;
        let agency = holder.agency().ok_or_else(Problem::absent)?;
        return Ok(Sight::Own(agency.clone()));
    };
    let mut grants = signed.view.rulebook.registry().grants().iter();
    let is_it = |it: &&Grant| it.id.as_str() == name && holder.agency() == Some(&it.agency);
    let grant = grants.find(is_it).ok_or_else(Problem::absent)?;
    let actor = signed.actor.clone().by_grant(grant, now);
    let opened = Opened {
        evidence: actor.may(Action::Evidence, &Holder::Board),
        rulings: actor.may(Action::Rulings, &Holder::Board),
        payload: actor.may(Action::Payload, &Holder::Board),
    };
    if opened.is_nothing() {
        let Grant { from, to, .. } = grant;
        let says =
            format!("grant {name} opens the log to auditors, from {from} on and before {to}");
        return Err(Problem::new(&FORBIDDEN, says));
    }
    Ok(Sight::Granted(opened))
}

impl Sight {
    fn of(&self, entry: Entry) -> Vec<Item> {
        match self {
            Self::Own(agency) => seen::of_agency(agency, &entry),
            Self::Granted(opened) => opened.of(entry).into_iter().collect(),
        }
    }
}

fn find(
    backbone: &Embedded,
    sight: &Sight,
    wanted: &LookedFor,
    last: usize,
    gone: &Gone,
) -> Result<Vec<Value>, Problem> {
    let unread = |says: String| not_done(&NotDone::Unread(says));
    let (mut telling, mut found) = (Telling::default(), VecDeque::new());
    for stored in backbone.scan() {
        if gone.is_gone() {
            return Err(not_done(&NotDone::Stopped));
        }
        let stored = stored.map_err(|error| unread(error.to_string()))?;
        let entry = telling
            .read(&stored)
            .map_err(|error| unread(error.to_string()))?;
        for item in sight.of(entry).into_iter().filter(|item| wanted.is(item)) {
            found.push_back(item.told);
            if found.len() > last {
                found.pop_front();
            }
        }
    }
    Ok(found.into())
}

impl LookedFor {
    fn is(&self, item: &Item) -> bool {
        let is_kind = self.kind.as_deref().is_none_or(|kind| kind == item.kind);
        let is_id = self.message_id.is_none() || self.message_id == item.message_id;
        is_kind && is_id
    }
}
