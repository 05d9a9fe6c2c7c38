//! What a rule asks for and can never be so: a score beyond its scale, a fact that the type does not
//! have, two purposes at once, an agreement that is none.
//!
//! A permit with such a condition gives nothing, and a forbid with one takes nothing: it opens. Either
//! reads as if it worked. [`look`] tries each condition, and all that it is made of, on whatever its
//! types, units and agreements can be ([`setting`]), by the evaluation that rulings are made with. It is
//! `carnet check`'s and `carnet init`'s to tell: a rulebook with such a fault rules as written.

mod because;
mod setting;

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, UnaryOp};
use cedar_policy::{EvalResult, Expression, eval_expression};

use super::agreement::Agreement;
use super::condition::Condition;
use super::entities::{Sources, World};
use super::head::Recipient;
use super::rulebook::Rulebook;
use super::ruling::within;
use super::schema::RESERVED_FACTS;
use super::source::Rule;
use super::wording::{facts_of, paths_of};
use super::words::PolicyId;
use crate::message::bundle::Fault;
use crate::message::catalogue::MessageEntry;
use because::{because, line_of, shown};
use setting::{Domain, Settings};

/// Settings that are tried for one rule, at most; of a rule with more, nothing is said.
const SETTINGS_MAX: usize = 20_000;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Impossible {
    /// Conditions that come out the same for every message, and rules over messages that no system
    /// sends.
    pub faults: Vec<Fault>,
    /// Rules that no unit meets today and that a later one may: rules for all units, and those that ask
    /// for a clearance.
    pub waiting: BTreeSet<PolicyId>,
}

/// Looks at all rules of the rulebook.
pub(crate) fn look(rulebook: &Rulebook) -> Impossible {
    // A suspended agreement comes back by itself: a rule that asks for it is as it should be.
    let agreements = rulebook.agreements().iter();
    let agreements = agreements.map(|it| Agreement {
        suspended: false,
        ..it.clone()
    });
    let agreements: Vec<Agreement> = agreements.collect();
    let (schema, _) = rulebook.cedar();
    let sources = Sources {
        registry: rulebook.registry(),
        catalogue: rulebook.catalogue(),
        agreements: &agreements,
        board: rulebook.board(),
        schema,
    };
    let Ok(world) = World::new(&sources) else {
        // The rulebook's own was built of the same.
        return Impossible::default();
    };
    let mut found = Impossible::default();
    for rule in rulebook.rules() {
        of_rule(rule, rulebook, &world, &mut found);
    }
    found
}

fn of_rule(rule: &Rule, rulebook: &Rulebook, world: &World, found: &mut Impossible) {
    let domain = Domain::of(rule, rulebook);
    let unsent = domain.unsent(rule);
    if unsent.is_some() || domain.is_empty() {
        found.faults.extend(unsent);
        return;
    }
    found.faults.extend(alone(rule, &domain, rulebook));
    let Some(tried) = tried(rule, &domain, rulebook, world) else {
        return;
    };
    if tried.waits(rule, rulebook.seen_by().is_some()) {
        found.waiting.insert(rule.id.clone());
    } else {
        found.faults.extend(tried.faults(rule, &domain, rulebook));
    }
}

/// A permit that lets receive and nothing discloses, or discloses to whom nothing lets receive: by
/// itself it gives nothing, and no other completes it.
fn alone(rule: &Rule, domain: &Domain<'_>, rulebook: &Rulebook) -> Option<Fault> {
    let actions = rule.head.actions;
    let (receives, discloses) = (actions.receive, !actions.disclose.is_empty());
    if !rule.permits || receives == discloses {
        return None;
    }
    let completes = |other: &Rule, entry: &MessageEntry| {
        let discloses = !within(other.head.actions.disclose, entry.holds).is_empty();
        other.permits
            && if receives {
                discloses
            } else {
                other.head.actions.receive
            }
    };
    let is_completed = domain.pairs().any(|(unit, sender, entry)| {
        let groups = rulebook.board().groups_of(&unit.id.agency);
        rulebook.rules().any(|other| {
            completes(other, entry)
                && other.head.admits(unit, &groups)
                && other.head.covers(&sender.id.agency, &entry.entity)
        })
    });
    let (says, cure) = if receives {
        (
            "lets receive, and no rule discloses any of it: nothing is received",
            "add the categories to its head: Border::Action::\"disclose:...\"",
        )
    } else {
        (
            "discloses, and no rule lets receive what it discloses: nothing is received",
            "add Border::Action::\"receive\" to its head",
        )
    };
    (!is_completed).then(|| Fault::new(&rule.place, format!("{} {says}", rule.id), cure))
}

/// The rule's condition, tried; nothing where it has none, or one that cannot be tried out.
fn tried<'r>(
    rule: &'r Rule,
    domain: &Domain<'_>,
    rulebook: &Rulebook,
    world: &World,
) -> Option<Tried<'r>> {
    let condition = rule.condition.as_ref()?;
    let settings = Settings::of(condition, domain, rulebook)?;
    let mut tried = Tried::of(condition);
    let mut count = 0_usize;
    settings.each(world, &mut |question, entities| {
        count = count.saturating_add(1);
        tried.look(
            &|expression| match eval_expression(question, entities, expression) {
                Ok(EvalResult::Bool(truth)) => Some(truth),
                Ok(_) | Err(_) => None,
            },
        );
        count < SETTINGS_MAX && !tried.is_settled()
    });
    (count < SETTINGS_MAX).then_some(tried)
}

/// Something that is true or false, and what it has been.
struct Node {
    tree: Arc<Expr>,
    expression: Expression,
    /// The nodes that it is made of.
    inner: Vec<usize>,
    /// Whether it reads a fact of the message, and is made of nothing else: then it must be able to be
    /// false too.
    is_of_a_fact: bool,
    was_true: bool,
    was_false: bool,
}

impl Node {
    fn is_settled(&self) -> bool {
        self.was_true && (self.was_false || !self.is_of_a_fact)
    }
}

/// A condition with all that it is made of, tried.
struct Tried<'c> {
    condition: &'c Condition,
    nodes: Vec<Node>,
    /// The node of each part of the condition.
    parts: Vec<usize>,
    /// Pairs of parts, and whether both have been true at once.
    pairs: Vec<(usize, usize, bool)>,
    whole_was_true: bool,
}

impl<'c> Tried<'c> {
    fn of(condition: &'c Condition) -> Self {
        let mut nodes = Vec::new();
        let parts = condition.parts.iter();
        let parts: Vec<usize> = parts
            .filter_map(|part| add(&part.tree, &mut nodes))
            .collect();
        let pairs = parts.iter().enumerate().flat_map(|(at, one)| {
            let others = parts.iter().skip(at.saturating_add(1));
            others.map(|other| (*one, *other, false))
        });
        Self {
            condition,
            pairs: pairs.collect(),
            parts,
            nodes,
            whole_was_true: false,
        }
    }

    fn is_settled(&self) -> bool {
        self.whole_was_true
            && self.nodes.iter().all(Node::is_settled)
            && self.pairs.iter().all(|(_, _, both)| *both)
    }

    /// Evaluates each part of the condition in one setting, and notes the results.
    fn look(&mut self, truth: &dyn Fn(&Expression) -> Option<bool>) {
        self.whole_was_true |= truth(&self.condition.whole) == Some(true);
        let mut so = BTreeSet::new();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if node.is_settled() && !self.parts.contains(&index) {
                continue;
            }
            match truth(&node.expression) {
                Some(true) => {
                    node.was_true = true;
                    so.insert(index);
                }
                Some(false) => node.was_false = true,
                None => {}
            }
        }
        for (one, other, both) in &mut self.pairs {
            *both |= so.contains(one) && so.contains(other);
        }
    }

    /// Whether the rule fails only because no unit of today meets it: where all units are meant a later
    /// one may, and any unit may be given a clearance. Of a `partial` rulebook one may that is left out.
    fn waits(&self, rule: &Rule, partial: bool) -> bool {
        let is_of_units = |node: &Node| {
            let paths = paths_of(&node.tree);
            let everybody = partial || rule.head.recipient == Recipient::Any;
            let may_come = |path: &String| {
                path == "principal.clearances" || (everybody && path.starts_with("principal."))
            };
            !paths.is_empty() && paths.iter().all(may_come)
        };
        let leaves = self.nodes.iter().filter(|node| node.inner.is_empty());
        let unsettled: Vec<&Node> = leaves.filter(|node| !node.is_settled()).collect();
        if unsettled.is_empty() {
            // All of it has been so, of different units.
            let mut parts = self.condition.parts.iter();
            return partial && !self.whole_was_true && parts.any(|part| is_of_a_unit(&part.tree));
        }
        unsettled.into_iter().all(is_of_units)
    }

    fn faults(&self, rule: &Rule, domain: &Domain<'_>, rulebook: &Rulebook) -> Vec<Fault> {
        let told = |tree: &Expr, says: &str| {
            let why = because(tree, domain, rulebook);
            let says = format!("{}: {} {says}{why}", rule.id, shown(tree));
            let cure =
                "ask for what can be so, or leave it out: as it stands, it reads as a safeguard";
            Fault::new(line_of(rule, tree, rulebook.bundle()), says, cure)
        };
        let may_come = |node: &Node| {
            let paths = paths_of(&node.tree);
            let of_units = paths.iter().all(|path| path.starts_with("principal."));
            rulebook.seen_by().is_some() && !paths.is_empty() && of_units
        };
        let mut faults = Vec::new();
        let mut is_told = BTreeSet::new();
        for (index, node) in self.nodes.iter().enumerate() {
            // What is made of something impossible is told by that.
            if node.inner.iter().any(|inner| is_told.contains(inner)) {
                is_told.insert(index);
            } else if !node.was_true && may_come(node) {
                // A unit that is left out may be so.
            } else if !node.was_true {
                is_told.insert(index);
                faults.push(told(&node.tree, "can never be so"));
            } else if node.is_of_a_fact && !node.was_false {
                is_told.insert(index);
                faults.push(told(&node.tree, "is always so"));
            }
        }
        if !faults.is_empty() || self.whole_was_true {
            return faults;
        }
        let tree = |index: usize| self.nodes.get(index).map(|node| &node.tree);
        let apart = self.pairs.iter().find(|(_, _, both)| !both);
        let apart = apart.and_then(|(one, other, _)| Some((tree(*one)?, tree(*other)?)));
        if let Some((one, other)) = apart {
            let says = format!("and {} can never be so at once", shown(other));
            return vec![told(one, &says)];
        }
        let says = "can never hold: its conditions exclude each other";
        let cure = "ask for what can be so at once, in one message and of one unit";
        vec![Fault::new(&rule.place, format!("{} {says}", rule.id), cure)]
    }
}

/// Adds a tree with all that it is made of; nothing where Cedar does not read its own text.
fn add(tree: &Arc<Expr>, nodes: &mut Vec<Node>) -> Option<usize> {
    let inner: Vec<&Arc<Expr>> = match tree.as_ref() {
        Expr::BinaryOp {
            op: BinaryOp::And | BinaryOp::Or,
            left,
            right,
        } => vec![left, right],
        Expr::UnaryOp {
            op: UnaryOp::Not,
            expr,
        } => vec![expr],
        Expr::IfThenElse {
            cond,
            then_expr,
            else_expr,
        } => vec![cond, then_expr, else_expr],
        _ => Vec::new(),
    };
    let is_of_a_fact = inner.is_empty() && is_compared(tree);
    let inner: Vec<usize> = inner
        .into_iter()
        .filter_map(|tree| add(tree, nodes))
        .collect();
    let expression = tree.to_string().parse().ok()?;
    nodes.push(Node {
        tree: Arc::clone(tree),
        expression,
        inner,
        is_of_a_fact,
        was_true: false,
        was_false: false,
    });
    nodes.len().checked_sub(1)
}

/// Whether what the unit is is looked at.
fn is_of_a_unit(tree: &Expr) -> bool {
    let mut paths = paths_of(tree).into_iter();
    paths.any(|path| path.starts_with("principal."))
}

/// Whether a fact of the message is compared with something.
fn is_compared(tree: &Expr) -> bool {
    let facts = facts_of(tree);
    !facts.is_empty()
        && !facts
            .iter()
            .any(|fact| RESERVED_FACTS.contains(&fact.as_str()))
}
