//! `carnet certs`: certificates for development, and one at a time for an agency without a PKI.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;

use super::check::{is_pem, with_issuers};
use super::{Failed, output};
use crate::agency::development::{Completed, DevelopmentPki};
use crate::agency::issue::{Authority, Profile};
use crate::agency::registry::{Agency, Registry, System};
use crate::config::{Config, read_bundle, read_file, read_folder_files};
use crate::config::{remove_file, write_secret, write_text};
use crate::message::bundle::Bundle;
use crate::message::id::SystemId;
use crate::message::time::Timestamp;
use crate::server::clock::Clock;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(super) enum Certs {
    /// Write throw-away authorities and a certificate for every system
    #[command(
        after_help = "Examples:\n  carnet certs dev certs/dev            what is missing, and what has ended\n  carnet certs dev certs/dev --force    all anew, in place of those there"
    )]
    Dev {
        /// Folder to write to; what is there and has not ended stays
        dir: PathBuf,
        /// Make all anew, in place of those there
        #[arg(long)]
        force: bool,
    },
    /// Issue one system's certificate and key from its agency's issuer
    #[command(
        after_help = "Examples:\n  carnet certs issue customs/declarations\n  carnet certs issue customs/declarations --issuer customs-ca.pem --issuer-key customs-ca.key --out new\n\nThe system must stand in agencies/; its entry there says which name the certificate bears."
    )]
    Issue(Issue),
}

/// One system's certificate.
#[derive(Debug, clap::Args)]
pub(super) struct Issue {
    /// The system, such as customs/declarations
    #[arg(value_name = "AGENCY/SYSTEM")]
    system: SystemId,
    /// Certificate of the agency's issuer [default: AGENCY-ca.pem in the folder of certificates]
    #[arg(long, value_name = "FILE")]
    issuer: Option<PathBuf>,
    /// Its key [default: the issuer's file, ending in .key]
    #[arg(long, value_name = "FILE")]
    issuer_key: Option<PathBuf>,
    /// Folder to write AGENCY-SYSTEM.pem and .key to [default: the folder of certificates]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

impl Certs {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let now = Clock::default().now();
        match self {
            Self::Dev { dir, force } => {
                let bundle = read_bundle(config)?;
                if *force {
                    let pki = DevelopmentPki::create(&bundle, now)?;
                    let names: Vec<&str> = pki.files().map(|(name, _)| name).collect();
                    make_room(dir, &names, true)?;
                    write_files(dir, pki.files())?;
                    let count = names.len();
                    output::line(&format!("wrote {count} files to {}", dir.display()));
                } else {
                    let (_, completed) = complete(&bundle, dir, now)?;
                    output::text(&in_words(&completed, dir));
                }
                Ok(())
            }
            Self::Issue(issue) => issue.run(config, now),
        }
    }
}

impl Issue {
    fn run(&self, config: &Config, now: Timestamp) -> Result<(), Failed> {
        let bundle = with_issuers(read_bundle(config)?, now)?;
        let registry = Registry::parse(&bundle)?;
        let (agency, system) = find(&registry, &self.system)?;
        let in_certs = || config.certs.join(format!("{}-ca.pem", agency.id));
        let issuer = self.issuer.clone().unwrap_or_else(in_certs);
        let key = self.issuer_key.clone();
        let key = key.unwrap_or_else(|| issuer.with_extension("key"));
        let authority = Authority::load(&read_text(&issuer)?, &read_text(&key)?);
        let authority = authority
            .map_err(|error| Failed::CannotRun(format!("{}: {error}", issuer.display())))?;
        let profile = Profile::system(&agency, &system, now);
        let made = authority.issue(&profile).map_err(Failed::cannot_run)?;
        let dir = self.out.as_ref().unwrap_or(&config.certs);
        let name = format!("{}-{}", agency.id, system.name);
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        make_room(dir, &[&certificate, &key], self.force)?;
        let files = [
            (certificate.as_str(), made.certificate.as_bytes()),
            (key.as_str(), made.key.as_bytes()),
        ];
        write_files(dir, files)?;
        output::line(&format!(
            "wrote {certificate} and {key} to {}: {}, until {}",
            dir.display(),
            system.certificate,
            profile.validity.until
        ));
        Ok(())
    }
}

/// A system of the registry, with its agency.
pub(super) fn find(
    registry: &Registry,
    id: &SystemId,
) -> Result<(Arc<Agency>, Arc<System>), Failed> {
    let agency = registry.agency(id.agency.as_str());
    let found = agency.and_then(|agency| {
        let system = agency.systems.get(&id.system)?;
        Some((Arc::clone(agency), Arc::clone(system)))
    });
    found.ok_or_else(|| {
        let says = format!("there is no system '{id}'; `carnet agency list` names them");
        Failed::Usage(says)
    })
}

fn read_text(path: &Path) -> Result<String, Failed> {
    let content = read_file(path).map_err(Failed::cannot_run)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// Refuses to write over files; with `force` removes them, for keys are written only anew.
fn make_room(dir: &Path, names: &[&str], force: bool) -> Result<(), Failed> {
    let paths = names.iter().map(|name| dir.join(name));
    let there: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
    if let (Some(first), false) = (there.first(), force) {
        return Err(Failed::CannotRun(format!(
            "{} is there already; choose another folder, or replace it with --force",
            first.display()
        )));
    }
    there
        .iter()
        .try_for_each(|path| remove_file(path))
        .map_err(Failed::cannot_run)
}

/// Writes files; those that end in `.key` are readable by their owner alone.
fn write_files<'f>(
    dir: &Path,
    files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) -> Result<(), Failed> {
    for (name, content) in files {
        let path = dir.join(name);
        let secret = path.extension().is_some_and(|extension| extension == "key");
        let written = if secret {
            write_secret(&path, content)
        } else {
            write_text(&path, content)
        };
        written.map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// The development PKI in `dir`, with what was missing or had ended, and what that was.
pub(super) fn complete(
    bundle: &Bundle,
    dir: &Path,
    now: Timestamp,
) -> Result<(DevelopmentPki, Completed), Failed> {
    let there = match read_folder_files(dir) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failed::CannotRun(format!("{}: {error}", dir.display()))),
    };
    let mut pki: DevelopmentPki = there.into_iter().collect();
    let completed = pki.complete(bundle, now).map_err(|mut faults| {
        for fault in &mut faults {
            // Of the folder's files it says the names alone.
            if !fault.place.contains('/') && fault.place != "agencies" {
                fault.place = dir.join(&fault.place).display().to_string();
            }
        }
        Failed::Faults(faults)
    })?;
    for name in &completed.renewed {
        remove_file(&dir.join(name)).map_err(Failed::cannot_run)?;
    }
    let new = completed.made.iter().chain(&completed.renewed);
    let new = new.filter_map(|name| Some((name.as_str(), pki.get(name)?)));
    write_files(dir, new)?;
    Ok((pki, completed))
}

/// What was done in `dir`: certificates by name, their keys with them.
pub(super) fn in_words(completed: &Completed, dir: &Path) -> String {
    let dir = dir.display();
    let certificates = |names: &[String]| {
        let names = names.iter().map(String::as_str).filter(|name| is_pem(name));
        names.collect::<Vec<_>>().join(" ")
    };
    let (made, renewed) = (&completed.made, &completed.renewed);
    if made.is_empty() && renewed.is_empty() {
        return format!("nothing is missing in {dir}, and nothing has ended\n");
    }
    let mut text = String::new();
    if !made.is_empty() {
        let (count, names) = (made.len(), certificates(made));
        _ = writeln!(text, "wrote {count} files to {dir}: {names} and their keys");
    }
    if !renewed.is_empty() {
        let names = certificates(renewed);
        _ = writeln!(text, "renewed in {dir}: {names} and their keys");
    }
    if renewed.iter().any(|name| name == "ca.pem") {
        text.push_str("clients need the new ca.pem\n");
    }
    text
}
