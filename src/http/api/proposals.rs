//! `proposals`: changes on their way to be the rulebook.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Signed;
use super::super::body::{Asked, At, Body, FileAsked, text};
use super::super::page::{Page, PageAsked};
use super::super::problem::{BAD_REQUEST, FaultTold, LATER_CHANGES, Problem, Told};
use super::super::site::Shared;
use super::activations::returned;
use super::difference::DifferenceTold;
use super::draft::{
    Good, Wanted, base_of, changes_of, checked, govern, named, propose as propose_it, seen, told,
};
use super::told::{ProposalTold, created};
use crate::broker::governance::{Deed, Proposal, State, When};
use crate::message::id::Digest;
use crate::policy::change::Changes;
use crate::policy::difference::Difference;
use crate::policy::office::Action;
use crate::policy::recovery::given;

/// Files that are to change, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposing {
    /// The digest of the rulebook that the changes were made on
    #[schema(pattern = "^[0-9a-f]{64}$")]
    base: String,
    /// What they are for, in one line
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// Texts by path; null removes the file
    files: BTreeMap<String, Option<String>>,
    /// When they take effect once approved: `asked` for (the default), or as soon as they are `approved`
    #[serde(default)]
    when: WhenAsked,
}

/// When an approved proposal takes effect.
#[derive(Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WhenAsked {
    /// Once an officer asks for it.
    #[default]
    Asked,
    /// With its last approval.
    Approved,
}

/// Files that would change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Checking {
    /// Texts by path; null removes the file
    files: BTreeMap<String, Option<String>>,
}

/// What was found of changed files that have no fault.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckTold {
    /// Whose part of the rulebook they change
    owner: String,
    /// The digest of the rulebook that they would make
    digest: String,
    /// How many agencies would have to approve
    needed: u32,
    /// Agencies of which these must be
    needed_of: Vec<String>,
    /// Rows of your own decision table that were run and hold
    rows: usize,
    /// What should be seen to, and hinders nothing
    warnings: Vec<FaultTold>,
    /// Systems that the change would break, and how
    broken: Vec<String>,
    /// What changes, by meaning
    difference: DifferenceTold,
}

/// A proposal with the files that it changes.
#[derive(Serialize, ToSchema)]
pub(super) struct ProposalWhole {
    #[serde(flatten)]
    proposal: ProposalTold,
    /// What it changes, of files that you may read
    files: Vec<ChangeTold>,
}

/// The change of a file.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub(super) struct ChangeTold {
    /// Its path
    path: String,
    /// SHA-256 of its new text; none where it is removed
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// What has become of a proposal.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateAsked {
    /// It waits for approvals, or for its time.
    Pending,
    /// It took effect.
    Activated,
    /// An officer took it back.
    Withdrawn,
    /// Another activation took away the rulebook that it rests on.
    Superseded,
}

impl StateAsked {
    const fn is(self, state: &State) -> bool {
        matches!(
            (self, state),
            (Self::Pending, State::Pending)
                | (Self::Activated, State::Activated(_))
                | (Self::Withdrawn, State::Withdrawn { .. })
                | (Self::Superseded, State::Superseded(_))
        )
    }
}

/// Which proposals.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// This state alone
    state: Option<StateAsked>,
    /// `next` of the page before; none for the first
    #[param(pattern = "^[A-Za-z0-9_-]{4,64}$")]
    cursor: Option<String>,
    /// Items, at most
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

fn changes(files: BTreeMap<String, Option<String>>) -> Changes {
    let mut changes = Changes::default();
    for (path, content) in files {
        changes.insert(path, content.map(String::into_bytes));
    }
    changes
}

/// Find what is wrong with changed files
#[utoipa::path(post, path = "/api/v1/checks", request_body = Checking, responses(
    (status = OK, body = CheckTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn check(
    extract::State(shared): extract::State<Arc<Shared>>,
    signed: Signed,
    Body(asked): Body<Checking>,
) -> Result<Json<CheckTold>, Problem> {
    let Good { needs, checked, .. } =
        checked(&shared, &signed, &changes(asked.files), false).await?;
    let difference = Difference::between(&signed.view.rulebook, &checked.rulebook);
    let difference = DifferenceTold::of(difference, |path| signed.sees(path));
    let broken = checked.broken.iter().map(ToString::to_string);
    let warnings = checked.warnings.into_iter();
    Ok(Json(CheckTold {
        owner: checked.owner.to_string(),
        digest: checked.rulebook.digest().to_string(),
        needed: needs.votes(),
        needed_of: needs.of().iter().map(ToString::to_string).collect(),
        rows: checked.rows,
        warnings: warnings.map(FaultTold::from).collect(),
        broken: broken.collect(),
        difference,
    }))
}

/// Propose changes
#[utoipa::path(post, path = "/api/v1/proposals", request_body = Proposing, responses(
    (status = CREATED, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn propose(
    extract::State(shared): extract::State<Arc<Shared>>,
    signed: Signed,
    Body(asked): Body<Proposing>,
) -> Result<Response, Problem> {
    let base: Result<Digest, _> = asked.base.parse();
    let base = base.map_err(|_| Problem::new(&BAD_REQUEST, "/base is no digest"))?;
    let wanted = Wanted {
        base,
        changes: changes(asked.files),
        title: asked.title,
        when: match asked.when {
            WhenAsked::Asked => When::Asked,
            WhenAsked::Approved => When::Approved,
        },
        returns: None,
        restores: false,
    };
    Ok(created(propose_it(&shared, &signed, wanted).await?))
}

/// Proposals, the newest first
#[utoipa::path(get, path = "/api/v1/proposals", params(Which), responses(
    (status = OK, body = Page<ProposalTold>),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    signed: Signed,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<ProposalTold>>, Problem> {
    let state = which.state;
    let is_wanted =
        |it: &&Proposal| signed.sees_proposal(it) && state.is_none_or(|state| state.is(&it.state));
    let all = signed.view.governance.proposals().filter(is_wanted);
    let asked = PageAsked {
        cursor: which.cursor,
        limit: which.limit,
    };
    let page = Page::of("proposals", &asked, all, |it| it.number, ProposalTold::from);
    Ok(Json(page?))
}

/// A proposal
#[utoipa::path(get, path = "/api/v1/proposals/{number}", params(("number" = u64, Path)), responses(
    (status = OK, body = ProposalWhole),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn proposal(
    extract::State(shared): extract::State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
) -> Result<Json<ProposalWhole>, Problem> {
    let proposal = seen(&signed, number)?;
    let changes = changes_of(&shared, &signed, proposal).await?;
    // A digest would tell who guesses a file that he does not see.
    let files = changes
        .files()
        .filter(|(path, _)| signed.sees_in(proposal, path));
    let files = files.map(|(path, content)| ChangeTold {
        path: path.to_owned(),
        sha256: content.map(|content| Digest::of(content).to_string()),
    });
    Ok(Json(ProposalWhole {
        proposal: ProposalTold::from(proposal),
        files: files.collect(),
    }))
}

/// A file as a proposal would have it
#[utoipa::path(get, path = "/api/v1/proposals/{number}/file", params(("number" = u64, Path), FileAsked), responses(
    (status = OK, body = String, content_type = "text/plain"),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn file(
    extract::State(shared): extract::State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
    Asked(asked): Asked<FileAsked>,
) -> Result<Response, Problem> {
    let proposal = seen(&signed, number)?;
    let changes = changes_of(&shared, &signed, proposal).await?;
    let mut files = changes.files();
    // The board decides about an agency's file by its difference, and does not read it.
    let is_asked = |path: &str| path == asked.path() && signed.sees_in(proposal, path);
    let found = files.find_map(|(path, content)| content.filter(|_| is_asked(path)));
    let content = found.ok_or_else(Problem::absent)?;
    Ok(text(String::from_utf8_lossy(content).into_owned()))
}

/// Withdraw a proposal
#[utoipa::path(delete, path = "/api/v1/proposals/{number}", params(("number" = u64, Path)), responses(
    (status = OK, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn withdraw(
    extract::State(shared): extract::State<Arc<Shared>>,
    signed: Signed,
    At(proposal): At<u64>,
) -> Result<Json<ProposalTold>, Problem> {
    let owner = signed.side(seen(&signed, proposal)?);
    signed.needs(Action::Propose, owner)?;
    let act = signed.act();
    govern(&shared, &signed, Deed::Withdraw { act, proposal }).await?;
    told(&shared, proposal).map(Json)
}

/// Propose the same changes on the rulebook in force
#[utoipa::path(post, path = "/api/v1/proposals/{number}/rebase", params(("number" = u64, Path)), responses(
    (status = CREATED, body = ProposalTold),
    (status = "4XX", body = Told, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, body = Told, content_type = "application/problem+json"),
))]
pub(super) async fn rebase(
    extract::State(shared): extract::State<Arc<Shared>>,
    signed: Signed,
    At(number): At<u64>,
) -> Result<Response, Problem> {
    let proposal = seen(&signed, number)?;
    signed.needs(Action::Propose, signed.side(proposal))?;
    if let Some(activation) = proposal.returns {
        // What was changed since is looked at again.
        let wanted = returned(&shared, &signed, activation).await?;
        return Ok(created(propose_it(&shared, &signed, wanted).await?));
    }
    let mut changes = changes_of(&shared, &signed, proposal).await?;
    let base = base_of(&shared, &signed, proposal).await?;
    if proposal.turns.is_empty() {
        // A file is proposed whole: who changed it since would find his change gone.
        let active = signed.view.rulebook.bundle();
        let mut paths = changes.paths();
        if let Some(path) = paths.find(|path| base.get(path) != active.get(path)) {
            let says = format!("{path} was changed since proposal {number} was made");
            return Err(Problem::new(&LATER_CHANGES, says));
        }
    } else {
        changes = given(&base, &changes, &proposal.turns);
    }
    let wanted = Wanted {
        base: signed.view.rulebook.digest(),
        changes: named(&signed, &changes, &proposal.owner),
        title: proposal.title.clone(),
        when: match proposal.when {
            When::At(at) if at <= shared.backbone.now() => When::Asked,
            when => when,
        },
        returns: None,
        restores: false,
    };
    Ok(created(propose_it(&shared, &signed, wanted).await?))
}
