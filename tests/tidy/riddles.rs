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

/// Beginnings that point at what the reader has not read: another item, wherever that stands.
const POINTERS: [&str; 2] = ["the same", "those of"];

/// Documentation with such a word, or that begins so.
pub(crate) fn riddles(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in product_files(tree) {
        let comments = Source::of(text).comments.into_iter();
        let mut last = 0;
        for comment in comments.filter(|comment| comment.doc) {
            let begins = last == 0 || last + 1 != comment.line;
            last = comment.line;
            let text = comment.text.to_lowercase();
            let first = text.trim_start_matches(['/', '!', ' ']);
            let mut pointers = POINTERS.iter();
            if let Some(pointer) = pointers.find(|it| begins && starts_with_words(first, it)) {
                let says = format!("`{pointer}`: say what it is, not what it is like");
                found.push(Finding::new(path, comment.line, says));
            }
            let mut words = text.split(|c| !is_word(c));
            if let Some(word) = words.find(|word| RIDDLES.contains(word)) {
                let says = format!("`{word}`: name the unit, the reader, the thread that is meant");
                found.push(Finding::new(path, comment.line, says));
            }
        }
    }
    found
}

fn starts_with_words(text: &str, words: &str) -> bool {
    let rest = text.strip_prefix(words);
    rest.is_some_and(|rest| !rest.starts_with(is_word))
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
    #[test]
    fn documentation_that_begins_with_what_it_is_like_is_found() {
        let tree = Tree::of(&[(
            "src/policy/a.rs",
            "//! Rules.\n\n/// The same, sorted.\nfn f() {}\n/// Those of a unit.\nfn g() {}\n\
             /// One rule or\n/// the same twice. Those of a unit come last.\nfn h() {}",
        )]);
        let found = riddles(&tree);
        assert_eq!(
            places(&found),
            [("src/policy/a.rs", 3), ("src/policy/a.rs", 5)]
        );
    }
}
