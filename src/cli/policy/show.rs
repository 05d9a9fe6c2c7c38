//! What is in force, what was, and what waits.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::api::AsOfficer;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Config, read_file, write_text};
use crate::message::id::Digest;

/// The file in an export's folder that says what was exported there and proposed from there, as `sha256sum`
/// does: what differs from it was edited since.
const EXPORTED: &str = ".exported.sha256";

/// What is in force, and what waits for whom.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet policy status --as post/o-2117\n  carnet policy status 7 --as post/o-2117"
)]
pub(in crate::cli) struct Status {
    /// A proposal's number
    number: Option<u64>,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The rulebooks that were in force.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Log {
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Write the files in force into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carnet policy export rules --as post/o-2117")]
pub(in crate::cli) struct Export {
    /// The folder
    dir: PathBuf,
    /// Replace files there that differ
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    officer: AsOfficer,
}

/// What was exported into a folder, a digest and a path a line; empty where nothing was.
pub(super) fn exported(dir: &Path) -> String {
    let lines = read_file(&dir.join(EXPORTED)).unwrap_or_default();
    String::from_utf8_lossy(&lines).into_owned()
}

/// A digest and a path a line.
fn digests<'f>(files: impl Iterator<Item = (&'f str, &'f str)>) -> String {
    let line = |(path, text): (&str, &str)| format!("{}  {path}\n", Digest::of(text.as_bytes()));
    files.map(line).collect()
}

/// Remembers in an export's folder what was proposed from it: once in force it is what the next change is
/// made on.
pub(super) fn remember<'f>(
    dir: &Path,
    proposed: impl Iterator<Item = (&'f str, &'f str)>,
) -> Result<(), Failed> {
    let before = exported(dir);
    if before.is_empty() {
        return Ok(());
    }
    let all = before + &digests(proposed);
    write_text(&dir.join(EXPORTED), all.as_bytes()).map_err(Failed::cannot_run)
}

/// A text of an answer; empty where it is none.
pub(in crate::cli) fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list of an answer.
pub(super) fn lines_of<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.get(name).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// What a proposal, or what would be one, needs.
pub(super) fn needs(value: &Value) -> String {
    let needed = value
        .get("needed")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let of: Vec<&str> = lines_of(value, "needed_of")
        .filter_map(Value::as_str)
        .collect();
    format!(
        "needs {needed} approval{} of {}",
        if needed == 1 { "" } else { "s" },
        of.join(", ")
    )
}

/// A proposal as text.
fn told(proposal: &Value) -> String {
    let number = proposal
        .get("number")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let [state, title, owner, by, at, digest] =
        ["state", "title", "owner", "by", "at", "digest"].map(|name| member(proposal, name));
    let mut text = format!(
        "proposal {number}  {state}  {owner}: {title}\n  proposed by {by} at {at}\n  rulebook {digest}"
    );
    for about in lines_of(proposal, "about").filter_map(Value::as_str) {
        _ = write!(text, "\n  {about}");
    }
    for vote in lines_of(proposal, "votes") {
        let (by, at) = (member(vote, "by"), member(vote, "at"));
        _ = write!(text, "\n  approved by {by} at {at}");
    }
    let is_pending = state == "pending";
    let is_complete = proposal.get("complete").and_then(Value::as_bool) == Some(true);
    if is_pending && !is_complete {
        _ = write!(text, "\n  {}", needs(proposal));
    }
    if is_pending && is_complete && member(proposal, "when") == "asked" {
        text.push_str("\n  waits to be activated");
    }
    if let Some(at) = proposal.get("when_at").and_then(Value::as_str) {
        _ = write!(text, "\n  takes effect at {at}");
    }
    if let Some(activation) = proposal.get("activation").and_then(Value::as_u64) {
        _ = write!(text, "\n  activation {activation}");
    }
    text
}

/// A suspension of permits as text.
fn suspended(suspension: &Value) -> String {
    let [agency, since, until] = ["agency", "since", "until"].map(|name| member(suspension, name));
    let end = match until {
        "" => "until it is lifted".to_owned(),
        until => format!("until {until} unless a second officer confirms it"),
    };
    format!("{agency} has suspended permits since {since}, {end}")
}

/// Prints a proposal.
pub(super) fn print(proposal: &Value, as_json: bool) -> Result<(), Failed> {
    if as_json {
        return output::line(&proposal.to_string());
    }
    output::line(&told(proposal))
}

impl Status {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            if let Some(number) = self.number {
                return print(&api.get(&format!("proposals/{number}")).await?, self.json);
            }
            let mut rulebook = api.get("rulebook").await?;
            let pending = api.all("proposals?state=pending").await?;
            let suspensions = api.all("suspensions").await?;
            if self.json {
                if let Some(rulebook) = rulebook.as_object_mut() {
                    rulebook.insert("pending".to_owned(), json!(pending));
                    rulebook.insert("suspensions".to_owned(), json!(suspensions));
                }
                return output::line(&rulebook.to_string());
            }
            let number = rulebook
                .get("activation")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            output::line(&format!(
                "rulebook {}  activation {number}, since {}",
                member(&rulebook, "digest"),
                member(&rulebook, "since")
            ))?;
            for suspension in &suspensions {
                output::line(&suspended(suspension))?;
            }
            if pending.is_empty() {
                return output::line("no proposal is pending");
            }
            pending
                .iter()
                .try_for_each(|proposal| output::line(&told(proposal)))
        })
    }
}

impl Log {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let all = api.all("activations").await?;
            if self.json {
                return output::line(&Value::Array(all).to_string());
            }
            for activation in &all {
                let number = activation.get("number").and_then(Value::as_u64);
                let (at, digest) = (member(activation, "at"), member(activation, "digest"));
                output::line(&format!(
                    "{:>5}  {at}  {digest}",
                    number.unwrap_or_default()
                ))?;
                if let Some(proposal) = activation.get("proposal") {
                    let text = told(proposal);
                    for line in text.lines() {
                        output::line(&format!("       {line}"))?;
                    }
                }
            }
            Ok(())
        })
    }
}

impl Export {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let files = api.get("rulebook/files").await?;
            let files = files.as_object().into_iter().flatten();
            let files: Vec<(&str, &str)> = files
                .map(|(path, text)| (path.as_str(), text.as_str().unwrap_or_default()))
                .collect();
            // What a broker names is not trusted with a path of this machine.
            let is_path = |path: &str| {
                let mut parts = path.split('/');
                parts.all(|part| !part.is_empty() && part != "." && part != "..")
            };
            if let Some((path, _)) = files.iter().find(|(path, _)| !is_path(path)) {
                let says = format!("{path:?} is no path of a rulebook");
                return Err(Failed::Refused(says));
            }
            if !self.force {
                self.keep_edited(&files)?;
            }
            let write = |path: &str, text: &str| {
                let written = write_text(&self.dir.join(path), text.as_bytes());
                written.map_err(Failed::cannot_run)
            };
            files
                .iter()
                .try_for_each(|(path, text)| write(path, text))?;
            write(EXPORTED, &digests(files.iter().copied()))?;
            let (count, dir) = (files.len(), self.dir.display());
            output::line(&format!("wrote {count} files to {dir}"))
        })
    }

    /// Refuses to write over what neither is exported now nor was by the export before.
    fn keep_edited(&self, files: &[(&str, &str)]) -> Result<(), Failed> {
        let read = |path: &str| read_file(&self.dir.join(path)).ok();
        let exported = exported(&self.dir);
        let is_edited = |(path, text): &&(&str, &str)| {
            read(path).is_some_and(|there| {
                let line = format!("{}  {path}", Digest::of(&there));
                there != text.as_bytes() && !exported.lines().any(|it| it == line)
            })
        };
        let edited: Vec<&str> = files.iter().filter(is_edited).map(|it| it.0).collect();
        if edited.is_empty() {
            return Ok(());
        }
        Err(Failed::Refused(format!(
            "in {} {} would be lost: propose what was edited, export into another folder, or replace it with --force",
            self.dir.display(),
            edited.join(", ")
        )))
    }
}
