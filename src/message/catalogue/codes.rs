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
            Some(codes) if !codes.is_empty() => {
                if lists.insert(name.to_owned(), codes).is_some() {
                    faults.push(Fault::new(
                        place,
                        "is there as .txt and as .csv",
                        "keep one",
                    ));
                }
            }
            Some(_) => faults.push(Fault::new(
                place,
                "has no code",
                "add codes or leave it out",
            )),
            None => faults.push(Fault::new(
                place,
                "has a code twice, or is not UTF-8",
                "leave one out, save it as UTF-8",
            )),
        }
    }
    lists
}

fn from_text(content: &[u8]) -> Option<BTreeSet<String>> {
    let text = std::str::from_utf8(content).ok()?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    distinct(lines.map(|line| {
        line.split('\t')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    }))
}

fn from_csv(content: &[u8]) -> Option<BTreeSet<String>> {
    let mut reader = csv::Reader::from_reader(content);
    let rows: Result<Vec<_>, _> = reader.records().collect();
    distinct(
        rows.ok()?
            .iter()
            .map(|row| row.get(0).unwrap_or_default().to_owned()),
    )
}

fn distinct(codes: impl Iterator<Item = String>) -> Option<BTreeSet<String>> {
    let mut set = BTreeSet::new();
    for code in codes {
        if !set.insert(code) {
            return None;
        }
    }
    Some(set)
}
