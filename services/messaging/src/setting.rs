//! Describes a setting, so that a service can read it from its environment and show it in its help.

use std::str::FromStr;
use std::time::Duration;

/// One setting, whose value is a text.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable's name.
    pub name: &'static str,
    /// What a valid text looks like. It ends a sentence that begins with "expected".
    pub expected: &'static str,
    /// The text that counts if nothing is set, if there is one.
    pub default: Option<&'static str>,
    /// What counts if nothing is set and no text says it, such as `twice CONCURRENCY`.
    pub otherwise: Option<&'static str>,
    /// Whether its text must never be printed.
    pub secret: bool,
    /// What the setting is for.
    pub meaning: &'static str,
    /// Whether a text is valid.
    pub accepts: fn(&str) -> bool,
    /// What is wrong with a text that is not valid, if more can be said than what is expected. It never repeats a
    /// secret.
    pub fault: fn(&str) -> Option<String>,
}

/// Nothing more can be said than what is expected.
pub(crate) fn no_more(_: &str) -> Option<String> {
    None
}

impl Setting {
    /// The value of this setting's text, or of its default. The text was accepted before.
    pub(crate) fn value<T>(
        &self,
        text: &mut impl FnMut(&Setting) -> Option<String>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text(self).or_else(|| self.default.map(str::to_owned))?;
        parse(&text)
    }
}

/// Reads a whole number in digits; `str::parse` alone would accept `+5`.
pub(crate) fn whole<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Reads a duration above zero, such as `500ms`, `5s`, `2m` or `1h`. humantime accepts many more forms, such as `M`
/// for months. The services' other durations are read as strictly.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if !matches!(unit, "ms" | "s" | "m" | "h") {
        return None;
    }
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}
