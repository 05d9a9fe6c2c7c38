//! A record with its message, read back from the journal.

use crate::broker::format::RecordError;
use crate::broker::record::{Record, Stored};
use crate::journal::vfs::Vfs;
use crate::journal::{Lsn, ReadError, Reader};

/// Why a stored message could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The journal.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Reads a record and its frame from the journal.
pub fn load<V: Vfs>(reader: &Reader<V>, lsn: Lsn) -> Result<Stored, LoadError> {
    let stored = reader.record(lsn)?;
    let record = Record::decode(stored.kind, &stored.body)?;
    let frame = stored.frame.map(|frame| reader.frame(&frame)).transpose()?;
    Ok(Stored {
        record,
        frame: frame.unwrap_or_default(),
    })
}
