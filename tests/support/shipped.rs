//! The agencies, message types and policies that the repository holds.

use std::path::Path;

use carnet::config::{Config, Overrides, read_bundle};
use carnet::message::bundle::Bundle;

/// All of them, as they are read when a broker starts. Without issuers: those are the developer's.
pub(crate) fn shipped() -> Bundle {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = Overrides {
        agencies: Some(root.join("agencies")),
        messages: Some(root.join("messages")),
        policies: Some(root.join("policies")),
        ..Overrides::default()
    };
    read_bundle(&Config::load(&folders).unwrap()).unwrap()
}
