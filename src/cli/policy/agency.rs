//! What the board decides of an agency that takes part: officers for one that has lost its own, and its end.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::show::{lines_of, member, print};
use crate::cli::api::AsOfficer;
use crate::cli::failed::{Failed, no_such};
use crate::config::{Config, read_file};
use crate::message::id::AgencyId;
use crate::policy::change::agency_file;

/// Propose to the board officers for an agency that has lost its own, or the agency's end.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet policy agency vet --add-officers officers.toml --title \"Officers for vet\" --as customs/o-2117\n  carnet policy agency vet --ends --title \"Vet leaves\" --as customs/o-2117"
)]
pub(in crate::cli) struct Agency {
    /// The agency
    #[arg(value_name = "AGENCY")]
    id: AgencyId,
    /// A file with `[[officer]]` entries as agency.toml has them: they are added to the agency's own
    #[arg(long, value_name = "FILE", required_unless_present = "ends")]
    add_officers: Option<PathBuf>,
    /// Propose that it takes part no more: all of its files go
    #[arg(long, conflicts_with = "add_officers")]
    ends: bool,
    /// What the change is for, in one line
    #[arg(long)]
    title: String,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Agency {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let entries = self.add_officers.as_ref().map(|file| {
            let read = read_file(file).map_err(Failed::cannot_run)?;
            let text = String::from_utf8(read);
            text.map_err(|_| Failed::Refused(format!("{} is not UTF-8 text", file.display())))
        });
        let entries = entries.transpose()?.map_or(Value::Null, Value::String);
        self.officer.run(config, async |api| {
            let active = api.get("rulebook").await?;
            let agencies = lines_of(&active, "agencies").filter_map(Value::as_str);
            let agencies: Vec<&str> = agencies.collect();
            if !agencies.contains(&self.id.as_str()) {
                let id = self.id.as_str();
                return Err(no_such(
                    "agency",
                    id,
                    &agencies,
                    "`carnet policy status --json`",
                ));
            }
            let body = json!({"base": member(&active, "digest"), "title": self.title,
                "files": {agency_file(&self.id): entries}});
            let request = api.request(Method::POST, "proposals")?;
            print(&api.json(request.json(&body)).await?, self.json)
        })
    }
}
