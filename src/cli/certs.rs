//! `carnet certs`: certificates for development, and one at a time for an agency without a PKI.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;

use super::check::with_issuers;
use super::{Failed, output};
use crate::agency::development::DevelopmentPki;
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
    /// Write a throw-away authority and a certificate for every system
    #[command(
        after_help = "Examples:\n  carnet certs dev certs/dev\n  carnet certs dev certs/dev --force    new ones in place of those there"
    )]
    Dev {
        /// Folder to write to; it must not hold certificates yet
        dir: PathBuf,
        /// Replace files that are there
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
                let pki = DevelopmentPki::create(&read_bundle(config)?, now)?;
                let names: Vec<&str> = pki.files().map(|(name, _)| name).collect();
                make_room(dir, &names, *force)?;
                write_files(dir, pki.files())?;
                let count = names.len();
                output::line(&format!("wrote {count} files to {}", dir.display()));
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

/// The development PKI in `dir`: as it is there, or a new one.
pub(super) fn development_pki(bundle: &Bundle, dir: &Path) -> Result<DevelopmentPki, Failed> {
    if dir.join("ca.pem").exists() {
        let files = read_folder_files(dir).map_err(Failed::cannot_run)?;
        return Ok(files.into_iter().collect());
    }
    let pki = DevelopmentPki::create(bundle, Clock::default().now())?;
    write_files(dir, pki.files())?;
    Ok(pki)
}
