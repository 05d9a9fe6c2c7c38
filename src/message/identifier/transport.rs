//! Identifiers of what moves: postal items, containers, ships, consignments by air.

use super::country::country;
use super::{all, digits, is_capital_or_digit};

/// Two letters, nine digits, two letters.
pub(super) fn s10_shape(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_uppercase();
    all(text, 13..=13, is_capital_or_digit)
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| letter(b) != (2..11).contains(&at))
}

/// Weights 8 6 4 2 3 5 9 7, modulo 11: 10 becomes 0 and 11 becomes 5.
pub(super) fn s10(text: &str) -> bool {
    let sum: u32 = digits(text)
        .zip([8, 6, 4, 2, 3, 5, 9, 7])
        .map(|(d, w)| d * w)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        check => check,
    };
    digits(text).nth(8) == Some(check) && text.get(11..).is_some_and(country)
}

/// Three letters of the owner, U J or Z, seven digits.
pub(super) fn container_shape(text: &str) -> bool {
    let is_right = |(at, b): (usize, u8)| match at {
        0..3 => b.is_ascii_uppercase(),
        3 => matches!(b, b'U' | b'J' | b'Z'),
        _ => b.is_ascii_digit(),
    };
    text.len() == 11 && text.bytes().enumerate().all(is_right)
}

/// The check digit of ISO 6346.
pub(super) fn container(text: &str) -> bool {
    text.get(..10)
        .is_some_and(|body| digits(text).last() == Some(iso_6346_check(body)))
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

pub(super) fn imo_shape(text: &str) -> bool {
    all(text, 7..=7, |b| b.is_ascii_digit())
}

/// The first six digits times 7 to 2; the last digit of the sum.
pub(super) fn imo(text: &str) -> bool {
    let sum: u32 = digits(text)
        .zip([7, 6, 5, 4, 3, 2])
        .map(|(d, w)| d * w)
        .sum();
    digits(text).last() == Some(sum % 10)
}

pub(super) fn awb_shape(text: &str) -> bool {
    all(text, 11..=11, |b| b.is_ascii_digit())
}

/// The serial number modulo 7.
pub(super) fn awb(text: &str) -> bool {
    let serial = text
        .get(3..10)
        .and_then(|serial| serial.parse::<u32>().ok());
    serial.is_some_and(|serial| digits(text).last() == Some(serial % 7))
}
