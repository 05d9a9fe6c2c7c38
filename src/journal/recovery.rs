//! Opening a journal: what is whole stays, what was torn is cut, what is corrupt stops the start.
//! What is which, `survey` tells.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::seed;
use super::error::OpenError;
use super::fill::{Part, Zeros, shorten};
use super::layout::{BLOCK, wide};
use super::listing::{Listing, Segment};
use super::lsn::Lsn;
use super::reader::{Active, Reader, Shared, StoredRecord};
use super::segment::{self, End, SegmentHeader};
use super::survey::Survey;
use super::vfs::{Access, Vfs, VfsFile, make_folder};
use super::writer::{Config, Journal, Parts};

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

    pub(super) fn of<V: Vfs>(last: Option<&Segment<V>>, survey: &Survey) -> Self {
        Self {
            journal: last.map(|last| last.header.journal),
            end: survey.end,
            newest: last.map_or(Lsn::START, |last| last.header.first),
            gaps: survey.gaps.clone(),
            met: survey.met,
        }
    }
}

/// What is known of a journal before it is looked through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// An end that it must have, or have had.
    pub expected: Option<End>,
    /// Where a segment begins before which all was whole: the look begins there.
    pub vouched: Option<End>,
}

impl Known {
    pub(super) fn survey(&self, seed: u32, stopped_kind: u8) -> Survey {
        let from = self.vouched.unwrap_or_default();
        Survey::new(seed, stopped_kind, self.expected, from)
    }
}

/// A journal that is this process's, looked through, and not changed yet.
pub struct Found<V: Vfs> {
    vfs: V,
    folder: PathBuf,
    config: Config,
    lock: V::Lock,
    listing: Listing<V>,
    last: Option<Segment<V>>,
    survey: Survey,
}

impl<V: Vfs> Found<V> {
    /// Takes the journal in `folder` and looks through it; says whether it has the end that is known.
    pub fn look(
        vfs: V,
        folder: &Path,
        mut config: Config,
        known: &Known,
    ) -> Result<Self, OpenError> {
        make_folder(&vfs, folder)?;
        let lock = vfs.lock(folder).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => OpenError::Io(error),
        })?;
        let listing = Listing::list(&vfs, folder, Access::Write)?;
        if let Some(newest) = listing.firsts().last() {
            let last = listing.open(*newest)?;
            config.journal = last.header.journal;
            // What survived may be in the page cache alone, and so may the zeros by which an earlier
            // start took it away: shown is what cannot change any more.
            last.file.fdatasync()?;
        }
        let mut survey = known.survey(seed(&config.journal), config.stopped_kind);
        let last = survey.go_on(&listing, u64::MAX)?;
        let folder = folder.to_owned();
        Ok(Self {
            vfs,
            folder,
            config,
            lock,
            listing,
            last,
            survey,
        })
    }

    /// How far it reaches.
    pub fn extent(&self) -> Extent {
        Extent::of(self.last.as_ref(), &self.survey)
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
            listing,
            last,
            survey,
        } = self;
        give_back(&vfs, &listing, survey.from());
        let mut zeros = open_zeros(&vfs, &folder, &config, last.as_ref())?;
        let created = last.is_none();
        let last = match last {
            Some(last) => last,
            None => first_segment(&vfs, &folder, config.journal, &mut zeros)?,
        };
        let end = survey.end;
        let shared = Arc::new(Shared::listed(&listing, &last, end.lsn));
        let mut journal = Journal::new(Parts {
            vfs,
            folder,
            config,
            shared,
            file: last.file,
            zeros,
            first: last.header.first,
            predecessor: last.header.predecessor,
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

/// Makes the first segment of a new journal.
fn first_segment<V: Vfs>(
    vfs: &V,
    folder: &Path,
    journal: [u8; 16],
    zeros: &mut Zeros<V>,
) -> Result<Segment<V>, OpenError> {
    zeros.keep().map_err(OpenError::NotMade)?;
    zeros.reach_at_start(Part::Spare, wide(BLOCK) + 1)?;
    let header = SegmentHeader {
        journal,
        first: Lsn::START,
        predecessor: End::default(),
    };
    let file = Arc::new(segment::adopt_spare(vfs, folder, &header)?);
    zeros.adopted()?;
    let path = folder.join(segment::name(Lsn::START));
    Ok(Segment { path, header, file })
}

impl<V: Vfs> Journal<V> {
    /// Opens the journal in `folder`, or begins one.
    pub fn open(vfs: V, folder: &Path, config: Config) -> Result<(Self, Recovery), OpenError> {
        Found::look(vfs, folder, config, &Known::default())?.go_on(None)
    }
}

/// The first record of the journal in `folder`, as it lies there: no lock, no change, nothing else
/// looked at. `None` where there is no journal, or none whose first batch was ever finished.
pub fn first_record<V: Vfs>(vfs: &V, folder: &Path) -> Result<Option<StoredRecord>, OpenError> {
    let first = match Segment::open(vfs, folder, Lsn::START, Access::Read) {
        Ok(first) => first,
        Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A start that died may have left one without a header, and a folder with damage is for a look
        // at all of it to tell.
        Err(OpenError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let seed = seed(&first.header.journal);
    let mut survey = Known::default().survey(seed, 0);
    survey.first_batch(&first)?;
    let shared = Shared::new(vfs, folder, &[], Active::of(&first), survey.end.lsn);
    let reader = Reader::<V>::new(Arc::new(shared));
    Ok(reader.scan(Lsn::START).next().transpose()?)
}

/// Cuts off what lies behind the named ends of sealed segments, where a crash came before it was:
/// the name is durable, and nothing behind it is ever read. Segments before the one that was sealed
/// last when `from` was vouched for were looked at by an earlier start.
fn give_back<V: Vfs>(vfs: &V, listing: &Listing<V>, from: Lsn) {
    let looked = listing.firsts().partition_point(|first| *first < from);
    let recent = listing.firsts().get(looked.saturating_sub(1)..);
    let mut before: Option<Segment<V>> = None;
    for first in recent.unwrap_or_default() {
        let Ok(segment) = listing.open(*first) else {
            continue;
        };
        if let Some(sealed) = before {
            let end = segment.header.predecessor.lsn;
            let end = wide(BLOCK) + end.bytes_since(sealed.header.first);
            if sealed.file.size().is_ok_and(|size| size > end)
                && let Err(error) = shorten(vfs, &sealed.path, end)
            {
                let file = sealed.path.display();
                tracing::warn!(%file, %error, "a sealed segment keeps its zeros");
            }
        }
        before = Some(segment);
    }
}

fn open_zeros<V: Vfs>(
    vfs: &V,
    folder: &Path,
    config: &Config,
    last: Option<&Segment<V>>,
) -> io::Result<Zeros<V>> {
    let last = last.map(|last| Ok::<_, io::Error>((last.path.as_path(), last.file.size()?)));
    let last = last.transpose()?;
    Zeros::new(vfs, folder, config.whole(), config.background, last)
}
