//! The operator's notice that an agency keeps too much: its client hears a nack without a reason.

use crate::agency::registry::Peer;
use crate::broker::effect::NotTaken;

/// How often it is logged, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// When a connection logged it last.
#[derive(Debug, Default)]
pub(super) struct QuotaNotice {
    logged_ms: Option<u64>,
}

impl QuotaNotice {
    /// Notes why a publish was not taken, at a time of the monotonic clock.
    pub(super) fn note(&mut self, why: NotTaken, peer: &Peer, now_ms: u64) {
        let lately = self
            .logged_ms
            .is_some_and(|at| now_ms.saturating_sub(at) < EVERY_MS);
        if why != NotTaken::Quota || lately {
            return;
        }
        self.logged_ms = Some(now_ms);
        tracing::warn!(
            agency.id = %peer.agency.id,
            system.name = %peer.system.name,
            limit.messages = peer.agency.limits.private_messages,
            limit.mib = peer.agency.limits.private_mib,
            "own queues of the agency, or of its unlisted unit, hold as much as private_messages or private_mib allows: publishes get a nack"
        );
    }
}
