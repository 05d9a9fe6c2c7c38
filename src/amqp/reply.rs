//! Reply codes: what a peer is told when something is refused, returned or closed.
//!
//! Owns the table of codes, their names and what each of them closes, and the one form of a reply
//! text. It never decides which code applies.

use std::fmt;

use super::codec::method::MethodId;
use super::codec::writer::Writer;

/// What a reply code ends when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The channel is closed; the connection lives on.
    Channel,
    /// The whole connection is closed.
    Connection,
    /// Nothing is closed: the message is returned.
    Return,
}

/// Every reply code that Carnet sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyCode {
    /// 311: a body is announced above the message limit.
    ContentTooLarge,
    /// 312: a message that no queue takes.
    NoRoute,
    /// 320: the operator or the broker ends the connection; clients with recovery come back.
    ConnectionForced,
    /// 403: policy, reserved names, queues and exchanges of another unit; on a connection, the login.
    AccessRefused,
    /// 404: no such queue or exchange.
    NotFound,
    /// 405: an exclusive queue of another connection.
    ResourceLocked,
    /// 406: what was asked contradicts what is.
    PreconditionFailed,
    /// 501: octets that are no frame, or no such method.
    FrameError,
    /// 502: a field of unknown type or out of its range.
    SyntaxError,
    /// 503: a method that is unknown or not allowed here.
    CommandInvalid,
    /// 504: a channel that is not open, or open already.
    ChannelError,
    /// 505: content out of its order.
    UnexpectedFrame,
    /// 530: vhost, tune values, number of channels, consumer tag in use.
    NotAllowed,
    /// 540: a part of the protocol that Carnet does not have.
    NotImplemented,
    /// 541: our own fault, never for what a peer sent.
    InternalError,
}

impl ReplyCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self.row().0
    }

    /// The name that the specification gives it; every reply text begins with it.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// What it closes. A 403 for a failed login closes the connection all the same, and 403 and
    /// 406 are return codes too: the sender of the reply chooses these by the call it makes.
    pub const fn scope(self) -> Scope {
        self.row().2
    }

    const fn row(self) -> (u16, &'static str, Scope) {
        match self {
            Self::ContentTooLarge => (311, "CONTENT_TOO_LARGE", Scope::Channel),
            Self::NoRoute => (312, "NO_ROUTE", Scope::Return),
            Self::ConnectionForced => (320, "CONNECTION_FORCED", Scope::Connection),
            Self::AccessRefused => (403, "ACCESS_REFUSED", Scope::Channel),
            Self::NotFound => (404, "NOT_FOUND", Scope::Channel),
            Self::ResourceLocked => (405, "RESOURCE_LOCKED", Scope::Channel),
            Self::PreconditionFailed => (406, "PRECONDITION_FAILED", Scope::Channel),
            Self::FrameError => (501, "FRAME_ERROR", Scope::Connection),
            Self::SyntaxError => (502, "SYNTAX_ERROR", Scope::Connection),
            Self::CommandInvalid => (503, "COMMAND_INVALID", Scope::Connection),
            Self::ChannelError => (504, "CHANNEL_ERROR", Scope::Connection),
            Self::UnexpectedFrame => (505, "UNEXPECTED_FRAME", Scope::Connection),
            Self::NotAllowed => (530, "NOT_ALLOWED", Scope::Connection),
            Self::NotImplemented => (540, "NOT_IMPLEMENTED", Scope::Connection),
            Self::InternalError => (541, "INTERNAL_ERROR", Scope::Connection),
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

/// A code with a sentence for people and the method that caused it. It stays in parts until it is
/// written: the wire's text `NAME_OF_CODE - sentence` is composed there and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: ReplyCode,
    sentence: String,
    method: MethodId,
}

impl Reply {
    /// A reply that names no method.
    pub fn new(code: ReplyCode, sentence: impl fmt::Display) -> Self {
        Self {
            code,
            sentence: sentence.to_string(),
            method: MethodId::NONE,
        }
    }

    /// This reply, naming the method that failed.
    #[must_use]
    pub fn caused_by(self, method: MethodId) -> Self {
        Self { method, ..self }
    }

    /// The code.
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// The method that failed; [`MethodId::NONE`] where no single method did.
    pub fn method(&self) -> MethodId {
        self.method
    }

    /// Appends code and text, as `basic.return` and both closes begin with them. Clients show the
    /// text to people as it is; it is cut to the 255 octets of a short string.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.short(self.code.number());
        writer.short_string_of(&[self.code.name(), " - ", &self.sentence]);
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.code, self.sentence)?;
        if self.method == MethodId::NONE {
            return Ok(());
        }
        write!(f, " (method {})", self.method)
    }
}

/// The peer broke the protocol. The reply says what closes and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misbehaved(pub Reply);

impl Misbehaved {
    pub(super) fn new(code: ReplyCode, sentence: impl fmt::Display) -> Self {
        Self(Reply::new(code, sentence))
    }

    pub(super) fn by(self, method: MethodId) -> Self {
        Self(self.0.caused_by(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_within_255_octets() {
        let reply = Reply::new(ReplyCode::NotFound, "é".repeat(300));
        let mut out = Vec::new();
        reply.write(&mut Writer::new(&mut out));
        let (code, text) = (&out[..2], &out[3..]);
        assert_eq!(code, [1, 148]);
        assert!(text.len() == usize::from(out[2]) && text.len() >= 254);
        let text = std::str::from_utf8(text).unwrap();
        assert!(text.starts_with("NOT_FOUND - é"), "{text}");
    }

    #[test]
    fn a_reply_reads_as_number_name_sentence_and_method() {
        let reply = Reply::new(ReplyCode::NotFound, "no queue 'q'").caused_by(MethodId {
            class: 50,
            method: 10,
        });
        assert_eq!(
            reply.to_string(),
            "404 NOT_FOUND - no queue 'q' (method 50.10)"
        );
    }
}
