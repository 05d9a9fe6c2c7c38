//! The decision: for each candidate, what is released and what is refused.
//!
//! [`rule`] is pure and synchronous: message facts, rulebook, standing and clock in, [`Ruling`] out.

use std::collections::BTreeSet;

use crate::agency::registry::{Agency, Peer, System, Unit};
use crate::message::catalogue::MessageEntry;
use crate::message::id::{Mask, UnitId};
use crate::message::time::Timestamp;

use super::facts::{Bench, StandingFacts};
use super::request::RuleRequest;
use super::rulebook::Rulebook;
use super::ruling::{Outcome, Refused, Released, Ruling, Verdict, within};
use super::slice::{Findings, Slice};
use super::source::Rule;
use super::standing::{Reads, Standing};
use super::words::{Actions, Onward, PolicyId};

/// Whether this system may send messages of this type at all.
pub fn may_send(peer: &Peer, entry: &MessageEntry) -> bool {
    system_sends(&peer.agency, &peer.system, entry)
}

/// Whether some system of this unit may send messages of this type.
pub fn unit_sends(agency: &Agency, unit: &Unit, entry: &MessageEntry) -> bool {
    let own = agency.systems.values();
    let mut own = own.filter(|system| system.unit == unit.id.unit);
    own.any(|system| system_sends(agency, system, entry))
}

/// Whether this system of the agency may send messages of this type.
pub fn system_sends(agency: &Agency, system: &System, entry: &MessageEntry) -> bool {
    let mut patterns = system.sends.iter();
    patterns.any(|pattern| pattern.covers(entry.message_type.as_str()))
        && entry.senders.contains(&agency.kind)
}

/// Rules on a message: the one decision of who receives what.
pub fn rule(
    request: &RuleRequest<'_>,
    rulebook: &Rulebook,
    standing: &Standing,
    now: Timestamp,
) -> Ruling {
    let facts = StandingFacts::read(request, rulebook, standing, now);
    let slices = rulebook.slices(&request.sender.id.agency, &request.entry.message_type);
    let addressed = Addressed::new(request);
    let candidates: Vec<&Slice> = addressed
        .among(slices)
        .into_iter()
        .filter(|slice| slice.unit.id != request.sender.id)
        .filter(|slice| {
            let purpose = request.question.asked.purpose.as_ref();
            purpose.is_none_or(|purpose| slice.unit.purpose == *purpose)
        })
        .filter(|slice| addressed.admits(&slice.unit, request))
        .collect();
    let in_case = |slice: &&Slice| facts.case_for(&slice.unit).is_some();
    let mut counting = candidates.iter().copied().filter(in_case);
    let case_ignored = request.question.asked.case.is_some()
        && !counting.any(|slice| knows(request.sender, &slice.unit));
    let case_counts = candidates.iter().copied().any(|slice| in_case(&slice));
    let mut ruling = Ruling {
        verdicts: Vec::with_capacity(candidates.len()),
        unreachable: addressed.beyond(&candidates),
        case_counts,
        case_ignored,
        errors: Vec::new(),
        reads: facts.reads.clone(),
    };
    let mut bench = Bench::new(request, rulebook, &facts, &candidates);
    for slice in candidates {
        let (outcome, errors) = judge(slice, request, &mut bench);
        ruling.errors.extend(errors);
        ruling.verdicts.push(Verdict {
            unit: slice.unit.id.clone(),
            outcome,
            addressed: !request.question.asked.to.is_empty(),
            known: knows(request.sender, &slice.unit),
        });
    }
    ruling.errors.sort();
    ruling.errors.dedup();
    ruling
}

/// Rules for one unit, candidate or not: what decision tables and deliveries ask. With the outcome
/// comes what it was made from.
pub fn rule_for(
    unit: &UnitId,
    request: &RuleRequest<'_>,
    rulebook: &Rulebook,
    standing: &Standing,
    now: Timestamp,
) -> (Outcome, Reads) {
    let facts = StandingFacts::read(request, rulebook, standing, now);
    let none = Outcome::Refused(Refused::NotPermitted);
    let Some(slice) = rulebook.slice(unit, &request.sender.id.agency, request.entry) else {
        return (none, facts.reads);
    };
    let mut bench = Bench::new(request, rulebook, &facts, &[&slice]);
    let (outcome, _) = judge(&slice, request, &mut bench);
    let wanted = slice
        .unit
        .receives
        .iter()
        .any(|p| p.covers(request.entry.message_type.as_str()));
    let purpose = request.question.asked.purpose.as_ref();
    let meant = purpose.is_none_or(|purpose| slice.unit.purpose == *purpose)
        && Addressed::new(request).admits(&slice.unit, request)
        && *unit != request.sender.id;
    let outcome = match outcome {
        Outcome::Released(_) if !wanted || !meant => none,
        outcome => outcome,
    };
    (outcome, facts.reads)
}

/// Whether a sender may know that `unit` exists.
fn knows(sender: &Unit, unit: &Unit) -> bool {
    unit.listed || unit.id.agency == sender.id.agency
}

/// Header `to` as a set: units that it names, all where there are none.
struct Addressed<'a>(BTreeSet<&'a UnitId>);

impl<'a> Addressed<'a> {
    fn new(request: &RuleRequest<'a>) -> Self {
        Self(request.question.asked.to.iter().collect())
    }

    /// The slices of named units, in the order of addresses; all slices where no unit is named. Each name
    /// is looked up, so that the cost does not grow with how many units there are.
    fn among<'s>(&self, slices: &'s [Slice]) -> Vec<&'s Slice> {
        if self.0.is_empty() {
            return slices.iter().collect();
        }
        let place = |unit: &UnitId| slices.binary_search_by(|slice| slice.unit.id.cmp(unit));
        let named = self.0.iter().filter_map(|unit| place(unit).ok());
        named.filter_map(|place| slices.get(place)).collect()
    }

    /// Whether `to` leaves this unit in. An addressee that the sender may not know of counts as one
    /// that does not exist.
    fn admits(&self, unit: &Unit, request: &RuleRequest<'_>) -> bool {
        self.0.is_empty() || (self.0.contains(&unit.id) && knows(request.sender, unit))
    }

    /// The addressees that are none of these candidates.
    fn beyond(&self, candidates: &[&Slice]) -> BTreeSet<String> {
        let found: BTreeSet<&UnitId> = candidates.iter().map(|c| &c.unit.id).collect();
        self.0.difference(&found).map(ToString::to_string).collect()
    }
}

fn judge(
    slice: &Slice,
    request: &RuleRequest<'_>,
    bench: &mut Bench<'_>,
) -> (Outcome, Vec<PolicyId>) {
    let facts = bench.facts;
    match bench.question(&slice.unit) {
        Ok((question, entities)) => {
            let suspended = |rule: &Rule| facts.suspends(rule);
            let findings = slice.evaluate(&question, entities, suspended);
            let errors = findings.errors.iter().map(|rule| rule.id.clone()).collect();
            (outcome(&findings, request), errors)
        }
        Err(_) => (Outcome::Refused(Refused::Failed), Vec::new()),
    }
}

fn outcome(findings: &Findings<'_>, request: &RuleRequest<'_>) -> Outcome {
    let allowed = findings.allowed();
    let mask = within(allowed.disclose, request.entry.holds);
    // A message of which nothing may be shown is not received either.
    if !allowed.receive || mask.is_empty() {
        return Outcome::Refused(refusal(findings, allowed.receive));
    }
    // A permit counts where it gave something: to receive, or a category that is in the mask.
    let given = Actions {
        receive: true,
        disclose: mask,
    };
    let gave = |rule: &&&Rule| !rule.head.actions.intersection(given).is_empty();
    let permits: Vec<&Rule> = findings.permits.iter().filter(gave).copied().collect();
    // Else a suspension could free what is given by another permit.
    let suspended = findings.suspended.iter().filter(gave);
    let binding = permits.iter().chain(suspended);
    let could = findings
        .permits
        .iter()
        .fold(Mask::NONE, |m, r| m.union(r.head.actions.disclose));
    let lost = within(could, request.entry.holds).without(mask);
    let took = |rule: &&&Rule| !rule.head.actions.disclose.intersection(lost).is_empty();
    let withholding: Vec<&Rule> = findings.forbids.iter().filter(took).copied().collect();
    let retain = binding.clone().map(|rule| rule.retain_days).min();
    let onward = binding.map(|rule| rule.onward).max();
    Outcome::Released(Released {
        mask,
        policies: ids(&permits),
        withholding: ids(&withholding),
        retain_days: retain.unwrap_or_default(),
        onward: onward
            .unwrap_or(Onward::NoOnward)
            .max(request.question.asked.handling),
    })
}

/// Why nothing is released: by the rules on `receive`, or by all where it `may_receive` in vain.
fn refusal(findings: &Findings<'_>, may_receive: bool) -> Refused {
    let decides = |rule: &&&Rule| may_receive || rule.head.actions.receive;
    let forbids: Vec<&Rule> = findings.forbids.iter().filter(decides).copied().collect();
    if !forbids.is_empty() {
        return Refused::Forbidden {
            policies: ids(&forbids),
            hidden: forbids.iter().any(|rule| rule.hidden),
            overrode: findings
                .permits
                .iter()
                .any(|rule| rule.head.actions.receive),
        };
    }
    if findings.errors.iter().any(|rule| decides(&rule)) {
        return Refused::Failed;
    }
    Refused::NotPermitted
}

fn ids(rules: &[&Rule]) -> Vec<PolicyId> {
    let mut ids: Vec<PolicyId> = rules.iter().map(|rule| rule.id.clone()).collect();
    ids.sort();
    ids
}
