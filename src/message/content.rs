//! What a body says, as data: its parts by category, facts, identifiers and warnings.

use std::collections::BTreeSet;
use std::fmt;

use super::facts::Facts;
use super::id::{AgencyId, Category};
use super::spans::{Shown, Spans};

/// How many warnings a receipt names; those beyond are left out.
pub(crate) const WARNINGS_MAX: usize = 32;

/// A fault for which a message is not rejected, and which its receipt tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where, as in [`super::faults::Invalid::place`].
    pub place: String,
    /// The rule, as in [`super::faults::Invalid::rule`].
    pub rule: String,
}

/// An identifier by which a message is found and correlated.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its kind, such as `s10`.
    pub name: String,
    /// The identifier.
    pub value: String,
    /// What tells equal identifiers apart, such as the posting date.
    pub qualifier: Option<String>,
    /// Whether it is the message's own.
    pub own: bool,
    /// The category of the element where it stands.
    pub category: Category,
    /// How that is shown.
    pub shown: Shown,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Key({}{})",
            self.name,
            if self.own { ", own" } else { "" }
        )
    }
}

/// What a body says, once it is known to keep its type's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its bytes by data category.
    pub spans: Spans,
    /// What policies may read.
    pub facts: Facts,
    /// Its identifiers, in the order of the body.
    pub keys: Vec<Key>,
    /// Agencies whose references the sender quoted by token.
    pub quotes: BTreeSet<AgencyId>,
    /// Faults for which it is not rejected.
    pub warnings: Vec<Warning>,
}
