//! Headings of the Harmonized System: the code lists of `policies/tables/`, and the rules that
//! compare with them.
//!
//! A list is a `.csv` with the columns of [`COLUMNS`]: its headings are 2, 4 or 6 digits of an
//! existing chapter, each once. Rules hold sets of headings in their own text, for that is what
//! Cedar evaluates; [`faults`] finds the set that has drifted from its list, and the list that no
//! rule has. It is `carnet check`'s to tell: a rulebook with such a fault still rules as written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cedar_policy::pst::{BinaryOp, Expr, Literal};

use super::rulebook::Rulebook;
use super::source::Rule;
use super::table;
use super::wording::path;
use crate::message::bundle::{Fault, spreadsheet_slip};
use crate::message::facts::FactKind;
use crate::message::identifier::is_hs_prefix;

/// The first line of a list of headings.
pub const COLUMNS: [&str; 2] = ["heading", "why"];
/// Headings that a fault names; more are counted.
const NAMED: usize = 8;
const FOLDER: &str = "policies/tables";

type Headings = BTreeSet<String>;

/// All faults of lists, and of the sets in rules beside them.
pub fn faults(rulebook: &Rulebook) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lists = lists(rulebook, &mut faults);
    let mut used = BTreeSet::new();
    for rule in rulebook.rules() {
        let Compared { sets, single } = compared(rule, rulebook);
        for code in sets.iter().flatten().chain(&single) {
            if !is_hs_prefix(code) {
                let says = format!("{} compares with {code:?}, which is no heading", rule.id);
                faults.push(Fault::new(&rule.place, says, HEADING));
            }
        }
        for set in &sets {
            used.extend(belongs(rule, set, &lists, &mut faults));
        }
    }
    for place in lists.keys().filter(|place| !used.contains(place)) {
        let cure = "compare with its headings in a rule, or leave the list out";
        faults.push(Fault::new(place, "is a list that no rule has", cure));
    }
    faults
}

const HEADING: &str = "write 2, 4 or 6 digits that begin with an existing chapter, such as 0602";

/// The lists by their place; what is wrong inside one goes to `faults`.
fn lists(rulebook: &Rulebook, faults: &mut Vec<Fault>) -> BTreeMap<String, Headings> {
    let mut lists = BTreeMap::new();
    for (file, content) in rulebook.bundle().below(FOLDER) {
        let place = format!("{FOLDER}/{file}");
        // Told as of a table.
        if file.strip_suffix(".csv").is_none() || spreadsheet_slip(content).is_some() {
            continue;
        }
        let mut reader = csv::Reader::from_reader(content);
        let is_list = reader.headers().is_ok_and(|line| line.iter().eq(COLUMNS));
        if is_list {
            let headings = read(&place, reader, faults);
            lists.insert(place, headings);
            continue;
        }
        let is_table = file
            .strip_suffix(".csv")
            .is_some_and(|name| rulebook.registry().agency(name).is_some());
        if !is_table {
            let (table, list) = (table::COLUMNS.join(","), COLUMNS.join(","));
            let cure = format!("begin a table AGENCY.csv with {table}; a list with {list}");
            faults.push(Fault::new(place, "is neither a table nor a list", cure));
        }
    }
    lists
}

fn read(place: &str, mut reader: csv::Reader<&[u8]>, faults: &mut Vec<Fault>) -> Headings {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for record in reader.records() {
        let at = |position: Option<&csv::Position>| {
            format!("{place}:{}", position.map_or(0, csv::Position::line))
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let cure = "write the heading, a comma, and why, in quotes where it has a comma";
                let place = at(error.position());
                faults.push(Fault::new(place, "is not a heading and why", cure));
                continue;
            }
        };
        let heading = record.get(0).unwrap_or_default();
        let fault = |says: String, cure: &str| Fault::new(at(record.position()), says, cure);
        if !is_hs_prefix(heading) {
            faults.push(fault(format!("{heading:?} is no heading"), HEADING));
            continue;
        }
        // Itself, and what it is below.
        let shorter = [2, 4, 6]
            .into_iter()
            .filter_map(|length| heading.get(..length));
        let mut above = shorter.filter_map(|prefix| Some((prefix, lines.get(prefix)?)));
        if let Some((prefix, line)) = above.next() {
            let mut says = format!("{heading} is in line {line} already");
            if prefix != heading {
                _ = write!(says, ", with all of {prefix}");
            }
            faults.push(fault(says, "leave one of the two out"));
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        lines.insert(heading.to_owned(), line);
    }
    lines.into_keys().collect()
}

/// The list that a rule's set is; a fault where it is nearly one.
fn belongs<'l>(
    rule: &Rule,
    set: &Headings,
    lists: &'l BTreeMap<String, Headings>,
    faults: &mut Vec<Fault>,
) -> Option<&'l String> {
    if let Some((place, _)) = lists.iter().find(|(_, list)| *list == set) {
        return Some(place);
    }
    let shared = |list: &Headings| list.intersection(set).count();
    let (place, list) = lists.iter().max_by_key(|(_, list)| shared(list))?;
    if shared(list) == 0 {
        return None;
    }
    let differs = [("lacks", list - set), ("has besides", set - list)];
    let differs = differs.iter().filter(|(_, headings)| !headings.is_empty());
    let differs = differs.map(|(what, headings)| format!("{what} {}", some_of(headings)));
    let differs = differs.collect::<Vec<_>>().join(", and ");
    let says = format!("{} has not the headings of {place}: it {differs}", rule.id);
    let cure = "make both the same, or give the rule's headings a list of their own";
    faults.push(Fault::new(&rule.place, says, cure));
    Some(place)
}

fn some_of(headings: &Headings) -> String {
    let named: Vec<&str> = headings.iter().take(NAMED).map(String::as_str).collect();
    let named = named.join(" ");
    match headings.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What a rule compares facts made of commodity codes with.
#[derive(Default, Clone)]
struct Compared {
    /// Sets: with any or all of them.
    sets: Vec<Headings>,
    /// One heading alone.
    single: Headings,
}

fn compared(rule: &Rule, rulebook: &Rulebook) -> Compared {
    let is_of_codes = |expr: &Expr| {
        let path = path(expr);
        let fact = path
            .as_deref()
            .and_then(|path| path.strip_prefix("resource."));
        let mut rules = rulebook
            .catalogue()
            .entries()
            .flat_map(|entry| &entry.facts);
        rules.any(|rule| rule.kind == FactKind::HsPrefixes && Some(&*rule.name) == fact)
    };
    let look = |expr: &Expr| {
        let Expr::BinaryOp { op, left, right } = expr else {
            return None;
        };
        let other = match (is_of_codes(left), is_of_codes(right)) {
            (true, false) => right,
            (false, true) => left,
            _ => return None,
        };
        let mut found = Compared::default();
        match (op, other.as_ref()) {
            (BinaryOp::Contains, other) => found.single = texts(std::iter::once(other)),
            (_, Expr::Set(items)) => found.sets.push(texts(items.iter().map(AsRef::as_ref))),
            _ => {}
        }
        Some(found)
    };
    let merge = |mut left: Compared, right: Compared| {
        left.sets.extend(right.sets);
        left.single.extend(right.single);
        left
    };
    let parts = rule.condition.iter().flat_map(|condition| &condition.parts);
    let found = parts.map(|part| part.tree.reduce(&look, &merge, Compared::default()));
    found.fold(Compared::default(), merge)
}

fn texts<'e>(items: impl Iterator<Item = &'e Expr>) -> Headings {
    let text = |item: &Expr| match item {
        Expr::Literal(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    };
    items.filter_map(text).collect()
}
