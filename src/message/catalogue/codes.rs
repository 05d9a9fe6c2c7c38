//! Code lists: `codes/NAME.txt` (one code a line, a tab and its label behind it, `#` before a
//! comment) or `codes/NAME.csv` (the first column, below a header).

use std::collections::BTreeSet;

use crate::message::bundle::{Bundle, Fault};
use crate::message::schema::Codes;

/// The code lists of the type in `folder`.
pub(super) fn parse(bundle: &Bundle, folder: &str, faults: &mut Vec<Fault>) -> Codes {
    let mut lists = Codes::new();
    let in_codes = format!("{folder}/codes");
    for (file, content) in bundle.below(&in_codes) {
        let place = format!("{in_codes}/{file}");
        let (name, codes) = match file.rsplit_once('.') {
            Some((name, "txt")) => (name, from_text(content)),
            Some((name, "csv")) => (name, from_csv(content)),
            _ => {
                faults.push(Fault::new(
                    place,
                    "is no code list",
                    "name it NAME.txt or NAME.csv",
                ));
                continue;
            }
        };
        match codes {
            Ok(codes) if !codes.is_empty() => {
                if lists.insert(name.to_owned(), codes).is_some() {
                    faults.push(Fault::new(
                        place,
                        "is there as .txt and as .csv",
                        "keep one",
                    ));
                }
            }
            Ok(_) => faults.push(Fault::new(
                place,
                "has no code",
                "add codes or leave it out",
            )),
            Err(BadList::Twice { line, code }) => faults.push(Fault::new(
                format!("{place}:{line}"),
                format!("has {code:?} once more"),
                "leave one of them out",
            )),
            Err(BadList::Unreadable) => faults.push(Fault::new(
                place,
                "is not UTF-8 text, or no table",
                "save it as UTF-8",
            )),
        }
    }
    lists
}

/// Lists of all types that no element of their type has.
pub fn unused_lists(bundle: &Bundle) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, _) in bundle.below("messages") {
        let mut parts = path.split('/');
        let (Some(name), Some("codes"), Some(file)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let list = file.rsplit_once('.').map_or(file, |(list, _)| list);
        let schema = bundle.text(&format!("messages/{name}/schema.json"));
        // Formats are plain words: as JSON writes them is the only way to write them.
        if schema.is_ok_and(|schema| !schema.contains(&format!("\"code:{list}\""))) {
            let cure = format!("name it (\"format\": \"code:{list}\"), or leave it out");
            let says = "is a list that no element has";
            faults.push(Fault::new(format!("messages/{path}"), says, cure));
        }
    }
    faults
}

/// Why a list is none.
enum BadList {
    /// Not UTF-8, or no table.
    Unreadable,
    /// A code stands in it again.
    Twice {
        /// Where.
        line: u64,
        /// Which.
        code: String,
    },
}

fn from_text(content: &[u8]) -> Result<BTreeSet<String>, BadList> {
    let text = std::str::from_utf8(content).map_err(|_| BadList::Unreadable)?;
    let lines = (1_u64..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    distinct(lines.map(|(number, line)| {
        let code = line.split('\t').next().unwrap_or_default().trim();
        (number, code.to_owned())
    }))
}

fn from_csv(content: &[u8]) -> Result<BTreeSet<String>, BadList> {
    let mut reader = csv::Reader::from_reader(content);
    let rows: Result<Vec<_>, _> = reader.records().collect();
    let rows = rows.map_err(|_| BadList::Unreadable)?;
    distinct(rows.iter().map(|row| {
        let line = row.position().map_or(0, csv::Position::line);
        (line, row.get(0).unwrap_or_default().to_owned())
    }))
}

fn distinct(codes: impl Iterator<Item = (u64, String)>) -> Result<BTreeSet<String>, BadList> {
    let mut set = BTreeSet::new();
    for (line, code) in codes {
        if !set.insert(code.clone()) {
            return Err(BadList::Twice { line, code });
        }
    }
    Ok(set)
}
