//! `carnet log search`: what is known under an identifier, and what else an auditor looks for; as lines, JSON
//! or a table.

use serde_json::Value;

use super::audit::{Auditor, Filter, Found, Parameters, newest, print};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::config::Config;

/// Columns of a table, each with the places where items of some kind have it.
const COLUMNS: [(&str, &[&str]); 10] = [
    ("at", &["/at"]),
    ("kind", &["/kind"]),
    ("type", &["/type"]),
    ("sender", &["/system", "/sender"]),
    ("unit", &["/unit"]),
    (
        "number",
        &["/sequence", "/receipt/sequence", "/sender_number"],
    ),
    ("message_id", &["/message_id", "/asked/message_id"]),
    ("case", &["/case"]),
    ("exchange", &["/id"]),
    ("recipients", &["/receipt/recipients", "/recipients"]),
];

/// What an auditor looks for.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Search {
    /// What is known under this identifier, whatever its kind: the id that a sender set, or the one of a
    /// delivery, an MRN, UCR, S10, container, permit, case, or the token that a unit has of one
    #[arg(long)]
    key: Option<String>,
    /// Go on with the identifiers of what was found: of these kinds, with commas between them, or those of one
    /// consignment
    #[arg(
        long,
        value_name = "KINDS",
        requires = "key",
        num_args = 0..=1,
        default_missing_value = "consignment"
    )]
    follow: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// What this unit sent or was given
    #[arg(long)]
    unit: Option<String>,
    /// By a grant: what this agency sent or was given
    #[arg(long, requires = "grant")]
    agency: Option<String>,
    /// What was sent in this case, and its steps
    #[arg(long)]
    case: Option<String>,
    /// What came of it
    #[arg(long, value_parser = ["released", "refused", "rejected"])]
    outcome: Option<String>,
    /// What this rule decided, as far as you are told by which
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// How many, at most, the newest first
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    records: usize,
    #[command(flatten)]
    auditor: Auditor,
    /// As JSON, one record a line
    #[arg(long)]
    json: bool,
    /// As a table with commas between its columns
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Search {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failed> {
        let audit = self.auditor.audit()?.ok_or_else(|| {
            let says = "a log is searched by its broker: say who with --as, and why with --why";
            Failed::Usage(says.to_owned())
        })?;
        let mut wanted = audit.says;
        wanted.extend(self.filter.parameters());
        wanted.extend(self.parameters());
        audit.officer.run(config, async |api| {
            let found = newest(&api, &wanted, self.records).await?;
            if self.csv {
                output::while_read(table(&found.items).as_bytes())?;
            } else {
                print(&found.items, self.json)?;
            }
            notes(&found);
            Ok(())
        })
    }

    fn parameters(&self) -> Parameters {
        let all = [
            ("key", &self.key),
            ("follow", &self.follow),
            ("unit", &self.unit),
            ("agency", &self.agency),
            ("case", &self.case),
            ("outcome", &self.outcome),
            ("rule", &self.rule),
        ];
        let set = all.into_iter();
        set.filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }
}

/// Says what the items do not: whether they are all.
fn notes(found: &Found) {
    if found.items.is_empty() {
        output::note("nothing was found of what you looked for");
    }
    if let Some(since) = &found.complete_since {
        output::note(&format!(
            "the index is made again: what is older than {since} is not found yet"
        ));
    }
    if let Some(followed) = found.followed {
        let all = match found.followed_all {
            Some(false) => "; there are more, which were not followed",
            _ => "",
        };
        output::note(&format!("{followed} identifiers led to more{all}"));
    }
    if found.older.is_some() {
        output::note("there is more: -n says how many are shown");
    }
}

/// The items as a table.
fn table(items: &[Value]) -> String {
    let head = COLUMNS.map(|(name, _)| name).join(",");
    let rows = items.iter().map(|item| {
        let cells = COLUMNS.map(|(_, places)| {
            let mut found = places.iter().filter_map(|place| item.pointer(place));
            found
                .find(|value| !value.is_null())
                .map(cell)
                .unwrap_or_default()
        });
        cells.join(",")
    });
    let lines = std::iter::once(head).chain(rows);
    lines.map(|line| line + "\r\n").collect()
}

/// A cell of a table. What senders wrote begins no formula there, and ends no cell.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(recipients) => recipients
            .iter()
            .filter_map(|recipient| recipient.get("unit")?.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    };
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_cell_for_each_column_and_no_formula_or_cell_of_a_senders_making() {
        let sent = json!({"at": "2026-11-30T08:00:00Z", "kind": "sent", "type": "postal.item",
            "system": "post/items", "unit": "post/main", "case": null, "message_id": "=1+\"2\",3",
            "receipt": {"sequence": 7, "recipients": [{"unit": "customs/main"}, {"unit": "vet/main"}]}});
        assert_eq!(
            table(&[sent]),
            "at,kind,type,sender,unit,number,message_id,case,exchange,recipients\r\n\
             \"2026-11-30T08:00:00Z\",\"sent\",\"postal.item\",\"post/items\",\"post/main\",\"7\",\
             \"'=1+\"\"2\"\",3\",,,\"customs/main vet/main\"\r\n"
        );
    }
}
