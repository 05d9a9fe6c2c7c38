//! What follows a delivery on its channel while it waits to be narrowed.
//!
//! A release that a newer ruling narrows goes back to the core, to be recorded first. Whatever the
//! core told of that channel behind it waits here in its order: a queue's messages do not overtake
//! each other, and requests are answered in the order in which they were asked. Other channels go
//! on, and so do confirms, which have no order with deliveries.
//!
//! INVARIANT: each place that waits is filled by the core, whatever became of the delivery. What is
//! here is what would else lie in the connection's queue of effects, and has the bounds of that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::broker::effect::{Answer, Deliver, Effect};
use crate::broker::ids::DeliveryId;

/// Channels on which something waits, each with all that came since. Owned by its connection.
#[derive(Debug, Default)]
pub(super) struct Held {
    channels: BTreeMap<u16, VecDeque<Slot>>,
    /// Channels whose first effect has its turn.
    ready: BTreeSet<u16>,
}

#[derive(Debug)]
enum Slot {
    /// A delivery whose narrower form is on its way.
    Narrowing { delivery: DeliveryId, is_get: bool },
    /// An effect that comes in its turn.
    Next(Effect),
}

impl Held {
    /// Whether nothing waits on any channel.
    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether something waits on this channel.
    pub(super) fn has(&self, channel: u16) -> bool {
        self.channels.contains_key(&channel)
    }

    /// An effect whose turn has come. Where it is a delivery that must be narrower, it goes back by
    /// [`Held::wait_first`].
    pub(super) fn next(&mut self) -> Option<Effect> {
        let channel = *self.ready.first()?;
        let first = self.channels.get_mut(&channel)?.pop_front();
        self.look_at(channel);
        match first {
            Some(Slot::Next(effect)) => Some(effect),
            Some(Slot::Narrowing { .. }) | None => None,
        }
    }

    /// Takes note that another effect than before is a channel's first.
    fn look_at(&mut self, channel: u16) {
        let slots = self.channels.get(&channel);
        let is_ready = slots.is_some_and(|slots| matches!(slots.front(), Some(Slot::Next(_))));
        if is_ready {
            self.ready.insert(channel);
        } else {
            self.ready.remove(&channel);
        }
        if slots.is_some_and(VecDeque::is_empty) {
            self.channels.remove(&channel);
        }
    }

    /// Puts a delivery in front of all that waits on its channel.
    pub(super) fn wait_first(&mut self, deliver: &Deliver) {
        let slots = self.channels.entry(deliver.channel).or_default();
        slots.push_front(Slot::narrowing(deliver));
        self.look_at(deliver.channel);
    }

    /// Puts a delivery behind all that waits on its channel.
    pub(super) fn wait_last(&mut self, deliver: &Deliver) {
        let slots = self.channels.entry(deliver.channel).or_default();
        slots.push_back(Slot::narrowing(deliver));
    }

    /// Gives back what need not wait, and keeps the rest.
    pub(super) fn keep(&mut self, effect: Effect) -> Option<Effect> {
        let channel = match &effect {
            Effect::Deliver(deliver) => deliver.channel,
            Effect::Answer { channel, .. } | Effect::Cancelled { channel, .. } => *channel,
            _ => return Some(effect),
        };
        match self.channels.get_mut(&channel) {
            None => Some(effect),
            Some(slots) => {
                slots.push_back(Slot::Next(effect));
                None
            }
        }
    }

    /// Takes the narrower form of a delivery that waited, which has its turn where it stood; `None`
    /// where its message has left its queue: a get then found nothing.
    pub(super) fn came(
        &mut self,
        channel: u16,
        delivery: DeliveryId,
        deliver: Option<Box<Deliver>>,
    ) {
        let Some(slots) = self.channels.get_mut(&channel) else {
            return;
        };
        let place = slots.iter().position(|slot| slot.waits_for(delivery));
        let Some((place, slot)) = place.and_then(|at| Some((at, slots.get_mut(at)?))) else {
            return;
        };
        let is_get = matches!(slot, Slot::Narrowing { is_get: true, .. });
        let answer = Answer::Empty;
        match deliver {
            Some(deliver) => *slot = Slot::Next(Effect::Deliver(deliver)),
            None if is_get => *slot = Slot::Next(Effect::Answer { channel, answer }),
            None => {
                slots.remove(place);
            }
        }
        self.look_at(channel);
    }

    /// Forgets all that waits: the connection is over.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Slot {
    fn narrowing(deliver: &Deliver) -> Self {
        Self::Narrowing {
            delivery: deliver.delivery,
            is_get: deliver.consumer.is_none(),
        }
    }

    fn waits_for(&self, other: DeliveryId) -> bool {
        matches!(self, Self::Narrowing { delivery, .. } if *delivery == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::ledger::Overlay;
    use crate::broker::record::QueueId;
    use crate::journal::Lsn;

    fn deliver(channel: u16, attempt: u64, consumer: Option<u64>) -> Deliver {
        let delivery = DeliveryId {
            queue: QueueId(1),
            entry: Lsn(attempt),
            attempt,
        };
        Deliver {
            channel,
            consumer,
            delivery,
            redelivered: false,
            returns: 0,
            private: false,
            overlay: Overlay::default(),
            moved_to: None,
            left: 0,
        }
    }

    fn effect(channel: u16, attempt: u64) -> Effect {
        Effect::Deliver(Box::new(deliver(channel, attempt, Some(1))))
    }

    fn answer(channel: u16, count: u64) -> Effect {
        let answer = Answer::Count(count);
        Effect::Answer { channel, answer }
    }

    /// Everything whose turn has come.
    fn ready(held: &mut Held) -> Vec<String> {
        let shown = |effect| match effect {
            Effect::Deliver(deliver) => deliver.delivery.attempt.to_string(),
            Effect::Answer { answer, .. } => format!("{answer:?}"),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| held.next()).map(shown).collect()
    }

    #[test]
    fn what_follows_on_a_channel_waits_in_its_order_and_other_channels_go_on() {
        let mut held = Held::default();
        assert!(held.keep(effect(1, 1)).is_some(), "nothing waits yet");
        let first = deliver(1, 1, Some(1));
        held.wait_first(&first);
        assert!(held.keep(effect(1, 2)).is_none());
        assert!(held.keep(answer(1, 7)).is_none());
        assert!(held.keep(effect(2, 3)).is_some());
        assert!(held.keep(Effect::Blocked(None)).is_some());
        let later = deliver(1, 4, Some(1));
        held.wait_last(&later);
        assert!(held.keep(effect(1, 5)).is_none());
        assert_eq!(ready(&mut held), [""; 0]);
        // They may come back in any order.
        held.came(1, later.delivery, Some(Box::new(later.clone())));
        assert_eq!(ready(&mut held), [""; 0]);
        held.came(1, first.delivery, Some(Box::new(first.clone())));
        assert_eq!(ready(&mut held), ["1", "2", "Count(7)", "4", "5"]);
        assert!(held.is_empty());
    }

    #[test]
    fn one_that_must_be_narrower_again_keeps_its_place() {
        let mut held = Held::default();
        let first = deliver(1, 1, Some(1));
        held.wait_first(&first);
        assert!(held.keep(effect(1, 2)).is_none());
        for _ in 0..2 {
            held.came(1, first.delivery, Some(Box::new(first.clone())));
            assert!(matches!(held.next(), Some(Effect::Deliver(again)) if *again == first));
            held.wait_first(&first);
            assert_eq!(ready(&mut held), [""; 0]);
        }
        held.came(1, first.delivery, Some(Box::new(first.clone())));
        assert_eq!(ready(&mut held), ["1", "2"]);
    }

    #[test]
    fn one_that_is_gone_leaves_its_place_to_the_next_and_a_get_found_nothing() {
        let mut held = Held::default();
        let (first, get) = (deliver(1, 1, Some(1)), deliver(1, 2, None));
        held.wait_first(&first);
        held.wait_last(&get);
        assert!(held.keep(answer(1, 7)).is_none());
        held.came(1, get.delivery, None);
        held.came(1, first.delivery, None);
        assert_eq!(ready(&mut held), ["Empty", "Count(7)"]);
        assert!(held.is_empty());
        held.wait_first(&first);
        held.came(1, first.delivery, None);
        assert!(held.is_empty());
        held.came(1, first.delivery, None);
        held.wait_first(&first);
        held.clear();
        assert!(!held.has(1));
    }
}
