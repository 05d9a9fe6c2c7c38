//! `carnet log outstanding`: what of an agency's messages waits at a running broker.

use reqwest::Method;
use serde_json::Value;

use super::audit::Auditor;
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::Config;

/// Tells what is confirmed and not delivered, and what is delivered and not settled, queue by queue.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carnet log outstanding --why \"after the outage\" --as post/m-0077\n  carnet log outstanding --why \"after the outage\" --as post/m-0077 --json\n\nOf the queues of the auditor's own agency in which something is: how many wait, how many are delivered and not settled, and since when the oldest is there. It is written into the log who asked."
)]
pub(in crate::cli) struct OutstandingOf {
    #[command(flatten)]
    auditor: Auditor,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl OutstandingOf {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let audit = self.auditor.audit()?.ok_or_else(|| {
            let says = "it is asked of a running broker: say who with --as, and why with --why";
            Failed::Usage(says.to_owned())
        })?;
        audit.officer.run(config, async |api| {
            let request = api.request(Method::GET, "log/outstanding")?;
            let found = api.json(request.query(&audit.says)).await?;
            let queues = found.get("queues").and_then(Value::as_array);
            if self.json {
                return output::line(&found.to_string());
            }
            let queues = queues.into_iter().flatten();
            let lines: Vec<String> = queues.map(line).collect();
            if lines.is_empty() {
                return output::line("nothing is outstanding");
            }
            lines.iter().try_for_each(|line| output::line(line))
        })
    }
}

fn line(queue: &Value) -> String {
    let text = |name: &str| queue.get(name).and_then(Value::as_str).unwrap_or_default();
    let count = |name: &str| queue.get(name).and_then(Value::as_u64).unwrap_or_default();
    format!(
        "{}  {}  {} wait, {} delivered and not settled, since {}",
        text("unit"),
        text("queue").escape_debug(),
        count("waiting"),
        count("out"),
        text("since")
    )
}
