//! Rules that not every module keeps yet: those that do not stand in a list, which only shrinks.

use crate::layers::module_of;
use crate::tree::Finding;

/// What was found in modules that are not listed; and a finding for each listed module without any,
/// which must leave the list of the rule in `file`.
pub(crate) fn but_for(not_yet_clean: &[&str], file: &str, found: Vec<Finding>) -> Vec<Finding> {
    let is_listed = |found: &Finding| {
        module_of(&found.path).is_some_and(|module| not_yet_clean.contains(&module))
    };
    let (listed, mut left): (Vec<_>, Vec<_>) = found.into_iter().partition(is_listed);
    for module in not_yet_clean {
        let has_some = |found: &Finding| module_of(&found.path) == Some(module);
        if !listed.iter().any(has_some) {
            let says = format!("`{module}` keeps the rule: take it out of {file}");
            left.push(Finding::new(&format!("src/{module}"), 0, says));
        }
    }
    left
}

#[test]
fn a_clean_module_may_not_stay_in_the_list_of_those_that_are_not() {
    let found = [
        "src/policy/a.rs",
        "src/policy.rs",
        "src/message/b.rs",
        "src/main.rs",
    ];
    let found = found.map(|path| Finding::new(path, 1, ""));
    let left = but_for(&["policy", "journal"], "tests/tidy/x.rs", found.to_vec());
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert_eq!(
        left,
        [
            "src/message/b.rs:1: ",
            "src/main.rs:1: ",
            "src/journal: `journal` keeps the rule: take it out of tests/tidy/x.rs",
        ]
    );
}
