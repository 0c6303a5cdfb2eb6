//! The damage of faults that destroy events by their nature. They delete a queue with its messages, and no queue receives
//! an event until that queue is bound again.

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
/// The queue that packing reads.
pub(crate) const PACKING_QUEUE: &str = "packing-queue";
/// The exchange between them and order.
pub(crate) const EXCHANGE: &str = "order-exchange";
/// The queue of the requests that packing publishes.
pub(crate) const PARCEL_QUEUE: &str = "parcel-queue";
/// The topic exchange between packing and that queue.
pub(crate) const PARCEL_EXCHANGE: &str = "parcel-exchange";
/// The events that the queue of requests is bound to.
pub(crate) const PARCELS: &str = "parcel.#";

/// The damage to one queue.
pub(crate) struct Ruin {
    /// The queue.
    pub(crate) queue: &'static str,
    /// The events of the orders that its messages were about.
    pub(crate) content: HashSet<Uuid>,
    /// The queue received every event until this moment.
    pub(crate) from: SystemTime,
    /// The queue receives every event again from this moment on.
    pub(crate) until: SystemTime,
}

impl Ruin {
    /// Waits until the queue is bound again.
    pub(crate) async fn mended(broker: &Broker, queue: &'static str, content: HashSet<Uuid>, from: SystemTime) -> Self {
        bound(broker, queue).await;
        Self { queue, content, from, until: SystemTime::now() }
    }

    /// Whether the event of this order may have been destroyed in this queue, or missed it.
    pub(crate) fn took(&self, queue: &str, entry: &Entry) -> bool {
        let came_meanwhile =
            entry.last_sent <= self.until && entry.accepted.is_some_and(|accepted| accepted >= self.from);
        self.queue == queue && (self.content.contains(&entry.event) || came_meanwhile)
    }
}

/// Waits until the queue is bound.
pub(crate) async fn bound(broker: &Broker, queue: &str) {
    let (source, key) = if queue == PARCEL_QUEUE { (PARCEL_EXCHANGE, PARCELS) } else { (EXCHANGE, "order.placed") };
    let wanted = |binding: &Value| binding["source"] == source && binding["routing_key"] == key;
    let bound = || async {
        let bindings = broker.management(&format!("queues/%2f/{queue}/bindings")).await;
        bindings.as_array().is_some_and(|bindings| bindings.iter().any(wanted))
    };
    eventually_within(PATIENCE, &format!("{queue} is bound again"), bound, |bound| *bound).await;
}
