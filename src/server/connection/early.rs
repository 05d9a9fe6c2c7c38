//! Publishes in the pace of their agency: one that comes before there is a place for it waits here,
//! and all that its client sent waits behind it, unread.
//!
//! INVARIANT: nothing is handed to the core before its place, on however many connections an agency
//! sends, and however often it connects anew.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::amqp;
use crate::broker::command::{Command, Origin, Returnable, Submission};
use crate::broker::limits::{CASE_STEPS_PER_SECOND, STANDING_CHANGES_PER_SECOND};
use crate::message::envelope::Publish;
use crate::server::translate;

/// A publish that waits for its place.
pub(super) struct Early {
    /// When to try again (monotonic).
    until: Duration,
    origin: Origin,
    publish: Waiting,
}

enum Waiting {
    /// As it was read.
    Read(Box<amqp::Publish>),
    /// Admitted, and found to change standing facts; it is admitted again in its place.
    Admitted(Box<Submission>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Hands a publish over, or keeps it until its agency has a place for it.
    pub(super) fn hand_over(&mut self, origin: Origin, publish: amqp::Publish) {
        match self.place_for(&publish) {
            Err(until) => self.wait_until(until, origin, Waiting::Read(Box::new(publish))),
            Ok(()) if &*publish.exchange == "carnet" => {
                self.submit_in_pace(origin, translate::publish(publish));
            }
            Ok(()) => self.publish_privately(origin, publish),
        }
    }

    /// Tries the publish that waits, once its time has come.
    pub(super) fn try_early(&mut self) -> bool {
        let now = self.clock.monotonic();
        let Some(early) = self.early.take_if(|early| early.until <= now) else {
            return false;
        };
        match early.publish {
            Waiting::Read(publish) => self.hand_over(early.origin, *publish),
            Waiting::Admitted(submission) => {
                self.submit_in_pace(early.origin, (submission.publish, submission.wire));
            }
        }
        true
    }

    /// Takes its places, or says when to ask again.
    fn place_for(&self, publish: &amqp::Publish) -> Result<(), Duration> {
        let (now, limits) = (self.clock.monotonic(), self.peer.agency.limits);
        self.pace.messages.take(now, limits.messages_per_second)?;
        if &*publish.exchange == "carnet" && publish.routing_key.starts_with("case.") {
            self.pace.case_steps.take(now, CASE_STEPS_PER_SECOND)?;
        }
        Ok(())
    }

    /// What changes standing facts has a pace of its own, and is known by its ruling.
    fn submit_in_pace(&mut self, origin: Origin, publish: (Publish, Returnable)) {
        let Some((submission, changes)) = self.admitted(publish) else {
            return;
        };
        if changes {
            let now = self.clock.monotonic();
            let place = self.pace.standing.take(now, STANDING_CHANGES_PER_SECOND);
            if let Err(until) = place {
                return self.wait_until(until, origin, Waiting::Admitted(submission));
            }
        }
        self.commands.push(Command::Submit(origin, submission));
    }

    fn wait_until(&mut self, until: Duration, origin: Origin, publish: Waiting) {
        self.welcome.hold(until, self.clock.monotonic());
        self.early = Some(Early {
            until,
            origin,
            publish,
        });
    }
}
