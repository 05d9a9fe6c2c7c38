//! Numbers: the grammar of JSON, and whether every reader gets the same value from the text.

/// The largest integer that a double holds with all its neighbours: 2^53.
const INTEGER_MAX: u64 = 1 << 53;
/// Decimal digits that a double keeps whatever they are.
const DIGITS_MAX: usize = 15;

/// How many bytes at the start of `text` are a number by JSON's grammar; none where they are not.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text.iter()
            .skip(from)
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + Some(fraction).filter(|n| *n > 0)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += Some(digits(at)).filter(|n| *n > 0)?;
    }
    Some(at)
}

/// Whether `text` (a JSON number) has the same value in a 64-bit float, where many readers keep it.
pub(super) fn is_exact(text: &str) -> bool {
    let unsigned = text.trim_start_matches('-');
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return unsigned.parse().is_ok_and(|n: u64| n <= INTEGER_MAX);
    }
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    let Ok(value) = text.parse::<f64>() else {
        return false;
    };
    significant.len() <= DIGITS_MAX && (value.is_normal() || significant.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_that_of_json() {
        for (text, expected) in [
            ("0", Some(1)),
            ("-0.5e+10,", Some(8)),
            ("12]", Some(2)),
            ("1E3", Some(3)),
            ("01", None),
            ("-", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            ("+1", None),
            ("NaN", None),
        ] {
            assert_eq!(length(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_number_that_a_double_would_change_is_told_from_one_that_it_keeps() {
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "0.1",
            "0",
            "0.0",
            "1e300",
            "1.50",
            "123456789012345e5",
        ] {
            assert!(is_exact(text), "{text}");
        }
        for text in [
            "9007199254740993",
            "18446744073709551616",
            "0.1234567890123456",
            "1e400",
            "1e-400",
            "-1e999",
        ] {
            assert!(!is_exact(text), "{text}");
        }
    }
}
