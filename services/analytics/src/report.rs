//! Writes the totals to the log.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use crate::{AnalyticsMetrics, Tally};

/// How often the totals are logged, if they changed.
const EVERY: Duration = Duration::from_secs(5);

/// The reporter, which knows the totals that it logged last.
pub struct Report {
    metrics: AnalyticsMetrics,
    told: Tally,
}

impl Report {
    /// Reports the changes from now on.
    pub fn new(metrics: AnalyticsMetrics) -> Self {
        let told = metrics.tally();
        Self { metrics, told }
    }

    /// Logs the totals now and then, for ever.
    pub async fn now_and_then(&mut self) -> Infallible {
        loop {
            sleep(EVERY).await;
            self.log_news();
        }
    }

    /// Logs the totals, unless it has logged the same before.
    pub fn log_news(&mut self) {
        if let Some(tally) = self.news() {
            info!(placed = tally.placed, cancelled = tally.cancelled, revenue = tally.shown_revenue(), "totals");
        }
    }

    fn news(&mut self) -> Option<&Tally> {
        let now = self.metrics.tally();
        if now == self.told {
            return None;
        }
        self.told = now;
        Some(&self.told)
    }
}

#[cfg(test)]
mod tests {
    use contract::{Currency, Money};
    use prometheus::Registry;

    use super::*;

    #[test]
    fn the_totals_are_told_only_when_they_changed() {
        let metrics = AnalyticsMetrics::register(&Registry::new()).unwrap();
        let mut report = Report::new(metrics.clone());
        assert_eq!(report.news(), None);
        metrics.placed(Money::new(900, Currency::EUR));
        assert_eq!(report.news().map(|tally| tally.placed), Some(1));
        assert_eq!(report.news(), None);
        metrics.cancelled();
        assert_eq!(report.news().map(|tally| tally.cancelled), Some(1));
    }
}
