//! The rules by which messages are rejected or warned of, each under a name that stays.
//!
//! One list: what a sender is told by name in a return or receipt is looked up here, in
//! `carnet message rules` or `docs/refusals.md`, which is printed from it. The formats of
//! [`identifier`](super::identifier) are rules too, under their own names.

use super::identifier::Format;

/// A rule that a message may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which stays.
    pub name: &'static str,
    /// What it asks.
    pub means: &'static str,
    /// Something that breaks it.
    pub example: &'static str,
    /// What to do.
    pub cure: &'static str,
}

impl Rule {
    /// The rule of this name, a format's too; `None` of code lists, which have the names of their
    /// files.
    pub fn named(name: &str) -> Option<Self> {
        let listed = SECTIONS.iter().flat_map(|section| section.rules);
        let listed = listed.copied().find(|rule| rule.name == name);
        listed.or_else(|| Format::named(name).map(Self::of))
    }

    /// A format as a rule: its shape, and what holds beyond it.
    pub fn of(format: &Format) -> Self {
        let cure = if format.has_rule() {
            "mend the part that the text names"
        } else {
            "write it as the example"
        };
        Self {
            name: format.name,
            means: format.expects,
            example: format.example,
            cure,
        }
    }
}

/// Rules about one thing.
#[derive(Debug)]
pub(crate) struct Section {
    /// The heading: what the rules are about.
    pub title: &'static str,
    /// The rules, in the order in which they are shown.
    pub rules: &'static [Rule],
}

/// A section's rules, each as a constant, and all of them as a list.
macro_rules! section {
    ($list:ident: $($id:ident $name:literal, $means:literal, $example:literal, $cure:literal;)*) => {
        $(
            #[doc = $means]
            pub(crate) const $id: Rule = Rule {
                name: $name,
                means: $means,
                example: $example,
                cure: $cure,
            };
        )*
        const $list: &[Rule] = &[$($id),*];
    };
}

/// All of them, formats apart.
pub(crate) const SECTIONS: [Section; 7] = [
    Section {
        title: "Routing key and body as a whole",
        rules: WHOLE,
    },
    Section {
        title: "Properties and headers",
        rules: ENVELOPE,
    },
    Section {
        title: "JSON",
        rules: JSON,
    },
    Section {
        title: "Schema",
        rules: SCHEMA_KEYWORDS,
    },
    Section {
        title: "Content",
        rules: CONTENT,
    },
    Section {
        title: "Cases and orders",
        rules: CASES,
    },
    Section {
        title: "Warnings",
        rules: WARNINGS,
    },
];

section! { WHOLE:
    MESSAGE_TYPE "type", "The routing key is a message type, an element is of its JSON type, a header is a text.",
        "routing key `postal.parcel`; `\"QuantityQuantity\": \"3\"`",
        "`carnet message list` names the types; the schema names the type of each element";
    SENDS "sends", "The system may send this type.",
        "`police.alert` from the post",
        "`sends` in the system's entry; `senders` in the type's message.toml";
    MAX_SIZE "max_size", "The body is at most as large as the type allows, and 1 MiB whatever it is.",
        "a `control.order` of 40 KiB",
        "send less in one message; `carnet message show TYPE` has the size";
    SIZE "size", "The message can be stored.",
        "elements by the hundred thousand",
        "send less in one message";
    UNIQUE "unique", "A `message_id` stands for one message.",
        "another body under an id that was used within the repeat window",
        "give each message an id of its own, and the same again only to its retry";
}

section! { ENVELOPE:
    MESSAGE_ID "message_id", "The property is set, to a text without control characters.",
        "no `message_id`",
        "set a unique id, the same again on a retry";
    USER_ID "user_id", "The property is not set, or names this system.",
        "`user_id` `guest`",
        "leave it out";
    CONTENT_TYPE "content_type", "The body is `application/json` in UTF-8.",
        "`text/xml`",
        "set `application/json`";
    CONTENT_ENCODING "content_encoding", "The body comes as it is, not compressed.",
        "`gzip`",
        "leave the property out";
    EXPIRATION "expiration", "The property is a number of milliseconds in decimal digits.",
        "`1.5`",
        "write whole milliseconds, or leave it out";
    ADDRESSED "addressed", "Header `to` is set where the type is addressed, and only there.",
        "an `inquiry.request` without `to`",
        "set it or leave it out; `carnet message show TYPE` says which";
    ADDRESS "address", "Each addressee is AGENCY/UNIT.",
        "`to: customs`",
        "write `customs/main`";
    PURPOSE "purpose", "Header `purpose` is one of the purposes of units.",
        "`purpose: customs`",
        "write one such as `customs-control`, or leave it out";
    HANDLING "handling", "Header `handling` is `none`, `same-purpose`, `ask-originator` or `no-onward`.",
        "`handling: secret`",
        "write one of them, or leave it out";
    SPELLING "spelling", "A header that is taken for `to`, `purpose`, `case`, `handling` or `justification` is written as that.",
        "`To`, `purpsoe`",
        "write it as the text says, or name it otherwise";
    RESERVED "reserved", "Headers that the broker writes are not set.",
        "`x-carnet-sender`, `CC`",
        "leave them out";
}

section! { JSON:
    UTF_8 "utf-8", "The body is UTF-8.",
        "a body in ISO 8859-1",
        "encode it as UTF-8";
    BOM "bom", "The body starts without a byte order mark.",
        "EF BB BF before `{`",
        "write UTF-8 without a mark";
    SYNTAX "syntax", "The body is JSON.",
        "`{'ID': 1,}`",
        "let a JSON library write it";
    TRAILING "trailing", "Nothing stands behind the value.",
        "`{} {}`",
        "one message a publish";
    DEPTH "depth", "Objects and arrays stand at most 64 deep in each other.",
        "`[[[…`",
        "write what the type describes";
    DUPLICATE_KEY "duplicate-key", "An object has each name once, however it is spelled.",
        "`{\"ID\": 1, \"\\u0049D\": 2}`",
        "leave one out: readers differ in which one counts";
    NUMBER "number", "A number has the same value in every reader.",
        "`9007199254740993`, `1e400`",
        "at most 15 digits; decimals of the catalogue are strings";
    SURROGATE "surrogate", "A character is whole.",
        "`\"\\ud800\"`",
        "escape both halves, or write the character itself";
}

section! { SCHEMA_KEYWORDS:
    ADDITIONAL_PROPERTIES "additionalProperties", "An object has the elements of its type alone.",
        "`\"Adress\": {…}`",
        "mend the name: the text has the nearest ones";
    REQUIRED "required", "An element that must be there is there.",
        "a party without `Address`",
        "add it; some are required only beside others, as a currency beside its amount";
    ENUM "enum", "The value is one of those listed.",
        "`\"NatureCode\": \"12\"`",
        "use one of them";
    CONST "const", "The value is the one that is named.",
        "another one",
        "use that one";
    PATTERN "pattern", "The text fits the pattern.",
        "`\"GrossMassMeasure\": \"1,9\"`",
        "write it as the pattern says";
    MIN_LENGTH "minLength", "The text has so many characters at least.",
        "an empty text",
        "fill it in, or leave the element out";
    MAX_LENGTH "maxLength", "The text has so many characters at most.",
        "a name of 80 characters where 70 are allowed",
        "shorten it";
    MIN_ITEMS "minItems", "The list has so many items at least.",
        "`\"GovernmentAgencyGoodsItem\": []`; a header `to` that names nobody",
        "add some, or leave the list out where it may be absent";
    MAX_ITEMS "maxItems", "The list has so many items at most.",
        "1,000 items; 257 addressees",
        "send them in several messages";
    UNIQUE_ITEMS "uniqueItems", "The list has each item once.",
        "`[\"drugs\", \"drugs\"]`",
        "leave one out";
    MIN_PROPERTIES "minProperties", "The object has so many elements at least.",
        "`\"Contact\": {}`",
        "fill it in, or leave it out";
    MAX_PROPERTIES "maxProperties", "The object has so many elements at most.",
        "both of what may stand alone",
        "leave some out";
    MINIMUM "minimum", "The number is at least so large.",
        "`\"SequenceNumeric\": 0`",
        "write a larger one";
    MAXIMUM "maximum", "The number is at most so large.",
        "`\"ScoreNumeric\": 101`",
        "write a smaller one";
    EXCLUSIVE_MINIMUM "exclusiveMinimum", "The number is larger.",
        "`0` where more than 0 is asked",
        "write a larger one";
    EXCLUSIVE_MAXIMUM "exclusiveMaximum", "The number is smaller.",
        "`100` where less than 100 is asked",
        "write a smaller one";
    MULTIPLE_OF "multipleOf", "The number is a multiple.",
        "`3` where tens are asked",
        "round it";
    ANY_OF "anyOf", "The object fits one of several forms, such as one of several elements that must be there.",
        "a `Location` with neither `ID` nor `Name`",
        "add one of those that the text names";
    ONE_OF "oneOf", "The object fits exactly one of several forms.",
        "two that exclude each other",
        "keep one of them";
    NOT "not", "The object is not of this form.",
        "an element beside another that excludes it",
        "leave it out";
    CONTAINS "contains", "The list has an item of this form.",
        "a list without it",
        "add it";
    SCHEMA "schema", "The body fits its schema.",
        "a `case.open` without `CaseID`",
        "`carnet message show TYPE` names the file";
}

section! { CONTENT:
    RANGE "range", "What policies read is a value that they can read: a number of 64 bits, a time from the year 0 to 9999-12-30T22:00:00Z.",
        "`\"ValidUntilDateTime\": \"9999-12-31T00:00:00Z\"`",
        "write an earlier end";
    TOKEN "token", "A reference quoted as a token is one that this unit was given.",
        "`ct1~…` of another unit",
        "quote it as it was delivered to you";
    UNMAPPED "unmapped", "Each element has a data category.",
        "an element that the schema takes and does not describe",
        "tell the type's owner";
}

section! { CASES:
    CASE "case", "A case's name is 1 to 35 capital letters, digits, `-` and `/` in a step, and up to 64 printable characters in a header; the step is its sender's to take. As a warning: the case quoted does not count.",
        "`case.close` by an agency that did not open it; a case that is closed",
        "look at what your unit opened and joined";
    CASE_OPEN "case-open", "A case is opened once.",
        "`case.open` again with other areas",
        "open another case, or publish the step as it was";
    CASE_CLOSED "case-closed", "A case that was closed stays so.",
        "`case.open` with the name of a closed case",
        "give it a new name";
    CASE_COUNT "case-count", "An agency has as many open cases as it may, and no more: the text says how many.",
        "one more",
        "close some";
    AREA "area", "An area is one of the risk areas.",
        "`\"Areas\": [\"tax\"]`",
        "`aml` `heritage` `drugs` `environment` `ipr` `revenue` `security`";
    AGENCY "agency", "An invited agency takes part, and is not the opener.",
        "`\"Invites\": [\"polcie\"]`",
        "`carnet agency list` names them";
    ORDER_COUNT "order-count", "An agency has as many open orders as it may, in all and on one subject: the text says how many.",
        "one more",
        "report or withdraw some";
}

section! { WARNINGS:
    DROPPED "dropped", "A header that Carnet does not know is dropped.",
        "`foo: 1`",
        "nothing; or leave it out";
    UNKNOWN "unknown", "A `correlation_id` is the `message_id` of a delivery to this unit.",
        "the asker's own id",
        "quote the delivery's `message_id`";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::message::identifier::FORMATS;

    fn all() -> impl Iterator<Item = Rule> {
        let listed = SECTIONS
            .iter()
            .flat_map(|section| section.rules.iter().copied());
        listed.chain(FORMATS.iter().map(Rule::of))
    }

    #[test]
    fn each_name_is_one_rule_with_all_that_is_to_be_said_of_it() {
        let mut names = BTreeSet::new();
        for rule in all() {
            assert!(names.insert(rule.name), "{} is there twice", rule.name);
            assert_eq!(Rule::named(rule.name), Some(rule));
            for said in [rule.means, rule.example, rule.cure] {
                let is_cell = !said.is_empty() && !said.contains(['|', '\n']);
                assert!(is_cell, "{}: {said:?}", rule.name);
            }
        }
        for format in FORMATS {
            let (right, wrong) = (format.example, format.slip);
            assert_eq!(format.fault_of(right), None, "{}", format.name);
            assert!(format.fault_of(wrong).is_some(), "{}", format.name);
        }
    }
}
