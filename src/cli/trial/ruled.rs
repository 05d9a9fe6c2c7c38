//! What becomes of a valid message, in a line, in full, or as JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::names::system_name;
use super::super::output;
use crate::agency::registry::Peer;
use crate::broker::exchange::{Decided, Quoted};
use crate::broker::record::Recipient;
use crate::message::facts::Facts;
use crate::message::id::UnitId;
use crate::message::valid::Valid;
use crate::policy::explain::{InForce, explain};
use crate::policy::given::Given;
use crate::policy::request::RuleRequest;
use crate::policy::rule::rule;
use crate::policy::rulebook::Rulebook;
use crate::policy::ruling::{Outcome, Ruling};

/// What becomes of a valid message.
pub(super) struct Ruled {
    valid: Valid,
    peer: Peer,
    given: Given,
    facts: Facts,
    ruling: Ruling,
}

impl Ruled {
    pub(super) fn of(valid: Valid, peer: Peer, given: Given, rulebook: &Rulebook) -> Self {
        let mut facts = valid.content().facts.clone();
        facts.extend(given.facts.clone());
        let request = RuleRequest {
            sender: &peer.unit,
            entry: valid.entry(),
            facts: &facts,
            question: &given.question,
        };
        let ruling = rule(&request, rulebook, &given.standing, given.now);
        Self {
            valid,
            peer,
            given,
            facts,
            ruling,
        }
    }

    pub(super) fn is_released(&self) -> bool {
        self.ruling.is_released_visibly()
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let released = self.ruling.verdicts.iter();
        let released = released.filter(|it| matches!(it.outcome, Outcome::Released(_)));
        let units: Vec<String> = released.map(|it| it.unit.to_string()).collect();
        if units.is_empty() {
            "valid, released to nobody".to_owned()
        } else {
            format!("valid, released to {}", units.join(", "))
        }
    }

    fn why(&self, unit: &UnitId, rulebook: &Rulebook) -> String {
        let Self {
            valid,
            peer,
            given,
            facts,
            ..
        } = self;
        let request = RuleRequest {
            sender: &peer.unit,
            entry: valid.entry(),
            facts,
            question: &given.question,
        };
        let in_force = InForce {
            rulebook,
            standing: &given.standing,
            now: given.now,
        };
        explain(unit, &request, &in_force, valid.entry().holds)
    }

    pub(super) fn print(&self, rulebook: &Rulebook) -> Result<(), Failed> {
        let peer = &self.peer;
        let message_type = &self.valid.entry().message_type;
        let present = self.valid.content().spans.present();
        let sender = system_name(peer);
        output::line(&format!(
            "{message_type} from {sender}: valid, holds {present}"
        ))?;
        for warning in &self.valid.content().warnings {
            output::line(&format!("warning at {}: {}", warning.place, warning.rule))?;
        }
        for verdict in &self.ruling.verdicts {
            output::line("")?;
            output::text(&self.why(&verdict.unit, rulebook))?;
            if verdict.told().is_none() && verdict.is_recorded() {
                output::line("  The sender is not told of it.")?;
            }
        }
        for unreachable in &self.ruling.unreachable {
            output::line("")?;
            output::line(&format!(
                "{unreachable} is nobody whom this message can reach: not permitted."
            ))?;
        }
        let others = self.others(rulebook);
        if !others.is_empty() {
            output::line("")?;
        }
        for (unit, why) in others {
            output::line(&format!("{unit} is not asked for: {why}."))?;
        }
        if !self.ruling.is_released_visibly() {
            output::line("")?;
            output::line("Its sender would be told that nobody receives it.")?;
        }
        Ok(())
    }

    /// The units that messages of this type from this agency never reach, each with why.
    fn others(&self, rulebook: &Rulebook) -> Vec<(UnitId, &'static str)> {
        let (registry, message_type) = (rulebook.registry(), &self.valid.entry().message_type);
        let sender = &self.peer.agency.id;
        let candidates: BTreeSet<&UnitId> = rulebook.candidates(sender, message_type).collect();
        let others = registry
            .units()
            .filter(|unit| !candidates.contains(&unit.id));
        let others = others.filter(|unit| unit.id != self.peer.unit.id);
        let why = |receives: bool| {
            if receives {
                "no rule gives it messages of this type from this agency"
            } else {
                "it does not receive the type, see `receives` of its unit in agencies/"
            }
        };
        others
            .map(|unit| {
                let mut receives = unit.receives.iter();
                let receives = receives.any(|pattern| pattern.covers(message_type.as_str()));
                (unit.id.clone(), why(receives))
            })
            .collect()
    }

    /// The same fields as of an exchange in the log, as far as there are any before it is sent.
    pub(super) fn as_json(&self, rulebook: &Rulebook) -> Value {
        let Self {
            valid,
            peer,
            ruling,
            ..
        } = self;
        let recipients: Vec<Recipient> = ruling.verdicts.iter().map(Recipient::from).collect();
        let quoted = Quoted::of(valid, ruling);
        let secret = quoted.confidential(valid, ruling, rulebook, None);
        let holds = valid.entry().holds;
        let decided = Decided::in_full(&recipients, holds, Some(&secret), &ruling.errors, rulebook);
        let mut value = json!({
            "valid": true,
            "type": valid.entry().message_type,
            "sender": system_name(peer),
            "holds": valid.content().spans.present(),
            "released": ruling.is_released_visibly(),
        });
        let others = self.others(rulebook).into_iter();
        let others = others.map(|(unit, why)| json!({"unit": unit, "why": why}));
        if let (Value::Object(fields), Value::Object(more)) = (&mut value, json!(decided)) {
            fields.extend(more);
            fields.insert("never_reached".to_owned(), others.collect());
        }
        value
    }
}
