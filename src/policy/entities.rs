//! Agencies, messages and standing as Cedar's entities and context.
//!
//! What the rulebook gives (agencies, units, agreements) is built once. A message adds one entity to
//! those that its rules can look at: sender and candidates with their agencies. How many others take
//! part costs it nothing.
//! Any error in building refuses the message to all recipients: nothing is ruled on half the facts.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Context, Entities, Entity, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use crate::agency::registry::{Agency, Registry, Unit};
use crate::message::catalogue::Catalogue;
use crate::message::facts::{FactKind, FactValue};
use crate::message::id::{AgencyId, MessageType, UnitId};
use crate::message::time::Timestamp;

use super::agreement::{Agreement, Board};
use super::measures::Level;
use super::request::RuleRequest;
use super::standing::Case;
use super::words::{Words, uid};

type Value = RestrictedExpression;
/// What could not be built: for us, not for a peer.
pub(super) type Broken = String;

/// What the rulebook's part is made of.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) registry: &'a Registry,
    pub(super) catalogue: &'a Catalogue,
    pub(super) agreements: &'a [Agreement],
    pub(super) board: &'a Board,
    pub(super) schema: &'a Schema,
}

/// The rulebook's part of what policies read.
#[derive(Debug)]
pub(super) struct World {
    words: Words,
    types: BTreeMap<MessageType, EntityTypeName>,
    /// Every fact of the catalogue with its empty value, as Cedar holds it.
    empty_facts: BTreeMap<String, Value>,
    units: BTreeMap<UnitId, Spans>,
    agencies: BTreeMap<AgencyId, Entity>,
    groups: Vec<Entity>,
}

/// One unit at any time: its tags are the agreements in force, so it is another entity between any
/// two dates of its agency's agreements. Each holds from its instant on, the first from ever.
#[derive(Debug)]
struct Spans(Vec<(Timestamp, Entity)>);

impl Spans {
    fn at(&self, now: Timestamp) -> Option<&Entity> {
        let begun = self.0.partition_point(|(from, _)| *from <= now);
        let (_, entity) = self.0.get(begun.checked_sub(1)?)?;
        Some(entity)
    }
}

/// The clock and standing facts of one message, for candidates with and without its case.
pub(super) struct Moment<'a> {
    /// The time of ruling.
    pub(super) now: Timestamp,
    /// The level of the sender's agency.
    pub(super) level: Level,
    /// The quoted case, where it is a fact.
    pub(super) case: Option<&'a Case>,
    /// Originators that bind the sender in the quoted case.
    pub(super) bans: Vec<&'a AgencyId>,
    /// Holders of open orders on the message's own keys.
    pub(super) orders: Vec<&'a AgencyId>,
}

impl World {
    /// Builds the entities of agencies and units.
    pub(super) fn new(sources: &Sources<'_>) -> Result<Self, Broken> {
        let Sources {
            registry,
            catalogue,
            agreements,
            board,
            schema,
        } = *sources;
        let words = Words::new().map_err(|e| e.to_string())?;
        let mut types = BTreeMap::new();
        let mut empty_facts = BTreeMap::new();
        for entry in catalogue.entries() {
            let name = format!("Border::{}", entry.entity);
            let name = name
                .parse()
                .map_err(|_| format!("{name} is no entity type"))?;
            types.insert(entry.message_type.clone(), name);
            for rule in &entry.facts {
                empty_facts.insert(rule.name.clone(), words.fact(&empty(&rule.kind)));
            }
        }
        let (mut units, mut agencies) = (BTreeMap::new(), BTreeMap::new());
        for agency in registry.agencies() {
            let entity = agency_entity(&words, agency, board)?;
            agencies.insert(agency.id.clone(), entity);
            let own = agreements
                .iter()
                .filter(|it| it.parties.contains(&agency.id));
            let own: Vec<&Agreement> = own.filter(|it| !it.suspended).collect();
            for unit in agency.units.values() {
                units.insert(unit.id.clone(), spans(&words, agency, unit, &own)?);
            }
        }
        let groups = board.groups.keys();
        let groups = groups.map(|name| Entity::with_uid(uid(&words.group, name)));
        let world = Self {
            groups: groups.collect(),
            words,
            types,
            empty_facts,
            units,
            agencies,
        };
        // As the schema wants them, at any time: what differs between two dates is tags alone.
        let instants = agreements.iter().flat_map(|it| [it.from, it.to]);
        for now in instants.chain([EVER]) {
            let all = world.at(now).cloned();
            Entities::from_entities(all, Some(schema)).map_err(|e| e.to_string())?;
        }
        Ok(world)
    }

    /// All groups, agencies and units, as they are at `now`.
    fn at(&self, now: Timestamp) -> impl Iterator<Item = &Entity> {
        let units = self.units.values().filter_map(move |unit| unit.at(now));
        self.groups
            .iter()
            .chain(self.agencies.values())
            .chain(units)
    }

    /// The principal's name.
    pub(super) fn unit(&self, id: &UnitId) -> EntityUid {
        uid(&self.words.unit, &id.to_string())
    }

    /// The entity type of a message type.
    pub(super) fn message_uid(&self, message_type: &MessageType) -> Option<EntityUid> {
        self.types
            .get(message_type)
            .map(|entity_type| uid(entity_type, "this"))
    }

    /// What rules can look at for these units as recipients. Conditions are validated to look no
    /// further than [`LEVEL`](super::check::LEVEL): from the recipient to its agency, from the message
    /// to its sender and the sender's agency. What is in a set they compare, and look at nothing of it.
    /// The message has the facts that are `read`: each costs Cedar an evaluation, and most rules read
    /// none.
    pub(super) fn with_message<'u>(
        &self,
        request: &'u RuleRequest<'_>,
        now: Timestamp,
        recipients: impl Iterator<Item = &'u UnitId>,
        read: impl Fn(&str) -> bool,
    ) -> Result<Entities, Broken> {
        let units: BTreeSet<&UnitId> = recipients.chain([&request.sender.id]).collect();
        let agencies: BTreeSet<&AgencyId> = units.iter().map(|unit| &unit.agency).collect();
        let units = units.into_iter();
        let units = units.filter_map(|unit| self.units.get(unit)?.at(now));
        let agencies = agencies.into_iter();
        let agencies = agencies.filter_map(|agency| self.agencies.get(agency));
        let known = units.chain(agencies).cloned();
        let all = known.chain([self.message(request, read)?]);
        Entities::from_entities(all, None).map_err(|e| e.to_string())
    }

    /// Everything that there is at this time, and the message with all of its facts: what Cedar's own
    /// answer is found with.
    pub(super) fn whole(
        &self,
        request: &RuleRequest<'_>,
        now: Timestamp,
        schema: &Schema,
    ) -> Result<Entities, Broken> {
        let message = self.message(request, |_| true)?;
        // With the schema come its actions, and which are below which.
        let whole = Entities::from_entities(self.at(now).cloned(), Some(schema));
        let whole = whole.map_err(|e| e.to_string())?;
        whole
            .add_entities([message], None)
            .map_err(|e| e.to_string())
    }

    fn message(
        &self,
        request: &RuleRequest<'_>,
        read: impl Fn(&str) -> bool,
    ) -> Result<Entity, Broken> {
        let sender = &request.sender.id;
        let message = self.message_uid(&request.entry.message_type);
        let message = message.ok_or("the message type is not of this rulebook")?;
        let mut attributes: BTreeMap<String, Value> = BTreeMap::new();
        for (name, empty) in self.empty_facts.iter().filter(|(name, _)| read(name)) {
            let given = request.facts.get(name).map(|value| self.words.fact(value));
            attributes.insert(name.clone(), given.unwrap_or_else(|| empty.clone()));
        }
        let known = |unit: &&UnitId| self.units.contains_key(*unit);
        let units = |units: &mut dyn Iterator<Item = &UnitId>| {
            Value::new_set(units.map(|unit| Value::new_entity_uid(self.unit(unit))))
        };
        let addressees = units(&mut request.question.asked.to.iter().filter(known));
        attributes.insert(
            "sender".to_owned(),
            Value::new_entity_uid(self.unit(sender)),
        );
        attributes.insert("addressees".to_owned(), addressees);
        attributes.insert(
            "answers".to_owned(),
            units(&mut request.question.answers.iter()),
        );
        attributes.insert(
            "quotes".to_owned(),
            self.agencies(request.question.quotes.iter()),
        );
        let parents = [uid(&self.words.agency, sender.agency.as_str())];
        Entity::new_with_tags(message, attributes, parents, []).map_err(|e| e.to_string())
    }

    /// The context that `moment` gives.
    pub(super) fn context(&self, moment: &Moment<'_>) -> Result<Context, Broken> {
        let level = Value::new_entity_uid(uid(&self.words.level, moment.level.name()));
        let mut pairs = vec![
            ("now".to_owned(), datetime(moment.now)),
            ("level".to_owned(), level),
            (
                "bans".to_owned(),
                self.agencies(moment.bans.iter().copied()),
            ),
            (
                "orders".to_owned(),
                self.agencies(moment.orders.iter().copied()),
            ),
        ];
        if let Some(case) = moment.case {
            let case = Value::new_record([
                ("areas".to_owned(), self.words.areas(case.areas.iter())),
                ("members".to_owned(), self.agencies(case.members.iter())),
            ]);
            pairs.push(("case".to_owned(), case.map_err(|e| e.to_string())?));
        }
        Context::from_pairs(pairs).map_err(|e| e.to_string())
    }

    /// The question whether `unit` may do an action with the message. Conditions never read the
    /// action: one question stands for all.
    pub(super) fn question(
        &self,
        unit: &UnitId,
        message_type: &MessageType,
        context: Context,
    ) -> Result<Request, Broken> {
        let message = self.message_uid(message_type);
        let message = message.ok_or("the message type is not of this rulebook")?;
        let action = uid(&self.words.action, "receive");
        Request::new(self.unit(unit), action, message, context, None).map_err(|e| e.to_string())
    }

    fn agencies<'a>(&self, agencies: impl Iterator<Item = &'a AgencyId>) -> Value {
        let name = |agency: &AgencyId| uid(&self.words.agency, agency.as_str());
        Value::new_set(agencies.map(|agency| Value::new_entity_uid(name(agency))))
    }
}

impl Words {
    fn fact(&self, value: &FactValue) -> Value {
        match value {
            FactValue::Strings(texts) => {
                Value::new_set(texts.iter().cloned().map(Value::new_string))
            }
            FactValue::Areas(areas) => self.areas(areas.iter()),
            FactValue::Long(number) => Value::new_long(*number),
            FactValue::Bool(truth) => Value::new_bool(*truth),
            FactValue::Time(time) => datetime(*time),
        }
    }

    fn areas<'a>(&self, areas: impl Iterator<Item = &'a String>) -> Value {
        Value::new_set(areas.map(|area| Value::new_entity_uid(uid(&self.area, area))))
    }
}

/// The value of a fact that a message type does not have.
fn empty(kind: &FactKind) -> FactValue {
    match kind {
        FactKind::HsPrefixes => FactValue::Strings(BTreeSet::new()),
        FactKind::Areas => FactValue::Areas(BTreeSet::new()),
        FactKind::Integer => FactValue::Long(0),
        FactKind::Present | FactKind::Equals(_) => FactValue::Bool(false),
        FactKind::Time => FactValue::Time(Timestamp::from_millis(0)),
    }
}

/// A time outside of the years 0 to 9999 does not print as one, and Cedar refuses it.
fn datetime(time: Timestamp) -> Value {
    Value::new_datetime(time.to_string())
}

fn agency_entity(words: &Words, agency: &Agency, board: &Board) -> Result<Entity, Broken> {
    let kind = Value::new_entity_uid(uid(&words.kind, &agency.kind));
    let country = Value::new_string(agency.country.clone());
    let attributes = [("kind".to_owned(), kind), ("country".to_owned(), country)];
    let groups = board.groups_of(&agency.id);
    let parents = groups.iter().map(|name| uid(&words.group, name));
    let name = uid(&words.agency, agency.id.as_str());
    Entity::new_with_tags(name, attributes, parents, []).map_err(|e| e.to_string())
}

/// Before any date.
const EVER: Timestamp = Timestamp::from_millis(i64::MIN);

/// A unit between the dates of its agency's agreements.
fn spans(
    words: &Words,
    agency: &Agency,
    unit: &Unit,
    agreements: &[&Agreement],
) -> Result<Spans, Broken> {
    let dates = agreements.iter().flat_map(|it| [it.from, it.to]);
    let begins: BTreeSet<Timestamp> = dates.chain([EVER]).collect();
    let spans = begins.into_iter().map(|begin| {
        let in_force = agreements.iter().filter(|it| it.is_in_force(begin));
        let tags: Vec<(String, Value)> = in_force.filter_map(|it| tag(words, it)).collect();
        Ok((begin, unit_entity(words, agency, unit, tags)?))
    });
    spans.collect::<Result<_, Broken>>().map(Spans)
}

fn unit_entity(
    words: &Words,
    agency: &Agency,
    unit: &Unit,
    tags: Vec<(String, Value)>,
) -> Result<Entity, Broken> {
    let agency_uid = uid(&words.agency, agency.id.as_str());
    let clearances = unit
        .clearances
        .iter()
        .map(|name| uid(&words.clearance, name));
    let entity = |uid: EntityUid| Value::new_entity_uid(uid);
    let attributes = [
        ("agency".to_owned(), entity(agency_uid.clone())),
        ("kind".to_owned(), entity(uid(&words.kind, &agency.kind))),
        (
            "country".to_owned(),
            Value::new_string(agency.country.clone()),
        ),
        (
            "purpose".to_owned(),
            entity(uid(&words.purpose, unit.purpose.as_str())),
        ),
        (
            "clearances".to_owned(),
            Value::new_set(clearances.map(entity)),
        ),
    ];
    let name = uid(&words.unit, &unit.id.to_string());
    Entity::new_with_tags(name, attributes, [agency_uid], tags).map_err(|e| e.to_string())
}

fn tag(words: &Words, agreement: &Agreement) -> Option<(String, Value)> {
    let purposes = agreement.purposes.iter();
    let purposes = purposes.map(|name| uid(&words.purpose, name.as_str()));
    let purposes = Value::new_set(purposes.map(Value::new_entity_uid));
    let record = Value::new_record([
        ("from".to_owned(), datetime(agreement.from)),
        ("to".to_owned(), datetime(agreement.to)),
        ("purposes".to_owned(), purposes),
    ]);
    // Three different keys make a record: the error cannot happen, and would drop the tag, which
    // withholds.
    record.ok().map(|record| (agreement.id.clone(), record))
}
