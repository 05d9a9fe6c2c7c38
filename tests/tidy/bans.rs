//! What a module may not know of: the outside world in the pure ones, lapin outside its few places.
//! And that a seed of a failed property is kept, and comes into the repository.

use crate::layers::{module_of, product_files};
use crate::source::{Source, paths};
use crate::tree::{Finding, Tree};

/// Modules whose results follow from their arguments alone.
const PURE: [&str; 6] = ["amqp", "message", "agency", "policy", "broker", "evidence"];

/// What breaks that, each with what stands in its place. A path is banned with all below it.
const IMPURE_PATHS: [(&str, &str); 9] = [
    ("tokio", "sockets and tasks are the server's"),
    ("std::fs", "disk is journal::vfs's"),
    ("std::env", "the environment is config's"),
    ("std::thread", "threads are the server's and the backbone's"),
    ("std::process", "ending the process is cli's"),
    ("std::os", "the operating system is the shell's"),
    ("rustix", "the operating system is the shell's"),
    ("rand", "random bytes are an argument"),
    ("rcgen", "certificates and their keys are made by cli"),
];
const IMPURE_WORDS: [(&str, &str); 11] = [
    ("async", "pure code waits for nothing"),
    ("await", "pure code waits for nothing"),
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    (
        "HashMap",
        "its order differs from run to run: BTreeMap or Vec",
    ),
    (
        "HashSet",
        "its order differs from run to run: BTreeSet or Vec",
    ),
    ("RandomState", "random bytes are an argument"),
    ("SystemRandom", "random bytes are an argument"),
    ("TcpStream", "sockets are the server's"),
    ("TcpListener", "sockets are the server's"),
    ("UdpSocket", "sockets are the server's"),
];

/// Where lapin may be named: the clients among the commands, and the one backbone that needs it.
const LAPIN_FILES: [&str; 5] = ["publish", "consume", "client", "demo", "bench"];

/// IO, clocks, randomness and unordered maps in pure modules.
pub(crate) fn impurities(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in product_files(tree) {
        if !module_of(path).is_some_and(|module| PURE.contains(&module)) {
            continue;
        }
        for (line, named) in paths(&Source::of(text).product_code()) {
            if let Some(why) = impurity(&named) {
                found.push(Finding::new(
                    path,
                    line,
                    format!("`{named}` in a pure module: {why}"),
                ));
            }
        }
    }
    found
}

fn impurity(named: &str) -> Option<&'static str> {
    let by_path = IMPURE_PATHS
        .iter()
        .find(|(banned, _)| is_at_or_below(named, banned));
    let by_word = || {
        IMPURE_WORDS
            .iter()
            .find(|(banned, _)| named.split("::").any(|part| part == *banned))
    };
    by_path.or_else(by_word).map(|&(_, why)| why)
}

fn is_at_or_below(named: &str, path: &str) -> bool {
    // A plain word may be anyone's local name; only as the head of a path is it the crate.
    named
        .strip_prefix(path)
        .is_some_and(|rest| rest.starts_with("::") || rest.is_empty() && path.contains("::"))
}

/// lapin named where no client and no RabbitMQ is spoken to.
pub(crate) fn strayed_lapin(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in product_files(tree).filter(|(path, _)| !may_know_lapin(path)) {
        for (line, named) in paths(&Source::of(text).product_code()) {
            if named.split("::").any(|part| part == "lapin") {
                found.push(Finding::new(
                    path,
                    line,
                    "lapin belongs to the client commands and to backbone/rabbitmq.rs",
                ));
            }
        }
    }
    found
}

/// Properties that keep no seed of a failure, and seeds that git does not see.
pub(crate) fn lost_seeds(tree: &Tree) -> Vec<Finding> {
    let unkept = tree
        .rust()
        .filter(|(path, _)| !path.starts_with("tests/tidy/"))
        .map(|(path, text)| (path, text, "failure_persistence"));
    let lists = tree
        .files()
        .filter(|(path, _)| path.ends_with(".gitignore"));
    let ignored = lists.map(|(path, text)| (path, text, "proptest-regressions"));
    let mut found = Vec::new();
    for (path, text, word) in unkept.chain(ignored) {
        for (line, _) in (1..).zip(text.lines()).filter(|(_, it)| it.contains(word)) {
            let says = "a seed that failed is kept beside its test, and committed";
            found.push(Finding::new(path, line, says));
        }
    }
    found
}

fn may_know_lapin(path: &str) -> bool {
    path == "src/backbone/rabbitmq.rs"
        || path.strip_prefix("src/cli/").is_some_and(|rest| {
            let first = rest
                .split('/')
                .next()
                .unwrap_or(rest)
                .trim_end_matches(".rs");
            LAPIN_FILES.contains(&first)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn each_impurity_is_found_in_a_pure_module() {
        let plants = [
            "use tokio::sync::mpsc;",
            "use std::{fmt, fs};",
            "let file = std::fs::File::open(path);",
            "let mode = std::env::var(name);",
            "async fn send() {}",
            "let now = SystemTime::now();",
            "use std::time::{Duration, Instant};",
            "use std::collections::{BTreeMap, HashMap};",
            "let seen = std::collections::HashSet::new();",
            "use std::net::{IpAddr, TcpStream};",
            "let bytes: [u8; 16] = rand::random();",
        ];
        for plant in plants {
            let text = format!("//! x\n{plant}\n");
            let tree = Tree::of(&[("src/broker/ledger.rs", &text)]);
            assert_eq!(
                places(&impurities(&tree)),
                [("src/broker/ledger.rs", 2)],
                "{plant}"
            );
        }
    }

    #[test]
    fn the_shell_a_comment_a_unit_test_and_addresses_are_free() {
        let tree = Tree::of(&[
            ("src/server/listen.rs", "use tokio::net::TcpListener;"),
            ("src/journal/vfs.rs", "use std::fs::File;"),
            (
                "src/agency/a.rs",
                "//! Not async, no HashMap.\nuse std::net::IpAddr;\nlet rand = 1;",
            ),
            (
                "src/policy/b.rs",
                "#[cfg(test)]\nmod tests { use std::collections::HashSet; }",
            ),
        ]);
        assert_eq!(impurities(&tree), []);
    }

    #[test]
    fn lapin_is_found_where_it_strays() {
        let tree = Tree::of(&[
            ("src/amqp/reply.rs", "use lapin::types::ReplyCode;"),
            ("src/backbone/embedded.rs", "let c: lapin::Connection;"),
            ("src/backbone/rabbitmq.rs", "use lapin::Connection;"),
            ("src/cli/check.rs", "use lapin::Connection;"),
            ("src/cli/demo/agencies.rs", "use lapin::Connection;"),
            ("src/cli/publish.rs", "use lapin::Connection;"),
        ]);
        let strayed = [
            ("src/amqp/reply.rs", 1),
            ("src/backbone/embedded.rs", 1),
            ("src/cli/check.rs", 1),
        ];
        assert_eq!(places(&strayed_lapin(&tree)), strayed);
    }

    #[test]
    fn a_property_that_forgets_its_failures_is_found() {
        let tree = Tree::of(&[
            ("src/a.rs", "cases: 4,\nfailure_persistence: None,\n"),
            (".gitignore", "/target\nproptest-regressions\n"),
            ("tests/b.rs", "cases: 4,\n"),
        ]);
        assert_eq!(
            places(&lost_seeds(&tree)),
            [("src/a.rs", 2), (".gitignore", 2)]
        );
    }
}
