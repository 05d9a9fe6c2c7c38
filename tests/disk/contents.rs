//! The state of a simulated disk and what a crash makes of it. Owns the fault model's mechanics;
//! `super` owns its words.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::faults::{Fault, Pattern};
use carnet::journal::vfs::Through;

/// What was done to a file in the cache alone.
#[derive(Debug, Clone)]
struct Unsynced {
    order: u64,
    what: Done,
}

#[derive(Debug, Clone)]
enum Done {
    /// A sector as a write left it.
    Sector(usize, Arc<[u8]>),
    /// The file was cut to so many bytes.
    Cut(usize),
    /// The file took space for so many bytes.
    Space(usize),
}

/// A file. Images are shared between forks of a disk until one changes.
#[derive(Debug, Clone, Default)]
struct Node {
    on_disk: Arc<Vec<u8>>,
    cached: Arc<Vec<u8>>,
    unsynced: Vec<Unsynced>,
    /// Space that was taken, on the disk and as the cache has it. What was written has its own.
    space_on_disk: usize,
    space: usize,
    /// How many have it open.
    open: usize,
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Link {
        path: PathBuf,
        node: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        node: u64,
    },
    Unlink {
        path: PathBuf,
    },
}

impl NameChange {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Link { path, .. } | Self::Unlink { path } => path.parent(),
            Self::Rename { to, .. } => to.parent(),
        }
    }

    /// Changes may be applied without those before them, as a disk may have lost these.
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link { path, node } => {
                names.insert(path.clone(), *node);
            }
            Self::Rename { from, to, node } => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
            Self::Unlink { path } => {
                names.remove(path);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Disk {
    /// Octets of a sector: what reaches the disk whole, or is garbage.
    sector: usize,
    nodes: BTreeMap<u64, Node>,
    names: BTreeMap<PathBuf, u64>,
    names_durable: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<(u64, NameChange)>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) calls: u64,
    pub(super) syncs: u64,
    pub(super) plan: Option<(u64, Fault)>,
    pub(super) full: bool,
    pub(super) capacity: Option<u64>,
    pub(super) allocates: bool,
    pub(super) crashed: bool,
    /// Octets that were read.
    pub(super) read: u64,
    /// Reads, and which of them fails.
    pub(super) reads: u64,
    pub(super) unreadable: Option<u64>,
    /// The most files that were open at once.
    pub(super) most_open: usize,
    random: Random,
}

impl Disk {
    pub(super) fn new(seed: u64, sector: usize) -> Self {
        Self {
            sector: sector.max(1),
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
            names_durable: BTreeMap::new(),
            unsynced_names: Vec::new(),
            locks: BTreeSet::new(),
            calls: 0,
            syncs: 0,
            plan: None,
            full: false,
            capacity: None,
            allocates: true,
            crashed: false,
            read: 0,
            reads: 0,
            unreadable: None,
            most_open: 0,
            random: Random(seed),
        }
    }

    /// Counts a changing call and says whether it goes well.
    pub(super) fn call(&mut self) -> io::Result<()> {
        self.alive()?;
        let number = self.calls;
        self.calls = number.saturating_add(1);
        match self.plan {
            Some((at, Fault::Crash)) if at == number => {
                self.crashed = true;
                self.alive()
            }
            Some((at, Fault::Broken)) if at == number => Err(io::Error::other("broken sector")),
            Some((at, Fault::Full)) if at == number => {
                self.full = true;
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.crashed {
            Err(io::Error::other("the machine has stopped"))
        } else {
            Ok(())
        }
    }

    pub(super) fn add_node(&mut self) -> u64 {
        let node = self
            .nodes
            .last_key_value()
            .map_or(0, |(last, _)| last.saturating_add(1));
        self.nodes.insert(node, Node::default());
        node
    }

    pub(super) fn opened(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.open = node.open.saturating_add(1);
        }
        let open = self.nodes.values().map(|node| node.open).sum();
        self.most_open = self.most_open.max(open);
    }

    pub(super) fn closed(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.open = node.open.saturating_sub(1);
        }
    }

    /// Bytes in use: a file without a name has its space until it is closed.
    pub(super) fn used(&self) -> u64 {
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        let there = self.nodes.iter();
        let there = there.filter(|(number, node)| node.open > 0 || named.contains(number));
        there.map(|(_, node)| wide(node.held())).sum()
    }

    /// Bytes of the disk that are free.
    fn free(&self) -> u64 {
        match self.capacity {
            _ if self.full => 0,
            Some(capacity) => capacity.saturating_sub(self.used()),
            None => u64::MAX,
        }
    }

    /// Whether there is room for a name.
    pub(super) fn may_link(&self) -> bool {
        self.free() > 0
    }

    /// Takes space for a file; as much as there is where that is not enough.
    pub(super) fn allocate(&mut self, node: u64, length: u64) -> io::Result<()> {
        if !self.allocates {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (order, free) = (self.calls, narrow(self.free()));
        let found = self.nodes.get_mut(&node).ok_or(io::ErrorKind::NotFound)?;
        let (held, length) = (found.held(), narrow(length));
        let most = held.saturating_add(free);
        if length > held {
            found.space = length.min(most);
            let what = Done::Space(found.space);
            found.unsynced.push(Unsynced { order, what });
        }
        if length > most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn allocated(&self, node: u64) -> io::Result<u64> {
        Ok(wide(self.node(node)?.held()))
    }

    pub(super) fn node_of(&self, path: &Path) -> io::Result<u64> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether a folder can be made there. The first one below the root needs none above it.
    pub(super) fn may_make(&self, folder: &Path) -> io::Result<()> {
        self.alive()?;
        if self.names.contains_key(folder) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let above = folder.parent().filter(|above| above.parent().is_some());
        above.map_or(Ok(()), |above| self.node_of(above).map(|_| ()))
    }

    pub(super) fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push((self.calls, change));
    }

    pub(super) fn list(&self, folder: &Path) -> Vec<String> {
        let inside = self
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    /// A sync of names that fails leaves them as unsynced as they were: unlike pages, the journal
    /// of a file system is not marked clean.
    pub(super) fn sync_names(&mut self, folder: &Path, succeeds: bool) {
        self.syncs = self.syncs.saturating_add(1);
        if !succeeds {
            return;
        }
        let names = &mut self.names_durable;
        self.unsynced_names.retain(|(_, change)| {
            let synced = change.folder() == Some(folder);
            if synced {
                change.apply(names);
            }
            !synced
        });
    }

    fn node(&self, node: u64) -> io::Result<&Node> {
        self.nodes
            .get(&node)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn size(&self, node: u64) -> io::Result<u64> {
        Ok(wide(self.node(node)?.cached.len()))
    }

    pub(super) fn read(
        &mut self,
        node: u64,
        into: &mut [u8],
        at: u64,
        through: Through,
    ) -> io::Result<usize> {
        let number = self.reads;
        self.reads = number.saturating_add(1);
        if self.unreadable == Some(number) {
            return Err(io::Error::other("broken sector"));
        }
        let node = self.nodes.get(&node).ok_or(io::ErrorKind::NotFound)?;
        let image = match through {
            Through::Cache => &node.cached,
            Through::Disk => &node.on_disk,
        };
        let found = image.get(narrow(at)..).unwrap_or_default();
        let found = found.get(..into.len()).unwrap_or(found);
        if let Some(to) = into.get_mut(..found.len()) {
            to.copy_from_slice(found);
        }
        self.read = self.read.saturating_add(wide(found.len()));
        Ok(found.len())
    }

    /// Writes into the cache. A write that fails has written some of its sectors.
    pub(super) fn write(
        &mut self,
        node: u64,
        bytes: &[u8],
        at: u64,
        outcome: io::Result<()>,
    ) -> io::Result<()> {
        let (order, free, crashed) = (self.calls, narrow(self.free()), self.crashed);
        let Some(found) = self.nodes.get_mut(&node) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let start = narrow(at);
        if crashed {
            return outcome;
        }
        let most = found.held().saturating_add(free).saturating_sub(start);
        let outcome = if bytes.len() > most {
            outcome.and(Err(io::ErrorKind::StorageFull.into()))
        } else {
            outcome
        };
        let written = match outcome {
            Ok(()) => bytes,
            Err(_) => bytes
                .get(..self.random.below(bytes.len()).min(most))
                .unwrap_or_default(),
        };
        found.write(written, start, (order, self.sector));
        outcome
    }

    /// Cuts a file, in the cache.
    pub(super) fn truncate(&mut self, node: u64, length: u64) -> io::Result<()> {
        let order = self.calls;
        let found = self.nodes.get_mut(&node).ok_or(io::ErrorKind::NotFound)?;
        found.cut(narrow(length), order);
        Ok(())
    }

    /// Brings a file to the disk; where that fails, a part of it, and forgets the rest.
    pub(super) fn sync(&mut self, node: u64, succeeds: bool) {
        self.syncs = self.syncs.saturating_add(1);
        if self.crashed {
            return;
        }
        if let Some(node) = self.nodes.get_mut(&node) {
            let random = &mut self.random;
            let mut space = node.unsynced.clone();
            space.retain(|unsynced| matches!(unsynced.what, Done::Space(_)));
            node.settle(self.sector, |_| succeeds || random.below(2) == 0);
            if !succeeds {
                node.unsynced = space;
            }
        }
    }

    pub(super) fn edit(
        &mut self,
        path: &Path,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        let node = self.node_of(path)?;
        if let Some(node) = self.nodes.get_mut(&node) {
            change(Arc::make_mut(&mut node.on_disk));
            node.cached = Arc::clone(&node.on_disk);
        }
        Ok(())
    }

    pub(super) fn after_crash(&self, pattern: Pattern, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut after = Self::new(seed, self.sector);
        (after.capacity, after.allocates) = (self.capacity, self.allocates);
        after.nodes.clone_from(&self.nodes);
        after.names_durable.clone_from(&self.names_durable);
        after.nodes.values_mut().for_each(|node| node.open = 0);
        if pattern == Pattern::Killed {
            after.names.clone_from(&self.names);
            after.unsynced_names.clone_from(&self.unsynced_names);
            return after;
        }
        let until = wide(random.below(narrow(self.calls).saturating_add(1)));
        // From "almost nothing" to "all but a sector or two": each end finds other faults.
        let kept_of_16 = [1, 8, 15].get(random.below(3)).copied().unwrap_or(8);
        for node in after.nodes.values_mut() {
            if pattern == Pattern::TornLast {
                node.tear_last(&mut random);
            }
            node.settle(self.sector, |unsynced| match pattern {
                Pattern::Nothing => false,
                Pattern::All | Pattern::TornLast | Pattern::Killed => true,
                Pattern::Prefix => unsynced.order <= until,
                Pattern::Random => random.below(16) < kept_of_16,
            });
            node.cached = Arc::clone(&node.on_disk);
            node.space = node.space_on_disk;
        }
        for (order, change) in &self.unsynced_names {
            let kept = match pattern {
                Pattern::Nothing => false,
                Pattern::All | Pattern::Killed => true,
                Pattern::Prefix | Pattern::TornLast => *order <= until,
                Pattern::Random => random.below(2) == 0,
            };
            if kept {
                change.apply(&mut after.names_durable);
            }
        }
        let lost = |folder: &Path| {
            self.names.contains_key(folder) && !after.names_durable.contains_key(folder)
        };
        let reachable = after
            .names_durable
            .iter()
            .filter(|(path, _)| !path.ancestors().any(lost));
        after.names = reachable
            .map(|(path, node)| (path.clone(), *node))
            .collect();
        after.names_durable.clone_from(&after.names);
        let named: BTreeSet<u64> = after.names.values().copied().collect();
        after.nodes.retain(|node, _| named.contains(node));
        after
    }
}

impl Node {
    /// Bytes of the disk that are this file's.
    fn held(&self) -> usize {
        self.cached.len().max(self.space)
    }

    fn write(&mut self, bytes: &[u8], start: usize, (order, size): (u64, usize)) {
        if bytes.is_empty() {
            return;
        }
        let end = start.saturating_add(bytes.len());
        let image = Arc::make_mut(&mut self.cached);
        if image.len() < end {
            image.resize(end, 0);
        }
        if let Some(to) = image.get_mut(start..end) {
            to.copy_from_slice(bytes);
        }
        let last = end.div_ceil(size);
        for sector in start.checked_div(size).unwrap_or(last)..last {
            let from = sector.saturating_mul(size);
            let found = image.get(from..).unwrap_or_default();
            let mut bytes = found.get(..size).unwrap_or(found).to_vec();
            bytes.resize(size, 0);
            let what = Done::Sector(sector, bytes.into());
            self.unsynced.push(Unsynced { order, what });
        }
    }

    fn cut(&mut self, length: usize, order: u64) {
        Arc::make_mut(&mut self.cached).truncate(length);
        self.space = self.space.min(length);
        let what = Done::Cut(length);
        self.unsynced.push(Unsynced { order, what });
    }

    /// Lets those changes that `reaches` says reach the disk, and forgets the others.
    fn settle(&mut self, size: usize, mut reaches: impl FnMut(&Unsynced) -> bool) {
        let length = self.cached.len();
        for unsynced in self.unsynced.drain(..) {
            if !reaches(&unsynced) {
                continue;
            }
            let image = Arc::make_mut(&mut self.on_disk);
            let (sector, bytes) = match unsynced.what {
                Done::Sector(sector, bytes) => (sector, bytes),
                Done::Cut(length) => {
                    image.truncate(length);
                    self.space_on_disk = self.space_on_disk.min(length);
                    continue;
                }
                Done::Space(length) => {
                    self.space_on_disk = self.space_on_disk.max(length);
                    continue;
                }
            };
            let start = sector.saturating_mul(size);
            let end = start.saturating_add(size).min(length);
            if image.len() < end {
                image.resize(end, 0);
            }
            if let Some(to) = image.get_mut(start..end) {
                let whole = bytes.get(..to.len()).unwrap_or_default();
                to.copy_from_slice(whole);
            }
        }
    }

    /// Of the last sector written nothing is left: neither what it held before nor what it was to.
    fn tear_last(&mut self, random: &mut Random) {
        let last = self.unsynced.last_mut().map(|last| &mut last.what);
        if let Some(Done::Sector(_, bytes)) = last {
            for octet in Arc::make_mut(bytes) {
                *octet = u8::try_from(random.below(256)).unwrap_or(0);
            }
        }
    }
}

/// splitmix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where there is none.
    fn below(&mut self, bound: usize) -> usize {
        narrow(self.next().checked_rem(wide(bound)).unwrap_or(0))
    }
}

/// A length in memory as one on the disk.
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A length on the disk as one in memory; what that cannot hold becomes its maximum.
fn narrow(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
