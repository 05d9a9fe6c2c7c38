//! `carnet log verify`: a proof of any log of C2SP's format, by whose signatures its reader trusts.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::output;
use super::super::witness::read;
use crate::broker::format::Said;
use crate::config::read_file;
use crate::evidence::disclosure::{Disclosure, Proved};
use crate::evidence::leaf::Part;
use crate::evidence::proof::Proof;
use crate::evidence::tree::leaf_hash;
use crate::evidence::trust::{Trust, Trusted};
use crate::http::log::Entry;
use crate::journal::Lsn;
use crate::message::time::Timestamp;

/// A proof, what it is of, and whose signatures count.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log verify 19.json --policy trust.txt\n  carnet log verify 12.tlog-proof --entry 12.entry --policy trust.txt --json\n\nWhat `carnet log proof` wrote has in it what it proves, and that is printed. Of other logs: https://c2sp.org/tlog-proof with the entry, and https://c2sp.org/tlog-policy. Exit code 1: it proves nothing."
)]
pub(in crate::cli) struct Verify {
    /// What `log proof` wrote; with --entry a proof of place, path and signed checkpoint
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The entry, to the octet
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
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
        let (index, trusted, said) = match &self.entry {
            Some(entry) => self.of_entry(entry, &trust)?,
            None => self.of_parts(&trust)?,
        };
        if self.json {
            return output::line(&told(index, &trusted, &said).to_string());
        }
        let Trusted {
            checkpoint,
            cosigned,
        } = &trusted;
        let (origin, size) = (&checkpoint.origin, checkpoint.head.size);
        output::line(&format!("entry {index} of {size} of the log {origin}"))?;
        for (witness, seconds) in cosigned {
            output::line(&format!("cosigned by {witness} at {}", time(*seconds)))?;
        }
        said.iter().try_for_each(|said| output::text(&lines(said)))
    }

    fn of_entry(&self, entry: &Path, trust: &Trust) -> Result<Shown, Failed> {
        let proof = read::<Proof>(&self.proof)?;
        let entry = read_file(entry).map_err(Failed::cannot_run)?;
        let trusted = proof.proves(leaf_hash(&entry), trust);
        let trusted = trusted.map_err(|says| self.refused(&says))?;
        Ok((proof.index, trusted, Vec::new()))
    }

    fn of_parts(&self, trust: &Trust) -> Result<Shown, Failed> {
        let disclosure = read::<Disclosure>(&self.proof)?;
        let proved = disclosure.proved(trust);
        let (parts, index, trusted) = proved.map_err(|says| self.refused(&says))?;
        let said = parts.iter().map(|part| said(part, index));
        let said = said.collect::<Result<_, _>>();
        Ok((index, trusted, said.map_err(|says| self.refused(&says))?))
    }

    fn refused(&self, says: &dyn std::fmt::Display) -> Failed {
        Failed::Refused(format!("{}: {says}", self.proof.display()))
    }
}

/// The place of a record in a log, what vouches for it, and what its opened parts say.
type Shown = (u64, Trusted, Vec<Value>);

/// What a proved part says.
fn said(part: &Proved, index: u64) -> Result<Value, crate::broker::format::RecordError> {
    let said = Said::of(&Part {
        what: part.what,
        kind: part.kind,
        schema: part.schema,
        octets: &part.octets,
    })?;
    let Said::Whole(record) = said else {
        return Ok(json!(said));
    };
    let entry = Entry {
        number: Some(index),
        lsn: Lsn::START,
        record: *record,
        about: None,
        clock: None,
    };
    let mut told: Value = entry.text(true).parse().unwrap_or_default();
    if let Some(fields) = told.as_object_mut() {
        // Where it lay in the journal is no part of it.
        fields.remove("lsn");
    }
    Ok(told)
}

/// A line for each field.
fn lines(said: &Value) -> String {
    let fields = said.as_object().into_iter().flatten();
    let line = |(name, value): (&String, &Value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("  {name}  {}\n", value.escape_debug())
    };
    fields.map(line).collect()
}

fn told(index: u64, trusted: &Trusted, said: &[Value]) -> Value {
    let Trusted {
        checkpoint,
        cosigned,
    } = trusted;
    let cosigned: serde_json::Map<_, _> = cosigned
        .iter()
        .map(|(witness, seconds)| (witness.clone(), json!(time(*seconds))))
        .collect();
    let mut told = json!({"origin": checkpoint.origin, "index": index, "size": checkpoint.head.size,
        "root": checkpoint.head.root, "cosigned": cosigned});
    if let Some(fields) = told.as_object_mut().filter(|_| !said.is_empty()) {
        fields.insert("parts".to_owned(), json!(said));
    }
    told
}

fn time(seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_millis(seconds.saturating_mul(1000))
}
