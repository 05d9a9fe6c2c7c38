//! The only door to the disk: a trait as small as what the journal needs, with two
//! implementations, the operating system's ([`DiskVfs`]) and a simulated one ([`SimVfs`]).
//!
//! Nothing here retries, caches or interprets an error: a failed sync is the caller's to judge, and
//! its only right judgement is to stop.

mod disk;
mod sim;

pub use disk::{DiskFile, DiskVfs};
pub use sim::{Fault, Pattern, SimFile, SimLock, SimVfs};

use std::io;
use std::path::Path;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read only.
    Read,
    /// To be read and written.
    Write,
}

/// Where a read takes its bytes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// The page cache: fast, and right for what was synced by this process.
    Cache,
    /// The disk itself: after a failed sync or a dead process, the cache may show what no disk has.
    Disk,
}

/// An open file, read and written by position, so that readers need no lock.
pub trait VfsFile: Send + Sync + 'static {
    /// Fills `into` from `at`; fewer bytes only where the file ends.
    fn pread(&self, into: &mut [u8], at: u64, through: Through) -> io::Result<usize>;
    /// Writes all parts one behind the other from `at`.
    fn pwrite(&self, parts: &[&[u8]], at: u64) -> io::Result<()>;
    /// Returns once all that was written is on the disk, the drive's own cache included.
    fn fdatasync(&self) -> io::Result<()>;
    /// Cuts the file to so many bytes; durable after `fdatasync`.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// The length of the file in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// A file system.
pub trait Vfs: Clone + Send + Sync + 'static {
    /// An open file.
    type File: VfsFile;
    /// Holds a folder for this process until dropped.
    type Lock: Send + 'static;

    /// Makes a folder and those above it, readable by the owner only; no error where it exists.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes an empty file in place of what may be there, to be read and written.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens what exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<Self::File>;
    /// Gives a file another name, in place of what may have that name; durable after `fsync_dir`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Locks a folder against other processes; `WouldBlock` if one has it.
    fn lock(&self, folder: &Path) -> io::Result<Self::Lock>;
    /// Makes the names in a folder durable.
    fn fsync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Makes a file read-only for everyone (0400).
    fn protect(&self, path: &Path) -> io::Result<()>;
}

/// Is this "no space left", which is waited out, rather than a fault, which is not?
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
