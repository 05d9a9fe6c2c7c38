//! Cases: standing facts that agencies change by messages of their own.

use super::not_ruled::{NotRuled, refused, rejection};
use crate::agency::registry::{Agency, Registry};
use crate::broker::exchange::{Admission, Verdict};
use crate::broker::limits::CASE_INVITES;
use crate::broker::record::{CaseChange, CaseStep, Rejected};
use crate::message::envelope::{Publish, hold_untyped};
use crate::message::id::{AgencyId, BadName, KeyedDigest};
use crate::message::rule::{self, Rule};
use crate::message::time::Timestamp;
use crate::message::valid::Invalid;
use crate::policy::rulebook::Rulebook;
use crate::policy::standing::CaseId;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseBody {
    #[serde(rename = "CaseID")]
    case: String,
    #[serde(rename = "Areas", default)]
    areas: Vec<String>,
    #[serde(rename = "Invites", default)]
    invites: Vec<String>,
}

/// `case.open`, `case.join`, `case.close`. Whether it is this agency's to take is the register's to
/// say, when it is committed; the record of a refusal goes with it.
pub(super) fn step(
    admission: &Admission<'_>,
    step: &str,
    publish: &Publish,
) -> Result<Verdict, NotRuled> {
    let Admission { peer, view, .. } = admission;
    let sends = &peer.system.sends;
    if !sends.iter().any(|it| it.covers(&publish.message_type)) {
        let says = "this system does not send this type: see its 'sends'";
        return Err(refused(&rule::SENDS, says));
    }
    hold_untyped(publish, &peer.user_id())?;
    let body: CaseBody = serde_json::from_slice(&publish.body).map_err(|_| {
        let says = "wants {\"CaseID\"} alone; case.open: \"Areas\": [], \"Invites\": [agency] too";
        invalid("", &rule::SCHEMA, says.to_owned())
    })?;
    let case: CaseId = body.case.parse().map_err(|bad: BadName| {
        invalid("/CaseID", &rule::CASE, format!("is not {}", bad.expected))
    })?;
    let what = match step {
        "open" => open(&body, &peer.agency, &view.rulebook)?,
        "join" => nothing_else(&body, CaseStep::Join)?,
        "close" => nothing_else(&body, CaseStep::Close)?,
        _ => {
            let says = "is none of case.open, case.join, case.close".to_owned();
            return Err(invalid("routing key", &rule::MESSAGE_TYPE, says));
        }
    };
    let change = CaseChange {
        at: Timestamp::default(),
        sender: admission.system(),
        unit: peer.unit.id.clone(),
        case: case.clone(),
        what,
        key: key(admission, publish),
    };
    let not_theirs = NotRuled {
        code: 403,
        ..invalid("/CaseID", &rule::CASE, String::new())
    };
    let refused = Rejected {
        case: Some(case),
        ..rejection(admission, publish, &not_theirs)
    };
    Ok(Verdict::Case {
        change: Box::new(change),
        refused: Box::new(refused),
    })
}

/// What makes a repeat of a step a repeat, where its publisher gave it an id.
fn key(admission: &Admission<'_>, publish: &Publish) -> Option<KeyedDigest> {
    let id = publish.message_id.as_deref().filter(|id| !id.is_empty())?;
    let unit = admission.peer.unit.id.to_string();
    let (step, body) = (publish.message_type.as_bytes(), &publish.body);
    let parts = [unit.as_bytes(), id.as_bytes(), step, body];
    Some(admission.view.keys.digest("case-step", &parts))
}

fn invalid(place: &str, rule: &Rule, says: impl Into<String>) -> NotRuled {
    Invalid::content(place, rule, says).into()
}

/// Rejects more than `count_max` values at `place`, before any of them is looked at.
fn bounded(place: &str, values: &[String], count_max: usize) -> Result<(), NotRuled> {
    let count = values.len();
    if count <= count_max {
        return Ok(());
    }
    let says = format!("has {count} values, the limit is {count_max}");
    Err(invalid(place, &rule::MAX_ITEMS, says))
}

fn open(body: &CaseBody, opener: &Agency, rulebook: &Rulebook) -> Result<CaseStep, NotRuled> {
    let known = &rulebook.vocabulary().areas;
    bounded("/Areas", &body.areas, known.count())?;
    bounded("/Invites", &body.invites, CASE_INVITES)?;
    for (nth, area) in body.areas.iter().enumerate() {
        if !known.has(area) {
            let says = format!("is none of {known}");
            return Err(invalid(&format!("/Areas/{nth}"), &rule::AREA, says));
        }
    }
    let named = body.invites.iter().enumerate().map(|(nth, name)| {
        let agency = invited_agency(name, opener, rulebook.registry());
        agency.map_err(|says| invalid(&format!("/Invites/{nth}"), &rule::AGENCY, says.to_owned()))
    });
    let mut invites = named.collect::<Result<Vec<AgencyId>, _>>()?;
    invites.sort();
    invites.dedup();
    let mut areas = body.areas.clone();
    areas.sort();
    areas.dedup();
    Ok(CaseStep::Open { areas, invites })
}

/// An agency of which others may know: one whose units are all unlisted is as one that is not there.
fn invited_agency(
    name: &str,
    opener: &Agency,
    registry: &Registry,
) -> Result<AgencyId, &'static str> {
    let agency = registry.agency(name).filter(|agency| {
        let mut units = agency.units.values();
        units.any(|unit| unit.listed)
    });
    match agency {
        _ if name == opener.id.as_str() => Err("is the opener itself, a member from the beginning"),
        Some(agency) => Ok(agency.id.clone()),
        None => Err("is no agency that takes part; `carnet agency list` names them"),
    }
}

/// A step that takes nothing but the case's name.
fn nothing_else(body: &CaseBody, step: CaseStep) -> Result<CaseStep, NotRuled> {
    for (place, values) in [("/Areas", &body.areas), ("/Invites", &body.invites)] {
        if !values.is_empty() {
            let says = "is set by case.open alone; leave it out".to_owned();
            return Err(invalid(place, &rule::MAX_ITEMS, says));
        }
    }
    Ok(step)
}
