//! The keywords that schemas of the catalogue may use. A word that is not here is a fault: JSON
//! Schema ignores what it does not know, and a misspelt rule would hold for no message.

/// Keywords that describe and assert nothing.
const NOTES: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
];

/// Keywords that assert something of one element.
const ASSERTIONS: [&str; 22] = [
    "type",
    "enum",
    "const",
    "required",
    "dependentRequired",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "additionalProperties",
];

/// Keywords that describe elements, and are followed.
const STRUCTURE: [&str; 3] = ["properties", "items", "$ref"];

/// Keywords that assert by further schemas, which describe no element of their own.
pub(super) const APPLIED_ONE: [&str; 5] = ["not", "if", "then", "else", "contains"];
/// As [`APPLIED_ONE`], with a list of schemas.
pub(super) const APPLIED_LIST: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// As [`APPLIED_ONE`], with schemas by name of a member.
pub(super) const APPLIED_BY_NAME: &str = "dependentSchemas";

/// The data category.
pub(super) const CATEGORY: &str = "x-carnet-category";
/// The mark of references that are shown as tokens.
pub(super) const TOKEN: &str = "x-carnet-token";

/// Whether schemas may use `word`.
pub(super) fn is_known(word: &str) -> bool {
    let lists: [&[&str]; 5] = [&NOTES, &ASSERTIONS, &STRUCTURE, &APPLIED_ONE, &APPLIED_LIST];
    lists.iter().any(|list| list.contains(&word))
        || [CATEGORY, TOKEN, APPLIED_BY_NAME].contains(&word)
        || (word.starts_with("x-") && !is_ours(word))
}

/// Whether `word` is meant for Carnet.
pub(super) fn is_ours(word: &str) -> bool {
    word.starts_with("x-carnet-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::rule::Rule;

    /// Keywords that are told by the names of others, or of what stands in them.
    const BY_OTHERS: [&str; 6] = [
        "dependentRequired",
        "minContains",
        "maxContains",
        "format",
        "if",
        "then",
    ];

    #[test]
    fn what_schemas_may_assert_is_in_the_list_of_rules() {
        let all = ASSERTIONS.iter().chain(&APPLIED_ONE).chain(&APPLIED_LIST);
        let told =
            all.filter(|word| !BY_OTHERS.contains(word) && !["else", "allOf"].contains(word));
        for word in told {
            assert!(Rule::named(word).is_some(), "{word}");
        }
    }
}
