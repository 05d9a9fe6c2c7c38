//! What the shell is made of.

use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::descriptors;
use super::desk::Desk;
use super::ends::Ends;
use super::jwks::KeySets;
use super::refusals::Refusals;
use super::tls::Tls;
use crate::backbone::embedded::Embedded;
use crate::broker::budget::Budgets;

/// What the shell is started with.
pub(crate) struct Shell {
    /// The core.
    pub backbone: Arc<Embedded>,
    /// TLS, with the server's certificate of the day.
    pub tls: Arc<Tls>,
    /// Keys of the agencies' identity providers.
    pub keys: Arc<KeySets>,
    /// Ends of certificates by which systems have connected.
    pub ends: Arc<Ends>,
    /// Clients whose connections were declined.
    pub refusals: Refusals,
    /// Where large messages are admitted.
    pub desk: Arc<Desk>,
    /// What each agency may hold, and how fast it may go on.
    pub budgets: Budgets,
    /// Time.
    pub clock: Clock,
    /// Heartbeat offered to clients.
    pub heartbeat_s: u16,
    /// Sockets that may be open at a time, those of clients that shake hands among them.
    pub sockets: descriptors::Sockets,
    /// Runtimes, one a thread.
    pub runtimes: usize,
    /// How long a stop may take.
    pub drain: Duration,
}
