//! Sizes that clippy does not hold: files, and the functions that a reader is sent to first.

use crate::source::{Source, functions};
use crate::tree::{Finding, Tree};

const FILE_LINES_MAX: usize = 600;

/// A function that tells a whole path of the product; its length is the reader's first impression.
struct KeyFunction {
    file: &'static str,
    name: &'static str,
    lines_max: usize,
}

const KEY_FUNCTIONS: [KeyFunction; 2] = [
    KeyFunction {
        file: "src/broker/admit.rs",
        name: "admit",
        lines_max: 40,
    },
    KeyFunction {
        file: "src/broker/committer.rs",
        name: "step",
        lines_max: 30,
    },
];

/// Rust files that have outgrown one reading.
pub(crate) fn long_files(tree: &Tree) -> Vec<Finding> {
    let lines = tree.rust().map(|(path, text)| (path, text.lines().count()));
    let long = lines.filter(|&(_, count)| count > FILE_LINES_MAX);
    long.map(|(path, count)| {
        Finding::new(
            path,
            0,
            format!("{count} lines, over {FILE_LINES_MAX}: find the two things in it"),
        )
    })
    .collect()
}

/// Key functions that are too long, or gone from their file: a rename must not end the rule.
pub(crate) fn long_key_functions(tree: &Tree) -> Vec<Finding> {
    KEY_FUNCTIONS
        .iter()
        .filter_map(|key| measured(tree, key))
        .collect()
}

fn measured(tree: &Tree, key: &KeyFunction) -> Option<Finding> {
    let KeyFunction {
        file,
        name,
        lines_max,
    } = key;
    let code = Source::of(tree.text(file)?).product_code();
    match functions(&code)
        .into_iter()
        .find(|(_, found, _)| found == name)
    {
        None => Some(Finding::new(
            file,
            0,
            format!("holds no `fn {name}`, which readers are sent to"),
        )),
        Some((line, _, lines)) if lines > *lines_max => {
            let says = format!("`{name}` has {lines} lines, over {lines_max}: it is read first");
            Some(Finding::new(file, line, says))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn a_file_of_601_lines_is_found_and_one_of_600_is_not() {
        let (long, fits) = ("x\n".repeat(601), "x\n".repeat(600));
        let tree = Tree::of(&[
            ("src/a.rs", &long),
            ("src/b.rs", &fits),
            ("docs/c.md", &long),
        ]);
        assert_eq!(places(&long_files(&tree)), [("src/a.rs", 0)]);
    }

    fn admit_of(lines: usize) -> Tree {
        let body = "    x();\n".repeat(lines - 2);
        Tree::of(&[(
            "src/broker/admit.rs",
            &format!("//! x\npub fn admit() {{\n{body}}}\n"),
        )])
    }

    #[test]
    fn admit_of_41_lines_is_found_and_of_40_is_not() {
        assert_eq!(
            places(&long_key_functions(&admit_of(41))),
            [("src/broker/admit.rs", 2)]
        );
        assert_eq!(long_key_functions(&admit_of(40)), []);
    }

    #[test]
    fn a_renamed_key_function_is_found_and_a_file_not_yet_there_is_not() {
        let tree = Tree::of(&[(
            "src/broker/committer.rs",
            "fn stepped() {}\n// fn step() {}\n",
        )]);
        assert_eq!(
            places(&long_key_functions(&tree)),
            [("src/broker/committer.rs", 0)]
        );
        assert_eq!(long_key_functions(&Tree::of(&[])), []);
    }
}
