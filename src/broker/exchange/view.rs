//! One view of what was decided on a message, for people and for programs: its fields are the JSON,
//! its lines the text.
//!
//! It is an auditor's view: it says what the sender was told, and what the sender must not know.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::broker::record::{Confidential, Outcome, Recipient, Released, Told};
use crate::message::id::{Mask, UnitId};
use crate::message::onward::Onward;
use crate::policy::explain::Unmet;
use crate::policy::rulebook::Rulebook;
use crate::policy::source::Rule;
use crate::policy::words::PolicyId;

/// Of a message whose confidential part does not open.
const UNREADABLE: &str = "what its sender asked, and was told, cannot be read";

/// What was decided for the recipients of one message.
#[derive(Debug, Serialize)]
pub struct Decided<'a> {
    recipients: Vec<Decision<'a>>,
    #[serde(flatten)]
    full: Option<InFull<'a>>,
}

/// What was decided for one unit.
#[derive(Debug, Serialize)]
struct Decision<'a> {
    unit: &'a UnitId,
    #[serde(flatten)]
    outcome: &'a Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<Mask>,
    #[serde(flatten)]
    secrecy: Option<Secrecy<'a>>,
    /// What the rules lack that would give it the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    unmet: Option<Vec<Unmet>>,
}

/// Why a unit does not get the rest, what the sender was told of it, and whether the sender must not
/// know.
#[derive(Debug, Serialize)]
struct Secrecy<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld_by: Option<Vec<Withheld<'a>>>,
    covert: bool,
    told_to_sender: Option<&'a str>,
}

/// Categories that were taken by a rule, or given by none.
#[derive(Debug, Serialize)]
struct Withheld<'a> {
    categories: Mask,
    policy: Option<&'a PolicyId>,
}

/// What stands in the view by the rulebook that decided, and by what is confidential between sender
/// and broker.
#[derive(Debug, Serialize)]
struct InFull<'a> {
    asked: Option<&'a Confidential<'a>>,
    warnings: Vec<Place<'a>>,
    unreachable: Vec<Unreachable<'a>>,
    errors: &'a [PolicyId],
    policies: Vec<&'a Rule>,
}

/// An addressee that no message from this sender can reach.
#[derive(Debug, Serialize)]
struct Unreachable<'a> {
    unit: &'a str,
    told_to_sender: &'a str,
}

/// A place of a message and the rule that it broke there.
#[derive(Debug, Serialize)]
pub struct Place<'a> {
    place: &'a str,
    rule: &'a str,
}

/// The warnings of a message.
pub fn places<'a>(confidential: &Confidential<'a>) -> Vec<Place<'a>> {
    let warnings = confidential.warnings.iter();
    let places = warnings.map(|&(place, rule)| Place { place, rule });
    places.collect()
}

impl<'a> Decided<'a> {
    /// What each recipient gets of a message that can hold `holds`, and by which rules.
    pub fn briefly(recipients: &'a [Recipient], holds: Mask) -> Self {
        let decisions = recipients.iter().map(|recipient| Decision {
            unit: &recipient.unit,
            outcome: &recipient.outcome,
            withheld: match &recipient.outcome {
                Outcome::Released(released) => Some(holds.without(released.mask)),
                Outcome::Refused { .. } => None,
            },
            secrecy: None,
            unmet: None,
        });
        Self {
            recipients: decisions.collect(),
            full: None,
        }
    }

    /// What each recipient gets, by which rules, and why not the rest, by the rulebook that decided;
    /// with what the sender asked and was told, none where that cannot be read. `errors` are the rules
    /// that could not be evaluated.
    pub fn in_full(
        recipients: &'a [Recipient],
        holds: Mask,
        confidential: Option<&'a Confidential<'a>>,
        errors: &'a [PolicyId],
        rulebook: &'a Rulebook,
    ) -> Self {
        let mut view = Self::briefly(recipients, holds);
        let mut policies: BTreeSet<&PolicyId> = errors.iter().collect();
        let told = confidential.map_or(&[][..], |it| &it.told);
        for (decision, recipient) in view.recipients.iter_mut().zip(recipients) {
            let secrecy = Secrecy::of(recipient, holds, told, rulebook);
            let taken = secrecy.withheld_by.iter().flatten();
            policies.extend(taken.filter_map(|withheld| withheld.policy));
            policies.extend(decision.outcome.policies());
            decision.secrecy = Some(secrecy);
        }
        let is_one = |unit: &str| recipients.iter().any(|it| it.unit.to_string() == unit);
        let nobodies = told.iter().filter(|told| !is_one(told.unit));
        view.full = Some(InFull {
            asked: confidential,
            warnings: confidential.map(places).unwrap_or_default(),
            unreachable: nobodies
                .map(|told| Unreachable {
                    unit: told.unit,
                    told_to_sender: told.reason,
                })
                .collect(),
            errors,
            policies: policies
                .into_iter()
                .filter_map(|id| rulebook.rule(id))
                .collect(),
        });
        view
    }

    /// This view with what is lacking for each unit to which no rule gives the message.
    #[must_use]
    pub fn with_unmet(mut self, unmet: impl Fn(&UnitId) -> Vec<Unmet>) -> Self {
        for decision in &mut self.recipients {
            let gives_none =
                matches!(decision.outcome, Outcome::Refused { policies } if policies.is_empty());
            decision.unmet = gives_none.then(|| unmet(decision.unit));
        }
        self
    }

    /// The text: what was asked, a line for each recipient and what belongs to it, alarms.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(full) = &self.full {
            lines.extend(
                full.asked
                    .map_or_else(|| vec![UNREADABLE.to_owned()], asked),
            );
            let warnings = full.warnings.iter();
            lines.extend(warnings.map(|Place { place, rule }| {
                format!("warning  at {}: {rule}", place.escape_debug())
            }));
        }
        for decision in &self.recipients {
            decision.tell(self.full.as_ref(), &mut lines);
        }
        if let Some(full) = &self.full {
            let nobodies = full.unreachable.iter();
            lines.extend(nobodies.map(|it| {
                let (unit, told) = (it.unit.escape_debug(), it.told_to_sender);
                format!("x  {unit}  addressed, and nobody that it can reach; answer to its sender: {told:?}")
            }));
            if self.recipients.is_empty() && full.unreachable.is_empty() {
                let none = "nobody receives it: no rule permits it to any unit";
                let addressed = full.asked.map_or("", |_| ", and none was addressed");
                lines.push(format!("{none}{addressed}"));
            }
            if !full.errors.is_empty() {
                lines.push(format!(
                    "ALARM  could not be evaluated, so nothing is given by it: {}",
                    joined(full.errors)
                ));
            }
        }
        lines
    }

    /// What each rule is that took part, in the words of the rulebook that decided.
    pub fn law(&self) -> Vec<String> {
        let rules = self.full.iter().flat_map(|full| &full.policies);
        rules
            .map(|rule| {
                let Rule {
                    id,
                    title,
                    basis,
                    reason,
                    ..
                } = rule;
                format!("{id}: {title}\n  basis: {basis}\n  reason: {reason}")
            })
            .collect()
    }
}

impl<'a> Secrecy<'a> {
    fn of(recipient: &'a Recipient, holds: Mask, told: &[Told<'a>], rulebook: &Rulebook) -> Self {
        let unit = recipient.unit.to_string();
        let told = told.iter().find(|told| told.unit == unit);
        let told = told.map(|told| told.reason);
        match &recipient.outcome {
            Outcome::Released(released) => Self {
                withheld_by: Some(withheld(released, holds, rulebook)),
                covert: !recipient.known,
                told_to_sender: told.or_else(|| recipient.known.then_some("released")),
            },
            Outcome::Refused { policies } => {
                let mut rules = policies.iter().filter_map(|id| rulebook.rule(id));
                Self {
                    withheld_by: None,
                    covert: !recipient.known || rules.any(|rule| rule.hidden),
                    told_to_sender: told,
                }
            }
        }
    }
}

/// Why a unit does not get the rest: forbidden by a rule, or given by none.
fn withheld<'a>(released: &'a Released, holds: Mask, rulebook: &Rulebook) -> Vec<Withheld<'a>> {
    let mut left = holds.without(released.mask).without(Mask::REFERENCE_TOKEN);
    let mut all = Vec::new();
    for id in &released.withholding {
        let rule = rulebook.rule(id);
        let categories = left.intersection(rule.map_or(Mask::NONE, |it| it.head.actions.disclose));
        if !categories.is_empty() {
            let policy = Some(id);
            all.push(Withheld { categories, policy });
        }
        left = left.without(categories);
    }
    if !left.is_empty() {
        let (categories, policy) = (left, None);
        all.push(Withheld { categories, policy });
    }
    all
}

/// What the sender set on the message, as the sender wrote it.
fn asked(confidential: &Confidential<'_>) -> Vec<String> {
    let handling = confidential.handling;
    let handling = (handling != Onward::Free).then_some(handling.name());
    let to = confidential.to.join(" ");
    let fields = [
        ("message_id", confidential.message_id),
        (
            "correlation_id",
            confidential.correlation_id.unwrap_or_default(),
        ),
        ("to", &to),
        ("purpose", confidential.purpose.unwrap_or_default()),
        ("handling", handling.unwrap_or_default()),
        (
            "justification",
            confidential.justification.unwrap_or_default(),
        ),
    ];
    let set = fields.into_iter().filter(|(_, text)| !text.is_empty());
    set.map(|(name, text)| format!("{name}  {}", text.escape_debug()))
        .collect()
}

impl Decision<'_> {
    fn tell_release(&self, released: &Released, lines: &mut Vec<String>) {
        let Released {
            mask,
            policies,
            retain_days,
            onward,
            ..
        } = released;
        let mut line = format!("-> {}  {mask}  by {}", self.unit, joined(policies));
        match (&self.secrecy, self.withheld) {
            (None, Some(withheld)) if !withheld.is_empty() => {
                line = format!("{line}  withheld {withheld}");
            }
            _ => {}
        }
        lines.push(line);
        if let Some(secrecy) = &self.secrecy {
            let withheld = secrecy.withheld_by.iter().flatten();
            lines.extend(
                withheld.map(|Withheld { categories, policy }| match policy {
                    Some(id) => format!("   withheld {categories}: taken by {id}"),
                    None => format!("   withheld {categories}: no rule gives it"),
                }),
            );
            lines.push(format!(
                "   to be kept {retain_days} days at most, onward: {onward}"
            ));
        }
    }

    fn tell(&self, full: Option<&InFull<'_>>, lines: &mut Vec<String>) {
        let unit = self.unit;
        match &self.outcome {
            Outcome::Released(released) => self.tell_release(released, lines),
            Outcome::Refused { policies } if !policies.is_empty() => {
                lines.push(format!("x  {unit}  refused, by {}", joined(policies)));
            }
            Outcome::Refused { .. } => {
                let failed = full.is_some_and(|it| !it.errors.is_empty());
                let failed = if failed {
                    " or one could not be evaluated"
                } else {
                    ""
                };
                lines.push(format!("x  {unit}  refused, no policy permits it{failed}"));
            }
        }
        match self.unmet.as_deref() {
            None => {}
            Some([]) => {
                lines.push("   no rule gives it messages of this type and sender".to_owned());
            }
            Some(unmet) => lines.extend(unmet.iter().map(|it| format!("   {it}"))),
        }
        if let Some(secrecy) = &self.secrecy {
            let is_refused = self.withheld.is_none();
            let told = secrecy.told_to_sender;
            let told = match told {
                Some(told) => format!("{told:?}"),
                None if full.is_some_and(|it| it.asked.is_none()) => "(cannot be read)".to_owned(),
                None => "nothing of it".to_owned(),
            };
            if secrecy.covert {
                lines.push(format!(
                    "   COVERT: its sender must not know; answer to it: {told}"
                ));
            } else if is_refused {
                lines.push(format!("   answer to its sender: {told}"));
            }
        }
    }
}

fn joined(policies: &[PolicyId]) -> String {
    let ids = policies.iter().map(PolicyId::as_str);
    ids.collect::<Vec<_>>().join(", ")
}
