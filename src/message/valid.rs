//! A message that keeps its type's rules: the proof that everything above works with.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::catalogue::Catalogue;
pub(crate) use super::content::{Content, Key};
use super::entry::MessageEntry;
use super::envelope::{BODY, Envelope, Publish, SenderTerms};
pub(crate) use super::faults::{Faults, Invalid, InvalidKind};
use super::fields;
use super::id::Digest;
use super::rule;
use super::spans::Quoted;

/// A valid message. [`Valid::parse`] is the only constructor.
pub(crate) struct Valid {
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
    pub(crate) fn parse(
        publish: &Publish,
        catalogue: &Catalogue,
        terms: &SenderTerms<'_>,
        quoted: &dyn Fn(&str) -> Option<Quoted>,
    ) -> Result<Self, Faults> {
        let Some(entry) = catalogue.get(&publish.message_type) else {
            let says = "no such message type; `carnet message list` names them";
            let invalid = Invalid::envelope("routing key", &rule::MESSAGE_TYPE, says);
            let kind = InvalidKind::UnknownType;
            return Err(Invalid { kind, ..invalid }.into());
        };
        let envelope = Envelope::parse(publish, entry, terms);
        // A body that is too large is not looked at.
        let is_too_large = |faults: &Faults| faults.iter().any(|fault| fault.place == BODY);
        let envelope = match envelope {
            Err(faults) if is_too_large(&faults) => return Err(faults),
            other => other,
        };
        let (envelope, mut content) = match (envelope, fields::read(entry, &publish.body, quoted)) {
            (Ok(envelope), Ok(content)) => (envelope, content),
            (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => return Err(faults),
            (Err(faults), Err(others)) => return Err(faults.and(others)),
        };
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
    pub(crate) fn entry(&self) -> &Arc<MessageEntry> {
        &self.entry
    }

    /// Properties and headers.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What the body says; the envelope's warnings are among the warnings.
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// The body as sent.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// What makes a repeat a repeat: SHA-256 over type, body, `to`, `purpose`, `case`,
    /// `justification` and `handling`. What it answers is content too, and is the caller's to add:
    /// the id of one delivery can be written in more than one way.
    pub(crate) fn content_digest(&self) -> Digest {
        self.digest
    }

    /// The idempotency key: the `message_id`, or the content's digest where the sender's entry
    /// lets it stand in. The same words in answer to two questions are two messages; the digest is
    /// of what the sender wrote alone, since the sender is told it.
    pub(crate) fn message_id(&self) -> Cow<'_, str> {
        match (self.envelope.message_id(), self.envelope.correlation_id()) {
            (Some(id), _) => id.into(),
            (None, None) => self.digest.to_string().into(),
            (None, Some(answered)) => {
                let both = [&self.digest.0, answered.as_bytes()].concat();
                Digest::of(&both).to_string().into()
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
