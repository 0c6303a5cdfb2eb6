//! The environment, and what is wrong in it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::fault::Found;
use crate::{Fault, Variable, value};

/// The environment in which a service was started, and the faults that were found in it so far.
///
/// Reading goes on after a fault with the default, so that one start shows every fault.
#[derive(Default)]
pub struct Env {
    texts: HashMap<String, String>,
    not_utf8: HashMap<String, OsString>,
    variables: Vec<Variable>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Env {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Self {
        Self::from_map(std::env::vars_os())
    }

    /// An environment of these variables and no others.
    pub fn from_map<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut texts = Vec::new();
        let mut not_utf8 = HashMap::new();
        for (name, value) in variables {
            let Some(name) = name.into().into_string().ok().filter(|name| is_ours(name)) else { continue };
            match value.into().into_string() {
                Ok(text) => texts.push((name, trimmed(&text).to_owned())),
                Err(value) => drop(not_utf8.insert(name, value)),
            }
        }
        let by_field: HashMap<String, String> = envy::from_iter(texts).expect("any text is a string");
        let texts = by_field.into_iter().map(|(field, text)| (field.to_ascii_uppercase(), text)).collect();
        Self { texts, not_utf8, ..Self::default() }
    }

    /// The text of a variable, or its default, if `accepts` accepts it.
    ///
    /// A default that is not accepted is a description ("twice CONCURRENCY"). It reads as `None`, like no default.
    pub fn setting(&mut self, variable: Variable, accepts: impl Fn(&str) -> bool) -> Option<String> {
        self.read(variable, |text| accepts(text).then(|| text.to_owned()))
    }

    /// The value that `parse` makes of a variable, or of its default if the variable is not set.
    ///
    /// It is a fault if the variable is set and empty, is not UTF-8, or is refused by `parse`. It is a warning if the
    /// name begins with `OTEL_`. The default takes its place.
    pub fn read<T>(&mut self, variable: Variable, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.read_or_why(variable, |text| parse(text).ok_or(""))
    }

    /// Like [`Env::read`]. The error of `parse` says what is wrong with the text, before what is expected. It must
    /// never repeat a secret.
    pub fn read_or_why<T, E: Display>(
        &mut self,
        variable: Variable,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let found = self.find(variable.name);
        let parsed = match &found {
            Found::Text(text) if !text.is_empty() => parse(text).map_err(|error| error.to_string()),
            Found::Nothing | Found::NotUtf8(_) | Found::Text(_) => Err(String::new()),
        };
        if let Err(reason) = &parsed
            && found != Found::Nothing
        {
            self.push(Fault::of(&variable, found, reason));
        }
        let default = variable.default;
        self.record(variable);
        parsed.ok().or_else(|| parse(default?).ok())
    }

    /// Like [`Env::read`], for a variable that has to be set.
    pub fn require<T>(&mut self, variable: Variable, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        if self.find(variable.name) == Found::Nothing {
            self.push(Fault::of(&variable, Found::Nothing, ""));
        }
        self.read(variable, parse)
    }

    /// A duration written like `500ms`, `5s`, `2m` or `1h`, within `range`.
    ///
    /// This reader and the next ones say themselves what is expected. They take a variable with a default, which takes
    /// the place of a faulty value until the start is refused.
    pub fn duration(&mut self, variable: Variable, range: RangeInclusive<Duration>) -> Duration {
        let (least, most) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        let expected = format!("a duration such as 500ms, 5s or 2m, from {least} to {most}");
        self.typed(variable.expecting(expected), |text| {
            value::duration(text).filter(|duration| range.contains(duration))
        })
    }

    /// A whole number within `range`.
    pub fn number<T>(&mut self, variable: Variable, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        self.number_if_any(variable, range).expect(HAS_A_DEFAULT)
    }

    /// A whole number within `range`, for a variable that may be without a default.
    pub fn number_if_any<T>(&mut self, variable: Variable, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(variable.expecting(expected), |text| value::whole(text).filter(|number| range.contains(number)))
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
        self.read(variable, parse).expect(HAS_A_DEFAULT)
    }

    /// Notes a fault that only several variables together show. `expected` says what `name` should have been.
    pub fn fault(&mut self, name: &'static str, expected: impl Into<String>) {
        let known = self.variables.iter().find(|variable| variable.name == name);
        let variable = known.cloned().unwrap_or_else(|| Variable::new(name, "")).expecting(expected.into());
        let found = self.find(name);
        self.push(Fault::of(&variable, found, ""));
    }

    /// Every variable that was read, in the order of reading. Tests compare the tables of `services/README.md` with it.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The variables that were read, as a help lists them.
    pub fn help(&self) -> String {
        let described = self.variables.iter().map(|variable| {
            let default = variable.shown_default().unwrap_or("none");
            format!("  {}\n      {}: {} (default: {default})\n", variable.name, variable.meaning, variable.expected)
        });
        described.collect()
    }

    /// Every fault found so far, at most one for each variable.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Every fault of an `OTEL_` variable found so far, at most one for each.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    fn find(&self, name: &str) -> Found {
        match (self.texts.get(name), self.not_utf8.get(name)) {
            (Some(text), _) if text.is_empty() && is_standard(name) => Found::Nothing,
            (Some(text), _) => Found::Text(text.clone()),
            (None, Some(value)) => Found::NotUtf8(value.clone()),
            (None, None) => Found::Nothing,
        }
    }

    fn record(&mut self, variable: Variable) {
        if !self.variables.iter().any(|known| known.name == variable.name) {
            self.variables.push(variable);
        }
    }

    fn push(&mut self, fault: Fault) {
        let list = if is_standard(fault.name()) { &mut self.warnings } else { &mut self.faults };
        if !list.iter().any(|known| known.name() == fault.name()) {
            list.push(fault);
        }
    }
}

/// What the readers of one kind of value rely on.
const HAS_A_DEFAULT: &str = "a variable of this kind has a default that is accepted";

/// The value without white space at its ends, and without the byte order mark that some editors put before a text.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Whether OpenTelemetry defines the variable, so that platforms set it.
fn is_standard(name: &str) -> bool {
    name.starts_with("OTEL_")
}

/// envy turns names to lower case, so only names in capitals remain distinct.
fn is_ours(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
