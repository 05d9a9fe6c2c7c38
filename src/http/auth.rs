//! Who asks: the officer of a request, found anew for each, under the rulebook in force.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use rustls_pki_types::CertificateDer;
use tokio::sync::OwnedSemaphorePermit;

use super::body::SMALL;
use super::problem::{
    FORBIDDEN, NOT_TAKEN, Problem, TOO_MANY_CONNECTIONS, TOO_MANY_REQUESTS, TOO_SLOW,
    UNKNOWN_OFFICER,
};
use super::site::{Caller, Shared};
use super::work::{Gone, Kind, work};
use crate::agency::certificate::CertificateSummary;
use crate::agency::identity::{Admitted, identify_officer};
use crate::agency::officer::{Holder, OfficerId, Role};
use crate::agency::refusal::RefusalKind;
use crate::agency::registry::{Officer, OfficerPeer};
use crate::agency::token::Vouched;
use crate::broker::admit::View;
use crate::broker::governance::{Act, Noted, Proposal};
use crate::broker::limits::OFFICERS_REFUSED;
use crate::broker::record::Revoked;
use crate::message::time::Timestamp;
use crate::policy::change::{agency_file, owner_of};
use crate::policy::office::{Action, Actor};

/// How long a large body waits for its place.
const PLACE_TIME: Duration = Duration::from_secs(30);

/// An officer who asks, and the rulebook and standing that his request is answered by.
pub(super) struct Signed {
    caller: Caller,
    /// The token of his request, where it has one.
    bearer: Option<String>,
    pub(super) id: OfficerId,
    pub(super) actor: Actor,
    /// His certificate as DER, by whose key he signs.
    pub(super) certificate: CertificateDer<'static>,
    pub(super) summary: Box<CertificateSummary>,
    pub(super) view: Arc<View>,
    /// The token by which alone it is known who he is.
    pub(super) vouched: Option<Vouched>,
    /// Held while something is done with a large body.
    large_body: Option<Arc<OwnedSemaphorePermit>>,
}

impl Signed {
    /// How the core knows him.
    pub(super) fn act(&self) -> Act {
        Act {
            by: self.id.clone(),
            key: self.summary.public_key,
            vouched_by: self.vouched.as_ref().map(|vouched| vouched.claims.key),
        }
    }

    /// This officer, found anew: asked once more before something is done, or told, that he has waited for.
    /// What has taken the right from him meanwhile refuses it as if he asked now.
    pub(super) async fn again(&self, shared: &Shared) -> Result<Self, Problem> {
        let known = Known::of(shared, &self.caller).await?;
        let again = known.named(shared, &self.caller, self.bearer.clone())?;
        if (&again.id, &again.actor) != (&self.id, &self.actor) {
            return Err(self.changed());
        }
        Ok(again)
    }

    /// Why he is told nothing whose rights became others while he waited.
    pub(super) fn changed(&self) -> Problem {
        let says = format!("what {} may do has changed meanwhile: ask again", self.id);
        Problem::new(&FORBIDDEN, says)
    }

    /// Has `job` done on a thread that may wait, in a place of his body's; it is told when he is gone. Before
    /// he is told what has come of it he is to be found [`again`](Self::again).
    pub(super) async fn work<T: Send + 'static>(
        &self,
        shared: &Shared,
        kind: Kind,
        job: impl FnOnce(&Gone) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        // The job may outlast the request, and has what came with its body.
        let body = self.large_body.clone();
        let job = move |gone: &Gone| {
            let done = job(gone);
            drop(body);
            done
        };
        let stopped = || Problem::new(&NOT_TAKEN, "the broker stops");
        let place = shared.work.place(kind, &self.actor.holder).await;
        let done = work(place.ok_or_else(stopped)?, job).await;
        done.ok_or_else(stopped)
    }

    /// The owner of a file of the rulebook that his request goes by.
    pub(super) fn owner_of(&self, path: &str) -> Holder {
        let registry = self.view.rulebook.registry();
        owner_of(path, |agency| registry.agency(agency).is_some())
    }

    /// The body for which he changes a file. Of another agency's own one the board changes what is the board's.
    pub(super) fn acts_for(&self, path: &str) -> Holder {
        let owner = self.owner_of(path);
        let foreign = owner.agency().filter(|_| owner != self.id.holder);
        let is_its_file = foreign.is_some_and(|agency| agency_file(agency) == path);
        if is_its_file && self.actor.may(Action::Propose, &Holder::Board) {
            Holder::Board
        } else {
            owner
        }
    }

    /// Whether a proposal is his to see: of his own body's or the board's part where he may, and what his
    /// body asks the board for.
    pub(super) fn sees_proposal(&self, proposal: &Proposal) -> bool {
        self.actor.may(Action::See, self.side(proposal))
    }

    /// The body on whose side he has a part in a proposal: his own where it proposed it, else the owner.
    pub(super) fn side<'p>(&'p self, proposal: &'p Proposal) -> &'p Holder {
        if proposal.act.by.holder == self.id.holder {
            &self.id.holder
        } else {
            &proposal.owner
        }
    }

    /// Whether a file of the rulebook is his to see: his own body's, or the board's, which bind all.
    pub(super) fn sees(&self, path: &str) -> bool {
        self.reads(&self.owner_of(path))
    }

    /// Whether a file as a proposal has it is his to see. What an agency had stays its own once it takes part
    /// no more: the board reads of its files those by which it is to join.
    pub(super) fn sees_in(&self, proposal: &Proposal, path: &str) -> bool {
        let registry = self.view.rulebook.registry();
        let had =
            |agency: &str| registry.agency(agency).is_some() || proposal.is_of_one_that_had(agency);
        self.reads(&owner_of(path, had))
    }

    /// Whether he reads files of this owner.
    fn reads(&self, owner: &Holder) -> bool {
        *owner == Holder::Board || *owner == self.actor.holder
    }

    /// Nothing where he may; what he cannot see is absent.
    pub(super) fn needs(&self, action: Action, owner: &Holder) -> Result<(), Problem> {
        if !self.actor.may(Action::See, owner) {
            return Err(Problem::absent());
        }
        if self.actor.may(action, owner) {
            return Ok(());
        }
        let would_do = |role: &&Role| {
            let roles = BTreeSet::from([**role]);
            let actor = Actor {
                roles,
                ..self.actor.clone()
            };
            actor.may(action, owner)
        };
        let roles = |roles: Vec<&Role>, between| {
            let names: Vec<&str> = roles.into_iter().map(|role| role.name()).collect();
            names.join(between)
        };
        let takes = roles(Role::ALL.iter().filter(would_do).collect(), " or ");
        let has = roles(self.actor.roles.iter().collect(), ", ");
        let says = if takes.is_empty() {
            format!(
                "no officer of {} does this with what is {owner}'s",
                self.id.holder
            )
        } else {
            format!("this takes the role {takes}, and {} is {has}", self.id)
        };
        Err(Problem::new(&FORBIDDEN, says))
    }
}

impl FromRequestParts<Arc<Shared>> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<Shared>) -> Result<Self, Problem> {
        let Some(caller) = parts.extensions.get::<Caller>() else {
            return Err(unknown("no certificate was shown"));
        };
        if let Some(says) = &caller.declined {
            return Err(Problem::new(&TOO_MANY_CONNECTIONS, says.as_ref()).closing());
        }
        let now = state.backbone.now();
        in_pace(caller, state.rates.take(caller.certificate, now)).await?;
        let known = Known::of(state, caller).await?;
        let agency = &known.found.peer.agency.id;
        in_pace(caller, state.rates.take_of(agency, now)).await?;
        caller.refused.store(0, Ordering::Relaxed);
        let signed = known.named(state, caller, bearer(parts).map(str::to_owned))?;
        let place = place(parts, state, &signed.actor.holder).await?;
        Ok(Self {
            large_body: place.map(Arc::new),
            ..signed
        })
    }
}

/// An officer as far as his certificate says who he is.
struct Known {
    view: Arc<View>,
    now: Timestamp,
    found: Admitted<OfficerPeer>,
}

impl Known {
    /// Under the rulebook in force, by a certificate that stands now.
    async fn of(state: &Shared, caller: &Caller) -> Result<Self, Problem> {
        let (view, now) = (state.backbone.view(), state.backbone.now());
        let registry = view.rulebook.registry();
        let found = identify_officer(&caller.chain, registry, now, caller.remote.ip());
        let found = found.map_err(|refusal| unknown(refusal.to_string()))?;
        stands(state, caller, &found).await?;
        Ok(Self { view, now, found })
    }

    /// With what a token says of him, where there is one.
    fn named(
        self,
        state: &Shared,
        caller: &Caller,
        bearer: Option<String>,
    ) -> Result<Signed, Problem> {
        let Self { view, now, found } = self;
        let Admitted {
            peer, certificate, ..
        } = found;
        let fingerprint = certificate.fingerprint;
        let says = |token: &str| (state.vouches)(&peer.agency, token, fingerprint, now);
        let vouched = bearer.as_deref().map(says).transpose();
        let vouched =
            vouched.map_err(|refusal| unknown(format!("{}: {refusal}", refusal.code())))?;
        let body = peer.agency.id.as_str().parse::<Holder>();
        let (officer, vouched) = named(peer, vouched).map_err(unknown)?;
        let (Some(own), Ok(holder)) = (caller.chain.first(), body) else {
            return Err(unknown("no certificate was shown"));
        };
        Ok(Signed {
            caller: caller.clone(),
            bearer,
            id: OfficerId {
                holder: holder.clone(),
                officer: officer.id,
            },
            actor: Actor::new(holder, officer.roles, view.rulebook.board()),
            certificate: own.clone(),
            summary: certificate,
            view,
            vouched,
            large_body: None,
        })
    }
}

fn unknown(says: impl Into<String>) -> Problem {
    Problem::new(&UNKNOWN_OFFICER, says)
}

/// Refuses a request that was too many, once its client has waited: refusing takes its time too. A
/// connection that goes on all the same is closed.
async fn in_pace(caller: &Caller, taken: Result<(), u32>) -> Result<(), Problem> {
    let Err(seconds) = taken else {
        return Ok(());
    };
    let refused = caller.refused.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    let problem = Problem::new(&TOO_MANY_REQUESTS, format!("wait {seconds} s"));
    Err(if refused < OFFICERS_REFUSED {
        problem
    } else {
        problem.closing()
    })
}

/// Refuses a request of an officer whose certificate is withdrawn, or of whom that is not known, and
/// closes his connection; that it was withdrawn is recorded once.
async fn stands(
    state: &Shared,
    caller: &Caller,
    found: &Admitted<OfficerPeer>,
) -> Result<(), Problem> {
    let Err(refusal) = (state.stands)(&found.grounds) else {
        return Ok(());
    };
    let is_first = !caller.is_withdrawn.swap(true, Ordering::Relaxed);
    if is_first && refusal.kind == RefusalKind::Revoked {
        let agency = &found.peer.agency.id;
        let officer = found.peer.officer.as_ref();
        let whose = match officer {
            Some(officer) => format!("officer {agency}/{}", officer.id),
            None => format!("an officer of {agency}"),
        };
        tracing::error!(
            agency.id = %agency, %whose, remote = %caller.remote,
            "ALARM a withdrawn certificate was used: its connection is closed"
        );
        let revoked = Revoked::of(agency, whose, &found.certificate, caller.remote.ip());
        let noted = Noted::Revoked(Box::new(revoked));
        state.backbone.note(noted).await;
    }
    Err(unknown(refusal.to_string()).closing())
}

/// The token of a request, where it has one.
fn bearer(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The officer, by his certificate's name or by the token alone. What both say must be one person.
fn named(
    peer: OfficerPeer,
    vouched: Option<Vouched>,
) -> Result<(Officer, Option<Vouched>), String> {
    let agency = &peer.agency;
    let by_token = vouched.as_ref().map(|vouched| {
        let mut officers = agency.officers.values();
        let is_his = |it: &&Officer| it.token.as_ref() == Some(&vouched.claims.subject);
        officers.find(is_his).cloned()
    });
    match (peer.officer, by_token) {
        (Some(officer), None) => Ok((officer, None)),
        (Some(officer), Some(Some(other))) if officer.id == other.id => Ok((officer, None)),
        (None, Some(Some(officer))) => Ok((officer, vouched)),
        (None, None) => Err(format!(
            "the certificate is {}'s and names no officer: send a token of its identity provider",
            agency.id
        )),
        (Some(officer), Some(_)) => Err(format!(
            "the certificate is of {}/{}, and the token is of somebody else",
            agency.id, officer.id
        )),
        (None, Some(None)) => Err(format!("the token names no officer of {}", agency.id)),
    }
}

/// A place for a large body: an agency has two, so that the officers of one do not fill the memory.
async fn place(
    parts: &Parts,
    state: &Arc<Shared>,
    holder: &Holder,
) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let has_body = length.is_some() || parts.headers.contains_key(TRANSFER_ENCODING);
    if !has_body || length.is_some_and(|length: u64| length <= SMALL) {
        return Ok(None);
    }
    let places = state.rates.large_bodies(holder);
    let place = tokio::time::timeout(PLACE_TIME, places.acquire_owned()).await;
    let too_slow = || Problem::new(&TOO_SLOW, "other large bodies of your agency are under way");
    place
        .map_err(|_| too_slow())?
        .map(Some)
        .map_err(|_| too_slow())
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONNECTION;
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn a_connection_is_closed_on_which_too_many_requests_in_a_row_are_too_many() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        let caller = Caller::new(Vec::new(), ([127, 0, 0, 1], 1).into(), None);
        let refused = || runtime.block_on(in_pace(&caller, Err(0))).unwrap_err();
        let closes = (0..=OFFICERS_REFUSED).map(|_| {
            let response = refused().into_response();
            response.headers().contains_key(CONNECTION)
        });
        let closes: Vec<bool> = closes.collect();
        let first = closes.iter().position(|closes| *closes);
        assert_eq!(first, usize::try_from(OFFICERS_REFUSED - 1).ok());
    }
}
