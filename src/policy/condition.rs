//! A policy's condition as Cedar evaluates it: whole for ruling, in parts for explaining.
//!
//! Two things that Cedar allows are refused, because a ruling could not be made of them: reading
//! the action (a rule is evaluated once for all its actions) and calculating with times (a ruling
//! says until when it holds).

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp, Var};
use cedar_policy::{
    Context, Entities, EntityUid, EvalResult, Expression, Request, eval_expression,
};

use crate::message::time::Timestamp;

/// A rule's condition.
#[derive(Debug)]
pub struct Condition {
    /// All of it, as one expression.
    pub(super) whole: Expression,
    /// Its parts, all of which must hold.
    pub(super) parts: Vec<Part>,
    /// The instants that it names.
    pub times: BTreeSet<Timestamp>,
    /// The names of all attributes that it reads, of the message or of anything else.
    pub(super) attributes: BTreeSet<String>,
    /// The agreements that it asks for, by name.
    pub(super) agreements: BTreeSet<String>,
}

/// One part of a condition.
#[derive(Debug)]
pub(super) struct Part {
    /// As Cedar evaluates it.
    pub(super) expression: Expression,
    /// Its syntax tree, to put it in words.
    pub(super) tree: Arc<Expr>,
}

/// Why a condition cannot be used: what is wrong, and the cure.
pub(super) type BadCondition = (String, &'static str);

impl Condition {
    /// Reads the clauses of a policy; nothing where there are none.
    pub(super) fn parse(clauses: &[Clause]) -> Result<Option<Self>, BadCondition> {
        let mut trees = Vec::new();
        for clause in clauses {
            match clause {
                Clause::When(tree) => conjuncts(tree, &mut trees),
                Clause::Unless(tree) => {
                    trees.push(Arc::new(Expr::UnaryOp {
                        op: UnaryOp::Not,
                        expr: tree.clone(),
                    }));
                }
            }
        }
        let (mut times, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        let mut agreements = BTreeSet::new();
        for tree in &trees {
            times.extend(instants(tree)?);
            attributes.extend(attributes_of(tree));
            agreements.extend(agreements_of(tree));
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
            .collect::<Result<_, BadCondition>>()?;
        Ok(Some(Self {
            whole,
            parts,
            times,
            attributes,
            agreements,
        }))
    }
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

fn attributes_of(tree: &Expr) -> BTreeSet<String> {
    let look = |expr: &Expr| {
        let (inner, names) = match expr {
            Expr::GetAttr { expr, attr } => (expr, vec![attr]),
            Expr::HasAttr { expr, attrs } => (expr, attrs.iter().collect()),
            _ => return None,
        };
        let mut all = attributes_of(inner);
        all.extend(names.into_iter().map(ToString::to_string));
        Some(all)
    };
    let merge = |mut left: BTreeSet<String>, right| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, BTreeSet::new())
}

/// The agreements whose tag a condition asks for or reads.
pub(super) fn agreements_of(tree: &Expr) -> BTreeSet<String> {
    let look = |expr: &Expr| match expr {
        Expr::BinaryOp {
            op: BinaryOp::HasTag | BinaryOp::GetTag,
            right,
            ..
        } => match right.as_ref() {
            Expr::Literal(Literal::String(name)) => Some(BTreeSet::from([name.to_string()])),
            _ => None,
        },
        _ => None,
    };
    let merge = |mut left: BTreeSet<String>, right| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, BTreeSet::new())
}

/// The instants that a condition names. A ruling says until when it holds, and can do so only
/// where times are compared as they are; the mask of a rule is decided by its head alone.
fn instants(tree: &Expr) -> Result<Vec<Timestamp>, BadCondition> {
    type Found = Result<Vec<Timestamp>, BadCondition>;
    let look = |expr: &Expr| -> Option<Found> {
        match expr {
            Expr::Var(Var::Action) => Some(Err((
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
fn instant(literal: &Expr) -> Result<Timestamp, BadCondition> {
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
