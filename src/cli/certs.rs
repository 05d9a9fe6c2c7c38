//! `carnet certs`: certificates for development, and one at a time for an agency without a PKI.

pub mod issue;
mod judge;
pub mod pki;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use self::issue::{Authority, Profile};
use self::pki::{Completed, DevelopmentPki, is_pem};
use super::check::with_issuers;
use super::failed::Failed;
use super::names::system_named;
use super::output;
use crate::agency::registry::Registry;
use crate::config::write_together;
use crate::config::{Config, finish_writing, read_bundle, read_file, read_folder_files};
use crate::message::bundle::Bundle;
use crate::message::id::SystemId;
use crate::message::time::Timestamp;
use crate::server::clock::Clock;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(super) enum Certs {
    /// Write throw-away authorities and a certificate for every system
    #[command(
        after_help = "Examples:\n  carnet certs dev certs/dev            # what is missing, and what has ended\n  carnet certs dev certs/dev --force    # all anew, in place of those there"
    )]
    Dev {
        /// Folder to write to; what is there and has not ended stays
        dir: PathBuf,
        /// Make all anew, in place of those there
        #[arg(long)]
        force: bool,
    },
    /// Issue one system's certificate from its agency's issuer, with a key or for one that exists
    #[command(
        after_help = "Examples:\n  carnet certs issue customs/declarations --certs certs/dev --out new\n  carnet certs issue customs/declarations --out new --force \\\n    --issuer certs/dev/customs-ca.pem --issuer-key certs/dev/customs-ca.key\n\nThe system must stand in agencies/; its entry there says which name the certificate bears."
    )]
    Issue(Issue),
    /// Say what the broker would say of a certificate, without a broker
    #[command(
        after_help = "Examples:\n  carnet certs check customs-declarations.pem --as customs/declarations\n  carnet certs check new.pem --as customs/declarations --key new.key --from 10.20.3.4\n\nIt is judged as the broker judges, by agencies/ and the issuers there. Exit code 1 where it is refused."
    )]
    Check(judge::Judge),
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
    /// Issue it for the key of this request (PKCS #10, PEM), which stays where it was made; nothing else
    /// of the request is taken over
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
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
                    write_together(dir, pki.files()).map_err(Failed::cannot_run)?;
                    let count = pki.files().count();
                    output::line(&format!("wrote {count} files to {}", dir.display()))?;
                } else {
                    let (_, completed) = complete(&bundle, dir, now)?;
                    output::text(&in_words(&completed, dir))?;
                }
                Ok(())
            }
            Self::Issue(issue) => issue.run(config, now),
            Self::Check(judge) => judge.run(config, now),
        }
    }
}

impl Issue {
    fn run(&self, config: &Config, now: Timestamp) -> Result<(), Failed> {
        let bundle = with_issuers(read_bundle(config)?, now)?;
        let registry = Registry::parse(&bundle)?;
        let (agency, system) = system_named(&registry, &self.system)?;
        let in_certs = || config.certs.join(format!("{}-ca.pem", agency.id));
        let issuer = self.issuer.clone().unwrap_or_else(in_certs);
        let key = self.issuer_key.clone();
        let key = key.unwrap_or_else(|| issuer.with_extension("key"));
        let authority = Authority::load(&read_text(&issuer)?, &read_text(&key)?);
        let authority = authority
            .map_err(|error| Failed::CannotRun(format!("{}: {error}", issuer.display())))?;
        judge::lists(config, &agency.id, &issuer)?;
        let profile = Profile::system(&agency, &system, now);
        let name = format!("{}-{}", agency.id, system.name);
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        let mut files = Vec::new();
        if let Some(csr) = &self.csr {
            let made = authority.certify(&profile, &read_text(csr)?);
            let made =
                made.map_err(|error| Failed::CannotRun(format!("{}: {error}", csr.display())))?;
            files.push((certificate, made));
        } else {
            let made = authority.issue(&profile).map_err(Failed::cannot_run)?;
            files.extend([(certificate, made.certificate), (key, made.key)]);
        }
        let dir = self.out.as_ref().unwrap_or(&config.certs);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        if !self.force {
            refuse_to_replace(dir, &names)?;
        }
        let written = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()));
        write_together(dir, written).map_err(Failed::cannot_run)?;
        output::line(&format!(
            "wrote {} to {}: {}, until {}",
            names.join(" and "),
            dir.display(),
            system.certificate,
            profile.validity.until
        ))?;
        Ok(())
    }
}

fn read_text(path: &Path) -> Result<String, Failed> {
    let content = read_file(path).map_err(Failed::cannot_run)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// Refuses to write over files that are there.
fn refuse_to_replace(dir: &Path, names: &[&str]) -> Result<(), Failed> {
    let mut paths = names.iter().map(|name| dir.join(name));
    match paths.find(|path| path.exists()) {
        None => Ok(()),
        Some(first) => Err(Failed::CannotRun(format!(
            "{} is there already; choose another folder, or replace it with --force",
            first.display()
        ))),
    }
}

/// The development PKI in `dir`, with what was missing or had ended, and what that was.
pub(super) fn complete(
    bundle: &Bundle,
    dir: &Path,
    now: Timestamp,
) -> Result<(DevelopmentPki, Completed), Failed> {
    finish_writing(dir).map_err(Failed::cannot_run)?;
    let there = match read_folder_files(dir) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failed::CannotRun(format!("{}: {error}", dir.display()))),
    };
    let there: DevelopmentPki = there.into_iter().collect();
    let pki = there.completed(bundle, now).map_err(|mut faults| {
        for fault in &mut faults {
            // Of the folder's files it says the names alone.
            if !fault.place.contains('/') && fault.place != "agencies" {
                fault.place = dir.join(&fault.place).display().to_string();
            }
        }
        Failed::Faults(faults)
    })?;
    let completed = Completed::between(&there, &pki);
    let new = completed
        .names()
        .filter_map(|name| Some((name, pki.get(name)?)));
    write_together(dir, new).map_err(Failed::cannot_run)?;
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
    // With another server's certificate comes another authority, whether its file was there or not.
    if renewed
        .iter()
        .any(|name| name == "ca.pem" || name == "server.pem")
    {
        text.push_str("clients need the new ca.pem\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{RootCertStore, crypto::aws_lc_rs::default_provider};

    use super::pki::{development_bundle, tests::bundle};
    use super::*;
    use crate::agency::identity::identify;
    use crate::config::write_text;
    use crate::server::certificate::{File, Looked};

    fn whole_years(count: u32) -> Timestamp {
        let start = Timestamp::from_rfc3339("2026-03-17T12:00:00Z").unwrap();
        start.plus(Duration::from_hours(24 * 365) * count)
    }

    /// Whether a server with the files of `dir` is who it says, and lets its systems in.
    fn holds(dir: &Path, now: Timestamp) {
        let read = |name: &str| read_file(&dir.join(name)).unwrap();
        let der = |name: &str| CertificateDer::from_pem_slice(&read(name)).unwrap();
        for pair in ["server", "customs-one"] {
            let (pem, key) = (format!("{pair}.pem"), format!("{pair}.key"));
            let (certificate, private) = (read(&pem), read(&key));
            let looked = Looked::at(
                File::new(&pem, &certificate),
                File::new(&key, &private),
                now,
            );
            let foreign = looked.faults.iter().find(|fault| fault.place == key);
            assert_eq!(foreign, None, "{pair}");
        }
        let mut roots = RootCertStore::empty();
        roots.add(der("ca.pem")).unwrap();
        let provider = Arc::new(default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let at = Duration::from_millis(now.as_millis().unsigned_abs());
        verifier
            .build()
            .unwrap()
            .verify_server_cert(
                &der("server.pem"),
                &[],
                &ServerName::try_from("localhost").unwrap(),
                &[],
                UnixTime::since_unix_epoch(at),
            )
            .unwrap();
        let pki: DevelopmentPki = read_folder_files(dir).unwrap().into_iter().collect();
        let trusting = development_bundle(&bundle(&["customs"]), &pki).unwrap();
        let registry = Registry::parse(&trusting).unwrap();
        let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
        identify(&[der("customs-one.pem")], &registry, now, home).unwrap();
    }

    /// What has ended one year and eleven years on: the leaves, and the issuer with them.
    #[test]
    fn a_renewal_that_is_cut_anywhere_is_completed_by_the_next() {
        for years in [1, 11] {
            let mut moved = None;
            loop {
                let folder = tempfile::tempdir().unwrap();
                let (dir, agencies) = (folder.path(), bundle(&["customs"]));
                let (before, _) = complete(&agencies, dir, whole_years(0)).unwrap();
                let now = whole_years(years);
                let after = before.completed(&agencies, now).unwrap();
                let completed = Completed::between(&before, &after);
                let renewed: Vec<_> = completed.names().collect();
                // Cut before all are written, or with so many of them in their places.
                let (put, rest) = renewed.split_at(moved.unwrap_or(0));
                let written = dir.join(if moved.is_some() {
                    ".whole"
                } else {
                    ".unfinished"
                });
                for (folder, names) in [(dir, put), (&written, rest)] {
                    for name in names {
                        write_text(&folder.join(name), after.get(name).unwrap()).unwrap();
                    }
                }
                complete(&agencies, dir, now).unwrap();
                holds(dir, now);
                if moved == Some(renewed.len()) {
                    break;
                }
                moved = Some(moved.map_or(0, |moved| moved + 1));
            }
            assert!(moved >= Some(5), "{moved:?} files");
        }
    }
}
