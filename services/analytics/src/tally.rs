//! The totals at one moment.

use contract::Money;

/// The totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Orders placed.
    pub placed: u64,
    /// Orders cancelled.
    pub cancelled: u64,
    /// The amount of the placed orders in each currency, by its code.
    pub revenue: Vec<Money>,
}

impl Tally {
    /// The revenue for people: `27.00 EUR, 600 JPY`.
    pub fn shown_revenue(&self) -> String {
        let amounts: Vec<_> = self.revenue.iter().map(Money::to_string).collect();
        amounts.join(", ")
    }
}
