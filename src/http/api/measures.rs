//! `measures`: what officers declare of their own agency without a change of its rules.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::auth::Signed;
use super::super::body::{Asked, At, Body, text};
use super::super::page::{Page, PageAsked};
use super::super::problem::{BAD_REQUEST, FORBIDDEN, Problem, Told};
use super::super::site::Shared;
use super::deciding::{Approving, signed_text, time};
use super::draft::{govern, not_done};
use super::told::VoteTold;
use crate::agency::officer::{Holder, OfficerId};
use crate::agency::registry::Officer;
use crate::broker::governance::{
    Confirmation, Declaration, Declarations, Declaring, Deed, Done, Governance, Measure, NotDone,
};
use crate::message::id::AgencyId;
use crate::policy::measures::{Level, Permits};
use crate::policy::office::{Action, Actor};
use crate::policy::words::PolicyId;

/// A measure of your agency.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasureAsked {
    /// What it does
    measure: MeasureTold,
    /// When a level ends, at most 72 hours ahead; none for anything else
    until: Option<String>,
    /// What it is for, in one line
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// What a measure does.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Measure)]
enum MeasureTold {
    /// Your agency's systems work this far, once a second officer has confirmed it
    Level {
        /// How far
        level: LevelTold,
    },
    /// These permits of your agency give nothing from now on
    Suspend {
        /// Their ids
        #[schema(min_items = 1, max_items = 256)]
        permits: BTreeSet<String>,
    },
    /// No permit of your agency gives anything from now on
    SuspendAll,
    /// A measure in force ends, once a second officer has confirmed it
    Lift {
        /// Its number
        measure: u64,
    },
}

/// How far an agency's systems work.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Level)]
enum LevelTold {
    /// All systems work: so it is once the measure in force is lifted, and cannot be declared
    Normal,
    /// Some work slowly or in part
    Degraded,
    /// Fallback procedures are in force
    Fallback,
    /// Nothing works
    Closed,
}

/// A measure, and what has become of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Declaration)]
pub(super) struct DeclarationTold {
    /// Counts the agency's measures from 1
    number: u64,
    /// The agency
    agency: String,
    /// What it does
    measure: MeasureTold,
    /// What it does, in words
    does: String,
    /// `waits` for a second officer, `holds`, or `done`, `ended`, `lifted`, `replaced`
    stage: &'static str,
    /// The stage in words
    says: String,
    /// Who declared it
    by: String,
    /// When
    at: String,
    /// When it ends by itself: of a suspension unless it is confirmed
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// What it is for
    reason: String,
    /// Who confirmed it
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<VoteTold>,
}

/// A suspension of permits that is in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Suspension)]
pub(super) struct SuspensionTold {
    /// The agency that suspended permits of its own
    agency: String,
    /// The number of its measure
    measure: u64,
    /// Since when
    since: String,
    /// When it ends by itself; none where a second officer has confirmed it
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// Suspensions in force: of all agencies for who has a seat on the board, else of your own
#[utoipa::path(get, path = "/api/v1/suspensions", responses(
    (status = OK, body = Page<SuspensionTold>),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn suspensions(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
) -> Json<Page<SuspensionTold>> {
    let now = shared.backbone.now();
    let sees_all = signed.actor.may(Action::See, &Holder::Board);
    let open = signed.view.governance.open_measures().filter(|(of, it)| {
        let is_seen = sees_all || signed.id.holder.agency() == Some(*of);
        is_seen && it.holds(now) && matches!(it.measure, Measure::Suspend(_))
    });
    let mut open: Vec<(&AgencyId, &Declaration)> = open.collect();
    open.sort_by_key(|(_, it)| Reverse(it.at));
    let told = open.into_iter().map(|(agency, it)| SuspensionTold {
        agency: agency.to_string(),
        measure: it.number,
        since: it.at.to_string(),
        until: it.until.map(|until| until.to_string()),
    });
    // An agency has a few at most: all fit on one page.
    Json(Page {
        items: told.collect(),
        next: None,
    })
}

/// Measures of your agency, the newest first
#[utoipa::path(get, path = "/api/v1/measures", params(PageAsked), responses(
    (status = OK, body = Page<DeclarationTold>),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    signed: Signed,
    Asked(asked): Asked<PageAsked>,
) -> Result<Json<Page<DeclarationTold>>, Problem> {
    let agency = signed.id.holder.agency();
    let of = agency.and_then(|agency| signed.view.governance.measures(agency));
    let all = of.into_iter().flat_map(Declarations::all);
    let tell = |it: &Declaration| DeclarationTold::of(&signed.id.holder, it);
    Page::of("measures", &asked, all, |it| it.number, tell).map(Json)
}

/// Declare a measure of your agency
#[utoipa::path(post, path = "/api/v1/measures", request_body = MeasureAsked, responses(
    (status = CREATED, body = DeclarationTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn declare(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Body(asked): Body<MeasureAsked>,
) -> Result<Response, Problem> {
    let measure = measure(&signed, asked.measure)?;
    let action = action_of(&measure);
    signed.needs(action, &signed.id.holder)?;
    if action != Action::Suspend {
        can_be_confirmed(&signed)?;
    }
    let until = asked.until.as_deref().map(|at| time("/until", at));
    let declaring = Declaring {
        act: signed.act(),
        measure,
        until: until.transpose()?,
        reason: asked.reason,
        board: signed.view.rulebook.board().members.clone(),
    };
    let Done::Declared(number) = govern(&shared, &signed, Deed::Declare(declaring)).await? else {
        return Err(not_done(&NotDone::Stopped));
    };
    if action == Action::Suspend {
        tracing::error!(
            agency.id = %signed.id.holder, officer.id = %signed.id.officer, measure = number,
            "ALARM an officer has suspended permits of his agency"
        );
    }
    let location = format!("/api/v1/measures/{number}");
    let told = told(&shared, &signed, number)?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(told)).into_response())
}

/// Refuses what waits for a second officer where there is none who could confirm it.
fn can_be_confirmed(signed: &Signed) -> Result<(), Problem> {
    let Signed { id, view, .. } = signed;
    let agency = id.holder.agency();
    let agency = agency.and_then(|agency| view.rulebook.registry().agency(agency.as_str()));
    let officers = agency.into_iter().flat_map(|it| it.officers.values());
    let mut others = officers.filter(|it| it.id != id.officer);
    let confirms = |officer: &Officer| {
        let roles = officer.roles.clone();
        let actor = Actor::new(id.holder.clone(), roles, view.rulebook.board());
        actor.may(Action::Approve, &id.holder)
    };
    if others.any(confirms) {
        return Ok(());
    }
    let says = format!(
        "nobody could confirm it: {} has no other approver than {id}; have an administrator declare it",
        id.holder
    );
    Err(Problem::new(&FORBIDDEN, says))
}

/// Withdraw a measure that you declared and that waits to be confirmed
#[utoipa::path(delete, path = "/api/v1/measures/{number}", params(("number" = u64, Path)), responses(
    (status = OK, body = DeclarationTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn withdraw(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(measure): At<u64>,
) -> Result<Json<DeclarationTold>, Problem> {
    told(&shared, &signed, measure)?;
    signed.needs(Action::Declare, &signed.id.holder)?;
    let act = signed.act();
    govern(&shared, &signed, Deed::Undeclare { act, measure }).await?;
    told(&shared, &signed, measure).map(Json)
}

/// A measure of your agency
#[utoipa::path(get, path = "/api/v1/measures/{number}", params(("number" = u64, Path)), responses(
    (status = OK, body = DeclarationTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
) -> Result<Json<DeclarationTold>, Problem> {
    told(&shared, &signed, number).map(Json)
}

/// What you sign to confirm a measure
#[utoipa::path(get, path = "/api/v1/measures/{number}/statement", params(("number" = u64, Path)), responses(
    (status = OK, body = String, content_type = "text/plain"),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn statement(signed: Signed, At(number): At<u64>) -> Result<Response, Problem> {
    statement_of(&signed, number).map(text)
}

/// What this officer signs; one that cannot be confirmed any more has no statement.
fn statement_of(signed: &Signed, number: u64) -> Result<String, Problem> {
    let governance = &signed.view.governance;
    let stage = own(governance, signed, number)?.stage;
    let statement = governance.measure_statement(number, &signed.id);
    let statement = statement.filter(|_| stage.is_open());
    let closed = || not_done(&NotDone::MeasureClosed { number, stage });
    Ok(statement.ok_or_else(closed)?.to_string())
}

/// Confirm a measure that another officer of your agency declared
#[utoipa::path(post, path = "/api/v1/measures/{number}/confirmation", params(("number" = u64, Path)), request_body = Approving, responses(
    (status = OK, body = DeclarationTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn confirm(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
    Body(asked): Body<Approving>,
) -> Result<Json<DeclarationTold>, Problem> {
    let view = shared.backbone.view();
    let measure = &own(&view.governance, &signed, number)?.measure;
    signed.needs(Action::Approve, &signed.id.holder)?;
    both_stand(&shared, &signed, number)?;
    let statement = statement_of(&signed, number)?;
    let confirmation = Confirmation {
        act: signed.act(),
        measure: number,
        signed: signed_text(&shared, &signed, statement, &asked)?,
    };
    govern(&shared, &signed, Deed::Confirm(confirmation)).await?;
    if let Measure::Level(level) = measure {
        tracing::error!(
            agency.id = %signed.id.holder, measure = number, level = level.name(),
            "ALARM not all systems of an agency work: two officers have declared it"
        );
    }
    told(&shared, &signed, number).map(Json)
}

/// Refuses a confirmation where one of the two is no such officer any more under the rulebook in force:
/// measures, unlike proposals, outlast the rulebook under which they were declared.
fn both_stand(shared: &Shared, signed: &Signed, number: u64) -> Result<(), Problem> {
    let view = shared.backbone.view();
    let holder = &signed.id.holder;
    let may = |id: &OfficerId, action| {
        let officer = view.rulebook.registry().officer(id);
        officer.is_some_and(|it| {
            let roles = it.roles.clone();
            Actor::new(holder.clone(), roles, view.rulebook.board()).may(action, holder)
        })
    };
    let declared = own(&view.governance, signed, number)?;
    let action = action_of(&declared.measure);
    for (id, action) in [(&declared.act.by, action), (&signed.id, Action::Approve)] {
        if !may(id, action) {
            let says = format!("{id} is no officer any more who may: declare it anew");
            return Err(Problem::new(&FORBIDDEN, says));
        }
    }
    Ok(())
}

/// A measure as it stands now.
fn told(shared: &Shared, signed: &Signed, number: u64) -> Result<DeclarationTold, Problem> {
    let view = shared.backbone.view();
    let measure = own(&view.governance, signed, number)?;
    Ok(DeclarationTold::of(&signed.id.holder, measure))
}

/// A measure of the officer's own agency.
fn own<'g>(
    governance: &'g Governance,
    signed: &Signed,
    number: u64,
) -> Result<&'g Declaration, Problem> {
    let agency = signed.id.holder.agency();
    let measure = agency.and_then(|agency| governance.measure(agency, number));
    measure.ok_or_else(Problem::absent)
}

/// What it takes to declare a measure.
const fn action_of(measure: &Measure) -> Action {
    match measure {
        Measure::Suspend(_) => Action::Suspend,
        Measure::Level(_) | Measure::Lift(_) => Action::Declare,
    }
}

/// What an officer asks for. Permits that he names are of his own agency: any other is none of them, as
/// are rules that forbid.
fn measure(signed: &Signed, asked: MeasureTold) -> Result<Measure, Problem> {
    let permit = |name: String| {
        let id: Option<PolicyId> = name.parse().ok();
        let agency = signed.id.holder.agency().map(AgencyId::as_str);
        let rule = id.as_ref().and_then(|id| signed.view.rulebook.rule(id));
        let is_own = rule.is_some_and(|it| it.permits && Some(it.owner.as_str()) == agency);
        let id = id.filter(|_| is_own);
        id.ok_or_else(|| Problem::new(&BAD_REQUEST, NotDone::NoPermit(name).to_string()))
    };
    Ok(match asked {
        MeasureTold::Level { level } => Measure::Level(match level {
            LevelTold::Normal => Level::Normal,
            LevelTold::Degraded => Level::Degraded,
            LevelTold::Fallback => Level::Fallback,
            LevelTold::Closed => Level::Closed,
        }),
        MeasureTold::Suspend { permits } => {
            let named: BTreeSet<PolicyId> =
                permits.into_iter().map(permit).collect::<Result<_, _>>()?;
            Measure::Suspend(Permits::Named(named))
        }
        MeasureTold::SuspendAll => Measure::Suspend(Permits::All),
        MeasureTold::Lift { measure } => Measure::Lift(measure),
    })
}

impl DeclarationTold {
    fn of(holder: &Holder, declaration: &Declaration) -> Self {
        Self {
            number: declaration.number,
            agency: holder.to_string(),
            measure: MeasureTold::from(&declaration.measure),
            does: declaration.measure.to_string(),
            stage: declaration.stage.name(),
            says: declaration.stage.to_string(),
            by: declaration.act.by.to_string(),
            at: declaration.at.to_string(),
            until: declaration.until.map(|until| until.to_string()),
            reason: declaration.reason.clone(),
            confirmed: declaration.confirmed.as_ref().map(VoteTold::from),
        }
    }
}

impl From<&Measure> for MeasureTold {
    fn from(measure: &Measure) -> Self {
        match measure {
            Measure::Level(level) => Self::Level {
                level: match level {
                    Level::Normal => LevelTold::Normal,
                    Level::Degraded => LevelTold::Degraded,
                    Level::Fallback => LevelTold::Fallback,
                    Level::Closed => LevelTold::Closed,
                },
            },
            Measure::Suspend(Permits::All) => Self::SuspendAll,
            Measure::Suspend(Permits::Named(named)) => Self::Suspend {
                permits: named.iter().map(ToString::to_string).collect(),
            },
            Measure::Lift(measure) => Self::Lift { measure: *measure },
        }
    }
}
