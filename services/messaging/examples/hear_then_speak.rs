//! A service that hears an event and publishes one of its own: an order was placed, so a parcel is to be packed.
//!
//! `cargo run --package messaging --example hear_then_speak` runs it beside the shop, on the broker of `AMQP_URL`.

use std::time::Duration;

use events::EventData;
use messaging::{
    AmqpUrl, Client, ConsumerOptions, Endpoint, Error, Failure, Handler, Publisher, Received, Subscription,
};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What this service reads of an order. It ignores every other field.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderPlaced {
    pub(crate) id: String,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) quantity: u32,
}

impl EventData for OrderPlaced {
    const TYPE: &'static str = "order.placed";
}

/// The event of this service's own.
#[derive(Debug, Serialize, Deserialize)]
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

/// Asks for a parcel for each order.
struct Packing {
    parcels: Publisher<ParcelRequested>,
}

impl Handler for Packing {
    type Event = OrderPlaced;

    async fn handle(&self, event: &Received<OrderPlaced>) -> Result<(), Failure> {
        let order = &event.data;
        let pieces = order.items.iter().map(|item| item.quantity).sum();
        let request = event.follow_up("urn:packing", ParcelRequested { order: order.id.clone(), pieces });
        // The order is acknowledged after this. If the process dies in between, the order comes again, and the same
        // request is published again: whoever has it already knows it by its id.
        self.parcels.publish(request).await?;
        Ok(())
    }

    async fn probe(&self) -> Result<(), String> {
        match &*self.parcels.state().borrow() {
            state if state.is_serving() => Ok(()),
            other => Err(format!("the publisher is {}", other.name())),
        }
    }
}

/// Runs until `stop` resolves.
pub(crate) async fn run(
    endpoint: Endpoint,
    options: ConsumerOptions,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let client = Client::new(endpoint, &Registry::new())?;
    let parcels = client.publisher("parcel-exchange").start()?;
    let orders = Subscription::queue("packing-queue").bound_to("order-exchange", [OrderPlaced::TYPE]);
    let packing = Packing { parcels: parcels.clone() };
    let consumer = client.consumer(orders, packing).options(options).build()?;
    let ended = consumer.run(stop, Duration::from_secs(20)).await;
    // Last, because the handlers that still ran may have published.
    parcels.close(Instant::now() + Duration::from_secs(5)).await;
    ended
}

#[tokio::main]
#[allow(clippy::disallowed_methods, reason = "an example has no Config")]
async fn main() -> Result<(), Error> {
    let url = match std::env::var("AMQP_URL") {
        Ok(text) => text.parse()?,
        Err(_) => AmqpUrl::default(),
    };
    let endpoint = Endpoint::new(url, "packing");
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    run(endpoint, ConsumerOptions::default(), interrupted).await
}

/// The handler is tested without a broker.
#[cfg(test)]
mod tests {
    use messaging::PublishError;
    use messaging::testing::Recording;

    use super::*;

    fn order() -> Received<OrderPlaced> {
        let items = [2, 3].map(|quantity| Item { quantity }).into();
        Received::of(OrderPlaced { id: "o-1".to_owned(), items })
    }

    #[tokio::test]
    async fn an_order_asks_for_one_parcel_with_all_its_pieces() {
        let (recording, order) = (Recording::start(), order());
        let packing = Packing { parcels: recording.publisher("parcel-exchange") };
        packing.handle(&order).await.unwrap();
        let parcels = recording.published::<ParcelRequested>();
        let [parcel] = &parcels[..] else { panic!("{parcels:?}") };
        assert_eq!((parcel.data.order.as_str(), parcel.data.pieces), ("o-1", 5));
        assert_eq!((parcel.exchange(), parcel.subject.as_deref()), ("parcel-exchange", Some("o-1")));
        assert_eq!(parcel.causation_id, order.id);
    }

    #[tokio::test]
    async fn an_order_is_handled_again_after_the_broker_was_away_and_asks_for_the_same_parcel() {
        let (recording, order) = (Recording::start(), order());
        let packing = Packing { parcels: recording.publisher("parcel-exchange") };
        recording.answer(|_| Err(PublishError::Unavailable));
        assert!(packing.handle(&order).await.unwrap_err().is_outage());
        assert_eq!(packing.probe().await, Err("the publisher is connecting".to_owned()));

        recording.answer(|_| Ok(()));
        assert_eq!(packing.probe().await, Ok(()));
        packing.handle(&order).await.unwrap();
        packing.handle(&order).await.unwrap();
        let parcels = recording.published::<ParcelRequested>();
        assert_eq!((parcels.len(), &parcels[0].id), (2, &parcels[1].id));
    }
}
