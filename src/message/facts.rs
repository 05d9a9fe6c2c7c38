//! Facts: what policies may read of a message, and nothing else of it.

use std::collections::BTreeSet;

use super::id::{BadName, Category};
use super::time::Timestamp;

/// How a fact is made from the elements at its place (`as` in message.toml).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactKind {
    /// `hs-prefixes`: the 2, 4 and 6 digit prefixes of every commodity code. Cedar: `Set<String>`.
    HsPrefixes,
    /// `areas`: the risk areas named. Cedar: `Set<Area>`.
    Areas,
    /// `integer`: the largest integer found; 0 where there is none. Cedar: `Long`.
    Integer,
    /// `present`: whether any element stands there. Cedar: `Bool`.
    Present,
    /// `time`: the earliest time found; 1970 where there is none. Cedar: `datetime`.
    Time,
    /// `equals:VALUE`: whether any element there is this text. Cedar: `Bool`.
    Equals(String),
}

impl std::str::FromStr for FactKind {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "hs-prefixes" => Ok(Self::HsPrefixes),
            "areas" => Ok(Self::Areas),
            "integer" => Ok(Self::Integer),
            "present" => Ok(Self::Present),
            "time" => Ok(Self::Time),
            _ => match text.strip_prefix("equals:") {
                Some(value) if !value.is_empty() => Ok(Self::Equals(value.to_owned())),
                _ => Err(BadName::new(
                    text,
                    "hs-prefixes, areas, integer, present, time or equals:VALUE",
                )),
            },
        }
    }
}

/// One fact of a message type (`[facts.NAME]` in message.toml).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRule {
    /// The attribute's name in policies.
    pub name: String,
    /// Where the elements stand: a JSON pointer in which `*` is every item of an array. A list
    /// where several places count as one.
    pub at: Vec<String>,
    /// What is made of them.
    pub kind: FactKind,
    /// The data category that a reader must be given to be told a condition on this fact.
    pub category: Category,
    /// Of an [`FactKind::Integer`]: the least and the largest that the schema allows there.
    pub range: (i64, i64),
}

/// A fact's value in one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactValue {
    /// A set of strings (`hs-prefixes`).
    Strings(BTreeSet<String>),
    /// A set of areas.
    Areas(BTreeSet<String>),
    /// An integer.
    Long(i64),
    /// True or false.
    Bool(bool),
    /// A time.
    Time(Timestamp),
}

/// A message's facts by name. A fact of the catalogue that this type does not have is absent here
/// and counts as its kind's empty value.
pub type Facts = std::collections::BTreeMap<String, FactValue>;

/// A fact in the making: what has been found of it so far.
#[derive(Debug)]
pub(super) struct Gathered {
    kind: FactKind,
    value: FactValue,
    is_found: bool,
}

impl Gathered {
    /// Of nothing yet: the kind's empty value.
    pub(super) fn new(kind: &FactKind) -> Self {
        let value = match kind {
            FactKind::HsPrefixes => FactValue::Strings(BTreeSet::new()),
            FactKind::Areas => FactValue::Areas(BTreeSet::new()),
            FactKind::Integer => FactValue::Long(0),
            FactKind::Present | FactKind::Equals(_) => FactValue::Bool(false),
            FactKind::Time => FactValue::Time(Timestamp::default()),
        };
        Self {
            kind: kind.clone(),
            value,
            is_found: false,
        }
    }

    /// Takes one element that stands at the fact's place: its text, or its spelling where it is no
    /// string. What the fact cannot hold is an error, to end the sentence "is ...": no rule ever reads
    /// another value than the one that was sent.
    pub(super) fn take(&mut self, text: &str) -> Result<(), &'static str> {
        let is_first = !self.is_found;
        match (&self.kind, &mut self.value) {
            (FactKind::Equals(expected), FactValue::Bool(value)) => *value |= text == expected,
            (_, FactValue::Bool(value)) => *value = true,
            (_, FactValue::Strings(set)) => {
                let prefixes = [2, 4, 6]
                    .into_iter()
                    .filter_map(|length| text.get(..length));
                set.extend(prefixes.map(str::to_owned));
            }
            (_, FactValue::Areas(set)) => {
                set.insert(text.to_owned());
            }
            (_, FactValue::Long(largest)) => {
                let found =
                    integer(text).ok_or("a number beyond 64 bits, which no rule can read")?;
                *largest = if is_first { found } else { found.max(*largest) };
            }
            (_, FactValue::Time(earliest)) => {
                let found = time(text).ok_or(
                    "a time that no rule can read: write one from 0000-01-01 to 9999-12-30T22:00:00Z",
                )?;
                *earliest = if is_first {
                    found
                } else {
                    found.min(*earliest)
                };
            }
        }
        self.is_found = true;
        Ok(())
    }

    /// The value.
    pub(super) fn value(self) -> FactValue {
        self.value
    }
}

/// JSON Schema takes `70.0` and `7e1` for the integer that they are.
fn integer(text: &str) -> Option<i64> {
    text.parse()
        .ok()
        .or_else(|| format!("{:.0}", text.parse::<f64>().ok()?).parse().ok())
}

/// A time, or the first moment of a day in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let whole_day = || Timestamp::from_rfc3339(&format!("{text}T00:00:00Z"));
    Timestamp::from_rfc3339(text).or_else(whole_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(kind: &str, texts: &[&str]) -> FactValue {
        let mut gathered = Gathered::new(&kind.parse().unwrap());
        for text in texts {
            gathered.take(text).unwrap();
        }
        gathered.value()
    }

    #[test]
    fn what_a_fact_cannot_hold_is_no_fact_and_never_another_value() {
        for (kind, text) in [
            ("integer", "1e300"),
            ("integer", "-1e19"),
            ("time", "9999-12-30T22:00:00.001Z"),
            ("time", "9999-12-31"),
            ("time", "0000-01-01T00:00:00+01:00"),
        ] {
            let mut gathered = Gathered::new(&kind.parse().unwrap());
            assert!(gathered.take(text).is_err(), "{kind} {text}");
        }
        for (text, ms) in [("1969-12-31T23:59:59Z", -1000), ("1970-01-01", 0)] {
            let time = FactValue::Time(Timestamp::from_millis(ms));
            assert_eq!(gathered("time", &[text]), time);
        }
    }

    #[test]
    fn each_kind_makes_its_own_value_of_what_is_found() {
        let set = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let found = gathered("hs-prefixes", &["39264000", "960110"]);
        assert_eq!(
            found,
            FactValue::Strings(set(&["39", "3926", "392640", "96", "9601", "960110"]))
        );
        assert_eq!(
            gathered("areas", &["drugs"]),
            FactValue::Areas(set(&["drugs"]))
        );
        assert_eq!(
            gathered("integer", &["-7", "-70", "-9"]),
            FactValue::Long(-7)
        );
        assert_eq!(gathered("integer", &["70.0", "7"]), FactValue::Long(70));
        assert_eq!(gathered("present", &["{}"]), FactValue::Bool(true));
        assert_eq!(gathered("equals:a", &["a", "b"]), FactValue::Bool(true));
        assert_eq!(gathered("equals:a", &["b"]), FactValue::Bool(false));
        let earliest = gathered("time", &["2026-03-18", "2026-03-17T23:00:00-02:00"]);
        assert_eq!(
            earliest,
            FactValue::Time(Timestamp::from_rfc3339("2026-03-18T00:00:00Z").unwrap())
        );
    }

    #[test]
    fn what_is_not_there_is_empty() {
        assert_eq!(
            gathered("hs-prefixes", &[]),
            FactValue::Strings(BTreeSet::new())
        );
        assert_eq!(gathered("integer", &[]), FactValue::Long(0));
        assert_eq!(
            gathered("time", &[]),
            FactValue::Time(Timestamp::from_millis(0))
        );
        assert_eq!(gathered("present", &[]), FactValue::Bool(false));
    }
}
