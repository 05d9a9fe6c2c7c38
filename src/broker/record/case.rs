//! Records of cases: how they are opened, joined and closed.

use crate::message::id::{AgencyId, KeyedDigest, SystemId, UnitId};
use crate::message::time::Timestamp;
use crate::policy::standing::CaseId;

/// A change of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseChange {
    /// When.
    pub at: Timestamp,
    /// The system that asked.
    pub sender: SystemId,
    /// Its unit.
    pub unit: UnitId,
    /// The case.
    pub case: CaseId,
    /// What changed.
    pub what: CaseStep,
    /// Keyed digest of unit, `message_id`, step and body, where it had a `message_id`: the same again
    /// is a repeat, whatever has become of the case.
    pub key: Option<KeyedDigest>,
}

/// What happens to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseStep {
    /// Opened: areas, agencies invited to join.
    Open {
        /// Areas, such as `drugs`: sorted, each once.
        areas: Vec<String>,
        /// Agencies that may join: sorted, each once.
        invites: Vec<AgencyId>,
    },
    /// Joined by the sender's agency.
    Join,
    /// Closed by its opener.
    Close,
}
