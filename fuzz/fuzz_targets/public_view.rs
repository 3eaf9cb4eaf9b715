#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wardline_fuzzing::run("public_view", bytes));
