//! Changed files on their way to a proposal: from a folder, or one by itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use serde_json::{Map, Value, json};

use super::show::{exported, lines_of, member, needs, print, remember};
use crate::agency::officer::Holder;
use crate::cli::api::{Api, AsOfficer};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::{Config, read_bundle, read_file};
use crate::message::bundle::Bundle;
use crate::message::id::Digest;
use crate::policy::change::owner_of;

/// Which files.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// The folder with agencies, messages and policies, such as a Git checkout: its files of your agency
    /// are taken, and what is not there of them goes
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Take the files that belong to the board, instead of those of your agency
    #[arg(long)]
    board: bool,
}

/// Find what is wrong with changed files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carnet policy check --from . --as post/o-2117")]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Propose changed files.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet policy propose --from . --title \"Police see despatches\" --as post/o-2117\n  carnet policy propose --from . --board --title \"The veterinary agency joins\" --as customs/o-2117"
)]
pub(in crate::cli) struct Propose {
    #[command(flatten)]
    source: Source,
    /// What the change is for, in one line
    #[arg(long)]
    title: String,
    /// Have it take effect with its last approval
    #[arg(long)]
    once_approved: bool,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What a proposal, or a folder, changes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet policy diff 7 --as post/o-0934\n  carnet policy diff --from . --as post/o-2117"
)]
pub(in crate::cli) struct Diff {
    /// The proposal's number
    #[arg(required_unless_present = "from")]
    number: Option<u64>,
    /// The folder with agencies, messages and policies that is compared with what is in force
    #[arg(long, value_name = "DIR", conflicts_with = "number")]
    from: Option<PathBuf>,
    /// Take the files that belong to the board, instead of those of your agency
    #[arg(long, requires = "from")]
    board: bool,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Propose another text of one file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carnet policy edit policies/post.cedar --with new.cedar --title \"Police see despatches\" --as post/o-2117"
)]
pub(in crate::cli) struct Edit {
    /// The file's path in the rulebook
    path: String,
    /// The file with its new text
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    with: Option<PathBuf>,
    /// The file with the text that the new one was made on: refused where another is in force meanwhile
    /// [default: the text in force, whatever it is]
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Propose that it goes
    #[arg(long, conflicts_with = "with")]
    remove: bool,
    /// What the change is for, in one line
    #[arg(long)]
    title: String,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The files of a folder that differ from those in force.
struct Differing {
    base: String,
    files: Map<String, Value>,
    /// Which of them an activation changed since the folder was exported.
    changed_since: Vec<String>,
}

impl Source {
    async fn differing(&self, api: &Api, config: &Config) -> Result<Differing, Failed> {
        let folders = Config {
            agencies: self.from.join("agencies"),
            messages: self.from.join("messages"),
            policies: self.from.join("policies"),
            ..config.clone()
        };
        let there = read_bundle(&folders)?;
        let active = api.get("rulebook").await?;
        let agencies = active.get("agencies").and_then(Value::as_array);
        let agencies = agencies.into_iter().flatten().filter_map(Value::as_str);
        let agencies: BTreeSet<&str> = agencies.collect();
        let owner = if self.board {
            Holder::Board
        } else {
            api.officer().holder.clone()
        };
        let is_owned = |path: &str| owner_of(path, |agency| agencies.contains(agency)) == owner;
        let mut files = written(&there, &active, is_owned)?;
        for file in lines_of(&active, "files") {
            let path = member(file, "path");
            if is_owned(path) && there.get(path).is_none() {
                files.insert(path.to_owned(), Value::Null);
            }
        }
        let foreign = there.files().filter(|(path, _)| !is_owned(path)).count();
        let dir = self.from.display();
        let hint = if self.board {
            ""
        } else {
            " (--board takes those of the board)"
        };
        if foreign == there.files().count() {
            let says = format!("no file in {dir} is {owner}'s{hint}");
            return Err(Failed::Usage(says));
        }
        output::note(&format!(
            "{} of {owner} differ; {foreign} others in {dir} are not looked at{hint}",
            count(files.len()),
        ));
        let changed_since = changed_since(&exported(&self.from), &active, &files);
        Ok(Differing {
            base: member(&active, "digest").to_owned(),
            files,
            changed_since,
        })
    }
}

/// Which of `files` are in force as they neither were when they were `exported`, nor proposed from there.
fn changed_since(exported: &str, active: &Value, files: &Map<String, Value>) -> Vec<String> {
    let known = exported.lines().filter_map(|line| line.split_once("  "));
    let known: BTreeSet<(&str, &str)> = known.collect();
    let was_exported = |path: &str| known.iter().any(|(_, it)| *it == path);
    let in_force =
        lines_of(active, "files").map(|file| (member(file, "sha256"), member(file, "path")));
    let in_force: BTreeSet<(&str, &str)> = in_force.collect();
    let is_known = |path: &str| known.intersection(&in_force).any(|(_, it)| *it == path);
    let files = files.keys().map(String::as_str);
    let changed = files.filter(|path| was_exported(path) && !is_known(path));
    changed.map(str::to_owned).collect()
}

fn count(files: usize) -> String {
    match files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    }
}

/// Files of a folder that are new or changed.
fn written(
    there: &Bundle,
    active: &Value,
    is_owned: impl Fn(&str) -> bool,
) -> Result<Map<String, Value>, Failed> {
    let mut files = Map::new();
    for (path, content) in there.files().filter(|(path, _)| is_owned(path)) {
        let in_force = lines_of(active, "files").find(|file| member(file, "path") == path);
        let sha256 = in_force.map(|file| member(file, "sha256"));
        if sha256 == Some(&Digest::of(content).to_string()) {
            continue;
        }
        let text = std::str::from_utf8(content);
        let text = text.map_err(|_| Failed::Refused(format!("{path} is not UTF-8 text")))?;
        files.insert(path.to_owned(), text.into());
    }
    Ok(files)
}

impl Check {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let Differing { files, .. } = self.source.differing(&api, config).await?;
            let request = api.request(Method::POST, "checks")?;
            let found = api.json(request.json(&json!({"files": files}))).await?;
            if self.json {
                return output::line(&found.to_string());
            }
            for warning in lines_of(&found, "warnings") {
                let [place, says, cure] = ["place", "says", "cure"].map(|it| member(warning, it));
                output::line(&format!("warning: {place}: {says}; {cure}"))?;
            }
            for broken in lines_of(&found, "broken").filter_map(Value::as_str) {
                output::line(&format!("breaks {broken}"))?;
            }
            let rows = found
                .get("rows")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            output::line(&format!(
                "no faults; {rows} rows of tables hold; the rulebook would be {}\n{}",
                member(&found, "digest"),
                needs(&found)
            ))
        })
    }
}

impl Propose {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let Differing {
                base,
                files,
                changed_since,
            } = self.source.differing(&api, config).await?;
            if !changed_since.is_empty() {
                let says = format!(
                    "{} changed in force since this folder was exported, and that would be taken back: export \
                     into another folder, and make the change there",
                    changed_since.join(", ")
                );
                return Err(Failed::Refused(says));
            }
            let when = if self.once_approved {
                "approved"
            } else {
                "asked"
            };
            let body = json!({"base": base, "title": self.title, "files": files, "when": when});
            let request = api.request(Method::POST, "proposals")?;
            let told = api.json(request.json(&body)).await?;
            let proposed = files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_str()?)));
            remember(&self.source.from, proposed)?;
            print(&told, self.json)
        })
    }
}

impl Diff {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let told = match (self.number, &self.from) {
                (Some(number), _) => api.get(&format!("proposals/{number}/difference")).await?,
                (None, Some(from)) => {
                    let source = Source {
                        from: from.clone(),
                        board: self.board,
                    };
                    let Differing { files, .. } = source.differing(&api, config).await?;
                    let request = api.request(Method::POST, "checks")?;
                    let mut found = api.json(request.json(&json!({"files": files}))).await?;
                    found
                        .get_mut("difference")
                        .map(Value::take)
                        .unwrap_or_default()
                }
                (None, None) => return Err(Failed::Usage("name a proposal, or --from".to_owned())),
            };
            if self.json {
                return output::line(&told.to_string());
            }
            output::text(member(&told, "text"))
        })
    }
}

impl Edit {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let path = [("path", self.path.as_str())];
            let there = api.request(Method::GET, "rulebook/file")?.query(&path);
            let etag = match api.answer(there).await {
                Ok(response) => response.headers().get(ETAG).cloned(),
                Err(Failed::Refused(_)) if !self.remove => None,
                Err(failed) => return Err(failed),
            };
            let method = if self.remove {
                Method::DELETE
            } else {
                Method::PUT
            };
            let request = api.request(method, "rulebook/file")?.query(&path);
            let mut request = request.query(&[("title", self.title.as_str())]);
            request = match (&self.base, etag) {
                (Some(base), _) => {
                    let base = read_file(base).map_err(Failed::cannot_run)?;
                    request.header(IF_MATCH, format!("\"{}\"", Digest::of(&base)))
                }
                (None, Some(etag)) => request.header(IF_MATCH, etag),
                (None, None) => request.header(IF_NONE_MATCH, "*"),
            };
            if let Some(file) = &self.with {
                let text = read_file(file).map_err(Failed::cannot_run)?;
                request = request
                    .header(CONTENT_TYPE, "text/plain; charset=utf-8")
                    .body(text);
            }
            print(&api.json(request).await?, self.json)
        })
    }
}
