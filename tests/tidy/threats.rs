//! The threat model is a promise: each row names its control, and a test that exists or the part of
//! the product that will bring it.

use crate::source::{Source, tests as test_names};
use crate::tree::{Finding, Tree};

const PAGE: &str = "docs/threats.md";

/// Parts of the product that are still to come and bring tests of rows with them. A part leaves this
/// list when it is there: its rows then name tests or are violations.
const PARTS_TO_COME: [&str; 10] = [
    "cluster",
    "encryption and erasure",
    "exchange log",
    "fuzzing",
    "HTTP interface",
    "policy workflow",
    "revocation",
    "search and reports",
    "tokens of officers",
    "XML messages",
];

/// Rows without control, or whose proof is neither a test of this tree nor a part to come.
pub(crate) fn unanswered_threats(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PAGE) else {
        return vec![Finding::new(
            PAGE,
            0,
            "is missing: the threat model is part of the product",
        )];
    };
    let rows = rows(text);
    let mut found = Vec::new();
    if rows.is_empty() {
        found.push(Finding::new(
            PAGE,
            0,
            "has no table `| threat | control | proof |`",
        ));
    }
    for (line, cells) in rows {
        found.extend(fault(tree, &cells).map(|says| Finding::new(PAGE, line, says)));
    }
    found
}

/// The cells of each row of the page's tables of three columns, headings and rules left out.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let Some(inner) = line
            .trim()
            .strip_prefix('|')
            .and_then(|l| l.strip_suffix('|'))
        else {
            continue;
        };
        let cells: Vec<String> = inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        let heading = cells.first().is_some_and(|first| first == "threat");
        let rule = cells
            .iter()
            .all(|cell| cell.chars().all(|c| "-: ".contains(c)))
            && inner.contains('-');
        if !heading && !rule {
            found.push((at, cells));
        }
    }
    found
}

fn fault(tree: &Tree, cells: &[String]) -> Option<String> {
    let [threat, control, proof] = cells else {
        return Some("a row has three cells: threat, control, proof".to_owned());
    };
    if threat.is_empty() || control.is_empty() {
        return Some("names no threat or no control".to_owned());
    }
    if let Some(part) = proof.strip_prefix("comes with: ") {
        let known = PARTS_TO_COME.contains(&part);
        return (!known).then(|| format!("`{part}` is no part to come: see tests/tidy/threats.rs"));
    }
    let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return Some(
            "names neither a test (`path/file.rs::test`) nor `comes with: <part>`".to_owned(),
        );
    }
    named.into_iter().find_map(|test| missing(tree, test))
}

fn missing(tree: &Tree, test: &str) -> Option<String> {
    let exists = test.split_once("::").is_some_and(|(path, name)| {
        let name = name.rsplit("::").next().unwrap_or(name);
        tree.text(path)
            .is_some_and(|text| test_names(&Source::of(text).code).iter().any(|t| t == name))
    });
    (!exists).then(|| {
        format!("`{test}` is no test of this tree; write `path/file.rs::name_of_the_test`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(row: &str) -> usize {
        let page = format!("# Threats\n\n| threat | control | proof |\n|---|---|---|\n{row}\n");
        let test = "#[test]\nfn foreign_looks_absent() {}\nfn no_test() {}\n";
        unanswered_threats(&Tree::of(&[(PAGE, &page), ("tests/wire.rs", test)])).len()
    }

    #[test]
    fn a_row_with_an_existing_test_or_a_part_to_come_is_answered() {
        assert_eq!(
            found_in(
                "| names another's queue | one answer | `tests/wire.rs::foreign_looks_absent` |"
            ),
            0
        );
        assert_eq!(
            found_in("| poisoned XML | DTD refused | comes with: XML messages |"),
            0
        );
    }

    #[test]
    fn a_row_without_control_or_proof_is_found() {
        for row in [
            "| names another's queue |  | `tests/wire.rs::foreign_looks_absent` |",
            "| names another's queue | one answer |  |",
            "| names another's queue | one answer |",
            "| names another's queue | one answer | some day |",
            "| names another's queue | one answer | comes with: magic |",
            "| names another's queue | one answer | `tests/wire.rs::gone` |",
            "| names another's queue | one answer | `tests/wire.rs::no_test` |",
            "| names another's queue | one answer | `tests/gone.rs::foreign_looks_absent` |",
            "| a | b | `tests/wire.rs::foreign_looks_absent`, `tests/wire.rs::gone` |",
        ] {
            assert_eq!(found_in(row), 1, "{row}");
        }
    }

    #[test]
    fn a_missing_page_and_an_empty_one_are_found() {
        assert_eq!(unanswered_threats(&Tree::of(&[])).len(), 1);
        assert_eq!(
            unanswered_threats(&Tree::of(&[(PAGE, "# Threats\n")])).len(),
            1
        );
    }
}
