//! The catalogue: what may be exchanged, one folder of `messages/` a type.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::FactRule;
use super::id::{Mask, MessageType};

/// Whether a type's messages name their recipients in the header `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressed {
    /// `to` is refused.
    Never,
    /// `to` restricts the candidates where it is set.
    Optional,
    /// `to` must be set.
    Required,
}

/// An identifier by which messages are found and correlated (`[[key]]` in message.toml).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// Its kind, such as `s10` or `mrn`: the same identifier has the same name in every type.
    pub name: String,
    /// Where it stands: JSON pointer, `*` is every item.
    pub at: String,
    /// Whether it is the message's own (wrong: refused) or quoted from elsewhere (a warning).
    pub own: bool,
    /// An element that tells equal identifiers apart, such as the posting date.
    pub qualifier: Option<String>,
}

/// A message type.
#[derive(Debug)]
pub struct MessageEntry {
    /// Its name, which is the routing key.
    pub message_type: MessageType,
    /// Its name in policies, such as `PostalItem`.
    pub entity: String,
    /// Edition, such as `2026-01`.
    pub edition: String,
    /// Title by language.
    pub title: BTreeMap<String, String>,
    /// The standard it follows, for people.
    pub standard: String,
    /// Kinds of agency that may send it.
    pub senders: Vec<String>,
    /// Whether `to` may or must be set.
    pub addressed: Addressed,
    /// The largest body, in bytes.
    pub max_size_bytes: usize,
    /// Correlation keys.
    pub keys: Vec<KeyRule>,
    /// Facts.
    pub facts: Vec<FactRule>,
    /// Every category that a message of this type can hold.
    pub holds: Mask,
    /// Whether the type has elements marked `x-carnet-token`.
    pub has_tokens: bool,
}

/// All message types of a rulebook.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<MessageType, Arc<MessageEntry>>,
}

impl Catalogue {
    /// The type's entry.
    pub fn get(&self, message_type: &str) -> Option<&Arc<MessageEntry>> {
        self.entries.get(message_type)
    }

    /// All entries by name.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<MessageEntry>> {
        self.entries.values()
    }
}

/// Of two entries with one type the last holds: `Catalogue::parse` refuses them before.
impl FromIterator<MessageEntry> for Catalogue {
    fn from_iter<I: IntoIterator<Item = MessageEntry>>(entries: I) -> Self {
        let entries =
            entries.into_iter().map(|entry| (entry.message_type.clone(), Arc::new(entry)));
        Self { entries: entries.collect() }
    }
}
