//! A disk that loses what was not synced, as real ones do. Deterministic by seed.
//!
//! The fault model. A file is two images, what the disk holds and what the page cache shows, and
//! the list of sectors written, cuts made, or space taken, since the last sync. A folder is two sets of names and the list of
//! changes since the last `fsync_dir`; one whose own name is lost takes all that is in it along. A
//! [`crash`](SimVfs::crash) lets a subset of both lists reach
//! the disk, in no order, torn inside a write; never anything that was not written. A sync that
//! fails behaves as Linux does: a subset reaches the disk, the rest is forgotten, the cache goes on
//! showing all of it, and the next sync succeeds. Space that was taken is no page: like a name it
//! waits for the next sync.
//!
//! A read may fail once ([`SimVfs::fail_read`]), and any octet may be another than was written
//! ([`SimVfs::edit`]).
//!
//! A disk may have an end: every file with a name, or open, has the space of its length, or more
//! where it took more. What comes above the end finds none.
//!
//! Not modelled: a drive that lies about a sync.

mod contents;
mod faults;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::contents::{Disk, NameChange};
pub use self::faults::{Fault, Pattern};
use carnet::journal::vfs::{Access, Through, Vfs, VfsFile};

/// A simulated file system; clones share one disk.
#[derive(Debug, Clone)]
pub struct SimVfs {
    disk: Arc<Mutex<Disk>>,
}

/// An open file of a simulated disk.
#[derive(Debug)]
pub struct SimFile {
    disk: Arc<Mutex<Disk>>,
    node: u64,
}

/// A folder's lock; given back when dropped.
#[derive(Debug)]
pub struct SimLock {
    disk: Arc<Mutex<Disk>>,
    folder: PathBuf,
}

fn enter(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimVfs {
    /// An empty disk whose choices follow from `seed`, with sectors of 512 octets.
    pub fn new(seed: u64) -> Self {
        Self::with_sectors(seed, 512)
    }

    /// An empty disk whose choices follow from `seed`, with sectors of so many octets: 512 or 4,096.
    pub fn with_sectors(seed: u64, octets: usize) -> Self {
        let disk = Disk::new(seed, octets);
        Self {
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    /// Plans what happens at the `call`-th changing call from the disk's beginning, counted from 0.
    pub fn plan(&self, call: u64, fault: Fault) {
        enter(&self.disk).plan = Some((call, fault));
    }

    /// How many calls changed or synced something so far; reads do not count.
    pub fn calls(&self) -> u64 {
        enter(&self.disk).calls
    }

    /// Has one read fail, counted from the disk's beginning: the disk cannot give what is there, this
    /// once.
    pub fn fail_read(&self, number: u64) {
        enter(&self.disk).unreadable = Some(number);
    }

    /// How many reads there were so far.
    pub fn reads(&self) -> u64 {
        enter(&self.disk).reads
    }

    /// How many octets were read so far.
    pub fn octets_read(&self) -> u64 {
        enter(&self.disk).read
    }

    /// The most files that were open at once.
    pub fn most_open(&self) -> usize {
        enter(&self.disk).most_open
    }

    /// How many of those were syncs, of files or folders.
    pub fn syncs(&self) -> u64 {
        enter(&self.disk).syncs
    }

    /// From now on there is no more space, until [`SimVfs::make_room`].
    pub fn fill(&self) {
        enter(&self.disk).full = true;
    }

    /// Ends a want of space.
    pub fn make_room(&self) {
        let mut disk = enter(&self.disk);
        disk.full = false;
        disk.capacity = None;
    }

    /// From now on the disk has so many bytes, until [`SimVfs::make_room`].
    pub fn limit(&self, bytes: u64) {
        enter(&self.disk).capacity = Some(bytes);
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        enter(&self.disk).used()
    }

    /// From now on no space can be taken but by writing.
    pub fn cannot_allocate(&self) {
        enter(&self.disk).allocates = false;
    }

    /// Has the planned crash happened?
    pub fn is_crashed(&self) -> bool {
        enter(&self.disk).crashed
    }

    /// The disk as it is found after a crash now. This one stays as it is, so that one run serves
    /// many patterns; counters start anew, plans are forgotten.
    #[must_use]
    pub fn crash(&self, pattern: Pattern, seed: u64) -> Self {
        Self {
            disk: Arc::new(Mutex::new(enter(&self.disk).after_crash(pattern, seed))),
        }
    }

    /// Changes bytes of a file on the disk itself, as rot or an intruder would.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        enter(&self.disk).edit(path, change)
    }

    fn link(disk: &mut Disk, path: &Path) -> io::Result<u64> {
        disk.call()?;
        if !disk.may_link() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let node = disk.add_node();
        disk.change_names(NameChange::Link {
            path: path.to_owned(),
            node,
        });
        Ok(node)
    }

    fn file(&self, disk: &mut Disk, node: u64) -> SimFile {
        disk.opened(node);
        SimFile {
            disk: Arc::clone(&self.disk),
            node,
        }
    }
}

impl Vfs for SimVfs {
    type File = SimFile;
    type Lock = SimLock;

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        disk.may_make(folder)?;
        Self::link(&mut disk, folder).map(|_| ())
    }

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut disk = enter(&self.disk);
        let node = Self::link(&mut disk, path)?;
        Ok(self.file(&mut disk, node))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<SimFile> {
        let mut disk = enter(&self.disk);
        disk.alive()?;
        let node = disk.node_of(path)?;
        Ok(self.file(&mut disk, node))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        disk.call()?;
        let node = disk.node_of(from)?;
        disk.change_names(NameChange::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            node,
        });
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        disk.call()?;
        disk.node_of(path)?;
        disk.change_names(NameChange::Unlink {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        if !enter(&self.disk).list(folder).is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.unlink(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let disk = enter(&self.disk);
        disk.alive()?;
        Ok(disk.list(folder))
    }

    fn lock(&self, folder: &Path) -> io::Result<SimLock> {
        let mut disk = enter(&self.disk);
        disk.alive()?;
        if disk.locks.insert(folder.to_owned()) {
            Ok(SimLock {
                disk: Arc::clone(&self.disk),
                folder: folder.to_owned(),
            })
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn fsync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        let outcome = disk.call();
        disk.sync_names(folder, outcome.is_ok());
        outcome
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        disk.call()?;
        disk.node_of(path).map(|_| ())
    }
}

impl VfsFile for SimFile {
    fn pread(&self, into: &mut [u8], at: u64, through: Through) -> io::Result<usize> {
        let mut disk = enter(&self.disk);
        disk.alive()?;
        disk.read(self.node, into, at, through)
    }

    fn pwrite(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        let outcome = disk.call();
        disk.write(self.node, &parts.concat(), at, outcome)
    }

    fn fdatasync(&self) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        let outcome = disk.call();
        disk.sync(self.node, outcome.is_ok());
        outcome
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        disk.call()?;
        disk.truncate(self.node, length)
    }

    fn size(&self) -> io::Result<u64> {
        let disk = enter(&self.disk);
        disk.alive()?;
        disk.size(self.node)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut disk = enter(&self.disk);
        disk.call()?;
        disk.allocate(self.node, length)
    }

    fn allocated(&self) -> io::Result<u64> {
        let disk = enter(&self.disk);
        disk.alive()?;
        disk.allocated(self.node)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        enter(&self.disk).closed(self.node);
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        enter(&self.disk).locks.remove(&self.folder);
    }
}
