//! The leaf of a record: 33 octets that commit to the record's parts, each of which opens alone.
//!
//! ```text
//! leaf   version 1 (u8) | root of the parts' tree 32
//! part   SHA-256( 0 | salt 16 | what u8 | kind u8 | schema u16 | octets )
//! dummy  HMAC-SHA-256( secret, "carnet leaf dummy" | number u32 )
//! salt   HMAC-SHA-256( secret, "carnet leaf salt" | number u32 ), its first 16 octets
//! ```
//! Numbers are little endian. `what` is 0 for a whole record, 1 for the common part of an exchange, 2 for its
//! sender's, 3 for a recipient's; `kind` and `schema` are the record's. Parts are numbered from 0 in the order in
//! which their record has them; dummies go on from there, until there are as many nodes as [`Parts::close`] says.
//! The nodes stand in ascending order, so that a part's place tells nothing of the others; the tree over them is
//! RFC 6962's above its leaves. A leaf has one length whatever its record is.

use aws_lc_rs::hmac;

use super::tree::{node_hash, root_of};
use crate::message::id::Digest;

/// The secret of a piece of evidence, 32 octets: the salts of its leaf's parts follow from it, so that a
/// party that has a salt can open one part and none beside it. An exchange's is drawn at admission; of
/// other records it follows from their address and what was drawn as the process started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LeafSecret([u8; 32]);

impl LeafSecret {
    /// A secret of octets that were drawn.
    pub const fn new(drawn: [u8; 32]) -> Self {
        Self(drawn)
    }

    /// The octets.
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// The secret of the record at an address, which follows from this one of a whole run.
    #[must_use]
    pub fn at(&self, address: u64) -> Self {
        let Digest(octets) = self.derived(&[b"carnet leaf secret", &address.to_le_bytes()]);
        Self(octets)
    }

    /// What follows from this secret and these parts: HMAC-SHA-256 under it.
    pub fn derived(&self, parts: &[&[u8]]) -> Digest {
        derived(&self.key(), parts)
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// Shows no secret.
impl std::fmt::Debug for LeafSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeafSecret(..)")
    }
}

fn derived(secret: &hmac::Key, parts: &[&[u8]]) -> Digest {
    let mut context = hmac::Context::with_key(secret);
    for part in parts {
        context.update(part);
    }
    let mut derived = Digest([0; 32]);
    let tag = context.sign();
    let octets = derived.0.iter_mut().zip(tag.as_ref());
    octets.for_each(|(to, from)| *to = *from);
    derived
}

/// Nodes of the smallest tree of parts.
const NODES_MIN: usize = 8;
/// Octets of a leaf.
pub const LEAF_BYTES: usize = 33;
/// The version of all that is said here.
const VERSION: u8 = 1;
/// Octets of a salt.
const SALT_BYTES: usize = 16;

/// What a part of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// All of a record that has no parts.
    Whole,
    /// What every party to an exchange may open.
    Common,
    /// What its sender may open.
    Sender,
    /// What one recipient may open.
    Recipient,
}

/// A leaf: what the tree commits to of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf(pub [u8; LEAF_BYTES]);

/// A part of a record as its holder has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// What it is.
    pub what: What,
    /// The kind of the record.
    pub kind: u8,
    /// The schema of the record.
    pub schema: u16,
    /// What the record has in it.
    pub octets: &'a [u8],
}

/// A part with what shows that a leaf commits to it, and nothing of the other parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The salt of the part.
    pub salt: [u8; SALT_BYTES],
    /// The place of its node among all, from 0.
    pub place: u64,
    /// The siblings on the way from its node to the root.
    pub siblings: Vec<Digest>,
}

/// The parts of a record, in the order in which it has them.
pub struct Parts {
    secret: hmac::Key,
    nodes: Vec<Digest>,
}

impl What {
    /// Its number in the octets of a node.
    const fn number(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Common => 1,
            Self::Sender => 2,
            Self::Recipient => 3,
        }
    }
}

impl Part<'_> {
    fn node(&self, salt: &[u8; SALT_BYTES]) -> Digest {
        let head = [self.what.number(), self.kind];
        let schema = self.schema.to_le_bytes();
        Digest::of_all(&[&[0], salt, &head, &schema, self.octets])
    }
}

impl Opened {
    /// The leaf that commits to this part. None where the siblings lead to none.
    pub fn leaf(&self, part: &Part<'_>) -> Option<Leaf> {
        let levels = u32::try_from(self.siblings.len()).ok()?;
        let nodes = 1_u64.checked_shl(levels)?;
        let node = part.node(&self.salt);
        root_of(node, self.place, nodes, &self.siblings).map(Leaf::over)
    }
}

impl Leaf {
    fn over(root: Digest) -> Self {
        let mut octets = [VERSION; LEAF_BYTES];
        let (_, place) = octets.split_at_mut(1);
        place.copy_from_slice(&root.0);
        Self(octets)
    }
}

impl Parts {
    /// No parts yet of a record with this secret.
    pub fn new(secret: &LeafSecret) -> Self {
        Self {
            secret: secret.key(),
            nodes: Vec::with_capacity(NODES_MIN),
        }
    }

    /// Adds the next part.
    pub fn add(&mut self, part: &Part<'_>) {
        self.nodes.push(part.node(&self.salt(self.nodes.len())));
    }

    /// The leaf, and how the part with this number opens. `shown` is the number of parts of which a party may
    /// learn that they are there: there are twice as many nodes at least, so that a few hidden parts more change
    /// nothing that is seen.
    pub fn close(self, shown: usize, number: usize) -> (Leaf, Option<Opened>) {
        let salt = self.salt(number);
        let node = self.nodes.get(number).copied();
        let nodes = self.filled(shown);
        let place = node.and_then(|node| nodes.iter().position(|it| *it == node));
        let mut siblings = Vec::new();
        let mut at = place.unwrap_or_default();
        let mut level = nodes;
        while level.len() > 1 {
            siblings.extend(level.get(at ^ 1).copied());
            at /= 2;
            level = above(&level);
        }
        let root = level.first().copied().unwrap_or_else(|| Digest::of(b""));
        let opened = place.map(|place| Opened {
            salt,
            place: u64::try_from(place).unwrap_or_default(),
            siblings,
        });
        (Leaf::over(root), opened)
    }

    /// The leaf.
    pub fn leaf(self, shown: usize) -> Leaf {
        let mut level = self.filled(shown);
        while level.len() > 1 {
            level = above(&level);
        }
        Leaf::over(level.first().copied().unwrap_or_else(|| Digest::of(b"")))
    }

    /// All nodes in their order, dummies among them.
    fn filled(mut self, shown: usize) -> Vec<Digest> {
        let wanted = shown.saturating_mul(2).max(self.nodes.len());
        let wanted = wanted.max(NODES_MIN).next_power_of_two();
        for number in self.nodes.len()..wanted {
            self.nodes.push(self.numbered(b"carnet leaf dummy", number));
        }
        self.nodes.sort_unstable();
        self.nodes
    }

    fn salt(&self, number: usize) -> [u8; SALT_BYTES] {
        let Digest(derived) = self.numbered(b"carnet leaf salt", number);
        derived.first_chunk().copied().unwrap_or_default()
    }

    fn numbered(&self, label: &[u8], number: usize) -> Digest {
        let number = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        derived(&self.secret, &[label, &number])
    }
}

/// The level above one of an even number of nodes.
fn above(level: &[Digest]) -> Vec<Digest> {
    let (pairs, _) = level.as_chunks();
    pairs
        .iter()
        .map(|[left, right]| node_hash(*left, *right))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(what: What, octets: &[u8]) -> Part<'_> {
        Part {
            what,
            kind: 3,
            schema: 9,
            octets,
        }
    }

    fn parts(octets: &[&[u8]]) -> Parts {
        let mut parts = Parts::new(&LeafSecret::new(std::array::from_fn(|n| {
            u8::try_from(n).unwrap()
        })));
        for it in octets {
            parts.add(&part(What::Recipient, it));
        }
        parts
    }

    #[test]
    fn a_leaf_is_what_other_software_computes() {
        // Python, with hmac and hashlib, as the head of this file says.
        let leaf = parts(&[b"common", b"sent", b"got"]).leaf(3);
        let expected = "011ebc3097c28151f881ea0aea8a27ddee30c1cf6768b12d217dc60d89f4e26255";
        assert_eq!(data_encoding::HEXLOWER.encode(&leaf.0), expected);
    }

    #[test]
    fn each_part_opens_to_its_leaf_and_nothing_else_does() {
        for count in 1..40 {
            let octets: Vec<Vec<u8>> = (0..count).map(|n: u8| vec![n; 9]).collect();
            let octets: Vec<&[u8]> = octets.iter().map(Vec::as_slice).collect();
            let leaf = parts(&octets).leaf(2);
            for (number, it) in octets.iter().enumerate() {
                let (closed, opened) = parts(&octets).close(2, number);
                let opened = opened.unwrap();
                let right = part(What::Recipient, it);
                assert_eq!((closed, opened.leaf(&right)), (leaf, Some(leaf)));
                let (kind, schema) = (right.kind + 1, right.schema + 1);
                for other in [
                    part(What::Sender, it),
                    part(What::Recipient, b"another"),
                    Part { kind, ..right },
                    Part { schema, ..right },
                ] {
                    assert_ne!(opened.leaf(&other), Some(leaf));
                }
                let mut salted = opened.clone();
                salted.salt[3] ^= 1;
                assert_ne!(salted.leaf(&right), Some(leaf));
                let place = opened.place ^ 1;
                assert_ne!(Opened { place, ..opened }.leaf(&right), Some(leaf));
            }
            assert_eq!(parts(&octets).close(2, octets.len()).1, None);
        }
    }

    #[test]
    fn what_is_hidden_changes_neither_the_number_of_siblings_nor_the_order() {
        let siblings = |hidden: u8| {
            let octets: Vec<Vec<u8>> = (0..5 + hidden).map(|n| vec![n; 9]).collect();
            let octets: Vec<&[u8]> = octets.iter().map(Vec::as_slice).collect();
            let (_, opened) = parts(&octets).close(5, 1);
            opened.unwrap().siblings.len()
        };
        assert!((0..=11).all(|hidden| siblings(hidden) == 4));
        // The first part stands at all places, one exchange with another.
        let places = (0..200_u8).map(|n| {
            let mut parts = Parts::new(&LeafSecret::new([n; 32]));
            parts.add(&part(What::Common, b"common"));
            parts.close(3, 0).1.unwrap().place
        });
        let places: std::collections::BTreeSet<u64> = places.collect();
        assert_eq!(places.len(), 8);
    }
}
