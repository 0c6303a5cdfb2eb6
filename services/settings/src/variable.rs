//! Describes one environment variable: its name, its purpose, the values it may have.

use std::borrow::Cow;

/// A variable, as the code, the messages about faults and the tables of settings know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, in capitals.
    pub name: &'static str,
    /// Its purpose.
    pub meaning: &'static str,
    /// The values that it may have, as the text reads after "expected".
    pub expected: Cow<'static, str>,
    /// The value that counts if it is not set. If its parser refuses the value, it is a description, like
    /// `otherwise`.
    pub default: Option<&'static str>,
    /// What happens if it is not set and no value says it.
    pub otherwise: Option<&'static str>,
    /// Whether its value must never be printed.
    pub secret: bool,
}

impl Variable {
    /// A variable that expects any text and has no default.
    pub const fn new(name: &'static str, meaning: &'static str) -> Self {
        let expected = Cow::Borrowed("a text that is not empty");
        Self { name, meaning, expected, default: None, otherwise: None, secret: false }
    }

    /// The values that it may have, as the text reads after "expected". The typed readers say it themselves.
    pub fn expecting(mut self, expected: impl Into<Cow<'static, str>>) -> Self {
        self.expected = expected.into();
        self
    }

    /// The value that counts if it is not set.
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// What happens if it is not set and no value says it: `none, mail goes to the log`.
    pub const fn otherwise(mut self, description: &'static str) -> Self {
        self.otherwise = Some(description);
        self
    }

    /// Its default, as tables and faults show it. `None` if it has to be set.
    pub fn shown_default(&self) -> Option<&'static str> {
        self.default.or(self.otherwise)
    }

    /// Its value is never printed.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}
