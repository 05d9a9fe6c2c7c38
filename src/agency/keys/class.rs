//! Retention classes.

use std::time::Duration;

/// How long a payload is kept, in days: payloads of one class are destroyed by one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetentionClass(u16);

impl RetentionClass {
    /// What an agency publishes to queues of its own: freed when settled everywhere.
    pub const PRIVATE: Self = Self(0);

    /// The class of a duration: its days, rounded up, from 1 to 65,535.
    pub fn of(kept: Duration) -> Self {
        let days = kept.as_secs().div_ceil(86_400).max(1);
        Self(u16::try_from(days).unwrap_or(u16::MAX))
    }

    /// The class of so many days.
    pub const fn days_of(days: u16) -> Self {
        Self(days)
    }

    /// Its days; 0 for private publishes.
    pub const fn days(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_counts_whole_days_upwards() {
        for (hours, days) in [
            (0, 1),
            (24, 1),
            (25, 2),
            (24 * 1095, 1095),
            (24 * 70_000, 65_535),
        ] {
            assert_eq!(RetentionClass::of(Duration::from_hours(hours)).0, days);
        }
    }
}
