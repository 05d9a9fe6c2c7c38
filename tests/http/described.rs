//! The description of the interface, and the pages of its problems, as they are committed.

use std::path::Path;
use std::process::Command;

use carnet::config::read_file;

fn printed(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
    let output = command.args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn committed(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    String::from_utf8(read_file(&path).unwrap()).unwrap()
}

#[test]
fn the_description_and_the_problems_are_those_of_the_manual() {
    for (command, file) in [
        ("openapi", "docs/openapi.json"),
        ("problems", "docs/problems.md"),
    ] {
        let cure = format!("carnet policy {command} > {file}");
        assert!(printed(&["policy", command]) == committed(file), "{cure}");
    }
}

#[test]
fn every_operation_says_what_it_answers_and_how_it_refuses() {
    let described: serde_json::Value =
        serde_json::from_str(&printed(&["policy", "openapi"])).unwrap();
    assert_eq!(described["openapi"], "3.1.0");
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            let has = |kind: char| answers.keys().any(|status| status.starts_with(kind));
            assert!(has('2') && has('4'), "{method} {path}: {answers:?}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
}
