//! Lengths of time as configuration writes them: `15m`, `24h`, `1095d`.

use std::time::Duration;

use crate::message::id::BadName;

/// Reads a whole number of seconds, minutes, hours or days, longer than nothing.
pub(super) fn parse(text: &str) -> Result<Duration, BadName> {
    let read = || {
        let unit_seconds = match text.bytes().last()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => return None,
        };
        let (digits, _) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let count: u64 = is_number.then(|| digits.parse().ok())??;
        let seconds = count
            .checked_mul(unit_seconds)
            .filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds))
    };
    read().ok_or_else(|| BadName::new(text, "a length of time, such as 15m, 24h or 1095d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_whole_number_and_a_unit() {
        for (text, seconds) in [
            ("30s", 30),
            ("15m", 900),
            ("24h", 86_400),
            ("1095d", 94_608_000),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in [
            "",
            "d",
            "0d",
            "1",
            "1.5d",
            "+1d",
            "-1d",
            "1 d",
            "1w",
            "99999999999999999999d",
            "1é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
