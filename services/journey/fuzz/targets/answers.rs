#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| if !panics_lettre(bytes) {
    fuzz::answers(bytes);
});

/// Whether lettre may panic over it, which `email` catches and libFuzzer does not let be caught: a line of an answer that is
/// white space alone.
fn panics_lettre(bytes: &[u8]) -> bool {
    let said = String::from_utf8_lossy(bytes.get(1..).unwrap_or_default());
    let blank = |line: &str| line.get(4..).is_some_and(|text| !text.is_empty() && text.trim().is_empty());
    said.split("\r\n").any(blank)
}
