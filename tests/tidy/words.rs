//! Words that should not be there: dead code, notes to oneself, empty names, private keys, snapshots
//! that nothing compares with any more. And the few that should: what each file owns.

use crate::layers::product_files;
use crate::source::{Source, is_word};
use crate::tree::{Finding, Tree, extension, folder};

/// Rust files that do not open with `//!`. Files of unit tests belong to the module they test, whose
/// words stand above them.
pub(crate) fn unintroduced_files(tree: &Tree) -> Vec<Finding> {
    let test_files = tree.rust().filter(|(path, _)| path.starts_with("tests/"));
    let unintroduced = product_files(tree)
        .chain(test_files)
        .filter(|(_, text)| !text.trim_start().starts_with("//!"));
    let says = "opens without `//!`: say what this file owns and what it never does";
    unintroduced
        .map(|(path, _)| Finding::new(path, 1, says))
        .collect()
}

/// Comments that read like code. Git remembers what was; a comment says why something is.
pub(crate) fn commented_out_code(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.files() {
        let comments: Vec<(usize, String)> = match extension(path) {
            "rs" => rust_comments(text),
            "js" | "go" | "java" | "php" => line_comments(text),
            _ => continue,
        };
        let dead = comments
            .into_iter()
            .filter(|(_, comment)| reads_like_code(comment));
        found.extend(dead.map(|(line, comment)| {
            Finding::new(
                path,
                line,
                format!("commented-out code, delete it: {}", comment.trim()),
            )
        }));
    }
    found
}

fn rust_comments(text: &str) -> Vec<(usize, String)> {
    let comments = Source::of(text)
        .comments
        .into_iter()
        .filter(|comment| !comment.doc);
    comments
        .map(|comment| (comment.line, comment.text))
        .collect()
}

fn line_comments(text: &str) -> Vec<(usize, String)> {
    let numbered = text.lines().zip(1..);
    numbered
        .filter_map(|(line, at)| Some((at, line.trim().strip_prefix("//")?.to_owned())))
        .collect()
}

fn reads_like_code(comment: &str) -> bool {
    const STATEMENTS: [&str; 9] = [
        "let ", "use ", "pub ", "return", "mod ", "const ", "static ", "break", "continue",
    ];
    const BLOCKS: [&str; 11] = [
        "if ", "for ", "while ", "match ", "fn ", "pub ", "impl ", "struct ", "enum ", "mod ",
        "loop",
    ];
    let text = comment.trim();
    let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    let closes = text.starts_with(['}', ')']) && text.chars().all(|c| "})];,".contains(c));
    let attribute = text.starts_with("#[") && text.ends_with(']');
    let assigns = text.contains(" = ") || text.contains("::");
    let statement = text.ends_with(';') && (starts(&STATEMENTS) || assigns || calls(text));
    let block = text.ends_with('{') && (starts(&BLOCKS) || text.starts_with('}') || calls(text));
    closes || attribute || statement || block
}

/// `name(` or `name!(`: prose puts a space before its brackets.
fn calls(text: &str) -> bool {
    text.match_indices('(')
        .any(|(at, _)| text[..at].ends_with(|c| is_word(c) || c == '!'))
}

/// Notes for later in code: an issue is where the next one looks.
pub(crate) fn left_for_later(tree: &Tree) -> Vec<Finding> {
    // Put together here so that this file is not its own violation.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut found = Vec::new();
    for (path, text) in tree
        .files()
        .filter(|(path, _)| !["md", "lock"].contains(&extension(path)))
    {
        for (line, at) in text.lines().zip(1..) {
            let mut words = line.split(|c| !is_word(c));
            if let Some(note) = words.find(|word| notes.contains(word)) {
                found.push(Finding::new(
                    path,
                    at,
                    format!("{note}: do it, or open an issue"),
                ));
            }
        }
    }
    found
}

/// Files and folders whose name fits anything, and so ends up holding everything.
pub(crate) fn empty_names(tree: &Tree) -> Vec<Finding> {
    const EMPTY: [&str; 9] = [
        "util", "utils", "common", "types", "helper", "helpers", "misc", "shared", "lib2",
    ];
    let says = "a name that says nothing: call it by what it holds";
    let code = tree
        .files()
        .filter(|(path, _)| path.starts_with("src/") || path.starts_with("tests/"));
    let empty = code.filter(|(path, _)| {
        path.split('/')
            .any(|part| EMPTY.contains(&part.split('.').next().unwrap_or(part)))
    });
    empty.map(|(path, _)| Finding::new(path, 0, says)).collect()
}

/// Private keys, by name or by content.
pub(crate) fn private_keys(tree: &Tree) -> Vec<Finding> {
    const KEY_FILES: [&str; 5] = ["key", "p12", "pfx", "jks", "keystore"];
    let mut found = Vec::new();
    for (path, text) in tree.files() {
        if KEY_FILES.contains(&extension(path)) {
            found.push(Finding::new(
                path,
                0,
                "looks like a private key: no key is ever committed",
            ));
        }
        let heads = text
            .lines()
            .zip(1..)
            .filter(|(line, _)| heads_a_private_key(line.trim()));
        found.extend(heads.map(|(_, at)| Finding::new(path, at, "holds a private key")));
    }
    found
}

/// The line alone, as in a PEM file: code that names the label has it in quotes.
fn heads_a_private_key(line: &str) -> bool {
    line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")
}

/// insta snapshots whose test or name is gone, and pending ones.
pub(crate) fn unreferenced_snapshots(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.files() {
        if path.ends_with(".snap.new") {
            found.push(Finding::new(
                path,
                0,
                "a pending snapshot: accept or delete it",
            ));
        } else if extension(path) == "snap" && !is_referenced(tree, path, text) {
            found.push(Finding::new(
                path,
                0,
                "no test compares with this snapshot any more",
            ));
        }
    }
    found
}

/// Whether the source beside the snapshot's folder has a test or a string of the snapshot's name.
fn is_referenced(tree: &Tree, path: &str, snapshot: &str) -> bool {
    let Some(source) = snapshot
        .lines()
        .find_map(|line| line.strip_prefix("source: "))
    else {
        return false;
    };
    let Some(source_text) = tree.text(source.trim().trim_matches('"')) else {
        return false;
    };
    let beside = folder(path).strip_suffix("snapshots").unwrap_or_default();
    let file = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .trim_end_matches(".snap");
    let name = file.rsplit("__").next().unwrap_or(file);
    let name = name.split('@').next().unwrap_or(name);
    // The second and later unnamed snapshots of a test are numbered.
    let test = name
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('-');
    let asserted = [
        format!("\"{name}\""),
        format!("fn {name}("),
        format!("fn {test}("),
        format!("fn test_{test}("),
    ];
    source.starts_with(beside)
        && asserted
            .iter()
            .any(|written| source_text.contains(written.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn a_file_without_introduction_is_found() {
        let tree = Tree::of(&[
            ("src/a.rs", "//! Owns a.\nuse b;"),
            ("src/b.rs", "// no\nuse c;\n#[cfg(test)]\nmod tests;"),
            ("src/b/tests.rs", "use super::*;"),
            ("tests/c.rs", "use carnet::a;"),
        ]);
        assert_eq!(
            places(&unintroduced_files(&tree)),
            [("src/b.rs", 1), ("tests/c.rs", 1)]
        );
    }

    #[test]
    fn commented_out_code_is_found() {
        let plants = [
            "// let head = queue.pop();",
            "// queue.push(entry);",
            "    // assert_eq!(a, b);",
            "// use crate::message::id::Id;",
            "// if head.is_empty() {",
            "// } else {",
            "// }",
            "// });",
            "// #[derive(Debug)]",
            "// pub fn gone(&self) -> u8 {",
            "// self.count = 0;",
        ];
        for plant in plants {
            let text = format!("fn f() {{\n{plant}\n}}\n");
            let tree = Tree::of(&[("src/a.rs", &text)]);
            assert_eq!(
                places(&commented_out_code(&tree)),
                [("src/a.rs", 2)],
                "{plant}"
            );
        }
        let tree = Tree::of(&[("tests/interop/a.js", "f();\n  // channel.close();\n")]);
        assert_eq!(
            places(&commented_out_code(&tree)),
            [("tests/interop/a.js", 2)]
        );
    }

    #[test]
    fn prose_examples_in_documentation_and_strings_are_no_dead_code() {
        let text = concat!(
            "// The head (4,096 entries) is in memory;\n",
            "// a return precedes its ack, for that message, always.\n",
            "// `let` would move it.\n",
            "/// ```\n/// let id = Id::parse(\"x\");\n/// ```\n",
            "let url = \"https://x(y);\"; // INVARIANT: sorted by (lsn, queue)\n",
        );
        assert_eq!(commented_out_code(&Tree::of(&[("src/a.rs", text)])), []);
    }

    #[test]
    fn a_note_for_later_is_found() {
        let note = concat!("x\n# TO", "DO: mend\n");
        let tree = Tree::of(&[
            ("tests/run.sh", note),
            ("docs/a.md", note),
            ("src/a.rs", "mastodon"),
        ]);
        assert_eq!(places(&left_for_later(&tree)), [("tests/run.sh", 2)]);
        let other = concat!("/* FIX", "ME */");
        assert_eq!(left_for_later(&Tree::of(&[("src/a.rs", other)])).len(), 1);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let tree = Tree::of(&[
            ("src/broker/utils.rs", ""),
            ("tests/common/mod.rs", ""),
            ("src/message/types_of_goods.rs", ""),
            ("docs/common.md", ""),
        ]);
        assert_eq!(
            places(&empty_names(&tree)),
            [("src/broker/utils.rs", 0), ("tests/common/mod.rs", 0)]
        );
    }

    #[test]
    fn a_private_key_is_found_by_name_and_by_content() {
        let pem = concat!("-----BEGIN PRIVATE", " KEY-----\nMC4CAQ\n");
        let label = concat!("let label = \"-----BEGIN PRIVATE", " KEY-----\";");
        let tree = Tree::of(&[
            ("agencies/post/ca.pem", pem),
            ("certs/server.key", ""),
            ("src/keys.rs", label),
        ]);
        assert_eq!(
            places(&private_keys(&tree)),
            [("agencies/post/ca.pem", 1), ("certs/server.key", 0)]
        );
    }

    #[test]
    fn a_snapshot_without_its_test_is_found() {
        let header = "---\nsource: tests/cli.rs\n---\nx";
        let tree = Tree::of(&[
            (
                "tests/cli.rs",
                "fn help_is_short() {}\nassert_snapshot!(\"named one\", x);",
            ),
            ("tests/snapshots/cli__help_is_short-2.snap", header),
            ("tests/snapshots/cli__named one.snap", header),
            ("tests/snapshots/cli__gone.snap", header),
            (
                "tests/snapshots/cli__moved.snap",
                "---\nsource: tests/old.rs\n---\nx",
            ),
            ("tests/snapshots/cli__help_is_short.snap.new", header),
        ]);
        assert_eq!(
            places(&unreferenced_snapshots(&tree)),
            [
                ("tests/snapshots/cli__gone.snap", 0),
                ("tests/snapshots/cli__help_is_short.snap.new", 0),
                ("tests/snapshots/cli__moved.snap", 0),
            ]
        );
    }
}
