//! Hears of an order, and publishes the request for its parcel.

use events::EventData;
use messaging::{Failure, Handler, Publisher, Received};
use serde::{Deserialize, Serialize};
use tracing::debug;

/// What the service reads of an order. It ignores every other field.
#[derive(Serialize, Deserialize)]
pub(crate) struct OrderPlaced {
    id: String,
    items: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    quantity: u32,
}

impl EventData for OrderPlaced {
    const TYPE: &'static str = "order.placed";
}

/// The event that the service publishes.
#[derive(Serialize, Deserialize)]
pub(crate) struct ParcelRequested {
    order: String,
    pieces: u32,
}

impl EventData for ParcelRequested {
    const TYPE: &'static str = "parcel.requested";

    fn subject(&self) -> Option<String> {
        Some(self.order.clone())
    }
}

/// Publishes a request for a parcel for each order.
pub(crate) struct Packing {
    /// Where the requests go.
    pub(crate) parcels: Publisher<ParcelRequested>,
}

impl Handler for Packing {
    type Event = OrderPlaced;

    async fn handle(&self, event: &Received<OrderPlaced>) -> Result<(), Failure> {
        let order = &event.data;
        // The quantities come from outside, and nobody has checked their sum.
        let pieces = order.items.iter().fold(0_u32, |sum, item| sum.saturating_add(item.quantity));
        let request = event.follow_up("urn:packing", ParcelRequested { order: order.id.clone(), pieces });
        self.parcels.publish(request).await?;
        debug!(event_id = event.id, "parcel requested");
        Ok(())
    }

    async fn probe(&self) -> Result<(), String> {
        match &*self.parcels.state().borrow() {
            state if state.is_serving() => Ok(()),
            other => Err(format!("the publisher is {}", other.name())),
        }
    }
}
