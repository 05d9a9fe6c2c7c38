//! What a payload frame holds of an exchange: kept properties, spans, facts and body.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::agency::keys::{BadFrame, RetentionClass, open_frame, seal_frame};
use crate::message::facts::Facts;
use crate::message::id::{Digest, ExchangeId};
use crate::message::spans::Spans;

/// A payload but its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PayloadHead {
    /// The body by data category.
    pub spans: Spans,
    /// What policies read: a ruling is repeated from these.
    pub facts: Facts,
}

/// Frames a payload: length of the head, head, body.
pub fn seal(
    id: ExchangeId,
    class: RetentionClass,
    head: &PayloadHead,
    body: &[u8],
) -> Result<Vec<u8>, postcard::Error> {
    let head = postcard::to_stdvec(head)?;
    let mut inside = Vec::with_capacity(4 + head.len() + body.len());
    inside.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
    inside.extend_from_slice(&head);
    inside.extend_from_slice(body);
    Ok(seal_frame(id, class, &inside))
}

/// Opens the frame of an exchange.
pub fn open(id: ExchangeId, frame: &Bytes) -> Result<(PayloadHead, Bytes), BadFrame> {
    let inside = open_frame(id, frame)?;
    let inside = frame.slice_ref(inside);
    let (length, rest) = inside.split_first_chunk::<4>().ok_or(BadFrame)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| BadFrame)?;
    let (head, body) = rest.split_at_checked(length).ok_or(BadFrame)?;
    let head = postcard::from_bytes(head).map_err(|_| BadFrame)?;
    Ok((head, inside.slice_ref(body)))
}

/// The digest of facts, as a leaf carries it.
pub fn facts_digest(facts: &Facts) -> Digest {
    Digest::of(&postcard::to_stdvec(facts).unwrap_or_default())
}
