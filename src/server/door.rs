//! The door: which clients may shake hands, each network at most so many at a time.
//!
//! A client that is not known yet has a place here until it is; there is one place less for its network
//! meanwhile. Sockets beyond wait in front of the door, and when one gets a place it is of the network
//! that has the fewest: strangers who say nothing hold up those of their own network alone.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::agency::network::Network;
use crate::broker::limits::{HANDSHAKES, HANDSHAKES_WAITING, NETWORK_HANDSHAKES};

/// Sockets that wait in front of the door, by network. Owned by the task that accepts.
pub(super) struct Door<T> {
    inside: Arc<Inside>,
    waiting: BTreeMap<Network, VecDeque<T>>,
    waits: usize,
}

/// Clients that shake hands, counted by network.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// How many clients of each network shake hands, none of them 0.
    counts: Mutex<BTreeMap<Network, usize>>,
    left: Notify,
}

/// The place of one client that shakes hands; free again once it is dropped.
#[derive(Debug)]
pub(super) struct Handshake {
    inside: Arc<Inside>,
    network: Network,
}

impl<T> Door<T> {
    pub(super) fn new(inside: Arc<Inside>) -> Self {
        Self {
            inside,
            waiting: BTreeMap::new(),
            waits: 0,
        }
    }

    /// Takes a socket that was accepted into the line of its network. Gives back the one that must go,
    /// where too many wait: the last of the network of which the most do.
    pub(super) fn arrive(&mut self, remote: IpAddr, guest: T) -> Option<T> {
        let line = self.waiting.entry(Network::around(remote)).or_default();
        line.push_back(guest);
        self.waits += 1;
        if self.waits <= HANDSHAKES_WAITING {
            return None;
        }
        let longest = self.waiting.iter().max_by_key(|(_, line)| line.len());
        let longest = *longest?.0;
        self.take(longest, VecDeque::pop_back)
    }

    /// Takes a socket out of the line of a network.
    fn take(&mut self, network: Network, pop: fn(&mut VecDeque<T>) -> Option<T>) -> Option<T> {
        let line = self.waiting.get_mut(&network)?;
        let guest = pop(line)?;
        if line.is_empty() {
            self.waiting.remove(&network);
        }
        self.waits -= 1;
        Some(guest)
    }

    /// The next socket that may shake hands: of the networks of which some wait, one of which the fewest
    /// shake hands.
    pub(super) fn next(&mut self) -> Option<(T, Handshake)> {
        let mut counts = self.inside.counts();
        if counts.values().sum::<usize>() >= HANDSHAKES {
            return None;
        }
        let inside = |network: &Network| counts.get(network).copied().unwrap_or(0);
        let network = *self.waiting.keys().min_by_key(|network| inside(network))?;
        if inside(&network) >= NETWORK_HANDSHAKES {
            return None;
        }
        *counts.entry(network).or_default() += 1;
        drop(counts);
        let handshake = Handshake {
            inside: Arc::clone(&self.inside),
            network,
        };
        let guest = self.take(network, VecDeque::pop_front)?;
        Some((guest, handshake))
    }
}

impl Inside {
    fn counts(&self) -> std::sync::MutexGuard<'_, BTreeMap<Network, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when a client has left its place, at once where one has since the last call.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    /// Returns when no client shakes hands.
    pub(super) async fn is_empty(&self) {
        while !self.counts().is_empty() {
            self.left().await;
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut counts = self.inside.counts();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
        drop(counts);
        self.inside.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(network: u8) -> IpAddr {
        IpAddr::V4([10, 0, network, 1].into())
    }

    /// All who get in now.
    fn enter(door: &mut Door<u8>) -> Vec<(u8, Handshake)> {
        std::iter::from_fn(|| door.next()).collect()
    }

    #[test]
    fn strangers_of_a_network_leave_places_to_others_and_come_in_as_their_own_leave() {
        let mut door = Door::new(Arc::default());
        for _ in 0..NETWORK_HANDSHAKES + 2 {
            assert_eq!(door.arrive(address(1), 1), None);
        }
        let mut inside = enter(&mut door);
        assert_eq!(inside.len(), NETWORK_HANDSHAKES);
        assert_eq!(door.arrive(address(2), 2), None);
        let others = enter(&mut door);
        assert!(matches!(&others[..], [(2, _)]));
        inside.truncate(NETWORK_HANDSHAKES - 1);
        assert!(matches!(&enter(&mut door)[..], [(1, _)]));
        drop((inside, others));
        assert_eq!(enter(&mut door).len(), 1);
        assert!(door.inside.counts().is_empty());
    }

    #[test]
    fn who_waits_of_the_network_with_the_fewest_inside_comes_first() {
        let mut door = Door::new(Arc::default());
        let networks = u8::try_from(HANDSHAKES.div_euclid(NETWORK_HANDSHAKES)).unwrap();
        let mut inside = Vec::new();
        for network in 0..networks {
            for _ in 0..=NETWORK_HANDSHAKES {
                assert_eq!(door.arrive(address(network), network), None);
            }
            inside.extend(enter(&mut door));
        }
        assert_eq!(inside.len(), HANDSHAKES);
        assert_eq!(door.arrive(address(99), 99), None);
        assert!(enter(&mut door).is_empty());
        inside.pop();
        assert!(matches!(&enter(&mut door)[..], [(99, _)]));
    }

    #[test]
    fn where_too_many_wait_the_network_of_which_the_most_do_gives_way() {
        let mut door = Door::new(Arc::default());
        for _ in 0..HANDSHAKES_WAITING {
            assert_eq!(door.arrive(address(1), 1), None);
        }
        assert_eq!(door.arrive(address(2), 2), Some(1));
        assert_eq!(door.arrive(address(1), 1), Some(1));
        assert!(enter(&mut door).iter().any(|(network, _)| *network == 2));
    }
}
