//! Reading a journal beside the process that writes it: no lock, and nothing is ever changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lsn::Lsn;
use super::reader::{Reader, Shared};
use super::recovery::{Extent, OpenError, placed};
use super::segment::End;
use super::survey::{NEAR, Segment, Survey, load_segments};
use super::vfs::{Access, Vfs};
use super::writer::seed;

/// A journal that grows under somebody else's hands, as far as it was looked at.
pub struct Follower<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    survey: Survey,
    extent: Extent,
    reader: Reader<V>,
}

impl<V: Vfs> Follower<V> {
    /// Opens what is there, up to the batch that is being written; says whether it has this end. What
    /// a start would refuse is an error.
    pub fn open(vfs: V, folder: &Path, expected: Option<End>) -> Result<Self, OpenError> {
        let segments = load_segments(&vfs, folder, Access::Read)?;
        let Some(first) = segments.first() else {
            let error = io::Error::new(io::ErrorKind::NotFound, "there is no journal here");
            return Err(OpenError::Io(error));
        };
        let seed = seed(&first.header.journal);
        // How it was closed is nothing to a reader.
        let mut survey = Survey::new(seed, 0, expected);
        survey.go_on(&segments, u64::MAX)?;
        let folder = folder.to_owned();
        Ok(Self {
            extent: Extent::of(&segments, &survey),
            reader: reader(&segments, &survey),
            vfs,
            folder,
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
        let segments = load_segments(&self.vfs, &self.folder, Access::Read)?;
        // What was whole then is not read again.
        self.survey.go_on(&segments, NEAR)?;
        self.extent = Extent::of(&segments, &self.survey);
        self.reader = reader(&segments, &self.survey);
        Ok(before)
    }
}

fn reader<V: Vfs>(segments: &[Segment<V>], survey: &Survey) -> Reader<V> {
    let shared = Shared::new(survey.seed(), placed(segments), survey.end.lsn);
    Reader::new(Arc::new(shared))
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
        let mut follower = Follower::open(DiskVfs, folder.path(), None).unwrap();
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
            let mut beside = Follower::open(DiskVfs, folder.path(), None).unwrap();
            let mut looks = 0;
            while !writer.is_finished() {
                beside.advance().unwrap();
                Follower::open(DiskVfs, folder.path(), None).unwrap();
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
        assert!(Follower::open(DiskVfs, folder.path(), None).is_err());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
