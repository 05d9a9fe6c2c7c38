//! `carnet log rulebook`: the rulebooks that were in force, as text. Each is in the log as it was.

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::output;
use super::earlier::{About, Changes};
use super::entries::{DevelopmentLog, Entry};
use crate::broker::record::{Genesis, Record};
use crate::journal::Lsn;
use crate::message::id::Digest;

/// Print the rulebooks that were in force.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log rulebook           # all that were in force, and since when\n  carnet log rulebook active    # the files of one; or a digest\n  carnet log rulebook active policies/post.cedar    # as it is in the log"
)]
pub(in crate::cli) struct RulebookOf {
    /// `active`, or the first digits of a digest, as `log show` tells it
    #[arg(value_name = "DIGEST")]
    wanted: Option<String>,
    /// A file to print
    #[arg(requires = "wanted")]
    file: Option<String>,
    /// As JSON; a file is printed as it is
    #[arg(long)]
    json: bool,
}

/// A rulebook with the number of its evidence, and what it changed.
struct InForce {
    number: u64,
    genesis: Genesis,
    changes: Changes,
}

impl RulebookOf {
    pub(super) fn run(&self, log: &mut DevelopmentLog) -> Result<(), Failed> {
        let mut all = Vec::new();
        for entry in log.entries(Lsn::START) {
            if let Entry {
                number: Some(number),
                record: Record::Genesis(genesis) | Record::Activated(genesis),
                about: Some(About::Changes(changes)),
                ..
            } = entry?
            {
                all.push(InForce {
                    number,
                    genesis,
                    changes,
                });
            }
        }
        let Some(wanted) = &self.wanted else {
            return self.list(&all);
        };
        let genesis = find(&all, wanted)?;
        if let Some(file) = &self.file {
            return print(genesis, file);
        }
        self.files(genesis)
    }

    /// All of them, each with what it changed.
    fn list(&self, all: &[InForce]) -> Result<(), Failed> {
        let mut values = Vec::new();
        for (place, in_force) in all.iter().enumerate() {
            let InForce {
                number,
                genesis,
                changes,
            } = in_force;
            let (digest, at) = (genesis.digest.to_string(), genesis.at.to_string());
            let active = place + 1 == all.len();
            if !self.json {
                let count = genesis.bundle.files().count();
                let active = if active { "  active" } else { "" };
                output::line(&format!(
                    "{number:>5}  {at}  {digest}  {count} files{active}"
                ))?;
                for line in changes.lines() {
                    output::line(&format!("       {line}"))?;
                }
            }
            values.push(json!({"number": number, "at": at, "digest": digest,
                "development": genesis.development, "active": active,
                "new": changes.new, "changed": changes.changed, "gone": changes.gone}));
        }
        if self.json {
            output::line(&Value::Array(values).to_string())?;
        }
        Ok(())
    }

    /// The files of one.
    fn files(&self, genesis: &Genesis) -> Result<(), Failed> {
        let files = genesis.bundle.files();
        if self.json {
            let files = files.map(|(path, content)| {
                json!({"path": path, "bytes": content.len(),
                    "sha256": Digest::of(content).to_string()})
            });
            let all =
                json!({"digest": genesis.digest.to_string(), "files": files.collect::<Value>()});
            return output::line(&all.to_string());
        }
        for (path, content) in files {
            output::line(&format!("{}  {path}", Digest::of(content)))?;
        }
        Ok(())
    }
}

fn find<'a>(all: &'a [InForce], wanted: &str) -> Result<&'a Genesis, Failed> {
    let none = || {
        let says = format!("no rulebook {wanted:?} was in force; `carnet log rulebook` lists them");
        Failed::Usage(says)
    };
    if wanted == "active" {
        let last = all.last().map(|it| &it.genesis);
        return last.ok_or_else(none);
    }
    let begins = |it: &&InForce| it.genesis.digest.to_string().starts_with(wanted);
    let mut found = all.iter().filter(begins).map(|it| &it.genesis);
    let first = found.next().ok_or_else(none)?;
    // One that came back is the same text.
    if found.any(|other| other.digest != first.digest) {
        let says = format!("several digests begin with {wanted:?}; give more of it");
        return Err(Failed::Usage(says));
    }
    Ok(first)
}

fn print(genesis: &Genesis, file: &str) -> Result<(), Failed> {
    let content = genesis.bundle.get(file).ok_or_else(|| {
        let digest = genesis.digest;
        let says = format!(
            "rulebook {digest} has no file {file:?}; `carnet log rulebook {digest}` lists them"
        );
        Failed::Usage(says)
    })?;
    output::bytes(content)
}
