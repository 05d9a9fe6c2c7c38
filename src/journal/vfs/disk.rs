//! The operating system's file system. Owns system calls; never a policy.
//!
//! Each error names the file or folder that it is about, here, where that is known: the operator who
//! reads it has to look there.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, OFlags};

use super::calls::{Access, Through, Vfs, VfsFile};
use crate::journal::layout::{narrow, padded, wide};

/// What direct reads are aligned to: the largest sector in use.
const ALIGNMENT: usize = 4096;
/// What a file's space is counted in, whatever the disk's own blocks are.
const BLOCK: u64 = 512;

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskVfs;

/// A file on the real disk.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
}

impl Vfs for DiskVfs {
    type File = DiskFile;
    type Lock = File;

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let made = DirBuilder::new().mode(0o700).create(folder);
        made.map_err(|error| at(folder, &error))
    }

    fn create(&self, path: &Path) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        DiskFile::opened(&options, path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        DiskFile::opened(&options, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        rustix::fs::rename(from, to).map_err(|error| at(to, &error.into()))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        rustix::fs::unlink(path).map_err(|error| at(path, &error.into()))
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        rustix::fs::rmdir(folder).map_err(|error| at(folder, &error.into()))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in folder.read_dir().map_err(|error| at(folder, &error))? {
            let entry = entry.map_err(|error| at(folder, &error))?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn lock(&self, folder: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let path = folder.join("lock");
        let file = options.open(&path).map_err(|error| at(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(at(&path, &error)),
        }
    }

    fn fsync_dir(&self, folder: &Path) -> io::Result<()> {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| at(folder, &error))
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        let set = std::fs::set_permissions(path, Permissions::from_mode(0o400));
        set.map_err(|error| at(path, &error))
    }
}

impl VfsFile for DiskFile {
    fn pread(&self, into: &mut [u8], at: u64, through: Through) -> io::Result<usize> {
        let read = match through {
            Through::Cache => read_full(&self.file, into, at, 1),
            Through::Disk => self.read_past_cache(into, at),
        };
        self.named(read)
    }

    fn pwrite(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        let mut at = at;
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(&self.file, rest, at) {
                Ok(0) => return self.named(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    at = at.saturating_add(wide(written));
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return self.named(Err(error.into())),
            }
        }
        Ok(())
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.named(self.file.sync_data())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.named(self.file.set_len(length))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.named(self.file.metadata())?.len())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, length) {
                Err(rustix::io::Errno::INTR) => {}
                taken => return self.named(taken.map_err(io::Error::from)),
            }
        }
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self
            .named(self.file.metadata())?
            .blocks()
            .saturating_mul(BLOCK))
    }
}

/// The error with what it is about; its kind stays.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl DiskFile {
    fn opened(options: &OpenOptions, path: &Path) -> io::Result<Self> {
        let file = options.open(path).map_err(|error| at(path, &error))?;
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    fn named<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| at(&self.path, &error))
    }

    /// Reads with `O_DIRECT`; where the file system has none (some memory and network ones), asks
    /// the kernel to forget the pages first, which it does for those that are clean.
    fn read_past_cache(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
        let direct = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&self.path);
        let Ok(direct) = direct else {
            rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed)?;
            return read_full(&self.file, into, at, 1);
        };
        let skipped = narrow(at % wide(ALIGNMENT));
        let length = padded(skipped.saturating_add(into.len()), ALIGNMENT);
        let mut memory = vec![0; length.saturating_add(ALIGNMENT)];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        let aligned = memory
            .get_mut(start..start.saturating_add(length))
            .unwrap_or_default();
        let read = read_full(
            &direct,
            aligned,
            at.saturating_sub(wide(skipped)),
            ALIGNMENT,
        )?;
        let found = aligned.get(skipped..read).unwrap_or_default();
        let found = found.get(..into.len()).unwrap_or(found);
        if let Some(to) = into.get_mut(..found.len()) {
            to.copy_from_slice(found);
        }
        Ok(found.len())
    }
}

/// Reads until `into` is full or the file ends. A read that stops off its `grain` has met the end:
/// a direct one must not be continued from there.
fn read_full(file: &File, into: &mut [u8], at: u64, grain: usize) -> io::Result<usize> {
    let mut done = 0_usize;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(wide(done))) {
            Ok(0) => break,
            Ok(read) => {
                done = done.saturating_add(read);
                if done.checked_rem(grain) != Some(0) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_what_it_is_about() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        let inside = absent.join("inside");
        let writable = folder.path().join("file");
        let file = DiskVfs.create(&writable).unwrap();
        let read_only = DiskVfs.open(&writable, Access::Read).unwrap();
        let huge = u64::try_from(i64::MAX).unwrap();
        let errors = [
            (&inside, DiskVfs.create_folder(&inside).map(drop)),
            (&inside, DiskVfs.create(&inside).map(drop)),
            (&absent, DiskVfs.open(&absent, Access::Read).map(drop)),
            (&inside, DiskVfs.rename(&writable, &inside)),
            (&absent, DiskVfs.unlink(&absent)),
            (&absent, DiskVfs.list(&absent).map(drop)),
            (&absent, DiskVfs.lock(&absent).map(drop)),
            (&absent, DiskVfs.fsync_dir(&absent)),
            (&absent, DiskVfs.protect(&absent)),
            (&writable, read_only.pwrite(&[b"x"], 0)),
            (&writable, read_only.truncate(1)),
            (
                &writable,
                file.pread(&mut [0], u64::MAX, Through::Cache).map(drop),
            ),
            (&writable, file.allocate(huge)),
        ];
        for (path, failed) in errors {
            let error = failed.unwrap_err();
            let path = path.display().to_string();
            assert!(error.to_string().contains(&path), "{error}, not of {path}");
        }
        let error = DiskVfs.open(&absent, Access::Read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
