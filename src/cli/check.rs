//! `carnet check`: everything that can be wrong in the folders, each with its place and cure.

use std::path::Path;

use super::{Failed, output};
use crate::agency::development::{DevelopmentPki, development_bundle};
use crate::agency::expiry::expiring;
use crate::config::{Config, read_bundle};
use crate::message::bundle::{Bundle, Fault};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;
use crate::policy::table::{admit_example, run_tables};
use crate::server::clock::Clock;

pub(super) fn run(config: &Config) -> Result<(), Failed> {
    let now = Clock::default().now();
    let bundle = read_bundle(config)?;
    let mut faults = certificates(config, now);
    let bundle = with_issuers(bundle, now)?;
    let rulebook = match Rulebook::parse(&bundle) {
        Ok(rulebook) => rulebook,
        Err(found) => {
            faults.extend(found);
            return Err(faults.into());
        }
    };
    faults.extend(
        rulebook
            .registry()
            .expiring(now)
            .iter()
            .map(crate::agency::expiry::Expiring::to_fault),
    );
    let report = run_tables(&rulebook, &mut |entry, name| {
        admit_example(&bundle, entry, name)
    });
    faults.extend(report.faults);
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let agencies = rulebook.registry().agencies().count();
    let types = rulebook.catalogue().entries().count();
    let rules = rulebook.rules().count();
    output::line(&format!(
        "{agencies} agencies, {types} message types, {rules} policies, {} table rows: no faults",
        report.rows
    ));
    Ok(())
}

/// Folders of a repository name issuers that only a deployment has: without any certificate of an
/// issuer, development ones stand in, so that everything else can be checked.
pub(super) fn with_issuers(bundle: Bundle, now: Timestamp) -> Result<Bundle, Failed> {
    let has_issuer = |(path, _): (&str, &[u8])| is_pem(path);
    if bundle.below("agencies").any(has_issuer) {
        return Ok(bundle);
    }
    let pki = DevelopmentPki::create(&bundle, now)?;
    Ok(development_bundle(&bundle, &pki)?)
}

/// Certificates in the folder of certificates that have ended or end soon.
fn certificates(config: &Config, now: Timestamp) -> Vec<Fault> {
    let files = crate::config::read_folder_files(&config.certs).unwrap_or_default();
    let certificates = files.into_iter().filter(|(name, _)| is_pem(name));
    let mut faults = Vec::new();
    for (name, content) in certificates {
        let place = config.certs.join(name).display().to_string();
        match expiring(&place, &content, now) {
            Ok(found) => faults.extend(found.iter().map(crate::agency::expiry::Expiring::to_fault)),
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

fn is_pem(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "pem")
}
