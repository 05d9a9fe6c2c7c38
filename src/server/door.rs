//! The door: which clients may shake hands, each network at most so many at a time.
//!
//! A client that is not known yet has a place here until it is, or is told that it is declined; there
//! is one place less for its network meanwhile. Sockets beyond wait in front of the door, and when one
//! gets a place it is the first of a network that has the fewest, of the one that came first among equal
//! ones. Some places are for networks that have none: strangers of a few networks who say nothing hold up
//! clients of these networks alone. Strangers of a thousand networks hold up all, for 5 s each.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::agency::network::Network;
use crate::broker::limits::{HANDSHAKES, HANDSHAKES_KEPT, HANDSHAKES_WAITING, NETWORK_HANDSHAKES};

/// Sockets that wait in front of the door, by network. Owned by the task that accepts.
pub(super) struct Door<T> {
    inside: Arc<Inside>,
    waiting: BTreeMap<Network, VecDeque<Waiting<T>>>,
    waits: usize,
    /// How many sockets were accepted.
    came: u64,
}

/// A socket that waits.
struct Waiting<T> {
    /// Its number among all that were accepted.
    number: u64,
    guest: T,
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
            came: 0,
        }
    }

    /// Takes a socket that was accepted into the line of its network. Gives back the one that must go,
    /// where too many wait: the last of the network of which the most do, of equal ones the last that came.
    pub(super) fn arrive(&mut self, remote: IpAddr, guest: T) -> Option<T> {
        self.came += 1;
        let number = self.came;
        let line = self.waiting.entry(Network::around(remote)).or_default();
        line.push_back(Waiting { number, guest });
        self.waits += 1;
        if self.waits <= HANDSHAKES_WAITING {
            return None;
        }
        let last = |line: &VecDeque<Waiting<T>>| line.back().map(|it| it.number);
        let longest = (self.waiting.iter()).max_by_key(|(_, line)| (line.len(), last(line)));
        let longest = *longest?.0;
        self.take(longest, VecDeque::pop_back)
    }

    /// Takes a socket out of the line of a network.
    fn take(
        &mut self,
        network: Network,
        pop: fn(&mut VecDeque<Waiting<T>>) -> Option<Waiting<T>>,
    ) -> Option<T> {
        let line = self.waiting.get_mut(&network)?;
        let Waiting { guest, .. } = pop(line)?;
        if line.is_empty() {
            self.waiting.remove(&network);
        }
        self.waits -= 1;
        Some(guest)
    }

    /// The next client that may shake hands: of the networks that wait and of which the fewest do, the
    /// first that came.
    pub(super) fn next(&mut self) -> Option<(T, Handshake)> {
        let mut counts = self.inside.counts();
        let inside = |network: &Network| counts.get(network).copied().unwrap_or(0);
        let first = |line: &VecDeque<Waiting<T>>| line.front().map(|it| it.number);
        let next = self.waiting.iter();
        let next = next.min_by_key(|(network, line)| (inside(network), first(line)));
        let network = *next?.0;
        let places = match inside(&network) {
            0 => HANDSHAKES,
            NETWORK_HANDSHAKES.. => 0,
            _ => HANDSHAKES - HANDSHAKES_KEPT,
        };
        if counts.values().sum::<usize>() >= places {
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

    /// All places that networks with some inside may have, taken by such.
    fn fill(door: &mut Door<u8>) -> Vec<(u8, Handshake)> {
        let mut inside = Vec::new();
        for network in 0..4 {
            for _ in 0..=NETWORK_HANDSHAKES {
                assert_eq!(door.arrive(address(network), network), None);
            }
            inside.extend(enter(door));
        }
        let last = HANDSHAKES - HANDSHAKES_KEPT - 2 * NETWORK_HANDSHAKES;
        assert_eq!(inside.len(), 2 * NETWORK_HANDSHAKES + last + 1);
        inside
    }

    #[test]
    fn few_networks_leave_places_to_those_that_have_none() {
        let mut door = Door::new(Arc::default());
        let mut inside = fill(&mut door);
        for network in 100..200 {
            for _ in 0..2 {
                assert_eq!(door.arrive(address(network), network), None);
            }
        }
        let others: Vec<u8> = enter(&mut door)
            .iter()
            .map(|(network, _)| *network)
            .collect();
        assert_eq!(others, (100..200).collect::<Vec<u8>>());
        // Those are gone again. The last network has none inside now, and came before them.
        inside.truncate(inside.len() - 2);
        let next = enter(&mut door);
        assert!(matches!(&next[..], [(3, _), (100, _), ..]));
        assert_eq!(next.len(), 101);
    }

    #[test]
    fn of_networks_with_equally_many_inside_the_one_that_came_first_comes_first() {
        let mut door = Door::new(Arc::default());
        for network in [9, 3, 7, 1] {
            assert_eq!(door.arrive(address(network), network), None);
        }
        let order: Vec<u8> = enter(&mut door)
            .iter()
            .map(|(network, _)| *network)
            .collect();
        assert_eq!(order, [9, 3, 7, 1]);
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
