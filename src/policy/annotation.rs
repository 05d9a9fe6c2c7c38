//! A policy's annotations: what it is called, who owns it, on which basis, with which obligations.

use std::str::FromStr;

use cedar_policy::{Effect, Policy};

use crate::message::bundle::Fault;

use super::words::{Onward, PolicyId};

/// Annotations that every policy has, with an example of each.
const REQUIRED: [(&str, &str); 5] = [
    ("id", "add @id(\"post-customs\"), unique among all policies"),
    (
        "title",
        "add @title(\"...\"): what the rule does, in one line",
    ),
    ("basis", "add @basis(\"...\"): the legal basis"),
    ("reason", "add @reason(\"...\"): what a peer is told"),
    (
        "owner",
        "add @owner(\"...\"): the agency whose data it opens",
    ),
];
/// Annotations that permits have besides.
const OBLIGATIONS: [(&str, &str); 2] = [
    (
        "retain",
        "add @retain(\"730d\"): how long recipients may keep the data",
    ),
    (
        "onward",
        "add @onward(\"same-purpose\"), none, ask-originator or no-onward",
    ),
];
/// Annotations that peers are told, and how long each may be, in octets.
const TOLD: [&str; 2] = ["basis", "reason"];
const TOLD_BYTES: usize = 512;
/// The annotation of forbids that hide the exchange.
const EXISTENCE: &str = "existence";

/// The annotations of one policy.
pub(super) struct Annotations {
    pub(super) id: PolicyId,
    pub(super) title: String,
    pub(super) basis: String,
    pub(super) reason: String,
    pub(super) owner: String,
    pub(super) retain_days: u32,
    pub(super) onward: Onward,
    pub(super) hidden: bool,
}

impl Annotations {
    /// Reads them; all faults where they are not in order.
    pub(super) fn parse(policy: &Policy, place: &str) -> Result<Self, Vec<Fault>> {
        let permits = policy.effect() == Effect::Permit;
        let mut faults = missing(policy, place, permits);
        faults.extend(too_long(policy, place));
        faults.extend(strange(policy, place, permits));
        let text = |name: &str| {
            policy
                .annotation(name)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let id = read::<PolicyId>(policy, "id", place, &mut faults);
        let onward = read::<Onward>(policy, "onward", place, &mut faults);
        let days = read::<Days>(policy, "retain", place, &mut faults);
        match id {
            Some(id) if faults.is_empty() => Ok(Self {
                id,
                title: text("title"),
                basis: text("basis"),
                reason: text("reason"),
                owner: text("owner"),
                retain_days: days.map_or(0, |Days(days)| days),
                onward: onward.unwrap_or(Onward::NoOnward),
                hidden: policy.annotation(EXISTENCE).is_some(),
            }),
            _ => Err(faults),
        }
    }
}

fn is_empty(policy: &Policy, name: &str) -> bool {
    policy
        .annotation(name)
        .is_none_or(|text| text.trim().is_empty())
}

fn missing(policy: &Policy, place: &str, permits: bool) -> Vec<Fault> {
    let obligations = OBLIGATIONS.iter().filter(|_| permits);
    let missing = REQUIRED
        .iter()
        .chain(obligations)
        .filter(|(name, _)| is_empty(policy, name));
    missing
        .map(|(name, cure)| Fault::new(place, format!("lacks @{name}"), *cure))
        .collect()
}

/// Texts that peers are told have a bound: those of a release go into the header of each delivery.
fn too_long(policy: &Policy, place: &str) -> Vec<Fault> {
    let texts = TOLD.iter().map(|name| (*name, policy.annotation(name)));
    let too_long = texts.filter(|(_, text)| text.is_some_and(|text| text.len() > TOLD_BYTES));
    too_long
        .map(|(name, _)| {
            let says = format!("has an @{name} of more than {TOLD_BYTES} octets");
            Fault::new(place, says, "say it in fewer words")
        })
        .collect()
}

fn strange(policy: &Policy, place: &str, permits: bool) -> Vec<Fault> {
    let required = REQUIRED.iter().chain(&OBLIGATIONS).map(|(name, _)| *name);
    let known: Vec<&str> = required.chain([EXISTENCE]).collect();
    let unknown = policy
        .annotations()
        .filter(|(name, _)| !known.contains(name));
    let unknown = unknown.map(|(name, _)| {
        let cure = format!("choose one of {}", known.join(", "));
        Fault::new(place, format!("has an unknown @{name}"), cure)
    });
    let existence = policy.annotation(EXISTENCE);
    let existence = existence
        .filter(|value| *value != "hidden" || permits)
        .map(|_| {
            let cure = "only a forbid can say @existence(\"hidden\")";
            Fault::new(place, "has an @existence that means nothing", cure)
        });
    unknown.chain(existence).collect()
}

/// The value of an annotation; a fault where it stands and cannot be read.
fn read<T: FromStr<Err: ToString>>(
    policy: &Policy,
    name: &str,
    place: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    if is_empty(policy, name) {
        return None;
    }
    let parsed = policy.annotation(name)?.trim().parse();
    let fault = |error: T::Err| {
        Fault::new(
            place,
            format!("@{name}: {}", error.to_string()),
            "write it in that form",
        )
    };
    parsed.map_err(|error| faults.push(fault(error))).ok()
}

/// A number of days, written `730d`.
struct Days(u32);

impl FromStr for Days {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        days.filter(|days| *days > 0)
            .map(Self)
            .ok_or("is no number of days, such as 730d")
    }
}
