//! Cases: standing facts that agencies change by messages of their own.

use super::{NotRuled, refused};
use crate::agency::registry::Peer;
use crate::broker::limits::CASE_INVITES;
use crate::broker::record::{CaseChange, CaseStep};
use crate::message::envelope::Publish;
use crate::message::id::{AgencyId, BadName, SystemId};
use crate::message::time::Timestamp;
use crate::message::valid::{Invalid, InvalidKind};
use crate::policy::words::AREAS;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseBody {
    #[serde(rename = "CaseID")]
    case: String,
    #[serde(rename = "Areas", default)]
    areas: Vec<String>,
    #[serde(rename = "Invites", default)]
    invites: Vec<AgencyId>,
}

fn invalid(place: &str, rule: &str, says: String) -> NotRuled {
    NotRuled {
        code: 406,
        invalid: Invalid {
            kind: InvalidKind::Content,
            place: place.to_owned(),
            rule: rule.to_owned(),
            says,
        },
    }
}

/// So many areas and invitations as there can be, and no other areas.
fn bounded(body: &CaseBody) -> Result<(), NotRuled> {
    for (place, count, count_max) in [
        ("/Areas", body.areas.len(), AREAS.len()),
        ("/Invites", body.invites.len(), CASE_INVITES),
    ] {
        if count > count_max {
            let says = format!("has {count} values, the limit is {count_max}");
            return Err(invalid(place, "maxItems", says));
        }
    }
    if body.areas.iter().all(|area| AREAS.contains(&area.as_str())) {
        return Ok(());
    }
    let says = format!("has another area than {}", AREAS.join(", "));
    Err(invalid("/Areas", "area", says))
}

/// `case.open`, `case.join`, `case.close`: standing facts, changed by messages of their own.
pub(super) fn case_change(
    peer: &Peer,
    step: &str,
    publish: &Publish,
) -> Result<CaseChange, NotRuled> {
    if !peer
        .system
        .sends
        .iter()
        .any(|pattern| pattern.covers(&publish.message_type))
    {
        return Err(refused(
            "sends",
            "this system does not send this type: see its 'sends'",
        ));
    }
    let body: CaseBody = serde_json::from_slice(&publish.body).map_err(|_| {
        invalid(
            "",
            "schema",
            "wants {\"CaseID\", \"Areas\": [], \"Invites\": [agency]}".to_owned(),
        )
    })?;
    bounded(&body)?;
    let case = body
        .case
        .parse()
        .map_err(|bad: BadName| invalid("/CaseID", "case", format!("is not {}", bad.expected)))?;
    let what = match step {
        "open" => CaseStep::Open {
            areas: body.areas,
            invites: body.invites,
        },
        "join" => CaseStep::Join,
        "close" => CaseStep::Close,
        _ => {
            let says = "is none of case.open, case.join, case.close".to_owned();
            return Err(invalid("routing key", "type", says));
        }
    };
    Ok(CaseChange {
        at: Timestamp::default(),
        sender: SystemId {
            agency: peer.agency.id.clone(),
            system: peer.system.name.clone(),
        },
        unit: peer.unit.id.clone(),
        case,
        what,
    })
}
