//! The law of `laws/record.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    record::holds(octets);
});
