//! Cedar's own answer, asked action by action: what every ruling must equal.
//!
//! Slices evaluate each rule once for all its actions. That this is the same as asking Cedar's
//! `Authorizer` about each action is not proved but compared: by the tests on random facts, and by
//! `carnet check` on every row of the decision tables.

use std::borrow::Cow;

use cedar_policy::{Authorizer, Decision, PolicyId, Request};

use crate::message::id::{Category, Mask, UnitId};
use crate::message::time::Timestamp;

use super::facts::{Bench, StandingFacts};
use super::request::RuleRequest;
use super::rulebook::Rulebook;
use super::source::Rule;
use super::standing::Standing;
use super::words::{Actions, Words, uid};

/// What one unit may do with one message, found in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// By slices: what rulings are made of.
    pub slices: Actions,
    /// By Cedar's `Authorizer`, one question an action.
    pub cedar: Actions,
}

/// Asks both ways; nothing where the unit is unknown or the facts could not be built.
pub fn compare(
    unit: &UnitId,
    request: &RuleRequest<'_>,
    rulebook: &Rulebook,
    standing: &Standing,
    now: Timestamp,
) -> Option<Comparison> {
    let facts = StandingFacts::read(request, rulebook, standing, now);
    let slice = rulebook.slice(unit, &request.sender.id.agency, request.entry)?;
    let mut bench = Bench::new(request, rulebook, &facts, &[&slice]);
    let (question, entities) = bench.question(&slice.unit).ok()?;
    let suspended = |rule: &Rule| facts.suspends(rule);
    let slices = slice.evaluate(&question, entities, suspended).allowed();
    // With every fact and every agency: what of them a slice reads is what is compared, too.
    let (schema, policies) = rulebook.cedar();
    let mut giving = Cow::Borrowed(policies);
    for rule in rulebook.rules().filter(|rule| suspended(rule)) {
        let id = PolicyId::new(rule.id.as_str());
        giving.to_mut().remove_static(id).ok()?;
    }
    let whole = rulebook.world().whole(request, now, schema).ok()?;
    let words = Words::new().ok()?;
    let allows = |action: &str| {
        let (principal, resource) = (question.principal()?.clone(), question.resource()?.clone());
        let (action, context) = (uid(&words.action, action), question.context()?.clone());
        let question = Request::new(principal, action, resource, context, None).ok()?;
        let ask = |policies| Authorizer::new().is_authorized(&question, policies, &whole);
        // Cedar skips a rule that fails; we withhold what the rule decides on, suspended or not.
        let all = ask(policies);
        let failed = all.diagnostics().errors().next().is_some();
        let given = match &giving {
            Cow::Borrowed(_) => all,
            Cow::Owned(giving) => ask(giving),
        };
        Some(given.decision() == Decision::Allow && !failed)
    };
    let mut disclose = Mask::NONE;
    for category in Category::ALL {
        if allows(&format!("disclose:{category}"))? {
            disclose = disclose.union(Mask::of(category));
        }
    }
    if allows("disclose:reference.token")? {
        disclose = disclose.union(Mask::REFERENCE_TOKEN);
    }
    let cedar = Actions {
        receive: allows("receive")?,
        disclose,
    };
    Some(Comparison { slices, cedar })
}
