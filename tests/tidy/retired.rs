//! One word a meaning: words that were given up for another one, which the glossary has.

use crate::source::is_word;
use crate::tree::{Finding, Tree, extension};

/// Words that stood for a meaning of this product or come to mind for it, and the word that has it.
struct Retired {
    words: &'static [&'static str],
    instead: &'static str,
}

const RETIRED: [Retired; 5] = [
    Retired {
        words: &[
            "deny",
            "denies",
            "denied",
            "disallow",
            "disallowed",
            "turned down",
            "decline a request",
            "declined request",
            "request is declined",
            "decline a publish",
            "declined publish",
            "publish is declined",
            "outcome declined",
        ],
        instead: "*refuse* a request",
    },
    Retired {
        words: &["redact", "redacted", "suppress", "suppressed"],
        instead: "*withhold* from a recipient",
    },
    Retired {
        words: &["bounce", "bounced", "refused before it could be ruled"],
        instead: "*reject* a message",
    },
    Retired {
        words: &[
            "turn away",
            "turns away",
            "turned away",
            "turnedaway",
            "refuse a client",
            "refused client",
            "refused clients",
            "client was refused",
            "refuse a connection",
            "connection is refused",
            "connections are refused",
            "rejected client",
            "rejected connection",
            "refused lately",
            "refuse a login",
            "refuse_login",
            "login is refused",
            "login was refused",
            "loginrefused",
        ],
        instead: "*decline* a connection",
    },
    Retired {
        words: &["parked", "parking", "unpark"],
        instead: "commands *wait* in a *lane* of the mailbox",
    },
];

/// Retired words in the product, its manual and its README.
pub(crate) fn retired_words(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let texts = tree.files().filter(|(path, _)| {
        let is_ours = path.starts_with("src/") || path.starts_with("docs/") || *path == "README.md";
        is_ours && ["rs", "md"].contains(&extension(path))
    });
    for (path, text) in texts {
        let words = words_of(text, extension(path) == "md");
        for retired in &RETIRED {
            for phrase in retired.words {
                let says = format!("`{phrase}`: {}", retired.instead);
                let lines = lines_with(phrase, &words);
                found.extend(lines.map(|line| Finding::new(path, line, &*says)));
            }
        }
    }
    found
}

/// The lines in which a phrase begins.
fn lines_with(phrase: &str, words: &[Word]) -> impl Iterator<Item = usize> {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    words.windows(phrase.len()).filter_map(move |window| {
        let is_it = window
            .iter()
            .zip(&phrase)
            .all(|(word, part)| word.text == *part);
        is_it.then(|| window[0].line)
    })
}

struct Word {
    line: usize,
    text: String,
}

/// All words in small letters, over the ends of lines. What a page quotes as code is another's word,
/// such as the name of a TLS alert.
fn words_of(text: &str, is_page: bool) -> Vec<Word> {
    let mut words = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let spoken = line.split('`').step_by(1 + usize::from(is_page));
        let spoken = spoken.flat_map(|part| part.split(|c| !is_word(c)));
        let spoken = spoken.filter(|word| !word.is_empty());
        words.extend(spoken.map(|word| Word {
            line: at,
            text: word.to_lowercase(),
        }));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn a_retired_word_is_found_in_code_and_pages_also_over_the_end_of_a_line() {
        let tree = Tree::of(&[
            (
                "src/a.rs",
                "//! Clients that were turned\n//! away.\nfn deny() { Outcome::Declined }",
            ),
            (
                "docs/a.md",
                "A connection is refused.\nAlert `access denied`.",
            ),
            ("README.md", "Data is redacted."),
            ("tests/a.rs", "fn deny() {}"),
        ]);
        let found = retired_words(&tree);
        let mut found = places(&found);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ("README.md", 1),
                ("docs/a.md", 1),
                ("src/a.rs", 1),
                ("src/a.rs", 3),
                ("src/a.rs", 3)
            ]
        );
    }

    #[test]
    fn a_part_of_a_longer_word_or_phrase_is_not_retired() {
        let tree = Tree::of(&[
            (
                "src/a.rs",
                "clippy::disallowed_methods; // A connection that is refused nothing.",
            ),
            (
                "docs/a.md",
                "The certificate is refused, its connection declined.",
            ),
        ]);
        assert_eq!(retired_words(&tree), []);
    }
}
