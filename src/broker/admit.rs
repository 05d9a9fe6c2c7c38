//! Admission: from a publish to a submission. Pure and synchronous; runs in the connection's task.

mod case;
mod not_ruled;

use self::not_ruled::{NotRuled, refused, rejected};
use super::dedup::Looked;
use super::exchange::{Admission, Arrived, Ruled, Submission, Verdict};
pub use super::exchange::{Draw, View};
use crate::agency::registry::Peer;
use crate::message::envelope::{Publish, SenderTerms};
use crate::message::rule;
use crate::message::spans::Quoted;
use crate::message::time::Timestamp;
use crate::message::valid::{Invalid, Valid};
use crate::policy::rule::may_send;
use crate::policy::vocabulary::Terms;

/// Admits a publish of `peer`: valid or not, allowed or not, to whom and what of it. Every outcome
/// is a submission, for every outcome is a fact.
pub fn admit(peer: &Peer, arrived: Arrived, view: &View, draw: Draw, now: Timestamp) -> Submission {
    let admission = Admission {
        peer,
        view,
        draw,
        now,
    };
    let publish = &arrived.publish;
    let verdict = match publish.message_type.strip_prefix("case.") {
        Some(step) => case::step(&admission, step, publish),
        None => {
            valid(&admission, publish).map(|valid| Verdict::Ruled(Ruled::by(&admission, &valid)))
        }
    };
    let verdict = verdict.unwrap_or_else(|not_ruled| rejected(&admission, publish, &not_ruled));
    Submission {
        arrived,
        verdict,
        receipts: peer.system.receipts,
        looked: Looked::default(),
        refusals_max: peer.agency.limits.refusals_per_minute,
        rulebook_epoch: view.rulebook.epoch(),
    }
}

/// The message, where it keeps its type's rules and this system may send it.
fn valid(admission: &Admission<'_>, publish: &Publish) -> Result<Valid, NotRuled> {
    let Admission { peer, view, .. } = admission;
    let catalogue = view.rulebook.catalogue();
    if let Some(entry) = catalogue.get(&publish.message_type)
        && !may_send(peer, entry)
    {
        return Err(refused(
            &rule::SENDS,
            "this system does not send this type: see its 'sends'",
        ));
    }
    let user_id = peer.user_id();
    let terms = SenderTerms {
        user_id: &user_id,
        derives_message_id: admission.derives_message_id(),
    };
    let quoted = |text: &str| {
        let token = view.keys.open_token(&peer.unit.id, text)?;
        Some(Quoted {
            originator: token.originator,
            clear: token.value,
        })
    };
    let valid = Valid::parse(publish, catalogue, &terms, &quoted)?;
    let purposes = &view.rulebook.vocabulary().purposes;
    match &valid.envelope().asked().purpose {
        Some(purpose) if !purposes.has(purpose.as_str()) => Err(no_purpose(purposes)),
        _ => Ok(valid),
    }
}

fn no_purpose(purposes: &Terms) -> NotRuled {
    let says = format!("is none of {purposes}");
    Invalid::envelope("header purpose", &rule::PURPOSE, says).into()
}
