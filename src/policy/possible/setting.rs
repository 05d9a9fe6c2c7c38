//! What can stand around a message of the catalogue: every combination that a condition can tell apart.
//!
//! Cedar compares: so of all numbers, times, sets only those beside what the condition names come out
//! otherwise, and one of each kind stands for all others. Calculating conditions are left alone.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use cedar_policy::{Entities, Request};

use crate::agency::registry::{Agency, Unit};
use crate::message::bundle::Fault;
use crate::message::catalogue::{Addressed, MessageEntry};
use crate::message::facts::{FactKind, FactRule, FactValue, Facts};
use crate::message::id::{AgencyId, UnitId};
use crate::message::time::Timestamp;
use crate::policy::condition::Condition;
use crate::policy::entities::{Moment, World};
use crate::policy::measures::Level;
use crate::policy::request::{Question, RuleRequest};
use crate::policy::rule::unit_sends;
use crate::policy::rulebook::Rulebook;
use crate::policy::source::Rule;
use crate::policy::standing::Case;

/// Words of one set that are told apart, at most; of more, nothing is said.
const WORDS_MAX: usize = 5;
/// A time that no condition names: noon of the day that decision tables play on.
const NOON: Timestamp = Timestamp::from_millis(1_773_748_800_000);

/// To whom a rule can apply, and of which messages.
pub(super) struct Domain<'r> {
    /// The units that its head admits.
    pub(super) units: Vec<&'r Unit>,
    /// The message types that the rule's head covers and some unit sends, each with such a unit.
    pub(super) messages: Vec<(&'r Unit, &'r MessageEntry)>,
    agencies: Vec<&'r Agency>,
}

impl<'r> Domain<'r> {
    pub(super) fn of(rule: &Rule, rulebook: &'r Rulebook) -> Self {
        let registry = rulebook.registry();
        let admitted = registry.units().filter(|unit| {
            let groups = rulebook.board().groups_of(&unit.id.agency);
            rule.head.admits(unit, &groups)
        });
        let agencies = registry.agencies().map(AsRef::as_ref);
        let agencies: Vec<&Agency> = agencies.collect();
        let mut messages = Vec::new();
        for agency in &agencies {
            for entry in rulebook.catalogue().entries() {
                if !rule.head.covers(&agency.id, &entry.entity) {
                    continue;
                }
                let units = agency.units.values().map(AsRef::as_ref);
                let senders = units.filter(|unit| unit_sends(agency, unit, entry));
                messages.extend(senders.map(|unit| (unit, entry.as_ref())));
            }
        }
        Self {
            units: admitted.map(AsRef::as_ref).collect(),
            messages,
            agencies,
        }
    }

    /// Whether the rule can apply to nothing, whatever it asks.
    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty() || self.messages.is_empty()
    }

    /// All units with all messages that the rule can apply to.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'r Unit, &'r Unit, &'r MessageEntry)> {
        let messages = self.messages.iter();
        messages.flat_map(|(sender, entry)| self.units.iter().map(|unit| (*unit, *sender, *entry)))
    }

    /// A fault where the head names messages that its agency never sends.
    pub(super) fn unsent(&self, rule: &Rule) -> Option<Fault> {
        if !self.messages.is_empty() {
            return None;
        }
        let agency = rule.head.originator.as_deref().unwrap_or("an agency");
        let what = rule.head.entity.as_deref().unwrap_or("message");
        let says = format!("{}: no system of {agency} sends any {what}", rule.id);
        let cure = "see `sends` in agencies/ and `senders` of the type; or leave the rule out";
        Some(Fault::new(&rule.place, says, cure))
    }
}

/// One thing that can be so.
#[derive(Clone)]
enum Choice {
    Fact(String, FactValue),
    To(Vec<UnitId>),
    Answers(BTreeSet<UnitId>),
    Quotes(BTreeSet<AgencyId>),
    Now(Timestamp),
    Level(Level),
    Case(Option<Case>),
    Bans(BTreeSet<AgencyId>),
    Orders(BTreeSet<AgencyId>),
}

/// All that can be so around the messages of a rule.
pub(super) struct Settings<'c, 'r> {
    condition: &'c Condition,
    domain: &'c Domain<'r>,
    numbers: BTreeSet<i64>,
    times: BTreeSet<Timestamp>,
    /// One word for all that the condition does not tell apart.
    codes: BTreeSet<String>,
    areas: BTreeSet<String>,
}

impl<'c, 'r> Settings<'c, 'r> {
    /// Nothing where the condition calculates, or tells too much apart.
    pub(super) fn of(
        condition: &'c Condition,
        domain: &'c Domain<'r>,
        rulebook: &Rulebook,
    ) -> Option<Self> {
        let (mut numbers, mut codes, mut areas) = (BTreeSet::new(), Vec::new(), Vec::new());
        for part in &condition.parts {
            if calculates(&part.tree) {
                return None;
            }
            numbers.extend(literals(&part.tree, &|literal| match literal {
                Literal::Long(number) => Some(*number),
                _ => None,
            }));
            codes.extend(sets(&part.tree, &|literal| match literal {
                Literal::String(text) => Some(text.to_string()),
                _ => None,
            }));
            areas.extend(sets(&part.tree, &|literal| match literal {
                Literal::EntityUID(uid) => Some(uid.eid.to_string()),
                _ => None,
            }));
        }
        let known = &rulebook.vocabulary().areas;
        let named = areas.iter().flatten().filter(|word| known.has(word));
        let named: BTreeSet<String> = named.cloned().collect();
        let mut areas = told_apart(&areas);
        areas.retain(|word| known.has(word));
        let mut others = known.words().filter(|area| !named.contains(*area));
        areas.extend(others.next().map(str::to_owned));
        let codes = told_apart(&codes);
        if codes.len() > WORDS_MAX || areas.len() > WORDS_MAX + 1 {
            return None;
        }
        let beside = |at: Timestamp| [-1, 0, 1].map(|by| moved(at, by));
        let dates = rulebook.agreements().iter().flat_map(|it| [it.from, it.to]);
        let dates: Vec<Timestamp> = dates.filter(|_| !condition.agreements.is_empty()).collect();
        let times = condition.times.iter().copied().chain(dates).chain([NOON]);
        Some(Self {
            condition,
            domain,
            numbers: numbers
                .iter()
                .flat_map(|it| [-1, 0, 1].map(|by| it.saturating_add(by)))
                .collect(),
            times: times.flat_map(beside).collect(),
            codes,
            areas,
        })
    }

    /// Puts each to `look`, until it has seen enough.
    pub(super) fn each(&self, world: &World, look: &mut dyn FnMut(&Request, &Entities) -> bool) {
        let nobody = Posed::default();
        for (sender, entry) in &self.domain.messages {
            let units = self.domain.units.iter().filter(|unit| unit.id != sender.id);
            for unit in units {
                let choices = self.choices(sender, entry, unit);
                let mut turn = vec![0_usize; choices.len()];
                loop {
                    let chosen = choices.iter().zip(&turn);
                    let chosen = chosen.filter_map(|(all, at)| all.get(*at));
                    let mut question = nobody.clone();
                    chosen.for_each(|choice| question.take(choice));
                    if let Some((request, entities)) = question.ask(world, sender, entry, unit)
                        && !look(&request, &entities)
                    {
                        return;
                    }
                    if !advance(&mut turn, &choices) {
                        break;
                    }
                }
            }
        }
    }

    fn reads(&self, name: &str) -> bool {
        self.condition.attributes.contains(name)
    }

    /// What can be so of each thing that the condition reads.
    fn choices(&self, sender: &Unit, entry: &MessageEntry, unit: &Unit) -> Vec<Vec<Choice>> {
        let facts = entry.facts.iter().filter(|fact| self.reads(&fact.name));
        let mut all: Vec<Vec<Choice>> = facts
            .map(|fact| {
                let values = self.values(fact).into_iter();
                values
                    .map(|value| Choice::Fact(fact.name.clone(), value))
                    .collect()
            })
            .collect();
        let own = &unit.id.agency;
        let mut other = self.domain.agencies.iter().map(|agency| &agency.id);
        let agencies = some_of(own, other.find(|id| *id != own));
        let mut read = |name: &str, choices: Vec<Choice>| {
            if self.reads(name) && !choices.is_empty() {
                all.push(choices);
            }
        };
        read("now", self.times.iter().copied().map(Choice::Now).collect());
        let levels = [
            Level::Normal,
            Level::Degraded,
            Level::Fallback,
            Level::Closed,
        ];
        read("level", levels.map(Choice::Level).to_vec());
        read("case", self.cases(sender, unit));
        read("bans", agencies.iter().cloned().map(Choice::Bans).collect());
        if entry.keys.iter().any(|key| key.own) {
            read(
                "orders",
                agencies.iter().cloned().map(Choice::Orders).collect(),
            );
        }
        if entry.has_tokens {
            read("quotes", agencies.into_iter().map(Choice::Quotes).collect());
        }
        let mut others = self
            .domain
            .agencies
            .iter()
            .flat_map(|agency| agency.units.values());
        let other = others.find(|it| it.id != unit.id).map(|it| &it.id);
        let units = some_of(&unit.id, other);
        read(
            "answers",
            units.iter().cloned().map(Choice::Answers).collect(),
        );
        let addressed = units.iter().filter(|units| match entry.addressed {
            Addressed::Never => units.is_empty(),
            Addressed::Optional => true,
            Addressed::Required => !units.is_empty(),
        });
        read(
            "addressees",
            addressed
                .map(|units| Choice::To(units.iter().cloned().collect()))
                .collect(),
        );
        all
    }

    fn values(&self, fact: &FactRule) -> Vec<FactValue> {
        match fact.kind {
            FactKind::Integer => {
                let (least, most) = fact.range;
                let named = self.numbers.iter().copied().chain([least, 0, most]);
                let within = named.filter(|it| (least.min(0)..=most.max(0)).contains(it));
                let within: BTreeSet<i64> = within.collect();
                within.into_iter().map(FactValue::Long).collect()
            }
            FactKind::Present | FactKind::Equals(_) => [true, false].map(FactValue::Bool).to_vec(),
            FactKind::Time => {
                let beside = self
                    .times
                    .iter()
                    .flat_map(|at| [moved(*at, -1), *at, moved(*at, 1)]);
                let times: BTreeSet<Timestamp> = beside.collect();
                times.into_iter().map(FactValue::Time).collect()
            }
            FactKind::HsPrefixes => subsets(&self.codes)
                .into_iter()
                .map(FactValue::Strings)
                .collect(),
            FactKind::Areas => subsets(&self.areas)
                .into_iter()
                .map(FactValue::Areas)
                .collect(),
        }
    }

    /// A case is a fact only where both sides are members.
    fn cases(&self, sender: &Unit, unit: &Unit) -> Vec<Choice> {
        let both = BTreeSet::from([sender.id.agency.clone(), unit.id.agency.clone()]);
        let everybody = self.domain.agencies.iter().map(|agency| agency.id.clone());
        let members = BTreeSet::from([both, everybody.collect()]);
        let mut cases = vec![Choice::Case(None)];
        for areas in subsets(&self.areas) {
            for members in members.clone() {
                let areas = areas.clone();
                cases.push(Choice::Case(Some(Case { areas, members })));
            }
        }
        cases
    }
}

/// What is asked in one setting.
#[derive(Clone, Default)]
struct Posed {
    facts: Facts,
    question: Question<'static>,
    now: Option<Timestamp>,
    level: Level,
    case: Option<Case>,
    bans: BTreeSet<AgencyId>,
    orders: BTreeSet<AgencyId>,
}

impl Posed {
    fn take(&mut self, choice: &Choice) {
        match choice.clone() {
            Choice::Fact(name, value) => _ = self.facts.insert(name, value),
            Choice::To(to) => self.question.asked.to_mut().to = to,
            Choice::Answers(units) => self.question.answers = units,
            Choice::Quotes(agencies) => self.question.quotes = Cow::Owned(agencies),
            Choice::Now(now) => self.now = Some(now),
            Choice::Level(level) => self.level = level,
            Choice::Case(case) => self.case = case,
            Choice::Bans(agencies) => self.bans = agencies,
            Choice::Orders(agencies) => self.orders = agencies,
        }
    }

    /// As Cedar is asked it; nothing where it cannot be built.
    fn ask(
        &self,
        world: &World,
        sender: &Unit,
        entry: &MessageEntry,
        unit: &Unit,
    ) -> Option<(Request, Entities)> {
        let request = RuleRequest {
            sender,
            entry,
            facts: &self.facts,
            question: &self.question,
        };
        let now = self.now.unwrap_or(NOON);
        let context = world.context(&Moment {
            now,
            level: self.level,
            case: self.case.as_ref(),
            bans: self.bans.iter().collect(),
            orders: self.orders.iter().collect(),
        });
        let question = world
            .question(&unit.id, &entry.message_type, context.ok()?)
            .ok()?;
        let recipients = std::iter::once(&unit.id);
        let entities = world
            .with_message(&request, now, recipients, |_| true)
            .ok()?;
        Some((question, entities))
    }
}

/// Whether a condition makes numbers of numbers, or looks into texts: then what it names says not what
/// it tells apart.
fn calculates(tree: &Expr) -> bool {
    let look = |expr: &Expr| match expr {
        Expr::BinaryOp {
            op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::IsInRange,
            ..
        }
        | Expr::UnaryOp {
            op: UnaryOp::Neg, ..
        }
        | Expr::Like { .. } => Some(true),
        _ => None,
    };
    tree.reduce(&look, &|left, right| left || right, false)
}

/// What `pick` takes of all literals.
fn literals<T: Clone>(tree: &Expr, pick: &dyn Fn(&Literal) -> Option<T>) -> Vec<T> {
    let look = |expr: &Expr| match expr {
        Expr::Literal(literal) => Some(pick(literal).into_iter().collect()),
        _ => None,
    };
    let merge = |mut left: Vec<T>, right: Vec<T>| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, Vec::new())
}

/// The words that a condition names, those of one set together.
fn sets(tree: &Expr, pick: &dyn Fn(&Literal) -> Option<String>) -> Vec<BTreeSet<String>> {
    let look = |expr: &Expr| match expr {
        Expr::Literal(literal) => Some(pick(literal).into_iter().map(|it| [it].into()).collect()),
        Expr::Set(_) => Some(vec![literals(expr, pick).into_iter().collect()]),
        _ => None,
    };
    let merge = |mut left: Vec<BTreeSet<String>>, right: Vec<BTreeSet<String>>| {
        left.extend(right);
        left
    };
    tree.reduce(&look, &merge, Vec::new())
}

/// One word for all that stand in the same sets.
fn told_apart(sets: &[BTreeSet<String>]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let all: BTreeSet<&String> = sets.iter().flatten().collect();
    let first = all.into_iter().filter(|word| {
        let stands: Vec<bool> = sets.iter().map(|set| set.contains(*word)).collect();
        seen.insert(stands)
    });
    first.cloned().collect()
}

fn subsets(words: &BTreeSet<String>) -> Vec<BTreeSet<String>> {
    words.iter().fold(vec![BTreeSet::new()], |mut all, word| {
        let with = all.iter().cloned().map(|mut set: BTreeSet<String>| {
            set.insert(word.clone());
            set
        });
        let with: Vec<BTreeSet<String>> = with.collect();
        all.extend(with);
        all
    })
}

/// None, this one, another, both.
fn some_of<T: Ord + Clone>(own: &T, other: Option<&T>) -> Vec<BTreeSet<T>> {
    let own = BTreeSet::from([own.clone()]);
    let other: BTreeSet<T> = other.into_iter().cloned().collect();
    let both = own.union(&other).cloned().collect();
    vec![BTreeSet::new(), own, other, both]
}

fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(by))
}

/// The next turn; false after the last.
fn advance(turn: &mut [usize], choices: &[Vec<Choice>]) -> bool {
    for (at, all) in turn.iter_mut().zip(choices) {
        *at = at.saturating_add(1);
        if *at < all.len() {
            return true;
        }
        *at = 0;
    }
    false
}
