//! Admission: from a publish to a submission. Pure and synchronous; runs in the connection's task.

mod case;

use super::command::Refusal;
use super::dedup::Looked;
use super::exchange::{Admission, Arrived, Ruled, Submission, Verdict, fault, sentences};
pub use super::exchange::{Draw, View};
use super::record::{Confidential, Rejected};
use crate::agency::registry::Peer;
use crate::message::envelope::{Publish, SenderTerms};
use crate::message::rule::{self, Rule};
use crate::message::spans::Quoted;
use crate::message::time::Timestamp;
use crate::message::valid::{Faults, Invalid, InvalidKind, Valid};
use crate::policy::rule::may_send;
use crate::policy::words::PURPOSES;

/// Why a publish is not ruled.
struct NotRuled {
    code: u16,
    faults: Faults,
}

impl From<Faults> for NotRuled {
    fn from(faults: Faults) -> Self {
        let is_unknown = faults.first.kind == InvalidKind::UnknownType;
        let code = if is_unknown { 312 } else { 406 };
        Self { code, faults }
    }
}

impl From<Invalid> for NotRuled {
    fn from(invalid: Invalid) -> Self {
        Faults::from(invalid).into()
    }
}

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
    match &valid.envelope().asked().purpose {
        Some(purpose) if !PURPOSES.contains(&purpose.as_str()) => Err(no_purpose()),
        _ => Ok(valid),
    }
}

fn no_purpose() -> NotRuled {
    let says = format!("is none of {}", PURPOSES.join(", "));
    Invalid::envelope("header purpose", &rule::PURPOSE, says).into()
}

fn refused(rule: &Rule, says: &str) -> NotRuled {
    NotRuled {
        code: 403,
        faults: Invalid::envelope("routing key", rule, says).into(),
    }
}

fn rejected(admission: &Admission<'_>, publish: &Publish, not_ruled: &NotRuled) -> Verdict {
    let NotRuled { code, faults } = not_ruled;
    Verdict::Rejected {
        rejected: Box::new(rejection(admission, publish, not_ruled)),
        refusal: Refusal {
            code: *code,
            text: sentences(faults),
        },
    }
}

/// The record of a publish that is not ruled, with place and rule of its first fault, and what its
/// sender is told of all.
fn rejection(admission: &Admission<'_>, publish: &Publish, not_ruled: &NotRuled) -> Rejected {
    let NotRuled { code, faults } = not_ruled;
    let message_id = publish.message_id.iter().flat_map(|id| id.chars());
    let message_id: String = message_id.take(255).collect();
    let confidential = Confidential {
        message_id: &message_id,
        faults: faults.iter().map(fault).collect(),
        faults_untold: u32::try_from(faults.untold).unwrap_or(u32::MAX),
        ..Confidential::default()
    };
    Rejected {
        id: admission.draw.exchange,
        at: Timestamp::default(),
        sender: admission.system(),
        unit: admission.peer.unit.id.clone(),
        message_type: publish.message_type.chars().take(96).collect(),
        code: *code,
        place: faults.first.place.clone(),
        rule: faults.first.rule.clone(),
        body: admission.view.keys.digest("body", &[&publish.body]),
        number: 0,
        receipt: None,
        sealed: confidential.seal(),
        case: None,
    }
}
