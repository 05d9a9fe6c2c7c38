//! The law of `laws/snapshot.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/snapshot.rs"]
mod snapshot;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    snapshot::holds(octets);
});
