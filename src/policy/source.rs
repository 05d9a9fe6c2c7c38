//! Reading Cedar text: each policy of a file as a [`Rule`], with its place.
//!
//! Ids come from `@id`, not from the position in the file. The condition is kept as Cedar
//! expressions, parsed once: the whole for ruling, its parts for explaining.

use std::collections::BTreeSet;
use std::sync::Arc;

// Cedar tells the place of an error through this trait alone.
use miette::Diagnostic;

use cedar_policy::pst::{self, BinaryOp, Expr, UnaryOp};
use cedar_policy::{
    Context, Entities, EntityUid, EvalResult, Expression, Policy, PolicySet, Request,
    eval_expression,
};

use crate::message::bundle::Fault;
use crate::message::time::Timestamp;

use super::head::Head;
use super::words::{Onward, PolicyId};

/// A policy as the rulebook holds it.
#[derive(Debug)]
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
    pub permits: bool,
    /// A permit's `@retain`: how long a recipient may keep what it got, in days.
    pub retain_days: u32,
    /// A permit's `@onward`: to whom a recipient may pass it on.
    pub onward: Onward,
    /// Whether a forbid hides the exchange from the unit it excludes (`@existence("hidden")`).
    pub hidden: bool,
    /// Where it stands: `policies/post.cedar:12`.
    pub place: String,
    /// For whom, what, over whose data.
    pub head: Head,
    /// Its `when` and `unless`; `None` where it has neither.
    pub condition: Option<Condition>,
}

/// A rule's condition.
#[derive(Debug)]
pub struct Condition {
    /// All of it, as one expression.
    pub(super) whole: Expression,
    /// Its parts, all of which must hold.
    pub(super) parts: Vec<Part>,
    /// The instants that it names.
    pub times: BTreeSet<Timestamp>,
}

/// One part of a condition.
#[derive(Debug)]
pub(super) struct Part {
    /// As Cedar evaluates it.
    pub(super) expression: Expression,
    /// Its syntax tree, to put it in words.
    pub(super) tree: Arc<Expr>,
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
                    .map(|error| diagnostic(path, text, path, error)),
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
        match read_policy(policy, place(path, text, &source)) {
            Ok((rule, policy)) => {
                file.rules.push(rule);
                file.policies.push(policy);
            }
            Err(faults) => file.faults.extend(faults),
        }
    }
    file.rules
        .sort_by_key(|rule| text.find(&format!("\"{}\"", rule.id)));
    file
}

/// `path:line` of a diagnostic of Cedar's, or `otherwise` where it names no place.
pub(super) fn diagnostic(
    path: &str,
    text: &str,
    otherwise: &str,
    error: &(impl Diagnostic + ?Sized),
) -> Fault {
    let label = error.labels().and_then(|mut labels| labels.next());
    let place = match label {
        Some(label) => format!("{path}:{}", line(text, label.offset())),
        None => otherwise.to_owned(),
    };
    let cure = error
        .help()
        .map_or_else(|| "see docs/policies.md".to_owned(), |h| h.to_string());
    Fault::new(place, error.to_string(), cure)
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

fn place(path: &str, text: &str, source: &str) -> String {
    match text.find(source) {
        Some(offset) => format!("{path}:{}", line(text, offset)),
        None => path.to_owned(),
    }
}

fn read_policy(policy: &Policy, place: String) -> Result<(Rule, Policy), Vec<Fault>> {
    let mut faults = Vec::new();
    let permits = policy.effect() == cedar_policy::Effect::Permit;
    let mut annotation = |name: &str, example: &str| {
        let value = policy
            .annotation(name)
            .unwrap_or_default()
            .trim()
            .to_owned();
        if value.is_empty() {
            faults.push(Fault::new(
                &place,
                format!("lacks @{name}"),
                format!("add {example}"),
            ));
        }
        value
    };
    let id = annotation("id", "@id(\"post-customs\"), unique among all policies");
    let title = annotation("title", "@title(\"...\"): what the rule does, in one line");
    let basis = annotation("basis", "@basis(\"...\"): the legal basis");
    let reason = annotation("reason", "@reason(\"...\"): what a peer is told");
    let owner = annotation("owner", "@owner(\"...\"): the agency whose data it opens");
    let mut retain = String::new();
    let mut onward = String::new();
    if permits {
        retain = annotation(
            "retain",
            "@retain(\"730d\"): how long recipients may keep the data",
        );
        onward = annotation(
            "onward",
            "@onward(\"same-purpose\"), or another of the four words",
        );
    }
    let hidden = policy.annotation("existence");
    let known = [
        "id",
        "title",
        "basis",
        "reason",
        "owner",
        "retain",
        "onward",
        "existence",
    ];
    for (name, _) in policy
        .annotations()
        .filter(|(name, _)| !known.contains(name))
    {
        faults.push(Fault::new(
            &place,
            format!("has an unknown @{name}"),
            known.join(" "),
        ));
    }
    if hidden.is_some_and(|value| value != "hidden" || permits) {
        let cure = "only a forbid can say @existence(\"hidden\")";
        faults.push(Fault::new(
            &place,
            "has an @existence that means nothing",
            cure,
        ));
    }
    let mut fault = |says: String, cure: &str| faults.push(Fault::new(&place, says, cure));
    let id: Option<PolicyId> = id
        .parse()
        .map_err(|e| fault(format!("{e}"), "rename it"))
        .ok();
    let retain_days = days(&retain).unwrap_or_else(|| {
        if !retain.is_empty() {
            fault(
                format!("@retain {retain:?} is no number of days"),
                "write it as 730d",
            );
        }
        0
    });
    let onward = onward.parse().unwrap_or_else(|error| {
        if !onward.is_empty() {
            fault(format!("@onward: {error}"), "choose one of these words");
        }
        Onward::NoOnward
    });
    let parts = policy
        .to_pst()
        .map_err(|e| (e.to_string(), "write it more simply"));
    let parts =
        parts.and_then(|pst| Ok((Head::parse(pst.body())?, condition(pst.body().clauses())?)));
    match (id, parts) {
        (Some(id), Ok((head, condition))) if faults.is_empty() => {
            let policy = policy.new_id(cedar_policy::PolicyId::new(id.as_str()));
            let hidden = hidden.is_some();
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
        (_, parts) => {
            faults.extend(
                parts
                    .err()
                    .map(|(says, cure)| Fault::new(&place, says, cure)),
            );
            Err(faults)
        }
    }
}

fn days(text: &str) -> Option<u32> {
    text.strip_suffix('d')?
        .parse()
        .ok()
        .filter(|days| *days > 0)
}

fn condition(clauses: &[pst::Clause]) -> Result<Option<Condition>, (String, &'static str)> {
    let mut trees = Vec::new();
    for clause in clauses {
        match clause {
            pst::Clause::When(tree) => conjuncts(tree, &mut trees),
            pst::Clause::Unless(tree) => {
                trees.push(Arc::new(Expr::UnaryOp {
                    op: UnaryOp::Not,
                    expr: tree.clone(),
                }));
            }
        }
    }
    let mut times = BTreeSet::new();
    for tree in &trees {
        times.extend(instants(tree)?);
    }
    let parse = |tree: &Expr| {
        // Cedar escapes what is not ASCII. No fact and no name holds such text, but what looks like
        // one to a reader can.
        if tree.to_string().contains("\\u{") {
            let says = format!("compares with text that is not plain ASCII: {tree}");
            return Err((says, "type the text again"));
        }
        let parsed = tree.to_string().parse::<Expression>();
        parsed.map_err(|e| (e.to_string(), "write the condition more simply"))
    };
    let both = |left, right| {
        Arc::new(Expr::BinaryOp {
            op: BinaryOp::And,
            left,
            right,
        })
    };
    let Some(whole) = trees.iter().cloned().reduce(both) else {
        return Ok(None);
    };
    let whole = parse(&whole)?;
    let parts = trees
        .iter()
        .map(|tree| {
            Ok(Part {
                expression: parse(tree)?,
                tree: tree.clone(),
            })
        })
        .collect::<Result<_, (String, &'static str)>>()?;
    Ok(Some(Condition {
        whole,
        parts,
        times,
    }))
}

fn conjuncts(tree: &Arc<Expr>, into: &mut Vec<Arc<Expr>>) {
    match tree.as_ref() {
        Expr::BinaryOp {
            op: BinaryOp::And,
            left,
            right,
        } => {
            conjuncts(left, into);
            conjuncts(right, into);
        }
        _ => into.push(tree.clone()),
    }
}

/// The instants that a condition names. A ruling says until when it holds, and can do so only
/// where times are compared as they are; the mask of a rule is decided by its head alone.
fn instants(tree: &Expr) -> Result<Vec<Timestamp>, (String, &'static str)> {
    type Found = Result<Vec<Timestamp>, (String, &'static str)>;
    let look = |expr: &Expr| -> Option<Found> {
        match expr {
            Expr::Var(pst::Var::Action) => Some(Err((
                "reads `action` in its condition".to_owned(),
                "name the actions in the head, in a rule of their own",
            ))),
            Expr::BinaryOp {
                op: BinaryOp::Offset | BinaryOp::DurationSince,
                ..
            }
            | Expr::UnaryOp {
                op: UnaryOp::ToDate | UnaryOp::ToTime,
                ..
            } => Some(Err((
                "calculates with times".to_owned(),
                "compare context.now with a time as it is: the ruling says until when it holds",
            ))),
            Expr::UnaryOp {
                op: UnaryOp::Datetime,
                expr,
            } => Some(instant(expr).map(|at| vec![at])),
            _ => None,
        }
    };
    let merge = |left: Found, right: Found| -> Found {
        let mut all = left?;
        all.extend(right?);
        Ok(all)
    };
    tree.reduce::<Found>(&look, &merge, Ok(Vec::new()))
}

/// The instant of a `datetime("...")`, as Cedar reads it.
fn instant(literal: &Expr) -> Result<Timestamp, (String, &'static str)> {
    let bad = || {
        (
            format!("names {literal}, which is no time"),
            "write datetime(\"2026-01-31\")",
        )
    };
    let since =
        format!("datetime({literal}).durationSince(datetime(\"1970-01-01\")).toMilliseconds()");
    let expression: Expression = since.parse().map_err(|_| bad())?;
    let nobody: EntityUid = "Border::Unit::\"nobody\"".parse().map_err(|_| bad())?;
    let request = Request::new(
        nobody.clone(),
        nobody.clone(),
        nobody,
        Context::empty(),
        None,
    );
    let request = request.map_err(|_| bad())?;
    match eval_expression(&request, &Entities::empty(), &expression) {
        Ok(EvalResult::Long(ms)) => Ok(Timestamp::from_millis(ms)),
        _ => Err(bad()),
    }
}
