//! Snapshots, pages, ids and the index: files beside the journal that can be made again from it.
//!
//! ```text
//! <address, 16 hex digits>.snapshot
//! <queue, 8 hex>-<first, 16>-<last, 16>.page
//! <segment's first address, 16 hex>.ids
//! <segment's first address, 16 hex>.index
//! each    magic 8 | version u32 | journal 16 | end: lsn u64, batch u64, chain u32
//!         | length u64 | bytes | crc u32
//! ```
//! `journal` and `end` name the journal, and the place in it up to which the file was made: of a
//! snapshot where a segment begins, of ids and of the index where their segment ends, of a page a place
//! behind its entries. Each is written aside, synced, renamed, and its folder synced. A damaged one counts as
//! absent. None is needed: a start on a full disk goes on without those that find no room, and
//! without a folder that an operator took away.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::layout::{Fields, append_crc, checked, narrow, wide};
use super::lsn::Lsn;
use super::segment::{End, Position};
use super::vfs::{Access, Through, UNFINISHED, Vfs, VfsFile};
use super::vfs::{is_full, make_folder, put_in_place, read_whole};

const MAGIC: [u8; 8] = *b"CARNETS1";
const VERSION: u32 = 12;
const HEADER: usize = 56;
const CRC: usize = 4;

/// Whole files in one folder, each under a name and a number of its own.
#[derive(Debug, Clone)]
pub struct Files<V> {
    vfs: V,
    folder: PathBuf,
    suffix: &'static str,
}

impl<V: Vfs> Files<V> {
    /// The snapshots below `data`, ready to be written.
    pub fn snapshots(vfs: V, data: &Path) -> io::Result<Self> {
        Self::of_snapshots(vfs, data).ready()
    }

    /// The pages of queues below `data`, ready to be written.
    pub fn pages(vfs: V, data: &Path) -> io::Result<Self> {
        Self::of_pages(vfs, data).ready()
    }

    /// The ids that segments used, below `data`, ready to be written.
    pub fn ids(vfs: V, data: &Path) -> io::Result<Self> {
        Self::of_ids(vfs, data).ready()
    }

    /// The keys that the log is searched by, below `data`, ready to be written.
    pub fn index(vfs: V, data: &Path) -> io::Result<Self> {
        Self::of_index(vfs, data).ready()
    }

    /// The snapshots below `data`, if there are any: to be read.
    pub fn of_snapshots(vfs: V, data: &Path) -> Self {
        Self::new(vfs, data.join("snapshots"), ".snapshot")
    }

    /// The pages of queues, to be read.
    pub fn of_pages(vfs: V, data: &Path) -> Self {
        Self::new(vfs, data.join("pages"), ".page")
    }

    /// The ids that segments used, to be read.
    pub fn of_ids(vfs: V, data: &Path) -> Self {
        Self::new(vfs, data.join("ids"), ".ids")
    }

    /// The keys that the log is searched by, to be read.
    pub fn of_index(vfs: V, data: &Path) -> Self {
        Self::new(vfs, data.join("index"), ".index")
    }

    fn new(vfs: V, folder: PathBuf, suffix: &'static str) -> Self {
        Self {
            vfs,
            folder,
            suffix,
        }
    }

    fn ready(self) -> io::Result<Self> {
        let made = make_folder(&self.vfs, &self.folder);
        match made.and_then(|()| self.sweep()) {
            Err(error) if is_full(&error) => {
                let folder = self.folder.display();
                tracing::warn!(%folder, %error, "this folder cannot be made ready");
            }
            swept => swept?,
        }
        Ok(self)
    }

    /// Takes away what a crash left half written. No other process writes here: the journal is locked.
    fn sweep(&self) -> io::Result<()> {
        for name in self.vfs.list(&self.folder)? {
            if name.ends_with(UNFINISHED) {
                self.vfs.unlink(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// The names of the files that are there, without their suffix, in order.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let names = match self.vfs.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        let ours = names
            .iter()
            .filter_map(|name| name.strip_suffix(self.suffix));
        Ok(ours.map(str::to_owned).collect())
    }

    /// Puts a whole file in place; durable when this returns.
    pub fn write(&self, name: &str, of: &Position, bytes: &[u8]) -> io::Result<()> {
        let mut content = Vec::with_capacity(HEADER + bytes.len() + CRC);
        content.extend_from_slice(&MAGIC);
        content.extend_from_slice(&VERSION.to_le_bytes());
        content.extend_from_slice(&of.journal);
        content.extend_from_slice(&of.end.lsn.0.to_le_bytes());
        content.extend_from_slice(&of.end.batch.to_le_bytes());
        content.extend_from_slice(&of.end.chain.to_le_bytes());
        content.extend_from_slice(&wide(bytes.len()).to_le_bytes());
        content.extend_from_slice(bytes);
        append_crc(&mut content);
        put_in_place(&self.vfs, &self.path(name), &content)
    }

    /// A file's bytes, and what it was made of; `None` where it is missing or damaged.
    pub fn read(&self, name: &str) -> io::Result<Option<(Position, Vec<u8>)>> {
        let content = read_whole(&self.vfs, &self.path(name), u64::MAX)?;
        Ok(content.and_then(|content| parse(&content)))
    }

    /// What a file was made of, and how many bytes it has, by its head alone; `None` where it is missing
    /// or that is not whole.
    pub fn head(&self, name: &str) -> io::Result<Option<(Position, usize)>> {
        let file = match self.vfs.open(&self.path(name), Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut header = [0; HEADER];
        let read = file.pread(&mut header, 0, Through::Cache)?;
        let head = header.get(..read).and_then(head);
        let whole = file.size()?.checked_sub(wide(HEADER + CRC));
        Ok(head
            .filter(|(_, length)| whole == Some(*length))
            .map(|(of, length)| (of, narrow(length))))
    }

    /// All files that are whole, the last by name first.
    pub fn whole(&self) -> io::Result<impl Iterator<Item = io::Result<(Position, Vec<u8>)>>> {
        let names = self.names()?.into_iter().rev();
        Ok(names.filter_map(|name| self.read(&name).transpose()))
    }

    /// Part of a file's bytes, unchecked: shorter where the file ends.
    pub fn read_part(&self, name: &str, part: Range<usize>) -> io::Result<Vec<u8>> {
        let file = self.vfs.open(&self.path(name), Access::Read)?;
        let mut bytes = vec![0; part.len()];
        let read = file.pread(&mut bytes, wide(HEADER + part.start), Through::Cache)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Takes a file away. That it is gone is no promise before the next write.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.vfs.unlink(&self.path(name))
    }

    /// Takes files away, and makes that durable where there were any.
    pub fn forget<'n>(&self, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
        let mut some = false;
        for name in names {
            match self.remove(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
            some = true;
        }
        if some {
            self.vfs.fsync_dir(&self.folder)?;
        }
        Ok(())
    }

    /// Where a file is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{}", self.suffix))
    }
}

fn parse(content: &[u8]) -> Option<(Position, Vec<u8>)> {
    let content = checked(content)?;
    let (header, bytes) = content.split_at_checked(HEADER)?;
    let (of, length) = head(header)?;
    (length == wide(bytes.len())).then(|| (of, bytes.to_vec()))
}

/// What a file's head says: what it was made of, and its length.
fn head(header: &[u8]) -> Option<(Position, u64)> {
    let mut fields = Fields(header);
    (fields.array()? == MAGIC && fields.u32()? == VERSION).then_some(())?;
    let journal = fields.array()?;
    let (lsn, batch) = (Lsn(fields.u64()?), fields.u64()?);
    let chain = fields.u32()?;
    let end = End { lsn, batch, chain };
    Some((Position { journal, end }, fields.u64()?))
}

/// The name of the snapshot, the ids or the index at an address: names sort as addresses do.
pub fn name_at(at: Lsn) -> String {
    format!("{:016x}", at.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::vfs::SimVfs;

    fn at(lsn: u64) -> Position {
        let (batch, chain) = (lsn + 1, 0xc0_ffee);
        let end = End {
            lsn: Lsn(lsn),
            batch,
            chain,
        };
        let journal = [7; 16];
        Position { journal, end }
    }

    #[test]
    fn what_a_crash_left_half_written_is_swept_at_the_next_start() {
        let vfs = SimVfs::new(1);
        let data = Path::new("/data");
        let files = Files::pages(vfs.clone(), data).unwrap();
        files.write("a", &at(7), b"bytes").unwrap();
        drop(vfs.create(&data.join("pages/b.page.unfinished")).unwrap());
        let files = Files::pages(vfs.clone(), data).unwrap();
        assert_eq!(vfs.list(&data.join("pages")).unwrap(), ["a.page"]);
        assert_eq!(files.read("a").unwrap(), Some((at(7), b"bytes".to_vec())));
    }

    #[test]
    fn on_a_full_disk_what_is_missing_stays_so_takes_no_room_and_is_made_once_there_is_some() {
        let vfs = SimVfs::new(1);
        let data = Path::new("/data");
        make_folder(&vfs, data).unwrap();
        vfs.fill();
        let files = Files::ids(vfs.clone(), data).unwrap();
        assert!(files.names().unwrap().is_empty());
        assert_eq!(files.read("a").unwrap(), None);
        assert!(is_full(&files.write("a", &at(7), b"bytes").unwrap_err()));
        vfs.make_room();
        files.write("a", &at(7), b"bytes").unwrap();
        // Half of the next one finds room, and gives it back.
        let used = vfs.used();
        vfs.limit(used + 20);
        assert!(is_full(&files.write("b", &at(8), b"bytes").unwrap_err()));
        assert_eq!(vfs.used(), used);
        assert_eq!(vfs.list(&data.join("ids")).unwrap(), ["a.ids"]);
        assert_eq!(files.read("a").unwrap(), Some((at(7), b"bytes".to_vec())));
    }

    #[test]
    fn a_file_reads_back_and_a_damaged_one_counts_as_absent() {
        let vfs = SimVfs::new(1);
        let data = Path::new("/data");
        let files = Files::snapshots(vfs.clone(), data).unwrap();
        files.write("a", &at(7), b"bytes").unwrap();
        assert_eq!(files.names().unwrap(), ["a"]);
        assert_eq!(files.read("a").unwrap(), Some((at(7), b"bytes".to_vec())));
        assert_eq!(files.read("b").unwrap(), None);
        assert_eq!(files.read_part("a", 1..4).unwrap(), b"yte");
        assert_eq!(files.read_part("a", 3..400).unwrap().len(), 2 + 4);
        assert_eq!(files.head("a").unwrap(), Some((at(7), 5)));
        assert_eq!(files.head("b").unwrap(), None);
        let path = data.join("snapshots/a.snapshot");
        vfs.edit(&path, |bytes| bytes[HEADER] ^= 1).unwrap();
        assert_eq!(files.read("a").unwrap(), None);
        // A head says nothing of damage behind it, but where the end is lost.
        assert_eq!(files.head("a").unwrap(), Some((at(7), 5)));
        vfs.edit(&path, |bytes| bytes.truncate(bytes.len() - 1))
            .unwrap();
        assert_eq!(files.head("a").unwrap(), None);
    }
}
