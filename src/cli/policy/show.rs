//! What is in force, what was, and what waits.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::api::AsOfficer;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Config, write_text};

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
    #[command(flatten)]
    officer: AsOfficer,
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
            let mut count = 0_usize;
            for (path, text) in files.as_object().into_iter().flatten() {
                // What a broker names is not trusted with a path of this machine.
                let mut parts = path.split('/');
                if !parts.all(|part| !part.is_empty() && part != "." && part != "..") {
                    let says = format!("{path:?} is no path of a rulebook");
                    return Err(Failed::Refused(says));
                }
                let text = text.as_str().unwrap_or_default();
                let written = write_text(&self.dir.join(path), text.as_bytes());
                written.map_err(Failed::cannot_run)?;
                count += 1;
            }
            output::line(&format!("wrote {count} files to {}", self.dir.display()))
        })
    }
}
