//! `carnet certs`: certificates for development.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failed, output};
use crate::agency::development::DevelopmentPki;
use crate::config::{Config, read_bundle, read_folder_files, write_secret, write_text};
use crate::message::bundle::Bundle;
use crate::server::clock::Clock;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(super) enum Certs {
    /// Write a throw-away authority and a certificate for every system
    #[command(after_help = "Example:\n  carnet certs dev certs/dev")]
    Dev {
        /// Folder to write to; it must not hold certificates yet
        dir: PathBuf,
    },
}

impl Certs {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let Self::Dev { dir } = self;
        let bundle = read_bundle(config)?;
        if dir.join("ca.pem").exists() {
            let says = format!(
                "{} holds certificates already; choose another folder",
                dir.display()
            );
            return Err(Failed::CannotRun(says));
        }
        let written = write_pki(&bundle, dir)?;
        let count = written.files().count();
        output::line(&format!("wrote {count} files to {}", dir.display()));
        Ok(())
    }
}

/// Makes a development PKI for a bundle's agencies and writes it; keys readable by the owner alone.
fn write_pki(bundle: &Bundle, dir: &Path) -> Result<DevelopmentPki, Failed> {
    let pki = DevelopmentPki::create(bundle, Clock::default().now())?;
    for (name, content) in pki.files() {
        let path = dir.join(name);
        let secret = path.extension().is_some_and(|extension| extension == "key");
        let written = if secret {
            write_secret(&path, content)
        } else {
            write_text(&path, content)
        };
        written.map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))?;
    }
    Ok(pki)
}

/// The development PKI in `dir`: as it is there, or a new one.
pub(super) fn development_pki(bundle: &Bundle, dir: &Path) -> Result<DevelopmentPki, Failed> {
    if !dir.join("ca.pem").exists() {
        return write_pki(bundle, dir);
    }
    let files = read_folder_files(dir).map_err(Failed::cannot_run)?;
    Ok(files.into_iter().collect())
}
