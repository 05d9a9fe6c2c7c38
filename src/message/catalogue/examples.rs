//! Examples: each valid one is admitted, each invalid one rejected at the place and by the rule that
//! `expected.csv` says. They are part of a type: what they show cannot drift from what it does.

use std::collections::BTreeMap;

use crate::message::bundle::{Bundle, Fault, spreadsheet_slip};
use crate::message::entry::MessageEntry;
use crate::message::faults::Faults;
use crate::message::fields;

/// A row of `expected.csv`; its column `says` is for people.
struct Expected {
    place: String,
    rule: String,
}

/// Runs all examples of the type in `folder`.
pub(super) fn run(bundle: &Bundle, folder: &str, entry: &MessageEntry) -> Vec<Fault> {
    let mut faults = valid(bundle, &format!("{folder}/examples/valid"), entry);
    let refused = format!("{folder}/examples/invalid");
    match expectations(bundle, &refused) {
        Ok(expected) => faults.extend(invalid(bundle, &refused, entry, expected)),
        Err(fault) => faults.push(fault),
    }
    faults
}

fn valid(bundle: &Bundle, folder: &str, entry: &MessageEntry) -> Vec<Fault> {
    let (mut faults, mut count) = (Vec::new(), 0);
    for (file, body) in bundle.below(folder) {
        count += 1;
        if let Err(found) = fields::read(entry, body, &|_| None) {
            let invalid = found.first;
            let place = format!("{folder}/{file}#{}", invalid.place);
            let says = format!("{} ({})", invalid.says, invalid.rule);
            faults.push(Fault::new(place, says, "mend the example or the schema"));
        }
        if body.len() > entry.max_size_bytes {
            let place = format!("{folder}/{file}");
            faults.push(Fault::new(
                place,
                "is larger than max_size",
                "allow it or shorten it",
            ));
        }
    }
    if count == 0 {
        faults.push(Fault::new(
            folder,
            "has no example",
            "add one that shows the type",
        ));
    }
    faults
}

fn invalid(
    bundle: &Bundle,
    folder: &str,
    entry: &MessageEntry,
    mut expected: BTreeMap<String, Expected>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (file, body) in bundle
        .below(folder)
        .filter(|(file, _)| *file != "expected.csv")
    {
        let place = format!("{folder}/{file}");
        let Some(expected) = expected.remove(file) else {
            faults.push(Fault::new(
                place,
                "has no row in expected.csv",
                "say place and rule",
            ));
            continue;
        };
        let says = match fields::read(entry, body, &|_| None) {
            Ok(_) => "is accepted".to_owned(),
            Err(found) if is_as_expected(&found, &expected) => continue,
            Err(found) => {
                let told = found.iter();
                let told = told.map(|fault| format!("at {:?} by {}", fault.place, fault.rule));
                format!("is refused {}", told.collect::<Vec<_>>().join(" and "))
            }
        };
        let says = format!(
            "{says}, expected at {:?} by {}",
            expected.place, expected.rule
        );
        faults.push(Fault::new(
            place,
            says,
            "mend the example, its row or the schema",
        ));
    }
    for file in expected.into_keys() {
        let says = format!("names {file}, which is not there");
        let cure = "add the example or leave the row out";
        faults.push(Fault::new(format!("{folder}/expected.csv"), says, cure));
    }
    faults
}

/// Each invalid example shows one fault, and no other comes with it.
fn is_as_expected(found: &Faults, expected: &Expected) -> bool {
    let fault = &found.first;
    found.count() == 1 && fault.place == expected.place && fault.rule == expected.rule
}

fn expectations(bundle: &Bundle, folder: &str) -> Result<BTreeMap<String, Expected>, Fault> {
    let place = format!("{folder}/expected.csv");
    let mut expected = BTreeMap::new();
    let Some(text) = bundle.get(&place) else {
        return Ok(expected);
    };
    if let Some((says, cure)) = spreadsheet_slip(text) {
        return Err(Fault::new(place, says, cure));
    }
    let broken = |says: String| Fault::new(place.clone(), says, "columns are file,place,rule,says");
    let mut reader = csv::Reader::from_reader(text);
    let headers = reader
        .headers()
        .map_err(|error| broken(error.to_string()))?;
    if headers != &csv::StringRecord::from(vec!["file", "place", "rule", "says"]) {
        return Err(broken("has other columns".to_owned()));
    }
    for row in reader.records() {
        let row = row.map_err(|error| broken(error.to_string()))?;
        let column = |index| row.get(index).unwrap_or_default().to_owned();
        expected.insert(
            column(0),
            Expected {
                place: column(1),
                rule: column(2),
            },
        );
    }
    Ok(expected)
}
