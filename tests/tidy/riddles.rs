//! Words of documentation that leave open whom they mean.

use std::collections::BTreeSet;

use crate::layers::{module_of, product_files};
use crate::source::{Source, is_word};
use crate::tree::{Finding, Tree};

/// Pronouns that stand where a unit, a reader, a thread or a connection is meant.
const RIDDLES: [&str; 9] = [
    "nobody",
    "nobodies",
    "somebody",
    "someone",
    "anybody",
    "everybody",
    "whoever",
    "theirs",
    "whosoever",
];

/// Modules whose documentation has some yet. One that has none must leave this list, which ends
/// empty.
const NOT_YET_CLEAN: [&str; 5] = ["amqp", "backbone", "broker", "journal", "server"];

/// Documentation with such a word; and a module that stands in the list of those with some, but has
/// none.
pub(crate) fn riddles(tree: &Tree) -> Vec<Finding> {
    found_but_for(tree, &NOT_YET_CLEAN)
}

fn found_but_for(tree: &Tree, not_yet_clean: &[&str]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut with_some = BTreeSet::new();
    for (path, text) in product_files(tree) {
        let module = module_of(path).unwrap_or_default();
        let comments = Source::of(text).comments.into_iter();
        for comment in comments.filter(|comment| comment.doc) {
            let text = comment.text.to_lowercase();
            let mut words = text.split(|c| !is_word(c));
            let Some(word) = words.find(|word| RIDDLES.contains(word)) else {
                continue;
            };
            with_some.insert(module);
            if !not_yet_clean.contains(&module) {
                let says = format!("`{word}`: name the unit, the reader, the thread that is meant");
                found.push(Finding::new(path, comment.line, says));
            }
        }
    }
    for module in not_yet_clean {
        if !with_some.contains(module) {
            let says = format!("`{module}` has none: take it out of tests/tidy/riddles.rs");
            found.push(Finding::new(&format!("src/{module}"), 0, says));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn a_pronoun_in_documentation_is_found_and_one_in_code_is_not() {
        let tree = Tree::of(&[
            (
                "src/policy/a.rs",
                "//! Nobody's.\n/// Of whoever asks.\nfn f() {} // nobody",
            ),
            (
                "src/policy/b.rs",
                "//! No unit's.\nconst NOBODY: &str = \"nobody\";",
            ),
        ]);
        let found = found_but_for(&tree, &[]);
        assert_eq!(
            places(&found),
            [("src/policy/a.rs", 1), ("src/policy/a.rs", 2)]
        );
    }

    #[test]
    fn a_module_without_them_may_not_stay_in_the_list_of_those_with_some() {
        let tree = Tree::of(&[
            ("src/policy/a.rs", "//! Nobody's."),
            ("src/message/a.rs", ""),
        ]);
        let found = found_but_for(&tree, &["policy", "message"]);
        assert_eq!(places(&found), [("src/message", 0)]);
    }
}
