//! Tiles: the hashes of a log's tree in files that never change (<https://c2sp.org/tlog-tiles>).
//!
//! ```text
//! tile/<level>/<number>[.p/<width>]      hashes of full parts of 256^level leaves, 256 of them or `width`
//! tile/entries/<number>[.p/<width>]      entries, each behind its length (u16, big endian)
//! ```
//! A number is written in groups of three digits, all but the last behind an `x`. [`Growing`] makes them as leaves
//! come; [`Proofs`] reads proofs from them.

use std::fmt;
use std::str::FromStr;

use super::Malformed;
use super::tree::{Frontier, node_hash};
use crate::message::id::Digest;

/// Hashes or entries of a full tile.
pub const WIDTH: u64 = 256;
/// The level below 64-bit sizes can reach.
const LEVELS_MAX: u8 = 7;
/// Bits by which a level is higher than the one below it.
const BITS: u32 = 8;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of this level.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// The name of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// What it holds.
    pub kind: Kind,
    /// Its number on its level.
    pub number: u64,
    /// Hashes or entries in it, 1 to 256; full with 256.
    pub width: u64,
}

impl Name {
    /// This tile when it is full.
    #[must_use]
    pub const fn full(self) -> Self {
        Self {
            width: WIDTH,
            ..self
        }
    }

    /// The tile of a level that has this hash in a tree of so many leaves; none where the tree has no such one.
    fn holding(level: u8, hash: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(BITS * u32::from(level)).unwrap_or(0);
        let number = hash / WIDTH;
        (hash < hashes).then(|| Self {
            kind: Kind::Hashes(level),
            number,
            width: (hashes - number * WIDTH).min(WIDTH),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
            Kind::Entries => write!(f, "tile/entries/")?,
        }
        let mut groups = vec![self.number % 1000];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        let (last, first) = groups.split_first().unwrap_or((&0, &[]));
        first
            .iter()
            .rev()
            .try_for_each(|group| write!(f, "x{group:03}/"))?;
        write!(f, "{last:03}")?;
        if self.width < WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Errors are what is no name of a tile, or is written otherwise than [`Display`](fmt::Display) writes it.
impl FromStr for Name {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let read = || {
            let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
            let kind = match kind {
                "entries" => Kind::Entries,
                level => Kind::Hashes(level.parse().ok().filter(|level| *level <= LEVELS_MAX)?),
            };
            let (number, width) = match rest.split_once(".p/") {
                Some((number, width)) => (number, width.parse().ok()?),
                None => (rest, WIDTH),
            };
            let mut tile = Self {
                kind,
                number: 0,
                width,
            };
            for group in number.split('/') {
                let group: u64 = group.trim_start_matches('x').parse().ok()?;
                tile.number = tile.number.checked_mul(1000)?.checked_add(group)?;
            }
            Some(tile).filter(|tile| (1..=WIDTH).contains(&tile.width) && tile.to_string() == text)
        };
        read().ok_or_else(|| Malformed::new(format!("{text:?} is no name of a tile")))
    }
}

/// A tile, made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub octets: Vec<u8>,
}

/// The tiles at the edge of a tree that grows: those that are not full, one a level, and the entries beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Growing {
    size: u64,
    entries: Vec<u8>,
    levels: Vec<Vec<Digest>>,
}

impl Growing {
    /// A tree of so many leaves that fill whole tiles, from the full tiles that `read` gives.
    ///
    /// # Errors
    /// Where a tile cannot be read.
    pub fn of<E: From<Malformed>>(
        size: u64,
        mut read: impl FnMut(Name) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut levels = vec![Vec::new()];
        for level in 1..=LEVELS_MAX {
            let through = size.checked_shr(BITS * u32::from(level)).unwrap_or(0);
            if through == 0 {
                break;
            }
            let mut nodes = Vec::with_capacity(256);
            for number in through - through % WIDTH..through {
                let name = Name {
                    kind: Kind::Hashes(level - 1),
                    number,
                    width: WIDTH,
                };
                let tile = hashes(&read(name)?).filter(|tile| tile.len() == 256);
                let tile = tile.ok_or_else(|| Malformed::new(format!("{name} is cut")))?;
                nodes.push(folded(tile));
            }
            levels.push(nodes);
        }
        Ok(Self {
            size,
            entries: Vec::new(),
            levels,
        })
    }

    /// Leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds an entry with its hash; tiles that are full by it go to `full`. An entry has at most 65,535 octets.
    pub fn push(&mut self, entry: &[u8], hash: Digest, full: &mut Vec<Tile>) {
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        self.entries.extend_from_slice(&length.to_be_bytes());
        self.entries.extend_from_slice(entry);
        self.size += 1;
        if self.size.is_multiple_of(WIDTH) {
            full.push(Tile {
                name: Name {
                    kind: Kind::Entries,
                    number: self.size / WIDTH - 1,
                    width: WIDTH,
                },
                octets: std::mem::take(&mut self.entries),
            });
        }
        self.add(0, hash, full);
    }

    fn add(&mut self, level: u8, hash: Digest, full: &mut Vec<Tile>) {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.push(Vec::with_capacity(256));
        }
        let Some(hashes) = self.levels.get_mut(at) else {
            return;
        };
        hashes.push(hash);
        if hashes.len() < 256 {
            return;
        }
        let hashes = std::mem::take(hashes);
        let through = self.size >> (BITS * u32::from(level));
        full.push(Tile {
            name: Name {
                kind: Kind::Hashes(level),
                number: through / WIDTH - 1,
                width: WIDTH,
            },
            octets: octets(&hashes),
        });
        self.add(level + 1, folded(hashes), full);
    }

    /// The tiles at the edge as they are, for a checkpoint of this size.
    pub fn partial(&self) -> Vec<Tile> {
        let mut tiles = Vec::new();
        if !self.entries.is_empty() {
            tiles.push(Tile {
                name: Name {
                    kind: Kind::Entries,
                    number: self.size / WIDTH,
                    width: self.size % WIDTH,
                },
                octets: self.entries.clone(),
            });
        }
        for (level, hashes) in (0..).zip(&self.levels) {
            let through = self.size.checked_shr(BITS * u32::from(level)).unwrap_or(0);
            if !hashes.is_empty() {
                tiles.push(Tile {
                    name: Name {
                        kind: Kind::Hashes(level),
                        number: through / WIDTH,
                        width: through % WIDTH,
                    },
                    octets: octets(hashes),
                });
            }
        }
        tiles
    }

    /// The roots of the tree's full parts.
    pub fn frontier(&self) -> Frontier {
        let mut nodes = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(1 << rest.len().ilog2());
                nodes.push(folded(part.to_vec()));
                rest = behind;
            }
        }
        // INVARIANT: the widths of all levels are the digits of the size.
        Frontier::of(self.size, nodes).unwrap_or_default()
    }
}

fn octets(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The root of a full part, of a power of two of nodes.
fn folded(mut level: Vec<Digest>) -> Digest {
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks();
        level = pairs
            .iter()
            .map(|[left, right]| node_hash(*left, *right))
            .collect();
    }
    level.pop().unwrap_or_else(|| Digest::of(b""))
}

/// The hashes of a tile's octets.
pub fn hashes(octets: &[u8]) -> Option<Vec<Digest>> {
    let (hashes, rest) = octets.as_chunks();
    (rest.is_empty()).then(|| hashes.iter().copied().map(Digest).collect())
}

/// Proofs from the tiles of a tree of so many leaves, which `read` gives by their names.
pub struct Proofs<R> {
    size: u64,
    read: R,
}

impl<E: From<Malformed>, R: FnMut(Name) -> Result<Vec<u8>, E>> Proofs<R> {
    /// A reader of the tiles of a tree of this size.
    pub const fn new(size: u64, read: R) -> Self {
        Self { size, read }
    }

    /// The root.
    ///
    /// # Errors
    /// Where a tile cannot be read.
    pub fn root(&mut self) -> Result<Digest, E> {
        if self.size == 0 {
            return Ok(Digest::of(b""));
        }
        self.over(0, self.size)
    }

    /// The path of the leaf at an index, from its sibling up to the root's child.
    ///
    /// # Errors
    /// Where a tile cannot be read, or the tree has no such leaf.
    pub fn path(&mut self, index: u64) -> Result<Vec<Digest>, E> {
        if index >= self.size {
            let says = format!("a tree of {} leaves has none at {index}", self.size);
            return Err(Malformed::new(says).into());
        }
        let (mut path, mut from, mut to) = (Vec::new(), 0, self.size);
        while to - from > 1 {
            let middle = from + left_of(to - from);
            if index < middle {
                path.push(self.over(middle, to)?);
                to = middle;
            } else {
                path.push(self.over(from, middle)?);
                from = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The proof that the tree begins with all leaves of its first `old`, at least one.
    ///
    /// # Errors
    /// Where a tile cannot be read, or the tree has fewer.
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Digest>, E> {
        if old == 0 || old > self.size {
            let says = format!("a tree of {} leaves does not grow from {old}", self.size);
            return Err(Malformed::new(says).into());
        }
        let (mut proof, mut from, mut to) = (Vec::new(), 0, self.size);
        while to != old {
            let middle = from + left_of(to - from);
            if old <= middle {
                proof.push(self.over(middle, to)?);
                to = middle;
            } else {
                proof.push(self.over(from, middle)?);
                from = middle;
            }
        }
        if from > 0 {
            proof.push(self.over(from, to)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// The hash over the leaves from one on up to another, as the tree has it.
    fn over(&mut self, from: u64, to: u64) -> Result<Digest, E> {
        let leaves = to - from;
        if leaves.is_power_of_two() {
            return self.node(leaves.trailing_zeros(), from / leaves);
        }
        let middle = from + left_of(leaves);
        let (left, right) = (self.over(from, middle)?, self.over(middle, to)?);
        Ok(node_hash(left, right))
    }

    /// The node with this number among those over 2^height leaves.
    fn node(&mut self, height: u32, number: u64) -> Result<Digest, E> {
        let (level, above) = (height / BITS, height % BITS);
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let first = number << above;
        let absent = || Malformed::new("the tree has no such tile");
        let name = Name::holding(level, first, self.size).ok_or_else(absent)?;
        let tile = hashes(&(self.read)(name)?);
        let tile = tile.ok_or_else(|| Malformed::new(format!("{name} is cut")))?;
        let at = usize::try_from(first % WIDTH).unwrap_or_default();
        let part = tile.get(at..at + (1 << above));
        let part = part.ok_or_else(|| Malformed::new(format!("{name} is cut")))?;
        Ok(folded(part.to_vec()))
    }
}

/// The leaves of the left part of a tree of so many, at least 2: the largest power of two below that.
fn left_of(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    use super::*;
    use crate::evidence::tree::{Head, is_consistent, leaf_hash, root_of};

    fn entry(n: u64) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    /// A log as its files are.
    #[derive(Default)]
    struct Log {
        growing: Growing,
        files: BTreeMap<String, Vec<u8>>,
    }

    impl Log {
        fn put(&mut self, tiles: Vec<Tile>) {
            let files = tiles.into_iter();
            self.files
                .extend(files.map(|tile| (tile.name.to_string(), tile.octets)));
        }

        fn push(&mut self, entry: &[u8]) {
            let mut full = Vec::new();
            self.growing.push(entry, leaf_hash(entry), &mut full);
            self.put(full);
        }

        fn proofs(&self, size: u64) -> Proofs<impl FnMut(Name) -> Result<Vec<u8>, Malformed> + '_> {
            Proofs::new(size, |name| {
                let file = self.files.get(&name.to_string());
                let file = file.or_else(|| self.files.get(&name.full().to_string()));
                file.cloned()
                    .ok_or_else(|| Malformed::new(format!("no {name}")))
            })
        }
    }

    #[test]
    fn names_are_those_of_the_specification_and_each_has_one_spelling() {
        let name = |kind, number, width| Name {
            kind,
            number,
            width,
        };
        for (name, text) in [
            (
                name(Kind::Hashes(0), 1_234_067, 256),
                "tile/0/x001/x234/067",
            ),
            (name(Kind::Hashes(1), 0, 17), "tile/1/000.p/17"),
            (name(Kind::Entries, 999, 1), "tile/entries/999.p/1"),
            (name(Kind::Entries, 1_000, 256), "tile/entries/x001/000"),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
        for wrong in [
            "tile/0/0",
            "tile/00/000",
            "tile/8/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/x000/001",
            "tile/0/1234",
            "tile/0/001/234",
            "tile/0/+01",
            "tile/8/0/000",
            "tile/data/000",
            "tile/0/../checkpoint",
        ] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
        let far = name(Kind::Hashes(7), u64::MAX, 3);
        assert_eq!(far.to_string().parse(), Ok(far));
    }

    #[test]
    fn tiles_of_all_sizes_give_the_roots_and_proofs_of_another_implementation() {
        const SIZES: u64 = 600;
        let (mut log, mut tree) = (Log::default(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
        let mut frontier = Frontier::default();
        let mut heads = vec![Head::empty()];
        for size in 1..=SIZES {
            let last = entry(size - 1);
            log.push(&last);
            frontier.push(leaf_hash(&last));
            tree.push(last);
            log.put(log.growing.partial());
            let head = log.growing.frontier().head();
            assert_eq!(head.root.0.as_slice(), tree.root().as_bytes().as_slice());
            assert_eq!(frontier, log.growing.frontier());
            assert_eq!(log.proofs(size).root(), Ok(head.root));
            heads.push(head);
            let again = Frontier::of(size, frontier.nodes().to_vec()).unwrap();
            assert_eq!(again.head(), head);
            let tried = [0, size / 3, size / 2, size - 1];
            for index in tried {
                let path = log.proofs(size).path(index).unwrap();
                let theirs = tree.prove_inclusion(index.try_into().unwrap());
                assert_eq!(hashes(theirs.as_bytes()).unwrap(), path);
                let leaf = leaf_hash(&entry(index));
                assert_eq!(root_of(leaf, index, size, &path), Some(head.root));
                let old = heads[usize::try_from(index + 1).unwrap()];
                let proof = log.proofs(size).consistency(old.size).unwrap();
                assert!(is_consistent(old, head, &proof), "{} to {size}", old.size);
            }
        }
        assert_eq!(log.files["tile/entries/001"].len(), 256 * 10);
        assert!(log.proofs(SIZES).path(SIZES).is_err());
        assert!(log.proofs(SIZES).consistency(0).is_err());
        assert!(log.proofs(SIZES).consistency(SIZES + 1).is_err());
    }

    #[test]
    fn a_large_tree_has_full_tiles_of_two_levels_and_the_widths_of_the_specification() {
        let mut log = Log::default();
        (0..70_000).for_each(|n| log.push(&entry(n)));
        let names: Vec<String> = log
            .growing
            .partial()
            .iter()
            .map(|it| it.name.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "tile/entries/273.p/112",
                "tile/0/273.p/112",
                "tile/1/001.p/17",
                "tile/2/000.p/1"
            ]
        );
        let full = log.files.keys().filter(|name| name.starts_with("tile/0/"));
        assert_eq!(full.count(), 273);
        log.put(log.growing.partial());
        let head = log.growing.frontier().head();
        assert_eq!(log.proofs(70_000).root(), Ok(head.root));
        let read = |name: Name| {
            let file = log.files.get(&name.to_string());
            file.cloned().ok_or_else(|| Malformed::new("absent"))
        };
        let mut again = Growing::of(273 * WIDTH, read).unwrap();
        for n in 273 * WIDTH..70_000 {
            again.push(&entry(n), leaf_hash(&entry(n)), &mut Vec::new());
        }
        assert_eq!(again, log.growing);
        for index in [0, 65_535, 65_536, 69_999] {
            let path = log.proofs(70_000).path(index).unwrap();
            let leaf = leaf_hash(&entry(index));
            assert_eq!(root_of(leaf, index, 70_000, &path), Some(head.root));
        }
    }
}
