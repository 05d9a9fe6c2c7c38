//! The names by which people and programs call systems and types.

use std::sync::Arc;

use super::failed::{Failed, no_such};
use crate::agency::registry::{Agency, Peer, Registry, System};
use crate::message::catalogue::Catalogue;
use crate::message::id::SystemId;
use crate::message::time::Timestamp;

/// A time as it is sent to a broker, from an argument.
pub(super) fn instant(text: &str) -> Result<String, &'static str> {
    let time = Timestamp::from_rfc3339(text).map(|time| time.to_string());
    time.ok_or("is no time: write 2026-07-01T06:00:00Z")
}

/// A system of the registry, with its agency.
pub(super) fn system_named(
    registry: &Registry,
    id: &SystemId,
) -> Result<(Arc<Agency>, Arc<System>), Failed> {
    let agency = registry.agency(id.agency.as_str());
    let found = agency.and_then(|agency| {
        let system = agency.systems.get(&id.system)?;
        Some((Arc::clone(agency), Arc::clone(system)))
    });
    found.ok_or_else(|| {
        let systems = registry.agencies().flat_map(|agency| {
            let names = agency.systems.keys();
            names.map(|name| format!("{}/{name}", agency.id))
        });
        let systems: Vec<String> = systems.collect();
        let systems: Vec<&str> = systems.iter().map(String::as_str).collect();
        no_such("system", &id.to_string(), &systems, "`carnet agency list`")
    })
}

/// A system as people write it: `AGENCY/SYSTEM`.
pub(super) fn system_name(peer: &Peer) -> String {
    format!("{}/{}", peer.agency.id, peer.system.name)
}

/// A type that there is not, with the one that was likely meant.
pub(super) fn no_type(name: &str, catalogue: &Catalogue) -> Failed {
    let types = catalogue.entries().map(|entry| entry.message_type.as_str());
    let types: Vec<&str> = types.collect();
    no_such("type", name, &types, "`carnet message list`")
}
