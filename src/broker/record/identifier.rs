//! Identifiers of a message, and who knows it by each.

use crate::message::id::{Category, KeyedDigest, Mask};
use crate::message::spans::Shown;

/// An identifier of a message, by which it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Its kind, such as `s10`.
    pub kind: String,
    /// Keyed digest of kind and value.
    pub digest: KeyedDigest,
    /// The category of the element where it stands.
    pub category: Category,
    /// How that is shown.
    pub shown: Shown,
}

/// How a party to an exchange knows an identifier of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownAs {
    /// By its value.
    Value,
    /// By a token of its unit's own.
    Token,
}

impl Identifier {
    /// How the sender knows it.
    pub fn to_sender(&self) -> KnownAs {
        match self.shown {
            Shown::Clear | Shown::Token => KnownAs::Value,
            Shown::Quoted => KnownAs::Token,
        }
    }

    /// How a unit that gets these categories knows it, if it does.
    pub fn to_recipient(&self, mask: Mask) -> Option<KnownAs> {
        let by_token = self.category == Category::Reference && mask.has_reference_token();
        match self.shown {
            _ if mask.has(self.category) => Some(KnownAs::Value),
            Shown::Clear => by_token.then_some(KnownAs::Value),
            Shown::Token | Shown::Quoted => by_token.then_some(KnownAs::Token),
        }
    }
}
