//! `carnet log look`: what an auditor may see of the log of a running broker.

use reqwest::Method;
use serde_json::Value;

use crate::cli::api::AsOfficer;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::Config;

/// What an auditor's agency sent, and what its units were given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log look --why \"monthly sample\" -n 50 --as post/m-0077\n  carnet log look --why \"complaint 12/2026\" --message-id item-1 --json --as post/m-0077\n\nWho looked, why, for what, and how many records were shown is written into the log before anything is shown."
)]
pub(in crate::cli) struct Look {
    /// Why you look: it is written into the log
    #[arg(long)]
    why: String,
    /// How many, the last of all
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    records: usize,
    /// Of one kind alone: sent, received, rejected, narrowed, case, accessed, refusals-counted,
    /// certificate-withdrawn, new-key
    #[arg(long)]
    kind: Option<String>,
    /// What was sent under this id alone
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// By this grant of the board, which opens the log of all agencies
    #[arg(long, value_name = "GRANT")]
    grant: Option<String>,
    #[command(flatten)]
    officer: AsOfficer,
    /// As JSON, one record a line
    #[arg(long)]
    json: bool,
}

impl Look {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        self.officer.run(config, async |api| {
            let mut request = api.request(Method::GET, "log")?;
            request = request.query(&[("why", &self.why), ("last", &self.records.to_string())]);
            let further = [
                ("kind", &self.kind),
                ("message_id", &self.message_id),
                ("grant", &self.grant),
            ];
            for (name, wanted) in further {
                if let Some(wanted) = wanted {
                    request = request.query(&[(name, wanted)]);
                }
            }
            let found = api.json(request).await?;
            let records = found.get("records").and_then(Value::as_array);
            for record in records.into_iter().flatten() {
                if self.json {
                    output::line(&record.to_string())?;
                } else {
                    output::text(&told(record))?;
                }
            }
            Ok(())
        })
    }
}

/// A line of what happened, and one for each field below it.
fn told(record: &Value) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut lines = format!("{}  {}  {}\n", text("at"), text("kind"), text("type"));
    let fields = record.as_object().into_iter().flatten();
    for (name, value) in fields {
        let is_told = ["at", "kind", "type"].contains(&name.as_str()) || value.is_null();
        if !is_told {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            lines.push_str(&[" ".repeat(7).as_str(), name, " ", &value, "\n"].concat());
        }
    }
    lines
}
