//! Opening a journal: what is whole stays, what was torn is cut, what is corrupt stops the start.
//! What is which, `survey` tells.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fill::{Part, Zeros, shorten};
use super::layout::{SECTOR, narrow, wide};
use super::lsn::Lsn;
use super::reader::{Placed, ReadError, Reader, Shared, StoredRecord};
use super::segment::{self, End, SegmentHeader};
use super::survey::{Segment, Survey, load_segments};
use super::vfs::{Access, Through, Vfs, VfsFile, make_folder};
use super::writer::{Config, Journal, Parts, seed};

/// What was found at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the journal is new.
    pub created: bool,
    /// Whether it ended with the record of a clean stop.
    pub clean: bool,
    /// Where an unfinished batch was cut, if there was one.
    pub cut: Option<Lsn>,
    /// The end of what was kept.
    pub end: Lsn,
}

/// Why a journal does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data folder is in use by another process; stop it, or choose another --data")]
    InUse,
    /// The disk failed.
    #[error("the journal cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A segment cannot be made.
    #[error(
        "a new segment of the journal cannot be made: {0}; look at the space of the data folder"
    )]
    NotMade(io::Error),
    /// Its first record is no whole one.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was durable once is not what it was.
    #[error(
        "the journal is corrupt in {file} at {at}: {says}; restore the file from a backup, nothing was changed"
    )]
    Corrupt {
        /// The segment file.
        file: String,
        /// Address of the damage.
        at: Lsn,
        /// What is wrong.
        says: &'static str,
    },
}

/// How far a journal reaches, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The journal's name; none where there is no journal.
    pub journal: Option<[u8; 16]>,
    /// Where it ends.
    pub end: End,
    /// Where its newest segment begins.
    pub newest: Lsn,
    /// Where something was lost, and that was accepted: from the end that was left, up to where the
    /// journal goes on.
    pub gaps: Vec<(Lsn, Lsn)>,
    /// Whether it has the end that it was said to have had.
    pub met: bool,
}

impl Extent {
    /// Where the end was that was left of the journal, if nothing has been written since a loss was
    /// accepted.
    pub fn accepted(&self) -> Option<Lsn> {
        let mut at = self.end.lsn;
        for (from, to) in self.gaps.iter().rev() {
            if *to == at {
                at = *from;
            }
        }
        (at < self.end.lsn).then_some(at)
    }

    pub(super) fn of<V: Vfs>(segments: &[Segment<V>], survey: &Survey) -> Self {
        let begins = segments.iter().map(|segment| {
            let SegmentHeader {
                first, predecessor, ..
            } = segment.header;
            (predecessor.lsn, first)
        });
        Self {
            journal: segments.first().map(|first| first.header.journal),
            end: survey.end,
            newest: segments.last().map_or(Lsn::START, |last| last.header.first),
            gaps: begins.filter(|(before, first)| before < first).collect(),
            met: survey.met,
        }
    }
}

/// A journal that is this process's, looked through, and not changed yet.
pub struct Found<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    config: Config,
    lock: V::Lock,
    segments: Vec<Segment<V>>,
    survey: Survey,
}

impl<V: Vfs> Found<V> {
    /// Takes the journal in `folder` and looks through it; says whether it has this end.
    pub fn look(
        vfs: V,
        folder: &Path,
        mut config: Config,
        expected: Option<End>,
    ) -> Result<Self, OpenError> {
        make_folder(&vfs, folder)?;
        let lock = vfs.lock(folder).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => OpenError::Io(error),
        })?;
        let segments = load_segments(&vfs, folder, Access::Write)?;
        if let Some(segment) = segments.first() {
            config.journal = segment.header.journal;
        }
        if let Some(last) = segments.last() {
            // What survived may be in the page cache alone, and so may the zeros by which an earlier
            // start took it away: shown is what cannot change any more.
            last.file.fdatasync()?;
        }
        let mut survey = Survey::new(seed(&config.journal), config.stopped_kind, expected);
        survey.go_on(&segments, u64::MAX)?;
        let folder = folder.to_owned();
        Ok(Self {
            vfs,
            folder,
            config,
            lock,
            segments,
            survey,
        })
    }

    /// How far it reaches.
    pub fn extent(&self) -> Extent {
        Extent::of(&self.segments, &self.survey)
    }

    /// Makes it ready to be written; begins one where there is none. With `further` it goes on at that
    /// address, behind all that it may once have had: what is between was lost. Durable when this
    /// returns.
    pub fn go_on(self, further: Option<Lsn>) -> Result<(Journal<V>, Recovery), OpenError> {
        let Self {
            vfs,
            folder,
            config,
            lock,
            segments,
            survey,
        } = self;
        let created = segments.is_empty();
        give_back(&vfs, &segments);
        let whole = wide(SECTOR + config.segment_bytes);
        let mut zeros = open_zeros(&vfs, &folder, (whole, config.background), &segments)?;
        let mut placed = placed(&segments);
        let (first, file) = if let Some(last) = segments.last() {
            (last.header.first, Arc::clone(&last.file))
        } else {
            zeros.keep().map_err(OpenError::NotMade)?;
            zeros.reach_at_start(Part::Spare, wide(SECTOR) + 1)?;
            let header = SegmentHeader {
                journal: config.journal,
                first: Lsn::START,
                predecessor: End::default(),
            };
            let file = Arc::new(segment::adopt_spare(&vfs, &folder, &header)?);
            zeros.adopted()?;
            placed.push(Placed::active(Lsn::START, Arc::clone(&file)));
            (Lsn::START, file)
        };
        let end = survey.end;
        let predecessor = segments.last().map(|last| last.header.predecessor);
        let seed = seed(&config.journal);
        let shared = Arc::new(Shared::new(seed, placed, end.lsn));
        let mut journal = Journal::new(Parts {
            vfs,
            folder,
            config,
            shared,
            file,
            zeros,
            first,
            predecessor: predecessor.unwrap_or_default(),
            end,
            lock,
        });
        let clean = survey.clean && !survey.begun;
        match further {
            Some(further) => journal.go_on_at(further).map_err(OpenError::NotMade)?,
            None => journal.go_on(created || clean)?,
        }
        let recovery = Recovery {
            created,
            clean: clean && further.is_none(),
            cut: survey.begun.then_some(end.lsn),
            end: journal.end(),
        };
        Ok((journal, recovery))
    }
}

impl<V: Vfs> Journal<V> {
    /// Opens the journal in `folder`, or begins one.
    pub fn open(vfs: V, folder: &Path, config: Config) -> Result<(Self, Recovery), OpenError> {
        Found::look(vfs, folder, config, None)?.go_on(None)
    }
}

/// Where segments stand: all but the last have a named end.
pub(super) fn placed<V: Vfs>(segments: &[Segment<V>]) -> Vec<Placed<V>> {
    let ends = segments
        .iter()
        .skip(1)
        .map(|next| Some(next.header.predecessor.lsn));
    let placed = segments.iter().zip(ends.chain([None]));
    placed
        .map(|(segment, end)| Placed {
            first: segment.header.first,
            file: Arc::clone(&segment.file),
            end,
        })
        .collect()
}

/// The first record of the journal in `folder`, as it lies there: no lock, no change, nothing else
/// looked at. `None` where there is no journal, or none whose first batch was ever finished.
pub fn first_record<V: Vfs>(vfs: &V, folder: &Path) -> Result<Option<StoredRecord>, OpenError> {
    let path = folder.join(segment::name(Lsn::START));
    let file = match vfs.open(&path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut sector = vec![0; SECTOR];
    file.pread(&mut sector, 0, Through::Cache)?;
    let Some(header) = SegmentHeader::parse(&sector) else {
        return Ok(None);
    };
    let first = [Segment {
        path,
        header,
        file: Arc::new(file),
    }];
    let seed = seed(&header.journal);
    let mut survey = Survey::new(seed, 0, None);
    survey.first_batch(&first)?;
    let shared = Shared::new(seed, placed(&first), survey.end.lsn);
    let reader = Reader::<V>::new(Arc::new(shared));
    Ok(reader.scan(Lsn::START).next().transpose()?)
}

/// Cuts off what lies behind the named ends of sealed segments, where a crash came before it was:
/// the name is durable, and nobody reads behind it.
fn give_back<V: Vfs>(vfs: &V, segments: &[Segment<V>]) {
    for (sealed, next) in segments.iter().zip(segments.iter().skip(1)) {
        let end = next.header.predecessor.lsn;
        let end = wide(SECTOR) + end.bytes_since(sealed.header.first);
        if sealed.file.size().is_ok_and(|size| size > end)
            && let Err(error) = shorten(vfs, &sealed.path, end)
        {
            let file = sealed.path.display();
            tracing::warn!(%file, %error, "a sealed segment keeps its zeros");
        }
    }
}

fn open_zeros<V: Vfs>(
    vfs: &V,
    folder: &Path,
    (whole, background): (u64, bool),
    segments: &[Segment<V>],
) -> io::Result<Zeros<V>> {
    let last = segments.last();
    let last = last.map(|last| Ok::<_, io::Error>((last.path.as_path(), last.file.size()?)));
    let last = last.transpose()?;
    Zeros::new((vfs, folder), whole, background, last)
}

/// Overwrites with zeros what an unfinished batch may have left behind the end at `place`, and
/// syncs: the segment is then as a clean stop leaves one, but for the record of that.
///
/// Why it may be written on, on a full disk, where otherwise a new one is begun. What can lie behind
/// the end is of the one unfinished batch k, on the disk or in the page cache: a later one would have
/// stopped the start. Both are looked at, since after a failed sync the cache calls clean what no
/// disk has. Once the sync of the zeros has returned, no sector of k is anywhere, so the next batch
/// k, other than the first, meets zeros as every batch does; and only then is anything of this start
/// shown or written. A crash before that leaves less of k, or all of it, which is what the start
/// found too: k was told to nobody. What was confirmed lies before `place`, and is not touched.
pub(super) fn clear_behind<F: VfsFile>(file: &F, mut place: u64) -> io::Result<()> {
    let size = file.size()?;
    let zeros = vec![0; PIECE];
    let mut found = vec![0; PIECE];
    while place < size {
        let length = narrow(size - place).min(PIECE);
        let (Some(zeros), Some(found)) = (zeros.get(..length), found.get_mut(..length)) else {
            break;
        };
        for through in [Through::Disk, Through::Cache] {
            file.pread(found, place, through)?;
            if found != zeros {
                file.pwrite(&[zeros], place)?;
                break;
            }
        }
        place += wide(length);
    }
    file.fdatasync()
}

/// What is read at once where a segment is cleared.
const PIECE: usize = 1 << 20;
