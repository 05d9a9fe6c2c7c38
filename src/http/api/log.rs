//! `log`: what an auditor finds in the log. Each look is a record of the log itself, before its results
//! are told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::Asked;
use super::super::log::{
    CONSIGNMENT, Ending, Look, Numbered, Opened, Query, Sight, Sought, Told, Untold,
};
use super::super::problem::{self, BAD_CURSOR, BAD_REQUEST, FORBIDDEN, Problem};
use super::super::site::Shared;
use super::super::work::{Gone, Kind};
use super::draft::not_done;
use crate::agency::keys::RetentionClass;
use crate::agency::officer::Holder;
use crate::agency::registry::Grant;
use crate::broker::governance::{Deed, NotDone};
use crate::broker::record::Inquiry;
use crate::message::id::Digest;
use crate::message::time::Timestamp;
use crate::policy::office::Action;

/// Items of a page, where none is asked for.
const ITEMS: usize = 10;
/// Items of a page, at most.
const ITEMS_MAX: usize = 1_000;
/// Items that are told in full, at most: each by the rulebook that decided.
const FULL_MAX: usize = 20;
/// Octets of what an officer says of why, at most.
const WHY_MAX: usize = 500;
/// Octets of any other text, at most: AMQP's short texts have no more.
pub(super) const TEXT_MAX: usize = 255;
/// How long a look waits for something new, at most, in seconds: who follows the log makes one record
/// in this time where nothing happens.
const WAIT_MAX: u64 = 60;
/// How often it looks for that.
const LOOK: Duration = Duration::from_millis(200);

/// What an auditor looks for, and why.
#[derive(Clone, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct LookedFor {
    /// Why: it is written into the log
    #[param(min_length = 1, max_length = 500, required = true)]
    #[serde(skip_serializing)]
    why: String,
    /// By this grant of the board, which opens the log of all agencies; none for what is your agency's
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    /// Of this kind alone: `sent`, `received`, `rejected`, `narrowed`, `case`, `accessed`,
    /// `refusals-counted`, `declared`, `confirmed`, `measure-ended`, `certificate-withdrawn`, `new-key`; by a
    /// grant a record's own, such as `exchange`
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// What was sent under this id
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// What is known under this identifier, whatever its kind: the id that a sender set, or the one of a
    /// delivery, an MRN, UCR, S10, container, permit, case, or the token that a unit has of one. What was
    /// withheld from a unit finds nothing for its agency
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// With `key`: what is found by identifiers of these kinds in what was found, too: `consignment` for those
    /// of one consignment, or kinds with commas between them
    #[serde(skip_serializing_if = "Option::is_none")]
    follow: Option<String>,
    /// Messages of this type
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    message_type: Option<String>,
    /// The exchange of this id, which is told by a grant
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
    /// What this unit sent or was given; with `sent` or `received` the one message of that number
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// What `unit` sent under this number of its own
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<u64>,
    /// What `unit` was given under this number of its own
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    /// By a grant: what this agency sent or was given
    #[serde(skip_serializing_if = "Option::is_none")]
    agency: Option<String>,
    /// What was sent in this case, and its steps
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    /// What came of it: `released`, `refused` or `rejected`
    #[param(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// What this rule decided, as far as you are told by which
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Not before this time, such as `2026-11-30T08:00:00Z`
    #[param(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Before this time
    #[param(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// By a grant: each with the rules that decided, and with the message where the grant says so
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<bool>,
    /// Each with the proof that the log has it, where a checkpoint covers it by now: `null` before that, and
    /// where a grant does not open it
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<bool>,
    /// `older` or `newer` of an answer
    #[param(pattern = "^[A-Za-z0-9_-]{4,64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// So many, at most: 10 where it is not said, and 20 in full
    #[param(minimum = 1, maximum = 1000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    /// With a cursor `newer`: how many seconds to wait for something
    #[param(minimum = 0, maximum = 60)]
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundTold {
    /// The newest first; behind a cursor `newer` the oldest first. Fewer than were asked for, or none, where
    /// these are large or more of the log would have to be read than one look may: the cursor goes on
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// The cursor of what is older; none where there is nothing
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<String>,
    /// The cursor of what comes from now on; none on the way back
    #[serde(skip_serializing_if = "Option::is_none")]
    newer: Option<String>,
    /// With `key`, while the index is made again: from when on all was looked through. What is older is not
    /// found yet
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_since: Option<Timestamp>,
    /// With `follow`: how many identifiers led to more
    #[serde(skip_serializing_if = "Option::is_none")]
    followed: Option<usize>,
    /// With `follow`: whether these were all
    #[serde(skip_serializing_if = "Option::is_none")]
    followed_all: Option<bool>,
}

/// Look into the log: what the agency sent and was given, or what a grant opens of all agencies
#[utoipa::path(get, path = "/api/v1/log", params(LookedFor), responses(
    (status = OK, body = FoundTold),
    (status = "4XX", body = problem::Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = problem::Told, content_type = "application/problem+json"),
))]
pub(super) async fn look(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Asked(wanted): Asked<LookedFor>,
) -> Result<Json<FoundTold>, Problem> {
    let sight = sight(&signed, wanted.grant.as_deref(), shared.backbone.now())?;
    let mut look = wanted.read(&signed, sight)?;
    let until = Instant::now() + Duration::from_secs(wanted.wait.unwrap_or_default());
    let found = loop {
        let found = once(&shared, &signed, look.clone()).await?;
        let is_empty = found.items.is_empty() && !found.goes_on;
        let may_come = is_empty && look.cursor.is_some() && found.newer.is_some();
        if !may_come || Instant::now() >= until {
            break found;
        }
        look.from = found.read_to.or(look.from);
        sleep(LOOK).await;
    };
    let results = found.items.len();
    record(&shared, &signed, &wanted.asked(&look.sight), results).await?;
    let Told {
        items,
        older,
        newer,
        since,
        followed,
        ..
    } = found;
    Ok(Json(FoundTold {
        items,
        older,
        newer,
        complete_since: since,
        followed: followed.map(|it| it.identifiers),
        followed_all: followed.map(|it| it.all),
    }))
}

/// What an officer asked of the log, and why, as its record has it; and by what right.
pub(super) struct AskedOf<'a> {
    pub(super) why: &'a str,
    pub(super) query: String,
    pub(super) grant: Option<&'a str>,
    /// What he could see when he asked.
    pub(super) sight: &'a Sight,
}

/// Writes down who looked, why, for what and how much he is told: before he is, and where he may see it
/// still. His look may have waited for its place, or for something new.
pub(super) async fn record(
    shared: &Arc<Shared>,
    signed: &Signed,
    asked: &AskedOf<'_>,
    results: usize,
) -> Result<(), Problem> {
    let again = signed.again(shared).await?;
    if sight(&again, asked.grant, shared.backbone.now())? != *asked.sight {
        return Err(signed.changed());
    }
    let inquiry = Inquiry {
        why: asked.why,
        query: &asked.query,
    };
    let id = shared.backbone.draw_id();
    let id = id.ok_or_else(|| not_done(&NotDone::Stopped))?;
    let act = signed.act();
    let view = shared.backbone.view();
    let agency = act.by.holder.agency();
    let agency = agency.and_then(|id| view.rulebook.registry().agency(id.as_str()));
    let kept = agency.map_or(Duration::MAX, |agency| agency.retention_of(""));
    let ring = view.keys.ring();
    let sealing = ring.sealing(id, shared.backbone.now());
    let access = Deed::Access {
        act,
        id,
        asked: inquiry.seal(&sealing, RetentionClass::of(kept)),
        results: u64::try_from(results).unwrap_or(u64::MAX),
    };
    let recorded = shared.backbone.govern(access).await;
    recorded.map(drop).map_err(|why| not_done(&why))
}

/// Looks once, on a thread that may wait for the disk.
async fn once(shared: &Arc<Shared>, signed: &Signed, mut look: Look) -> Result<Told, Problem> {
    let log = Arc::clone(shared);
    let looked = move |gone: &Gone| {
        let key = look.query.key.as_deref();
        look.sought = key.map(|key| Sought::of(key, &look.sight, &log.backbone.view()));
        let (past, now) = (&log.past, log.backbone.settled());
        // Many that were found were decided by one, and reading it takes its time.
        let read = RefCell::new(BTreeMap::new());
        let rulebooks = |digest: Digest| {
            let mut read = read.borrow_mut();
            let rulebook = read.entry(digest);
            let rulebook = rulebook.or_insert_with(|| log.backbone.rulebook(digest).map(Arc::new));
            rulebook.clone()
        };
        look.at(past, now, &rulebooks, &|| gone.is_gone())
    };
    let looked = signed.work(shared, Kind::Look, looked).await?;
    looked.map_err(|untold| match untold {
        Untold::BadCursor => Problem::new(&BAD_CURSOR, untold.to_string()),
        Untold::Unread(says) => not_done(&NotDone::Unread(says)),
        Untold::Gone => not_done(&NotDone::Stopped),
    })
}

/// What an officer may read: of his agency, or by a grant that is his agency's and opens something now.
pub(super) fn sight(
    signed: &Signed,
    grant: Option<&str>,
    now: Timestamp,
) -> Result<Sight, Problem> {
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

fn bad(says: impl Into<String>) -> Problem {
    Problem::new(&BAD_REQUEST, says)
}

/// Refuses a reason that says nothing, or too much.
pub(super) fn reasoned(why: &str) -> Result<(), Problem> {
    if why.trim().is_empty() || why.len() > WHY_MAX {
        return Err(bad(format!("why is a text of 1 to {WHY_MAX} octets")));
    }
    Ok(())
}

impl LookedFor {
    /// Refuses to look by what a grant does not open: whether something is found would tell it.
    fn is_open_to(&self, sight: &Sight) -> Result<(), Problem> {
        let Sight::Granted(opened) = sight else {
            let says = "agency is looked for by a grant: without one all is your agency's";
            return self.agency.as_ref().map_or(Ok(()), |_| Err(bad(says)));
        };
        let by_ruling = [
            &self.message_type,
            &self.unit,
            &self.agency,
            &self.case,
            &self.outcome,
            &self.rule,
        ];
        if !opened.rulings && by_ruling.into_iter().any(Option::is_some) {
            let says =
                "type, unit, agency, case, outcome and rule are looked for by a grant of rulings";
            return Err(Problem::new(&FORBIDDEN, says));
        }
        let by_payload = [&self.message_id, &self.key];
        if !opened.payload && by_payload.into_iter().any(Option::is_some) {
            let says = "message_id and key are looked for by a grant of payload: they are sealed";
            return Err(Problem::new(&FORBIDDEN, says));
        }
        Ok(())
    }

    /// The look that it describes.
    fn read(&self, signed: &Signed, sight: Sight) -> Result<Look, Problem> {
        reasoned(&self.why)?;
        self.is_open_to(&sight)?;
        let texts = [
            &self.kind,
            &self.message_id,
            &self.message_type,
            &self.grant,
            &self.key,
            &self.follow,
            &self.case,
            &self.rule,
        ];
        let texts = texts.into_iter().flatten().map(String::len);
        if let Some(long) = texts.max().filter(|length| *length > TEXT_MAX) {
            let says = format!("a text of {long} octets is more than any has: {TEXT_MAX}");
            return Err(bad(says));
        }
        let full = self.full.unwrap_or_default();
        let proved = self.proof.unwrap_or_default();
        let most = if full || proved { FULL_MAX } else { ITEMS_MAX };
        let limit = self.limit.unwrap_or(if full { FULL_MAX } else { ITEMS });
        if !(1..=most).contains(&limit) {
            return Err(bad(format!("limit is from 1 to {most}")));
        }
        if self.wait.is_some_and(|seconds| seconds > WAIT_MAX) {
            return Err(bad(format!("wait is from 0 to {WAIT_MAX} seconds")));
        }
        self.is_of_what_there_may_be(signed, &sight)?;
        let grant = self.grant.as_deref().unwrap_or_default();
        Ok(Look {
            whose: format!("{} {grant}", signed.actor.holder),
            sight,
            query: self.query()?,
            sought: None,
            cursor: self.cursor.clone(),
            from: None,
            most: limit,
            full,
            proved,
        })
    }

    /// What it looks for, in words of the log.
    fn query(&self) -> Result<Query, Problem> {
        let since = time("since", self.since.as_deref())?;
        let until = time("until", self.until.as_deref())?;
        let is_over = since
            .zip(until)
            .is_some_and(|(since, until)| until <= since);
        if is_over {
            return Err(bad("until is not after since: no time is between them"));
        }
        let outcome = self.outcome.as_deref().map(|outcome| match outcome {
            "released" => Ok(Ending::Released),
            "refused" => Ok(Ending::Refused),
            "rejected" => Ok(Ending::Rejected),
            _ => Err(bad("outcome is released, refused or rejected")),
        });
        let number = self.number()?;
        let follow = self.follow.as_deref().unwrap_or_default();
        if !follow.is_empty() && self.key.is_none() {
            return Err(bad("follow goes on from what was found by key"));
        }
        let follow = follow.split(',').filter(|kind| !kind.is_empty());
        let kinds = follow.flat_map(|kind| match kind {
            "consignment" => CONSIGNMENT.to_vec(),
            kind => vec![kind],
        });
        Ok(Query {
            kind: self.kind.clone(),
            message_id: self.message_id.clone(),
            message_type: self.message_type.clone(),
            exchange: read(
                self.exchange.as_deref(),
                "exchange is an id as records show it",
            )?,
            unit: match number {
                Some(_) => None,
                None => read(self.unit.as_deref(), UNIT)?,
            },
            number,
            key: self.key.clone(),
            follow: kinds.map(str::to_owned).collect(),
            agency: read(self.agency.as_deref(), "agency is a name, such as customs")?,
            case: self.case.clone(),
            ending: outcome.transpose()?,
            rule: self.rule.clone(),
            since,
            until,
        })
    }

    /// Refuses a kind that nothing has, and a type that no message has: an empty answer would look like
    /// one that was looked for well. What was of a type once is looked for with its kind.
    fn is_of_what_there_may_be(&self, signed: &Signed, sight: &Sight) -> Result<(), Problem> {
        let kinds = sight.kinds();
        if let Some(kind) = &self.kind
            && !kinds.contains(&kind.as_str())
        {
            let kinds = kinds.join(", ");
            return Err(bad(format!("kind {kind:?} is none of {kinds}")));
        }
        let catalogue = signed.view.rulebook.catalogue();
        let wanted = self.message_type.as_deref();
        if let Some(wanted) = wanted.filter(|wanted| catalogue.get(wanted).is_none())
            && self.kind.is_none()
        {
            let types = catalogue.entries().map(|entry| entry.message_type.as_str());
            let types = types.collect::<Vec<_>>().join(", ");
            return Err(bad(format!(
                "type {wanted:?} is none of {types}; name a kind too for what is not in force any more"
            )));
        }
        Ok(())
    }

    fn number(&self) -> Result<Option<Numbered>, Problem> {
        let number = match (self.sent, self.received) {
            (None, None) => return Ok(None),
            (Some(number), None) => (true, number),
            (None, Some(number)) => (false, number),
            _ => return Err(bad("of sent and received one, with unit")),
        };
        let (sent, number) = number;
        let unit = read(self.unit.as_deref(), UNIT)?.ok_or_else(|| bad(UNIT))?;
        Ok(Some(Numbered { unit, sent, number }))
    }

    /// As it is written into the log.
    fn asked<'a>(&'a self, sight: &'a Sight) -> AskedOf<'a> {
        AskedOf {
            why: &self.why,
            query: serde_json::json!(self).to_string(),
            grant: self.grant.as_deref(),
            sight,
        }
    }
}

const UNIT: &str = "unit is an address, such as customs/main";

/// Reads a word where there is one; `says` what it must be.
fn read<T: std::str::FromStr>(text: Option<&str>, says: &str) -> Result<Option<T>, Problem> {
    let read = text.map(|text| text.parse().map_err(|_| bad(says)));
    read.transpose()
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let read = |text| Timestamp::from_rfc3339(text).or_else(|| Timestamp::from_date(text));
    let says = || format!("{name} is a time such as 2026-11-30T08:00:00Z");
    text.map(|text| read(text).ok_or_else(|| bad(says())))
        .transpose()
}
