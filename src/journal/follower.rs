//! Reading a journal beside the process that writes it: no lock, and nothing is ever changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lsn::Lsn;
use super::reader::{Reader, Shared};
use super::recovery::{OpenError, load_segments, walk};
use super::segment::End;
use super::vfs::{Access, Vfs};
use super::writer::seed;

/// A journal that grows under somebody else's hands, as far as it was looked at.
pub struct Follower<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    reached: End,
    reader: Reader<V>,
}

impl<V: Vfs> Follower<V> {
    /// Opens what is there, up to the first batch that is not whole.
    pub fn open(vfs: V, folder: &Path) -> Result<Self, OpenError> {
        let (reader, reached) = look(&vfs, folder, End::default())?;
        let folder = folder.to_owned();
        Ok(Self {
            vfs,
            folder,
            reached,
            reader,
        })
    }

    /// Reads what was there at the last look.
    pub fn reader(&self) -> &Reader<V> {
        &self.reader
    }

    /// Looks for what was written since, and returns where it begins: a start for
    /// [`Reader::scan`].
    pub fn advance(&mut self) -> Result<Lsn, OpenError> {
        let before = self.reached.lsn;
        (self.reader, self.reached) = look(&self.vfs, &self.folder, self.reached)?;
        Ok(before)
    }
}

/// Walks on from where an earlier look ended: what was whole then is not read again.
fn look<V: Vfs>(vfs: &V, folder: &Path, from: End) -> Result<(Reader<V>, End), OpenError> {
    let segments = load_segments(vfs, folder, Access::Read)?;
    let Some(first) = segments.first() else {
        let error = io::Error::new(io::ErrorKind::NotFound, "there is no journal here");
        return Err(OpenError::Io(error));
    };
    let seed = seed(&first.header.journal);
    let mut reached = from;
    for (place, segment) in segments.iter().enumerate() {
        let next = segments.get(place + 1);
        let until = next.map(|next| next.header.predecessor.lsn);
        if until.is_none_or(|until| reached.lsn < until) {
            reached = walk(segment, reached, seed, until)?.0;
        }
    }
    let files = segments
        .iter()
        .map(|s| (s.header.first, Arc::clone(&s.file)))
        .collect();
    Ok((
        Reader::new(Arc::new(Shared::new(seed, files, reached.lsn))),
        reached,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::vfs::DiskVfs;
    use crate::journal::{Config, Journal};

    fn write(journal: &mut Journal<DiskVfs>, text: &[u8]) {
        journal.reserve(text.len() + 64, 0).unwrap();
        journal.push(1, 1, text, None);
        journal.commit().unwrap();
    }

    fn bodies(follower: &Follower<DiskVfs>, from: Lsn) -> Vec<Vec<u8>> {
        let records = follower.reader().scan(from);
        records.map(|record| record.unwrap().body).collect()
    }

    #[test]
    fn what_is_written_meanwhile_is_found_across_segments() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            segment_bytes: 8 << 10,
            background: false,
            journal: [7; 16],
            stopped_kind: 12,
        };
        let (mut journal, _) = Journal::open(DiskVfs, folder.path(), config).unwrap();
        write(&mut journal, b"first");
        let mut follower = Follower::open(DiskVfs, folder.path()).unwrap();
        assert_eq!(bodies(&follower, Lsn::START), [b"first"]);
        let from = follower.advance().unwrap();
        assert!(bodies(&follower, from).is_empty());
        let texts: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; 700]).collect();
        for text in &texts {
            write(&mut journal, text);
        }
        let from = follower.advance().unwrap();
        assert_eq!(bodies(&follower, from), texts);
        assert_eq!(bodies(&follower, Lsn::START).len(), 41);
    }

    #[test]
    fn a_folder_without_a_journal_is_an_error_and_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Follower::open(DiskVfs, folder.path()).is_err());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
