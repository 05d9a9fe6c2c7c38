//! `carnet init`: begins a log with the folders' rulebook.

use std::path::Path;

use super::check::end_file_beside_the_log;
use super::failed::Failed;
use super::log::key::make_once;
use super::output;
use super::start::{failed, key_ring, master_key, options};
use crate::backbone::ring;
use crate::backbone::start::{begun, start};
use crate::config::read_bundle;
use crate::config::{Config, create_private_folder, folder_names};
use crate::journal::vfs::DiskVfs;
use crate::policy::possible;
use crate::policy::rulebook::Rulebook;
use crate::server::clock::Clock;

/// What a log makes in its folder before its first record is written.
const OURS: [&str; 5] = ["journal", "snapshots", "pages", "ids", ring::FILE];

pub(super) fn run(config: &Config) -> Result<(), Failed> {
    may_begin(&config.data)?;
    let bundle = read_bundle(config)?;
    // Before anything is written: a folder with faults leaves nothing behind.
    let impossible = possible::look(&Rulebook::parse(&bundle)?).faults;
    if !impossible.is_empty() {
        return Err(impossible.into());
    }
    create_private_folder(&config.data).map_err(Failed::cannot_run)?;
    let master = master_key(config)?;
    make_once(config)?;
    let keeper = key_ring(config, &master, false)?;
    let options = options(config, Some(bundle), keeper.check())?;
    let started = start(&DiskVfs, &config.data, options, Clock::default().now());
    let started = started.map_err(failed)?;
    let digest = started.rulebook.digest();
    started.committer.close().map_err(Failed::cannot_run)?;
    output::warnings(end_file_beside_the_log(config).as_slice())?;
    output::line(&format!(
        "the log in {} begins with rulebook {digest}",
        config.data.display()
    ))?;
    output::line("compare this digest with the other members of the board before you serve it")
}

/// A log is begun once, in an empty folder, or where an earlier try found no room.
fn may_begin(data: &Path) -> Result<(), Failed> {
    let begun = begun(&DiskVfs, data).map_err(failed)?;
    let place = data.display();
    if begun.is_some() {
        let says = format!("there is a log in {place} already; begin another with another --data");
        return Err(Failed::CannotRun(says));
    }
    let foreign = folder_names(data).map_err(Failed::cannot_run)?;
    let foreign = foreign
        .into_iter()
        .find(|name| !OURS.contains(&name.as_str()));
    if let Some(foreign) = foreign {
        let says = format!(
            "{place} is not empty ({foreign} is in it); a log is begun in an empty folder: choose \
             another --data"
        );
        return Err(Failed::CannotRun(says));
    }
    Ok(())
}
