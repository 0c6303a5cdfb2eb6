//! Reads the environment: each variable once. It collects all faults and never prints a secret.
//!
//! White space at the ends of a value is ignored, because a file or a Secret often ends with a line break. A variable
//! of Warren's that is wrong, or set and empty, is a fault, and the service does not start. Platforms set the
//! variables of OpenTelemetry (`OTEL_…`) for everything that they run. One of these that cannot be used is a warning,
//! and an empty one counts as not set, as its specification says.

mod fault;
pub use fault::Fault;

mod secret;
pub use secret::Secret;

mod variable;
pub use variable::Variable;

mod typed;

use std::collections::HashMap;
use std::ffi::OsString;

use fault::Found;

/// The environment in which a service was started, and the faults that were found in it so far.
///
/// Reading goes on after a fault with the default, so that one start shows every fault.
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
        Self { texts, not_utf8, variables: Vec::new(), faults: Vec::new(), warnings: Vec::new() }
    }

    /// The text of a variable, or its default, if `accepts` accepts it.
    ///
    /// A default that is not accepted is a description ("twice CONCURRENCY"). It reads as `None`, like no default.
    pub fn setting(&mut self, variable: Variable, accepts: impl Fn(&str) -> bool) -> Option<String> {
        self.read(variable, |text| accepts(text).then(|| text.to_owned()))
    }

    /// The same, but `why` may say what is wrong with a text that is not accepted. It must never repeat a secret.
    pub fn setting_or_why(
        &mut self,
        variable: Variable,
        accepts: impl Fn(&str) -> bool,
        why: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let name = variable.name;
        let text = self.setting(variable, accepts);
        let found = self.find(name);
        if let (Found::Text(found), Some(fault)) = (found, self.faults.iter_mut().find(|fault| fault.name() == name)) {
            fault.because(Some(found).filter(|found| !found.is_empty()).and_then(|found| why(&found)));
        }
        text
    }

    /// The value that `parse` makes of a variable, or of its default if the variable is not set.
    ///
    /// It is a fault if the variable is set and empty, is not UTF-8, or is refused by `parse`. It is a warning if the
    /// name begins with `OTEL_`. The default takes its place.
    pub fn read<T>(&mut self, variable: Variable, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let found = self.find(variable.name);
        let parsed = match &found {
            Found::Nothing => None,
            Found::NotUtf8(_) => None,
            Found::Text(text) => Some(text).filter(|text| !text.is_empty()).and_then(|text| parse(text)),
        };
        if parsed.is_none() && found != Found::Nothing {
            self.push(Fault::of(&variable, found));
        }
        let default = variable.default;
        self.record(variable);
        parsed.or_else(|| default.and_then(parse))
    }

    /// Like [`Env::read`], for a variable that has to be set.
    pub fn require<T>(&mut self, variable: Variable, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        if self.find(variable.name) == Found::Nothing {
            self.push(Fault::of(&variable, Found::Nothing));
        }
        self.read(variable, parse)
    }

    /// Notes a fault that only several variables together show. `expected` says what `name` should have been.
    pub fn fault(&mut self, name: &'static str, expected: impl Into<String>) {
        let known = self.variables.iter().find(|variable| variable.name == name);
        let variable = known.cloned().unwrap_or_else(|| Variable::new(name, "")).expecting(expected.into());
        let found = self.find(name);
        self.push(Fault::of(&variable, found));
    }

    /// Every variable that was read, in the order of reading. Tests compare the tables of `services/README.md` with it.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
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
