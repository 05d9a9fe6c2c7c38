//! What a payload frame holds: of an exchange its body, and apart from it what its ruling was made
//! from; of a private publish the message as it came. How that is written is [`format`](super::format)'s.

use crate::agency::keys::RetentionClass;
use crate::journal::Lsn;
use crate::message::facts::Facts;
use crate::message::spans::Spans;
use crate::policy::request::Question;

/// What is kept of an exchange beside its body, as its frame is written: the ruling is repeated from
/// these. [`OpenPayload`](super::format::OpenPayload) reads it back.
#[derive(Debug, Clone, Copy)]
pub struct PayloadHead<'a> {
    /// The body by data category.
    pub spans: &'a Spans,
    /// What policies read.
    pub facts: &'a Facts,
    /// What was asked beside them.
    pub question: &'a Question<'a>,
    /// The record of the message that it replies to, so that its sender is told which it was.
    pub answered: Option<Lsn>,
}

/// A private publish as it stood on the wire, but its body: borrowed from there when its frame is
/// written, and from the frame when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivateHead<'a> {
    /// The exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// Properties, flags included.
    pub raw_properties: &'a [u8],
}

/// The properties of an exchange that travel to recipients as they came: none so far.
pub(super) struct KeptProperties;

/// The retention classes of a frame's parts.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Of properties and body.
    pub body: RetentionClass,
    /// Of what the ruling was made from.
    pub facts: RetentionClass,
}
