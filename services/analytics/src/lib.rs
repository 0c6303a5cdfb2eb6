//! Counts orders: how many were placed and cancelled, and their amount in each currency.

mod config;
pub use config::Config;

mod app;
pub use app::App;

mod totals;
pub use totals::{Totals, subscription};

mod metrics;
pub use metrics::AnalyticsMetrics;

mod tally;
pub use tally::Tally;

mod report;
