//! Amounts of money, exact.

use std::fmt;

use crate::Currency;

/// An amount in whole minor units of its currency, such as cents for the euro. Displayed as `9.00 EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    minor_units: u64,
    currency: Currency,
}

impl Money {
    /// An amount of `minor_units`.
    pub fn new(minor_units: u64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }

    /// The amount in minor units.
    pub fn minor_units(self) -> u64 {
        self.minor_units
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.exponent();
        let unit = 10_u64.pow(digits as u32);
        write!(f, "{}", self.minor_units / unit)?;
        if digits > 0 {
            write!(f, ".{:0digits$}", self.minor_units % unit)?;
        }
        write!(f, " {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_with_the_digits_of_its_currency() {
        let shown = |minor_units, code| Money::new(minor_units, Currency::from_code(code).unwrap()).to_string();
        assert_eq!(shown(900, "EUR"), "9.00 EUR");
        assert_eq!(shown(5, "USD"), "0.05 USD");
        assert_eq!(shown(0, "GBP"), "0.00 GBP");
        assert_eq!(shown(900, "JPY"), "900 JPY");
        assert_eq!(shown(1_234_567, "BHD"), "1234.567 BHD");
        assert_eq!(shown(12_345, "CLF"), "1.2345 CLF");
        assert_eq!(shown(u64::MAX, "EUR"), "184467440737095516.15 EUR");
    }
}
