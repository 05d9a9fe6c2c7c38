//! The law of `laws/json.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/json.rs"]
mod json;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    json::holds(octets);
});
