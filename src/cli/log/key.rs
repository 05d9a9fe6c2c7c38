//! `carnet log key`: the keys by which the log signs its tree, and the one that others verify it by.

use std::path::Path;
use std::time::Duration;

use crate::backbone::signing::Signing;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Config, read_file, write_secret};
use crate::evidence::Malformed;
use crate::evidence::key::{Kind, Signer};
use crate::journal::vfs::{DiskVfs, put_in_place};
use crate::server::clock::Entropy;

/// Keys that sign each checkpoint, at most: the one in use and those that come or go.
const KEYS_MAX: usize = 4;

/// Keys of the log.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log key\n  carnet log key --make broker.example/log/2    # where the key is lost: another name, from here on\n\nThe private key is in the file of setting log_key, one a line; every key signs every checkpoint. What is printed goes into the trust policies of auditors and to witnesses: docs/witness.md."
)]
pub(in crate::cli) struct Keys {
    /// Make a key of a log of this name in a file that is not there yet
    #[arg(long, value_name = "NAME")]
    make: Option<String>,
    /// Make another key of the same name: both sign, until the older one's line is taken out of the file
    #[arg(long, conflicts_with = "make")]
    add: bool,
}

impl Keys {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        if let Some(name) = &self.make {
            make(&config.log_key, name)?;
        }
        let keys = read(&config.log_key)?;
        if self.add {
            add(&config.log_key, &keys)?;
        }
        for key in read(&config.log_key)? {
            output::line(&key.verifier().to_string())?;
        }
        Ok(())
    }
}

/// How the log is to be signed, by the keys that are there.
pub(in crate::cli) fn signing(config: &Config) -> Result<Signing, Failed> {
    Ok(Signing {
        signers: read(&config.log_key)?,
        every: Duration::from_millis(config.checkpoint_ms),
    })
}

/// Makes the key of a log, of the name that is set or of one that no other log has; one that is there stays.
pub(in crate::cli) fn make_once(config: &Config) -> Result<(), Failed> {
    if config.log_key.exists() {
        return Ok(());
    }
    if !config.log_origin.is_empty() {
        return make(&config.log_key, &config.log_origin);
    }
    let drawn: [u8; 4] = Entropy::default().draw().map_err(Failed::cannot_run)?;
    let own = data_encoding::HEXLOWER.encode(&drawn);
    make(&config.log_key, &format!("{}/log/{own}", config.http.host))
}

fn make(path: &Path, name: &str) -> Result<(), Failed> {
    let text = format!("{}\n", drawn(name)?);
    write_secret(path, text.as_bytes())
        .map_err(|error| Failed::CannotRun(format!("{}: {error}", path.display())))
}

fn add(path: &Path, keys: &[Signer]) -> Result<(), Failed> {
    if keys.len() >= KEYS_MAX {
        let says = format!("{} has {KEYS_MAX} keys; take one out first", path.display());
        return Err(Failed::Refused(says));
    }
    let name = keys.first().map(|key| key.verifier().name());
    let mut text = read_file(path).map_err(Failed::cannot_run)?;
    text.extend_from_slice(format!("{}\n", drawn(name.unwrap_or_default())?).as_bytes());
    put_in_place(&DiskVfs, path, &text).map_err(Failed::cannot_run)
}

/// The text of a new private key.
fn drawn(name: &str) -> Result<String, Failed> {
    let seed = Entropy::default().draw().map_err(Failed::cannot_run)?;
    let signer = Signer::new(name, Kind::Note, &seed).ok_or_else(|| {
        Failed::Usage("a name has no blanks and no +, such as broker.example/log".to_owned())
    })?;
    Ok(signer.private(&seed))
}

fn read(path: &Path) -> Result<Vec<Signer>, Failed> {
    let place = path.display();
    if !path.exists() {
        let says = format!(
            "{place} is missing, by which the log signs its tree (setting log_key); restore it from its copy. Where it \
             is lost, the log goes on under another name: `carnet log key --make NAME`"
        );
        return Err(Failed::CannotRun(says));
    }
    let text = read_file(path).map_err(Failed::cannot_run)?;
    let keys = parse(&String::from_utf8_lossy(&text));
    keys.map_err(|error| Failed::CannotRun(format!("{place}: {error}")))
}

/// Keys that sign as one log.
fn parse(text: &str) -> Result<Vec<Signer>, Malformed> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys: Vec<Signer> = lines.map(str::parse).collect::<Result<_, _>>()?;
    let names = keys
        .iter()
        .map(|key| (key.verifier().name(), key.verifier().kind()));
    let is_one_log = names
        .clone()
        .all(|it| Some(it) == names.clone().next() && it.1 == Kind::Note);
    if keys.is_empty() || keys.len() > KEYS_MAX || !is_one_log {
        let says = format!("the file has one to {KEYS_MAX} keys of one log, a line each");
        return Err(Malformed::new(says));
    }
    Ok(keys)
}
