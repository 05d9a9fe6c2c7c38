//! What the connection hands over: the properties, headers and body of one publish, unread.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A publish to the exchange `carnet`, as the connection built it from AMQP. Its `Debug` shows
/// neither body nor ids.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Publish {
    /// The routing key.
    pub message_type: Arc<str>,
    /// Property `message_id`.
    pub message_id: Option<String>,
    /// Property `correlation_id`: the id of the delivery that this answers.
    pub correlation_id: Option<String>,
    /// Property `content_type`.
    pub content_type: Option<String>,
    /// Property `content_encoding`.
    pub content_encoding: Option<String>,
    /// Property `expiration`, in milliseconds as text.
    pub expiration: Option<String>,
    /// Property `user_id`.
    pub user_id: Option<String>,
    /// Property `priority`; a type's priority counts, not the sender's wish.
    pub priority: Option<u8>,
    /// The body; empty where it was read over.
    pub body: Bytes,
    /// Octets of a body that is above what any type allows, and of which nothing was kept.
    pub read_over: Option<u64>,
    /// Headers by name, in the order sent.
    pub headers: Vec<(String, HeaderValue)>,
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("message_type", &self.message_type)
            .field("body_bytes", &self.body.len())
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

/// A header's value, as far as Carnet reads any.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// A text.
    Text(String),
    /// An array of texts.
    List(Vec<String>),
    /// Anything else.
    Other,
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::List(_) => "List",
            Self::Other => "Other",
        })
    }
}

/// What the sender's registration says about its envelopes.
#[derive(Debug, Clone, Copy)]
pub struct SenderTerms<'a> {
    /// What `user_id` must be where it is set: `<agency>-<system>`.
    pub user_id: &'a str,
    /// Whether the content's digest stands in for a missing `message_id`.
    pub derives_message_id: bool,
}
