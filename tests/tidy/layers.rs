//! The direction of modules: each uses only what is below it.

use std::collections::BTreeSet;

use crate::source::{Source, paths};
use crate::tree::{Finding, Tree, folder};

/// Each module and what stands directly below it. What is below that may be used too.
const LAYERS: [(&str, &[&str]); 12] = [
    ("cli", &["config"]),
    ("config", &["server"]),
    ("server", &["http", "amqp", "backbone"]),
    ("http", &["backbone"]),
    ("backbone", &["broker"]),
    (
        "broker",
        &["policy", "agency", "message", "evidence", "journal"],
    ),
    ("policy", &["agency"]),
    ("agency", &["message"]),
    ("evidence", &["message"]),
    ("message", &[]),
    ("journal", &[]),
    ("amqp", &[]),
];

fn below(module: &str) -> BTreeSet<&'static str> {
    let directly = LAYERS
        .iter()
        .find(|(name, _)| *name == module)
        .map_or(&[][..], |(_, uses)| uses);
    directly
        .iter()
        .flat_map(|&name| below(name).into_iter().chain([name]))
        .collect()
}

fn is_module(name: &str) -> bool {
    LAYERS.iter().any(|(module, _)| *module == name)
}

/// The module a file of the library belongs to: `src/policy/rule.rs` to `policy`.
pub(crate) fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    match inside.split_once('/') {
        Some((module, _)) => Some(module),
        None => inside
            .strip_suffix(".rs")
            .filter(|name| !["lib", "main"].contains(name)),
    }
}

/// Modules at the top of `src/` that the table above does not place.
pub(crate) fn unplaced_modules(tree: &Tree) -> Vec<Finding> {
    let unplaced = tree
        .rust()
        .filter(|(path, _)| module_of(path).is_some_and(|m| !is_module(m)));
    let says = "this module has no place in tests/tidy/layers.rs: say there what it may use";
    unplaced
        .map(|(path, _)| Finding::new(path, 0, says))
        .collect()
}

/// Uses of a module that is not below the one that uses it. Unit tests may look further.
pub(crate) fn upward_uses(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in product_files(tree) {
        let code = Source::of(text).product_code();
        if path == "src/main.rs" {
            found.extend(beyond_cli(path, &code));
        } else if let Some(module) = module_of(path) {
            found.extend(uses_beyond(path, module, &code));
        }
    }
    found
}

/// The library's Rust files, those that are only unit tests (`#[cfg(test)] mod name;`) left out.
pub(crate) fn product_files(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    let test_stems: BTreeSet<String> = tree
        .rust()
        .flat_map(|(path, text)| test_module_stems(path, text))
        .collect();
    tree.rust().filter(move |(path, _)| {
        let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let a_test = test_stems.iter().any(|test| {
            stem.strip_prefix(test.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        path.starts_with("src/") && !a_test
    })
}

/// Where the files of `#[cfg(test)] mod name;` stand, without `.rs`.
fn test_module_stems(path: &str, text: &str) -> Vec<String> {
    let owns_folder = ["/mod.rs", "/lib.rs", "/main.rs"]
        .iter()
        .any(|end| path.ends_with(end));
    let base = if owns_folder {
        folder(path)
    } else {
        path.trim_end_matches(".rs")
    };
    let declares = |after: &str| after.trim_start().starts_with("mod ");
    if !text.split("#[cfg(test)]").skip(1).any(declares) {
        return Vec::new();
    }
    let code = Source::of(text).code;
    code.split("#[cfg(test)]")
        .skip(1)
        .filter_map(|after| after.trim_start().strip_prefix("mod ")?.split_once(';'))
        .filter(|(name, _)| !name.contains('{'))
        .map(|(name, _)| format!("{base}/{}", name.trim()))
        .collect()
}

fn uses_beyond(path: &str, module: &str, code: &str) -> Vec<Finding> {
    let allowed = below(module);
    let mut found = Vec::new();
    for (line, named) in paths(code) {
        let Some(used) = module_named(path, &named) else {
            continue;
        };
        if used == module || allowed.contains(used) {
            continue;
        }
        let says = if is_module(used) {
            format!("`{module}` uses `{used}`, which is not below it")
        } else {
            format!("`{named}`: name the module that owns it, not the crate's top")
        };
        found.push(Finding::new(path, line, says));
    }
    found
}

/// The first segment below the crate's top that a path names, by `crate::` or by climbing there.
fn module_named<'a>(path: &str, named: &'a str) -> Option<&'a str> {
    if let Some(rest) = named.strip_prefix("crate::") {
        return rest.split("::").next();
    }
    let rest = named.trim_start_matches("super::");
    let climbs = (named.len() - rest.len()) / "super::".len();
    let depth = path.matches('/').count() - usize::from(path.ends_with("/mod.rs"));
    // An inline module climbs one more to the same place: only a top module's name is taken for one.
    let first = rest.split("::").next()?;
    (climbs > 0 && climbs >= depth && is_module(first)).then_some(first)
}

fn beyond_cli(path: &str, code: &str) -> Vec<Finding> {
    let beyond = paths(code)
        .into_iter()
        .filter(|(_, named)| named.starts_with("carnet::") && !named.starts_with("carnet::cli"));
    beyond
        .map(|(line, named)| {
            Finding::new(path, line, format!("main knows cli alone, not `{named}`"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn what_is_below_is_closed_over_layers() {
        assert!(below("cli").contains("journal") && below("server").contains("policy"));
        assert!(!below("policy").contains("evidence") && !below("http").contains("amqp"));
        assert!(below("journal").is_empty() && below("amqp").is_empty());
    }

    #[test]
    fn an_upward_use_is_found_however_it_is_written() {
        let tree = Tree::of(&[
            ("src/message/a.rs", "use crate::agency::Registry;"),
            (
                "src/message/b.rs",
                "//! x\nuse crate::{\n message::id::Id,\n policy::rule,\n};",
            ),
            ("src/amqp/c.rs", "fn f() { crate::journal::open(); }"),
            (
                "src/amqp/session/d.rs",
                "use super::super::super::broker::Ledger;",
            ),
            ("src/http/e.rs", "use crate::Error;"),
            ("src/main.rs", "fn main() { carnet::server::run() }"),
        ]);
        let found = upward_uses(&tree);
        let expected = [
            ("src/amqp/c.rs", 1),
            ("src/amqp/session/d.rs", 1),
            ("src/http/e.rs", 1),
            ("src/main.rs", 1),
            ("src/message/a.rs", 1),
            ("src/message/b.rs", 4),
        ];
        assert_eq!(places(&found), expected);
    }

    #[test]
    fn a_downward_use_a_comment_and_a_unit_test_are_no_violation() {
        let tree = Tree::of(&[
            (
                "src/policy/a.rs",
                "// crate::broker\nuse crate::message::id::Id;\nuse super::rule;",
            ),
            ("src/message/mod.rs", "#[cfg(test)] mod model;\nmod b;"),
            (
                "src/message/b.rs",
                "#[cfg(test)]\nmod tests { use crate::broker::Ledger; }",
            ),
            ("src/message/model.rs", "use crate::broker::Ledger;"),
            (
                "src/broker/queue/c.rs",
                "use super::super::journal_names;\nuse super::page;",
            ),
        ]);
        assert_eq!(upward_uses(&tree), []);
    }

    #[test]
    fn a_module_that_nobody_placed_is_found() {
        let tree = Tree::of(&[
            ("src/lib.rs", ""),
            ("src/metrics/mod.rs", ""),
            ("src/sums.rs", ""),
        ]);
        assert_eq!(
            places(&unplaced_modules(&tree)),
            [("src/metrics/mod.rs", 0), ("src/sums.rs", 0)]
        );
    }
}
