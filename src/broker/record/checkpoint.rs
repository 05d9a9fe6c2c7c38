//! The record of a checkpoint: what the log has signed of its tree.

use crate::evidence::Malformed;
use crate::evidence::checkpoint;
use crate::evidence::note::Note;
use crate::evidence::tree::Frontier;
use crate::journal::Lsn;
use crate::message::time::Timestamp;

/// A checkpoint that was signed, and is shown once this record is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// When.
    pub at: Timestamp,
    /// The tree over all evidence before `next`.
    pub tree: Frontier,
    /// Where the first record lies that is not in the tree.
    pub next: Lsn,
    /// The signed note.
    pub note: String,
}

impl Checkpoint {
    /// The name of the log that its note has.
    ///
    /// # Errors
    /// Where it is no checkpoint's note.
    pub fn origin(&self) -> Result<String, Malformed> {
        let note = Note::read(&self.note)?;
        Ok(checkpoint::Checkpoint::read(&note.text)?.origin)
    }
}
