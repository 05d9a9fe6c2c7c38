//! What officers of one body may know of a rulebook: all but the unlisted units of other agencies, and
//! what stands in other agencies' files.
//!
//! A check looks at the rulebook as they know it, so that nothing it says can rest on anything else. An
//! unlisted unit that the body's own rules or tables name in force is known to it, since a change that
//! names another one is refused.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicyId};

use super::change::owner_of;
use super::rulebook::Rulebook;
use super::source::FLOOR_PATH;
use super::table;
use crate::agency::officer::Holder;
use crate::agency::registry::{Registry, Unit};
use crate::message::bundle::{Bundle, Fault};
use crate::message::id::UnitId;

/// What officers of `holder` may know of the rulebook `base`, and of one that is to take its place.
pub(super) struct Known<'r> {
    pub(super) base: &'r Rulebook,
    holder: &'r Holder,
    /// Unlisted units that what they own, or what binds all, names in force.
    named: BTreeSet<UnitId>,
}

impl<'r> Known<'r> {
    pub(super) fn of(base: &'r Rulebook, holder: &'r Holder) -> Self {
        let own = holder
            .agency()
            .map(|agency| (agency, own_rules(agency.as_str())));
        let is_seen =
            |path: &str| path == FLOOR_PATH || own.as_ref().is_some_and(|it| it.1 == path);
        let (_, policies) = base.cedar();
        let seen = base.rules().filter(|rule| is_seen(rule.path()));
        let seen = seen.filter_map(|rule| policies.policy(&PolicyId::new(rule.id.as_str())));
        let literals = seen.flat_map(Policy::entity_literals);
        let named = literals.filter(|literal| literal.type_name().basename() == "Unit");
        let mut named: BTreeSet<UnitId> = named
            .filter_map(|literal| AsRef::<str>::as_ref(literal.id()).parse().ok())
            .collect();
        if let Some((agency, _)) = own {
            named.extend(table::units_named(base.bundle(), agency));
        }
        Self {
            base,
            holder,
            named,
        }
    }

    /// Whether they may read a file: one of their own body, or of the board, which bind all. A file of an
    /// agency that is yet to join is the board's.
    pub(super) fn sees(&self, path: &str) -> bool {
        let owner = self.owner_of(path);
        owner == Holder::Board || owner == *self.holder
    }

    /// A line of a file as they may know it: of another agency's, whose it is.
    pub(super) fn place(&self, path: &str, line: u32) -> String {
        if self.sees(path) {
            format!("{path}:{line}")
        } else {
            format!("by {}", self.owner_of(path))
        }
    }

    /// Whether a file is their own body's alone.
    pub(super) fn owns(&self, path: &str) -> bool {
        self.holder.agency().is_some() && self.owner_of(path) == *self.holder
    }

    fn owner_of(&self, path: &str) -> Holder {
        owner_of(path, |agency| self.takes_part(agency))
    }

    fn takes_part(&self, agency: &str) -> bool {
        self.base.registry().agency(agency).is_some()
    }

    /// Whether they may know that there is this unit.
    pub(super) fn knows(&self, unit: &Unit) -> bool {
        let agency = &unit.id.agency;
        unit.listed
            || self.holder.agency() == Some(agency)
            || !self.takes_part(agency.as_str())
            || self.named.contains(&unit.id)
    }

    /// A text as they know it: see [`Rulebook::partial`].
    pub(super) fn partial(&self, text: &Bundle) -> Result<(Rulebook, Vec<Fault>), Vec<Fault>> {
        Rulebook::partial(text, self.holder, &|registry| self.seen(&registry))
    }

    /// The agencies as they know them.
    pub(super) fn seen(&self, registry: &Registry) -> Registry {
        registry.reduced(|unit| self.knows(unit))
    }

    /// Findings as they are told: of other agencies' files, that there is something.
    pub(super) fn told(&self, found: Vec<Fault>) -> Vec<Fault> {
        let agencies = self.base.registry().agencies();
        let others = agencies.filter(|it| self.holder.agency() != Some(&it.id));
        let others = others.flat_map(|it| [it.folder(), own_rules(it.id.as_str())]);
        let others: Vec<String> = others.collect();
        let told = found.into_iter().map(|fault| {
            let path = file_of(&fault);
            // Where a name stands already that is unique.
            let names_a_place = others.iter().any(|place| fault.says.contains(place));
            if self.sees(path) && names_a_place {
                return unknown();
            }
            if self.sees(path) {
                return fault;
            }
            let owner = self.owner_of(path).to_string();
            let says = format!("something in the files of {owner} would not hold any more");
            let cure = format!("ask officers of {owner}: they see what it is");
            Fault::new(owner, says, cure)
        });
        let mut told: Vec<Fault> = told.collect();
        told.sort();
        told.dedup();
        told
    }
}

/// The one answer where something is in the way of which nothing may be told.
pub(super) fn unknown() -> Fault {
    let says = "does not go together with something that is not yours to know";
    let cure =
        "names and issuers must be your own, and words that others use must stay: ask the board";
    Fault::new("rulebook", says, cure)
}

/// The file in which a fault stands.
pub(super) fn file_of(fault: &Fault) -> &str {
    fault.place.split(':').next().unwrap_or_default()
}

pub(super) fn own_rules(agency: &str) -> String {
    format!("policies/{agency}.cedar")
}
