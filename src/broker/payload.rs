//! What a payload frame holds of an exchange: kept properties, spans, facts and body.

use bytes::Bytes;

use super::format::{octets, whole};
use crate::agency::keys::{BadFrame, RetentionClass, open_frame, seal_frame};
use crate::journal::Lsn;
use crate::message::facts::Facts;
use crate::message::id::{Digest, ExchangeId};
use crate::message::spans::Spans;
use crate::policy::request::Question;

/// A payload but its body.
#[derive(Debug, Clone, PartialEq)]
pub struct PayloadHead {
    /// The body by data category.
    pub spans: Spans,
    /// What policies read: a ruling is repeated from these.
    pub facts: Facts,
    /// What was asked beside them.
    pub question: Question,
    /// Where the message stands that it replies to, so that its sender is told which it was.
    pub answered: Option<Lsn>,
}

/// A private publish as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateHead {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Properties, flags included.
    pub raw_properties: Vec<u8>,
}

/// Frames a private publish.
pub fn seal_private(head: &PrivateHead, body: &[u8]) -> Vec<u8> {
    let inside = joined(&octets(head), body);
    seal_frame(PRIVATE, RetentionClass::PRIVATE, &inside)
}

/// Opens the frame of a private publish.
pub fn open_private(frame: &Bytes) -> Result<(PrivateHead, Bytes), BadFrame> {
    let (head, body) = parted(frame, open_frame(PRIVATE, frame)?)?;
    Ok((whole(&head).map_err(|_| BadFrame)?, body))
}

/// A private publish is no exchange.
const PRIVATE: ExchangeId = ExchangeId([0; 16]);

fn joined(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut inside = Vec::with_capacity(4 + head.len() + body.len());
    inside.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
    inside.extend_from_slice(head);
    inside.extend_from_slice(body);
    inside
}

fn parted(frame: &Bytes, inside: &[u8]) -> Result<(Bytes, Bytes), BadFrame> {
    let inside = frame.slice_ref(inside);
    let (length, rest) = inside.split_first_chunk::<4>().ok_or(BadFrame)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| BadFrame)?;
    let (head, body) = rest.split_at_checked(length).ok_or(BadFrame)?;
    Ok((inside.slice_ref(head), inside.slice_ref(body)))
}

/// Frames a payload: length of the head, head, body.
pub fn seal(id: ExchangeId, class: RetentionClass, head: &PayloadHead, body: &[u8]) -> Vec<u8> {
    seal_frame(id, class, &joined(&octets(head), body))
}

/// Opens the frame of an exchange.
pub fn open(id: ExchangeId, frame: &Bytes) -> Result<(PayloadHead, Bytes), BadFrame> {
    let (head, body) = parted(frame, open_frame(id, frame)?)?;
    Ok((whole(&head).map_err(|_| BadFrame)?, body))
}

/// The digest of facts, as a leaf carries it.
pub fn facts_digest(facts: &Facts) -> Digest {
    Digest::of(&octets(facts))
}
