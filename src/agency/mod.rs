//! Who takes part: the registry of agencies, units, systems and officers.

pub mod certificate;
mod chain;
pub mod development;
mod duration;
mod entries;
pub mod expiry;
mod file;
pub mod identity;
pub mod issue;
mod issuers;
pub mod keys;
pub mod network;
mod parse;
pub mod refusal;
pub mod registry;
mod section;
