//! Looking through a journal without changing it: where it ends, and whether what must be there is.
//!
//! Let k be the batch of the first invalid byte. A valid batch above k, damage before the named end
//! of an earlier segment: corruption. Otherwise k was being written when the power went: it was
//! never confirmed. (Sectors of one unsynced batch persist in any order, so anything valid *of batch
//! k* behind the first damage proves nothing.)
//!
//! A start and every command that reads go by the same look, from the position on that a snapshot
//! vouches for: what one refuses the other does. Beside a process that writes, k may have become whole
//! between two reads; it is read once more before it counts as damaged.
//!
//! Stated limit: damage inside the last batch before an unclean stop looks like a torn write.

use std::io;

use super::batch::{BATCH_HEADER, Frames, Header, RecordHeader};
use super::error::OpenError;
use super::layout::{BLOCK, is_zero, narrow, wide};
use super::listing::{Listing, Segment};
use super::lsn::Lsn;
use super::segment::{End, Position};
use super::vfs::{Through, Vfs, VfsFile};

/// How far a journal was looked through, and what was found on the way.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    seed: u32,
    stopped_kind: u8,
    /// Where the look began.
    from: Lsn,
    /// The end of what is whole.
    pub(super) end: End,
    /// Whether the last record is that of a clean stop.
    pub(super) clean: bool,
    /// Whether something lies behind the end: a batch that is being written, or was not finished.
    pub(super) begun: bool,
    /// Where something was lost, and that was accepted: from where a segment ends to where the next
    /// begins.
    pub(super) gaps: Vec<(Lsn, Lsn)>,
    /// An end that the journal must have had, and whether it was met.
    expected: Option<End>,
    pub(super) met: bool,
}

/// Looks at what was written meanwhile, before what is not whole yet is left to the next look.
const LOOKS: usize = 16;
/// How far behind the end a second look searches for a later batch: no batch is as long.
pub(super) const NEAR: u64 = 4 << 20;

impl Survey {
    /// A look at a journal from a position on, which is vouched for.
    pub(super) fn new(seed: u32, stopped_kind: u8, expected: Option<End>, from: End) -> Self {
        Self {
            seed,
            stopped_kind,
            from: from.lsn,
            end: from,
            clean: false,
            begun: false,
            gaps: Vec::new(),
            expected,
            met: expected == Some(from),
        }
    }

    /// Where it began.
    pub(super) fn from(&self) -> Lsn {
        self.from
    }

    /// Goes on from where the last look ended, to the end of these segments; behind that, so far.
    /// Gives the last of them.
    pub(super) fn go_on<V: Vfs>(
        &mut self,
        listing: &Listing<V>,
        behind: u64,
    ) -> Result<Option<Segment<V>>, OpenError> {
        self.look_back(listing)?;
        let (Some(mut at), _) = listing.around(self.end.lsn) else {
            return Ok(None);
        };
        let mut segment = listing.open(at)?;
        loop {
            let next = listing.around(at).1.map(|next| listing.open(next));
            let next = next.transpose()?;
            self.through(&segment, next.as_ref(), &mut |_| true)?;
            let Some(next) = next else {
                self.look_behind(&segment, behind)?;
                return Ok(Some(segment));
            };
            at = next.header.first;
            segment = next;
        }
    }

    /// Looks through one segment, to the end that the next one names. Stops where `beat`, which is
    /// told of octets as they are read, says no.
    pub(super) fn through<V: Vfs>(
        &mut self,
        segment: &Segment<V>,
        next: Option<&Segment<V>>,
        beat: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), OpenError> {
        if segment.header.first >= self.end.lsn {
            self.enter(segment)?;
        }
        let named = next.map(|next| next.header.predecessor);
        let until = named.map(|named| named.lsn);
        let is_stopped = self.walk(segment, until, beat)?;
        if !is_stopped && named.is_some_and(|named| named != self.end) {
            let says = "a batch before its named end is damaged";
            return Err(segment.corrupt(self.end.lsn, says));
        }
        Ok(())
    }

    /// Looks for an end that the journal must have had before the position where this look begins: in
    /// the one segment that holds it, from that segment's own beginning.
    fn look_back<V: Vfs>(&mut self, listing: &Listing<V>) -> Result<(), OpenError> {
        let older = self.expected.filter(|it| it.lsn < self.from && !self.met);
        let Some(older) = older else {
            return Ok(());
        };
        let (Some(holds), Some(next)) = listing.around(older.lsn) else {
            return Ok(());
        };
        let (segment, next) = (listing.open(holds)?, listing.open(next)?);
        if next.header.predecessor.lsn < older.lsn {
            // It is among what was lost; that was accepted.
            self.met = true;
            return Ok(());
        }
        let begins = segment.header.begins().end;
        let mut back = Self::new(self.seed, self.stopped_kind, self.expected, begins);
        back.walk(&segment, Some(older.lsn), &mut |_| true)?;
        self.met = back.met;
        Ok(())
    }

    /// Looks at the first batch alone; behind it where it is not whole.
    pub(super) fn first_batch<V: Vfs>(&mut self, segment: &Segment<V>) -> Result<(), OpenError> {
        self.walk(segment, Some(Lsn::START.plus(1)), &mut |_| true)?;
        if self.end == End::default() {
            self.look_behind(segment, u64::MAX)?;
        }
        Ok(())
    }

    /// Where a segment begins, its predecessor's end is named. It may begin further on: what is
    /// between was lost, and that accepted.
    fn enter<V: Vfs>(&mut self, segment: &Segment<V>) -> Result<(), OpenError> {
        let Position { end: begins, .. } = segment.header.begins();
        let (first, predecessor) = (segment.header.first, segment.header.predecessor);
        if (predecessor != self.end && begins != self.end) || first < predecessor.lsn {
            let says = "its predecessor does not end where it names";
            return Err(segment.corrupt(self.end.lsn, says));
        }
        let gap = (predecessor.lsn, first);
        if predecessor.lsn < first && self.gaps.last() != Some(&gap) {
            self.gaps.push(gap);
        }
        self.reach(begins);
        Ok(())
    }

    fn reach(&mut self, end: End) {
        self.end = end;
        self.met |= self.expected == Some(end);
    }

    /// Walks whole batches from where the one before ends. True where it was stopped.
    fn walk<V: Vfs>(
        &mut self,
        segment: &Segment<V>,
        until: Option<Lsn>,
        beat: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, OpenError> {
        let frames = match until {
            Some(_) => Frames::MayBeGivenBack,
            None => Frames::Present,
        };
        let mut window = Window::new(&*segment.file);
        while until.is_none_or(|until| self.end.lsn < until) {
            let place = wide(BLOCK) + self.end.lsn.bytes_since(segment.header.first);
            let Some(header) = Header::parse(window.read(place, BATCH_HEADER)?, self.seed) else {
                break;
            };
            if header.number != self.end.batch + 1 || header.lsn != self.end.lsn {
                break;
            }
            let bytes = window.read(place, header.total)?;
            let Some(hashed) = header.whole(bytes, self.seed, frames) else {
                break;
            };
            if let Some(kind) = last_kind_of(hashed, &header) {
                self.clean = kind == self.stopped_kind;
            }
            self.reach(End {
                lsn: self.end.lsn.plus(header.total),
                batch: header.number,
                chain: crc32c::crc32c_append(self.end.chain, hashed),
            });
            if !beat(header.total) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks behind the end for a later batch: it was first written after the sync of the one that
    /// is not whole had returned.
    fn look_behind<V: Vfs>(&mut self, last: &Segment<V>, behind: u64) -> Result<(), OpenError> {
        for _ in 0..LOOKS {
            let found = inspect_behind(last, self.end, self.seed, behind)?;
            self.begun = found != Behind::Nothing;
            if found != Behind::ALaterBatch {
                break;
            }
            let before = self.end;
            self.walk(last, None, &mut |_| true)?;
            if self.end == before {
                let says = "a damaged batch is followed by a later one";
                return Err(last.corrupt(self.end.lsn, says));
            }
        }
        Ok(())
    }
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
    let (mut at, end) = (BATCH_HEADER, BATCH_HEADER + header.records);
    let mut kind = None;
    while at < end {
        let record = RecordHeader::parse(bytes.get(at..)?)?;
        kind = Some(record.kind.kind);
        at += record.stride();
    }
    kind
}

/// What lies behind the end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    AnUnfinishedBatch,
    ALaterBatch,
}

/// What is read at once where a segment is looked through for what should not be there.
const PIECE: usize = 1 << 20;

fn inspect_behind<V: Vfs>(
    segment: &Segment<V>,
    end: End,
    seed: u32,
    behind: u64,
) -> Result<Behind, OpenError> {
    let mut place = wide(BLOCK) + end.lsn.bytes_since(segment.header.first);
    let until = segment.file.size()?.min(place.saturating_add(behind));
    let mut found = Behind::Nothing;
    let mut piece = vec![0; PIECE];
    while place < until {
        let want = narrow(until - place).min(piece.len());
        let Some(into) = piece.get_mut(..want) else {
            break;
        };
        let read = segment.file.pread(into, place, Through::Disk)?;
        if read == 0 {
            break;
        }
        for block in piece.get(..read).unwrap_or_default().chunks(BLOCK) {
            if !is_zero(block) {
                found = Behind::AnUnfinishedBatch;
            }
            let later = Header::parse(block, seed).filter(|h| h.number > end.batch + 1);
            if later.is_some_and(|h| h.lsn >= end.lsn) {
                return Ok(Behind::ALaterBatch);
            }
        }
        place += wide(read);
    }
    Ok(found)
}
