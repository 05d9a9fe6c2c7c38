//! The facts of one message as Cedar reads them, and the record of having looked.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Context, Entities, Request};

use crate::agency::registry::{Party, Unit};
use crate::message::facts::{FactValue, Facts};
use crate::message::id::AgencyId;
use crate::message::time::Timestamp;

use super::entities::{Broken, Moment};
use super::measures::{Level, Measures};
use super::request::RuleRequest;
use super::rulebook::Rulebook;
use super::slice::Slice;
use super::source::Rule;
use super::standing::{Case, CaseId, Reads, Standing, StandingKey};

/// What standing and clock say for one message, and the record of having looked.
pub(super) struct StandingFacts<'a> {
    now: Timestamp,
    sender: AgencyId,
    /// What officers have declared of the sender's agency.
    measures: Option<&'a Measures>,
    /// The quoted case, where it is open and the sender's agency has joined it.
    case: Option<&'a Case>,
    bans: Vec<&'a AgencyId>,
    /// The holders of an open order on one of the message's own keys.
    orders: BTreeSet<&'a Party>,
    pub(super) reads: Reads,
}

impl<'a> StandingFacts<'a> {
    pub(super) fn read(
        request: &RuleRequest<'_>,
        rulebook: &Rulebook,
        standing: &'a Standing,
        now: Timestamp,
    ) -> Self {
        let sender = request.sender.id.agency.clone();
        let mut keys = vec![StandingKey::Measures(sender.clone())];
        let measures = standing.measures.get(&sender).map(|it| &it.value);
        let (mut case, mut bans, mut orders) = (None, Vec::new(), BTreeSet::new());
        if let Some(id) =
            (request.question.asked.case.as_ref()).and_then(|text| text.parse::<CaseId>().ok())
        {
            case = standing.cases.get(&id).map(|case| &case.value);
            // Bans bind whether the case is open or not: closing it frees nobody's data. Of a case that is
            // not open there come none.
            for party in bound_as(request.sender) {
                let key = (id.clone(), party);
                let found = standing.bans.get(&key);
                bans.extend(found.into_iter().flat_map(|bans| &bans.value));
                if case.is_some() || found.is_some() {
                    keys.push(StandingKey::Bans(key.0, key.1));
                }
            }
            keys.push(match case {
                Some(_) => StandingKey::Case(id),
                None => StandingKey::NewestCase,
            });
        }
        let first_end = measures.and_then(|it| it.first_end(now));
        let mut ends: Vec<Timestamp> = first_end.into_iter().collect();
        for own_key in &request.question.own_keys {
            let open = standing.orders.get(own_key).into_iter();
            for (holder, end) in open.flat_map(|open| &open.value) {
                if end.is_none_or(|end| now < end) {
                    orders.insert(holder);
                    ends.extend(*end);
                }
            }
            keys.push(StandingKey::Orders(*own_key));
        }
        let keys = keys.into_iter().map(|key| (standing.epoch(&key), key));
        let keys = keys.map(|(epoch, key)| (key, epoch)).collect();
        let by_time = valid_until(request.facts, rulebook, now);
        let valid_until = by_time.into_iter().chain(ends).min();
        let reads = Reads {
            rulebook_epoch: rulebook.epoch(),
            keys,
            valid_until,
        };
        let case = case.filter(|case| case.members.contains(&sender));
        Self {
            now,
            sender,
            measures,
            case,
            bans,
            orders,
            reads,
        }
    }

    /// How far the systems of the sender's agency work.
    fn level(&self) -> Level {
        self.measures
            .map(|it| it.level(self.now))
            .unwrap_or_default()
    }

    /// Whether a rule gives nothing: a permit of the sender's agency that its officers have suspended. No
    /// rule that forbids is ever left out.
    pub(super) fn suspends(&self, rule: &Rule) -> bool {
        let is_own = rule.permits && rule.owner == self.sender.as_str();
        is_own
            && self
                .measures
                .is_some_and(|it| it.suspends(&rule.id, self.now))
    }

    /// The agencies that hold an open order, as far as it is to count for `unit`: an order
    /// that only an unlisted unit holds counts for that unit alone.
    fn orders_for(&self, unit: &Unit) -> Vec<&'a AgencyId> {
        let own = unit.party();
        let counts = |holder: &&Party| matches!(holder, Party::Agency(_)) || **holder == own;
        let holders = self.orders.iter().copied().filter(counts);
        let agencies: BTreeSet<&AgencyId> = holders.map(Party::agency).collect();
        agencies.into_iter().collect()
    }

    /// The case, where this unit's agency has joined it too.
    pub(super) fn case_for(&self, unit: &Unit) -> Option<&'a Case> {
        self.case
            .filter(|case| case.members.contains(&unit.id.agency))
    }
}

/// As whom a sender is bound by what it has got: with its agency, and an unlisted unit by what it
/// alone has got besides.
fn bound_as(sender: &Unit) -> BTreeSet<Party> {
    BTreeSet::from([Party::Agency(sender.id.agency.clone()), sender.party()])
}

/// The first instant after which some comparison of `now` with a time may come out otherwise:
/// the next of all times that rules, agreements and the message name, or one millisecond after a
/// time that is now.
fn valid_until(facts: &Facts, rulebook: &Rulebook, now: Timestamp) -> Option<Timestamp> {
    let own = facts.values().filter_map(|fact| match fact {
        FactValue::Time(time) => Some(*time),
        _ => None,
    });
    let own = own.filter_map(|time| first_change(&[time], now));
    own.chain(first_change(rulebook.times(), now)).min()
}

/// When the comparison of `now` with one of these times, which are in order, comes out otherwise for
/// the first time.
fn first_change(times: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    let past = times.partition_point(|time| *time < now);
    let next = *times.get(past)?;
    let after = Timestamp::from_millis(now.as_millis().saturating_add(1));
    Some(next.max(after)).filter(|next| *next > now)
}

/// The entities and contexts of one message, each built once.
pub(super) struct Bench<'a> {
    request: &'a RuleRequest<'a>,
    rulebook: &'a Rulebook,
    pub(super) facts: &'a StandingFacts<'a>,
    entities: Result<Entities, Broken>,
    /// Cedar's question without and with the case, by the holders of orders.
    contexts: BTreeMap<(bool, Vec<&'a AgencyId>), Result<Context, Broken>>,
}

impl<'a> Bench<'a> {
    /// For the questions of these slices.
    pub(super) fn new(
        request: &'a RuleRequest<'a>,
        rulebook: &'a Rulebook,
        facts: &'a StandingFacts<'a>,
        slices: &[&Slice],
    ) -> Self {
        let read = |fact: &str| slices.iter().any(|slice| slice.reads(fact));
        let recipients = slices.iter().map(|slice| &slice.unit.id);
        let entities = rulebook
            .world()
            .with_message(request, facts.now, recipients, read);
        Self {
            request,
            rulebook,
            facts,
            entities,
            contexts: BTreeMap::new(),
        }
    }

    /// The entities, and the question whether `unit` may receive; an error where the facts of the
    /// message could not be built.
    pub(super) fn question(&mut self, unit: &Unit) -> Result<(Request, &Entities), Broken> {
        let case = self.facts.case_for(unit);
        let (world, facts) = (self.rulebook.world(), self.facts);
        let key = (case.is_some(), facts.orders_for(unit));
        let orders = key.1.clone();
        let context = self.contexts.entry(key).or_insert_with(|| {
            let bans = facts.bans.clone();
            world.context(&Moment {
                now: facts.now,
                level: facts.level(),
                case,
                bans,
                orders,
            })
        });
        let context = context.clone()?;
        let entities = self.entities.as_ref().map_err(Clone::clone)?;
        Ok((
            world.question(&unit.id, &self.request.entry.message_type, context)?,
            entities,
        ))
    }
}
