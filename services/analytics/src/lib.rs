//! Queue to totals: how many orders were placed and cancelled, and what they amount to in each currency.

mod config;
pub use config::Config;

mod app;
pub use app::App;

mod totals;
pub use totals::{SUBSCRIPTION, Totals};

mod metrics;
pub use metrics::AnalyticsMetrics;

mod tally;
pub use tally::Tally;

mod report;
