//! The board's words: kinds of agency, purposes, risk areas and clearances, each with its title.
//!
//! They are tables of `policies/board.toml`, so that an exchange takes in a veterinary agency without
//! a change of the product. Each vocabulary is an `enum` entity of the schema: a misspelt word in a
//! policy is a fault of validation and not a rule that never holds. A table that the file does not
//! have holds the words that releases had in their code before there were such tables.

use std::fmt;

use crate::agency::board::BOARD_PATH;
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::Purpose;
use crate::message::strict::{self, Table};

/// Words of one table, at most: a condition over them is tried with each.
const WORDS_MAX: usize = 200;

/// The words of one table with their titles, at most 200, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(Vec<Term>);

/// A word of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The word, as policies and messages write it.
    pub word: String,
    /// What it stands for, for people.
    pub title: String,
}

impl Terms {
    fn of(words: &[(&str, &str)]) -> Self {
        let term = |word: &str, title: &str| Term {
            word: word.to_owned(),
            title: title.to_owned(),
        };
        Self(words.iter().map(|it| term(it.0, it.1)).collect())
    }

    /// Whether this is one of them.
    pub fn has(&self, word: &str) -> bool {
        self.words().any(|known| known == word)
    }

    /// The words, in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|term| term.word.as_str())
    }

    /// The words with their titles, in order.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// The words, with commas between them.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(", "))
    }
}

/// All words that are the board's to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Kinds of agency: which may send a message type.
    pub kinds: Terms,
    /// Purposes for which a unit may receive.
    pub purposes: Terms,
    /// Risk areas of messages and cases.
    pub areas: Terms,
    /// Clearances of units.
    pub clearances: Terms,
}

/// The words of releases that had them in their code.
impl Default for Vocabulary {
    fn default() -> Self {
        Self {
            kinds: Terms::of(&KINDS),
            purposes: Terms::of(&PURPOSES),
            areas: Terms::of(&AREAS),
            clearances: Terms::of(&CLEARANCES),
        }
    }
}

const KINDS: [(&str, &str); 5] = [
    ("customs", "Customs"),
    ("police", "Police and border guard"),
    ("environment", "Environmental authority"),
    ("post", "Postal operator"),
    ("oversight", "Oversight body"),
];
const PURPOSES: [(&str, &str); 7] = [
    ("customs-control", "Customs control"),
    ("law-enforcement", "Law enforcement"),
    ("environment-protection", "Protection of the environment"),
    ("postal-security", "Security of the mail"),
    ("statistics", "Statistics"),
    (
        "mutual-assistance",
        "Mutual assistance between administrations",
    ),
    ("integrity", "Integrity of the service"),
];
const AREAS: [(&str, &str); 7] = [
    ("aml", "Money laundering and cash"),
    ("heritage", "Cultural heritage"),
    ("drugs", "Drugs and precursors"),
    (
        "environment",
        "Protected species, waste and ozone depleting substances",
    ),
    ("ipr", "Intellectual property rights"),
    ("revenue", "Duties and taxes"),
    ("security", "Security and safety"),
];
const CLEARANCES: [(&str, &str); 3] = [
    (
        "special",
        "Special categories of personal data, and convictions",
    ),
    ("controlled-delivery", "Controlled deliveries"),
    ("integrity", "Inquiries within the own service"),
];

impl Vocabulary {
    /// Reads `[vocabulary.*]` of the bundle's board; a file that is missing is told by its own reader.
    ///
    /// # Errors
    /// All faults of these tables.
    pub fn read(bundle: &Bundle) -> Result<Self, Vec<Fault>> {
        let Ok(text) = bundle.text(BOARD_PATH) else {
            return Ok(Self::default());
        };
        strict::read_part(BOARD_PATH, text, |root| {
            let given = root.at("vocabulary").table(|table| {
                Some(Self {
                    kinds: terms(table, "kind", &KINDS),
                    purposes: terms(table, "purpose", &PURPOSES),
                    areas: terms(table, "area", &AREAS),
                    clearances: terms(table, "clearance", &CLEARANCES),
                })
            });
            Some(given.unwrap_or_default())
        })
    }

    /// The words of an `enum` entity of the schema, such as `Purpose`.
    pub fn of_entity(&self, entity: &str) -> Option<&Terms> {
        match entity {
            "Kind" => Some(&self.kinds),
            "Purpose" => Some(&self.purposes),
            "Area" => Some(&self.areas),
            "Clearance" => Some(&self.clearances),
            _ => None,
        }
    }
}

fn terms(vocabulary: &Table<'_>, key: &'static str, built_in: &[(&str, &str)]) -> Terms {
    let given = vocabulary.at(key);
    let read = given.table(|table| {
        let mut entries: Vec<_> = table.entries().collect();
        entries.sort_by_key(|entry| entry.spot.offset());
        if entries.is_empty() {
            let cure = "name one, or leave the table out";
            table.spot.fault(format!("has no {key}"), cure);
        }
        if let Some(over) = entries.get(WORDS_MAX) {
            let says = format!("has more than {WORDS_MAX} words");
            over.spot.fault(says, "take out those that nothing uses");
        }
        let terms = entries.iter().filter_map(|entry| {
            let title = entry.parse::<String>();
            if entry.key.parse::<Purpose>().is_err() {
                let says = format!("{:?} is no word of a vocabulary", entry.key);
                let cure = "lower case letters, digits and hyphens, a letter first, at most 48";
                entry.spot.fault(says, cure);
            }
            if title.as_deref().is_some_and(|it| it.trim().is_empty()) {
                let says = format!("{} has no title", entry.key);
                entry.spot.fault(says, "say what it stands for");
            }
            Some(Term {
                word: entry.key.to_owned(),
                title: title?,
            })
        });
        Some(Terms(terms.collect()))
    });
    read.unwrap_or_else(|| Terms::of(built_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vocabulary, Vec<Fault>> {
        let mut bundle = Bundle::default();
        bundle.insert(BOARD_PATH, text);
        Vocabulary::read(&bundle)
    }

    #[test]
    fn a_table_has_the_words_of_its_author_in_their_order_and_one_that_is_absent_those_of_old() {
        let text = "[board]\nquorum = 1\n[vocabulary.kind]\nveterinary = \"Food inspection\"\n\
                    customs = \"Customs\"\n";
        let read = read(text).unwrap();
        let words: Vec<&str> = read.kinds.words().collect();
        assert_eq!(words, ["veterinary", "customs"]);
        assert_eq!(read.kinds.terms()[0].title, "Food inspection");
        assert_eq!(read.purposes, Vocabulary::default().purposes);
    }

    #[test]
    fn a_word_that_cannot_be_one_and_a_title_that_says_nothing_are_told_at_their_lines() {
        let found = read(
            "[vocabulary.kind]\n\"Vet Agency\" = \"x\"\nvets = \" \"\ncustoms = 1\n\
             [vocabulary.area]\n[vocabulary.colour]\nred = \"Red\"\n",
        );
        let found: Vec<String> = found.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "policies/board.toml:2: \"Vet Agency\" is no word of a vocabulary; lower case \
                 letters, digits and hyphens, a letter first, at most 48",
                "policies/board.toml:3: vets has no title; say what it stands for",
                "policies/board.toml:4: customs holds a wrong integer; write a text",
                "policies/board.toml:5: has no area; name one, or leave the table out",
                "policies/board.toml:6: \"colour\" is no key of [vocabulary]; remove it; known \
                 here: kind, purpose, area, clearance",
            ]
        );
    }
}
