//! What can be set, so that a service can read it from its environment and tables can be made of it.

use std::str::FromStr;
use std::time::Duration;

/// One thing that can be set by a text.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable's name.
    pub name: &'static str,
    /// What a valid text looks like, to end a sentence that begins with "expected".
    pub expected: &'static str,
    /// The text that counts when nothing is set; without one, nothing does.
    pub default: Option<&'static str>,
    /// What counts when nothing is set, where no text says it: `twice CONCURRENCY`.
    pub otherwise: Option<&'static str>,
    /// Whether its text must never be printed.
    pub secret: bool,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether a text is valid.
    pub accepts: fn(&str) -> bool,
    /// What is wrong with a text that is not, where more can be said than what is expected; never what is secret.
    pub fault: fn(&str) -> Option<String>,
}

/// Nothing more than what is expected.
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

/// A whole number in digits: `str::parse` alone would take `+5`.
pub(crate) fn whole<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A duration above zero, as `500ms`, `5s`, `2m`, `1h`. humantime knows many more forms, `M` for months among them; the
/// services' other durations are read as strictly.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if !matches!(unit, "ms" | "s" | "m" | "h") {
        return None;
    }
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}
