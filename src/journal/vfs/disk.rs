//! The operating system's file system. Owns system calls; never a policy.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, OFlags};

use super::{Access, Through, Vfs, VfsFile};
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
        DirBuilder::new().mode(0o700).create(folder)
    }

    fn create(&self, path: &Path) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        Ok(DiskFile {
            file: options.open(path)?,
            path: path.to_owned(),
        })
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        Ok(DiskFile {
            file: options.open(path)?,
            path: path.to_owned(),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::rename(from, to)?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::unlink(path)?)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in folder.read_dir()? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn lock(&self, folder: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn fsync_dir(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(0o400))
    }
}

impl VfsFile for DiskFile {
    fn pread(&self, into: &mut [u8], at: u64, through: Through) -> io::Result<usize> {
        match through {
            Through::Cache => read_full(&self.file, into, at, 1),
            Through::Disk => self.read_past_cache(into, at),
        }
    }

    fn pwrite(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        let mut at = at;
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(&self.file, rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at = at.saturating_add(wide(written));
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, length) {
                Err(rustix::io::Errno::INTR) => {}
                taken => return Ok(taken?),
            }
        }
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks().saturating_mul(BLOCK))
    }
}

impl DiskFile {
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
