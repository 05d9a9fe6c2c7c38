//! Time as a value: milliseconds since 1970 in UTC. Nothing here reads a clock.

use std::fmt;
use std::time::Duration;

/// An instant in UTC, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Times that are read: those that RFC 3339 prints in UTC, in four digits of the year, wherever on
/// earth they are read again. 0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z.
const READABLE_MS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_207_200_000;

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }
    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// Whole seconds since 1970, as AMQP's `timestamp` wants them; 0 before 1970.
    pub fn as_seconds(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }
    /// Later by `delay`; the end of time when that cannot be written.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)),
        )
    }
    /// How long after `earlier`; nothing when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// The first instant of a date in UTC, such as `2026-07-01`; none for any other text.
    pub fn from_date(text: &str) -> Option<Self> {
        Self::from_rfc3339(&format!("{text}T00:00:00Z"))
    }

    /// Reads RFC 3339 with an offset, such as `2026-03-14T09:26:53+02:00`; none for any other text,
    /// and none for an instant before 0000-01-01T00:00:00Z or after 9999-12-30T22:00:00Z.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        let ms = instant.as_millisecond();
        READABLE_MS.contains(&ms).then_some(Self(ms))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// As it is written.
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let says = "no time of RFC 3339";
        Self::from_rfc3339(&text).ok_or_else(|| serde::de::Error::custom(says))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-03-17T12:47:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_as_rfc_3339_and_reads_back() {
        let time = Timestamp::from_rfc3339("2026-03-17T14:47:00.5+02:00").unwrap();
        assert_eq!(time.to_string(), "2026-03-17T12:47:00.500Z");
        assert_eq!(Timestamp::from_rfc3339(&time.to_string()), Some(time));
        assert_eq!(
            time.plus(Duration::from_millis(5)).since(time),
            Duration::from_millis(5)
        );
        assert_eq!(Timestamp::from_rfc3339("2026-03-17"), None);
    }

    #[test]
    fn what_is_read_prints_as_rfc_3339_and_nothing_beyond_is_read() {
        for text in ["0000-01-01T00:00:00.000Z", "9999-12-30T22:00:00.000Z"] {
            let time = Timestamp::from_rfc3339(text).unwrap();
            assert_eq!(time.to_string(), text);
        }
        for text in [
            "0000-01-01T00:00:00+00:01",
            "9999-12-30T22:00:00.001Z",
            "9999-12-31T00:00:00Z",
            "9999-12-31T23:59:59-23:59",
        ] {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
    }
}
