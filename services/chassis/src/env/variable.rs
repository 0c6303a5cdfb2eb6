//! One environment variable: its name, what it is for, what it may hold.

use std::borrow::Cow;

/// A variable, as the code, the messages about faults and the tables of settings know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, in capitals.
    pub name: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// What it may hold, as it reads after "expected".
    pub expected: Cow<'static, str>,
    /// The value that stands in when it is not set. One that its parser refuses is a description, like `otherwise`.
    pub default: Option<&'static str>,
    /// What happens when it is not set, where no value says it.
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

    /// What it may hold, as it reads after "expected". The typed readers say it themselves.
    pub fn expecting(mut self, expected: impl Into<Cow<'static, str>>) -> Self {
        self.expected = expected.into();
        self
    }

    /// The value that stands in when it is not set.
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// What happens when it is not set, where no value says it: `none, mail goes to the log`.
    pub const fn otherwise(mut self, description: &'static str) -> Self {
        self.otherwise = Some(description);
        self
    }

    /// Its default as tables and faults show it. `None` if it has to be set.
    pub fn shown_default(&self) -> Option<&'static str> {
        self.default.or(self.otherwise)
    }

    /// Its value is never printed.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}
