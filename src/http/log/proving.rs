//! The proof that the log has a record, as far as an officer may open it.

use super::past::{Past, Untold};
use super::sight::Opens;
use crate::backbone::keeper::decoded;
use crate::backbone::tiles::NoTile;
use crate::broker::format::Evidence;
use crate::broker::record::Record;
use crate::evidence::checkpoint::Checkpoint;
use crate::evidence::disclosure::Disclosure;
use crate::evidence::note::Note;
use crate::evidence::proof::Proof;
use crate::evidence::tile::Proofs;
use crate::evidence::tree::{leaf_hash, root_of};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, StoredRecord};

/// Octets of the log, at most, in which the checkpoint behind a record is looked for: many seconds of any load.
const BEHIND_BYTES: u64 = 256 << 20;

impl<V: Vfs> Past<V> {
    /// Parts of a record, opened, with the proof that the log has it; none where no checkpoint covers it yet.
    pub(super) fn disclosure(
        &self,
        stored: &StoredRecord,
        opens: Opens,
    ) -> Result<Option<Disclosure>, Untold> {
        let evidence = Evidence::of(stored.kind, &stored.body);
        let unread = |error: &dyn std::fmt::Display| Untold::Unread(error.to_string());
        let Some(evidence) = evidence.map_err(|error| unread(&error))? else {
            return Ok(None);
        };
        let (Some(index), Some(note)) = (self.index(stored.lsn)?, self.shown()?) else {
            return Ok(None);
        };
        let checkpoint = Checkpoint::read(&note.text).map_err(|error| unread(&error))?;
        let head = checkpoint.head;
        if index >= head.size {
            return Ok(None);
        }
        let mut proofs = Proofs::new(head.size, |name| self.tiles.tile(name));
        let path = proofs.path(index).map_err(|error: NoTile| unread(&error))?;
        let leaf = leaf_hash(&evidence.leaf().0);
        if root_of(leaf, index, head.size, &path) != Some(head.root) {
            return Err(Untold::Unread(format!(
                "the record at {} is not what was signed",
                stored.lsn
            )));
        }
        let all = evidence.parts();
        let numbers = match opens {
            Opens::All => (0..all.len()).collect(),
            Opens::Some(numbers) => numbers,
        };
        let parts = numbers.into_iter().filter_map(|number| {
            let opened = evidence.opened(number)?;
            Some((*all.get(number)?, opened))
        });
        let proof = Proof::new(index, path, note);
        Ok(Disclosure::of(&parts.collect::<Vec<_>>(), &proof))
    }

    /// The place of a record in the tree, counted back from the first checkpoint behind it.
    fn index(&self, lsn: Lsn) -> Result<Option<u64>, Untold> {
        let mut behind = Vec::new();
        for stored in self.reader.scan(self.reader.batch_of(lsn)?) {
            let stored = stored?;
            if stored.lsn > lsn && stored.lsn.bytes_since(lsn) > BEHIND_BYTES {
                break;
            }
            if stored.kind.kind == Record::CHECKPOINT
                && let Record::Checkpoint(checkpoint) = decoded(&stored)?
                && checkpoint.next > lsn
            {
                let after = behind.iter().filter(|at: &&Lsn| **at < checkpoint.next);
                let after = u64::try_from(after.count()).unwrap_or(u64::MAX);
                return Ok(checkpoint.tree.size().checked_sub(after));
            }
            if stored.lsn >= lsn && Record::is_evidence_kind(stored.kind.kind) {
                behind.push(stored.lsn);
            }
        }
        Ok(None)
    }

    /// The last checkpoint that was shown.
    fn shown(&self) -> Result<Option<Note>, Untold> {
        let unread = |error: &dyn std::fmt::Display| Untold::Unread(error.to_string());
        let octets = self
            .tiles
            .file("checkpoint")
            .map_err(|error| unread(&error))?;
        let note = octets.map(|octets| Note::read(&String::from_utf8_lossy(&octets)));
        note.transpose().map_err(|error| unread(&error))
    }
}
