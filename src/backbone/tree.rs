//! The tree: hashes evidence as it becomes durable, and signs what has come.
//!
//! [`Tree::advance`] reads records that are synced, and nothing else. A checkpoint is signed over these, handed to
//! the committer, and shown once its record is durable: so what was shown is never more than what the log has, and
//! a smaller tree is never shown after a larger one.

use std::io;

use super::end_file::hex;
use super::error::{StartError, TreeDiffers};
use super::tiles::{Mark, NoTile, Tiles};
use crate::broker::format::{Evidence, RecordError};
use crate::broker::record::Checkpoint;
use crate::evidence::checkpoint;
use crate::evidence::key::Signer;
use crate::evidence::note::Note;
use crate::evidence::tile::{Growing, WIDTH};
use crate::evidence::tree::{Frontier, leaf_hash};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, ReadError, Reader, StoredRecord};
use crate::message::time::Timestamp;

/// Why the tree does not grow.
#[derive(Debug, thiserror::Error)]
pub enum Halted {
    /// The journal.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record.
    #[error("the record at {0}: {1}")]
    Record(Lsn, RecordError),
    /// A file of the tree.
    #[error("a file of the log's tree cannot be written: {0}")]
    Write(#[from] io::Error),
    /// What the journal gives is not what was signed.
    #[error(transparent)]
    Differs(#[from] TreeDiffers),
}

/// The entry of a record; none where it is no evidence.
fn entry(stored: &StoredRecord) -> Result<Option<[u8; 33]>, RecordError> {
    let evidence = Evidence::of(stored.kind, &stored.body)?;
    Ok(evidence.map(|evidence| evidence.leaf().0))
}

/// Holds that the evidence from one checkpoint on, or from the first record on, gives the next.
pub(super) fn check<V: Vfs>(
    reader: &Reader<V>,
    known: Option<&Checkpoint>,
    last: &Checkpoint,
) -> Result<(), StartError> {
    let (mut tree, from) = known.map_or((Frontier::default(), Lsn::START), |known| {
        (known.tree.clone(), known.next)
    });
    for stored in reader.scan(from) {
        let stored = stored?;
        if stored.lsn >= last.next {
            break;
        }
        let entry = entry(&stored).map_err(|error| StartError::Record(stored.lsn, error))?;
        if let Some(entry) = entry {
            tree.push(leaf_hash(&entry));
        }
    }
    if tree != last.tree {
        return Err(TreeDiffers::of(&tree, last).into());
    }
    Ok(())
}

/// The tree over all evidence before an address, and its files.
pub struct Tree<V: Vfs> {
    reader: Reader<V>,
    tiles: Tiles<V>,
    signers: Vec<Signer>,
    growing: Growing,
    /// Where the first record lies that is not in it.
    next: Lsn,
    /// Up to where full tiles are on disk, once that is to be written down.
    mark: Option<Mark>,
}

impl<V: Vfs> Tree<V> {
    /// The tree as its files have it, or without a leaf; [`Self::catch_up`] is to follow.
    pub fn open(reader: Reader<V>, tiles: Tiles<V>, signers: Vec<Signer>) -> Self {
        Self {
            reader,
            tiles,
            signers,
            growing: Growing::default(),
            next: Lsn::START,
            mark: None,
        }
    }

    /// Makes the tree of the last checkpoint from the tiles and what came since, and shows that one again. Where
    /// the tiles do not lead to it they are made anew from the journal.
    ///
    /// # Errors
    /// Where the journal, whole, does not lead to it either.
    pub fn catch_up(&mut self, last: Option<&Checkpoint>) -> Result<(), Halted> {
        let Some(last) = last else {
            self.begin_anew();
            return Ok(());
        };
        let of_tiles = self.read_tiles(last);
        if !of_tiles.is_ok_and(|leads| leads) {
            tracing::info!(
                leaves = last.tree.size(),
                "the files of the log's tree are made from the journal"
            );
            self.begin_anew();
            self.read(0, last.next)?;
        }
        if self.growing.frontier() != last.tree {
            return Err(TreeDiffers::of(&self.growing.frontier(), last).into());
        }
        self.put_edge()?;
        self.shown(last)
    }

    fn begin_anew(&mut self) {
        (self.growing, self.next, self.mark) = (Growing::default(), Lsn::START, None);
    }

    /// Whether the tiles, with what the journal has behind them, lead to a checkpoint.
    fn read_tiles(&mut self, last: &Checkpoint) -> Result<bool, Halted> {
        let journal = hex(self.reader.journal());
        let mark = self.tiles.mark().filter(|mark| {
            mark.journal == journal && mark.filled <= last.tree.size() && mark.from < last.next
        });
        let Some(mark) = mark else {
            return Ok(false);
        };
        let growing = Growing::of(mark.filled, |name| self.tiles.tile(name));
        let Ok::<_, NoTile>(growing) = growing else {
            return Ok(false);
        };
        let in_batch = mark.filled.saturating_sub(mark.before);
        (self.growing, self.next) = (growing, mark.from);
        self.read(in_batch, last.next)?;
        Ok(self.growing.frontier() == last.tree)
    }

    /// Reads what is durable by now. Full tiles are on disk when this returns.
    ///
    /// # Errors
    /// Where it cannot be read, or a tile cannot be written.
    pub fn advance(&mut self) -> Result<(), Halted> {
        self.read(0, self.reader.end())
    }

    /// Adds the evidence from `next` on up to an address, apart from the first so many.
    fn read(&mut self, skipped: u64, until: Lsn) -> Result<(), Halted> {
        let mut skipped = skipped;
        let mut full = Vec::new();
        let mut records = self.reader.scan(self.next);
        let (mut batch, mut before) = (self.next, self.growing.size().saturating_sub(skipped));
        while let Some(stored) = records.next() {
            let stored = stored?;
            if stored.lsn >= until {
                break;
            }
            if records.batch() != batch {
                (batch, before) = (records.batch(), self.growing.size());
            }
            let entry = entry(&stored).map_err(|error| Halted::Record(stored.lsn, error))?;
            let Some(entry) = entry else {
                continue;
            };
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            self.growing.push(&entry, leaf_hash(&entry), &mut full);
            if full.is_empty() {
                continue;
            }
            full.iter().try_for_each(|tile| self.tiles.put_full(tile))?;
            full.clear();
            self.mark = Some(Mark {
                journal: hex(self.reader.journal()),
                filled: self.growing.size(),
                from: batch,
                before,
            });
        }
        self.next = until;
        Ok(())
    }

    /// Signs the tree as it is, and has the tiles at its edge written; none where no more came since `last`.
    ///
    /// # Errors
    /// Where a tile cannot be written.
    pub fn sign(
        &self,
        last: Option<&Checkpoint>,
        now: Timestamp,
    ) -> Result<Option<Checkpoint>, Halted> {
        let shown = last.map_or(0, |last| last.tree.size());
        let origin = self.signers.first().map(|signer| signer.verifier().name());
        let Some(origin) = origin.filter(|_| self.growing.size() > shown) else {
            return Ok(None);
        };
        self.put_edge()?;
        let tree = self.growing.frontier();
        let text = checkpoint::Checkpoint {
            origin: origin.to_owned(),
            head: tree.head(),
        };
        let text = text.to_string();
        let lines = self.signers.iter().map(|signer| signer.sign(&text, now));
        let signatures = lines.collect();
        Ok(Some(Checkpoint {
            at: now,
            tree,
            next: self.next,
            note: Note { text, signatures }.to_string(),
        }))
    }

    fn put_edge(&self) -> io::Result<()> {
        let edge = self.growing.partial();
        edge.iter().try_for_each(|tile| self.tiles.put_part(tile))
    }

    /// Shows a checkpoint whose record is durable.
    ///
    /// # Errors
    /// Where its file cannot be written.
    pub fn shown(&mut self, checkpoint: &Checkpoint) -> Result<(), Halted> {
        self.tiles.show(&checkpoint.note)?;
        if let Some(mark) = self.mark.take() {
            debug_assert!(mark.filled.is_multiple_of(WIDTH));
            self.tiles.put_mark(&mark)?;
        }
        Ok(())
    }
}
