//! `carnet check`: everything that can be wrong in the folders, each with its place and cure.

use std::path::Path;

use serde_json::{Value, json};

use super::{Failed, output};
use crate::agency::development::{DevelopmentPki, development_bundle};
use crate::agency::expiry::{Expiring, expiring};
use crate::config::{Config, read_bundle, read_folder_files};
use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::{Catalogue, MessageEntry};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;
use crate::policy::table::{admit_example, run_tables};
use crate::server::clock::Clock;

/// Check agencies, messages, policies, decision tables and certificates.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet check\n  carnet check --policies proposal/policies --json\n\nEach fault has its place and its cure. Exit code 1 where there is one."
)]
pub(super) struct Check {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let now = Clock::default().now();
        let mut faults = certificates(config, now);
        let checked = checked(config, now, &mut faults).unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        });
        if self.json {
            let counts: serde_json::Map<String, Value> = checked
                .iter()
                .map(|(count, what)| (what.replace(' ', "_"), json!(count)))
                .collect();
            let faults_as_json = output::faults_as_json(&faults);
            output::line(&json!({"checked": counts, "faults": faults_as_json}).to_string());
            return if faults.is_empty() {
                Ok(())
            } else {
                Err(Failed::Told)
            };
        }
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let counts = checked
            .iter()
            .map(|(count, what)| format!("{count} {what}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        output::line(&format!("{counts}: no faults"));
        if !read_bundle(config)?.below("agencies").any(has_issuer) {
            output::line(
                "no agency has its issuer's certificate beside agency.toml: good for `serve --dev` alone; `init` wants them",
            );
        }
        Ok(())
    }
}

/// How many of what were checked; what is wrong in a whole rulebook goes to `faults`.
fn checked(
    config: &Config,
    now: Timestamp,
    faults: &mut Vec<Fault>,
) -> Result<Vec<(usize, &'static str)>, Vec<Fault>> {
    let read = read_bundle(config)?;
    let bundle = with_issuers(read.clone(), now).map_err(|mut found| {
        // The agencies' faults do not hide those of the messages.
        found.extend(Catalogue::parse(&read).err().unwrap_or_default());
        found
    })?;
    let rulebook = Rulebook::parse(&bundle)?;
    let ending = rulebook.registry().expiring(now);
    faults.extend(ending.iter().map(Expiring::to_fault));
    let mut admit = |entry: &MessageEntry, name: &str| admit_example(&bundle, entry, name);
    let report = run_tables(&rulebook, &mut admit);
    faults.extend(report.faults);
    Ok(vec![
        (rulebook.registry().agencies().count(), "agencies"),
        (rulebook.catalogue().entries().count(), "message types"),
        (rulebook.rules().count(), "policies"),
        (report.rows, "table rows"),
    ])
}

/// Folders of a repository name issuers that only a deployment has: without any certificate of an
/// issuer, development ones stand in, so that everything else can be checked.
pub(super) fn with_issuers(bundle: Bundle, now: Timestamp) -> Result<Bundle, Vec<Fault>> {
    if bundle.below("agencies").any(has_issuer) {
        return Ok(bundle);
    }
    let pki = DevelopmentPki::create(&bundle, now)?;
    development_bundle(&bundle, &pki)
}

/// Certificates in the folder of certificates that have ended or end soon.
fn certificates(config: &Config, now: Timestamp) -> Vec<Fault> {
    let files = read_folder_files(&config.certs).unwrap_or_default();
    let certificates = files.into_iter().filter(|(name, _)| is_pem(name));
    let mut faults = Vec::new();
    for (name, content) in certificates {
        let place = config.certs.join(name).display().to_string();
        match expiring(&place, &content, now) {
            Ok(found) => faults.extend(found.iter().map(Expiring::to_fault)),
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

fn has_issuer((path, _): (&str, &[u8])) -> bool {
    is_pem(path)
}

fn is_pem(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "pem")
}
