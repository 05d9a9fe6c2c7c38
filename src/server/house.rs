//! What all connections share, and what the operator's log says of them.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::chatter::Chatter;
use super::places::Places;
use super::probes::{Probe, Probes};
use super::shell::Shell;
use crate::agency::identity::Admitted;
use crate::agency::network::Network;
use crate::agency::refusal::{IdentityRefusal, RefusalKind};
use crate::agency::registry::Peer;
use crate::broker::limits::CONNECTIONS;
use crate::message::id::{AgencyId, Digest};

/// The shell with what it keeps count of.
pub(super) struct House {
    pub(super) shell: Shell,
    /// Where systems are.
    pub(super) places: Places,
    /// Where officers are.
    pub(super) offices: Places,
    pub(super) chatter: Chatter,
    /// The most work of a worker thread between two looks at its sockets, in octets: see `turns`.
    pub(super) octets_most: Arc<AtomicUsize>,
    advised: Advised,
    probes: Probes,
    /// The port from which the broker looks at its own listener; 0 for none.
    own: AtomicU16,
}

/// Certificates whose departures from the profile were told: each once.
#[derive(Default)]
struct Advised(Mutex<BTreeSet<Digest>>);

impl Advised {
    fn is_new(&self, certificate: Digest) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // More than there are systems: what is told again then is told rarely.
        if told.len() >= CONNECTIONS {
            told.clear();
        }
        told.insert(certificate)
    }
}

impl House {
    pub(super) fn new(shell: Shell) -> Self {
        Self {
            shell,
            places: Places::of_systems(),
            offices: Places::of_officers(),
            chatter: Chatter::default(),
            octets_most: Arc::default(),
            advised: Advised::default(),
            probes: Probes::default(),
            own: AtomicU16::default(),
        }
    }

    /// Says that a system has connected, or why there is no place for it.
    pub(super) fn welcome(&self, peer: &Peer, remote: SocketAddr, declined: Option<&str>) {
        let (agency, system) = (&peer.agency.id, &peer.system.name);
        if !self.chatter.may(Some(agency), self.shell.clock.monotonic()) {
            return;
        }
        match declined {
            None => {
                tracing::info!(%remote, agency.id = %agency, system.name = %system, "connected");
            }
            Some(says) => {
                tracing::warn!(%remote, agency.id = %agency, system.name = %system, says, "a connection is declined");
            }
        }
    }

    /// Says that there is no place for an officer's connection.
    pub(super) fn turned_away(&self, agency: &AgencyId, remote: SocketAddr, says: &str) {
        if self.chatter.may(Some(agency), self.shell.clock.monotonic()) {
            tracing::warn!(%remote, agency.id = %agency, says, "an officer's connection is declined");
        }
    }

    /// Says that a system is gone, which had come `since` (monotonic), and how.
    pub(super) fn farewell(
        &self,
        peer: &Peer,
        remote: SocketAddr,
        since: Duration,
        ended: &io::Result<String>,
    ) {
        let now = self.shell.clock.monotonic();
        let (agency, system) = (&peer.agency.id, &peer.system.name);
        if !self.chatter.may(Some(agency), now) {
            return;
        }
        let seconds = now.saturating_sub(since).as_secs();
        let why: &dyn std::fmt::Display = match ended {
            Ok(how) => how,
            Err(error) => error,
        };
        tracing::info!(
            %remote, agency.id = %agency, system.name = %system, why = %why, connected_s = seconds, "disconnected"
        );
    }

    /// From this port of this machine the broker looks at its own listener: nothing is said of that.
    pub(super) fn expect_own(&self, port: u16) {
        self.own.store(port, Ordering::Relaxed);
    }

    fn is_own(&self, remote: SocketAddr) -> bool {
        let ip = remote.ip().to_canonical();
        ip.is_loopback() && remote.port() == self.own.load(Ordering::Relaxed)
    }

    /// Says that a connection ended before it said who it is.
    pub(super) fn handshake_failed(&self, remote: SocketAddr, error: &io::Error) {
        use io::ErrorKind::{ConnectionReset, UnexpectedEof};
        if self.is_own(remote) {
            return;
        }
        if [UnexpectedEof, ConnectionReset].contains(&error.kind()) {
            self.probed(Probe::Closed, remote);
        } else if self.chatter.may(None, self.shell.clock.monotonic()) {
            tracing::info!(%remote, %error, "a handshake failed");
        }
    }

    /// Tells of a connection that ended before it said who it is, unless its network was told of.
    fn probed(&self, probe: Probe, remote: SocketAddr) {
        let now = self.shell.clock.monotonic();
        let Some(times) = self.probes.tell(probe, remote.ip(), now) else {
            return;
        };
        if self.chatter.may(None, now) {
            let network = Network::around(remote.ip());
            let how = match probe {
                Probe::Closed => "it closed the connection in the handshake",
                Probe::WithoutCertificate => "it showed no certificate (identity.no-certificate)",
            };
            tracing::info!(
                %remote, %network, times, how,
                "a connection ended before it said who it is; the next of its network are counted for an hour"
            );
        }
    }

    /// Logs that a client was declined for its certificate, and counts it.
    pub(super) fn declined(&self, refusal: &IdentityRefusal, remote: SocketAddr) {
        if self.is_own(remote) {
            return;
        }
        if refusal.kind == RefusalKind::NoCertificate {
            self.probed(Probe::WithoutCertificate, remote);
        } else if self.chatter.may(None, self.shell.clock.monotonic()) {
            let code = refusal.code();
            tracing::warn!(%remote, %refusal, refusal.code = code, "a client was declined");
        }
        self.shell
            .refusals
            .note(refusal, remote.ip(), self.shell.clock.now());
    }

    /// Says where the certificate departs from the profile, once for each certificate.
    pub(super) fn advise(&self, admitted: &Admitted) {
        let (peer, certificate) = (&admitted.peer, &admitted.certificate);
        if admitted.departures.is_empty() || !self.advised.is_new(certificate.fingerprint) {
            return;
        }
        let (agency, system) = (&peer.agency.id, &peer.system.name);
        let advice = admitted.departures.join("; ");
        tracing::warn!(
            agency.id = %agency, system.name = %system, serial = certificate.serial, advice,
            "a client's certificate departs from the profile of certs/README.md"
        );
    }
}
