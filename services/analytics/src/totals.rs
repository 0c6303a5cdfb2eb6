//! The handler of analytics, which counts events.

use contract::OrderEvent;
use messaging::{Failure, Handler, Received, Subscription};
use tracing::debug;

use crate::metrics::AnalyticsMetrics;

/// The queue of analytics, and the events that it counts.
pub fn subscription() -> Subscription {
    Subscription::queue("analytics-queue").bound_to("order-exchange", ["order.placed", "order.cancelled"])
}

/// Counts orders and revenue.
pub struct Totals {
    metrics: AnalyticsMetrics,
}

impl Totals {
    /// Counts in `metrics`.
    pub fn new(metrics: AnalyticsMetrics) -> Self {
        Self { metrics }
    }
}

impl Handler for Totals {
    type Event = OrderEvent;

    async fn handle(&self, event: &Received<OrderEvent>) -> Result<(), Failure> {
        match &event.data {
            OrderEvent::Placed(order) => self.metrics.placed(order.total()),
            OrderEvent::Cancelled(_) => self.metrics.cancelled(),
            OrderEvent::Text(_) => self.metrics.placed_at_no_price(),
        }
        debug!(event_id = event.id, event_type = event.event_type, "counted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contract::{Cancellation, NewOrder};
    use events::Event;
    use jiff::Timestamp;
    use prometheus::Registry;

    use super::*;

    fn placed(currency: &str, unit_price: u64) -> Received<OrderEvent> {
        let body = format!(
            r#"{{"customer": {{"name": "Ada Lovelace", "email": "ada@example.com"}}, "currency": "{currency}",
                "items": [{{"sku": "TEA-1", "name": "Earl Grey", "quantity": 2, "unit_price": {unit_price}}}]}}"#
        );
        Received::of(NewOrder::parse(body.as_bytes()).unwrap().place(None, Timestamp::UNIX_EPOCH).data)
    }

    fn cancelled() -> Received<OrderEvent> {
        let id = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
        Received::of(Cancellation::parse(id, b"").unwrap().event(Timestamp::UNIX_EPOCH).data)
    }

    /// Orders placed, orders cancelled, and revenue after these events.
    async fn totals_after(events: &[Received<OrderEvent>]) -> (u64, u64, String) {
        let metrics = AnalyticsMetrics::register(&Registry::new()).unwrap();
        let totals = Totals::new(metrics.clone());
        for event in events {
            totals.handle(event).await.unwrap();
        }
        let tally = metrics.tally();
        (tally.placed, tally.cancelled, tally.shown_revenue())
    }

    #[tokio::test]
    async fn an_order_counts_with_its_revenue_in_its_own_currency() {
        let orders = [placed("EUR", 450), placed("JPY", 300), placed("EUR", 5), placed("BHD", 1), placed("USD", 0)];
        assert_eq!(totals_after(&orders).await, (5, 0, "0.002 BHD, 9.10 EUR, 600 JPY, 0.00 USD".to_owned()));
    }

    #[tokio::test]
    async fn a_cancelled_order_counts_and_takes_no_revenue_back() {
        let totals = totals_after(&[placed("EUR", 450), cancelled()]).await;
        assert_eq!(totals, (1, 1, "9.00 EUR".to_owned()));
    }

    #[tokio::test]
    async fn a_text_counts_as_an_order_without_revenue() {
        let totals = totals_after(&[Received::of(OrderEvent::Text("NEW ORDER CREATED".to_owned()))]).await;
        assert_eq!(totals, (1, 0, "0.00 EUR".to_owned()));
    }

    #[test]
    fn it_hears_of_every_event_it_knows() {
        assert!(subscription().bindings().map(|(_, key)| key).eq(OrderEvent::TYPES.iter().copied()));
    }
}
