//! Reads the kinds of value that several settings share.

use std::str::FromStr;
use std::time::Duration;

/// Reads a duration such as `500ms`, `5s`, `2m` or `1h`; zero is one.
///
/// humantime accepts many more forms, such as `M` for months. With one way to write a duration, every table and chart
/// stays readable.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if !matches!(unit, "ms" | "s" | "m" | "h") {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// Reads a whole number in digits; `str::parse` alone would accept `+5`.
pub fn whole<T: FromStr>(text: &str) -> Option<T> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
