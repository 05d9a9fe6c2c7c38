//! A message that keeps its type's rules: the proof that everything above works with.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::catalogue::{Catalogue, MessageEntry};
use super::envelope::{Envelope, Publish, SenderTerms};
use super::facts::Facts;
use super::fields;
use super::id::{AgencyId, Digest};
use super::spans::{Quoted, Spans};

/// Octets of a place that is told and recorded, at most. A longer one is cut and ends in `…`: the
/// sender wrote the names in it, and a name may be as long as a body.
const PLACE_BYTES: usize = 256;

/// Whose fault an [`Invalid`] is about; decides the reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKind {
    /// The routing key is no type of the catalogue.
    UnknownType,
    /// A property, a header or the size.
    Envelope,
    /// The body.
    Content,
}

/// Why a message is refused before anybody rules on it. Holds no value of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {says} ({rule})", if place.is_empty() { "the message" } else { place })]
pub struct Invalid {
    /// What it is about.
    pub kind: InvalidKind,
    /// Where: a JSON pointer (empty is the whole body), `property NAME` or `header NAME`; the
    /// constructors cut it to 256 octets.
    pub place: String,
    /// The rule: a keyword of JSON Schema, a format, or a stable name of ours.
    pub rule: String,
    /// What is wrong there.
    pub says: String,
}

impl Invalid {
    pub(super) fn content(place: String, rule: String, says: String) -> Self {
        Self {
            kind: InvalidKind::Content,
            place: cut(place),
            rule,
            says,
        }
    }

    pub(super) fn envelope(place: &str, rule: &str, says: impl Into<String>) -> Self {
        let (place, rule) = (place.to_owned(), rule.to_owned());
        Self {
            kind: InvalidKind::Envelope,
            place: cut(place),
            rule,
            says: says.into(),
        }
    }
}

fn cut(mut place: String) -> String {
    const MARK: char = '…';
    if place.len() > PLACE_BYTES {
        place.truncate(place.floor_char_boundary(PLACE_BYTES - MARK.len_utf8()));
        place.push(MARK);
    }
    place
}

/// Something that does not refuse a message and is told in its receipt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// Where, as in [`Invalid::place`].
    pub place: String,
    /// The rule, as in [`Invalid::rule`].
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
    /// What does not refuse it.
    pub warnings: Vec<Warning>,
}

/// A valid message. [`Valid::parse`] is the only constructor.
pub struct Valid {
    entry: Arc<MessageEntry>,
    envelope: Envelope,
    content: Content,
    body: Bytes,
    digest: Digest,
}

impl Valid {
    /// Holds a publish to the catalogue: the type is known, the envelope is in order, the body
    /// keeps its schema, its own identifiers keep their rules.
    ///
    /// `quoted` opens a token of the sender's unit; none where it is not one.
    pub fn parse(
        publish: &Publish,
        catalogue: &Catalogue,
        terms: &SenderTerms<'_>,
        quoted: &dyn Fn(&str) -> Option<Quoted>,
    ) -> Result<Self, Invalid> {
        let Some(entry) = catalogue.get(&publish.message_type) else {
            return Err(Invalid {
                kind: InvalidKind::UnknownType,
                place: "routing key".to_owned(),
                rule: "type".to_owned(),
                says: "no such message type; `carnet message list` names them".to_owned(),
            });
        };
        let envelope = Envelope::parse(publish, entry, terms)?;
        let mut content = fields::read(entry, &publish.body, quoted)?;
        content
            .warnings
            .splice(0..0, envelope.warnings().iter().cloned());
        let digest = envelope.content_digest(entry, &publish.body);
        let entry = Arc::clone(entry);
        Ok(Self {
            entry,
            envelope,
            content,
            body: publish.body.clone(),
            digest,
        })
    }

    /// The type's entry.
    pub fn entry(&self) -> &Arc<MessageEntry> {
        &self.entry
    }

    /// Properties and headers.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What the body says; the envelope's warnings are among the warnings.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The body as sent.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What makes a repeat a repeat: SHA-256 over type, body, `to`, `purpose`, `case`,
    /// `justification` and `handling`. What it answers is content too, and is the caller's to add:
    /// the id of one delivery can be written in more than one way.
    pub fn content_digest(&self) -> Digest {
        self.digest
    }

    /// The idempotency key: the `message_id`, or the content's digest where the sender's entry
    /// lets it stand in. The same words in answer to two questions are two messages; the digest is
    /// of what the sender wrote alone, since the sender is told it.
    pub fn message_id(&self) -> String {
        match (self.envelope.message_id(), self.envelope.correlation_id()) {
            (Some(id), _) => id.to_owned(),
            (None, None) => self.digest.to_string(),
            (None, Some(answered)) => {
                Digest::of(&[&self.digest.0, answered.as_bytes()].concat()).to_string()
            }
        }
    }
}

impl fmt::Debug for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valid")
            .field("message_type", &self.entry.message_type)
            .field("body_bytes", &self.body.len())
            .field("spans", &self.content.spans)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_cut_at_a_letter_and_says_that_it_is() {
        for lead in 0..4 {
            let place = format!("/{}{}", "a".repeat(lead), "é€𝄞".repeat(200));
            let invalid = Invalid::content(place.clone(), String::new(), String::new());
            assert!(
                invalid.place.len() <= PLACE_BYTES,
                "{}",
                invalid.place.len()
            );
            let kept = invalid.place.strip_suffix('…').unwrap();
            assert!(kept.len() > PLACE_BYTES - 8 && place.starts_with(kept));
        }
        let whole = "/".repeat(PLACE_BYTES);
        let invalid = Invalid::envelope(&whole, "", "");
        assert_eq!(invalid.place, whole);
    }
}
