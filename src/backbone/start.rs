//! Starting: the log is replayed into a ledger, and says itself which rulebook is active.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::end_file::{EndFile, Synced};
use super::error::StartError;
use super::ids::Ids;
use super::index::Index;
use super::keeper::{Pages, Snapshots, decoded, replay};
use super::loss::{Accepted, OnLoss, Witnesses};
use super::tree;
use crate::agency::keys::{KeyCheck, Keys, SharedRing};
use crate::agency::registry::Unit;
use crate::broker::committer::Committer;
use crate::broker::ledger::Ledger;
use crate::broker::limits::LOST_ADDRESSES;
use crate::broker::record::{Genesis, LeafSecret, Record, Text, UnitEntry};
use crate::journal::snapshot::Files;
use crate::journal::vfs::Vfs;
use crate::journal::{
    self, Config, Journal, Known, Lsn, Position, ReadError, Reader, Recovery, first_record, vouches,
};
use crate::message::bundle::Bundle;
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;

/// From where on the journal is looked through, and its records are applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replay {
    /// From the newest snapshot on: what is older was whole when that was made.
    #[default]
    FromSnapshot,
    /// Applied from the newest snapshot on, once all of the journal was looked through.
    FromSnapshotVerified,
    /// From the first record on, without snapshots: the same ledger, and slower.
    FromStart,
}

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Begins the log where there is none.
    pub genesis: Option<Bundle>,
    /// Whether this is `--dev`.
    pub development: bool,
    /// The check of the key ring that is served with.
    pub key_check: KeyCheck,
    /// Bytes of a journal segment.
    pub segment_bytes: usize,
    /// Names a new journal; random.
    pub journal: [u8; 16],
    /// What secrets of evidence follow from; random.
    pub secret: LeafSecret,
    /// Whether threads of their own work ahead; a simulated disk wants every call in its place.
    pub background: bool,
    /// Where the ledger is made from.
    pub replay: Replay,
    /// How many used ids are in memory; older ones are searched in files.
    pub known_ids: usize,
    /// Where it is written down how far the log has come.
    pub end_file: Option<PathBuf>,
    /// What to do where the end of the log is gone.
    pub on_loss: OnLoss,
}

/// What a start gives.
pub struct Started<V: Vfs> {
    /// Journal and ledger, ready for the first step.
    pub committer: Committer<V>,
    /// The active rulebook.
    pub rulebook: Rulebook,
    /// Where it is to be written down how far the log has come.
    pub end_file: Option<EndFile<V>>,
}

/// What the disk gave.
pub struct Recovered<V: Vfs> {
    /// The journal's end, and whether it was closed cleanly.
    pub recovery: Recovery,
    /// The journal and the ledger that its records give; nothing was written to it yet.
    pub committer: Committer<V>,
    /// A loss that was accepted, and of which nothing is written down yet.
    pub lost: Option<Accepted>,
}

/// Room of a segment beside a rulebook's text: names of files and what else a step writes.
pub(super) const BESIDE_RULEBOOK: usize = 1 << 20;

fn fits(rulebook: &Bundle, segment_bytes: usize) -> Result<(), StartError> {
    let bytes: usize = rulebook.files().map(|(_, text)| text.len()).sum();
    if bytes.saturating_add(BESIDE_RULEBOOK) > segment_bytes {
        return Err(StartError::TooLarge(bytes));
    }
    Ok(())
}

impl<V: Vfs> Recovered<V> {
    /// Writes down what a run begins with: what was lost, and that the last run did not end cleanly.
    pub fn begin_run(&mut self, now: Timestamp) -> Result<(), StartError> {
        self.committer.read_clock(now);
        if let Some(accepted) = self.lost.take() {
            let Accepted {
                from,
                known,
                evidence,
            } = accepted;
            let lost = self.committer.ledger().lose(from, known, evidence, now);
            tracing::warn!(
                journal.from = %lost.from,
                journal.known = %lost.known,
                evidence = lost.evidence,
                evidence.known = lost.evidence_known,
                "the loss of the end of the log is accepted: numbers jump, and each unit gets a notice"
            );
            self.committer.begin(&Record::Lost(lost))?;
        }
        if !self.recovery.clean && self.committer.ledger().governance().active().is_some() {
            self.committer.begin(&Record::Recovered)?;
        }
        Ok(())
    }
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

/// Whether there is anything of a journal in `data`, begun or damaged. Where there is nothing, only a
/// start that begins a log may make it.
pub fn has_segments<V: Vfs>(vfs: &V, data: &Path) -> bool {
    let names = vfs.list(&data.join("journal")).unwrap_or_default();
    names.iter().any(|name| name.ends_with(".segment"))
}

/// Whether a log that was begun so may be served in this way. To be asked before anything is
/// written: a process that must not serve it changes neither the journal nor a folder of certificates.
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
            return Err(StartError::OtherRing);
        }
    }
    if let Some(genesis) = &options.genesis {
        fits(genesis, options.segment_bytes)?;
    }
    let end_file = options.end_file.clone();
    let end_file = end_file.map(|path| EndFile::new(vfs.clone(), path));
    if let Some(file) = &end_file {
        file.probe()?;
    }
    let mut recovered = recover(vfs, data, &options)?;
    let active = recovered.committer.ledger().governance().active();
    let active = active.map(|active| active.entry.at());
    let reader = recovered.committer.journal().reader();
    let active = active.map(|at| text_of(&reader, at)).transpose()?;
    let fresh = active.is_none();
    let bundle = active.or(options.genesis).ok_or(StartError::NoLog)?;
    // What folders propose is held to what is advised today, and what the log says is not.
    let rulebook = if fresh {
        Rulebook::parse(&bundle)
    } else {
        Rulebook::load(&bundle)
    };
    let rulebook = rulebook.map_err(StartError::Rulebook)?;
    recovered.begin_run(now)?;
    let mut committer = recovered.committer;
    if fresh {
        let genesis = genesis_of(&rulebook, options.development, options.key_check, now);
        committer.begin(&Record::Genesis(genesis))?;
    }
    if let Some(file) = &end_file {
        if !fresh && file.read()?.is_none() {
            let path = file.path().display();
            tracing::warn!(%path, "there was no end file: a loss before this start is not noticed by it");
        }
        file.begin(&Synced::of(&committer))?;
    }
    let epoch = committer.ledger().rulebook_epoch();
    Ok(Started {
        committer,
        rulebook: rulebook.activated(epoch),
        end_file,
    })
}

/// Opens the journal and replays it. What was lost wants its record before anything else, and then a
/// log that was not closed cleanly wants [`Record::Recovered`].
pub fn recover<V: Vfs>(
    vfs: &V,
    data: &Path,
    options: &Options,
) -> Result<Recovered<V>, StartError> {
    let end_file = options.end_file.clone();
    let end_file = end_file.map(|path| EndFile::new(vfs.clone(), path));
    let mut witnesses = Witnesses::read(vfs, data, end_file.as_ref())?;
    let Base {
        mut ledger,
        of: base,
        foreign,
    } = base(vfs, data, options)?;
    witnesses.doubt(foreign);
    let known = Known {
        expected: witnesses.expected(),
        vouched: base
            .filter(|_| options.replay == Replay::FromSnapshot)
            .map(|base| base.end),
    };
    let Found {
        journal,
        recovery,
        lost,
    } = open_journal(vfs, data, options, &witnesses, &known)?;
    if let Some(at) = recovery.cut {
        tracing::warn!(journal.lsn = %at, "an unfinished batch was cut; nothing of it was confirmed");
    }
    let from = base.map_or(Lsn::START, |base| base.end.lsn);
    let pages = Pages::open(vfs.clone(), data, journal.position().journal);
    let pages = pages.map_err(StartError::NotMade)?;
    let (reader, end) = (journal.reader(), journal.end());
    let known = ledger.shown().last.clone();
    let records = replay(&reader, &mut ledger, from..end, &pages)?;
    if let Some(last) = ledger.shown().last.as_deref() {
        tree::check(&reader, known.as_deref(), last)?;
    }
    tracing::info!(
        records,
        journal.from = %from,
        journal.end = %end,
        // A log that is only now begun was left by no earlier run.
        clean = recovery.clean || end == Lsn::START,
        "recovered: the state of queues is made from the snapshot and the records behind it"
    );
    Ok(Recovered {
        recovery,
        committer: Committer::new(journal, ledger, options.secret),
        lost,
    })
}

/// A journal that is whole, or whose loss is accepted.
struct Found<V: Vfs> {
    journal: Journal<V>,
    recovery: Recovery,
    lost: Option<Accepted>,
}

fn open_journal<V: Vfs>(
    vfs: &V,
    data: &Path,
    options: &Options,
    witnesses: &Witnesses<V>,
    known: &Known,
) -> Result<Found<V>, StartError> {
    let config = Config {
        segment_bytes: options.segment_bytes,
        background: options.background,
        journal: options.journal,
        stopped_kind: Record::STOPPED,
    };
    let folder = data.join("journal");
    if !has_segments(vfs, data) {
        witnesses.begin_a_log()?;
    }
    let found = journal::Found::look(vfs.clone(), &folder, config, known)?;
    let mut extent = found.extent();
    let loss = witnesses.judge(&extent)?;
    let accepted = extent.accepted();
    let further = match (loss, options.on_loss) {
        (Some(loss), OnLoss::Refuse) => return Err(StartError::Lost(loss)),
        (Some(loss), OnLoss::Accept) => {
            if loss.differs {
                witnesses.forget_all()?;
            }
            extent.gaps.push((extent.end.lsn, loss.further()));
            Some(loss.further())
        }
        (None, OnLoss::Accept) if accepted.is_none() => return Err(StartError::NothingLost),
        (None, _) => None,
    };
    let (journal, recovery) = found.go_on(further)?;
    // From here on the loss is accepted, whatever happens: the next start finds the gap.
    witnesses.forget_lost(&extent.gaps)?;
    let from = accepted.unwrap_or(extent.end.lsn);
    let is_new = further.is_some() || accepted.is_some();
    let accepted = Accepted {
        from,
        known: Lsn(journal.end().0.saturating_sub(LOST_ADDRESSES)),
        evidence: witnesses.synced().map(|synced| synced.evidence),
    };
    Ok(Found {
        journal,
        recovery,
        lost: is_new.then_some(accepted),
    })
}

/// The ledger to replay onto, and the position up to which it is; an empty one where there is none.
struct Base {
    ledger: Ledger,
    of: Option<Position>,
    /// Snapshots that are newer than that, and not of the journal as it is.
    foreign: Vec<Position>,
}

/// The newest snapshot's ledger, if the journal vouches for it.
fn base<V: Vfs>(vfs: &V, data: &Path, options: &Options) -> Result<Base, StartError> {
    let mut foreign = Vec::new();
    let mut latest = None;
    if options.replay != Replay::FromStart {
        let snapshots = Snapshots::open(vfs.clone(), data).map_err(StartError::NotMade)?;
        let folder = data.join("journal");
        latest = snapshots.latest(|of| {
            let is_vouched = vouches(vfs, &folder, of)?;
            if !is_vouched {
                foreign.push(*of);
            }
            Ok(is_vouched)
        })?;
    }
    let (ledger, of) = match latest {
        Some((mut ledger, of)) => {
            ledger.remember_from(of.end.lsn, options.known_ids);
            (ledger, Some(of))
        }
        None => (Ledger::remembering(options.known_ids), None),
    };
    Ok(Base {
        ledger,
        of,
        foreign,
    })
}

/// The files of used ids, whole: whatever is missing or damaged is made again from the journal.
pub fn open_ids<V: Vfs>(
    vfs: V,
    data: &Path,
    committer: &Committer<V>,
    afresh: bool,
) -> Result<Ids<V>, StartError> {
    let files = Files::ids(vfs, data).map_err(StartError::NotMade)?;
    let (reader, known) = (committer.journal().reader(), committer.ledger().known());
    Ids::open(files, reader, known, afresh).map_err(StartError::NotMade)
}

/// The index of a log; its keys come from the key ring.
pub fn open_index<V: Vfs>(
    vfs: V,
    data: &Path,
    reader: Reader<V>,
    ring: &Arc<SharedRing>,
) -> Result<Index<V>, StartError> {
    let files = Files::index(vfs, data).map_err(StartError::NotMade)?;
    let keys = Keys::derive(Arc::clone(ring), std::iter::empty());
    Ok(Index::new(files, reader, Arc::new(keys)))
}

/// The text of the rulebook that took effect by the record at this address.
pub fn text_of<V: Vfs>(reader: &Reader<V>, at: Lsn) -> Result<Bundle, StartError> {
    match decoded(&reader.record(at)?)? {
        Record::Genesis(genesis) => Ok(genesis.bundle),
        Record::Activated(activated) => match activated.text {
            Text::Whole(bundle) => Ok(bundle),
            // A whole text is in a record before, so this ends.
            Text::Since { whole, changes } if whole < at => {
                Ok(changes.applied(&text_of(reader, whole)?))
            }
            Text::Since { .. } => Err(ReadError::Damaged(at).into()),
        },
        _ => Err(ReadError::Damaged(at).into()),
    }
}

/// The units of a rulebook, as its record has them.
pub fn units_of(rulebook: &Rulebook) -> Vec<UnitEntry> {
    let entry = |unit: &Arc<Unit>| UnitEntry {
        id: unit.id.clone(),
        inbox: unit.inbox,
        listed: unit.listed,
        delivery_limit: unit.delivery_limit,
    };
    rulebook.registry().units().map(entry).collect()
}

/// The record with which a log begins.
pub fn genesis_of(
    rulebook: &Rulebook,
    development: bool,
    key_check: KeyCheck,
    at: Timestamp,
) -> Genesis {
    Genesis {
        at,
        bundle: rulebook.bundle().clone(),
        digest: rulebook.digest(),
        development,
        units: units_of(rulebook),
        key_check,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rulebook_that_no_segment_holds_is_told_as_that() {
        let mut bundle = Bundle::default();
        bundle.insert("policies/large.cedar", vec![b' '; 7 << 20]);
        assert!(fits(&bundle, 8 << 20).is_ok());
        bundle.insert("policies/more.cedar", vec![b' ']);
        let says = fits(&bundle, 8 << 20).unwrap_err().to_string();
        assert!(says.contains("segment_mib"), "{says}");
    }
}
