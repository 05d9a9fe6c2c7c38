//! `carnet check`: everything that can be wrong in the folders, each with its place and cure.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::certs::pki::{DevelopmentPki, development_bundle, is_of_development, is_pem};
use super::failed::Failed;
use super::output;
use crate::agency::expiry::{Expiring, expiring};
use crate::backbone::start::begun;
use crate::config::{Config, are_on_one_disk, is_readable_by_others};
use crate::config::{read_bundle, read_file, read_folder_files};
use crate::journal::vfs::DiskVfs;
use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::{Catalogue, unused_lists};
use crate::message::time::Timestamp;
use crate::policy::lints;
use crate::policy::rulebook::Rulebook;
use crate::policy::words::PolicyId;
use crate::server::certificate::Looked;
use crate::server::clock::Clock;
use crate::server::descriptors;
use crate::server::renewal::Files;

/// Check agencies, messages, policies, decision tables and certificates.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet check\n  carnet check --policies policies --json    # of a proposal, wherever it lies\n\nEach fault has its place and its cure. Exit code 1 where there is one."
)]
pub(super) struct Check {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let now = Clock::default().now();
        let mut looked = certificates(config, now);
        let read = read_bundle(config);
        let checked = match &read {
            Ok(read) => checked(read, now, &mut looked),
            Err(found) => Err(found.clone()),
        };
        let checked = checked.unwrap_or_else(|found| {
            looked.faults.extend(found);
            Checked::default()
        });
        let located = |faults: &[Fault]| -> Vec<Fault> {
            faults.iter().map(|fault| config.located(fault)).collect()
        };
        let warnings = located(&looked.warnings);
        if self.json {
            let counts: serde_json::Map<String, Value> = checked
                .counts
                .iter()
                .map(|(count, what)| (what.replace(' ', "_"), json!(count)))
                .collect();
            let faults = output::faults_as_json(&located(&looked.faults));
            let warnings = output::faults_as_json(&warnings);
            let rulebook = read.ok().map(|read| read.digest().to_string());
            let all = json!({
                "checked": counts, "rulebook": rulebook, "waiting": checked.waiting,
                "faults": faults, "warnings": warnings,
            });
            output::line(&all.to_string())?;
            return if looked.faults.is_empty() {
                Ok(())
            } else {
                Err(Failed::Told)
            };
        }
        output::warnings(&warnings)?;
        if !looked.faults.is_empty() {
            return Err(looked.faults.into());
        }
        let counts = checked.counts.iter();
        let counts = counts.map(|(count, what)| format!("{count} {what}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        output::line(&format!("{counts}: no faults"))?;
        let read = read?;
        output::line(&format!("rulebook {}", read.digest()))?;
        if !checked.waiting.is_empty() {
            let rules: Vec<&str> = checked.waiting.iter().map(PolicyId::as_str).collect();
            let rules = rules.join(" ");
            output::line(&format!(
                "waiting for units that are not there yet: {rules}"
            ))?;
        }
        if !has_issuer(&read) {
            output::line(
                "no agency has its issuer's certificate beside agency.toml: good for `serve --dev` alone; `init` wants them",
            )?;
        }
        Ok(())
    }
}

/// What was checked.
#[derive(Default)]
struct Checked {
    /// How many of what.
    counts: Vec<(usize, &'static str)>,
    /// Rules that ask for a purpose or a clearance that no unit has yet.
    waiting: BTreeSet<PolicyId>,
}

/// Checks all folders; what is wrong in a whole rulebook goes to `looked`.
fn checked(read: &Bundle, now: Timestamp, looked: &mut Looked) -> Result<Checked, Vec<Fault>> {
    let bundle = with_issuers(read.clone(), now).map_err(|mut found| {
        // The agencies' faults do not hide those of the messages.
        found.extend(Catalogue::parse(read).err().unwrap_or_default());
        found
    })?;
    let rulebook = Rulebook::parse(&bundle).map_err(|found| {
        let unused = unused_lists(&bundle).into_iter();
        unused.chain(found).collect::<Vec<_>>()
    })?;
    sort(&rulebook.registry().expiring(now), None, looked);
    let agreements = rulebook.agreements().iter();
    let notices = agreements.filter_map(|it| Some(it.warning(it.notice(now)?)));
    looked.warnings.extend(notices);
    let found = lints::look(&rulebook);
    looked.faults.extend(found.faults);
    looked.warnings.extend(found.warnings);
    Ok(Checked {
        counts: vec![
            (rulebook.registry().agencies().count(), "agencies"),
            (rulebook.catalogue().entries().count(), "message types"),
            (rulebook.rules().count(), "policies"),
            (found.rows.values().sum(), "table rows"),
        ],
        waiting: found.waiting,
    })
}

/// Folders of a repository name issuers that only a deployment has: without any certificate of an
/// issuer, development ones stand in, so that everything else can be checked.
pub(super) fn with_issuers(bundle: Bundle, now: Timestamp) -> Result<Bundle, Vec<Fault>> {
    if has_issuer(&bundle) {
        return Ok(bundle);
    }
    let pki = DevelopmentPki::create(&bundle, now)?;
    development_bundle(&bundle, &pki)
}

/// Sorts by urgency; `folder` is where `certs dev` could renew its own.
fn sort(found: &[Expiring], folder: Option<&Path>, looked: &mut Looked) {
    for found in found {
        let mut fault = found.to_fault();
        if let Some(folder) = folder.filter(|_| is_of_development(&found.issuer)) {
            fault.cure = format!(
                "`carnet certs dev {}` renews what has ended",
                folder.display()
            );
        }
        let list = if found.is_warning() {
            &mut looked.warnings
        } else {
            &mut looked.faults
        };
        list.push(fault);
    }
}

/// The server's certificate and key as they are on disk.
pub(super) fn server_files(config: &Config) -> Result<Files, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut read = |path: &Path, cure: &str| {
        let place = path.display().to_string();
        let content = read_file(path).map_err(|error| {
            // Its name is the place.
            let says = match error.kind() {
                std::io::ErrorKind::NotFound => "is missing".to_owned(),
                kind => format!("cannot be read: {kind}"),
            };
            faults.push(Fault::new(&place, says, cure));
        });
        (place, content.unwrap_or_default())
    };
    let files = Files {
        certificate: read(
            &config.server_certificate(),
            "issue it by certs/README.md; to try things, `carnet serve --dev` needs none",
        ),
        key: read(
            &config.server_key(),
            "put the key of server.pem there, readable by the broker's user",
        ),
    };
    if faults.is_empty() {
        Ok(files)
    } else {
        Err(faults)
    }
}

/// The server's certificate and key: what is wrong with them, or will be.
pub(super) fn server_certificate(config: &Config, now: Timestamp) -> Looked {
    match server_files(config) {
        Err(faults) => Looked {
            faults,
            ..Looked::default()
        },
        Ok(files) => {
            let mut looked = files.looked_at(now);
            looked.warnings.extend(open_to_others(&config.server_key()));
            looked
        }
    }
}

/// A warning of a key that other users of the machine can read: with it one can pass for the broker,
/// or read what is sealed.
pub(super) fn open_to_others(key: &Path) -> Option<Fault> {
    let place = key.display().to_string();
    let cure = format!("chmod 400 {place}, and replace the key if it was read");
    let says = "can be read by every user of this machine";
    is_readable_by_others(key).then(|| Fault::new(place, says, cure))
}

/// An end file that is lost, or put back, with the log that it is to vouch for.
pub(super) fn end_file_beside_the_log(config: &Config) -> Option<Fault> {
    let place = config.end_file.display().to_string();
    let says = "is on the same file system as the data folder: who puts back an older copy of that, puts back both, and a loss is not noticed";
    let cure = "put it on a disk or volume of its own (setting end_file)";
    are_on_one_disk(&config.end_file, &config.data).then(|| Fault::new(place, says, cure))
}

/// Threads with a runtime each.
pub(super) fn runtimes(config: &Config) -> usize {
    match config.runtimes {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        runtimes => usize::try_from(runtimes).unwrap_or(1),
    }
}

/// Whether there is a log that is served for real.
fn is_served(config: &Config) -> bool {
    let log = begun(&DiskVfs, &config.data);
    log.is_ok_and(|log| log.is_some_and(|genesis| !genesis.development))
}

/// Certificates in the folder of certificates, and in the one that `serve --dev` makes: those that
/// have ended or end soon, and the server's besides.
fn certificates(config: &Config, now: Timestamp) -> Looked {
    let mut looked = Looked::default();
    if config.server_certificate().exists() || config.server_key().exists() {
        looked = server_certificate(config, now);
    }
    looked.warnings.extend(open_to_others(&config.master_key));
    looked.warnings.extend(open_to_others(&config.log_key));
    if is_served(config) {
        looked.warnings.extend(end_file_beside_the_log(config));
        let files = descriptors::files();
        looked
            .warnings
            .extend(descriptors::too_low(files, runtimes(config)));
    }
    let development = config.data.join("certs");
    for folder in [&config.certs, &development] {
        for (name, content) in read_folder_files(folder).unwrap_or_default() {
            let path = folder.join(&name);
            if !is_pem(&name) || path == config.server_certificate() {
                continue;
            }
            match expiring(&path.display().to_string(), &content, now) {
                Ok(found) => sort(&found, Some(folder), &mut looked),
                Err(fault) => looked.faults.push(fault),
            }
        }
    }
    looked
}

/// Whether the certificate of any issuer stands beside an `agency.toml`.
pub(super) fn has_issuer(bundle: &Bundle) -> bool {
    bundle.below("agencies").any(|(path, _)| is_pem(path))
}
