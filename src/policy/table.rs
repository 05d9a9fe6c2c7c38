//! Decision tables: what rules are meant to do, row by row, in words of the domain.
//!
//! `policies/tables/<agency>.csv` has the columns of [`COLUMNS`]. A row's facts come from a named
//! example through the real admission, which the caller brings; the outcome is compared cell by
//! cell, and with Cedar's own answer besides. Another `.csv` there is a code list and left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::message::bundle::{Bundle, Fault, spreadsheet_slip};
use crate::message::catalogue::{Addressed, MessageEntry};
use crate::message::facts::Facts;
use crate::message::fields;
use crate::message::id::{AgencyId, Category, Mask, UnitId};

use super::given::Given;
use super::reference::compare;
use super::request::RuleRequest;
use super::rule::{rule_for, unit_sends};
use super::rulebook::Rulebook;
use super::ruling::{Outcome, Refused};
use super::words::PolicyId;

/// The first line of a decision table.
pub const COLUMNS: [&str; 8] = [
    "row",
    "message",
    "from",
    "given",
    "to",
    "outcome",
    "categories",
    "by",
];
/// What `by` says where no rule gives the message.
const NOT_PERMITTED: &str = "not permitted";

/// Admits the example of this name and gives its facts; the error says why it is none.
/// [`admit_example`] is the real one.
pub type Admit<'a> = dyn FnMut(&MessageEntry, &str) -> Result<Facts, String> + 'a;

/// How the tables of a rulebook went.
#[derive(Debug, Default)]
pub struct TablesReport {
    /// How many rows were read and run, by their file.
    pub rows: BTreeMap<String, usize>,
    /// Rows that cannot be read or no longer hold.
    pub faults: Vec<Fault>,
    /// Rules that decided in a row: gave something, took something away, or refused.
    pub decided: BTreeSet<PolicyId>,
}

/// The last three columns: an outcome as a table says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cells {
    outcome: &'static str,
    categories: Mask,
    by: BTreeSet<String>,
}

/// Reads `messages/<type>/examples/valid/<example>.json` of the bundle as admission does.
pub fn admit_example(
    bundle: &Bundle,
    entry: &MessageEntry,
    example: &str,
) -> Result<Facts, String> {
    let path = format!(
        "messages/{}/examples/valid/{example}.json",
        entry.message_type
    );
    let body = bundle.get(&path).ok_or(format!("{path} is missing"))?;
    // Nobody has sent the example, so no token in it is anybody's.
    match fields::read(entry, body, &|_| None) {
        Ok(content) => Ok(content.facts),
        Err(invalid) => Err(format!(
            "{path} is refused at {}: {}",
            invalid.first.place, invalid.first.says
        )),
    }
}

/// Runs every decision table of the rulebook's bundle.
pub fn run_tables(rulebook: &Rulebook, admit: &mut Admit<'_>) -> TablesReport {
    let mut report = TablesReport::default();
    for (path, content) in rulebook.bundle().below("policies/tables") {
        let Some(name) = path.strip_suffix(".csv") else {
            continue;
        };
        let path = format!("policies/tables/{path}");
        if let Some((says, cure)) = spreadsheet_slip(content) {
            report.faults.push(Fault::new(path, says, cure));
            continue;
        }
        let mut reader = csv::Reader::from_reader(content);
        let columns = reader.headers().is_ok_and(|line| line.iter().eq(COLUMNS));
        match (columns, rulebook.registry().agency(name)) {
            (true, Some(_)) => {}
            (false, None) => continue,
            (false, Some(_)) => {
                let cure = format!("its first line is {}", COLUMNS.join(","));
                report
                    .faults
                    .push(Fault::new(path, "has not the columns of a table", cure));
                continue;
            }
            (true, None) => {
                let cure = "name the table as the agency whose rules it shows";
                report
                    .faults
                    .push(Fault::new(path, "is a table of no agency", cure));
                continue;
            }
        }
        for record in reader.records() {
            *report.rows.entry(path.clone()).or_default() += 1;
            match run_record(&path, name, record, rulebook, admit) {
                Ok(decided) => report.decided.extend(decided),
                Err(fault) => report.faults.push(fault),
            }
        }
    }
    report
}

/// The units that the rows of an agency's table name.
pub(super) fn units_named(bundle: &Bundle, agency: &AgencyId) -> BTreeSet<UnitId> {
    let content = bundle.get(&format!("policies/tables/{agency}.csv"));
    let mut reader = csv::Reader::from_reader(content.unwrap_or_default());
    let rows = reader.records().filter_map(Result::ok);
    let cells = rows.flat_map(|row| {
        let cells = ["from", "given", "to"].map(|column| cell(&row, column).to_owned());
        cells.into_iter()
    });
    let names = |cell: String| {
        let words = cell.split(['=', '+', ';', ' ']);
        words
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<UnitId>>()
    };
    cells.flat_map(names).collect()
}

/// The cell of a row in the column of this name.
fn cell<'r>(row: &'r csv::StringRecord, column: &str) -> &'r str {
    let index = COLUMNS.iter().position(|name| *name == column);
    let found = index.and_then(|index| row.get(index));
    found.unwrap_or_default().trim()
}

fn run_record(
    path: &str,
    owner: &str,
    record: Result<csv::StringRecord, csv::Error>,
    rulebook: &Rulebook,
    admit: &mut Admit<'_>,
) -> Result<Vec<PolicyId>, Fault> {
    let record = record.map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        let cure = format!("write the columns {}", COLUMNS.join(","));
        Fault::new(format!("{path}:{line}"), "is not a row of the table", cure)
    })?;
    let line = record.position().map_or(0, csv::Position::line);
    let field = |column: &str| cell(&record, column);
    let place = format!("{path}:{line}");
    let row = field("row");
    let unreadable = |says: String| {
        Fault::new(
            &place,
            format!("row {row:?}: {says}"),
            "see docs/policies.md, tables",
        )
    };
    let ran = match run_row(&field, rulebook, admit) {
        Ok(ran) => ran,
        // It may name what is left out of the rulebook.
        Err(_) if is_of_others(owner, rulebook) => return Ok(Vec::new()),
        Err(says) => return Err(unreadable(says)),
    };
    let Ran {
        entry,
        expected,
        outcome,
        lapsed,
    } = ran;
    let sender = field("from").split('/').next().unwrap_or_default();
    if sender != owner {
        let says = format!("row {row:?} is over the data of {sender}, in the table of {owner}");
        let cure =
            format!("move it to policies/tables/{sender}.csv, beside the rules that it shows");
        return Err(Fault::new(place, says, cure));
    }
    let found = Cells::of(&outcome);
    if found == expected {
        return Ok(decided(outcome));
    }
    let lapsed = lapsed.iter().map(|notice| format!("; agreement {notice}"));
    let says = format!(
        "row {row:?} no longer holds: it is now {}{}",
        found.in_words(entry.holds),
        lapsed.collect::<String>()
    );
    Err(Fault::new(
        place,
        says,
        "change back what changed it (a rule, an agreement, an agency's entry), or the row if that is meant",
    ))
}

/// Whether the table is of another body than the one by whose eyes the rulebook was read.
fn is_of_others(owner: &str, rulebook: &Rulebook) -> bool {
    let seen_by = rulebook.seen_by();
    seen_by.is_some_and(|holder| holder.agency().is_none_or(|own| own.as_str() != owner))
}

/// What a row expects and what is found.
struct Ran<'r> {
    entry: &'r MessageEntry,
    expected: Cells,
    outcome: Outcome,
    /// Agreements that a rule asks for in vain at the row's time, with how they stand.
    lapsed: Vec<String>,
}

/// Runs a row.
fn run_row<'r, 'f>(
    field: &impl Fn(&str) -> &'f str,
    rulebook: &'r Rulebook,
    admit: &mut Admit<'_>,
) -> Result<Ran<'r>, String> {
    let message = field("message");
    let (message_type, example) = message
        .split_once('/')
        .ok_or(format!("{message:?} is not TYPE/EXAMPLE"))?;
    let entry = rulebook.catalogue().get(message_type);
    let entry = entry.ok_or(format!("{message_type:?} is no message type"))?;
    let unit = |text: &str| {
        let unit: Option<UnitId> = text.parse().ok();
        let unit = unit.and_then(|unit| rulebook.registry().unit(&unit));
        unit.ok_or(format!("{text:?} is no unit"))
    };
    let (sender, recipient) = (unit(field("from"))?, unit(field("to"))?);
    let agency = &sender.id.agency;
    let registry = rulebook.registry();
    let home = registry.agency(agency.as_str());
    if !home.is_some_and(|home| unit_sends(home, sender, entry)) {
        return Err(format!("no system of {} sends {message_type}", sender.id));
    }
    let given = Given::parse(field("given"), agency, entry, rulebook)?;
    match (entry.addressed, given.question.asked.to.is_empty()) {
        (Addressed::Never, false) => {
            return Err(format!("{message_type} is never addressed: leave to= out"));
        }
        (Addressed::Required, true) => {
            return Err(format!("{message_type} is always addressed: give to="));
        }
        _ => {}
    }
    let expected = Cells::parse(field, entry)?;
    let mut facts = admit(entry, example)?;
    facts.extend(given.facts.clone());
    let request = RuleRequest {
        sender,
        entry,
        facts: &facts,
        question: &given.question,
    };
    let both = compare(
        &recipient.id,
        &request,
        rulebook,
        &given.standing,
        given.now,
    );
    if both.is_none_or(|both| both.slices != both.cedar) {
        return Err(format!(
            "the ruling is not Cedar's, report it as a fault of Carnet: {both:?}"
        ));
    }
    let (outcome, _) = rule_for(
        &recipient.id,
        &request,
        rulebook,
        &given.standing,
        given.now,
    );
    let lapsed = rulebook.lapsed(&recipient.id, agency, entry, given.now);
    let lapsed = lapsed.into_iter();
    let lapsed = lapsed.filter_map(|it| Some(it.in_words(it.notice(given.now)?)));
    Ok(Ran {
        entry,
        expected,
        outcome,
        lapsed: lapsed.collect(),
    })
}

fn decided(outcome: Outcome) -> Vec<PolicyId> {
    match outcome {
        Outcome::Released(released) => [released.policies, released.withholding].concat(),
        Outcome::Refused(Refused::Forbidden { policies, .. }) => policies,
        Outcome::Refused(_) => Vec::new(),
    }
}

impl Cells {
    fn parse<'f>(field: &impl Fn(&str) -> &'f str, entry: &MessageEntry) -> Result<Self, String> {
        let outcome = match field("outcome") {
            "release" => "release",
            "refuse" => "refuse",
            "hidden" => "hidden",
            other => return Err(format!("{other:?} is not release, refuse or hidden")),
        };
        let categories = categories(field("categories"), entry)?;
        if (outcome == "release") == categories.is_empty() {
            return Err(format!(
                "{outcome} with categories {:?}",
                field("categories")
            ));
        }
        let by = match field("by") {
            "" => return Err("by is empty: name the deciding rules, or not permitted".to_owned()),
            NOT_PERMITTED => BTreeSet::from([NOT_PERMITTED.to_owned()]),
            ids => ids.split_whitespace().map(ToOwned::to_owned).collect(),
        };
        Ok(Self {
            outcome,
            categories,
            by,
        })
    }

    fn of(outcome: &Outcome) -> Self {
        let (outcome, categories, by) = match outcome {
            Outcome::Released(released) => ("release", released.mask, Some(&released.policies)),
            Outcome::Refused(Refused::Forbidden {
                policies, hidden, ..
            }) => (
                if *hidden { "hidden" } else { "refuse" },
                Mask::NONE,
                Some(policies),
            ),
            Outcome::Refused(Refused::NotPermitted) => ("refuse", Mask::NONE, None),
            Outcome::Refused(Refused::Failed) => ("failed", Mask::NONE, None),
        };
        let by = match by {
            Some(policies) => policies.iter().map(ToString::to_string).collect(),
            None => BTreeSet::from([NOT_PERMITTED.to_owned()]),
        };
        Self {
            outcome,
            categories,
            by,
        }
    }

    /// The cells as they would stand in the table.
    fn in_words(&self, holds: Mask) -> impl fmt::Display {
        let by: Vec<&str> = self.by.iter().map(String::as_str).collect();
        let is_all = self.categories == holds && self.outcome == "release";
        let categories = if is_all {
            "all".to_owned()
        } else {
            self.categories.to_string()
        };
        format!("{},{categories},{}", self.outcome, by.join(" "))
    }
}

/// `all`, `all -x -y +reference.token`, or names.
fn categories(text: &str, entry: &MessageEntry) -> Result<Mask, String> {
    let mut mask = Mask::NONE;
    for (index, word) in text.split_whitespace().enumerate() {
        let (removes, name) = match word.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let named = match name {
            "all" if index == 0 && !removes => entry.holds,
            "reference.token" => Mask::REFERENCE_TOKEN,
            name => Mask::of(
                name.parse::<Category>()
                    .map_err(|error| error.to_string())?,
            ),
        };
        if !entry
            .holds
            .union(Mask::REFERENCE_TOKEN)
            .intersection(named)
            .eq(&named)
        {
            return Err(format!("{} never holds {name}", entry.message_type));
        }
        mask = if removes {
            mask.without(named)
        } else {
            mask.union(named)
        };
    }
    Ok(mask)
}
