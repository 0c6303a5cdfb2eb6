//! The metrics of analytics.

use std::sync::{Arc, Mutex, PoisonError};

use contract::{Currency, Money, OrderEvent};
use prometheus::core::Collector;
use prometheus::proto::Metric;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tracing::warn;

use crate::tally::Tally;

/// The metrics of this service. Like all counters, they begin when the process starts.
#[derive(Clone, Debug)]
pub struct AnalyticsMetrics {
    placed: IntCounter,
    cancelled: IntCounter,
    revenue: IntCounterVec,
    /// Locked while revenue grows, because a counter alone would wrap and so fall to nothing.
    growing: Arc<Mutex<()>>,
}

impl AnalyticsMetrics {
    /// Registers them, at zero.
    ///
    /// # Errors
    /// The registry already has these metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let orders = Opts::new("analytics_orders_total", "Events of orders by type.");
        let orders = IntCounterVec::new(orders, &["event"])?;
        let help = "What placed orders amount to, in minor units of their currency; it stays at 18446744073709551615.";
        let revenue = IntCounterVec::new(Opts::new("analytics_revenue_minor_units_total", help), &["currency"])?;
        registry.register(Box::new(orders.clone()))?;
        registry.register(Box::new(revenue.clone()))?;
        // ISO 4217 bounds this label, but all its codes at zero would bury those in use. So only the default currency
        // is there before its first order.
        revenue.with_label_values(&[Currency::default().code()]);
        let placed = orders.with_label_values(&[OrderEvent::PLACED]);
        let cancelled = orders.with_label_values(&[OrderEvent::CANCELLED]);
        Ok(Self { placed, cancelled, revenue, growing: Arc::default() })
    }

    /// Counts an order and its amount.
    pub fn placed(&self, total: Money) {
        self.placed.inc();
        let (revenue, amount) = (self.revenue.with_label_values(&[total.currency().code()]), total.minor_units());
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let room = u64::MAX - revenue.get();
        revenue.inc_by(amount.min(room));
        if room > 0 && amount >= room {
            let currency = total.currency();
            warn!(%currency, "the revenue is more than can be counted, and stays where it is until this process ends");
        }
    }

    /// Counts an order whose amount is unknown.
    pub fn placed_at_no_price(&self) {
        self.placed.inc();
    }

    /// Counts a cancellation. It does not say the order's amount, so the revenue stays.
    pub fn cancelled(&self) {
        self.cancelled.inc();
    }

    /// All that was counted so far.
    pub fn tally(&self) -> Tally {
        let families = self.revenue.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        let amount = |metric: &Metric| {
            let currency = Currency::from_code(metric.get_label().first()?.value())?;
            // The counter itself, because Prometheus is shown a double.
            Some(Money::new(self.revenue.with_label_values(&[currency.code()]).get(), currency))
        };
        let mut revenue: Vec<_> = series.filter_map(amount).collect();
        revenue.sort_by_key(|amount| amount.currency().code());
        Tally { placed: self.placed.get(), cancelled: self.cancelled.get(), revenue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_exist_before_the_first_event() {
        let registry = Registry::new();
        AnalyticsMetrics::register(&registry).unwrap();
        let shown = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let series: Vec<_> = shown.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            r#"analytics_orders_total{event="order.cancelled"} 0"#,
            r#"analytics_orders_total{event="order.placed"} 0"#,
            r#"analytics_revenue_minor_units_total{currency="EUR"} 0"#,
        ];
        assert_eq!(series, expected);
    }

    #[test]
    fn revenue_that_cannot_be_counted_stays_at_the_most() {
        let metrics = AnalyticsMetrics::register(&Registry::new()).unwrap();
        let revenue = || metrics.tally().revenue[0].minor_units();
        let largest = Money::new(1_000_000_000_000_000, Currency::EUR);
        for _ in 0..18_446 {
            metrics.placed(largest);
        }
        metrics.placed(Money::new(1, Currency::EUR));
        assert_eq!(revenue(), 18_446_000_000_000_000_001, "exact, where a double is not");
        metrics.placed(largest);
        metrics.placed(largest);
        assert_eq!(revenue(), u64::MAX);
        metrics.placed(Money::new(1, Currency::EUR));
        assert_eq!((revenue(), metrics.tally().placed), (u64::MAX, 18_450));
    }
}
