//! What the journal asks of a disk, and what is made of these calls on any disk.

use std::io;
use std::path::Path;

use crate::journal::layout::narrow;

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
    /// Takes space for the first so many bytes, those behind the file's end too, and leaves its
    /// length as it is: a write there finds room, whatever else fills the disk. Durable after
    /// `fdatasync`. `Unsupported` where a file system cannot; where there is not enough of it, some
    /// may be taken.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// How much space the file has: less than its length where it has holes.
    fn allocated(&self) -> io::Result<u64>;
}

/// A file system.
pub trait Vfs: Clone + Send + Sync + 'static {
    /// An open file.
    type File: VfsFile;
    /// Holds a folder for this process until dropped.
    type Lock: Send + 'static;

    /// Makes one folder, readable by the owner only. `AlreadyExists` if there is something of that
    /// name, `NotFound` if the one above is missing. See [`make_folder`].
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes an empty file in place of what may be there, to be read and written.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens what exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<Self::File>;
    /// Gives a file another name, in place of what may have that name; durable after `fsync_dir`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Takes an empty folder away.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Locks a folder against other processes; `WouldBlock` if one has it.
    fn lock(&self, folder: &Path) -> io::Result<Self::Lock>;
    /// Makes the names in a folder durable.
    fn fsync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Makes a file read-only, for its owner alone (0400).
    fn protect(&self, path: &Path) -> io::Result<()>;
}

/// Makes a folder, and those above it that are missing, and all their names durable: without that,
/// a power cut takes the folder away with all that was synced inside.
pub(in crate::journal) fn make_folder<V: Vfs>(vfs: &V, folder: &Path) -> io::Result<()> {
    make_missing(vfs, folder)?;
    // Also where all were there: who made them may have died before this.
    for (steps, above) in folder.ancestors().skip(1).enumerate() {
        let above = if above == Path::new("") {
            Path::new(".")
        } else {
            above
        };
        match vfs.fsync_dir(above) {
            Err(error) if steps > 0 && is_not_ours(&error) => break,
            synced => synced?,
        }
    }
    Ok(())
}

/// Whether the error is of a folder that is not ours: one that we may not read, or that its file
/// system cannot sync.
fn is_not_ours(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput];
    kinds.contains(&error.kind())
}

fn make_missing<V: Vfs>(vfs: &V, folder: &Path) -> io::Result<()> {
    let above = folder.parent().filter(|above| *above != Path::new(""));
    let made = match (vfs.create_folder(folder), above) {
        (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => {
            make_missing(vfs, above)?;
            vfs.create_folder(folder)
        }
        (made, _) => made,
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Puts a whole file in its place, and makes the folders to it: written aside, synced, renamed, its
/// folder synced. Durable when this returns; where it fails, what was there before is there still.
pub fn put_in_place<V: Vfs>(vfs: &V, path: &Path, content: &[u8]) -> io::Result<()> {
    put(vfs, path, content, VfsFile::fdatasync)?;
    vfs.fsync_dir(folder_of(path))
}

/// Puts a whole file in its place, for readers of this run: what a power cut leaves of it is not known.
pub fn put_unsynced<V: Vfs>(vfs: &V, path: &Path, content: &[u8]) -> io::Result<()> {
    put(vfs, path, content, |_| Ok(()))
}

fn put<V: Vfs>(
    vfs: &V,
    path: &Path,
    content: &[u8],
    sync: impl Fn(&V::File) -> io::Result<()>,
) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(UNFINISHED);
    let aside = Path::new(&aside);
    let written = write_aside(vfs, aside, content).and_then(|file| {
        sync(&file)?;
        vfs.rename(aside, path)
    });
    if let Err(error) = written {
        // What there was no room for must not take the little that is left.
        drop(vfs.unlink(aside));
        return Err(error);
    }
    Ok(())
}

/// How the name of a file ends that is not in its place yet.
pub(in crate::journal) const UNFINISHED: &str = ".unfinished";

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn write_aside<V: Vfs>(vfs: &V, aside: &Path, content: &[u8]) -> io::Result<V::File> {
    let file = match vfs.create(aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_folder(vfs, folder_of(aside))?;
            vfs.create(aside)?
        }
        made => made?,
    };
    file.pwrite(&[content], 0)?;
    Ok(file)
}

/// A whole file, of so many bytes at most; nothing where there is none.
pub fn read_whole<V: Vfs>(vfs: &V, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match vfs.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.size()?;
    if size > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut content = vec![0; narrow(size)];
    let read = file.pread(&mut content, 0, Through::Cache)?;
    content.truncate(read);
    Ok(Some(content))
}

/// Is this "no space left", which is waited out, rather than a fault, which is not?
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
