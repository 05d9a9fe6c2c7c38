//! Identifiers of what moves: postal items, containers, ships, consignments by air.

use super::layout::{CAPITALS, DIGITS, Part, U_J_OR_Z, digits, has_check_digit, has_country};

pub(super) const S10: &[Part] = &[
    Part("service", 2, CAPITALS),
    Part("number", 8, DIGITS),
    Part("check digit", 1, DIGITS),
    Part("country", 2, CAPITALS),
];

/// Weights 8 6 4 2 3 5 9 7, modulo 11: 10 becomes 0 and 11 becomes 5.
pub(super) fn s10(text: &str) -> Result<(), String> {
    let sum: u32 = digits(text)
        .zip([8, 6, 4, 2, 3, 5, 9, 7])
        .map(|(d, w)| d * w)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        check => check,
    };
    has_check_digit(text, 10, check)?;
    has_country(text, 11)
}

pub(super) const CONTAINER: &[Part] = &[
    Part("owner", 3, CAPITALS),
    Part("category", 1, U_J_OR_Z),
    Part("number", 6, DIGITS),
    Part("check digit", 1, DIGITS),
];

/// The check digit of ISO 6346.
pub(super) fn container(text: &str) -> Result<(), String> {
    let body = text.get(..10).unwrap_or_default();
    has_check_digit(text, 10, iso_6346_check(body))
}

/// Sum of value times 2^place, modulo 11, 10 becomes 0. Letters count from 10 on, without 11, 22
/// and 33.
pub(super) fn iso_6346_check(body: &str) -> u32 {
    let values = body
        .chars()
        .filter_map(|c| c.to_digit(36))
        .map(|value| match value {
            0..=10 => value,
            11..=20 => value + 1,
            21..=30 => value + 2,
            _ => value + 3,
        });
    let (sum, _) = values.fold((0, 1), |(sum, weight), value| {
        ((sum + value * weight) % 11, weight * 2 % 11)
    });
    sum % 10
}

pub(super) const IMO: &[Part] = &[Part("number", 6, DIGITS), Part("check digit", 1, DIGITS)];

/// The first six digits times 7 to 2; the last digit of the sum.
pub(super) fn imo(text: &str) -> Result<(), String> {
    let sum: u32 = digits(text)
        .zip([7, 6, 5, 4, 3, 2])
        .map(|(d, w)| d * w)
        .sum();
    has_check_digit(text, 6, sum % 10)
}

pub(super) const AWB: &[Part] = &[
    Part("airline", 3, DIGITS),
    Part("serial number", 7, DIGITS),
    Part("check digit", 1, DIGITS),
];

/// The serial number modulo 7.
pub(super) fn awb(text: &str) -> Result<(), String> {
    let serial = digits(text).skip(3).take(7);
    has_check_digit(
        text,
        10,
        serial.fold(0, |serial, digit| serial * 10 + digit) % 7,
    )
}
