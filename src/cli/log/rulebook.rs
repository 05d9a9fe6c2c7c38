//! `carnet log rulebook`: the rulebooks that were in force, as text. Each is in the log as it was.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::failed::Failed;
use super::super::output;
use super::audit::{Audit, Auditor, Parameters};
use super::entries::DevelopmentLog;
use crate::cli::api::Api;
use crate::config::Config;
use crate::http::log::{About, Entry, InForce};
use crate::journal::Lsn;
use crate::message::id::Digest;

/// Print the rulebooks that were in force.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log rulebook           # all that were in force, and since when\n  carnet log rulebook active    # the files of one; or a digest\n  carnet log rulebook active policies/post.cedar    # as it is in the log\n\nOf a running broker, your agency's files and the board's:\n  carnet log rulebook --why \"monthly sample\" --as post/m-0077"
)]
pub(in crate::cli) struct RulebookOf {
    /// `active`, or the first digits of a digest, as `log show` tells it
    #[arg(value_name = "DIGEST")]
    wanted: Option<String>,
    /// A file to print
    #[arg(requires = "wanted")]
    file: Option<String>,
    #[command(flatten)]
    auditor: Auditor,
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
    /// Who looks.
    pub(super) fn auditor(&self) -> &Auditor {
        &self.auditor
    }

    /// What an auditor may see of a running broker's.
    pub(super) fn of_broker(&self, config: &Config, audit: &Audit<'_>) -> Result<(), Failed> {
        audit.officer.run(config, async |api| {
            let all = rulebooks(&api, &audit.says).await?;
            let Some(wanted) = &self.wanted else {
                return self.list_told(&all);
            };
            let mut says = audit.says.clone();
            says.extend(self.file.clone().map(|file| ("path", file)));
            let path = format!("log/rulebooks/{}", numbered(&all, wanted)?);
            let request = api.request(Method::GET, &path)?.query(&says);
            let found = api.json(request).await?;
            let text = |file: &Value, name: &str| {
                let text = file.get(name).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            let files = found.get("files").and_then(Value::as_array);
            let files = files.into_iter().flatten();
            if self.file.is_some() {
                let texts: String = files.map(|file| text(file, "text")).collect();
                return output::bytes(texts.as_bytes());
            }
            if self.json {
                return output::line(&found.to_string());
            }
            let lines =
                files.map(|file| format!("{}  {}\n", text(file, "sha256"), text(file, "path")));
            output::text(&lines.collect::<String>())
        })
    }

    fn list_told(&self, all: &[Value]) -> Result<(), Failed> {
        if self.json {
            return output::line(&Value::Array(all.to_vec()).to_string());
        }
        let text = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        for (place, rulebook) in all.iter().enumerate() {
            let active = if place == 0 { "  active" } else { "" };
            let (at, digest) = (text(rulebook, "at"), text(rulebook, "digest"));
            output::line(&format!("{:>5}  {at}  {digest}{active}", number(rulebook)))?;
            let Some(proposal) = rulebook.get("proposal") else {
                continue;
            };
            let (owner, title) = (text(proposal, "owner"), text(proposal, "title"));
            let by = text(proposal, "by");
            output::line(&format!("       {owner}: {title}, proposed by {by}"))?;
            let votes = proposal.get("votes").and_then(Value::as_array);
            for vote in votes.into_iter().flatten() {
                let (by, at) = (text(vote, "by"), text(vote, "at"));
                output::line(&format!("       approved by {by} at {at}"))?;
            }
        }
        Ok(())
    }

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

/// The rulebooks of a running broker, the newest first.
async fn rulebooks(api: &Api, says: &Parameters) -> Result<Vec<Value>, Failed> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let request = api.request(Method::GET, "log/rulebooks")?.query(says);
        let cursors = cursor.iter().map(|cursor| ("cursor", cursor));
        let request = request.query(&cursors.collect::<Vec<(&str, &String)>>());
        let mut page = api.json(request).await?;
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            all.extend(items);
        }
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn number(rulebook: &Value) -> u64 {
    let number = rulebook.get("number").and_then(Value::as_u64);
    number.unwrap_or_default()
}

/// The number of the newest one that is meant: active, or of a digest.
fn numbered(all: &[Value], wanted: &str) -> Result<u64, Failed> {
    let is_it = |rulebook: &&Value| {
        let digest = rulebook.get("digest").and_then(Value::as_str);
        wanted == "active" || digest.is_some_and(|digest| digest.starts_with(wanted))
    };
    let found = all.iter().find(is_it).map(number);
    found.ok_or_else(|| {
        let says = format!("no rulebook {wanted:?} was in force; `carnet log rulebook` lists them");
        Failed::Usage(says)
    })
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
