//! Words of documentation that leave open whom they mean.

use crate::layers::product_files;
use crate::source::{Source, is_word};
use crate::tree::{Finding, Tree};

/// Pronouns that stand where a unit, a reader, a thread or a connection is meant.
const RIDDLES: [&str; 11] = [
    "nobody",
    "nobodies",
    "somebody",
    "someone",
    "anyone",
    "everyone",
    "anybody",
    "everybody",
    "whoever",
    "theirs",
    "whosoever",
];

/// Documentation with such a word.
pub(crate) fn riddles(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in product_files(tree) {
        let comments = Source::of(text).comments.into_iter();
        for comment in comments.filter(|comment| comment.doc) {
            let text = comment.text.to_lowercase();
            let mut words = text.split(|c| !is_word(c));
            if let Some(word) = words.find(|word| RIDDLES.contains(word)) {
                let says = format!("`{word}`: name the unit, the reader, the thread that is meant");
                found.push(Finding::new(path, comment.line, says));
            }
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
        let found = riddles(&tree);
        assert_eq!(
            places(&found),
            [("src/policy/a.rs", 1), ("src/policy/a.rs", 2)]
        );
    }
}
