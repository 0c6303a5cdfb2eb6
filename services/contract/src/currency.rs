//! The currencies of orders.

use std::fmt;

use events::json::Value;
use serde::{Serialize, Serializer};

use crate::fields::Scalar;

/// A currency of ISO 4217 with minor units. Gold (`XAU`) and no currency (`XXX`) have none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The euro, the currency of an order that names none.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// The currency with this code of three capital letters, if there is one.
    pub fn from_code(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(code).filter(|currency| currency.exponent().is_some()).map(Self)
    }

    /// Three capital letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The number of decimal digits of its minor units: 2 for `EUR`, 0 for `JPY`, 3 for `BHD`.
    pub fn exponent(self) -> usize {
        usize::from(self.0.exponent().expect("only currencies with minor units become a `Currency`"))
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::EUR
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl Scalar for Currency {
    fn expected() -> String {
        "a currency of ISO 4217, such as EUR".to_owned()
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        Self::from_code(value.as_text()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_has_a_code_in_capitals_and_minor_units() {
        assert_eq!(Currency::from_code("EUR"), Some(Currency::EUR));
        for refused in ["eur", "EU", "EURO", "", "XXX", "XAU", "ZZZ", "978"] {
            assert_eq!(Currency::from_code(refused), None, "{refused:?}");
        }
    }
}
