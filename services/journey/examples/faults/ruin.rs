//! What a fault destroyed by its nature: what a deleted queue held, and what came until it was bound again.

use std::collections::HashSet;
use std::time::SystemTime;

use journey::{Broker, eventually_within};
use serde_json::Value;
use uuid::Uuid;

use crate::ledger::Entry;
use crate::service::PATIENCE;

/// The queue that email reads.
pub(crate) const EMAIL_QUEUE: &str = "email-queue";
/// The queue that analytics reads.
pub(crate) const ANALYTICS_QUEUE: &str = "analytics-queue";
/// The exchange between them and order.
pub(crate) const EXCHANGE: &str = "order-exchange";

/// One queue's damage.
pub(crate) struct Ruin {
    /// The queue.
    pub(crate) queue: &'static str,
    /// The events that it held.
    pub(crate) content: HashSet<Uuid>,
    /// Before this it was whole.
    pub(crate) from: SystemTime,
    /// From here on it hears everything again.
    pub(crate) until: SystemTime,
}

impl Ruin {
    /// Waits until the queue is bound again.
    pub(crate) async fn mended(broker: &Broker, queue: &'static str, content: HashSet<Uuid>, from: SystemTime) -> Self {
        let bound = || async {
            let bindings = broker.management(&format!("queues/%2f/{queue}/bindings")).await;
            bindings.as_array().is_some_and(|bindings| {
                bindings
                    .iter()
                    .any(|binding: &Value| binding["source"] == EXCHANGE && binding["routing_key"] == "order.placed")
            })
        };
        eventually_within(PATIENCE, &format!("{queue} is bound again"), bound, |bound| *bound).await;
        Self { queue, content, from, until: SystemTime::now() }
    }

    /// Whether it may have taken this order from the queue.
    pub(crate) fn took(&self, queue: &str, entry: &Entry) -> bool {
        let came_meanwhile =
            entry.last_sent <= self.until && entry.accepted.is_some_and(|accepted| accepted >= self.from);
        self.queue == queue && (self.content.contains(&entry.event) || came_meanwhile)
    }
}
