//! Message types with their elements, facts, keys and code lists, as things.

use super::super::rulebook::Rulebook;
use super::thing::{Kind, Said, Thing, Things, add};
use crate::message::catalogue::{Addressed, KeyRule, MessageEntry};
use crate::message::facts::{FactKind, FactRule};
use crate::message::id::Digest;
use crate::message::schema::{Node, Rule};

pub(super) fn of(rulebook: &Rulebook, things: &mut Things) {
    for entry in rulebook.catalogue().entries() {
        let folder = format!("messages/{}", entry.message_type);
        let path = format!("{folder}/message.toml");
        let schema = format!("{folder}/schema.json");
        let text = rulebook.bundle().get(&schema).unwrap_or_default();
        let name = entry.message_type.as_str();
        let thing = |path: &str, aspects| Thing {
            path: path.to_owned(),
            aspects,
        };
        add(things, Kind::Type, name, thing(&path, type_aspects(entry)));
        for fact in &entry.facts {
            let name = format!("{name} {}", fact.name);
            add(things, Kind::Fact, &name, thing(&path, fact_aspects(fact)));
        }
        for key in &entry.keys {
            let KeyRule {
                name: key,
                at,
                own,
                qualifier,
            } = key;
            let aspects = vec![
                ("at", Said::text(at)),
                ("own", Said::text(if *own { "yes" } else { "no" })),
                (
                    "qualifier",
                    Said::text(qualifier.as_deref().unwrap_or_default()),
                ),
            ];
            add(
                things,
                Kind::Key,
                &format!("{name} {key}"),
                thing(&path, aspects),
            );
        }
        // What its elements do not say of a schema: patterns, numbers, what must be there.
        let value = serde_json::from_slice::<serde_json::Value>(text).unwrap_or_default();
        let mut walk = Walk {
            of: name,
            path: &schema,
            digest: Digest::of(value.to_string().as_bytes()),
            things,
        };
        walk.element("", entry.schema().plan(), "none");
    }
    lists(rulebook, things);
}

/// Code lists and lists of headings: every line that is no head.
fn lists(rulebook: &Rulebook, things: &mut Things) {
    for (path, content) in rulebook.bundle().files() {
        let name = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["messages", of, "codes", file] => format!("{of} {file}"),
            ["policies", "tables", file] => {
                let agency = file.strip_suffix(".csv").unwrap_or(file);
                if rulebook.registry().agency(agency).is_some() {
                    continue;
                }
                (*file).to_owned()
            }
            _ => continue,
        };
        let text = String::from_utf8_lossy(content);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let thing = Thing {
            path: path.to_owned(),
            aspects: vec![("lines", Said::list(lines))],
        };
        add(things, Kind::List, &name, thing);
    }
}

fn type_aspects(entry: &MessageEntry) -> Vec<(&'static str, Said)> {
    let addressed = match entry.addressed {
        Addressed::Never => "never",
        Addressed::Optional => "optional",
        Addressed::Required => "required",
    };
    let title = entry.title.iter();
    let title = title.map(|(language, text)| format!("{text} ({language})"));
    vec![
        ("edition", Said::text(&entry.edition)),
        ("title", Said::list(title)),
        ("entity", Said::text(&entry.entity)),
        ("standard", Said::text(&entry.standard)),
        ("senders", Said::list(&entry.senders)),
        ("addressed", Said::text(addressed)),
        (
            "largest body",
            Said::text(format!("{} octets", entry.max_size_bytes)),
        ),
        ("holds", Said::list(entry.holds.categories())),
    ]
}

fn fact_aspects(fact: &FactRule) -> Vec<(&'static str, Said)> {
    let FactRule {
        name: _,
        at,
        kind,
        category,
        range: (least, most),
    } = fact;
    let kind = match kind {
        FactKind::HsPrefixes => "hs-prefixes".to_owned(),
        FactKind::Areas => "areas".to_owned(),
        FactKind::Integer => format!("integer from {least} to {most}"),
        FactKind::Present => "present".to_owned(),
        FactKind::Time => "time".to_owned(),
        FactKind::Equals(text) => format!("equals:{text}"),
    };
    vec![
        ("at", Said::list(at)),
        ("as", Said::text(kind)),
        ("category", Said::text(category)),
    ]
}

/// A walk over the elements of a type.
struct Walk<'w> {
    of: &'w str,
    path: &'w str,
    /// The digest of all that its schema says.
    digest: Digest,
    things: &'w mut Things,
}

impl Walk<'_> {
    /// An element, and those below it; `around` is the category of the one around it.
    fn element(&mut self, at: &str, node: &Node, around: &str) {
        let category = match &node.rule {
            Rule::Inherit => around.to_owned(),
            Rule::Fixed(category) => category.to_string(),
            Rule::By(by) => {
                let cases = by
                    .cases
                    .iter()
                    .map(|(text, category)| format!("{category} if {text}"));
                let cases = cases.collect::<Vec<_>>().join(", ");
                format!("by {}: {cases}, else {}", by.key, by.otherwise)
            }
        };
        let mut aspects = vec![
            ("category", Said::text(&category)),
            ("type", Said::list(&node.types)),
        ];
        aspects.extend(
            node.format
                .map(|format| ("format", Said::text(format.name))),
        );
        aspects.extend(
            node.is_token
                .then(|| ("comes as a token", Said::text("yes"))),
        );
        aspects.extend(at.is_empty().then(|| ("schema", Said::text(self.digest))));
        let thing = Thing {
            path: self.path.to_owned(),
            aspects,
        };
        let name = format!("{} {}", self.of, if at.is_empty() { "/" } else { at });
        add(self.things, Kind::Element, &name, thing);
        for name in node.names() {
            if let Some(member) = node.member(name) {
                self.element(&format!("{at}/{name}"), member, &category);
            }
        }
        if let Some(items) = &node.items {
            self.element(&format!("{at}/*"), items, &category);
        }
    }
}
