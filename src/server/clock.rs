//! The single reader of clocks and of randomness: everything else gets them as arguments.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::message::time::Timestamp;

/// Wall clock and monotonic clock of this process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Default for Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock {
    /// Wall time. It may step back; journal time does not.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Time since the process started; never steps back.
    pub fn monotonic(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// Milliseconds since the process started; never steps back.
    pub fn monotonic_ms(&self) -> u64 {
        millis(self.monotonic())
    }
}

/// Whole milliseconds of a span of time.
pub(super) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Random bytes from the system, drawn in large pieces: one call costs 0.4 us, a copy 0.008.
#[derive(Debug)]
pub struct Entropy {
    pool: Box<[u8; 8192]>,
    used: usize,
}

impl Default for Entropy {
    fn default() -> Self {
        Self {
            pool: Box::new([0; 8192]),
            used: 8192,
        }
    }
}

/// The system has no randomness to give: nothing can go on.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoEntropy;

impl Entropy {
    /// Draws `N` bytes, at most 64.
    pub fn draw<const N: usize>(&mut self) -> Result<[u8; N], NoEntropy> {
        const { assert!(N <= 64) };
        if self.pool.len() - self.used < N {
            aws_lc_rs::rand::fill(&mut self.pool[..]).map_err(|_| NoEntropy)?;
            self.used = 0;
        }
        let mut out = [0; N];
        let end = self.used + N;
        if let Some(piece) = self.pool.get_mut(self.used..end) {
            out.copy_from_slice(piece);
            // What was drawn is not drawn again, nor left behind.
            piece.fill(0);
        }
        self.used = end;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ_across_the_end_of_the_pool() {
        let mut entropy = Entropy::default();
        let drawn: std::collections::BTreeSet<[u8; 16]> =
            (0..2_000).map(|_| entropy.draw().unwrap()).collect();
        assert_eq!(drawn.len(), 2_000);
    }
}
