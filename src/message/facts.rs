//! Facts: what policies may read of a message, and nothing else of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::id::{BadName, Category};
use super::time::Timestamp;

/// How a fact is made from the elements at its place (`as` in message.toml).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactKind {
    /// `hs-prefixes`: the 2, 4 and 6 digit prefixes of every commodity code. Cedar: `Set<String>`.
    HsPrefixes,
    /// `areas`: the risk areas named. Cedar: `Set<Area>`.
    Areas,
    /// `integer`: the largest integer found; 0 where there is none. Cedar: `Long`.
    Integer,
    /// `present`: whether any element stands there. Cedar: `Bool`.
    Present,
    /// `time`: the earliest time found; 1970 where there is none. Cedar: `datetime`.
    Time,
    /// `equals:VALUE`: whether any element there is this text. Cedar: `Bool`.
    Equals(String),
}

impl std::str::FromStr for FactKind {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "hs-prefixes" => Ok(Self::HsPrefixes),
            "areas" => Ok(Self::Areas),
            "integer" => Ok(Self::Integer),
            "present" => Ok(Self::Present),
            "time" => Ok(Self::Time),
            _ => match text.strip_prefix("equals:") {
                Some(value) if !value.is_empty() => Ok(Self::Equals(value.to_owned())),
                _ => Err(BadName {
                    text: text.chars().take(80).collect(),
                    expected: "hs-prefixes, areas, integer, present, time or equals:VALUE",
                }),
            },
        }
    }
}

/// One fact of a message type (`[facts.NAME]` in message.toml).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRule {
    /// The attribute's name in policies.
    pub name: String,
    /// Where the elements stand: a JSON pointer in which `*` is every item of an array. A list
    /// where several places count as one.
    pub at: Vec<String>,
    /// What is made of them.
    pub kind: FactKind,
    /// The category of the condition: who may not see it is not told a condition on it.
    pub category: Category,
}

/// A fact's value in one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FactValue {
    /// A set of strings (`hs-prefixes`).
    Strings(BTreeSet<String>),
    /// A set of areas.
    Areas(BTreeSet<String>),
    /// An integer.
    Long(i64),
    /// True or false.
    Bool(bool),
    /// A time.
    Time(Timestamp),
}

/// A message's facts by name. A fact of the catalogue that this type does not have is absent here
/// and counts as its kind's empty value.
pub type Facts = std::collections::BTreeMap<String, FactValue>;
