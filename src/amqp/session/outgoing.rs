//! What is out: the consumers of a channel, and the deliveries that wait for their settlement.
//!
//! Owns delivery tags. A tag is given once, ascending over all consumers and gets of the channel,
//! and survives the consumer: what a cancelled consumer got can still be settled.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::amqp::codec::MethodId;
use crate::amqp::reply::{Misbehaved, ReplyCode};

use super::event::{ConsumerNumber, Sent};

/// A consumer that the peer asked for.
#[derive(Clone, Debug)]
struct Consumer {
    tag: Arc<str>,
    no_ack: bool,
    /// Whether the broker has confirmed it.
    runs: bool,
}

#[derive(Debug)]
pub(super) struct Outgoing<D> {
    last_tag: u64,
    unsettled: BTreeMap<u64, D>,
    /// From the peer's consume to the broker's answer to its cancel.
    consumers: BTreeMap<ConsumerNumber, Consumer>,
    /// The names that are taken as far as the peer can tell: from its consume to its cancel.
    names: BTreeMap<Arc<str>, ConsumerNumber>,
}

/// A delivery that has its tag.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    /// The tag of its consumer; empty for a get.
    pub(super) consumer: Arc<str>,
    pub(super) tag: u64,
    pub(super) sent: Sent,
}

impl<D: Copy> Outgoing<D> {
    pub(super) fn new() -> Self {
        Self {
            last_tag: 0,
            unsettled: BTreeMap::new(),
            consumers: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// How many consumers there are, asked for or running.
    pub(super) fn consumers(&self) -> usize {
        self.consumers.len()
    }

    /// The peer asks for a consumer of this name. An empty one is the broker's to make up.
    ///
    /// # Errors
    /// 530 where it is taken.
    pub(super) fn ask(
        &mut self,
        number: ConsumerNumber,
        tag: &str,
        no_ack: bool,
    ) -> Result<(), Misbehaved> {
        if self.names.contains_key(tag) {
            let sentence = format!("consumer tag '{tag}' is in use on this channel");
            return Err(
                Misbehaved::new(ReplyCode::NotAllowed, sentence).by(MethodId::BASIC_CONSUME)
            );
        }
        let tag: Arc<str> = Arc::from(tag);
        if !tag.is_empty() {
            self.names.insert(Arc::clone(&tag), number);
        }
        let runs = false;
        self.consumers
            .insert(number, Consumer { tag, no_ack, runs });
        Ok(())
    }

    /// The broker makes up the name that the peer left empty.
    pub(super) fn name(&mut self, number: ConsumerNumber, tag: &str) {
        let nameless = self.consumers.get_mut(&number);
        if let Some(consumer) = nameless.filter(|it| it.tag.is_empty()) {
            consumer.tag = Arc::from(tag);
            self.names.insert(Arc::clone(&consumer.tag), number);
        }
    }

    /// The peer gives a name up; whose it was.
    pub(super) fn free_name(&mut self, tag: &str) -> Option<ConsumerNumber> {
        self.names.remove(tag)
    }

    /// The consumer runs; its tag.
    pub(super) fn start(&mut self, number: ConsumerNumber) -> Option<Arc<str>> {
        let consumer = self.consumers.get_mut(&number)?;
        consumer.runs = true;
        Some(Arc::clone(&consumer.tag))
    }

    /// The consumer is no more, as the peer asked.
    pub(super) fn stop(&mut self, number: ConsumerNumber) {
        self.consumers.remove(&number);
    }

    /// The consumer is no more, because the broker ends it; the tag by which the peer is to be told,
    /// where it has not cancelled it already.
    pub(super) fn cancel(&mut self, number: ConsumerNumber) -> Option<Arc<str>> {
        let tag = self.consumers.remove(&number)?.tag;
        if self.names.get(&tag) != Some(&number) {
            return None;
        }
        self.names.remove(&tag);
        Some(tag)
    }

    /// Gives the next delivery tag to a message for a consumer; `None` where it does not run.
    pub(super) fn send_to(&mut self, number: ConsumerNumber, delivery: D) -> Option<Tagged> {
        let consumer = self.consumers.get(&number).filter(|it| it.runs)?;
        let (tag, no_ack) = (Arc::clone(&consumer.tag), consumer.no_ack);
        Some(self.out(tag, no_ack, delivery))
    }

    /// Gives the next delivery tag to the answer of a get.
    pub(super) fn send_to_get(&mut self, no_ack: bool, delivery: D) -> Tagged {
        self.out(Arc::default(), no_ack, delivery)
    }

    fn out(&mut self, consumer: Arc<str>, no_ack: bool, delivery: D) -> Tagged {
        self.last_tag = self.last_tag.saturating_add(1);
        let tag = self.last_tag;
        let sent = if no_ack {
            Sent::Settled
        } else {
            self.unsettled.insert(tag, delivery);
            Sent::Unsettled
        };
        Tagged {
            consumer,
            tag,
            sent,
        }
    }

    /// The deliveries that `tag` settles, ascending.
    ///
    /// # Errors
    /// 406 where the tag is not out on this channel: unknown, settled before, sent without ack.
    pub(super) fn settle(&mut self, tag: u64, multiple: bool) -> Result<Vec<D>, Misbehaved> {
        if tag == 0 && multiple {
            return Ok(self.take_all());
        }
        if !multiple {
            let settled = self.unsettled.remove(&tag);
            return settled.map(|it| vec![it]).ok_or_else(|| unknown(tag));
        }
        if !self.unsettled.contains_key(&tag) {
            return Err(unknown(tag));
        }
        let later = self.unsettled.split_off(&tag.saturating_add(1));
        let settled = std::mem::replace(&mut self.unsettled, later);
        Ok(settled.into_values().collect())
    }

    /// All that is out, ascending; nothing is, afterwards.
    pub(super) fn take_all(&mut self) -> Vec<D> {
        std::mem::take(&mut self.unsettled).into_values().collect()
    }

    /// No consumer runs any more.
    pub(super) fn end_consumers(&mut self) {
        self.consumers.clear();
        self.names.clear();
    }
}

fn unknown(tag: u64) -> Misbehaved {
    Misbehaved::new(
        ReplyCode::PreconditionFailed,
        format_args!("unknown delivery tag {tag}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four_out() -> Outgoing<char> {
        let mut outgoing = Outgoing::new();
        outgoing.ask(ConsumerNumber(1), "c", false).unwrap();
        outgoing.start(ConsumerNumber(1));
        for delivery in ['a', 'b', 'c'] {
            outgoing.send_to(ConsumerNumber(1), delivery);
        }
        outgoing.send_to_get(false, 'd');
        outgoing
    }

    fn names(settled: &[char]) -> String {
        settled.iter().collect()
    }

    #[test]
    fn tags_are_shared_by_consumers_and_gets_and_settle_what_they_name() {
        let mut outgoing = four_out();
        assert_eq!(names(&outgoing.settle(2, false).unwrap()), "b");
        let rest = outgoing.settle(4, true).unwrap();
        assert_eq!(names(&rest), "acd");
    }

    #[test]
    fn multiple_takes_what_is_at_or_below_and_leaves_what_is_above() {
        let mut outgoing = four_out();
        assert_eq!(names(&outgoing.settle(3, true).unwrap()), "abc");
        assert_eq!(names(&outgoing.take_all()), "d");
    }

    #[test]
    fn tag_zero_with_multiple_is_everything_even_if_that_is_nothing() {
        let mut outgoing = four_out();
        assert_eq!(names(&outgoing.settle(0, true).unwrap()), "abcd");
        assert_eq!(names(&outgoing.settle(0, true).unwrap()), "");
    }

    #[test]
    fn unknown_repeated_zero_and_no_ack_tags_are_406() {
        let mut outgoing = four_out();
        outgoing.ask(ConsumerNumber(2), "quiet", true).unwrap();
        outgoing.start(ConsumerNumber(2));
        let sent = outgoing.send_to(ConsumerNumber(2), 'e').unwrap();
        assert_eq!((sent.tag, sent.sent), (5, Sent::Settled));
        outgoing.settle(1, false).unwrap();
        for (tag, multiple) in [
            (0, false),
            (1, false),
            (1, true),
            (5, false),
            (5, true),
            (6, true),
        ] {
            let Misbehaved(reply) = outgoing.settle(tag, multiple).unwrap_err();
            assert_eq!(
                reply.code(),
                ReplyCode::PreconditionFailed,
                "tag {tag} {multiple}"
            );
        }
        assert_eq!(names(&outgoing.take_all()), "bcd");
    }

    #[test]
    fn what_a_cancelled_consumer_got_stays_ackable() {
        let mut outgoing = four_out();
        assert_eq!(outgoing.free_name("c"), Some(ConsumerNumber(1)));
        outgoing.stop(ConsumerNumber(1));
        assert!(outgoing.send_to(ConsumerNumber(1), 'x').is_none());
        assert_eq!(names(&outgoing.settle(1, false).unwrap()), "a");
    }
}
