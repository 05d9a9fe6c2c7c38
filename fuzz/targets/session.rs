//! The law of `laws/session.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/said.rs"]
mod said;
#[path = "../laws/session.rs"]
mod session;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    session::holds(octets);
});
