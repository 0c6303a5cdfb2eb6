//! Counts orders: how many were placed and cancelled, and their amount in each currency.

mod totals;
pub use totals::{Totals, subscription};

mod metrics;
pub use metrics::AnalyticsMetrics;

mod tally;
pub use tally::Tally;

mod report;
pub use report::Report;
