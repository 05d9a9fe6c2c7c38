//! The input of a message's admission beside the message: its sender, snapshots of rulebook and standing
//! facts, the ids and random octets drawn for it, the time.

use std::sync::Arc;
use std::time::Duration;

use crate::agency::keys::{Keys, RetentionClass};
use crate::agency::registry::{MessageIdRule, Peer};
use crate::broker::governance::Governance;
use crate::broker::record::LeafSecret;
use crate::message::id::{ExchangeId, SystemId};
use crate::message::time::Timestamp;
use crate::policy::rulebook::Rulebook;
use crate::policy::standing::Standing;

/// What a decision looks at besides the message: snapshots, shared by all connections.
#[derive(Debug, Clone)]
pub struct View {
    /// The active rulebook.
    pub rulebook: Arc<Rulebook>,
    /// Standing facts.
    pub standing: Arc<Standing>,
    /// What is proposed, decided and in force: no ruling looks at it.
    pub governance: Arc<Governance>,
    /// Keys of the rulebook's units.
    pub keys: Arc<Keys>,
    /// How long a repeat is recognised.
    pub repeat_window: Duration,
}

/// What was drawn for this message.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// The exchange's id.
    pub exchange: ExchangeId,
    /// What the salts of its leaf's parts come from.
    pub secret: LeafSecret,
}

/// The sender of one message, and what its admission looks at and was given.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct Admission<'a> {
    /// The sender.
    pub(in crate::broker) peer: &'a Peer,
    /// The snapshots.
    pub(in crate::broker) view: &'a View,
    /// What was drawn.
    pub(in crate::broker) draw: Draw,
    /// The time.
    pub(in crate::broker) now: Timestamp,
}

impl Admission<'_> {
    /// The system that sends.
    pub(in crate::broker) fn system(&self) -> SystemId {
        SystemId {
            agency: self.peer.agency.id.clone(),
            system: self.peer.system.name.clone(),
        }
    }

    /// How long a payload of this type is kept.
    pub(in crate::broker) fn class_of(&self, message_type: &str) -> RetentionClass {
        RetentionClass::of(self.peer.agency.retention_of(message_type))
    }

    /// Whether the digest of a message may stand in for an id that it lacks.
    pub(in crate::broker) fn derives_message_id(&self) -> bool {
        self.peer.system.message_id == MessageIdRule::Derived
    }
}
