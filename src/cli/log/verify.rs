//! `carnet log verify`: a proof of any log of C2SP's format, by whose signatures its reader trusts.

use std::path::PathBuf;

use serde_json::json;

use super::super::failed::Failed;
use super::super::output;
use super::super::witness::read;
use crate::config::read_file;
use crate::evidence::proof::Proof;
use crate::evidence::tree::leaf_hash;
use crate::evidence::trust::{Trust, Trusted};
use crate::message::time::Timestamp;

/// A proof, what it is of, and whose signatures count.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log verify 12.tlog-proof --entry 12.entry --policy trust.txt\n  carnet log verify 12.tlog-proof --entry 12.entry --policy trust.txt --json\n\nThe formats are C2SP's: https://c2sp.org/tlog-proof and https://c2sp.org/tlog-policy. Exit code 1: it proves nothing."
)]
pub(in crate::cli) struct Verify {
    /// The proof: place, path and signed checkpoint
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The entry, to the octet
    #[arg(long, value_name = "FILE")]
    entry: PathBuf,
    /// Logs, witnesses and their quorum, as you trust them
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(&self) -> Result<(), Failed> {
        let trust = read::<Trust>(&self.policy)?;
        let proof = read::<Proof>(&self.proof)?;
        let entry = read_file(&self.entry).map_err(Failed::cannot_run)?;
        let trusted = proof.proves(leaf_hash(&entry), &trust);
        let trusted =
            trusted.map_err(|says| Failed::Refused(format!("{}: {says}", self.proof.display())))?;
        if self.json {
            return output::line(&told(&proof, &trusted).to_string());
        }
        let Trusted {
            checkpoint,
            cosigned,
        } = &trusted;
        let (origin, size) = (&checkpoint.origin, checkpoint.head.size);
        output::line(&format!(
            "entry {} of {size} of the log {origin}",
            proof.index
        ))?;
        for (witness, seconds) in cosigned {
            output::line(&format!("cosigned by {witness} at {}", time(*seconds)))?;
        }
        Ok(())
    }
}

fn told(proof: &Proof, trusted: &Trusted) -> serde_json::Value {
    let Trusted {
        checkpoint,
        cosigned,
    } = trusted;
    let cosigned: serde_json::Map<_, _> = cosigned
        .iter()
        .map(|(witness, seconds)| (witness.clone(), json!(time(*seconds))))
        .collect();
    json!({"origin": checkpoint.origin, "index": proof.index, "size": checkpoint.head.size,
        "root": checkpoint.head.root, "cosigned": cosigned})
}

fn time(seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_millis(seconds.saturating_mul(1000))
}
