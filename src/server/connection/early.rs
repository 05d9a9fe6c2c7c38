//! Publishes in the pace of their agency: one that comes before there is a place for it waits here,
//! and all that its client sent waits behind it, unread.
//!
//! INVARIANT: nothing is handed to the core before its place, on however many connections an agency
//! sends, and however often it connects anew.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::amqp;
use crate::broker::command::Origin;
use crate::server::translate;

/// A publish that waits for its place.
pub(super) struct Early {
    /// When to try again (monotonic).
    until: Duration,
    origin: Origin,
    publish: Box<amqp::Publish>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Hands a publish over, or keeps it until its agency has a place for it.
    pub(super) fn hand_over(&mut self, origin: Origin, publish: Box<amqp::Publish>) {
        let now = self.clock.monotonic();
        let per_second = self.peer.agency.limits.messages_per_second;
        let (exchange, key) = (&*publish.exchange, &*publish.routing_key);
        match self.pace.take(exchange, key, per_second, now) {
            Err(until) => {
                self.welcome.hold(until, now);
                self.early = Some(Early {
                    until,
                    origin,
                    publish,
                });
            }
            Ok(()) if exchange == "carnet" => self.submit(origin, translate::publish(*publish)),
            Ok(()) => self.publish_privately(origin, *publish),
        }
    }

    /// Tries the publish that waits, once its time has come.
    pub(super) fn try_early(&mut self) -> bool {
        let now = self.clock.monotonic();
        let Some(early) = self.early.take_if(|early| early.until <= now) else {
            return false;
        };
        self.hand_over(early.origin, early.publish);
        true
    }
}
