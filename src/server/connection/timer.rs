//! The one timer of a connection.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Wakes its connection when the next thing is due, whatever that is.
pub(super) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    pub(super) fn new() -> Self {
        Self(Box::pin(tokio::time::sleep(Duration::ZERO)))
    }

    /// Has the task woken after `wait`; at once where that is over.
    pub(super) fn wake_in(&mut self, cx: &mut Context<'_>, wait: Duration) {
        // tokio's own clock drives its timers: this reads no wall time.
        self.0.as_mut().reset(Instant::now() + wait);
        if self.0.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
