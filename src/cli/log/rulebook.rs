//! `carnet log rulebook`: the rulebooks that were in force, as text. Each is in the log as it was.

use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::output;
use super::entries::DevelopmentLog;
use crate::http::log::{About, Entry, InForce};
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

/// A rulebook with the number of its evidence.
struct Numbered {
    number: u64,
    in_force: InForce,
}

impl RulebookOf {
    pub(super) fn run(&self, log: &mut DevelopmentLog) -> Result<(), Failed> {
        let mut all = Vec::new();
        for entry in log.entries(Lsn::START) {
            if let Entry {
                number: Some(number),
                about: Some(About::Rulebook(in_force)),
                ..
            } = entry?
            {
                all.push(Numbered { number, in_force });
            }
        }
        let Some(wanted) = &self.wanted else {
            return self.list(&all);
        };
        let in_force = find(&all, wanted)?;
        if let Some(file) = &self.file {
            return print(in_force, file);
        }
        self.files(in_force)
    }

    /// All of them, each with what it changed.
    fn list(&self, all: &[Numbered]) -> Result<(), Failed> {
        let mut values = Vec::new();
        for (place, Numbered { number, in_force }) in all.iter().enumerate() {
            let changes = &in_force.changes;
            let (digest, at) = (in_force.digest.to_string(), in_force.at.to_string());
            let active = place + 1 == all.len();
            if !self.json {
                let count = in_force.bundle.files().count();
                let active = if active { "  active" } else { "" };
                output::line(&format!(
                    "{number:>5}  {at}  {digest}  {count} files{active}"
                ))?;
                for line in changes.lines() {
                    output::line(&format!("       {line}"))?;
                }
            }
            values.push(json!({"number": number, "at": at, "digest": digest,
                "development": in_force.development, "active": active, "proposal": in_force.proposal,
                "new": changes.new, "changed": changes.changed, "gone": changes.gone}));
        }
        if self.json {
            output::line(&Value::Array(values).to_string())?;
        }
        Ok(())
    }

    /// The files of one.
    fn files(&self, in_force: &InForce) -> Result<(), Failed> {
        let files = in_force.bundle.files();
        if self.json {
            let files = files.map(|(path, content)| {
                json!({"path": path, "bytes": content.len(),
                    "sha256": Digest::of(content).to_string()})
            });
            let all =
                json!({"digest": in_force.digest.to_string(), "files": files.collect::<Value>()});
            return output::line(&all.to_string());
        }
        for (path, content) in files {
            output::line(&format!("{}  {path}", Digest::of(content)))?;
        }
        Ok(())
    }
}

fn find<'a>(all: &'a [Numbered], wanted: &str) -> Result<&'a InForce, Failed> {
    let none = || {
        let says = format!("no rulebook {wanted:?} was in force; `carnet log rulebook` lists them");
        Failed::Usage(says)
    };
    if wanted == "active" {
        let last = all.last().map(|it| &it.in_force);
        return last.ok_or_else(none);
    }
    let begins = |it: &&Numbered| it.in_force.digest.to_string().starts_with(wanted);
    let mut found = all.iter().filter(begins).map(|it| &it.in_force);
    let first = found.next().ok_or_else(none)?;
    // One that came back is the same text.
    if found.any(|other| other.digest != first.digest) {
        let says = format!("several digests begin with {wanted:?}; give more of it");
        return Err(Failed::Usage(says));
    }
    Ok(first)
}

fn print(in_force: &InForce, file: &str) -> Result<(), Failed> {
    let content = in_force.bundle.get(file).ok_or_else(|| {
        let digest = in_force.digest;
        let says = format!(
            "rulebook {digest} has no file {file:?}; `carnet log rulebook {digest}` lists them"
        );
        Failed::Usage(says)
    })?;
    output::bytes(content)
}
