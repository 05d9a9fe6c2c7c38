//! What is wrong with a message: all of it that can be told at once, each with place, rule and text.
//!
//! Place and rule hold no value of the message and no name that its sender made up: they stand in
//! evidence in clear. The text is its sender's alone, in the return and the receipt: it may name an
//! element as the sender spelled it, or the check digit that its number would have.

use super::rule::Rule;

/// Octets of a place that is told and recorded, at most. A longer one is cut and ends in `…`: a type
/// may have long names.
const PLACE_BYTES: usize = 256;
/// Octets of a text, at most. A longer one is cut and ends in `…`.
const TEXT_BYTES: usize = 512;
/// Faults of one message that are told, at most: what is wrong in each of a thousand items is said
/// often enough.
pub(crate) const FAULTS_MAX: usize = 32;

/// The part of a message that an [`Invalid`] is about; decides the reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKind {
    /// The routing key is no type of the catalogue.
    UnknownType,
    /// A property, a header or the size.
    Envelope,
    /// The body.
    Content,
}

/// One fault of a message that is rejected before any ruling. Its `Debug` and `Display` are
/// for its sender, not for logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {says} ({rule})", if place.is_empty() { "the message" } else { place })]
pub struct Invalid {
    /// What it is about.
    pub kind: InvalidKind,
    /// Where: a JSON pointer (empty is the whole body), `property NAME` or `header NAME`; the
    /// constructors cut it to 256 octets.
    pub place: String,
    /// The rule: a name of [`super::rule`], of a format, or of a code list (`code:NAME`).
    pub rule: String,
    /// What is wrong there, for the sender alone.
    pub says: String,
}

impl Invalid {
    /// One of the body.
    pub fn content(place: impl Into<String>, rule: &Rule, says: impl Into<String>) -> Self {
        Self::new(InvalidKind::Content, place.into(), rule.name, says.into())
    }

    /// One of the body that is not in a code list.
    pub(super) fn code(place: String, list: &str, says: String) -> Self {
        Self::new(InvalidKind::Content, place, list, says)
    }

    /// One of a property, a header or the size.
    pub fn envelope(place: impl Into<String>, rule: &Rule, says: impl Into<String>) -> Self {
        Self::new(InvalidKind::Envelope, place.into(), rule.name, says.into())
    }

    fn new(kind: InvalidKind, place: String, rule: &str, says: String) -> Self {
        Self {
            kind,
            place: cut(place, PLACE_BYTES),
            rule: rule.to_owned(),
            says: cut(says, TEXT_BYTES),
        }
    }
}

/// All faults of a message that are told: one at least, in the order in which they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The first.
    pub first: Invalid,
    /// The others, each another.
    pub others: Vec<Invalid>,
    /// How many more there are.
    pub untold: usize,
}

impl Faults {
    /// They, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Invalid> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn add(&mut self, invalid: Invalid) {
        if self.iter().any(|known| *known == invalid) {
            return;
        }
        if self.others.len() + 1 < FAULTS_MAX {
            self.others.push(invalid);
        } else {
            self.untold += 1;
        }
    }

    /// With those of another part of the same message.
    pub(super) fn and(mut self, more: Self) -> Self {
        let untold = more.untold;
        for invalid in std::iter::once(more.first).chain(more.others) {
            self.add(invalid);
        }
        self.untold += untold;
        self
    }

    /// How many there are, the untold ones too.
    pub fn count(&self) -> usize {
        1 + self.others.len() + self.untold
    }
}

impl From<Invalid> for Faults {
    fn from(first: Invalid) -> Self {
        Self {
            first,
            others: Vec::new(),
            untold: 0,
        }
    }
}

/// Faults as they are found.
#[derive(Debug, Default)]
pub(super) struct Found {
    faults: Option<Faults>,
}

impl Found {
    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.faults.is_none()
    }

    /// Whether one at this place was found.
    pub(super) fn has(&self, place: &str) -> bool {
        let mut all = self.faults.iter().flat_map(Faults::iter);
        all.any(|known| known.place == place)
    }

    /// Takes one; what was found already is the same fault.
    pub(super) fn add(&mut self, invalid: Invalid) {
        match &mut self.faults {
            Some(faults) => faults.add(invalid),
            None => self.faults = Some(invalid.into()),
        }
    }

    /// The value, where no fault was found.
    pub(super) fn or<T>(self, value: T) -> Result<T, Faults> {
        self.faults.map_or(Ok(value), Err)
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    const MARK: char = '…';
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - MARK.len_utf8()));
        text.push(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::rule;

    #[test]
    fn a_place_is_cut_at_a_letter_and_says_that_it_is() {
        for lead in 0..4 {
            let place = format!("/{}{}", "a".repeat(lead), "é€𝄞".repeat(200));
            let invalid = Invalid::content(place.clone(), &rule::SCHEMA, "");
            assert!(
                invalid.place.len() <= PLACE_BYTES,
                "{}",
                invalid.place.len()
            );
            let kept = invalid.place.strip_suffix('…').unwrap();
            assert!(kept.len() > PLACE_BYTES - 8 && place.starts_with(kept));
        }
        let whole = "/".repeat(PLACE_BYTES);
        let invalid = Invalid::envelope(whole.clone(), &rule::SCHEMA, "");
        assert_eq!(invalid.place, whole);
    }

    #[test]
    fn each_fault_is_told_once_and_those_beyond_the_limit_are_counted() {
        let mut found = Found::default();
        for _ in 0..2 {
            for item in 0..40 {
                let place = format!("/{item}");
                found.add(Invalid::content(place, &rule::RANGE, "is too large"));
            }
        }
        let faults = found.or(()).unwrap_err();
        assert_eq!(faults.iter().count(), FAULTS_MAX);
        assert!(faults.count() >= 40 && faults.first.place == "/0");
    }
}
