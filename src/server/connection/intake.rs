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
use crate::broker::pace::{Allowance, Pace, Published, Wait};
use crate::server::desk::{Answer, Desk, Task};

/// Owned by its connection.
pub(super) struct Intake {
    /// What the connection holds of its agency's budget.
    pub(super) portion: Portion,
    /// An event that writes to the journal before its agency has a place for it. Nothing behind it is
    /// looked at.
    stalled: Option<Stalled>,
    /// Shared by all connections of the process.
    desk: Arc<Desk>,
    /// A large message that is being admitted.
    at_desk: Option<(Origin, Arc<Answer>)>,
    /// What the core gave back, in its order: it comes behind the one at the desk.
    again: VecDeque<Again>,
    /// What waits, in the order in which it came: the first is a publish, or behind one at the desk.
    waiting: VecDeque<Waiting>,
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

/// An event that has no place yet for the octets that it writes to the journal.
struct Stalled {
    event: Box<Event<DeliveryId>>,
    octets: usize,
    /// When it asks for its places (monotonic).
    until: Duration,
    wait: Wait,
}

/// A publish that has no place yet, or did not ask for one.
pub(super) struct Unplaced {
    pub(super) publish: amqp::Publish,
    /// When it asks for its place (monotonic), once it is the first.
    until: Duration,
    wait: Wait,
}

impl Unplaced {
    fn new(publish: amqp::Publish) -> Self {
        Self {
            publish,
            until: Duration::ZERO,
            wait: Wait::default(),
        }
    }

    /// Takes its place; where there is none yet, notes when to ask again.
    fn takes_place(&mut self, pace: &Pace, allowance: Allowance) -> bool {
        let published = Published {
            exchange: &self.publish.exchange,
            routing_key: &self.publish.routing_key,
            octets: self.publish.octets(),
        };
        let taken = pace.publish(published, allowance, &mut self.wait);
        self.until = taken.err().unwrap_or(self.until);
        taken.is_ok()
    }
}

/// What waits for the pace, or has its turn.
pub(super) enum Waiting {
    Publish(Box<Unplaced>),
    /// An event of this channel, or of the whole connection.
    Behind(Option<ChannelId>, Box<Event<DeliveryId>>),
}

impl Intake {
    pub(super) fn new(budget: Arc<Budget>, desk: Arc<Desk>) -> Self {
        Self {
            portion: Portion::new(budget),
            stalled: None,
            desk,
            at_desk: None,
            again: VecDeque::new(),
            waiting: VecDeque::new(),
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
        if let Some(stalled) = &self.stalled {
            return Some(stalled.until);
        }
        let first = self.waiting.front().filter(|_| !self.is_held())?;
        Some(match first {
            Waiting::Publish(first) => first.until,
            Waiting::Behind(..) => Duration::ZERO,
        })
    }

    /// Counts a publish. Gives it back where it has its place, and keeps it until then where not.
    pub(super) fn publish(
        &mut self,
        publish: amqp::Publish,
        allowance: Allowance,
    ) -> Option<amqp::Publish> {
        self.unconfirmed.add(publish.octets());
        let mut new = Unplaced::new(publish);
        let is_first = self.waiting.is_empty() && !self.is_held();
        if is_first && new.takes_place(self.portion.pace(), allowance) {
            return Some(new.publish);
        }
        self.waiting.push_back(Waiting::Publish(Box::new(new)));
        None
    }

    /// Takes places for so many octets that an event writes to the journal. Gives it back where it has
    /// them, and keeps it until then where not.
    pub(super) fn write(
        &mut self,
        octets: usize,
        event: Event<DeliveryId>,
        allowance: Allowance,
    ) -> Option<Event<DeliveryId>> {
        let mut wait = Wait::default();
        let Err(until) = self.portion.pace().write(octets, allowance, &mut wait) else {
            return Some(event);
        };
        self.stalled = Some(Stalled {
            event: Box::new(event),
            octets,
            until,
            wait,
        });
        // A publish waits behind the event: in the line it would be before it.
        if let Some(Waiting::Publish(first)) = self.waiting.front_mut() {
            first.wait.step_back();
        }
        None
    }

    /// The event that waited for its places, once it has them.
    pub(super) fn stalled(&mut self, allowance: Allowance) -> Option<Event<DeliveryId>> {
        let Stalled {
            octets,
            until,
            wait,
            ..
        } = self.stalled.as_mut()?;
        if *until > allowance.now {
            return None;
        }
        if let Err(later) = self.portion.pace().write(*octets, allowance, wait) {
            *until = later;
            return None;
        }
        self.stalled.take().map(|it| *it.event)
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
        if self.is_held() {
            return None;
        }
        if let Waiting::Publish(first) = self.waiting.front_mut()? {
            let is_due = first.until <= allowance.now;
            if !is_due || !first.takes_place(self.portion.pace(), allowance) {
                return None;
            }
        }
        let next = self.waiting.pop_front()?;
        if let Waiting::Behind(_, event) = &next {
            self.waits_no_more(event);
        }
        Some(next)
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
        self.waiting.retain(
            |it| !matches!(it, Waiting::Publish(of) if of.publish.place.channel == channel),
        );
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
            |it| matches!(&*it.event, Event::Request { ticket, .. } if ticket.channel() == channel),
        );
        dropped + usize::from(stalled.is_some())
    }

    /// The connection is over: nothing of it is taken any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.at_desk = None;
        self.again.clear();
        self.stalled = None;
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
            Self::Publish(it) => it.publish.place.channel == channel,
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
