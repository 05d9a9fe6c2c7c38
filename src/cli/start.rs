//! What every command needs that opens a log: its keys and settings, and why it cannot be opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failed::Failed;
use crate::agency::keys::{KeyCheck, MasterKey};
use crate::backbone::error::StartError;
use crate::backbone::loss::OnLoss;
use crate::backbone::ring::{Draw, RingError, RingKeeper};
use crate::backbone::start::{Options, Replay};
use crate::broker::record::LeafSecret;
use crate::config::{Config, read_file, write_secret};
use crate::journal::vfs::DiskVfs;
use crate::message::bundle::Bundle;
use crate::server::clock::Entropy;

/// A development log keeps all that belongs to it in its folder.
pub(super) fn development_end_file(config: &Config) -> PathBuf {
    config.data.join("journal.end")
}

/// Why a log cannot be served or read.
pub(super) fn failed(error: impl Into<StartError>) -> Failed {
    match error.into() {
        StartError::Rulebook(faults) => Failed::Faults(faults),
        damage if damage.is_damage() => Failed::Damaged(damage.to_string()),
        other => Failed::cannot_run(other),
    }
}

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        failed(error)
    }
}

/// The master key: as its file says, or a new one.
pub(super) fn master_key(config: &Config) -> Result<MasterKey, Failed> {
    let path = &config.master_key;
    if !path.exists() {
        let random = Entropy::default().draw().map_err(Failed::cannot_run)?;
        let key = MasterKey::new(random);
        write_secret(path, key.to_file().as_bytes())
            .map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))?;
        return Ok(key);
    }
    read_master_key(path)
}

/// The master key as its file says.
pub(super) fn read_master_key(path: &Path) -> Result<MasterKey, Failed> {
    let file = read_file(path).map_err(Failed::cannot_run)?;
    let parsed = MasterKey::parse(&String::from_utf8_lossy(&file));
    parsed.map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))
}

/// The key ring in the data folder; a new one where no log is begun yet.
pub(super) fn key_ring(
    config: &Config,
    master: &MasterKey,
    is_begun: bool,
) -> Result<RingKeeper<DiskVfs>, Failed> {
    let draw: Draw = || Entropy::default().draw().ok();
    let opened = match RingKeeper::open(DiskVfs, &config.data, master, draw) {
        Err(RingError::Missing(_)) if !is_begun => {
            RingKeeper::begin(DiskVfs, &config.data, master, draw)
        }
        opened => opened,
    };
    opened.map_err(failed)
}

/// How a log is opened, or begun with a genesis, where nothing else is asked for.
pub(super) fn options(
    config: &Config,
    genesis: Option<Bundle>,
    key_check: KeyCheck,
) -> Result<Options, Failed> {
    Ok(Options {
        genesis,
        development: false,
        key_check,
        segment_bytes: segment_bytes(config),
        journal: Entropy::default().draw().map_err(Failed::cannot_run)?,
        secret: LeafSecret::new(Entropy::default().draw().map_err(Failed::cannot_run)?),
        background: true,
        replay: Replay::FromSnapshot,
        known_ids: known_ids(config),
        end_file: Some(config.end_file.clone()),
        on_loss: OnLoss::Refuse,
    })
}

/// Ids in memory.
fn known_ids(config: &Config) -> usize {
    usize::try_from(config.known_ids).unwrap_or(usize::MAX)
}

/// How long a repeat is recognised.
pub(super) fn repeat_window(config: &Config) -> Duration {
    let hours = u32::try_from(config.repeat_hours).unwrap_or(1);
    Duration::from_hours(1).saturating_mul(hours)
}

/// Octets of a segment of the journal.
fn segment_bytes(config: &Config) -> usize {
    usize::try_from(config.segment_mib << 20).unwrap_or(usize::MAX)
}
