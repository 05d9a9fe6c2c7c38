//! The law of `laws/page.rs` on octets that the fuzzer makes up.
#![no_main]

#[path = "../laws/page.rs"]
mod page;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    page::holds(octets);
});
