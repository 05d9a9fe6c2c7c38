//! One type of the catalogue, as everything that reads its messages knows it.

use std::collections::BTreeMap;

use super::facts::FactRule;
use super::id::{Mask, MessageType};
use super::schema::Schema;

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
    /// Whether it is the message's own (wrong: rejected) or quoted from elsewhere (a warning).
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
    pub(super) schema: Schema,
}

impl MessageEntry {
    /// What its bodies must be, and the category of each element.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}
