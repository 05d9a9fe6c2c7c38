//! What a ruling says: outcomes, and what the sender may learn of them.
//!
//! What a peer is told is decided here and nowhere else ([`Ruling::answer`]), so that no other place
//! can tell an unlisted or hidden unit from one that does not exist. A release can be narrowed by a
//! newer ruling, never widened.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::id::{Category, Mask, UnitId};

use super::standing::Reads;
use super::words::{Onward, PolicyId};

/// What a unit gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The categories it gets, of those that the type can hold.
    pub mask: Mask,
    /// The permits that gave them, sorted.
    pub policies: Vec<PolicyId>,
    /// The forbids that took something away, sorted.
    pub withholding: Vec<PolicyId>,
    /// How long it may keep them, in days: the shortest of its permits.
    pub retain_days: u32,
    /// To whom it may pass them on: the strictest of its permits and the sender's handling.
    pub onward: Onward,
}

/// Why a unit gets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No permit holds: the default.
    NotPermitted,
    /// A forbid holds.
    Forbidden {
        /// The forbids, sorted.
        policies: Vec<PolicyId>,
        /// Whether one of them hides the exchange from the unit.
        hidden: bool,
        /// Whether there was a permit to override.
        overrode: bool,
    },
    /// A rule that decides on receiving could not be evaluated.
    Failed,
}

/// A candidate's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It receives the message.
    Released(Released),
    /// It does not.
    Refused(Refused),
}

/// The ruling for one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The candidate.
    pub unit: UnitId,
    /// What it gets.
    pub outcome: Outcome,
    /// Whether header `to` names it.
    pub addressed: bool,
    /// Whether the sender may know of the unit.
    pub known: bool,
}

/// The ruling on one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// One verdict a candidate, by address.
    pub verdicts: Vec<Verdict>,
    /// Addressees that are no candidates: unknown, unlisted, not receiving the type. As written.
    pub unreachable: BTreeSet<String>,
    /// Whether the quoted case is a fact for some candidate.
    pub case_counts: bool,
    /// Whether a case was quoted that is no fact for any candidate of which the sender may know: the
    /// warning `case`.
    pub case_ignored: bool,
    /// Rules that could not be evaluated, sorted: an alarm.
    pub errors: Vec<PolicyId>,
    /// What was read.
    pub reads: Reads,
}

/// What the sender is told of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// It receives the message.
    Released(&'a Released),
    /// A policy forbids it.
    Forbidden(&'a [PolicyId]),
    /// Not permitted: the one answer for all that is unknown, hidden or refused by default.
    NotPermitted,
}

impl Released {
    /// What both rulings give of a message that can hold `holds`: a redelivery never widens. Nothing
    /// where that is nothing.
    pub fn intersect(&self, newer: &Self, holds: Mask) -> Option<Self> {
        let mask = within(self.mask.both(newer.mask), holds);
        (!mask.is_empty()).then(|| Self {
            mask,
            policies: newer.policies.clone(),
            withholding: newer.withholding.clone(),
            retain_days: self.retain_days.min(newer.retain_days),
            onward: self.onward.max(newer.onward),
        })
    }
}

impl Verdict {
    /// Whether the exchange's record names it: releases, addressees, and refusals by a forbid that
    /// overrode a permit. Others are refused by default and can be derived again.
    pub fn is_recorded(&self) -> bool {
        let forced = match &self.outcome {
            Outcome::Released(_) | Outcome::Refused(Refused::Failed) => true,
            Outcome::Refused(Refused::Forbidden { overrode, .. }) => *overrode,
            Outcome::Refused(Refused::NotPermitted) => false,
        };
        forced || self.addressed
    }

    /// What the sender is told of it, if anything.
    pub fn told(&self) -> Option<Told<'_>> {
        if !self.known || !self.is_recorded() {
            return None;
        }
        match &self.outcome {
            Outcome::Released(released) => Some(Told::Released(released)),
            Outcome::Refused(Refused::Forbidden {
                policies,
                hidden: false,
                ..
            }) => Some(Told::Forbidden(policies)),
            Outcome::Refused(_) => self.addressed.then_some(Told::NotPermitted),
        }
    }
}

impl Ruling {
    /// What the sender is told, by address; hidden, unlisted and unknown addressees stand among
    /// each other and look alike.
    pub fn answer(&self) -> BTreeMap<String, Told<'_>> {
        let told = self
            .verdicts
            .iter()
            .filter_map(|v| Some((v.unit.to_string(), v.told()?)));
        let unreachable = self
            .unreachable
            .iter()
            .map(|text| (text.clone(), Told::NotPermitted));
        told.chain(unreachable).collect()
    }

    /// Whether the sender is told of at least one release: it is acknowledged, and not returned.
    pub fn is_released_visibly(&self) -> bool {
        self.verdicts
            .iter()
            .any(|v| matches!(v.told(), Some(Told::Released(_))))
    }
}

/// What of `mask` a message that can hold `holds` can show; a reference in the clear is no token.
pub(super) fn within(mask: Mask, holds: Mask) -> Mask {
    let clear = mask.intersection(holds);
    let token = holds.has(Category::Reference) && !clear.has(Category::Reference);
    if token && mask.has_reference_token() {
        return clear.union(Mask::REFERENCE_TOKEN);
    }
    clear
}
