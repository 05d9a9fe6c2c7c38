//! How far data may travel on: what a sender asks of recipients, and what a rule allows them.

use std::fmt;
use std::str::FromStr;

use super::id::BadName;

/// The use of released data beyond its recipient, the widest first: of several, the strictest holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Onward {
    /// No restriction beyond the law.
    #[default]
    Free,
    /// For the same purpose only.
    SamePurpose,
    /// After asking the agency that it comes from.
    AskOriginator,
    /// Not at all.
    NoOnward,
}

impl Onward {
    /// Whether nothing is asked: header `handling` is `none`, or not set.
    pub fn is_free(&self) -> bool {
        *self == Self::Free
    }

    /// The word of annotation `@onward`, header `handling` and `x-carnet-onward`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "none",
            Self::SamePurpose => "same-purpose",
            Self::AskOriginator => "ask-originator",
            Self::NoOnward => "no-onward",
        }
    }
}

impl serde::Serialize for Onward {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Display for Onward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Onward {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let all = [
            Self::Free,
            Self::SamePurpose,
            Self::AskOriginator,
            Self::NoOnward,
        ];
        all.into_iter()
            .find(|onward| onward.name() == text)
            .ok_or_else(|| BadName::new(text, "none, same-purpose, ask-originator or no-onward"))
    }
}
