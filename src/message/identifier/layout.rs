//! Identifiers of a fixed length, part by part: what holds, and which part does not; the tests that
//! several identifiers share.

use super::country::country;

/// Characters that a part may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    has: fn(u8) -> bool,
    says: &'static str,
}

pub(super) const CAPITALS: Class = Class {
    has: |b| b.is_ascii_uppercase(),
    says: "capital letters",
};
pub(super) const DIGITS: Class = Class {
    has: |b| b.is_ascii_digit(),
    says: "digits",
};
pub(super) const CAPITALS_OR_DIGITS: Class = Class {
    has: is_capital_or_digit,
    says: "capital letters or digits",
};
pub(super) const U_J_OR_Z: Class = Class {
    has: |b| matches!(b, b'U' | b'J' | b'Z'),
    says: "U, J or Z",
};
pub(super) const DIGIT_OR_F: Class = Class {
    has: |b| b.is_ascii_digit() || b == b'F',
    says: "a digit or F",
};
pub(super) const SLASH: Class = Class {
    has: |b| b == b'/',
    says: "/",
};
pub(super) const PLACE_LETTERS: Class = Class {
    has: |b| b.is_ascii_uppercase() || matches!(b, b'2'..=b'9'),
    says: "of A to Z and 2 to 9",
};

/// A part: what it is, how many characters it has, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part(pub(super) &'static str, pub(super) usize, pub(super) Class);

/// Whether `text` has these parts and nothing else.
pub(super) fn fits(text: &str, parts: &[Part]) -> bool {
    text.len() == length(parts) && broken(text, parts).is_none()
}

/// What of `text` does not fit.
pub(super) fn wrong(text: &str, parts: &[Part]) -> Option<String> {
    let (count, wanted) = (text.chars().count(), length(parts));
    if count != wanted {
        return Some(format!("has {count} characters, and must have {wanted}"));
    }
    let (Part(what, length, class), from) = broken(text, parts)?;
    let at = at(from, *length);
    Some(format!("its {what} ({at}) must be {}", class.says))
}

/// Where a part stands, in characters from 1 on.
pub(super) fn at(from: usize, length: usize) -> String {
    match length {
        1 => format!("character {}", from + 1),
        2 => format!("characters {} and {}", from + 1, from + 2),
        _ => format!("characters {} to {}", from + 1, from + length),
    }
}

fn length(parts: &[Part]) -> usize {
    parts.iter().map(|Part(_, length, _)| length).sum()
}

/// The first part that has other characters than it may, and where it begins.
fn broken<'p>(text: &str, parts: &'p [Part]) -> Option<(&'p Part, usize)> {
    let mut bytes = text.bytes();
    let mut from = 0;
    for part in parts {
        let Part(_, length, class) = part;
        // All of them: the next part begins behind it.
        let count = bytes
            .by_ref()
            .take(*length)
            .filter(|b| (class.has)(*b))
            .count();
        if count < *length {
            return Some((part, from));
        }
        from += length;
    }
    None
}

/// Whether `text` is `length` characters of those that `allowed` takes.
pub(super) fn all(
    text: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: fn(u8) -> bool,
) -> bool {
    length.contains(&text.len()) && text.bytes().all(allowed)
}

pub(super) fn is_capital_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// The check digit at `from` is the expected one.
pub(super) fn has_check_digit(text: &str, from: usize, expected: u32) -> Result<(), String> {
    let found = text.chars().nth(from).and_then(|c| c.to_digit(10));
    if found == Some(expected) {
        return Ok(());
    }
    let at = at(from, 1);
    Err(format!("its check digit ({at}) must be {expected}"))
}

/// The two letters at `from` are a country.
pub(super) fn has_country(text: &str, from: usize) -> Result<(), String> {
    if text.get(from..from + 2).is_some_and(country) {
        return Ok(());
    }
    let at = at(from, 2);
    Err(format!("its country ({at}) is no country code"))
}

/// The digits of `text` as numbers; others are left out.
pub(super) fn digits(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.chars().filter_map(|c| c.to_digit(10))
}
