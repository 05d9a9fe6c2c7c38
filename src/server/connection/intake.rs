//! What a client publishes, from the wire to the core: in the pace of its agency, and bounded.
//!
//! Publishes that come before there is a place for them wait here, and behind them what their client
//! asks on the same channel. Acknowledgements, heartbeats and other channels go on. So they do behind a
//! large message, which is admitted elsewhere.
//!
//! INVARIANT: nothing is handed to the core before its place, on however many connections an agency
//! sends, and however often it connects anew. What waits is bounded as what is not confirmed is: the
//! socket is not read beyond.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use super::quota::QuotaNotice;
use super::unconfirmed::Unconfirmed;
use crate::amqp::{self, ChannelId, Event};
use crate::broker::budget::{Budget, Messages, Portion, Room};
use crate::broker::command::Private;
use crate::broker::exchange::{Arrived, Submission};
use crate::broker::ids::{DeliveryId, Origin};
use crate::broker::limits::{UNANSWERED_REQUESTS, UNCONFIRMED_BYTES};
use crate::broker::pace::{Allowance, Published, Wait};
use crate::server::desk::{Answer, Desk, Task};

/// Owned by its connection.
pub(super) struct Intake {
    /// What the connection holds of its agency's budget.
    pub(super) portion: Portion,
    /// An event that writes to the journal before its agency has a place for it, and until when it waits
    /// (monotonic). Nothing behind it is looked at.
    stalled: Option<(Duration, Box<Event<DeliveryId>>)>,
    /// Where that queues.
    stalled_wait: Wait,
    /// Shared by all connections of the process.
    desk: Arc<Desk>,
    /// A large message that is being admitted.
    at_desk: Option<(Origin, Arc<Answer>)>,
    /// What the core gave back, in its order: it comes behind the one at the desk.
    again: VecDeque<Again>,
    /// What waits, in the order in which it came: the first is a publish, or behind one at the desk.
    waiting: VecDeque<Waiting>,
    /// When the first asks for its place (monotonic), and where it queues.
    until: Duration,
    wait: Wait,
    /// How many of those that wait are no publishes, and octets of their arguments.
    requests: usize,
    argument_bytes: usize,
    /// Publishes that have no outcome, those that wait among them.
    unconfirmed: Unconfirmed,
    /// Why nothing can be stored, where that is so.
    pub(super) blocked: Option<&'static str>,
    pub(super) quota: QuotaNotice,
}

/// A publish that the core gave back.
pub(super) enum Again {
    /// To be ruled again.
    Ruled(Origin, Box<Arrived>),
    /// To a queue of its agency's own, behind one that is to be ruled again.
    Private(Box<Private>),
}

impl Again {
    fn origin(&self) -> &Origin {
        match self {
            Self::Ruled(origin, _) => origin,
            Self::Private(private) => &private.origin,
        }
    }
}

/// What waits for the pace, or has its turn.
pub(super) enum Waiting {
    Publish(Box<amqp::Publish>),
    /// An event of this channel, or of the whole connection.
    Behind(Option<ChannelId>, Box<Event<DeliveryId>>),
}

impl Intake {
    pub(super) fn new(budget: Arc<Budget>, desk: Arc<Desk>) -> Self {
        Self {
            portion: Portion::new(budget),
            stalled: None,
            stalled_wait: Wait::default(),
            desk,
            at_desk: None,
            again: VecDeque::new(),
            waiting: VecDeque::new(),
            until: Duration::ZERO,
            wait: Wait::default(),
            requests: 0,
            argument_bytes: 0,
            unconfirmed: Unconfirmed::default(),
            blocked: None,
            quota: QuotaNotice::default(),
        }
    }

    /// Whether what is published now comes behind a message that was not handed over yet, though it had
    /// its place.
    fn is_held(&self) -> bool {
        self.at_desk.is_some() || !self.again.is_empty()
    }

    /// Has a large message admitted; it comes back by [`Self::admitted`].
    pub(super) fn admit(&mut self, origin: Origin, task: Task) {
        let party = task.peer.unit.party();
        self.at_desk = Some((origin, self.desk.admit(party, task)));
    }

    /// The large message that was admitted, or nothing in place of it where its thread has died.
    pub(super) fn admitted(&mut self, cx: &Context<'_>) -> Option<(Origin, Option<Submission>)> {
        let (origin, answer) = self.at_desk.as_ref()?;
        // Registered before the look, or a wake between them would be lost.
        answer.register(cx.waker());
        let back = (*origin, answer.take()?);
        self.at_desk = None;
        Some(back)
    }

    /// A publish comes back, to be handed over in its turn.
    pub(super) fn comes_again(&mut self, again: Again) {
        self.again.push_back(again);
    }

    /// The next that came back, where nothing at the desk is before it. Handed over sooner, the core
    /// would give it back again and again.
    pub(super) fn next_again(&mut self) -> Option<Again> {
        let is_free = self.at_desk.is_none();
        is_free.then(|| self.again.pop_front())?
    }

    /// Counts what the connection holds of messages, with so many octets of those under way, in the budget
    /// of its agency.
    pub(super) fn holds(&mut self, unfinished: usize) -> Room {
        self.portion.hold_messages(Messages {
            unfinished,
            undecided: self.unconfirmed.bytes().saturating_add(self.argument_bytes),
        })
    }

    /// Whether no more is to be read.
    pub(super) fn is_full(&self) -> bool {
        self.stalled.is_some()
            || self.requests >= UNANSWERED_REQUESTS
            || self.argument_bytes >= UNCONFIRMED_BYTES
            || self.unconfirmed.is_full()
    }

    /// When the first that waits is to be tried (monotonic); none where nothing waits.
    pub(super) fn due(&self) -> Option<Duration> {
        if let Some((until, _)) = self.stalled {
            return Some(until);
        }
        (!self.waiting.is_empty() && !self.is_held()).then_some(self.until)
    }

    /// Counts a publish. Gives it back where it has its place, and keeps it until then where not.
    pub(super) fn publish(
        &mut self,
        publish: amqp::Publish,
        allowance: Allowance,
    ) -> Option<amqp::Publish> {
        self.unconfirmed.add(publish.octets());
        if self.waiting.is_empty() && !self.is_held() {
            return self.try_publish(publish, allowance);
        }
        self.waiting.push_back(Waiting::Publish(Box::new(publish)));
        None
    }

    fn try_publish(
        &mut self,
        publish: amqp::Publish,
        allowance: Allowance,
    ) -> Option<amqp::Publish> {
        let published = Published {
            exchange: &publish.exchange,
            routing_key: &publish.routing_key,
            octets: publish.octets(),
        };
        let pace = self.portion.pace();
        match pace.publish(published, allowance, &mut self.wait) {
            Ok(()) => Some(publish),
            Err(until) => {
                self.until = until;
                let first = Waiting::Publish(Box::new(publish));
                self.waiting.push_front(first);
                None
            }
        }
    }

    /// Takes places for so many octets that an event writes to the journal. Gives it back where it has
    /// them, and keeps it until then where not.
    pub(super) fn write(
        &mut self,
        octets: usize,
        event: Event<DeliveryId>,
        allowance: Allowance,
    ) -> Option<Event<DeliveryId>> {
        let pace = self.portion.pace();
        match pace.write(octets, allowance, &mut self.stalled_wait) {
            Ok(()) => Some(event),
            Err(until) => {
                self.stalled = Some((until, Box::new(event)));
                // A publish waits behind the event: in the line it would be before it.
                self.wait.step_back();
                None
            }
        }
    }

    /// The event that waited for its places, where it is to be tried again.
    pub(super) fn stalled(&mut self, now: Duration) -> Option<Event<DeliveryId>> {
        let due = self.stalled.take_if(|(until, _)| *until <= now);
        due.map(|(_, event)| *event)
    }

    /// Whether an event waits for its places.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Gives back an event that need not wait, and keeps one that comes behind a publish of its channel,
    /// or at the connection's end, in its turn.
    pub(super) fn pass(&mut self, event: Event<DeliveryId>) -> Option<Event<DeliveryId>> {
        let channel = match &event {
            Event::Request { ticket, .. } => Some(ticket.channel()),
            Event::ChannelEnding { left, .. } => Some(left.channel),
            Event::ConnectionEnding { .. } => None,
            _ => return Some(event),
        };
        if !self.is_behind(channel) {
            return Some(event);
        }
        self.requests += 1;
        self.argument_bytes = self.argument_bytes.saturating_add(argument_bytes(&event));
        self.waiting
            .push_back(Waiting::Behind(channel, Box::new(event)));
        None
    }

    /// Whether anything of this channel is not handed over yet; none means any.
    fn is_behind(&self, channel: Option<ChannelId>) -> bool {
        let Some(channel) = channel else {
            return self.is_held() || !self.waiting.is_empty();
        };
        let at_desk = self.at_desk.iter().map(|(origin, _)| origin);
        let mut held = at_desk.chain(self.again.iter().map(Again::origin));
        held.any(|origin| origin.channel == channel.get())
            || self.waiting.iter().any(|it| it.is_of(channel))
    }

    /// The first that waits, where it has its time: a publish that has its place, or what stands
    /// behind none any more.
    pub(super) fn next(&mut self, allowance: Allowance) -> Option<Waiting> {
        let is_free = !self.is_held();
        let is_due = |first: &mut Waiting| match first {
            Waiting::Publish(_) => is_free && self.until <= allowance.now,
            Waiting::Behind(..) => is_free,
        };
        match self.waiting.pop_front_if(is_due)? {
            Waiting::Publish(publish) => {
                let publish = self.try_publish(*publish, allowance)?;
                Some(Waiting::Publish(Box::new(publish)))
            }
            Waiting::Behind(channel, event) => {
                self.waits_no_more(&event);
                Some(Waiting::Behind(channel, event))
            }
        }
    }

    fn waits_no_more(&mut self, event: &Event<DeliveryId>) {
        self.requests = self.requests.saturating_sub(1);
        self.argument_bytes = self.argument_bytes.saturating_sub(argument_bytes(event));
    }

    /// A publish has its outcome.
    pub(super) fn decided(&mut self) {
        self.unconfirmed.end_one();
    }

    /// A publish of this channel, which had its place, is not handed over after all, and closes it:
    /// those behind it are not published.
    pub(super) fn withdraw(&mut self, channel: ChannelId) {
        let before = self.waiting.len();
        self.waiting
            .retain(|it| !matches!(it, Waiting::Publish(of) if of.place.channel == channel));
        self.wait = Wait::default();
        for _ in 0..=before.saturating_sub(self.waiting.len()) {
            self.unconfirmed.take_back();
        }
    }

    /// Drops what was asked on a channel that is gone: its number may be another channel's by then.
    /// Gives how many requests that were.
    pub(super) fn drop_requests_of(&mut self, channel: ChannelId) -> usize {
        let waiting = std::mem::take(&mut self.waiting);
        let mut dropped = 0;
        for it in waiting {
            match it {
                Waiting::Behind(Some(of), event) if of == channel => {
                    self.waits_no_more(&event);
                    dropped += 1;
                }
                other => self.waiting.push_back(other),
            }
        }
        let stalled = self.stalled.take_if(
            |(_, event)| matches!(&**event, Event::Request { ticket, .. } if ticket.channel() == channel),
        );
        if stalled.is_some() {
            self.stalled_wait = Wait::default();
        }
        dropped + usize::from(stalled.is_some())
    }

    /// The connection is over: nothing of it is taken any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.at_desk = None;
        self.again.clear();
        self.stalled = None;
        self.stalled_wait = Wait::default();
        self.wait = Wait::default();
        self.requests = 0;
        self.argument_bytes = 0;
        // Their outcomes do not come any more: what the client says to the end is read.
        self.unconfirmed = Unconfirmed::default();
    }
}

/// Octets of memory that the arguments of a request take, about.
fn argument_bytes(event: &Event<DeliveryId>) -> usize {
    match event {
        Event::Request { request, .. } => request.argument_bytes(),
        _ => 0,
    }
}

impl Waiting {
    fn is_of(&self, channel: ChannelId) -> bool {
        match self {
            Self::Publish(publish) => publish.place.channel == channel,
            Self::Behind(of, _) => *of == Some(channel),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::broker::ids::ConnectionId;
    use crate::journal::Frame;

    fn intake() -> Intake {
        Intake::new(Arc::default(), Arc::new(Desk::start(0).unwrap()))
    }

    fn origin(channel: u16, serial: u64) -> Origin {
        Origin {
            connection: ConnectionId(1),
            channel,
            serial,
            confirm: None,
        }
    }

    fn private(channel: u16, serial: u64) -> Private {
        Private::to("work", origin(channel, serial), Frame::new(vec![0]))
    }

    #[test]
    fn what_comes_back_behind_a_large_message_waits_until_that_leaves_the_desk() {
        let mut intake = intake();
        intake.at_desk = Some((origin(1, 1), Arc::default()));
        for serial in [2, 3] {
            intake.comes_again(Again::Private(Box::new(private(1, serial))));
        }
        assert!(intake.next_again().is_none() && intake.due().is_none());
        let (channel, other) = (ChannelId::new(1), ChannelId::new(2));
        assert!(intake.is_behind(Some(channel)) && !intake.is_behind(Some(other)));
        let cx = Context::from_waker(Waker::noop());
        assert!(intake.admitted(&cx).is_none());
        intake.at_desk.as_ref().unwrap().1.fill(None);
        assert!(intake.admitted(&cx).is_some());
        let serials = std::iter::from_fn(|| intake.next_again()).map(|it| it.origin().serial);
        assert_eq!(serials.collect::<Vec<u64>>(), [2, 3]);
        assert!(!intake.is_behind(Some(channel)));
    }

    #[test]
    fn a_connection_that_is_over_reads_the_goodbye_of_a_client_that_was_held_up() {
        let mut intake = intake();
        intake.unconfirmed.add(UNCONFIRMED_BYTES);
        assert!(intake.is_full());
        intake.clear();
        assert!(!intake.is_full());
    }
}
