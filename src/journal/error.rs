//! Why a journal does not open, or a record of it cannot be read.

use std::io;

use super::lsn::Lsn;

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
    /// It was written by an early release.
    #[error(
        "{file} is in version {version} of the journal's format, which this release does not read; serve the log with the release that wrote it, or begin a new one"
    )]
    Version {
        /// The segment file.
        file: String,
        /// Its version.
        version: u32,
    },
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

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error("reading the journal failed: {0}")]
    Io(#[from] io::Error),
    /// No whole record starts there.
    #[error("there is no whole record at {0}")]
    Damaged(Lsn),
}

impl From<OpenError> for ReadError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => Self::Io(error),
            OpenError::Read(error) => error,
            OpenError::Corrupt { at, .. } => Self::Damaged(at),
            other => Self::Io(io::Error::other(other.to_string())),
        }
    }
}
