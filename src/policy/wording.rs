//! A rule's condition in plain words: what would have to be so.
//!
//! The forms that our rules use have words; any other is shown as it is written. A condition on a
//! fact whose category the reader does not get is not told: it would give the fact away.

use cedar_policy::pst::{BinaryOp as Op, Expr, Literal, SmolStr, UnaryOp, Var};

/// Whether the reader may know a condition on this fact.
pub(super) type MayKnow<'a> = &'a dyn Fn(&str) -> bool;

/// What `tree` asks for, such as `an open case that both sides have joined`.
pub(super) fn in_words(tree: &Expr, may_know: MayKnow<'_>) -> String {
    if !facts_of(tree).iter().all(|fact| may_know(fact)) {
        return "a condition on data that you do not get".to_owned();
    }
    let known = match tree {
        Expr::BinaryOp {
            op: Op::Or,
            left,
            right,
        } => Some(either(
            &in_words(left, may_know),
            &in_words(right, may_know),
        )),
        Expr::BinaryOp {
            op: Op::And,
            left,
            right,
        } => Some(format!(
            "{} together with {}",
            in_words(left, may_know),
            in_words(right, may_know)
        )),
        Expr::BinaryOp { op, left, right } => compared(*op, left, right),
        Expr::UnaryOp {
            op: UnaryOp::Not,
            expr,
        } => Some(format!("not: {}", in_words(expr, may_know))),
        Expr::UnaryOp {
            op: UnaryOp::IsEmpty,
            expr,
        } => path(expr).map(|path| match path.as_str() {
            "context.bans" => "nothing restricted by another agency in its case".to_owned(),
            "resource.quotes" => "no quoted token".to_owned(),
            path => format!("no {path}"),
        }),
        Expr::HasAttr { .. } => (path(tree).as_deref() == Some("context.case"))
            .then(|| "an open case that both sides have joined".to_owned()),
        Expr::Is {
            entity_type,
            in_expr: None,
            ..
        } => super::head::local(entity_type).map(|name| format!("a message of type {name}")),
        Expr::GetAttr { .. } => path(tree).map(|path| match path.strip_prefix("resource.") {
            Some(fact) => format!("fact {fact}"),
            None => path,
        }),
        _ => None,
    };
    known.unwrap_or_else(|| tree.to_string())
}

/// Whether a condition is about the unit and the message's type alone: no message and no standing
/// of another day changes how it comes out.
pub(super) fn is_about_the_unit(tree: &Expr) -> bool {
    let reads_context = |expr: &Expr| match expr {
        Expr::Var(Var::Context) => Some(true),
        _ => None,
    };
    facts_of(tree).is_empty() && !tree.reduce(&reads_context, &|left, right| left || right, false)
}

/// The message's facts that a condition reads.
pub(super) fn facts_of(tree: &Expr) -> Vec<String> {
    let look = |expr: &Expr| {
        let path = path(expr)?;
        let rest = path.strip_prefix("resource.")?;
        Some(vec![rest.split('.').next().unwrap_or(rest).to_owned()])
    };
    let merge = |mut left: Vec<String>, right: Vec<String>| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, Vec::new())
}

/// The plain paths that a condition reads, such as `principal.purpose`.
pub(super) fn paths_of(tree: &Expr) -> Vec<String> {
    let look = |expr: &Expr| {
        path(expr)
            .filter(|path| path.contains('.'))
            .map(|path| vec![path])
    };
    let merge = |mut left: Vec<String>, right| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, Vec::new())
}

/// The message types that a condition asks for.
pub(super) fn types_of(tree: &Expr) -> Vec<String> {
    let look = |expr: &Expr| match expr {
        Expr::Is { entity_type, .. } => Some(
            super::head::local(entity_type)
                .map(str::to_owned)
                .into_iter()
                .collect(),
        ),
        _ => None,
    };
    let merge = |mut left: Vec<String>, right| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, Vec::new())
}

/// Two ways to meet a condition; message types are named in one list.
fn either(left: &str, right: &str) -> String {
    const TYPE: &str = "a message of type ";
    let shorter = right.strip_prefix(TYPE).filter(|_| left.contains(TYPE));
    format!("{left} or {}", shorter.unwrap_or(right))
}

/// `principal.purpose` and the like; nothing for what is no plain path.
pub(super) fn path(tree: &Expr) -> Option<String> {
    match tree {
        Expr::Var(Var::Principal) => Some("principal".to_owned()),
        Expr::Var(Var::Resource) => Some("resource".to_owned()),
        Expr::Var(Var::Context) => Some("context".to_owned()),
        Expr::GetAttr { expr, attr } => Some(format!("{}.{attr}", path(expr)?)),
        Expr::HasAttr { expr, attrs } => {
            let attrs: Vec<&str> = attrs.iter().map(SmolStr::as_str).collect();
            Some(format!("{}.{}", path(expr)?, attrs.join(".")))
        }
        _ => None,
    }
}

/// A literal, or a set of them, as a list of words.
fn listed(tree: &Expr) -> Option<String> {
    match tree {
        Expr::Literal(Literal::String(text)) => Some(text.to_string()),
        Expr::Literal(Literal::EntityUID(uid)) => Some(uid.eid.to_string()),
        Expr::Literal(Literal::Long(number)) => Some(number.to_string()),
        Expr::Set(items) => {
            let words: Option<Vec<String>> = items.iter().map(|item| listed(item)).collect();
            let mut words = words?;
            let last = words.pop()?;
            if words.is_empty() {
                Some(last)
            } else {
                Some(format!("{} or {last}", words.join(", ")))
            }
        }
        _ => None,
    }
}

fn compared(op: Op, left: &Expr, right: &Expr) -> Option<String> {
    // A set that contains what a path holds reads as a path that is one of the set.
    let (subject, object) = match (path(left), path(right)) {
        (Some(left), _) => (left, right),
        (None, Some(right)) => (right, left),
        (None, None) => return None,
    };
    let list = listed(object);
    let list = list.as_deref();
    match (subject.as_str(), op, path(object).as_deref(), list) {
        ("resource.addressees", Op::Contains, Some("principal"), _) => {
            Some("the message addressed to the unit".to_owned())
        }
        ("resource.answers", Op::Contains, Some("principal"), _) => {
            Some("an answer to a message of the unit".to_owned())
        }
        ("context.orders", Op::Contains, Some("principal.agency"), _) => {
            Some("an open control order to its agency".to_owned())
        }
        ("context.case.members", Op::Contains, Some("principal.agency"), _) => {
            Some("its agency in the case".to_owned())
        }
        ("context.now", Op::Less | Op::LessEq, Some("resource.until"), _)
        | ("resource.until", Op::Greater | Op::GreaterEq, Some("context.now"), _) => {
            Some("a message that has not expired".to_owned())
        }
        ("principal.purpose", Op::Eq | Op::Contains, _, Some(list)) => {
            Some(format!("a unit of purpose {list}"))
        }
        ("principal.kind", Op::Eq | Op::Contains, _, Some(list)) => {
            Some(format!("an agency of kind {list}"))
        }
        ("principal.clearances", Op::Contains, _, Some(list)) => Some(format!("clearance {list}")),
        ("principal", Op::HasTag, _, Some(list)) => Some(format!("agreement {list}")),
        ("context.level", Op::Eq, _, Some(list)) => Some(format!("its sender at level {list}")),
        ("context.case.areas", _, _, Some(list)) => Some(format!("a case of area {list}")),
        ("resource.areas", Op::Contains | Op::ContainsAny, _, Some(list)) => {
            Some(format!("area {list}"))
        }
        ("resource.hs", Op::Contains | Op::ContainsAny, _, Some(list)) => {
            Some(format!("a commodity code below {list}"))
        }
        ("resource.risk", Op::GreaterEq, _, Some(list)) => {
            Some(format!("a score of at least {list}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;
    use cedar_policy::pst::Clause;

    fn words(condition: &str) -> String {
        words_for(condition, &|_| true)
    }

    fn words_for(condition: &str, may_know: MayKnow<'_>) -> String {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let policy = text.parse::<Policy>().unwrap().to_pst().unwrap();
        match &policy.body().clauses()[0] {
            Clause::When(tree) | Clause::Unless(tree) => in_words(tree, may_know),
        }
    }

    #[test]
    fn the_forms_of_our_rules_have_words() {
        let table = [
            (
                "context has case",
                "an open case that both sides have joined",
            ),
            (
                "resource.hs.containsAny([\"01\", \"06\"])",
                "a commodity code below 01 or 06",
            ),
            ("resource.risk >= 60", "a score of at least 60"),
            (
                "principal.purpose == Border::Purpose::\"statistics\"",
                "a unit of purpose statistics",
            ),
            (
                "[Border::Kind::\"customs\", Border::Kind::\"police\"].contains(principal.kind)",
                "an agency of kind customs or police",
            ),
            (
                "resource.addressees.contains(principal)",
                "the message addressed to the unit",
            ),
            (
                "resource is Border::A || resource is Border::B || resource is Border::C",
                "a message of type A or B or C",
            ),
            ("!resource.withdrawn", "not: fact withdrawn"),
            (
                "context.now < resource.until",
                "a message that has not expired",
            ),
            ("principal.hasTag(\"MAT-2019-7\")", "agreement MAT-2019-7"),
            ("resource.risk + 1 == 2", "(resource.risk + 1) == 2"),
        ];
        for (condition, expected) in table {
            assert_eq!(words(condition), expected);
        }
    }

    #[test]
    fn a_condition_on_what_the_reader_does_not_get_is_not_told() {
        let reader = |fact: &str| fact != "risk";
        let hidden = "a condition on data that you do not get";
        assert_eq!(words_for("resource.risk >= 60", &reader), hidden);
        assert_eq!(words_for("!(1 + resource.risk == 61)", &reader), hidden);
        // Each side of an alternative is judged on its own only where the whole may be known.
        assert_eq!(
            words_for("context has case || resource.risk >= 60", &reader),
            hidden
        );
    }
}
