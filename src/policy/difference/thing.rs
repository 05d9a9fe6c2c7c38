//! What two rulebooks are compared in: things with a name, and what is said of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What kind of thing differs, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A rule of a policy file.
    Rule,
    /// A row of a decision table.
    Row,
    /// An agreement between agencies.
    Agreement,
    /// An agency.
    Agency,
    /// A unit of an agency.
    Unit,
    /// A system of an agency.
    System,
    /// An officer of an agency, or of the board.
    Officer,
    /// A certificate by which an agency, or the board, issues others.
    Issuer,
    /// The board: its members and what it takes to decide.
    Board,
    /// A group of agencies.
    Group,
    /// A grant to an oversight body.
    Grant,
    /// A word of the board's vocabulary.
    Word,
    /// A message type.
    Type,
    /// An element of a message type.
    Element,
    /// A fact of a message type.
    Fact,
    /// A correlation key of a message type.
    Key,
    /// A list of codes or of headings.
    List,
    /// A file of which nothing else is told: examples, and text without another meaning.
    File,
}

impl Kind {
    /// Its word in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Row => "row",
            Self::Agreement => "agreement",
            Self::Agency => "agency",
            Self::Unit => "unit",
            Self::System => "system",
            Self::Officer => "officer",
            Self::Issuer => "issuer",
            Self::Board => "board",
            Self::Group => "group",
            Self::Grant => "grant",
            Self::Word => "word",
            Self::Type => "type",
            Self::Element => "element",
            Self::Fact => "fact",
            Self::Key => "key",
            Self::List => "list",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is said of one aspect of a thing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Said {
    /// A text.
    Text(String),
    /// Texts whose order says nothing.
    List(BTreeSet<String>),
}

impl Said {
    /// A text.
    pub(super) fn text(text: impl fmt::Display) -> Self {
        Self::Text(text.to_string())
    }

    /// A list of texts.
    pub(super) fn list<T: fmt::Display>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| text.to_string()).collect())
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(texts) => texts.is_empty(),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            said if said.is_empty() => f.write_str("none"),
            Self::Text(text) => f.write_str(text),
            Self::List(texts) => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

/// The name of an aspect, and what is said.
pub(super) type Aspect = (&'static str, Said);

/// A thing of a rulebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thing {
    /// The file that says it.
    pub(super) path: String,
    /// What is said of it, in the order in which it is told.
    pub(super) aspects: Vec<Aspect>,
}

/// Things by kind and name.
pub(super) type Things = BTreeMap<(Kind, String), Thing>;

/// Adds a thing; of two that have one name, each.
pub(super) fn add(things: &mut Things, kind: Kind, name: &str, thing: Thing) {
    let mut key = (kind, name.to_owned());
    for nth in 2_u32.. {
        if !things.contains_key(&key) {
            break;
        }
        key.1 = format!("{name} ({nth})");
    }
    things.insert(key, thing);
}
