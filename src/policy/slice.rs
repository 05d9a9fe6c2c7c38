//! Slices: for one unit, sender and message type, the rules whose heads match.
//!
//! A slice turns one question a category into one evaluation a rule: a rule that holds gives or
//! takes all the actions of its head at once. Cedar evaluates the conditions; the differential test
//! of `rule` compares the result with Cedar's own `Authorizer`, asked action by action.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entities, EvalResult, Request, eval_expression};

use crate::agency::registry::Unit;
use crate::message::id::AgencyId;

use super::source::Rule;
use super::words::Actions;

/// The rules that can decide for one unit.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) unit: Arc<Unit>,
    permits: Vec<Arc<Rule>>,
    forbids: Vec<Arc<Rule>>,
    /// The names of all attributes that their conditions read.
    attributes: BTreeSet<String>,
}

/// What the rules of a slice say of one message.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    /// Permits that hold.
    pub(super) permits: Vec<&'a Rule>,
    /// Permits that hold and are suspended: they give nothing, and what they ask for binds still.
    pub(super) suspended: Vec<&'a Rule>,
    /// Forbids that hold.
    pub(super) forbids: Vec<&'a Rule>,
    /// Rules that could not be evaluated.
    pub(super) errors: Vec<&'a Rule>,
}

impl Slice {
    /// The rules that match; `groups` are those of the unit's agency.
    pub(super) fn new(
        unit: &Arc<Unit>,
        groups: &[String],
        rules: &[Arc<Rule>],
        sender: &AgencyId,
        entity: &str,
    ) -> Self {
        let matching = |permits: bool| {
            let rules = rules.iter().filter(|rule| {
                rule.permits == permits
                    && rule.head.admits(unit, groups)
                    && rule.head.covers(sender, entity)
            });
            rules.cloned().collect()
        };
        let (permits, forbids): (Vec<Arc<Rule>>, Vec<Arc<Rule>>) =
            (matching(true), matching(false));
        let rules = permits.iter().chain(&forbids);
        let conditions = rules.filter_map(|rule| rule.condition.as_ref());
        let attributes = conditions.flat_map(|condition| condition.attributes.iter().cloned());
        Self {
            unit: unit.clone(),
            attributes: attributes.collect(),
            permits,
            forbids,
        }
    }

    /// Whether some rule reads an attribute of this name.
    pub(super) fn reads(&self, attribute: &str) -> bool {
        self.attributes.contains(attribute)
    }

    /// Whether some permit's head opens `receive` at all.
    pub(super) fn may_receive(&self) -> bool {
        self.permits.iter().any(|rule| rule.head.actions.receive)
    }

    /// The permits whose heads match.
    pub(super) fn permits(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.permits.iter()
    }

    /// The agreements that some rule asks for.
    pub(super) fn agreements(&self) -> impl Iterator<Item = &String> {
        let rules = self.permits.iter().chain(&self.forbids);
        let conditions = rules.filter_map(|rule| rule.condition.as_ref());
        conditions.flat_map(|condition| &condition.agreements)
    }

    /// Evaluates every rule once. One that is suspended and fails withholds as ever: less is given by a
    /// suspension, and never more.
    pub(super) fn evaluate(
        &self,
        request: &Request,
        entities: &Entities,
        suspended: impl Fn(&Rule) -> bool,
    ) -> Findings<'_> {
        let mut findings = Findings::default();
        for rule in &self.permits {
            match holds(rule, request, entities) {
                Some(true) if suspended(rule) => findings.suspended.push(rule),
                Some(true) => findings.permits.push(rule),
                Some(false) => {}
                None => findings.errors.push(rule),
            }
        }
        for rule in &self.forbids {
            match holds(rule, request, entities) {
                Some(true) => findings.forbids.push(rule),
                Some(false) => {}
                None => findings.errors.push(rule),
            }
        }
        findings
    }
}

impl Findings<'_> {
    /// The actions that are permitted, not forbidden, and that no rule failed on.
    pub(super) fn allowed(&self) -> Actions {
        union(&self.permits)
            .without(union(&self.forbids))
            .without(union(&self.errors))
    }
}

fn union(rules: &[&Rule]) -> Actions {
    rules
        .iter()
        .fold(Actions::NONE, |all, rule| all.union(rule.head.actions))
}

/// Whether the rule's condition holds; nothing where it cannot be evaluated. What went wrong is not
/// kept: Cedar's text may name values of the message.
fn holds(rule: &Rule, request: &Request, entities: &Entities) -> Option<bool> {
    let Some(condition) = &rule.condition else {
        return Some(true);
    };
    match eval_expression(request, entities, &condition.whole) {
        Ok(EvalResult::Bool(truth)) => Some(truth),
        Ok(_) | Err(_) => None,
    }
}
