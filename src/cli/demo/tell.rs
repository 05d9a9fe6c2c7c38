//! What an outsider reads while the story is played, and the table at its end.

use comfy_table::presets;
use serde_json::Value;

use super::story::{Gets, Row};
use crate::cli::failed::Failed;
use crate::cli::output;
use crate::message::id::Mask;

const COLUMNS: [(&str, &str); 5] = [
    ("customs/main", "customs"),
    ("police/main", "police"),
    ("environment/main", "environment"),
    ("post/main", "post"),
    ("customs-xa/main", "customs of Aldera"),
];

/// Says who sends what.
pub(super) fn sends(message: &Row) -> Result<(), Failed> {
    let Row {
        number,
        time,
        from,
        message_type,
        says,
        ..
    } = message;
    output::line("")?;
    output::line(&format!(
        "{number:<8} {time}  {from} sends {message_type}: {says}"
    ))?;
    let about = [
        ("to", message.to),
        ("case", message.case),
        ("handling", message.handling),
    ];
    let about = about.into_iter().filter(|(_, value)| !value.is_empty());
    let about: Vec<String> = about.map(|(name, v)| format!("{name} {v}")).collect();
    if !about.is_empty() {
        output::line(&format!("       {}", about.join(", ")))?;
    }
    Ok(())
}

/// Says what a unit got, what not, and by which rule.
pub(super) fn gets(
    gets: &Gets,
    holds: Mask,
    withheld: &[String],
    reason: &str,
) -> Result<(), Failed> {
    let shown = holds.categories().map(|category| category.to_string());
    let mut shown: Vec<String> = shown.filter(|name| !withheld.contains(name)).collect();
    if gets.shows.contains("reference.token") {
        shown.push("references as tokens of its own".to_owned());
    }
    let unit = gets.unit;
    let shown = shown.join(", ");
    output::line(&format!("       -> {unit} gets {shown}"))?;
    if !withheld.is_empty() {
        let withheld = withheld.join(", ");
        output::line(&format!("          withheld: {withheld}"))?;
    }
    output::line(&format!("          by {reason}"))
}

/// Says whom the receipt names as refused, with rule and legal basis.
pub(super) fn refusals(receipt: &Value) -> Result<(), Failed> {
    let text = |of: &Value, key: &str| {
        let text = of.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let recipients = receipt.get("recipients").and_then(Value::as_array);
    let refused = recipients.into_iter().flatten();
    for recipient in refused.filter(|recipient| text(recipient, "outcome") == "refused") {
        let (unit, reason) = (text(recipient, "unit"), text(recipient, "reason"));
        output::line(&format!("       -x {unit} is refused: {reason}"))?;
        let (policy, basis) = (text(recipient, "policy"), text(recipient, "basis"));
        output::line(&format!(
            "          by {policy}; legal basis: {basis} (from the sender's receipt)"
        ))?;
    }
    Ok(())
}

/// What a unit has of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Sender,
    All,
    /// How many categories it gets, of how many that the type can hold.
    Some(usize, usize),
    Hidden,
    Forbidden,
}

impl Cell {
    /// The cell of a unit from which `withheld` of `holds` categories are withheld.
    pub(super) fn gets(holds: usize, withheld: usize) -> Self {
        match withheld {
            0 => Self::All,
            _ => Self::Some(holds.saturating_sub(withheld), holds),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Sender => "sender".to_owned(),
            Self::All => "all".to_owned(),
            Self::Some(got, holds) => format!("{got} of {holds}"),
            Self::Hidden => "hidden".to_owned(),
            Self::Forbidden => "refused".to_owned(),
        }
    }
}

/// The summary: message by agency.
pub(super) struct Table(comfy_table::Table);

impl Table {
    pub(super) fn new() -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::ASCII_BORDERS_ONLY_CONDENSED)
            .set_header(
                ["#", "message"]
                    .into_iter()
                    .chain(COLUMNS.map(|(_, name)| name)),
            );
        Self(table)
    }

    /// Adds a message; a unit without a cell got nothing.
    pub(super) fn row(&mut self, message: &Row, cells: &[(String, Cell)]) {
        let of = |unit: &str| {
            let cell = cells.iter().find(|(of, _)| of == unit);
            cell.map_or_else(|| "-".to_owned(), |(_, cell)| cell.text())
        };
        let Row {
            number,
            message_type,
            ..
        } = message;
        let head = [(*number).to_owned(), (*message_type).to_owned()];
        let units = COLUMNS.map(|(unit, _)| of(unit));
        self.0.add_row(head.into_iter().chain(units));
    }

    pub(super) fn print(&self) -> Result<(), Failed> {
        output::line("")?;
        output::line("Who got what, in categories of data (withheld ones are named above):")?;
        output::line(&self.0.to_string())?;
        output::line("'-': got nothing. 'hidden': cannot learn that it exists; its counters stay.")
    }
}
