//! The law of `laws/project.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/project.rs"]
mod project;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    project::holds(octets);
});
