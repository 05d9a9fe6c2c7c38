//! Open orders: who ordered a control of what, which agencies hold the order, and until when.
//!
//! An order belongs to the party that sent it and is known by that party and its number: an order of
//! the same number of another party is another order. A newer version of an order takes the place of
//! the older one, whichever units it reaches. It is open until its owner withdraws it or reports its
//! result, or its deadline passes, and counts for its owner so long, with or without holders: were it
//! counted by its holders, a refusal for the number of orders would tell of holders that the owner
//! may not know of.
//!
//! INVARIANT: each open order stands under each of its subjects and under its deadline.

use std::collections::{BTreeMap, BTreeSet};

use crate::agency::registry::Party;
use crate::broker::ids::OrderKey;
use crate::broker::limits::{AGENCY_ORDERS, SUBJECT_ORDERS};
use crate::message::id::KeyedDigest;
use crate::message::rule::{self, Rule};
use crate::message::time::Timestamp;

/// The reason why a sender may not make a change of standing facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barred {
    /// The rule, for the record.
    pub rule: &'static Rule,
    /// What its sender is told.
    pub says: String,
}

/// An open order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct OpenOrder {
    /// The keys of its subject, as keyed digests.
    pub(in crate::broker) subjects: Vec<KeyedDigest>,
    /// Parties to which it was released and that have not reported its result.
    pub(in crate::broker) holders: BTreeSet<Party>,
    /// When it ends by itself.
    pub(in crate::broker) deadline: Timestamp,
    /// The message that opened it, by the digest of its sender and id.
    pub(in crate::broker) message: KeyedDigest,
}

/// All open orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::broker) struct Orders {
    pub(in crate::broker) open: BTreeMap<OrderKey, OpenOrder>,
    by_subject: BTreeMap<KeyedDigest, BTreeSet<OrderKey>>,
    by_deadline: BTreeSet<(Timestamp, OrderKey)>,
    /// How many open orders each party has.
    counts: BTreeMap<Party, usize>,
}

impl Orders {
    /// Whether one more order may be opened; a newer version of an open one always may.
    pub(super) fn may_open(&self, key: &OrderKey, subjects: &[KeyedDigest]) -> Result<(), Barred> {
        let barred = |says| {
            Err(Barred {
                rule: &rule::ORDER_COUNT,
                says,
            })
        };
        let known = self.open.get(key);
        let count = self.counts.get(&key.owner).copied().unwrap_or(0);
        if known.is_none() && count >= AGENCY_ORDERS {
            return barred(format!("an agency has at most {AGENCY_ORDERS} open orders"));
        }
        let is_new =
            |subject: &&KeyedDigest| known.is_none_or(|order| !order.subjects.contains(subject));
        let is_full = |subject: &KeyedDigest| {
            let on_it = self.by_subject.get(subject).into_iter().flatten();
            on_it.filter(|order| order.owner == key.owner).count() >= SUBJECT_ORDERS
        };
        if subjects.iter().filter(is_new).any(is_full) {
            return barred(format!(
                "an agency has at most {SUBJECT_ORDERS} open orders on one subject"
            ));
        }
        Ok(())
    }

    /// Opens an order, or puts a newer version in the place of the older one. Gives the subjects of
    /// both.
    pub(in crate::broker) fn open(
        &mut self,
        key: OrderKey,
        order: OpenOrder,
    ) -> BTreeSet<KeyedDigest> {
        let mut touched = self.end(&key);
        touched.extend(&order.subjects);
        for subject in &order.subjects {
            let on_it = self.by_subject.entry(*subject).or_default();
            on_it.insert(key.clone());
        }
        self.by_deadline.insert((order.deadline, key.clone()));
        *self.counts.entry(key.owner.clone()).or_default() += 1;
        self.open.insert(key, order);
        touched
    }

    /// Adds the holders that a repeat of the message that opened an order has reached. It opens nothing,
    /// and takes no newer version's place. Gives the subjects.
    pub(super) fn reach(
        &mut self,
        key: &OrderKey,
        message: KeyedDigest,
        holders: BTreeSet<Party>,
    ) -> BTreeSet<KeyedDigest> {
        let order = self.open.get_mut(key);
        let Some(order) = order.filter(|order| order.message == message) else {
            return BTreeSet::new();
        };
        order.holders.extend(holders);
        order.subjects.iter().copied().collect()
    }

    /// Ends an order, where it is open. Gives its subjects.
    pub(super) fn end(&mut self, key: &OrderKey) -> BTreeSet<KeyedDigest> {
        let Some(order) = self.open.remove(key) else {
            return BTreeSet::new();
        };
        for subject in &order.subjects {
            if let Some(on_it) = self.by_subject.get_mut(subject) {
                on_it.remove(key);
                if on_it.is_empty() {
                    self.by_subject.remove(subject);
                }
            }
        }
        self.by_deadline.remove(&(order.deadline, key.clone()));
        if let Some(count) = self.counts.get_mut(&key.owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&key.owner);
            }
        }
        order.subjects.into_iter().collect()
    }

    /// Takes the result that `by` reports for an order number, released to the parties in `to`. It ends
    /// `by`'s own order of that number, and `by`'s part in the orders of that number of parties in `to`.
    /// Gives the subjects of all of them.
    pub(super) fn reported(
        &mut self,
        number: KeyedDigest,
        by: &Party,
        to: &BTreeSet<Party>,
    ) -> BTreeSet<KeyedDigest> {
        let key = |owner: &Party| OrderKey {
            number,
            owner: owner.clone(),
        };
        let mut touched = self.end(&key(by));
        for owner in to {
            if let Some(order) = self.open.get_mut(&key(owner))
                && order.holders.remove(by)
            {
                touched.extend(&order.subjects);
            }
        }
        touched
    }

    /// Orders whose deadline is at or before `now`, the earliest first, at most `most`.
    pub(super) fn overdue(&self, now: Timestamp, most: usize) -> Vec<OrderKey> {
        let by_deadline = self.by_deadline.iter();
        let overdue = by_deadline.take_while(|(deadline, _)| *deadline <= now);
        overdue.take(most).map(|(_, key)| key.clone()).collect()
    }

    /// The parties that hold an open order on a subject, each until the last deadline of its orders.
    pub(super) fn holders(&self, subject: KeyedDigest) -> BTreeMap<Party, Option<Timestamp>> {
        let mut holders: BTreeMap<Party, Option<Timestamp>> = BTreeMap::new();
        let on_it = self.by_subject.get(&subject).into_iter().flatten();
        for order in on_it.filter_map(|key| self.open.get(key)) {
            for holder in &order.holders {
                let until = holders.entry(holder.clone()).or_default();
                *until = (*until).max(Some(order.deadline));
            }
        }
        holders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(owner: &str, number: u8) -> OrderKey {
        OrderKey {
            number: KeyedDigest([number; 16]),
            owner: party(owner),
        }
    }

    fn party(agency: &str) -> Party {
        Party::Agency(agency.parse().unwrap())
    }

    fn subject(number: u8) -> KeyedDigest {
        KeyedDigest([number; 16])
    }

    fn order(subjects: &[u8], holders: &[&str], deadline_ms: i64) -> OpenOrder {
        OpenOrder {
            subjects: subjects.iter().map(|number| subject(*number)).collect(),
            holders: holders.iter().copied().map(party).collect(),
            deadline: Timestamp::from_millis(deadline_ms),
            message: KeyedDigest([0; 16]),
        }
    }

    fn held_by(orders: &Orders, number: u8) -> Vec<String> {
        let holders = orders.holders(subject(number));
        holders.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn an_order_that_is_over_leaves_nothing_behind() {
        let mut orders = Orders::default();
        orders.open(key("customs", 1), order(&[1, 2], &["post"], 10));
        orders.open(key("customs", 2), order(&[2], &[], 20));
        let now = Timestamp::from_millis(10);
        assert_eq!(orders.overdue(now, 9), [key("customs", 1)]);
        assert_eq!(orders.end(&key("customs", 1)).len(), 2);
        assert!(orders.overdue(now, 9).is_empty() && orders.end(&key("customs", 1)).is_empty());
        orders.end(&key("customs", 2));
        assert_eq!(orders, Orders::default());
    }

    #[test]
    fn a_newer_version_takes_the_place_of_the_older_one_and_names_both_subjects() {
        let mut orders = Orders::default();
        orders.open(key("customs", 1), order(&[1], &["post", "police"], 10));
        let touched = orders.open(key("customs", 1), order(&[2], &["post"], 30));
        assert_eq!(touched, BTreeSet::from([subject(1), subject(2)]));
        assert_eq!(held_by(&orders, 1), [""; 0]);
        assert_eq!(held_by(&orders, 2), ["post"]);
        assert!(orders.overdue(Timestamp::from_millis(10), 9).is_empty());
    }

    #[test]
    fn equal_numbers_of_two_agencies_are_two_orders() {
        let mut orders = Orders::default();
        orders.open(key("customs", 1), order(&[1], &["post"], 10));
        orders.open(key("customs-xa", 1), order(&[1], &["police"], 20));
        orders.end(&key("customs-xa", 1));
        assert_eq!(held_by(&orders, 1), ["post"]);
    }

    #[test]
    fn a_result_ends_its_senders_own_order_or_its_part_in_one_of_who_has_got_it() {
        let mut orders = Orders::default();
        let [customs, post, police] = ["customs", "post", "police"].map(party);
        orders.open(key("customs", 1), order(&[1], &["post", "police"], 10));
        let number = subject(1);
        // To somebody else, or from one that does not hold it: nothing.
        for (by, to) in [(&post, &police), (&police, &post)] {
            assert!(
                orders
                    .reported(number, by, &BTreeSet::from([to.clone()]))
                    .is_empty()
            );
        }
        let other = party("environment");
        assert!(
            orders
                .reported(number, &other, &BTreeSet::from([customs.clone()]))
                .is_empty()
        );
        assert_eq!(held_by(&orders, 1), ["police", "post"]);
        orders.reported(number, &post, &BTreeSet::from([customs.clone(), police]));
        assert_eq!(held_by(&orders, 1), ["police"]);
        // The owner's own ends it, whoever gets that.
        orders.reported(number, &customs, &BTreeSet::new());
        assert_eq!(orders, Orders::default());
    }

    #[test]
    fn a_repeat_adds_holders_to_the_order_that_it_opened_and_to_no_newer_one() {
        let mut orders = Orders::default();
        orders.open(key("customs", 1), order(&[1], &["post"], 10));
        let more = || BTreeSet::from([party("police")]);
        let (first, second) = (KeyedDigest([0; 16]), KeyedDigest([9; 16]));
        assert!(orders.reach(&key("customs", 1), second, more()).is_empty());
        assert_eq!(orders.reach(&key("customs", 1), first, more()).len(), 1);
        assert_eq!(held_by(&orders, 1), ["police", "post"]);
        orders.end(&key("customs", 1));
        assert!(orders.reach(&key("customs", 1), first, more()).is_empty());
    }

    #[test]
    fn an_agency_has_so_many_orders_and_so_many_on_one_subject() {
        let mut orders = Orders::default();
        let numbered = |number: usize| {
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            OrderKey {
                number: KeyedDigest(digest),
                owner: party("customs"),
            }
        };
        let own = |number: usize| KeyedDigest(*numbered(number).number.0.first_chunk().unwrap());
        for number in 0..SUBJECT_ORDERS {
            assert_eq!(orders.may_open(&numbered(number), &[subject(9)]), Ok(()));
            orders.open(numbered(number), order(&[9], &[], 10));
        }
        let one_more = numbered(AGENCY_ORDERS);
        assert!(orders.may_open(&one_more, &[subject(9)]).is_err());
        assert_eq!(orders.may_open(&numbered(0), &[subject(9)]), Ok(()));
        assert_eq!(
            orders.may_open(&key("customs-xa", 1), &[subject(9)]),
            Ok(())
        );
        for number in SUBJECT_ORDERS..AGENCY_ORDERS {
            let order = OpenOrder {
                subjects: vec![own(number)],
                ..order(&[], &[], 10)
            };
            orders.open(numbered(number), order);
        }
        assert!(orders.may_open(&one_more, &[own(AGENCY_ORDERS)]).is_err());
        assert_eq!(orders.may_open(&numbered(1), &[own(1)]), Ok(()));
    }
}
