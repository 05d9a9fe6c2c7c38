//! A publish that is not ruled: its record, and what its sender is told.

use crate::broker::exchange::{Admission, Verdict, fault, sentences};
use crate::broker::record::{Confidential, Rejected};
use crate::broker::reply::Refusal;
use crate::message::envelope::Publish;
use crate::message::rule::Rule;
use crate::message::time::Timestamp;
use crate::message::valid::{Faults, Invalid, InvalidKind};

/// Why a publish is not ruled.
pub(super) struct NotRuled {
    pub(super) code: u16,
    pub(super) faults: Faults,
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

pub(super) fn refused(rule: &Rule, says: &str) -> NotRuled {
    NotRuled {
        code: 403,
        faults: Invalid::envelope("routing key", rule, says).into(),
    }
}

pub(super) fn rejected(
    admission: &Admission<'_>,
    publish: &Publish,
    not_ruled: &NotRuled,
) -> Verdict {
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
pub(super) fn rejection(
    admission: &Admission<'_>,
    publish: &Publish,
    not_ruled: &NotRuled,
) -> Rejected {
    let NotRuled { code, faults } = not_ruled;
    let message_id = publish.message_id.iter().flat_map(|id| id.chars());
    let message_id: String = message_id.take(255).collect();
    let confidential = Confidential {
        message_id: &message_id,
        faults: faults.iter().map(fault).collect(),
        faults_untold: u32::try_from(faults.untold).unwrap_or(u32::MAX),
        ..Confidential::default()
    };
    // Whatever else a client writes there may be a name, and evidence is never erased.
    let message_type = Some(&publish.message_type);
    let message_type = message_type.filter(|name| admission.view.rulebook.is_type(name));
    let ring = admission.view.keys.ring();
    let sealing = ring.sealing(admission.draw.exchange, admission.now);
    let class = admission.class_of(&publish.message_type);
    Rejected {
        id: admission.draw.exchange,
        at: Timestamp::default(),
        sender: admission.system(),
        unit: admission.peer.unit.id.clone(),
        message_type: message_type.map_or_else(String::new, ToString::to_string),
        code: *code,
        place: faults.first.place.clone(),
        rule: faults.first.rule.clone(),
        body: admission.view.keys.digest("body", &[&publish.body]),
        number: 0,
        receipt: None,
        sealed: confidential.seal(&sealing, class),
        said: None,
        case: None,
    }
}
