//! Identifiers of traders, declarations, permits and goods.

use super::country::country;
use super::transport::iso_6346_check;
use super::{all, digits, is_capital_or_digit};

/// First year (last two digits) in which place 17 is the procedure's letter.
const PROCEDURE_LETTER_SINCE: u32 = 24;

pub(super) fn mrn_shape(text: &str) -> bool {
    let is_right = |(at, b): (usize, u8)| match at {
        0..2 => b.is_ascii_digit(),
        2..4 => b.is_ascii_uppercase(),
        17 => b.is_ascii_digit() || b == b'F',
        _ => is_capital_or_digit(b),
    };
    text.len() == 18 && text.bytes().enumerate().all(is_right)
}

/// Country, procedure letter, check digit. A transit declaration made while systems were down may
/// print `F` for the digit.
pub(super) fn mrn(text: &str) -> bool {
    let parts = text.get(..2).zip(text.get(2..4)).zip(text.get(..17));
    let Some(((year, of), body)) = parts else {
        return false;
    };
    let procedure = body.chars().last().unwrap_or_default();
    let has_procedure = year
        .parse()
        .is_ok_and(|year: u32| year < PROCEDURE_LETTER_SINCE)
        || procedure.is_ascii_uppercase();
    let is_checked = match text.chars().last() {
        Some('F') => matches!(procedure, 'J' | 'K' | 'L' | 'M'),
        Some(check) => check.to_digit(10) == Some(iso_6346_check(body)),
        None => false,
    };
    country(of) && has_procedure && is_checked
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

pub(super) fn ucr(text: &str) -> bool {
    text.get(1..3).is_some_and(country)
}

pub(super) fn eori_shape(text: &str) -> bool {
    all(text, 3..=17, is_capital_or_digit) && text.bytes().take(2).all(|b| b.is_ascii_uppercase())
}

pub(super) fn eori(text: &str) -> bool {
    text.get(..2).is_some_and(country)
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

/// Whether codes can begin so: a chapter, a heading or a subheading, which policies compare with.
pub fn is_hs_prefix(text: &str) -> bool {
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

pub(super) fn un_locode_shape(text: &str) -> bool {
    let is_right =
        |(at, b): (usize, u8)| b.is_ascii_uppercase() || (at > 1 && matches!(b, b'2'..=b'9'));
    text.len() == 5 && text.bytes().enumerate().all(is_right)
}

pub(super) fn un_locode(text: &str) -> bool {
    text.get(..2).is_some_and(country)
}

pub(super) fn cites_permit_shape(text: &str) -> bool {
    all(text, 1..=70, |b| matches!(b, b' '..=b'~'))
}

pub(super) fn cites_permit(text: &str) -> bool {
    let is_right = |(at, b): (usize, u8)| match at {
        0..2 | 4..10 => b.is_ascii_digit(),
        10 => b == b'/',
        _ => is_capital_or_digit(b),
    };
    text.len() == 13
        && text.bytes().enumerate().all(is_right)
        && text.get(2..4).is_some_and(country)
}
