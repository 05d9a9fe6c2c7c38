//! Why the log cannot be served.

use std::path::PathBuf;
use std::{fmt, io};

use super::ring::RingError;
use crate::agency::keys::BadRing;
use crate::broker::committer::Fatal;
use crate::broker::format::RecordError;
use crate::broker::limits::LOST_ADDRESSES;
use crate::broker::record::Checkpoint;
use crate::evidence::tree::Frontier;
use crate::journal::{Lsn, OpenError, ReadError};
use crate::message::bundle::Fault;
use crate::message::id::Digest;

/// Why the log cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be read back.
    #[error("the record at {0} is none that this version reads: {1}")]
    Record(Lsn, RecordError),
    /// Nothing could be written.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// There is no log yet.
    #[error("there is no log in the data folder; begin one with `carnet init`")]
    NoLog,
    /// A development log is never served without `--dev`.
    #[error("this log was begun with --dev and is never served without it; use another --data")]
    Development,
    /// A real log is never served with `--dev`.
    #[error("this log was not begun with --dev; serve it without, or use another --data")]
    NotDevelopment,
    /// The log was begun with another key ring.
    #[error(
        "the key ring in the data folder is another log's; restore the one that this log was begun with"
    )]
    OtherRing,
    /// The key ring cannot be used.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The rulebook has faults.
    #[error("the rulebook has {} faults, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Rulebook(Vec<Fault>),
    /// The rulebook's text is more than a segment of the journal holds: a record lies in one.
    #[error(
        "the rulebook has {0} bytes of text, more than a segment of the journal holds beside other things; raise segment_mib"
    )]
    TooLarge(usize),
    /// A snapshot or page cannot be read back.
    #[error("snapshots or pages of queues cannot be used: {0}; start with --ignore-snapshots")]
    Pages(io::Error),
    /// A file or folder beside the journal cannot be made, and would not be without snapshots either.
    #[error("{0}; look at the space and the rights of the data folder")]
    NotMade(io::Error),
    /// The end of the log is gone.
    #[error(
        "{0}: it was cut, or an older copy was put back, and what was confirmed behind its end is not in it; restore the newest copy, or accept the loss on record by `carnet serve --accept-loss` (docs/operating.md)"
    )]
    Lost(Loss),
    /// All of the log is gone.
    #[error(
        "there is no log in the data folder, but {} says that there was one; restore the data folder (setting data), or remove that file if the log is given up; another log has another one (setting end_file)", .0.display()
    )]
    Gone(PathBuf),
    /// The end file is of another log.
    #[error(
        "{} is the end file of another log; give each log one of its own (setting end_file)", .0.display()
    )]
    OtherLog(PathBuf),
    /// The end file is not what was written.
    #[error(
        "{} is damaged, so nobody knows whether the log is whole; restore it, or remove it to go by what the data folder says", .0.display()
    )]
    EndFileDamaged(PathBuf),
    /// The end file cannot be read or written.
    #[error("the end file {file} {says}: {error}; choose another (setting end_file)")]
    EndFile {
        /// Which file.
        file: String,
        /// What cannot be done with it.
        says: &'static str,
        /// Why.
        error: io::Error,
    },
    /// A loss was to be accepted, and there is none.
    #[error(
        "nothing of the log is missing that is not accepted already; start without --accept-loss"
    )]
    NothingLost,
    /// What the journal gives is not what was signed.
    #[error(transparent)]
    Differs(#[from] TreeDiffers),
    /// No thread.
    #[error("the committer thread cannot be started: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// Whether the log is not what it was: nothing helps but what was kept elsewhere.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Open(OpenError::Corrupt { .. } | OpenError::Read(ReadError::Damaged(_)))
                | Self::Read(ReadError::Damaged(_))
                | Self::Record(_, RecordError::Encoding(_))
                | Self::Lost(_)
                | Self::Gone(_)
                | Self::EndFileDamaged(_)
                | Self::Differs(_)
                | Self::Ring(RingError::Bad {
                    why: BadRing::Damaged,
                    ..
                })
        )
    }
}

/// Evidence that is not what was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the evidence in the journal is not what was signed: it has {leaves} leaves and root {root}, and the checkpoint \
     before {next} says {signed} and {signed_root}; something in it was altered, removed or put in. Nothing more is \
     signed; restore the journal from a backup, and compare it with what witnesses and auditors have (docs/operating.md)"
)]
pub struct TreeDiffers {
    leaves: u64,
    root: Digest,
    next: Lsn,
    signed: u64,
    signed_root: Digest,
}

impl TreeDiffers {
    /// A tree that is not that of a checkpoint.
    pub(super) fn of(tree: &Frontier, signed: &Checkpoint) -> Self {
        let (is, says) = (tree.head(), signed.tree.head());
        Self {
            leaves: is.size,
            root: is.root,
            next: signed.next,
            signed: says.size,
            signed_root: says.root,
        }
    }
}

/// Where a log ends, and up to where it had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Its end now.
    pub end: Lsn,
    /// How far it is known to have come.
    pub known: Lsn,
    /// Which file says so.
    pub file: String,
    /// How many pieces of evidence it held, where that is known.
    pub evidence: Option<u64>,
    /// Whether it came as far, in another way.
    pub differs: bool,
}

impl Loss {
    /// Where the log goes on if this is accepted.
    pub fn further(&self) -> Lsn {
        let reached = self.known.max(self.end);
        Lsn(reached.0.saturating_add(LOST_ADDRESSES))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            end, known, file, ..
        } = self;
        if self.differs {
            write!(
                f,
                "the log, which ends at {end}, is not the one that {file} knows up to {known}"
            )?;
        } else {
            write!(
                f,
                "the log ends at {end}, but {file} says that it had come to {known}"
            )?;
        }
        if let Some(evidence) = self.evidence {
            write!(f, ", with {evidence} pieces of evidence")?;
        }
        Ok(())
    }
}
