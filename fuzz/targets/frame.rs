//! The law of `laws/frame.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/frame.rs"]
mod frame;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    frame::holds(octets);
});
