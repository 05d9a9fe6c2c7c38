//! Measures in force: what officers have declared of their own agency without a change of any rule. How
//! far its systems work, which policies read, and permits of its own that give nothing.
//!
//! A measure whose time is over binds nothing, whether the record of its end has come or not.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::words::{LEVELS, PolicyId};
use crate::message::id::BadName;
use crate::message::time::Timestamp;

/// The measures of one agency that hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measures {
    /// How far its systems work; none where they all do.
    pub level: Option<Until<Level>>,
    /// Its permits that are suspended.
    pub suspended: Vec<Until<Permits>>,
}

/// How far an agency's own systems work, declared by two of its officers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All systems work.
    #[default]
    Normal,
    /// Some work slowly or in part.
    Degraded,
    /// Fallback procedures are in force.
    Fallback,
    /// Nothing works.
    Closed,
}

impl Level {
    /// The word in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Degraded => "degraded",
            Self::Fallback => "fallback",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for Level {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let all = [Self::Normal, Self::Degraded, Self::Fallback, Self::Closed];
        debug_assert!(
            all.iter()
                .zip(LEVELS)
                .all(|(level, word)| level.name() == word)
        );
        all.into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| BadName::new(text, "normal, degraded, fallback or closed"))
    }
}

/// Permits of one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permits {
    /// Each that it has, and will have.
    All,
    /// Each that has one of these ids.
    Named(BTreeSet<PolicyId>),
}

/// A value that holds until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until<T> {
    /// The value.
    pub value: T,
    /// The first instant at which it does not hold; none where a later record says so.
    pub end: Option<Timestamp>,
}

impl<T> Until<T> {
    fn at(&self, now: Timestamp) -> Option<&T> {
        let holds = self.end.is_none_or(|end| now < end);
        holds.then_some(&self.value)
    }
}

impl Permits {
    /// Whether this permit is one of them.
    pub fn has(&self, permit: &PolicyId) -> bool {
        match self {
            Self::All => true,
            Self::Named(named) => named.contains(permit),
        }
    }
}

impl Measures {
    /// How far the agency's systems work at `now`.
    pub fn level(&self, now: Timestamp) -> Level {
        let level = self.level.as_ref().and_then(|level| level.at(now));
        level.copied().unwrap_or_default()
    }

    /// Whether this permit of the agency gives nothing at `now`.
    pub fn suspends(&self, permit: &PolicyId, now: Timestamp) -> bool {
        let mut suspended = self.suspended.iter().filter_map(|it| it.at(now));
        suspended.any(|permits| permits.has(permit))
    }

    /// When the first of those that hold at `now` ends by time alone.
    pub fn first_end(&self, now: Timestamp) -> Option<Timestamp> {
        let level = self.level.iter().filter_map(|it| it.end);
        let ends = level.chain(self.suspended.iter().filter_map(|it| it.end));
        ends.filter(|end| now < *end).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_measure_holds_up_to_its_end_whether_that_is_on_record_or_not() {
        let [orchids, other] = ["orchids", "other"].map(|id| id.parse().unwrap());
        let named = Permits::Named(BTreeSet::from([orchids]));
        let measures = Measures {
            level: Some(Until {
                value: Level::Fallback,
                end: Some(at(10)),
            }),
            suspended: vec![
                Until {
                    value: named,
                    end: None,
                },
                Until {
                    value: Permits::All,
                    end: Some(at(20)),
                },
            ],
        };
        let orchids = "orchids".parse().unwrap();
        let stands = [9, 10, 19, 20].map(|ms| {
            let now = at(ms);
            let suspended = [&orchids, &other].map(|permit| measures.suspends(permit, now));
            (measures.level(now), suspended, measures.first_end(now))
        });
        let expected = [
            (Level::Fallback, [true, true], Some(at(10))),
            (Level::Normal, [true, true], Some(at(20))),
            (Level::Normal, [true, true], Some(at(20))),
            (Level::Normal, [true, false], None),
        ];
        assert_eq!(stands, expected);
        assert_eq!(Measures::default().level(at(0)), Level::Normal);
    }

    #[test]
    fn every_level_has_the_word_that_the_schema_lists() {
        for word in LEVELS {
            assert_eq!(word.parse::<Level>().unwrap().name(), word);
        }
        assert!("open".parse::<Level>().is_err());
    }
}
