//! The folders of a rulebook beside the one in force: taken by `--dev`, and else only compared.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::task::spawn_blocking;

use super::certs;
use super::certs::pki::{Completed, development_bundle};
use super::failed::Failed;
use crate::backbone::embedded::Embedded;
use crate::config::{Config, read_bundle};
use crate::message::bundle::Bundle;
use crate::policy::rulebook::Rulebook;
use crate::server::clock::Clock;

/// Differing files that are named at start.
const DIFFERING_SHOWN: usize = 5;

/// The folders as a bundle, with the development authority in place of the agencies' issuers.
pub(super) fn development_rulebook(config: &Config) -> Result<Bundle, Failed> {
    let bundle = read_bundle(config)?;
    let is_new = !config.certs.join("ca.pem").exists();
    let (pki, completed) = certs::complete(&bundle, &config.certs, Clock::default().now())?;
    if !is_new && completed != Completed::default() {
        let says = certs::in_words(&completed, &config.certs);
        says.lines().for_each(|line| tracing::info!("{line}"));
    }
    Ok(development_bundle(&bundle, &pki)?)
}

/// Puts the folders' rulebook into force, where it is another.
pub(super) fn take_changed_folders(
    backbone: &Arc<Embedded>,
    bundle: &Bundle,
) -> Result<(), Failed> {
    if bundle.digest() == backbone.view().rulebook.digest() {
        return Ok(());
    }
    let rulebook = Rulebook::parse(bundle)?;
    let digest = rulebook.digest();
    backbone.activate(rulebook).map_err(Failed::cannot_run)?;
    tracing::info!(rulebook = %digest, "the folders have changed: activated, since this is --dev");
    Ok(())
}

/// Takes changed folders at each signal. What is wrong with them is told, and changes nothing.
pub(super) fn take_at_hangups(
    runtime: &Runtime,
    config: &Config,
    backbone: &Arc<Embedded>,
) -> Result<(), Failed> {
    let _entered = runtime.enter();
    let hangup = signal(SignalKind::hangup()).map_err(Failed::cannot_run)?;
    runtime.spawn(take(hangup, config.clone(), Arc::clone(backbone)));
    Ok(())
}

async fn take(mut hangup: Signals, config: Config, backbone: Arc<Embedded>) {
    while hangup.recv().await.is_some() {
        let (config, backbone) = (config.clone(), Arc::clone(&backbone));
        let taken = spawn_blocking(move || {
            let bundle = development_rulebook(&config)?;
            take_changed_folders(&backbone, &bundle)
        });
        match taken.await {
            Ok(Err(Failed::Faults(faults))) => {
                let first = faults.first().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(fault = %first, count = faults.len(), "changed folders are not taken");
            }
            Ok(Err(failed)) => tracing::warn!(why = %failed, "changed folders are not taken"),
            Ok(Ok(())) | Err(_) => {}
        }
    }
}

/// Says where the folders differ from the rulebook in force. The rulebook is
/// the log's: an edited file does not count, and its editor is to know that.
pub(super) fn report_changed_folders(config: &Config, active: &Bundle) {
    let folders = match read_bundle(config) {
        Ok(folders) => folders,
        Err(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(fault = %first, "the folders cannot be compared with the rulebook in force");
            return;
        }
    };
    let differing = active.differences(&folders);
    if !differing.is_empty() {
        let count = differing.len();
        let first: Vec<&str> = differing.into_iter().take(DIFFERING_SHOWN).collect();
        tracing::warn!(
            files = count,
            first = first.join(" "),
            "the folders differ from the rulebook in force, which alone is used"
        );
    }
}
