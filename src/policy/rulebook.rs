//! The rulebook: agencies, catalogue, policies and agreements as one immutable value.
//!
//! [`Rulebook::parse`] makes one of folders: its rules parse, validate and agree with agencies and
//! catalogue. [`Rulebook::load`] makes one of what a log holds, which was checked when it was written.
//! Either is a pure function of its bundle, whose digest is its name; the active one is what the log
//! says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use cedar_policy::{PolicySet, Schema};

use crate::agency::officer::Holder;
use crate::agency::registry::{Registry, Unit};
use crate::message::bundle::{Bundle, Fault};
use crate::message::catalogue::{Catalogue, MessageEntry};
use crate::message::id::{AgencyId, Digest, MessageType, UnitId};
use crate::message::time::Timestamp;

use super::agreement::{Agreement, Board};
use super::check;
use super::entities::{Sources, World};
use super::parts::Parts;
use super::slice::Slice;
use super::source::Rule;
use super::vocabulary::Vocabulary;
use super::words::PolicyId;

/// Slices by sender and message type, each built when first asked for.
type Slices = BTreeMap<AgencyId, BTreeMap<MessageType, OnceLock<Vec<Slice>>>>;

/// Everything that rulings are made from, except the message, standing and the clock.
pub struct Rulebook {
    registry: Registry,
    catalogue: Catalogue,
    bundle: Bundle,
    digest: Digest,
    epoch: u64,
    /// By whose eyes it was read, where units may be left out that it has.
    seen_by: Option<Holder>,
    rules: Vec<Arc<Rule>>,
    agreements: Vec<Agreement>,
    board: Board,
    vocabulary: Vocabulary,
    schema: Schema,
    policies: PolicySet,
    world: World,
    by_id: BTreeMap<PolicyId, Arc<Rule>>,
    /// By sender: those over its data, in the order of all. What others wrote is not looked at.
    rules_over: BTreeMap<AgencyId, Vec<Arc<Rule>>>,
    /// By message type: units that receive it, by address.
    receivers: BTreeMap<MessageType, Vec<UnitId>>,
    /// The instants that rules and agreements name, in order.
    times: Vec<Timestamp>,
    slices: Slices,
}

impl fmt::Debug for Rulebook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rulebook({} rules, {})", self.rules.len(), self.digest)
    }
}

impl Rulebook {
    /// Reads what folders propose; all faults, sorted by place, where it is not one whole rulebook in
    /// which every name names something and every rule is where it belongs.
    pub fn parse(bundle: &Bundle) -> Result<Self, Vec<Fault>> {
        let (parts, mut faults) = Parts::read(bundle, Catalogue::parse(bundle), &whole)?;
        faults.extend(check::faults(&parts, bundle, &faults));
        Self::assemble(parts, bundle, faults)
    }

    /// Reads what folders propose as officers of `holder` know it, to whom its agencies are as `seen`
    /// leaves them. With the rulebook come the faults with which it can still be read.
    pub(super) fn partial(
        bundle: &Bundle,
        holder: &Holder,
        seen: &dyn Fn(Registry) -> Registry,
    ) -> Result<(Self, Vec<Fault>), Vec<Fault>> {
        // A catalogue that is advised against can be one of an older release.
        let (catalogue, advised) = match Catalogue::parse(bundle) {
            Ok(catalogue) => (Ok(catalogue), Vec::new()),
            Err(advised) => (Catalogue::load(bundle), advised),
        };
        let (parts, mut broken) = Parts::read(bundle, catalogue, seen)?;
        let mut faults = check::faults(&parts, bundle, &broken);
        faults.extend(advised);
        if !broken.is_empty() {
            broken.extend(faults);
            broken.sort();
            return Err(broken);
        }
        let rulebook = Self::assemble(parts, bundle, broken);
        // What cannot be assembled is only a consequence of the others.
        let rulebook = rulebook.map_err(|consequence| {
            if faults.is_empty() {
                consequence
            } else {
                faults.clone()
            }
        })?;
        let seen_by = Some(holder.clone());
        Ok((
            Self {
                seen_by,
                ..rulebook
            },
            faults,
        ))
    }

    /// Reads what a log says: every release accepts what any has written there, whatever it advises
    /// today. What is refused here can be no rulebook at all; a new advice goes to [`check`].
    pub fn load(bundle: &Bundle) -> Result<Self, Vec<Fault>> {
        let (parts, faults) = Parts::read(bundle, Catalogue::load(bundle), &whole)?;
        Self::assemble(parts, bundle, faults)
    }

    /// Builds the rulebook, where nothing was found.
    fn assemble(parts: Parts, bundle: &Bundle, mut faults: Vec<Fault>) -> Result<Self, Vec<Fault>> {
        let world = World::new(&Sources {
            registry: &parts.registry,
            catalogue: &parts.catalogue,
            agreements: &parts.agreements,
            board: &parts.board,
            schema: &parts.schema,
        });
        let world = world.map_err(|broken| Fault::new("agencies", broken, "see agencies/"));
        faults.sort();
        match world {
            Ok(world) if faults.is_empty() => Ok(Self::built(parts, bundle, world)),
            // Often only a consequence of the others, which say more.
            Err(fault) if faults.is_empty() => Err(vec![fault]),
            Ok(_) | Err(_) => Err(faults),
        }
    }

    fn built(parts: Parts, bundle: &Bundle, world: World) -> Self {
        let by_id = parts.rules.iter();
        let by_id = by_id.map(|rule| (rule.id.clone(), Arc::clone(rule)));
        Self {
            slices: empty_slices(&parts.registry, &parts.catalogue),
            by_id: by_id.collect(),
            rules_over: rules_over(&parts.registry, &parts.rules),
            receivers: receivers(&parts.registry, &parts.catalogue),
            times: times(&parts.rules, &parts.agreements),
            bundle: bundle.clone(),
            digest: bundle.digest(),
            epoch: 0,
            seen_by: None,
            world,
            registry: parts.registry,
            catalogue: parts.catalogue,
            rules: parts.rules,
            agreements: parts.agreements,
            board: parts.board,
            vocabulary: parts.vocabulary,
            schema: parts.schema,
            policies: parts.policies,
        }
    }

    /// This rulebook with the ledger's number of its activation, which rises with each.
    #[must_use]
    pub fn activated(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// Which activation it is; 0 before any.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The body by whose eyes it was read: units may be left out that officers of it do not know.
    pub(super) fn seen_by(&self) -> Option<&Holder> {
        self.seen_by.as_ref()
    }

    /// Its agencies.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its message types.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether messages with this routing key go to exchange `carnet`: those of the catalogue, and
    /// steps of a case.
    pub fn is_type(&self, routing_key: &str) -> bool {
        self.catalogue.get(routing_key).is_some() || check::CASE_STEPS.contains(&routing_key)
    }

    /// Its text.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Its name: the digest of its text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its rules, in the order of their files and lines.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(Arc::as_ref)
    }

    /// A rule by its id.
    pub fn rule(&self, id: &PolicyId) -> Option<&Rule> {
        self.by_id.get(id).map(AsRef::as_ref)
    }

    /// Its agreements.
    pub fn agreements(&self) -> &[Agreement] {
        &self.agreements
    }

    /// Its board.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The board's words.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Its schema and policies as Cedar holds them: the reference for a second check of a ruling.
    pub fn cedar(&self) -> (&Schema, &PolicySet) {
        (&self.schema, &self.policies)
    }

    /// Units that messages of this type from this agency can reach: who receives the type, and has
    /// a permit on `receive` whose head matches.
    pub fn candidates(
        &self,
        sender: &AgencyId,
        message_type: &MessageType,
    ) -> impl Iterator<Item = &UnitId> {
        self.slices(sender, message_type)
            .iter()
            .map(|slice| &slice.unit.id)
    }

    /// The agreements of `unit`'s agency that a rule on such a message asks for and that are not in
    /// force at `now`: what would be given under them is not.
    pub(super) fn lapsed(
        &self,
        unit: &UnitId,
        sender: &AgencyId,
        entry: &MessageEntry,
        now: Timestamp,
    ) -> Vec<&Agreement> {
        let slice = self.slice(unit, sender, entry);
        let asked: BTreeSet<&String> = slice.iter().flat_map(Slice::agreements).collect();
        let lapsed = self.agreements.iter().filter(|it| {
            asked.contains(&it.id) && it.parties.contains(&unit.agency) && !it.is_in_force(now)
        });
        lapsed.collect()
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// The instants that rules and agreements name, in order.
    pub(super) fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// The candidates' slices, by address.
    pub(super) fn slices(&self, sender: &AgencyId, message_type: &MessageType) -> &[Slice] {
        let cell = self
            .slices
            .get(sender)
            .and_then(|types| types.get(message_type));
        let entry = self.catalogue.get(message_type.as_str());
        let (Some(cell), Some(entry)) = (cell, entry) else {
            return &[];
        };
        cell.get_or_init(|| {
            let receivers = self.receivers.get(message_type).into_iter().flatten();
            receivers
                .filter_map(|unit| self.slice(unit, sender, entry))
                .filter(Slice::may_receive)
                .collect()
        })
    }

    /// The slice of any unit, built anew.
    pub(super) fn slice(
        &self,
        unit: &UnitId,
        sender: &AgencyId,
        entry: &MessageEntry,
    ) -> Option<Slice> {
        let unit = self.registry.unit(unit)?;
        let groups = self.board.groups_of(&unit.id.agency);
        let rules = self.rules_over.get(sender).unwrap_or(&self.rules);
        Some(Slice::new(unit, &groups, rules, sender, &entry.entity))
    }
}

/// All agencies, with all that they have.
fn whole(registry: Registry) -> Registry {
    registry
}

fn empty_slices(registry: &Registry, catalogue: &Catalogue) -> Slices {
    let types = || {
        catalogue
            .entries()
            .map(|e| (e.message_type.clone(), OnceLock::new()))
            .collect()
    };
    registry
        .agencies()
        .map(|agency| (agency.id.clone(), types()))
        .collect()
}

fn rules_over(registry: &Registry, rules: &[Arc<Rule>]) -> BTreeMap<AgencyId, Vec<Arc<Rule>>> {
    let agencies = registry.agencies().map(|agency| agency.id.clone());
    let mut over: BTreeMap<AgencyId, Vec<Arc<Rule>>> =
        agencies.map(|agency| (agency, Vec::new())).collect();
    for rule in rules {
        match &rule.head.originator {
            Some(agency) => over.get_mut(agency.as_str()).into_iter().for_each(|of| {
                of.push(Arc::clone(rule));
            }),
            None => over.values_mut().for_each(|of| of.push(Arc::clone(rule))),
        }
    }
    over
}

fn receivers(registry: &Registry, catalogue: &Catalogue) -> BTreeMap<MessageType, Vec<UnitId>> {
    let of = |message_type: &MessageType| {
        let covers = |unit: &&Arc<Unit>| {
            let mut patterns = unit.receives.iter();
            patterns.any(|pattern| pattern.covers(message_type.as_str()))
        };
        let units = registry.units().filter(covers);
        units.map(|unit| unit.id.clone()).collect()
    };
    let types = catalogue.entries().map(|entry| &entry.message_type);
    types.map(|it| (it.clone(), of(it))).collect()
}

fn times(rules: &[Arc<Rule>], agreements: &[Agreement]) -> Vec<Timestamp> {
    let conditions = rules.iter().filter_map(|rule| rule.condition.as_ref());
    let named = conditions.flat_map(|condition| condition.times.iter().copied());
    let ends = agreements.iter().flat_map(|it| [it.from, it.to]);
    let mut times: Vec<Timestamp> = named.chain(ends).collect();
    times.sort_unstable();
    times.dedup();
    times
}
