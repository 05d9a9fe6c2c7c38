//! How a connection ended, in words for the operator's log.

use std::io;

use crate::agency::refusal::IdentityRefusal;
use crate::amqp::End;

/// A connection that has ended.
pub(in crate::server) struct Parted {
    /// How it did.
    pub(in crate::server) how: io::Result<String>,
    /// Why its certificate let it in no longer, where it was withdrawn.
    pub(in crate::server) withdrawn: Option<IdentityRefusal>,
}

/// Why there is no more of it; `told` is why the broker told it to go, where it did.
pub(super) fn in_words(end: Option<End>, told: Option<String>) -> String {
    match (end, told) {
        // However it took that: some clients answer the close, some hang up.
        (Some(End::Closed) | None, Some(told)) => told,
        (end, _) => of(end).to_owned(),
    }
}

fn of(end: Option<End>) -> &'static str {
    match end {
        Some(End::ClosedByPeer) => "the client said goodbye",
        Some(End::Closed) => "the broker closed it",
        Some(End::CloseTimeout) => "the broker closed it, and the client did not answer",
        Some(End::HeartbeatMissed) => "nothing came for two heartbeats",
        Some(End::HandshakeTimeout) => "the client did not open it in time",
        Some(End::LoginDeclined) => "the client did not log in by its certificate",
        Some(End::WrongProtocol) => "the client does not speak AMQP 0-9-1",
        Some(End::Garbled) => "what the client sent was no frame",
        None => "the client was gone without a goodbye",
    }
}
