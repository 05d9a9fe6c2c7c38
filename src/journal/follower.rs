//! Reading a journal beside the process that writes it: no lock, and nothing is ever changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::seed;
use super::error::OpenError;
use super::listing::Listing;
use super::lsn::Lsn;
use super::reader::{Reader, Shared};
use super::recovery::{Extent, Known};
use super::survey::{NEAR, Survey};
use super::vfs::{Access, Vfs};

/// A journal that another process may write, as far as it was looked at.
pub struct Follower<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    survey: Survey,
    extent: Extent,
    reader: Reader<V>,
}

impl<V: Vfs> Follower<V> {
    /// Opens what is there, up to the batch that is being written; says whether it has the end that is
    /// known. What a start would refuse is an error.
    pub fn open(vfs: V, folder: &Path, known: &Known) -> Result<Self, OpenError> {
        let absent = || io::Error::new(io::ErrorKind::NotFound, "there is no journal here");
        let listing = Listing::list(&vfs, folder, Access::Read)?;
        let newest = listing.firsts().last().ok_or_else(absent)?;
        let journal = listing.open(*newest)?.header.journal;
        // How it was closed is nothing to a reader.
        let mut survey = known.survey(seed(&journal), 0);
        let last = survey.go_on(&listing, u64::MAX)?.ok_or_else(absent)?;
        Ok(Self {
            extent: Extent::of(Some(&last), &survey),
            reader: Reader::new(Arc::new(Shared::listed(&listing, &last, survey.end.lsn))),
            folder: folder.to_owned(),
            vfs,
            survey,
        })
    }

    /// How far it reaches, as of the last look.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Reads what was there at the last look.
    pub fn reader(&self) -> &Reader<V> {
        &self.reader
    }

    /// Looks for what was written since, and returns where it begins: a start for
    /// [`Reader::scan`].
    pub fn advance(&mut self) -> Result<Lsn, OpenError> {
        let before = self.survey.end.lsn;
        let listing = Listing::list(&self.vfs, &self.folder, Access::Read)?;
        // What was whole then is not read again.
        if let Some(last) = self.survey.go_on(&listing, NEAR)? {
            self.extent = Extent::of(Some(&last), &self.survey);
            let shared = Shared::listed(&listing, &last, self.survey.end.lsn);
            self.reader = Reader::new(Arc::new(shared));
        }
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::vfs::DiskVfs;
    use crate::journal::{Config, Journal, Kind};

    fn write(journal: &mut Journal<DiskVfs>, text: &[u8]) {
        journal.reserve(text.len() + 64, 0).unwrap();
        journal.push(Kind { kind: 1, schema: 1 }, text, None);
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
            segment_bytes: 32 << 10,
            background: false,
            journal: [7; 16],
            stopped_kind: 12,
        };
        let (mut journal, _) = Journal::open(DiskVfs, folder.path(), config).unwrap();
        write(&mut journal, b"first");
        let mut follower = Follower::open(DiskVfs, folder.path(), &Known::default()).unwrap();
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
    fn what_is_being_written_is_never_taken_for_damage() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            segment_bytes: 1 << 20,
            background: true,
            journal: [7; 16],
            stopped_kind: 12,
        };
        let (mut journal, _) = Journal::open(DiskVfs, folder.path(), config).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for n in 0..2_000_usize {
                    write(&mut journal, &vec![1; 100 + n * 37 % 3_000]);
                }
            });
            let mut beside = Follower::open(DiskVfs, folder.path(), &Known::default()).unwrap();
            let mut looks = 0;
            while !writer.is_finished() {
                beside.advance().unwrap();
                Follower::open(DiskVfs, folder.path(), &Known::default()).unwrap();
                looks += 1;
            }
            writer.join().unwrap();
            beside.advance().unwrap();
            assert_eq!(bodies(&beside, Lsn::START).len(), 2_000);
            assert!(looks > 0);
        });
    }

    #[test]
    fn a_folder_without_a_journal_is_an_error_and_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Follower::open(DiskVfs, folder.path(), &Known::default()).is_err());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
