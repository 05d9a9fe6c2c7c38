//! What is out: the consumers of a channel, and the deliveries that wait for their settlement.
//!
//! Owns delivery tags. A tag is given once, ascending over all consumers and gets of the channel,
//! and survives the consumer: what a cancelled consumer got can still be settled.

use std::collections::{BTreeMap, BTreeSet};

use crate::amqp::codec::MethodId;
use crate::amqp::reply::{Misbehaved, ReplyCode};

use super::event::{ConsumerTag, Settled};

/// A consumer that the broker has confirmed.
#[derive(Clone, Copy, Debug)]
struct Consumer {
    no_ack: bool,
}

#[derive(Debug)]
pub(super) struct Outgoing<D> {
    last_tag: u64,
    unsettled: BTreeMap<u64, Settled<D>>,
    consumers: BTreeMap<ConsumerTag, Consumer>,
    // The names that are taken as far as the peer can tell: from its consume to its cancel, which
    // is earlier than `consumers` at both ends.
    taken: BTreeSet<ConsumerTag>,
}

impl<D: Copy> Outgoing<D> {
    pub(super) fn new() -> Self {
        Self {
            last_tag: 0,
            unsettled: BTreeMap::new(),
            consumers: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    /// The peer asks for a consumer of this name. An empty one is the broker's to make up.
    ///
    /// # Errors
    /// 530 where it is taken.
    pub(super) fn take_name(&mut self, tag: &str) -> Result<(), Misbehaved> {
        if tag.is_empty() || self.taken.insert(ConsumerTag::new(tag)) {
            return Ok(());
        }
        let sentence = format!("consumer tag '{tag}' is in use on this channel");
        Err(Misbehaved::new(ReplyCode::NotAllowed, sentence).by(MethodId::BASIC_CONSUME))
    }

    /// The peer gives a name up; whether it had it.
    pub(super) fn free_name(&mut self, tag: &str) -> bool {
        self.taken.remove(tag)
    }

    pub(super) fn start(&mut self, tag: &str, no_ack: bool) {
        let tag = ConsumerTag::new(tag);
        self.taken.insert(tag.clone());
        self.consumers.insert(tag, Consumer { no_ack });
    }

    /// Whether the consumer was running.
    pub(super) fn stop(&mut self, tag: &str) -> bool {
        self.consumers.remove(tag).is_some()
    }

    /// Gives the next delivery tag to a message for `tag`; `None` where there is no such consumer.
    pub(super) fn send_to(&mut self, tag: &str, delivery: D) -> Option<u64> {
        let (name, consumer) = self.consumers.get_key_value(tag)?;
        let settled = Settled {
            consumer: Some(name.clone()),
            delivery,
        };
        let no_ack = consumer.no_ack;
        Some(self.out(no_ack, settled))
    }

    /// Gives the next delivery tag to the answer of a get.
    pub(super) fn send_to_get(&mut self, no_ack: bool, delivery: D) -> u64 {
        self.out(
            no_ack,
            Settled {
                consumer: None,
                delivery,
            },
        )
    }

    fn out(&mut self, no_ack: bool, settled: Settled<D>) -> u64 {
        self.last_tag = self.last_tag.saturating_add(1);
        if !no_ack {
            self.unsettled.insert(self.last_tag, settled);
        }
        self.last_tag
    }

    /// The deliveries that `tag` settles, ascending.
    ///
    /// # Errors
    /// 406 where the tag is not out on this channel: unknown, settled before, sent without ack.
    pub(super) fn settle(
        &mut self,
        tag: u64,
        multiple: bool,
    ) -> Result<Vec<Settled<D>>, Misbehaved> {
        if tag == 0 && multiple {
            return Ok(self.take_all());
        }
        if !multiple {
            return self
                .unsettled
                .remove(&tag)
                .map(|settled| vec![settled])
                .ok_or_else(|| unknown(tag));
        }
        if !self.unsettled.contains_key(&tag) {
            return Err(unknown(tag));
        }
        let later = self.unsettled.split_off(&tag.saturating_add(1));
        Ok(std::mem::replace(&mut self.unsettled, later)
            .into_values()
            .collect())
    }

    /// All that is out, ascending; nothing is, afterwards.
    pub(super) fn take_all(&mut self) -> Vec<Settled<D>> {
        std::mem::take(&mut self.unsettled).into_values().collect()
    }

    /// The consumers that run; none does, afterwards.
    pub(super) fn take_consumers(&mut self) -> Vec<ConsumerTag> {
        std::mem::take(&mut self.consumers).into_keys().collect()
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
        outgoing.start("c", false);
        for delivery in ['a', 'b', 'c'] {
            outgoing.send_to("c", delivery);
        }
        outgoing.send_to_get(false, 'd');
        outgoing
    }

    fn names(settled: &[Settled<char>]) -> String {
        settled.iter().map(|it| it.delivery).collect()
    }

    #[test]
    fn tags_are_shared_by_consumers_and_gets_and_settle_what_they_name() {
        let mut outgoing = four_out();
        assert_eq!(names(&outgoing.settle(2, false).unwrap()), "b");
        let rest = outgoing.settle(4, true).unwrap();
        assert_eq!(names(&rest), "acd");
        assert_eq!(
            rest[0].consumer.as_ref().map(ConsumerTag::as_str),
            Some("c")
        );
        assert_eq!(rest[2].consumer, None);
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
        outgoing.start("quiet", true);
        outgoing.send_to("quiet", 'e');
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
        assert!(outgoing.stop("c"));
        assert_eq!(outgoing.send_to("c", 'x'), None);
        assert_eq!(names(&outgoing.settle(1, false).unwrap()), "a");
    }
}
