//! Rules in words, and rows of decision tables, as things.

use super::super::head::{Head, Recipient};
use super::super::rulebook::Rulebook;
use super::super::source::Rule;
use super::super::table::COLUMNS;
use super::super::wording::in_words;
use super::thing::{Kind, Said, Thing, Things, add};

/// The aspect that has a condition in words.
pub(super) const CONDITION: &str = "if";
/// The aspect that has it as it is written, for where words do not tell two apart.
pub(super) const WRITTEN: &str = "if, as it is written";

pub(super) fn of(rulebook: &Rulebook, things: &mut Things) {
    for rule in rulebook.rules() {
        add(
            things,
            Kind::Rule,
            rule.id.as_str(),
            rule_thing(rule, rulebook),
        );
    }
    for (file, content) in rulebook.bundle().below("policies/tables") {
        rows(file, content, things);
    }
}

fn rule_thing(rule: &Rule, rulebook: &Rulebook) -> Thing {
    let Rule {
        id: _,
        title,
        basis,
        reason,
        owner,
        permits,
        retain_days,
        onward,
        hidden,
        place: _,
        head,
        condition,
    } = rule;
    let Head {
        recipient,
        actions,
        originator,
        entity,
    } = head;
    let to = match recipient {
        Recipient::Any => "any unit".to_owned(),
        Recipient::Unit(unit) => format!("unit {unit}"),
        Recipient::Agency(agency) => format!("units of {agency}"),
        Recipient::Group(group) => format!("units of group {group}"),
    };
    let from = originator.as_deref().unwrap_or("any agency");
    let mut entries = rulebook.catalogue().entries();
    let entry = entity
        .as_ref()
        .and_then(|entity| entries.find(|entry| entry.entity == *entity));
    let of = entry.map_or("any type", |entry| entry.message_type.as_str());
    let receive = actions.receive.then(|| "receive".to_owned());
    let disclosed = actions.disclose.to_string();
    let disclosed = disclosed.split_whitespace().map(str::to_owned);
    let parts: Vec<_> = condition.iter().flat_map(|it| &it.parts).collect();
    let words: Vec<String> = parts
        .iter()
        .map(|it| in_words(&it.tree, &|_| true))
        .collect();
    let written: Vec<String> = parts.iter().map(|it| it.tree.to_string()).collect();
    let mut aspects = vec![
        ("title", Said::text(title)),
        (
            "effect",
            Said::text(if *permits { "permits" } else { "forbids" }),
        ),
        ("to", Said::text(to)),
        ("what", Said::list(receive.into_iter().chain(disclosed))),
        ("of", Said::text(format!("{of} from {from}"))),
        (CONDITION, Said::text(words.join("; and "))),
        (WRITTEN, Said::text(written.join(" && "))),
        ("basis", Said::text(basis)),
        ("reason", Said::text(reason)),
        ("owner", Said::text(owner)),
    ];
    if *permits {
        aspects.push(("kept", Said::text(format!("{retain_days} days"))));
        aspects.push(("onward", Said::text(onward)));
    } else {
        let hides = if *hidden { "hidden" } else { "told" };
        aspects.push(("existence", Said::text(hides)));
    }
    Thing {
        path: rule.path().to_owned(),
        aspects,
    }
}

/// The rows of a decision table; another list has none.
fn rows(file: &str, content: &[u8], things: &mut Things) {
    let mut reader = csv::Reader::from_reader(content);
    if !reader.headers().is_ok_and(|line| line.iter().eq(COLUMNS)) {
        return;
    }
    for record in reader.records().filter_map(Result::ok) {
        let field = |column: &str| {
            let index = COLUMNS.iter().position(|name| *name == column);
            let text = index.and_then(|index| record.get(index));
            text.unwrap_or_default().trim().to_owned()
        };
        let given = match field("given") {
            given if given.is_empty() => given,
            given => format!(", {given}"),
        };
        let name = format!(
            "{}: {} from {} to {}{given}",
            field("row"),
            field("message"),
            field("from"),
            field("to")
        );
        let thing = Thing {
            path: format!("policies/tables/{file}"),
            aspects: vec![
                ("outcome", Said::text(field("outcome"))),
                (
                    "categories",
                    Said::list(field("categories").split_whitespace()),
                ),
                ("by", Said::text(field("by"))),
            ],
        };
        add(things, Kind::Row, &name, thing);
    }
}
