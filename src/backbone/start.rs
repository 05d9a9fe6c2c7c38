//! Starting: the log is replayed into a ledger, and says itself which rulebook is active.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::ids::Ids;
use super::keeper::{Pages, Snapshots, replay};
use crate::agency::keys::KeyCheck;
use crate::agency::registry::Unit;
use crate::broker::committer::{Committer, Fatal};
use crate::broker::ledger::Ledger;
use crate::broker::record::{Genesis, Record, RecordError, UnitEntry};
use crate::journal::snapshot::Files;
use crate::journal::vfs::Vfs;
use crate::journal::{
    Config, Journal, Lsn, OpenError, ReadError, Reader, Recovery, StoredRecord, first_record,
};
use crate::message::bundle::{Bundle, Fault};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Begins the log where there is none.
    pub genesis: Option<Bundle>,
    /// Whether this is `--dev`.
    pub development: bool,
    /// The check of the master key that is served with.
    pub key_check: KeyCheck,
    /// Bytes of a journal segment.
    pub segment_bytes: usize,
    /// Names a new journal; random.
    pub journal: [u8; 16],
    /// Whether threads of their own work ahead; a simulated disk wants every call in its place.
    pub background: bool,
    /// Whether the ledger is made from the journal alone: the same, and slower.
    pub ignore_snapshots: bool,
    /// How many used ids are in memory; older ones are searched in files.
    pub known_ids: usize,
}

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
    /// The log was begun with another master key.
    #[error(
        "this is not the master key that the log was begun with; give it that one, which `carnet init` wrote, or its copy (setting master_key)"
    )]
    MasterKey,
    /// The rulebook has faults.
    #[error("the rulebook has {} faults, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Rulebook(Vec<Fault>),
    /// A snapshot or page cannot be read back.
    #[error("snapshots or pages of queues cannot be used: {0}; start with --ignore-snapshots")]
    Pages(io::Error),
    /// A file or folder beside the journal cannot be made, and would not be without snapshots either.
    #[error("{0}; look at the space and the rights of the data folder")]
    NotMade(io::Error),
    /// A snapshot names an address that the journal does not reach: something durable is gone.
    #[error(
        "the journal ends at {end}, a snapshot says that it reached {snapshot}; restore the journal from a backup"
    )]
    Lost {
        /// Where the journal ends.
        end: Lsn,
        /// Where it ended once.
        snapshot: Lsn,
    },
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
                | Self::Lost { .. }
        )
    }
}

/// A record as it lies in the journal, read.
pub fn decoded(stored: &StoredRecord) -> Result<Record, StartError> {
    let record = Record::decode(stored.schema, &stored.body);
    record.map_err(|error| StartError::Record(stored.lsn, error))
}

/// What a start gives.
pub struct Started<V: Vfs> {
    /// Journal and ledger, ready for the first step.
    pub committer: Committer<V>,
    /// The active rulebook.
    pub rulebook: Rulebook,
}

/// What the disk gave.
pub struct Recovered<V: Vfs> {
    /// The journal's end, and whether it was closed cleanly.
    pub recovery: Recovery,
    /// The journal and the ledger that its records give; nothing was written to it yet.
    pub committer: Committer<V>,
}

/// How the log in `data` was begun: its first record, read without a lock and without a change.
/// `None` where there is none yet. Damage behind it is for [`recover`] to tell.
pub fn begun<V: Vfs>(vfs: &V, data: &Path) -> Result<Option<Genesis>, StartError> {
    let Some(stored) = first_record(vfs, &data.join("journal"))? else {
        return Ok(None);
    };
    match decoded(&stored)? {
        Record::Genesis(genesis) => Ok(Some(genesis)),
        _ => Ok(None),
    }
}

/// Whether there is anything of a journal in `data`, begun or damaged: what there is none of is made
/// by who begins a log, and by nobody else.
pub fn has_segments<V: Vfs>(vfs: &V, data: &Path) -> bool {
    let names = vfs.list(&data.join("journal")).unwrap_or_default();
    names.iter().any(|name| name.ends_with(".segment"))
}

/// Whether a log that was begun so may be served in this way. To be asked before anything is
/// written: neither a journal nor a folder of certificates is changed by who must not.
pub fn permit(genesis: &Genesis, development: bool) -> Result<(), StartError> {
    match (genesis.development, development) {
        (true, false) => Err(StartError::Development),
        (false, true) => Err(StartError::NotDevelopment),
        _ => Ok(()),
    }
}

/// Opens the journal, replays it, and begins a log where there is none and a genesis is given.
pub fn start<V: Vfs>(
    vfs: &V,
    data: &Path,
    options: Options,
    now: Timestamp,
) -> Result<Started<V>, StartError> {
    if let Some(genesis) = begun(vfs, data)? {
        permit(&genesis, options.development)?;
        if genesis.key_check != options.key_check {
            return Err(StartError::MasterKey);
        }
    }
    let Recovered {
        recovery,
        mut committer,
    } = recover(vfs, data, &options)?;
    let active = committer.ledger().rulebook_at();
    let reader = committer.journal().reader();
    let active = active.map(|at| active_bundle(&reader, at)).transpose()?;
    let fresh = active.is_none();
    let bundle = active.or(options.genesis).ok_or(StartError::NoLog)?;
    // What folders propose is held to what is advised today, and what the log says is not.
    let rulebook = if fresh {
        Rulebook::parse(&bundle)
    } else {
        Rulebook::load(&bundle)
    };
    let rulebook = rulebook.map_err(StartError::Rulebook)?;
    if fresh {
        let begins = (options.development, options.key_check);
        let genesis = genesis_of(&rulebook, begins, now);
        committer.begin(&Record::Genesis(genesis))?;
    } else if !recovery.clean {
        committer.begin(&Record::Recovered)?;
    }
    let epoch = committer.ledger().rulebook_epoch();
    Ok(Started {
        committer,
        rulebook: rulebook.activated(epoch),
    })
}

/// Opens the journal and replays it. A log that was not closed cleanly wants [`Record::Recovered`]
/// before anything else.
pub fn recover<V: Vfs>(
    vfs: &V,
    data: &Path,
    options: &Options,
) -> Result<Recovered<V>, StartError> {
    let config = Config {
        segment_bytes: options.segment_bytes,
        background: options.background,
        journal: options.journal,
        stopped_kind: Record::STOPPED,
    };
    let (journal, recovery) = Journal::open(vfs.clone(), &data.join("journal"), config)?;
    if let Some(at) = recovery.cut {
        tracing::warn!(journal.lsn = %at, "an unfinished batch was cut; nothing of it was confirmed");
    }
    let (mut ledger, from) = base(vfs, data, options)?;
    if from > journal.end() {
        return Err(StartError::Lost {
            end: journal.end(),
            snapshot: from,
        });
    }
    let pages = Pages::open(vfs.clone(), data).map_err(StartError::NotMade)?;
    let (reader, end) = (journal.reader(), journal.end());
    let records = replay(&reader, (&mut ledger, from), end, &pages)?;
    tracing::info!(
        records,
        journal.from = %from,
        journal.end = %end,
        // A log that is only now begun was left by nobody.
        clean = recovery.clean || end == Lsn::START,
        "recovered: the state of queues is made from the snapshot and the records behind it"
    );
    Ok(Recovered {
        recovery,
        committer: Committer::new(journal, ledger),
    })
}

/// The ledger to replay onto: the newest snapshot's, or an empty one.
fn base<V: Vfs>(vfs: &V, data: &Path, options: &Options) -> Result<(Ledger, Lsn), StartError> {
    if options.ignore_snapshots {
        return Ok((Ledger::remembering(options.known_ids), Lsn::START));
    }
    let snapshots = Snapshots::open(vfs.clone(), data, options.known_ids);
    let snapshots = snapshots.map_err(StartError::NotMade)?;
    snapshots.latest().map_err(StartError::Pages)
}

/// The files of used ids, whole: whatever is missing or damaged is made again from the journal.
pub fn open_ids<V: Vfs>(
    vfs: V,
    data: &Path,
    committer: &Committer<V>,
    ignore_snapshots: bool,
) -> Result<Ids<V>, StartError> {
    let files = Files::ids(vfs, data).map_err(StartError::NotMade)?;
    let (reader, known) = (committer.journal().reader(), committer.ledger().known());
    Ids::open(files, reader, known, ignore_snapshots).map_err(StartError::NotMade)
}

/// The rulebook that the log says is active.
fn active_bundle<V: Vfs>(reader: &Reader<V>, at: Lsn) -> Result<Bundle, StartError> {
    let stored = reader.record(at)?;
    match decoded(&stored)? {
        Record::Genesis(genesis) | Record::Activated(genesis) => Ok(genesis.bundle),
        _ => Err(ReadError::Damaged(at).into()),
    }
}

/// The record by which a rulebook comes into force.
pub fn genesis_of(
    rulebook: &Rulebook,
    (development, key_check): (bool, KeyCheck),
    at: Timestamp,
) -> Genesis {
    let units = rulebook.registry().units();
    let entry = |unit: &Arc<Unit>| UnitEntry {
        id: unit.id.clone(),
        inbox: unit.inbox,
        listed: unit.listed,
        delivery_limit: unit.delivery_limit,
    };
    Genesis {
        at,
        bundle: rulebook.bundle().clone(),
        digest: rulebook.digest(),
        development,
        units: units.map(entry).collect(),
        key_check,
    }
}
