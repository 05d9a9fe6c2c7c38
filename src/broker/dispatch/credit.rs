//! Whose turn it is among those who consume a queue and have credit.

use super::Dispatch;
use crate::broker::ids::ConsumerId;
use crate::broker::limits::UNLIMITED_PREFETCH;
use crate::broker::record::QueueId;

impl Dispatch {
    /// The consumer whose turn it is among those with credit, and with the right to a release: of
    /// the highest priority that has one. Where one alone is active, the first with that right is.
    pub(super) fn next_with_credit(&mut self, id: QueueId, release: bool) -> Option<ConsumerId> {
        let has_right = |id: ConsumerId| !release || self.takes_releases(id.connection);
        let feed = self.feeds.get(&id)?;
        if feed.traits.single_active {
            let mut consumers = feed.consumers.values().copied();
            let active = consumers.find(|consumer| has_right(*consumer));
            return active.filter(|consumer| self.has_credit(*consumer));
        }
        let (mut spent, mut next) = (Vec::new(), None);
        for (place, consumer) in feed.turns() {
            if !self.has_credit(consumer) {
                spent.push(place);
            } else if has_right(consumer) {
                next = Some((place, consumer));
                break;
            }
        }
        let feed = self.feeds.get_mut(&id)?;
        for place in spent {
            feed.able.remove(&place);
        }
        let (place, consumer) = next?;
        feed.turn = place.came;
        Some(consumer)
    }

    fn has_credit(&self, id: ConsumerId) -> bool {
        let Some(consumer) = self.consumers.get(&id) else {
            return false;
        };
        let channel = self.channel(id.key());
        let shared = channel.and_then(|c| Some((c.limit?, c.unacked)));
        let channel_has = shared.is_none_or(|(limit, unacked)| unacked < limit);
        let own = match (channel.and_then(|c| c.each), shared) {
            (None, None) => Some(UNLIMITED_PREFETCH),
            (own, _) => own,
        };
        channel_has && own.is_none_or(|limit| consumer.unacked < limit)
    }
}
