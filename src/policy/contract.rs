//! Contracts: systems that a change of the catalogue would break, each by name.
//!
//! A system is written for message types of an edition. What the board changes there is not refused
//! for it, for a type must be able to end; but the systems that have to follow are told before an
//! officer approves.

use std::collections::BTreeSet;
use std::fmt;

use super::owner::Step;
use super::rule::system_sends;
use crate::agency::registry::{Agency, System};
use crate::message::catalogue::MessageEntry;
use crate::message::id::{MessageType, SystemId, UnitId};

/// What becomes of a message type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It goes.
    Gone,
    /// It gets another edition.
    Edition {
        /// The one that holds now.
        before: String,
        /// The one that is to hold.
        after: String,
    },
    /// Its schema changes within the edition.
    Schema,
    /// The kind of the system's agency sends it no more.
    NotSent,
}

/// A system that a change of the catalogue would break.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Broken {
    /// The system.
    pub system: SystemId,
    /// The type that it sends or gets.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// Whether it sends it; else its unit receives it.
    pub sends: bool,
    /// What becomes of the type.
    pub fate: Fate,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            system,
            message_type,
            sends,
            fate,
        } = self;
        let way = if *sends { "sends" } else { "receives" };
        write!(f, "{system} {way} {message_type}, ")?;
        match fate {
            Fate::Gone => f.write_str("which goes"),
            Fate::Edition { before, after } => {
                write!(f, "of edition {before}, which becomes {after}")
            }
            Fate::Schema => f.write_str("whose schema changes within its edition"),
            Fate::NotSent => f.write_str("which its agency's kind will not send any more"),
        }
    }
}

/// All of them, in order.
pub(super) fn broken(step: Step<'_>) -> BTreeSet<Broken> {
    let mut broken = BTreeSet::new();
    for entry in step.base.catalogue().entries() {
        let name = &entry.message_type;
        let next = step.next.catalogue().get(name.as_str());
        let fate = match next {
            None => Some(Fate::Gone),
            Some(next) if next.edition != entry.edition => Some(Fate::Edition {
                before: entry.edition.clone(),
                after: next.edition.clone(),
            }),
            Some(_) if has_another_schema(step, name) => Some(Fate::Schema),
            Some(_) => None,
        };
        let fate = fate.as_ref();
        let mut note = |agency: &Agency, system: &System, sends, fate: &Fate| {
            broken.insert(Broken {
                system: SystemId {
                    agency: agency.id.clone(),
                    system: system.name.clone(),
                },
                message_type: name.clone(),
                sends,
                fate: fate.clone(),
            });
        };
        let receiving = fate.map(|_| receiving(step, entry)).unwrap_or_default();
        for agency in step.base.registry().agencies() {
            let is_left_out = next.is_some_and(|next| !next.senders.contains(&agency.kind));
            let fate_of_sent = fate.or(is_left_out.then_some(&Fate::NotSent));
            for system in agency.systems.values() {
                let unit = UnitId {
                    agency: agency.id.clone(),
                    unit: system.unit.clone(),
                };
                if let Some(fate) = fate_of_sent.filter(|_| system_sends(agency, system, entry)) {
                    note(agency, system, true, fate);
                }
                if let Some(fate) = fate.filter(|_| receiving.contains(&unit)) {
                    note(agency, system, false, fate);
                }
            }
        }
    }
    broken
}

/// The units that messages of the type can reach today.
fn receiving(step: Step<'_>, entry: &MessageEntry) -> BTreeSet<UnitId> {
    let agencies = step.base.registry().agencies();
    let sending = agencies.filter(|agency| {
        let mut systems = agency.systems.values();
        systems.any(|system| system_sends(agency, system, entry))
    });
    let name = &entry.message_type;
    let reached = sending.flat_map(|agency| step.base.candidates(&agency.id, name));
    reached.cloned().collect()
}

fn has_another_schema(step: Step<'_>, message_type: &MessageType) -> bool {
    let path = format!("messages/{message_type}/schema.json");
    let read = |text: Option<&[u8]>| serde_json::from_slice::<serde_json::Value>(text?).ok();
    let [base, next] = [step.base, step.next].map(|it| read(it.bundle().get(&path)));
    base != next
}
