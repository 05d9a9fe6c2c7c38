//! `log/rulebooks`: the rulebooks that were in force, by whose hands, and their files, as the log has them.
//! Each look is a record of the log, before anything is told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::{Asked, At};
use super::super::log::Sight;
use super::super::page::{Page, PageAsked};
use super::super::problem::{FORBIDDEN, Problem, Told};
use super::super::site::Shared;
use super::super::work::Kind;
use super::draft::not_done;
use super::log::{AskedOf, TEXT_MAX, reasoned, record, sight};
use super::told::ActivationTold;
use crate::agency::officer::Holder;
use crate::broker::governance::{Activation, NotDone};
use crate::message::bundle::Bundle;
use crate::message::id::Digest;
use crate::policy::change::{agency_file, owner_of};
use crate::policy::office::Action;

/// Which rulebooks an auditor asks for, and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RulebooksAsked {
    /// Why: it is written into the log
    #[param(min_length = 1, max_length = 500)]
    why: String,
    /// By this grant of the board, which opens the files of all agencies
    grant: Option<String>,
    /// `next` of the page before; none for the first
    #[param(pattern = "^[A-Za-z0-9_-]{4,64}$")]
    cursor: Option<String>,
    /// Items, at most
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Which files of a rulebook an auditor asks for, and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilesAsked {
    /// Why: it is written into the log
    #[param(min_length = 1, max_length = 500)]
    why: String,
    /// By this grant of the board, which opens the files of all agencies
    grant: Option<String>,
    /// The one file whose text is told
    path: Option<String>,
}

/// A rulebook that was in force, with its files.
#[derive(Serialize, ToSchema)]
pub(super) struct RulebookInForce {
    /// Since when, and by whose hands
    activation: ActivationTold,
    /// Its files that you may see
    files: Vec<FileInForce>,
}

/// A file of a rulebook that was in force.
#[derive(Serialize, ToSchema)]
pub(super) struct FileInForce {
    /// Its path
    path: String,
    /// Whose it is: an agency, or `board`
    owner: String,
    /// How many octets it has
    bytes: usize,
    /// The SHA-256 of these
    sha256: String,
    /// The text, where this one was asked for
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// What an auditor sees of rulebooks.
struct Seeing<'a> {
    signed: &'a Signed,
    sight: Sight,
}

impl<'a> Seeing<'a> {
    fn of(shared: &Shared, signed: &'a Signed, grant: Option<&str>) -> Result<Self, Problem> {
        let sight = sight(signed, grant, shared.backbone.now())?;
        if matches!(&sight, Sight::Granted(opened) if !opened.rulings) {
            let says = "rules are opened by a grant of rulings";
            return Err(Problem::new(&FORBIDDEN, says));
        }
        Ok(Self { signed, sight })
    }

    /// Whether a grant opens all of them.
    fn all(&self) -> bool {
        matches!(self.sight, Sight::Granted(_))
    }

    fn activation(&self, activation: &Activation) -> ActivationTold {
        let actor = &self.signed.actor;
        let all = self.all();
        let sees = |owner: &Holder| all || actor.may(Action::See, owner);
        ActivationTold::of(self.signed, activation, sees)
    }

    /// The files of a rulebook: his own body's then, and the board's.
    fn files(&self, bundle: &Bundle, text_of: Option<&str>) -> Vec<FileInForce> {
        let registry = self.signed.view.rulebook.registry();
        // What was an agency's is no one else's once that agency is gone.
        let is_agency = |agency: &str| {
            bundle.get(&agency_file(agency)).is_some() || registry.agency(agency).is_some()
        };
        let (own, all) = (&self.signed.actor.holder, self.all());
        let files = bundle.files().filter_map(|(path, content)| {
            let owner = owner_of(path, is_agency);
            let is_seen = all || owner == Holder::Board || owner == *own;
            is_seen.then(|| FileInForce {
                path: path.to_owned(),
                owner: owner.to_string(),
                bytes: content.len(),
                sha256: Digest::of(content).to_string(),
                text: (text_of == Some(path))
                    .then(|| String::from_utf8_lossy(content).into_owned()),
            })
        });
        files
            .filter(|file| text_of.is_none_or(|path| path == file.path))
            .collect()
    }
}

/// Rulebooks that were in force, by whose hands, the newest first; the look is a record
#[utoipa::path(get, path = "/api/v1/log/rulebooks", params(RulebooksAsked), responses(
    (status = OK, body = Page<ActivationTold>),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    Asked(asked): Asked<RulebooksAsked>,
) -> Result<Json<Page<ActivationTold>>, Problem> {
    let seeing = Seeing::of(&shared, &signed, asked.grant.as_deref())?;
    reasoned(&asked.why)?;
    let RulebooksAsked {
        why,
        grant,
        cursor,
        limit,
    } = asked;
    let query = json!({"rulebooks": "all", "grant": grant, "cursor": cursor}).to_string();
    let page = PageAsked { cursor, limit };
    let all = signed.view.governance.activations();
    let tell = |it| seeing.activation(it);
    let page = Page::of("rulebooks", &page, all, |it| it.number, tell)?;
    let asked = AskedOf {
        why: &why,
        query,
        grant: grant.as_deref(),
        sight: &seeing.sight,
    };
    record(&shared, &signed, &asked, page.items.len()).await?;
    Ok(Json(page))
}

/// A rulebook that was in force: its files, and the text of one; the look is a record
#[utoipa::path(get, path = "/api/v1/log/rulebooks/{number}", params(("number" = u64, Path), FilesAsked), responses(
    (status = OK, body = RulebookInForce),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn files(
    State(shared): State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
    Asked(asked): Asked<FilesAsked>,
) -> Result<Json<RulebookInForce>, Problem> {
    let seeing = Seeing::of(&shared, &signed, asked.grant.as_deref())?;
    reasoned(&asked.why)?;
    let long = asked.path.as_ref().filter(|path| path.len() > TEXT_MAX);
    if long.is_some() {
        return Err(Problem::absent());
    }
    let activation = signed.view.governance.activation(number);
    let activation = activation.ok_or_else(Problem::absent)?;
    let (backbone, entry) = (Arc::clone(&shared.backbone), activation.entry);
    let bundle = signed.work(&shared, Kind::Look, move |_| backbone.text(entry));
    let bundle = bundle.await?;
    let bundle = bundle.map_err(|unread| not_done(&NotDone::Unread(unread.0)))?;
    let files = seeing.files(&bundle, asked.path.as_deref());
    let query = json!({"rulebook": number, "grant": asked.grant, "path": asked.path});
    let asked = AskedOf {
        why: &asked.why,
        query: query.to_string(),
        grant: asked.grant.as_deref(),
        sight: &seeing.sight,
    };
    record(&shared, &signed, &asked, files.len()).await?;
    if files.is_empty() {
        return Err(Problem::absent());
    }
    Ok(Json(RulebookInForce {
        activation: seeing.activation(activation),
        files,
    }))
}
