//! Why not: the rules that would give a message to a unit, and what each of them lacks.
//!
//! For whom it is written decides what it tells: an officer of the sender or an auditor sees all
//! conditions, a recipient only those on data that it gets.

use std::collections::BTreeSet;
use std::fmt;

use cedar_policy::{EvalResult, eval_expression};

use crate::message::id::{Mask, UnitId};
use crate::message::time::Timestamp;

use super::condition::{Part, agreements_of};
use super::facts::{Bench, StandingFacts};
use super::request::RuleRequest;
use super::rulebook::Rulebook;
use super::source::Rule;
use super::standing::Standing;
use super::wording::{in_words, is_about_the_unit};
use super::words::PolicyId;

/// What a message is ruled by: the rulebook, and what stands at an instant.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    /// The rulebook.
    pub rulebook: &'a Rulebook,
    /// Levels, suspended permits, cases, bans and orders.
    pub standing: &'a Standing,
    /// The instant.
    pub now: Timestamp,
}

/// A permit that would have applied, and what it lacked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unmet {
    /// The rule.
    pub policy: PolicyId,
    /// Its title.
    pub title: String,
    /// What would have had to be so, in plain words; empty where the rule holds and another forbids.
    pub needs: Vec<String>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.policy, self.title)?;
        match self.needs.as_slice() {
            [] => f.write_str("is met, but the unit is not asked for or does not receive the type"),
            needs => write!(f, "only with {}", needs.join("; with ")),
        }
    }
}

/// The permits on `receive` that could apply to the unit, each with what it lacks; `reader` is what the
/// reader gets of the message.
pub fn unmet(
    unit: &UnitId,
    request: &RuleRequest<'_>,
    in_force: &InForce<'_>,
    reader: Mask,
) -> Vec<Unmet> {
    let &InForce {
        rulebook,
        standing,
        now,
    } = in_force;
    let facts = StandingFacts::read(request, rulebook, standing, now);
    let Some(slice) = rulebook.slice(unit, &request.sender.id.agency, request.entry) else {
        return Vec::new();
    };
    let agency = &request.sender.id.agency;
    let lapsed = rulebook.lapsed(unit, agency, request.entry, now);
    let mut bench = Bench::new(request, rulebook, &facts, &[&slice]);
    let Ok((question, entities)) = bench.question(&slice.unit) else {
        return Vec::new();
    };
    let may_know = |fact: &str| {
        let rule = request.entry.facts.iter().find(|rule| rule.name == fact);
        rule.is_none_or(|rule| reader.has(rule.category))
    };
    // What follows an unmet part was written for the case that it is met, and may fail.
    let is_unmet = |part: &&Part| {
        let found = eval_expression(&question, entities, &part.expression);
        matches!(found, Ok(EvalResult::Bool(false)))
    };
    let lacks = |rule: &Rule| {
        let parts = rule.condition.iter().flat_map(|condition| &condition.parts);
        let parts: Vec<&Part> = parts.filter(is_unmet).collect();
        // An agreement of its own that is not in force today may be another day.
        let waits = |asked: &BTreeSet<String>| lapsed.iter().any(|it| asked.contains(&it.id));
        let never = parts
            .iter()
            .any(|part| is_about_the_unit(&part.tree) && !waits(&agreements_of(&part.tree)));
        let needs = || {
            let suspended = facts
                .suspends(rule)
                .then(|| "its suspension lifted".to_owned());
            let needs = parts.iter().map(|part| {
                let mut needs = in_words(&part.tree, &may_know);
                let asked = agreements_of(&part.tree);
                for lapsed in lapsed.iter().filter(|it| asked.contains(&it.id)) {
                    let notice = lapsed.notice(now).map(|notice| lapsed.in_words(notice));
                    needs.extend(notice.map(|notice| format!(" ({notice})")));
                }
                needs
            });
            suspended.into_iter().chain(needs).collect()
        };
        (!never).then(needs)
    };
    let receives = slice.permits().filter(|rule| rule.head.actions.receive);
    let unmet = receives.filter_map(|rule| {
        Some(Unmet {
            policy: rule.id.clone(),
            title: rule.title.clone(),
            needs: lacks(rule)?,
        })
    });
    unmet.collect()
}
