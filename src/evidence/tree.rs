//! Hashes of an RFC 6962 Merkle tree, and the verification of its proofs (RFC 9162, sections 2.1.3 and 2.1.4).

use crate::message::id::Digest;

/// A tree as far as one looks at it: so many leaves, and the root over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Leaves.
    pub size: u64,
    /// The hash over all of them.
    pub root: Digest,
}

impl Head {
    /// The tree without a leaf.
    pub fn empty() -> Self {
        Self {
            size: 0,
            root: Digest::of(b""),
        }
    }
}

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)`.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::of_all(&[&[0], entry])
}

/// The hash of a node: `SHA-256(0x01 ‖ left ‖ right)`.
pub(super) fn node_hash(left: Digest, right: Digest) -> Digest {
    Digest::of_all(&[&[1], &left.0, &right.0])
}

/// A tree that grows by leaves: the roots of its full parts, the largest first, and nothing below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Digest>,
}

impl Frontier {
    /// A tree of so many leaves with these roots of its full parts. None where there are not as many as the number
    /// has ones.
    pub fn of(size: u64, nodes: Vec<Digest>) -> Option<Self> {
        let is_whole = u32::try_from(nodes.len()).ok() == Some(size.count_ones());
        is_whole.then_some(Self { size, nodes })
    }

    /// Leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its full parts, the largest first.
    pub fn nodes(&self) -> &[Digest] {
        &self.nodes
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            // As many full parts as the number has ones at its end are of the sizes that join.
            if let Some(left) = self.nodes.pop() {
                node = node_hash(left, node);
            }
        }
        self.nodes.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The size and the root.
    pub fn head(&self) -> Head {
        let mut nodes = self.nodes.iter().rev().copied();
        let Some(last) = nodes.next() else {
            return Head::empty();
        };
        Head {
            size: self.size,
            root: nodes.fold(last, |right, left| node_hash(left, right)),
        }
    }
}

/// The root of a tree of `size` leaves of which the one at `index` has this hash and this path of siblings, from
/// the leaf's up to the root's child. None where no tree of that size has such a path.
pub fn root_of(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let mut place = Place {
        node: index,
        last: size - 1,
    };
    let mut root = leaf;
    for sibling in path {
        root = match place.side()? {
            Side::Left => node_hash(*sibling, root),
            Side::Right => node_hash(root, *sibling),
        };
    }
    (place.last == 0).then_some(root)
}

/// Whether the tree of `new` begins with all leaves of the tree of `old`, by this consistency proof.
pub fn is_consistent(old: Head, new: Head, proof: &[Digest]) -> bool {
    if old.size == new.size {
        return old.root == new.root && proof.is_empty();
    }
    if old.size == 0 {
        return old == Head::empty() && proof.is_empty();
    }
    grows(old, new, proof).is_some_and(|roots| roots == (old.root, new.root))
}

/// The roots of both trees that a proof leads to.
fn grows(old: Head, new: Head, proof: &[Digest]) -> Option<(Digest, Digest)> {
    if old.size > new.size {
        return None;
    }
    // Where the old tree is a full one, its root is the first node.
    let full = old.size.is_power_of_two().then_some(old.root);
    let mut nodes = full.into_iter().chain(proof.iter().copied());
    let mut place = Place {
        node: old.size - 1,
        last: new.size - 1,
    };
    place.rise(place.node.trailing_ones());
    let first = nodes.next()?;
    let (mut before, mut after) = (first, first);
    for node in nodes {
        match place.side()? {
            Side::Left => {
                before = node_hash(node, before);
                after = node_hash(node, after);
            }
            Side::Right => after = node_hash(after, node),
        }
    }
    (place.last == 0).then_some((before, after))
}

/// Where the sibling of a node stands.
enum Side {
    Left,
    Right,
}

/// A node on its level, and the last node of that level.
struct Place {
    node: u64,
    last: u64,
}

impl Place {
    /// Where the next sibling on the way up stands, having passed it; none at the root.
    fn side(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        if self.node & 1 == 0 && self.node != self.last {
            self.rise(1);
            return Some(Side::Right);
        }
        // A last node without a sibling is its own parent.
        let alone = if self.node & 1 == 0 {
            self.node.trailing_zeros()
        } else {
            0
        };
        self.rise(alone.saturating_add(1));
        Some(Side::Left)
    }

    /// So many levels up; a level that there is not has one node.
    fn rise(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    use super::*;

    /// Leaves of the trees that are compared.
    const SIZES: u64 = 100;

    type Tree = MemoryBackedTree<Sha256, Vec<u8>>;

    fn entry(n: u64) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    fn nodes(octets: &[u8]) -> Vec<Digest> {
        let (nodes, rest) = octets.as_chunks();
        assert!(rest.is_empty());
        nodes.iter().copied().map(Digest).collect()
    }

    fn head(tree: &Tree) -> Head {
        let [root] = nodes(tree.root().as_bytes())[..] else {
            panic!("one root");
        };
        let size = tree.len();
        Head { size, root }
    }

    /// Proofs like this one that prove nothing: each node another, one too few, one too many.
    fn spoilt(proof: &[Digest]) -> Vec<Vec<Digest>> {
        let mut all: Vec<Vec<Digest>> = (0..proof.len())
            .map(|place| {
                let mut proof = proof.to_vec();
                proof[place].0[7] ^= 1;
                proof
            })
            .collect();
        all.push([proof, &[Digest([0; 32])]].concat());
        all.extend(proof.split_last().map(|(_, fewer)| fewer.to_vec()));
        all
    }

    #[test]
    fn paths_of_another_implementation_lead_to_its_root_and_no_others_do() {
        let mut tree = Tree::new();
        for size in 1..=SIZES {
            tree.push(entry(size - 1));
            let root = head(&tree).root;
            for index in 0..size {
                let proof = tree.prove_inclusion(index.try_into().unwrap());
                let path = nodes(proof.as_bytes());
                let leaf = leaf_hash(&entry(index));
                let of = |leaf, index, path: &[Digest]| root_of(leaf, index, size, path);
                assert_eq!(of(leaf, index, &path), Some(root), "{index} of {size}");
                assert_ne!(of(leaf_hash(b"another"), index, &path), Some(root));
                assert_ne!(of(leaf, index ^ 1, &path), Some(root));
                for other in spoilt(&path) {
                    assert_ne!(of(leaf, index, &other), Some(root), "{index} of {size}");
                }
            }
            assert_eq!(root_of(leaf_hash(b""), size, size, &[]), None);
        }
    }

    #[test]
    fn growth_is_proved_by_another_implementations_proofs_and_no_others() {
        let (mut tree, mut heads) = (Tree::new(), vec![Head::empty()]);
        for size in 1..=SIZES {
            tree.push(entry(size - 1));
            let new = head(&tree);
            heads.push(new);
            assert!(is_consistent(heads[0], new, &[]));
            for old in &heads[1..] {
                let more = usize::try_from(size - old.size).unwrap();
                let proof = nodes(tree.prove_consistency(more).as_bytes());
                assert!(is_consistent(*old, new, &proof), "{} to {size}", old.size);
                let other = |head: Head| Head {
                    root: Digest([7; 32]),
                    ..head
                };
                assert!(!is_consistent(other(*old), new, &proof));
                assert!(!is_consistent(*old, other(new), &proof));
                assert!(more == 0 || !is_consistent(new, *old, &proof));
                for other in spoilt(&proof) {
                    assert!(!is_consistent(*old, new, &other), "{} to {size}", old.size);
                }
            }
        }
        let last = heads[heads.len() - 1];
        let none = Head {
            root: last.root,
            size: 0,
        };
        assert!(
            !is_consistent(none, last, &[]),
            "a tree without leaves has one root"
        );
    }

    #[test]
    fn sizes_at_the_end_of_their_numbers_are_no_proof_and_no_panic() {
        let path = vec![Digest([0; 32]); 64];
        for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
            for index in [0, 1, size - 1, size / 2] {
                for count in 0..=64 {
                    root_of(path[0], index, size, &path[..count]);
                    let old = Head {
                        size: index,
                        root: path[0],
                    };
                    let new = Head { size, ..old };
                    assert!(!is_consistent(old, new, &path[..count]));
                }
            }
        }
    }
}
