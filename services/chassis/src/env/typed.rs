//! Reads the kinds of value that several services share. Each reader itself says what it expects.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{Env, Variable};

/// The typed readers take variables with a default. The default takes the place of a faulty value until the start is
/// refused.
impl Env {
    /// A duration written like `500ms`, `5s`, `2m` or `1h`, within `range`.
    pub fn duration(&mut self, variable: Variable, range: RangeInclusive<Duration>) -> Duration {
        let (least, most) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        let expected = format!("a duration such as 500ms, 5s or 2m, from {least} to {most}");
        self.typed(variable.expecting(expected), |text| {
            parse_duration(text).filter(|duration| range.contains(duration))
        })
    }

    /// A whole number within `range`.
    pub fn number<T>(&mut self, variable: Variable, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.typed(variable.expecting(expected), |text| parse_number(text).filter(|number| range.contains(number)))
    }

    /// An IP address and a port, such as `[::]:9090` or `127.0.0.1:9090`.
    pub fn address(&mut self, variable: Variable) -> SocketAddr {
        self.typed(variable.expecting("an IP address and a port such as [::]:9090"), |text| text.parse().ok())
    }

    /// `true` or `false`.
    pub fn flag(&mut self, variable: Variable) -> bool {
        self.typed(variable.expecting("true or false"), |text| text.parse().ok())
    }

    fn typed<T>(&mut self, variable: Variable, parse: impl Fn(&str) -> Option<T>) -> T {
        self.read(variable, parse).expect("a typed variable has a default that is accepted")
    }
}

/// humantime accepts many more forms. With one way to write a duration, every table and chart stays readable.
/// `messaging` accepts the same forms.
fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if !matches!(unit, "ms" | "s" | "m" | "h") {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// `str::parse` alone would accept `+5`.
fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
