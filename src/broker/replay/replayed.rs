//! One recorded exchange, with what its ruling was made from.

use bytes::Bytes;

use super::differs::{Differs, differs};
use crate::agency::keys::Ring;
use crate::broker::delivery::{left_of, ruled_again, terms_of};
use crate::broker::exchange::Recorded;
use crate::broker::format::{OpenPayload, octets};
use crate::broker::record::{Exchange, Narrowed, Outcome, Recipient, Terms};
use crate::message::facts::Facts;
use crate::message::id::{Digest, UnitId};
use crate::policy::explain::{InForce, Unmet, unmet};
use crate::policy::request::{Question, RuleRequest};
use crate::policy::rule::{rule, system_sends};

/// An exchange, and what was known of its message when it was ruled.
#[derive(Debug)]
pub struct Replayed<'a> {
    exchange: &'a Exchange,
    facts: Facts,
    question: Question<'static>,
    /// Whether its frame is the one of which the record has the digest, and its facts those.
    vouched: bool,
}

/// The facts of an exchange cannot be read: its frame is damaged, or it or its key is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its facts cannot be read")]
pub struct Unrepeatable;

impl<'a> Replayed<'a> {
    /// An exchange with its frame.
    pub fn open(exchange: &'a Exchange, frame: &Bytes, ring: &Ring) -> Result<Self, Unrepeatable> {
        let payload = OpenPayload::open(exchange.id, frame, ring).map_err(|_| Unrepeatable)?;
        let (facts, question) = payload.ruled_from().map_err(|_| Unrepeatable)?;
        let digest = exchange.secret.facts_digest(&octets(&facts));
        Ok(Self {
            vouched: digest == exchange.facts && Digest::of(frame) == exchange.frame,
            exchange,
            facts,
            question,
        })
    }

    /// What its record would hold of a ruling by this; none where no such unit may send such a message.
    pub fn ruled_by(&self, in_force: &InForce<'_>) -> Option<Recorded> {
        let ruling = self.ask(in_force, |request| {
            rule(request, in_force.rulebook, in_force.standing, in_force.now)
        })?;
        let mut kept = Recorded::of(&ruling, &self.question.asked);
        let had = |it: &Recipient| !it.known && self.exchange.had.contains(&it.unit);
        kept.recipients.retain(|recipient| !had(recipient));
        Some(kept)
    }

    /// Its record.
    pub fn exchange(&self) -> &Exchange {
        self.exchange
    }

    /// Whether a rulebook lets its system send such messages.
    pub fn is_sent_by(&self, in_force: &InForce<'_>) -> bool {
        let sender = &self.exchange.sender;
        let rulebook = in_force.rulebook;
        let agency = rulebook.registry().agency(sender.agency.as_str());
        let system = agency.and_then(|agency| agency.systems.get(&sender.system));
        let entry = rulebook
            .catalogue()
            .get(self.exchange.message_type.as_str());
        let all = agency.zip(system).zip(entry);
        all.is_some_and(|((agency, system), entry)| system_sends(agency, system, entry))
    }

    /// What was in force for its sender beside the rulebook, in words.
    pub fn standing(&self, in_force: &InForce<'_>) -> Vec<String> {
        let standing = in_force.standing;
        let agency = &self.exchange.unit.agency;
        let measures = standing.measures.get(agency).map(|it| &it.value);
        let level = measures
            .map(|it| it.level(in_force.now))
            .unwrap_or_default();
        let level = format!("continuity level of {agency}: {}", level.name());
        let case = self.question.asked.case.as_ref();
        let case = case.map(|case| match standing.cases.get(case.as_str()) {
            Some(open) => {
                let members = open.value.members.iter().map(ToString::to_string);
                format!(
                    "case {case}: open, joined by {}",
                    members.collect::<Vec<_>>().join(", ")
                )
            }
            None => "the case that it quotes: not open".to_owned(),
        });
        [level].into_iter().chain(case).collect()
    }

    /// In what the record differs from a ruling by what was in force.
    pub fn differences(&self, in_force: &InForce<'_>) -> Vec<Differs> {
        differs(
            self.exchange,
            self.ruled_by(in_force),
            self.vouched,
            in_force,
        )
    }

    /// In what a narrowing of it differs from one by what was in force; `before` is what was left of the
    /// release before.
    pub fn narrows(
        &self,
        narrowed: &Narrowed,
        before: Option<&Terms>,
        in_force: &InForce<'_>,
    ) -> Vec<Differs> {
        let Narrowed { unit, left, .. } = narrowed;
        let mut recipients = self.exchange.recipients.iter();
        let released = recipients.find_map(|it| match &it.outcome {
            Outcome::Released(released) if it.unit == *unit => Some(released),
            _ => None,
        });
        let released = released.map(|it| terms_of(it, self.exchange.rulebook));
        let (facts, question) = (&self.facts, &self.question);
        let (newer, _) = ruled_again(self.exchange, unit, facts, question, in_force);
        let (newer, rulebook) = (newer.as_ref(), in_force.rulebook.digest());
        let again = |terms: &Terms| left_of(terms, newer, self.exchange.holds, rulebook);
        // A consumer of another queue may not have known of what was left.
        let mut all = before.into_iter().chain(&released).map(again);
        let is_so = all.clone().any(|again| again == *left);
        let message = (!self.vouched).then_some(Differs::Message);
        let less = (!is_so).then(|| Differs::Narrowed {
            unit: unit.clone(),
            recorded: left.clone(),
            again: all.next(),
        });
        message.into_iter().chain(less).collect()
    }

    /// The rules that would give it to a unit, and what each lacks.
    pub fn unmet(&self, unit: &UnitId, in_force: &InForce<'_>) -> Vec<Unmet> {
        let holds = self.exchange.holds;
        let unmet = self.ask(in_force, |request| unmet(unit, request, in_force, holds));
        unmet.unwrap_or_default()
    }

    fn ask<T>(&self, in_force: &InForce<'_>, ask: impl FnOnce(&RuleRequest<'_>) -> T) -> Option<T> {
        let rulebook = in_force.rulebook;
        let kind = self.exchange.message_type.as_str();
        let request = RuleRequest {
            sender: rulebook.registry().unit(&self.exchange.unit)?,
            entry: rulebook.catalogue().get(kind)?,
            facts: &self.facts,
            question: &self.question,
        };
        Some(ask(&request))
    }
}
