//! What becomes of a valid message, in a line, in full, or as JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::names::system_name;
use super::super::output;
use crate::agency::registry::Peer;
use crate::broker::exchange::{Decided, Quoted};
use crate::broker::record::{Confidential, Recipient};
use crate::message::facts::Facts;
use crate::message::id::UnitId;
use crate::message::valid::Valid;
use crate::policy::explain::{InForce, unmet};
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
            "valid, without a recipient".to_owned()
        } else {
            format!("valid, for {}", units.join(", "))
        }
    }

    /// The view of an exchange as in the log, as far as there is one before it is sent, and what
    /// is lacking where no rule gives the message; put to `show`.
    fn viewed<T>(&self, rulebook: &Rulebook, show: impl FnOnce(Decided<'_>) -> T) -> T {
        let Self {
            valid,
            peer,
            given,
            facts,
            ruling,
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
        let holds = valid.entry().holds;
        let recipients: Vec<Recipient> = ruling.verdicts.iter().map(Recipient::from).collect();
        let quoted = Quoted::of(valid, ruling);
        let secret = Confidential {
            message_id: "",
            ..quoted.confidential(valid, ruling, rulebook, None)
        };
        let decided = Decided::in_full(&recipients, holds, Some(&secret), &ruling.errors, rulebook);
        show(decided.with_unmet(|unit| unmet(unit, &request, &in_force, holds)))
    }

    pub(super) fn print(&self, rulebook: &Rulebook) -> Result<(), Failed> {
        let message_type = &self.valid.entry().message_type;
        let present = self.valid.content().spans.present();
        let sender = system_name(&self.peer);
        output::line(&format!(
            "{message_type} from {sender}: valid, holds {present}"
        ))?;
        let (lines, law) = self.viewed(rulebook, |decided| (decided.lines(), decided.law()));
        lines.iter().try_for_each(|line| output::line(line))?;
        let others = self.others(rulebook).into_iter();
        let others = others.map(|(unit, why)| format!("{unit} is not asked for: {why}."));
        let nobody = "Its sender would be told that nobody receives it.";
        let nobody = (!self.is_released()).then(|| nobody.to_owned());
        for more in [law, others.collect(), nobody.into_iter().collect()] {
            if !more.is_empty() {
                output::line("")?;
            }
            more.iter().try_for_each(|line| output::line(line))?;
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

    /// The fields that an exchange has in the log, as far as there are any before it is sent.
    pub(super) fn as_json(&self, rulebook: &Rulebook) -> Value {
        let valid = &self.valid;
        let mut value = json!({
            "valid": true,
            "type": valid.entry().message_type,
            "sender": system_name(&self.peer),
            "holds": valid.content().spans.present(),
            "released": self.is_released(),
        });
        let others = self.others(rulebook).into_iter();
        let others = others.map(|(unit, why)| json!({"unit": unit, "why": why}));
        if let (Value::Object(fields), Value::Object(more)) =
            (&mut value, self.viewed(rulebook, |decided| json!(decided)))
        {
            fields.extend(more);
            fields.insert("never_reached".to_owned(), others.collect());
        }
        value
    }
}
