//! `carnet certs`: certificates for development, and one at a time for an agency without a PKI.

mod judge;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::check::{is_pem, with_issuers};
use super::failed::Failed;
use super::names::system_named;
use super::output;
use crate::agency::development::{Completed, DevelopmentPki};
use crate::agency::issue::{Authority, Profile};
use crate::agency::registry::Registry;
use crate::config::{Config, read_bundle, read_file, read_folder_files};
use crate::config::{put_in_place, remove_file, write_beside};
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
    /// Issue one system's certificate and key from its agency's issuer
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
                    replace(dir, pki.files())?;
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
        let profile = Profile::system(&agency, &system, now);
        let made = authority.issue(&profile).map_err(Failed::cannot_run)?;
        let dir = self.out.as_ref().unwrap_or(&config.certs);
        let name = format!("{}-{}", agency.id, system.name);
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        if !self.force {
            refuse_to_replace(dir, &[&certificate, &key])?;
        }
        let files = [
            (certificate.as_str(), made.certificate.as_bytes()),
            (key.as_str(), made.key.as_bytes()),
        ];
        replace(dir, files)?;
        output::line(&format!(
            "wrote {certificate} and {key} to {}: {}, until {}",
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

/// One step of putting files in the place of others.
enum Step<'f> {
    WriteBeside(PathBuf, &'f [u8]),
    Remove(PathBuf),
    PutInPlace(PathBuf),
}

/// How files come into `dir`, in place of those there. A process may end between any two steps: then
/// something may be missing, which the next [`complete`] makes, but no certificate ever stands
/// beside a key that is not its own, or under an issuer that did not issue it. So what a disk has no
/// room for changes nothing; certificates go before their keys and come after them; issuers go first
/// and come last.
fn steps<'f>(dir: &Path, files: &[(&str, &'f [u8])]) -> Vec<Step<'f>> {
    let at = |name: &str| dir.join(name);
    let is_issuer = |name: &str| name == "ca.pem" || name.ends_with("-ca.pem");
    let names = files.iter().map(|(name, _)| *name);
    let (certificates, keys): (Vec<&str>, Vec<&str>) = names.partition(|name| is_pem(name));
    let (issuers, leaves): (Vec<&str>, Vec<&str>) =
        certificates.into_iter().partition(|name| is_issuer(name));
    let beside = files
        .iter()
        .map(|(name, content)| Step::WriteBeside(at(name), content));
    let removed = issuers.iter().chain(&leaves);
    let put = keys.iter().chain(&leaves).chain(&issuers);
    beside
        .chain(removed.map(|name| Step::Remove(at(name))))
        .chain(put.map(|name| Step::PutInPlace(at(name))))
        .collect()
}

impl Step<'_> {
    fn run(&self) -> Result<(), Failed> {
        let (path, done) = match self {
            Self::WriteBeside(path, content) => {
                let is_key = path.extension().is_some_and(|extension| extension == "key");
                (path, write_beside(path, content, is_key))
            }
            Self::Remove(path) if !path.exists() => return Ok(()),
            Self::Remove(path) => return remove_file(path).map_err(Failed::cannot_run),
            Self::PutInPlace(path) => (path, put_in_place(path)),
        };
        done.map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))
    }
}

/// Puts files in the place of those there; keys are readable by their owner alone.
fn replace<'f>(
    dir: &Path,
    files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) -> Result<(), Failed> {
    let files: Vec<_> = files.into_iter().collect();
    steps(dir, &files).iter().try_for_each(Step::run)
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
    let new = completed.made.iter().chain(&completed.renewed);
    let new = new.filter_map(|name| Some((name.as_str(), pki.get(name)?)));
    replace(dir, new)?;
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

    use super::*;
    use crate::agency::development::{development_bundle, tests::bundle};
    use crate::agency::identity::identify;
    use crate::server::certificate::Looked;

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
            let looked = Looked::at((&pem, &read(&pem)), (&key, &read(&key)), now);
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
            let mut cut_at = 0;
            loop {
                let folder = tempfile::tempdir().unwrap();
                let dir = folder.path();
                complete(&bundle(&["customs"]), dir, whole_years(0)).unwrap();
                let (bundle, now) = (bundle(&["customs"]), whole_years(years));
                let mut pki: DevelopmentPki = read_folder_files(dir).unwrap().into_iter().collect();
                let renewed = pki.complete(&bundle, now).unwrap().renewed;
                let files: Vec<_> = pki.files().collect();
                let files = files
                    .into_iter()
                    .filter(|(name, _)| renewed.iter().any(|it| it == name));
                let files: Vec<_> = files.collect();
                let steps = steps(dir, &files);
                for step in steps.iter().take(cut_at) {
                    step.run().unwrap();
                }
                complete(&bundle, dir, now).unwrap_or_else(|_| panic!("cut at {cut_at}"));
                holds(dir, now);
                if cut_at == steps.len() {
                    break;
                }
                cut_at += 1;
            }
            assert!(cut_at >= 12, "{cut_at} steps");
        }
    }
}
