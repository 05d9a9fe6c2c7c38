//! Why something can never be so, in words, and where it stands.

use std::collections::BTreeSet;

use cedar_policy::pst::Expr;

use super::setting::Domain;
use crate::agency::registry::Unit;
use crate::message::bundle::Bundle;
use crate::message::catalogue::{Addressed, MessageEntry};
use crate::message::facts::FactKind;
use crate::policy::condition::agreements_of;
use crate::policy::rulebook::Rulebook;
use crate::policy::schema::RESERVED_FACTS;
use crate::policy::source::{Rule, line_with};
use crate::policy::wording::{facts_of, paths_of, types_of};

/// A condition as a fault shows it, in characters.
const SHOWN: usize = 120;

/// The condition as it is written, cut where it is long.
pub(super) fn shown(tree: &Expr) -> String {
    let text = tree.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut}…")
}

/// `: risk is between 0 and 100`, as far as it is known.
pub(super) fn because(tree: &Expr, domain: &Domain<'_>, rulebook: &Rulebook) -> String {
    let entries: BTreeSet<&str> = domain
        .messages
        .iter()
        .map(|(_, it)| it.message_type.as_str())
        .collect();
    let entries: Vec<&MessageEntry> = entries
        .into_iter()
        .filter_map(|name| rulebook.catalogue().get(name))
        .map(AsRef::as_ref)
        .collect();
    let mut why: Vec<String> = facts_of(tree)
        .iter()
        .filter_map(|fact| of_a_fact(fact, &entries))
        .collect();
    let unsent = types_of(tree).into_iter();
    let unsent = unsent.filter(|name| !entries.iter().any(|entry| entry.entity == *name));
    why.extend(unsent.map(|name| {
        format!("no system of its sender sends any {name}, or its head names another type")
    }));
    let paths = paths_of(tree);
    why.extend(
        paths
            .iter()
            .filter_map(|path| of_a_path(path, &entries, domain)),
    );
    let agreements = agreements_of(tree);
    why.extend(
        agreements
            .iter()
            .filter_map(|name| of_an_agreement(name, domain, rulebook)),
    );
    why.sort();
    why.dedup();
    why.iter().fold(String::new(), |all, why| all + "; " + why)
}

/// What the units in the head are, or the messages have.
fn of_a_path(path: &str, entries: &[&MessageEntry], domain: &Domain<'_>) -> Option<String> {
    let of_units = |word: &dyn Fn(&Unit) -> Vec<String>| {
        let words: BTreeSet<String> = domain.units.iter().flat_map(|unit| word(unit)).collect();
        let words: Vec<String> = words.into_iter().collect();
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(", ")
        }
    };
    match path {
        "principal.purpose" => {
            let purposes = of_units(&|unit| vec![unit.purpose.to_string()]);
            Some(format!("purposes of the units in its head: {purposes}"))
        }
        "principal.clearances" => {
            let held = of_units(&|unit| unit.clearances.iter().cloned().collect());
            Some(format!("clearances of the units in its head: {held}"))
        }
        "context.orders" if !entries.iter().any(|it| it.keys.iter().any(|key| key.own)) => {
            Some(lacking(entries, "number of its own"))
        }
        _ => None,
    }
}

/// Why no unit in the head has this tag.
fn of_an_agreement(name: &str, domain: &Domain<'_>, rulebook: &Rulebook) -> Option<String> {
    let Some(agreement) = rulebook.agreements().iter().find(|it| it.id == name) else {
        return Some(format!("agreements.toml has no {name}"));
    };
    let parties = &agreement.parties;
    let mut units = domain.units.iter();
    if units.any(|unit| parties.contains(&unit.id.agency)) {
        return None;
    }
    let parties: Vec<String> = parties.iter().map(ToString::to_string).collect();
    Some(format!(
        "parties of {name} are {} alone",
        parties.join(", ")
    ))
}

fn of_a_fact(fact: &str, entries: &[&MessageEntry]) -> Option<String> {
    let rules = entries.iter().flat_map(|entry| &entry.facts);
    let rules: Vec<_> = rules.filter(|rule| rule.name == fact).collect();
    match fact {
        "addressees" if entries.iter().all(|it| it.addressed == Addressed::Never) => {
            return Some("such a message is never addressed".to_owned());
        }
        "quotes" if entries.iter().all(|it| !it.has_tokens) => {
            return Some(lacking(entries, "reference that comes as a token"));
        }
        _ if RESERVED_FACTS.contains(&fact) => return None,
        _ => {}
    }
    let Some(first) = rules.first() else {
        return Some(lacking(entries, &format!("fact {fact}")));
    };
    (first.kind == FactKind::Integer).then(|| {
        let least = rules
            .iter()
            .map(|rule| rule.range.0)
            .min()
            .unwrap_or_default();
        let most = rules
            .iter()
            .map(|rule| rule.range.1)
            .max()
            .unwrap_or_default();
        format!("{fact} is between {} and {}", least.min(0), most.max(0))
    })
}

/// What none of the messages has.
fn lacking(entries: &[&MessageEntry], what: &str) -> String {
    match entries {
        [only] => format!("{} has no {what}", only.message_type),
        _ => format!("no message in its head has a {what}"),
    }
}

/// The line of the rule's text in which a condition stands, or the rule's own.
pub(super) fn line_of(rule: &Rule, tree: &Expr, bundle: &Bundle) -> String {
    let place = rule.place.as_str();
    let text = bundle.text(rule.path()).unwrap_or_default();
    let tags = agreements_of(tree).into_iter();
    let tags = tags.map(|name| format!("hasTag(\"{name}\")"));
    let mut places = tags
        .chain(paths_of(tree))
        .chain(
            types_of(tree)
                .into_iter()
                .map(|name| format!("Border::{name}")),
        )
        .map(|what| line_with(text, place, &what));
    places
        .find(|found| found != place)
        .unwrap_or_else(|| place.to_owned())
}
