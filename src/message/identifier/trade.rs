//! Identifiers of traders, declarations, permits and goods.

use super::layout::{
    CAPITALS, CAPITALS_OR_DIGITS, DIGIT_OR_F, DIGITS, PLACE_LETTERS, Part, SLASH, all, digits,
    has_check_digit, has_country, is_capital_or_digit,
};
use super::transport::iso_6346_check;

/// First year (last two digits) in which place 17 is the procedure's letter.
const PROCEDURE_LETTER_SINCE: u32 = 24;

pub(super) const MRN: &[Part] = &[
    Part("year", 2, DIGITS),
    Part("country", 2, CAPITALS),
    Part("number", 12, CAPITALS_OR_DIGITS),
    Part("procedure", 1, CAPITALS_OR_DIGITS),
    Part("check digit", 1, DIGIT_OR_F),
];

/// Country, procedure letter, check digit. A transit declaration made while systems were down may
/// print `F` for the digit.
pub(super) fn mrn(text: &str) -> Result<(), String> {
    has_country(text, 2)?;
    let year = digits(text)
        .take(2)
        .fold(0, |year, digit| year * 10 + digit);
    let mut end = text.chars().skip(16);
    let (procedure, check) = (end.next().unwrap_or_default(), end.next());
    if year >= PROCEDURE_LETTER_SINCE && !procedure.is_ascii_uppercase() {
        return Err("its procedure (character 17) must be a letter since 2024".to_owned());
    }
    if check == Some('F') && matches!(procedure, 'J' | 'K' | 'L' | 'M') {
        return Ok(());
    }
    has_check_digit(text, 17, iso_6346_check(text.get(..17).unwrap_or_default()))
}

pub(super) fn ucr_shape(text: &str) -> bool {
    let Some((head, reference)) = text.split_once('-') else {
        return false;
    };
    let is_right = |(at, b): (usize, u8)| match at {
        0 => b.is_ascii_digit(),
        1..3 => b.is_ascii_uppercase(),
        _ => is_capital_or_digit(b),
    };
    text.len() <= 35
        && head.len() > 3
        && head.bytes().enumerate().all(is_right)
        && all(reference, 1..=35, |b| {
            b.is_ascii_graphic() && !b.is_ascii_lowercase()
        })
}

pub(super) fn ucr(text: &str) -> Result<(), String> {
    has_country(text, 1)
}

pub(super) fn eori_shape(text: &str) -> bool {
    all(text, 3..=17, is_capital_or_digit) && text.bytes().take(2).all(|b| b.is_ascii_uppercase())
}

pub(super) fn eori(text: &str) -> Result<(), String> {
    has_country(text, 0)
}

pub(super) fn aeo(text: &str) -> bool {
    all(text, 1..=17, is_capital_or_digit)
}

pub(super) fn lrn(text: &str) -> bool {
    all(text, 1..=22, |b| matches!(b, b' '..=b'~')) && text.trim() == text
}

/// 6 digits are international, 8 and 10 national. Chapter 77 is reserved; 98 and 99 are national.
pub(super) fn hs(text: &str) -> bool {
    matches!(text.len(), 6 | 8 | 10) && begins_with_chapter(text)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "of other formats there is not always more to say"
)]
pub(super) fn hs_wrong(text: &str) -> Option<String> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Some("has other characters than digits".to_owned());
    }
    match text.len() {
        6 | 8 | 10 => {
            let says = "its chapter (characters 1 and 2) must be from 01 to 99 and not 77";
            Some(says.to_owned())
        }
        count => Some(format!("has {count} digits, and must have 6, 8 or 10")),
    }
}

/// Whether codes can begin so: a chapter, a heading or a subheading, which policies compare with.
pub(crate) fn is_hs_prefix(text: &str) -> bool {
    matches!(text.len(), 2 | 4 | 6) && begins_with_chapter(text)
}

fn begins_with_chapter(code: &str) -> bool {
    let chapter = digits(code)
        .take(2)
        .fold(0, |chapter, digit| chapter * 10 + digit);
    code.bytes().all(|b| b.is_ascii_digit()) && (1..=99).contains(&chapter) && chapter != 77
}

/// How many decimals its currency allows is judged beside a `CurrencyCode`.
pub(super) fn amount(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digit = |b: u8| b.is_ascii_digit();
    all(whole, 1..=16, is_digit)
        && all(decimals, 1..=4, is_digit)
        && (whole == "0" || !whole.starts_with('0'))
}

pub(super) fn amount_wrong(text: &str) -> Option<String> {
    let says = match text.split_once('.') {
        _ if text.contains(',') => "has a comma; write a point",
        _ if text.starts_with('-') => "is negative",
        Some((_, decimals)) if decimals.len() > 4 => "has more than 4 decimals",
        _ => return None,
    };
    Some(says.to_owned())
}

pub(super) const UN_LOCODE: &[Part] = &[
    Part("country", 2, CAPITALS),
    Part("place", 3, PLACE_LETTERS),
];

pub(super) fn un_locode(text: &str) -> Result<(), String> {
    has_country(text, 0)
}

pub(super) fn cites_permit_shape(text: &str) -> bool {
    all(text, 1..=70, |b| matches!(b, b' '..=b'~')) && !text.trim().is_empty()
}

pub(super) fn cites_permit(text: &str) -> Result<(), String> {
    const PARTS: &[Part] = &[
        Part("year", 2, DIGITS),
        Part("country", 2, CAPITALS),
        Part("number", 6, DIGITS),
        Part("slash", 1, SLASH),
        Part("last part", 2, CAPITALS_OR_DIGITS),
    ];
    match super::layout::wrong(text, PARTS) {
        Some(says) => Err(says),
        None => has_country(text, 2),
    }
}
