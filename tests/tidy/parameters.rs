//! Parameters: none is a tuple that is taken apart, which is a type without a name.

use crate::layers::product_files;
use crate::source::{Source, is_word, line_of};
use crate::tree::{Finding, Tree};

/// Functions with a tuple pattern among their parameters.
pub(crate) fn tuples(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in product_files(tree) {
        let code = Source::of(text).product_code();
        for (at, _) in code.match_indices("fn ") {
            let signature = code[at..].split('{').next().unwrap_or_default();
            let is_word_end = code[..at].chars().next_back().is_some_and(is_word);
            if !is_word_end && takes_a_tuple(signature) {
                let says = "takes a tuple apart: name its parts, or make it a type";
                found.push(Finding::new(path, line_of(&code, at), says));
            }
        }
    }
    found
}

/// Whether a group in round brackets begins a parameter and a colon follows it.
fn takes_a_tuple(signature: &str) -> bool {
    signature.match_indices('(').any(|(at, _)| {
        let before = signature[..at].trim_end().chars().next_back();
        let mut depth = 0_i32;
        let end = signature[at..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let behind = end.map_or("", |end| signature[at + end + 1..].trim_start());
        matches!(before, Some('(' | ',')) && behind.starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::places;

    #[test]
    fn a_tuple_pattern_is_found_and_a_tuple_type_is_none() {
        let tree = Tree::of(&[(
            "src/policy/a.rs",
            "fn a((b, c): (u8, u8)) {}\n\
             fn d(\n  &self,\n  (e, (f, _)): T,\n) -> X {}\n\
             fn g(h: (u8, u8), i: Map<K, (A, B)>, j: fn(u8) -> u8) { k.map(|(l, m)| l) }\n\
             #[cfg(test)]\nmod tests { fn n((o, p): T) {} }",
        )]);
        let found = tuples(&tree);
        assert_eq!(
            places(&found),
            [("src/policy/a.rs", 1), ("src/policy/a.rs", 2)]
        );
    }
}
