//! Who takes part: the registry of agencies, units, systems and officers.

pub mod registry;
