//! A simulated disk that is copied, as every kind of crash would leave it, before each changing call.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use carnet::journal::vfs::{Access, Through, Vfs, VfsFile};
use carnet_disk::{Pattern, SimFile, SimLock, SimVfs};

/// What crashes at the calls so far would have left.
type Crashes = Arc<Mutex<Vec<SimVfs>>>;

#[derive(Debug, Clone)]
pub(crate) struct Watched {
    disk: SimVfs,
    crashes: Crashes,
}

pub(crate) struct WatchedFile {
    file: SimFile,
    of: Watched,
}

impl Watched {
    pub(crate) fn with_sectors(octets: usize) -> Self {
        Self {
            disk: SimVfs::with_sectors(1, octets),
            crashes: Crashes::default(),
        }
    }

    /// What crashes since the last look would have left.
    pub(crate) fn take(&self) -> Vec<SimVfs> {
        std::mem::take(&mut *self.crashes.lock().unwrap())
    }

    /// The disk itself.
    pub(crate) fn disk(&self) -> &SimVfs {
        &self.disk
    }

    fn before_call(&self) {
        let seed = self.disk.calls();
        let left = Pattern::EACH.map(|pattern| self.disk.crash(pattern, seed));
        self.crashes.lock().unwrap().extend(left);
    }

    fn file(&self, file: SimFile) -> WatchedFile {
        WatchedFile {
            file,
            of: self.clone(),
        }
    }
}

impl Vfs for Watched {
    type File = WatchedFile;
    type Lock = SimLock;

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.before_call();
        self.disk.create_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<WatchedFile> {
        self.before_call();
        self.disk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<WatchedFile> {
        self.disk.open(path, access).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before_call();
        self.disk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.before_call();
        self.disk.unlink(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.before_call();
        self.disk.remove_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn lock(&self, folder: &Path) -> io::Result<SimLock> {
        self.disk.lock(folder)
    }

    fn fsync_dir(&self, folder: &Path) -> io::Result<()> {
        self.before_call();
        self.disk.fsync_dir(folder)
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        self.before_call();
        self.disk.protect(path)
    }
}

impl VfsFile for WatchedFile {
    fn pread(&self, into: &mut [u8], at: u64, through: Through) -> io::Result<usize> {
        self.file.pread(into, at, through)
    }

    fn pwrite(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        self.of.before_call();
        self.file.pwrite(parts, at)
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.of.before_call();
        self.file.fdatasync()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.of.before_call();
        self.file.truncate(length)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.of.before_call();
        self.file.allocate(length)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.file.allocated()
    }
}
