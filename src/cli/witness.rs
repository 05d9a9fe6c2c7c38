//! `carnet witness`: a witness of other logs, of any that speaks C2SP's formats.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use tokio::net::TcpListener;

use super::failed::Failed;
use super::output;
use super::runtime::{interrupted, on_a_runtime};
use crate::config::{Address, read_file};
use crate::evidence::Malformed;
use crate::evidence::key::{Kind, Signer};
use crate::evidence::trust::Trust;
use crate::journal::vfs::{DiskVfs, put_in_place, read_whole};
use crate::server::bind::Bound;
use crate::server::clock::Entropy;
use crate::server::witness::Witness;

/// Octets of a private key's file, at most.
const KEY_BYTES: u64 = 4 << 10;

/// What a witness needs.
#[derive(Debug, Subcommand)]
pub(super) enum WitnessCommand {
    /// Make a witness' key, and print the key by which others verify it
    #[command(
        after_help = "Example:\n  carnet witness key witness.example/border --out witness.key\n\nThe name is one for ever: a URL without its scheme, say. What is printed goes to the logs that ask, and into trust policies."
    )]
    Key {
        /// The witness' name
        name: String,
        /// File for the private key; none is replaced
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Answer the logs that ask, until interrupted
    #[command(
        after_help = "Examples:\n  carnet witness serve --key witness.key --logs logs.txt --state seen\n  carnet witness serve --key witness.key --logs logs.txt --state seen --listen 0.0.0.0:8420\n\nLogs are lines `log KEY`, with a last line `quorum none`, as in a trust policy. It speaks plain HTTP (https://c2sp.org/tlog-witness): what is asked and answered is signed. The folder of --state is what keeps it from cosigning two histories: back it up, and never put an older copy back."
    )]
    Serve {
        /// The private key, as `witness key` made it
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The logs that it looks after
        #[arg(long, value_name = "FILE")]
        logs: PathBuf,
        /// Folder with what it cosigned last of each log
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Address to listen on
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8420")]
        listen: Address,
    },
}

impl WitnessCommand {
    pub(super) fn run(&self) -> Result<(), Failed> {
        match self {
            Self::Key { name, out } => key(name, out),
            Self::Serve {
                key,
                logs,
                state,
                listen,
            } => {
                let signer = read(key)?;
                let logs = read::<Trust>(logs)?.logs().to_vec();
                let witness = Witness::open(signer, logs, state.clone());
                let witness = witness.map_err(Failed::cannot_run)?;
                on_a_runtime(serve(witness, listen))
            }
        }
    }
}

fn key(name: &str, out: &Path) -> Result<(), Failed> {
    let there = read_whole(&DiskVfs, out, KEY_BYTES).map_err(Failed::cannot_run)?;
    if there.is_some() {
        let says = format!("{} is there; a key is made once", out.display());
        return Err(Failed::Refused(says));
    }
    let seed = Entropy::default().draw().map_err(Failed::cannot_run)?;
    let signer = Signer::new(name, Kind::Cosignature, &seed).ok_or_else(|| {
        Failed::Usage("a name has no blanks and no +, such as witness.example/border".to_owned())
    })?;
    let text = format!("{}\n", signer.private(&seed));
    put_in_place(&DiskVfs, out, text.as_bytes()).map_err(Failed::cannot_run)?;
    output::line(&signer.verifier().to_string())
}

async fn serve(witness: Witness, at: &Address) -> Result<(), Failed> {
    let listeners = Bound::to(&at.host, at.port).and_then(Bound::listen);
    let listeners = listeners
        .map_err(|error| Failed::CannotRun(format!("{at} cannot be listened on: {error}")))?;
    for address in listeners.iter().map(TcpListener::local_addr) {
        let address = address.map_err(Failed::cannot_run)?;
        output::line(&format!("listening on http://{address}"))?;
    }
    tokio::select! {
        () = witness.serve(listeners) => Ok(()),
        failed = interrupted() => Err(failed),
    }
}

/// What a file has, of one of the formats of [`crate::evidence`].
pub(super) fn read<T: FromStr<Err = Malformed>>(path: &Path) -> Result<T, Failed> {
    let octets = read_file(path).map_err(Failed::cannot_run)?;
    let says = |says: Malformed| Failed::Refused(format!("{}: {says}", path.display()));
    let text = String::from_utf8(octets);
    let text = text.map_err(|_| says(Malformed::new("is not UTF-8 text")))?;
    text.parse().map_err(says)
}
