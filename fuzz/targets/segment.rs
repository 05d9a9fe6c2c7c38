//! The law of `laws/segment.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/segment.rs"]
mod segment;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    segment::holds(octets);
});
