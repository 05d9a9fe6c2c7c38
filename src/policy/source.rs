//! Reading Cedar text: each policy of a file as a [`Rule`], with its place.
//!
//! Ids come from `@id`, not from the position in the file.

// Cedar tells the place of an error through this trait alone.
use miette::Diagnostic;

use cedar_policy::{Effect, Policy, PolicySet};

use crate::message::bundle::Fault;
use crate::message::strict::line_of;

use super::annotation::Annotations;
use super::condition::Condition;
use super::head::Head;
use super::words::{Onward, PolicyId};

/// The file of the rules that no agency's rule can override.
pub(super) const FLOOR_PATH: &str = "policies/floor.cedar";

/// A policy as the rulebook holds it. Serialised it is what people are told of it.
#[derive(Debug, serde::Serialize)]
pub struct Rule {
    /// Its `@id`.
    pub id: PolicyId,
    /// Its `@title`: what it does, for people.
    pub title: String,
    /// Its `@basis`: the legal basis.
    pub basis: String,
    /// Its `@reason`: what a peer is told.
    pub reason: String,
    /// Its `@owner`: an agency, or `board`.
    pub owner: String,
    /// Whether it permits; otherwise it forbids.
    #[serde(skip)]
    pub permits: bool,
    /// A permit's `@retain`: how long a recipient may keep what it got, in days.
    #[serde(skip)]
    pub retain_days: u32,
    /// A permit's `@onward`: to whom a recipient may pass it on.
    #[serde(skip)]
    pub onward: Onward,
    /// Whether a forbid hides the exchange from the unit it excludes (`@existence("hidden")`).
    #[serde(skip)]
    pub hidden: bool,
    /// Where it stands: `policies/post.cedar:12`.
    #[serde(skip)]
    pub place: String,
    /// For whom, what, over whose data.
    #[serde(skip)]
    pub head: Head,
    /// Its `when` and `unless`; `None` where it has neither.
    #[serde(skip)]
    pub condition: Option<Condition>,
}

impl Rule {
    /// The file in which it stands.
    pub fn path(&self) -> &str {
        let place = self.place.rsplit_once(':');
        place.map_or(self.place.as_str(), |(path, _)| path)
    }
}

/// A file's rules, each beside its Cedar policy under the rule's id.
pub(super) struct PolicyFile {
    pub(super) rules: Vec<Rule>,
    pub(super) policies: Vec<Policy>,
    pub(super) faults: Vec<Fault>,
}

/// Reads one `.cedar` file of the bundle.
pub(super) fn read_file(path: &str, text: &str) -> PolicyFile {
    let mut file = PolicyFile {
        rules: Vec::new(),
        policies: Vec::new(),
        faults: Vec::new(),
    };
    let set: PolicySet = match text.parse() {
        Ok(set) => set,
        Err(errors) => {
            file.faults.extend(
                errors
                    .iter()
                    .map(|error| diagnostic(path, text, path, error, CURE)),
            );
            return file;
        }
    };
    for template in set.templates() {
        let place = place(path, text, &template.to_cedar());
        file.faults.push(Fault::new(
            place,
            "is a template",
            "write a rule for each agency",
        ));
    }
    for policy in set.policies() {
        let source = policy.to_cedar().unwrap_or_default();
        if path == FLOOR_PATH && policy.effect() == Effect::Permit {
            let id = policy.annotation("id").unwrap_or("a rule");
            let says = format!("{id} permits, but the floor only forbids");
            let cure = "move it to the file of the agency whose data it opens";
            file.faults
                .push(Fault::new(place(path, text, &source), says, cure));
            continue;
        }
        match read_policy(policy, place(path, text, &source)) {
            Ok((rule, policy)) => {
                file.rules.push(rule);
                file.policies.push(policy);
            }
            Err(faults) => file.faults.extend(faults.into_iter().map(|fault| {
                // What it quotes is what is wrong.
                let quoted = fault
                    .says
                    .split('"')
                    .nth(1)
                    .map(|name| format!("\"{name}\""));
                let place = quoted.map(|name| line_with(text, &fault.place, &name));
                Fault {
                    place: place.unwrap_or_else(|| fault.place.clone()),
                    ..fault
                }
            })),
        }
    }
    file.rules
        .sort_by_key(|rule| text.find(&format!("\"{}\"", rule.id)));
    file
}

/// What to do about text that does not parse, where Cedar has no advice.
const CURE: &str = "mend it there; docs/policies.md shows how a rule is written";

/// `path:line` of a diagnostic of Cedar's, or `otherwise` where it names no place. `cure` stands
/// where Cedar has no advice of its own.
pub(super) fn diagnostic(
    path: &str,
    text: &str,
    otherwise: &str,
    error: &(impl Diagnostic + ?Sized),
    cure: &str,
) -> Fault {
    let label = error.labels().and_then(|mut labels| labels.next());
    let place = match label {
        Some(label) => format!("{path}:{}", line_of(text, label.offset())),
        None => otherwise.to_owned(),
    };
    let cure = error.help().map_or(cure.to_owned(), |h| h.to_string());
    Fault::new(place, error.to_string(), cure)
}

/// `path:line` of the first line that has `what`, from `place` to where the next rule or entry begins;
/// `place` itself where none has.
pub(super) fn line_with(text: &str, place: &str, what: &str) -> String {
    let place_of = place.rsplit_once(':');
    let Some((path, Ok(first))) = place_of.map(|(path, line)| (path, line.parse::<usize>())) else {
        return place.to_owned();
    };
    let begins = |line: &str| line.starts_with("@id(") || line.starts_with("[[");
    let lines = (1_usize..).zip(text.lines()).skip(first.saturating_sub(1));
    let mut lines = lines.take_while(|(number, line)| *number == first || !begins(line));
    let found = lines.find(|(_, line)| line.contains(what));
    found.map_or_else(
        || place.to_owned(),
        |(number, _)| format!("{path}:{number}"),
    )
}

fn place(path: &str, text: &str, source: &str) -> String {
    match text.find(source) {
        Some(offset) => format!("{path}:{}", line_of(text, offset)),
        None => path.to_owned(),
    }
}

fn read_policy(policy: &Policy, place: String) -> Result<(Rule, Policy), Vec<Fault>> {
    let annotations = Annotations::parse(policy, &place);
    let parts = policy
        .to_pst()
        .map_err(|e| (e.to_string(), "write it more simply".into()));
    let parts = parts.and_then(|pst| {
        let body = pst.body();
        let condition = Condition::parse(body.clauses());
        Ok((
            Head::parse(body)?,
            condition.map_err(|(says, cure)| (says, cure.into()))?,
        ))
    });
    let parts = parts.map_err(|(says, cure)| Fault::new(&place, says, cure));
    match (annotations, parts) {
        (Ok(annotations), Ok((head, condition))) => {
            let Annotations {
                id,
                title,
                basis,
                reason,
                owner,
                retain_days,
                onward,
                hidden,
            } = annotations;
            let policy = policy.new_id(cedar_policy::PolicyId::new(id.as_str()));
            let permits = policy.effect() == Effect::Permit;
            let rule = Rule {
                id,
                title,
                basis,
                reason,
                owner,
                permits,
                retain_days,
                onward,
                hidden,
                place,
                head,
                condition,
            };
            Ok((rule, policy))
        }
        (annotations, parts) => {
            let mut faults = annotations.err().unwrap_or_default();
            faults.extend(parts.err());
            Err(faults)
        }
    }
}
