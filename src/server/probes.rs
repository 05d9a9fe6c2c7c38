//! Connections that end before they say who they are: a load balancer looks so whether the broker is
//! there, each second if need be, from each of its machines.
//!
//! The first of a network is told, and then once an hour how many there were: a client that shows no
//! certificate looks the same, and is not to be lost sight of.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::agency::network::Network;

/// How long the next ones are counted only.
const QUIET: Duration = Duration::from_hours(1);
/// Networks that are kept apart; those beyond are told one by one, as many as strangers may.
const NETWORKS: usize = 1024;

/// How a connection ended without a word of who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Probe {
    /// The connection was closed in the midst of the handshake, or before.
    Closed,
    /// The handshake came to its end without a certificate.
    WithoutCertificate,
}

#[derive(Debug)]
struct Seen {
    /// When the last was told (monotonic).
    told: Duration,
    since: u64,
}

/// What was seen of each network.
#[derive(Debug, Default)]
pub(super) struct Probes(Mutex<BTreeMap<(Network, Probe), Seen>>);

impl Probes {
    /// How many of its network are to be told now, this one among them; none where one was told
    /// within the hour.
    pub(super) fn tell(&self, probe: Probe, remote: IpAddr, now: Duration) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Network::around(remote), probe);
        let is_quiet = |seen: &Seen| now.saturating_sub(seen.told) < QUIET;
        if let Some(seen) = all.get_mut(&key) {
            seen.since = seen.since.saturating_add(1);
            if is_quiet(seen) {
                return None;
            }
            seen.told = now;
            return Some(std::mem::take(&mut seen.since));
        }
        if all.len() >= NETWORKS {
            all.retain(|_, seen| is_quiet(seen));
        }
        if all.len() < NETWORKS {
            let seen = Seen {
                told: now,
                since: 0,
            };
            all.insert(key, seen);
        }
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_of_a_network_is_told_and_then_each_hour_how_many_there_were() {
        let probes = Probes::default();
        let tell = |address: &str, probe, seconds| {
            probes.tell(probe, address.parse().unwrap(), at(seconds))
        };
        let closed = Probe::Closed;
        assert_eq!(tell("10.1.2.3", closed, 0), Some(1));
        // From whichever of its machines, however the socket has its address.
        let machines = ["10.1.2.3", "10.1.2.200", "::ffff:10.1.2.4"];
        for (second, address) in (1..3_600).zip(machines.into_iter().cycle()) {
            assert_eq!(tell(address, closed, second), None, "{second}");
        }
        assert_eq!(tell("10.1.2.9", closed, 3_600), Some(3_600));
        assert_eq!(tell("10.1.2.9", closed, 3_601), None);
        // A client without its certificate is not lost among them, nor is another network.
        assert_eq!(tell("10.1.2.3", Probe::WithoutCertificate, 3_602), Some(1));
        assert_eq!(tell("10.1.3.3", closed, 3_602), Some(1));
        assert_eq!(tell("2001:db8:1:1::1", closed, 3_602), Some(1));
        assert_eq!(tell("2001:db8:1:2::2", closed, 3_603), None);
        assert_eq!(tell("2001:db8:2:1::1", closed, 3_603), Some(1));
    }

    #[test]
    fn more_networks_than_are_kept_apart_cost_no_memory() {
        let probes = Probes::default();
        for n in 0..3 * u32::try_from(NETWORKS).unwrap() {
            let remote = IpAddr::V4((n << 8).into());
            assert_eq!(probes.tell(Probe::Closed, remote, at(0)), Some(1));
        }
        assert_eq!(probes.0.lock().unwrap().len(), NETWORKS);
        let remote = IpAddr::V4(u32::MAX.into());
        assert_eq!(probes.tell(Probe::Closed, remote, QUIET), Some(1));
        assert_eq!(
            probes.0.lock().unwrap().len(),
            1,
            "those of before are over"
        );
    }
}
