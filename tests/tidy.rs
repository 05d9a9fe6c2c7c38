//! What the compiler and clippy cannot see of how this code is kept: who may use whom, sizes, bans
//! by module, dead text, names, links and the table of threats.
//!
//! Every rule is a function from a [`Tree`] of files to findings, and has tests of its own on a
//! planted violation beside it; here each is run on the repository. It never changes a file.
#![cfg(test)]
#![expect(
    clippy::string_slice,
    reason = "positions come from searches in the same text, and a wrong one fails the test"
)]

#[path = "tidy/bans.rs"]
mod bans;
#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/parameters.rs"]
mod parameters;
#[path = "tidy/retired.rs"]
mod retired;
#[path = "tidy/riddles.rs"]
mod riddles;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/threats.rs"]
mod threats;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use tree::{Finding, Tree};

#[track_caller]
fn assert_nothing_found(rule: impl FnOnce(&Tree) -> Vec<Finding>) {
    let found = rule(&Tree::of_the_repository());
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} found:\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn the_repository_is_really_read() {
    let tree = Tree::of_the_repository();
    for path in ["src/lib.rs", "Cargo.toml", "tests/tidy.rs", ".ci/run"] {
        assert!(tree.has(path), "{path} is missing from what git lists");
    }
}

#[test]
fn each_module_uses_only_what_is_below_it() {
    assert_nothing_found(layers::upward_uses);
}

#[test]
fn every_module_has_a_place_in_the_layers() {
    assert_nothing_found(layers::unplaced_modules);
}

#[test]
fn no_file_of_a_module_uses_itself_by_way_of_others() {
    assert_nothing_found(circles::circles);
}

#[test]
fn pure_modules_hold_no_io_clock_randomness_or_unordered_map() {
    assert_nothing_found(bans::impurities);
}

#[test]
fn every_property_keeps_the_seeds_that_failed_where_git_sees_them() {
    assert_nothing_found(bans::lost_seeds);
}

#[test]
fn lapin_is_known_to_the_clients_and_the_rabbitmq_backbone_only() {
    assert_nothing_found(bans::strayed_lapin);
}

#[test]
fn no_file_is_longer_than_600_lines() {
    assert_nothing_found(sizes::long_files);
}

#[test]
fn the_functions_to_read_first_stay_short() {
    assert_nothing_found(sizes::long_key_functions);
}

#[test]
fn every_rust_file_opens_with_what_it_owns() {
    assert_nothing_found(words::unintroduced_files);
}

#[test]
fn no_parameter_is_a_tuple_taken_apart() {
    assert_nothing_found(parameters::tuples);
}

#[test]
fn documentation_names_whom_it_means() {
    assert_nothing_found(riddles::riddles);
}

#[test]
fn a_meaning_has_one_word() {
    assert_nothing_found(retired::retired_words);
}

#[test]
fn no_code_is_commented_out() {
    assert_nothing_found(words::commented_out_code);
}

#[test]
fn nothing_is_left_for_later() {
    assert_nothing_found(words::left_for_later);
}

#[test]
fn no_file_is_called_by_a_name_that_says_nothing() {
    assert_nothing_found(words::empty_names);
}

#[test]
fn no_private_key_is_committed() {
    assert_nothing_found(words::private_keys);
}

#[test]
fn no_snapshot_is_left_without_its_test() {
    assert_nothing_found(words::unreferenced_snapshots);
}

#[test]
fn the_readme_names_the_two_commands_and_shows_the_tested_example() {
    assert_nothing_found(pages::readme);
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    assert_nothing_found(pages::dead_links);
}

#[test]
fn every_threat_has_a_control_and_a_test_or_a_part_that_brings_it() {
    assert_nothing_found(threats::unanswered_threats);
}
