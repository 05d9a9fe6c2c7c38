//! Opening a journal: what is whole stays, what was torn is cut, what is corrupt stops the start.
//!
//! Let k be the batch of the first invalid byte. A valid batch above k, damage before the named end
//! of an earlier segment: corruption. Otherwise k was being written when the power went: it was
//! never confirmed and is cut whole. (Sectors of one unsynced batch persist in any order, so
//! anything valid *of batch k* behind the first damage proves nothing.)
//!
//! Stated limit: damage inside the last batch before an unclean stop looks like a torn write.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::batch::{Header, RecordHeader};
use super::fill::{Part, Zeros, shorten};
use super::layout::{SECTOR, narrow, wide};
use super::lsn::Lsn;
use super::reader::{Reader, Shared, StoredRecord};
use super::segment::{self, End, SegmentHeader};
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

pub(super) struct Segment<V: Vfs> {
    name: String,
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<V::File>,
}

impl<V: Vfs> Segment<V> {
    fn corrupt(&self, at: Lsn, says: &'static str) -> OpenError {
        OpenError::Corrupt {
            file: self.name.clone(),
            at,
            says,
        }
    }
}

impl<V: Vfs> Journal<V> {
    /// Opens the journal in `folder`, or begins one.
    pub fn open(vfs: V, folder: &Path, mut config: Config) -> Result<(Self, Recovery), OpenError> {
        make_folder(&vfs, folder)?;
        let lock = vfs.lock(folder).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => OpenError::Io(error),
        })?;
        let segments = load_segments(&vfs, folder, Access::Write)?;
        let created = segments.is_empty();
        if let Some(segment) = segments.first() {
            config.journal = segment.header.journal;
        }
        if let Some(last) = segments.last() {
            // What survived may be in the page cache alone, and so may the zeros by which an earlier
            // start took it away: shown is what cannot change any more.
            last.file.fdatasync()?;
        }
        let seed = seed(&config.journal);
        let found = survey(&segments, seed, config.stopped_kind)?;
        let mut files: Vec<(Lsn, Arc<V::File>)> = segments
            .iter()
            .map(|s| (s.header.first, Arc::clone(&s.file)))
            .collect();
        give_back(&vfs, folder, &segments);
        let whole = wide(SECTOR + config.segment_bytes);
        let mut zeros = open_zeros(&vfs, folder, (whole, config.background), &segments)?;
        let (first, file) = if let Some(last) = segments.last() {
            (last.header.first, Arc::clone(&last.file))
        } else {
            zeros.keep()?;
            zeros.reach_at_start(Part::Spare, wide(SECTOR) + 1)?;
            let header = SegmentHeader {
                journal: config.journal,
                first: Lsn::START,
                predecessor: End::default(),
            };
            let file = Arc::new(segment::adopt_spare(&vfs, folder, &header)?);
            zeros.adopted()?;
            files.push((Lsn::START, Arc::clone(&file)));
            (Lsn::START, file)
        };
        let end = found.end;
        let shared = Arc::new(Shared::new(seed, files, end.lsn));
        let folder = folder.to_owned();
        let mut journal = Self::new(Parts {
            vfs,
            folder,
            config,
            shared,
            file,
            zeros,
            first,
            end,
            lock,
        });
        journal.go_on(created || found.clean)?;
        let recovery = Recovery {
            created,
            clean: found.clean,
            cut: found.cut,
            end: end.lsn,
        };
        Ok((journal, recovery))
    }
}

/// The first record of the journal in `folder`, as it lies there: no lock, no change, no other byte
/// looked at. `None` where there is no journal, or none whose first batch is whole.
pub fn first_record<V: Vfs>(vfs: &V, folder: &Path) -> Result<Option<StoredRecord>, OpenError> {
    let file = match vfs.open(&folder.join(segment::name(Lsn::START)), Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut sector = vec![0; SECTOR];
    file.pread(&mut sector, 0, Through::Cache)?;
    let Some(header) = SegmentHeader::parse(&sector) else {
        return Ok(None);
    };
    let first = Segment {
        name: segment::name(Lsn::START),
        header,
        file: Arc::new(file),
    };
    let seed = seed(&header.journal);
    let one = Some(Lsn::START.plus(1));
    let (end, _) = walk::<V>(&first, End::default(), seed, one)?;
    let files = vec![(Lsn::START, first.file)];
    let reader = Reader::<V>::new(Arc::new(Shared::new(seed, files, end.lsn)));
    Ok(reader.scan(Lsn::START).next().and_then(Result::ok))
}

/// Cuts off what lies behind the named ends of sealed segments, where a crash came before it was:
/// the name is durable, and nobody reads behind it.
fn give_back<V: Vfs>(vfs: &V, folder: &Path, segments: &[Segment<V>]) {
    for (sealed, next) in segments.iter().zip(segments.iter().skip(1)) {
        let end = next.header.predecessor.lsn;
        let end = wide(SECTOR) + end.bytes_since(sealed.header.first);
        if sealed.file.size().is_ok_and(|size| size > end) {
            let path = folder.join(&sealed.name);
            if let Err(error) = shorten(vfs, &path, end) {
                tracing::warn!(file = %path.display(), %error, "a sealed segment keeps its zeros");
            }
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
    let last = last.map(|last| Ok::<_, io::Error>((folder.join(&last.name), last.file.size()?)));
    let last = last.transpose()?;
    let active = last.as_ref().map(|(path, size)| (path.as_path(), *size));
    Zeros::new((vfs, folder), whole, background, active)
}

pub(super) fn load_segments<V: Vfs>(
    vfs: &V,
    folder: &Path,
    access: Access,
) -> Result<Vec<Segment<V>>, OpenError> {
    let mut segments = Vec::new();
    for name in vfs.list(folder)? {
        let Some(first) = segment::first_of(&name) else {
            continue;
        };
        let path = folder.join(&name);
        let file = vfs
            .open(&path, access)
            .or_else(|_| vfs.open(&path, Access::Read))?;
        let mut sector = vec![0; SECTOR];
        file.pread(&mut sector, 0, Through::Disk)?;
        let header = SegmentHeader::parse(&sector).filter(|header| header.first == first);
        let Some(header) = header else {
            let says = "its header is damaged";
            return Err(OpenError::Corrupt {
                file: name,
                at: first,
                says,
            });
        };
        segments.push(Segment {
            name,
            header,
            file: Arc::new(file),
        });
    }
    segments.sort_by_key(|segment| segment.header.first);
    Ok(segments)
}

struct Found {
    end: End,
    clean: bool,
    cut: Option<Lsn>,
}

fn survey<V: Vfs>(segments: &[Segment<V>], seed: u32, stopped: u8) -> Result<Found, OpenError> {
    let mut end = End::default();
    let mut clean = false;
    for (place, segment) in segments.iter().enumerate() {
        if segment.header.predecessor != end {
            return Err(segment.corrupt(end.lsn, "its predecessor does not end where it names"));
        }
        let next = segments.get(place + 1).map(|next| next.header.predecessor);
        let until = next.map(|next| next.lsn);
        let (reached, last_kind) = walk(segment, segment.header.predecessor, seed, until)?;
        if next.is_some_and(|next| next != reached) {
            return Err(segment.corrupt(reached.lsn, "a batch before its named end is damaged"));
        }
        clean = last_kind.map_or(clean, |kind| kind == stopped);
        end = reached;
    }
    let mut cut = None;
    if let Some(last) = segments.last() {
        let behind = inspect_behind(last, end, seed)?;
        cut = behind.then_some(end.lsn);
    }
    Ok(Found {
        end,
        clean: clean && cut.is_none(),
        cut,
    })
}

/// Walks whole batches from where the one before ends. Returns where they end and the last record's
/// kind.
pub(super) fn walk<V: Vfs>(
    segment: &Segment<V>,
    from: End,
    seed: u32,
    until: Option<Lsn>,
) -> Result<(End, Option<u8>), OpenError> {
    let mut end = from;
    let mut last_kind = None;
    let mut window = Window::new(&*segment.file);
    while until.is_none_or(|until| end.lsn < until) {
        let place = wide(SECTOR) + end.lsn.bytes_since(segment.header.first);
        let Some(header) = Header::parse(window.read(place, SECTOR)?, seed) else {
            break;
        };
        if header.number != end.batch + 1 || header.lsn != end.lsn {
            break;
        }
        let bytes = window.read(place, header.total)?;
        if bytes.len() < header.total || !header.is_whole(bytes, seed) {
            break;
        }
        last_kind = last_kind_of(bytes, &header).or(last_kind);
        let chain = crc32c::crc32c_append(end.chain, bytes);
        end = End {
            lsn: end.lsn.plus(header.total),
            batch: header.number,
            chain,
        };
    }
    Ok((end, last_kind))
}

/// A file as the disk has it, read in long pieces: past the cache each read waits for the disk, and
/// two of them a batch made a start after a million messages last ten seconds.
struct Window<'f, F> {
    file: &'f F,
    at: u64,
    bytes: Vec<u8>,
}

const WINDOW: usize = 4 << 20;

impl<'f, F: VfsFile> Window<'f, F> {
    fn new(file: &'f F) -> Self {
        let (at, bytes) = (0, Vec::new());
        Self { file, at, bytes }
    }

    /// Bytes from `place` on; fewer only where the file ends.
    fn read(&mut self, place: u64, length: usize) -> io::Result<&[u8]> {
        let held = place.checked_sub(self.at).map(narrow);
        let held = held.filter(|skipped| skipped.saturating_add(length) <= self.bytes.len());
        let skipped = if let Some(skipped) = held {
            skipped
        } else {
            self.bytes.resize(length.max(WINDOW), 0);
            let read = self.file.pread(&mut self.bytes, place, Through::Disk)?;
            self.bytes.truncate(read);
            self.at = place;
            0
        };
        let found = self.bytes.get(skipped..).unwrap_or_default();
        Ok(found.get(..length).unwrap_or(found))
    }
}

fn last_kind_of(bytes: &[u8], header: &Header) -> Option<u8> {
    let (mut at, end) = (
        super::batch::BATCH_HEADER,
        super::batch::BATCH_HEADER + header.records,
    );
    let mut kind = None;
    while at < end {
        let record = RecordHeader::parse(bytes.get(at..)?)?;
        kind = Some(record.kind);
        at += record.stride();
    }
    kind
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

/// What is read at once where a segment is looked through for what should not be there.
const PIECE: usize = 1 << 20;
const ZEROS: [u8; SECTOR] = [0; SECTOR];

/// Looks behind the end: true where an unfinished batch was begun; corruption where a later batch
/// is there, for it was first written after this one's sync had returned.
fn inspect_behind<V: Vfs>(segment: &Segment<V>, end: End, seed: u32) -> Result<bool, OpenError> {
    let size = segment.file.size()?;
    let mut place = wide(SECTOR) + end.lsn.bytes_since(segment.header.first);
    let mut begun = false;
    let mut piece = vec![0; PIECE];
    while place < size {
        let want = narrow(size - place).min(piece.len());
        let Some(into) = piece.get_mut(..want) else {
            break;
        };
        let read = segment.file.pread(into, place, Through::Disk)?;
        if read == 0 {
            break;
        }
        for sector in piece.get(..read).unwrap_or_default().chunks(SECTOR) {
            begun |= ZEROS.get(..sector.len()) != Some(sector);
            let later = Header::parse(sector, seed).filter(|h| h.number > end.batch + 1);
            if later.is_some_and(|h| h.lsn >= end.lsn) {
                return Err(segment.corrupt(end.lsn, "a damaged batch is followed by a later one"));
            }
        }
        place += wide(read);
    }
    Ok(begun)
}
