//! The orders that the benchmark sends, and the queue that receives them.

use std::time::Duration;

use chassis::Env;
use contract::{NewOrder, OrderEvent};
use events::CloudEvent;
use jiff::Timestamp;
use journey::Broker;
use messaging::{Endpoint, Publisher, State};

/// The exchange for orders.
pub(crate) const EXCHANGE: &str = "order-exchange";
/// The queue that receives every order.
pub(crate) const QUEUE: &str = "email-queue";
/// An order of one line. Its event is about as long as the bodies of the other clients.
pub(crate) const ORDER: &str = r#"{"customer":{"name":"Ada Lovelace","email":"ada@example.com"},"currency":"EUR","items":[{"sku":"TEA-1","name":"Earl Grey","quantity":2,"unit_price":450}]}"#;

/// The broker as `messaging` takes it.
pub(crate) fn endpoint(broker: &Broker) -> Endpoint {
    Endpoint::from_env(&mut Env::from_map([("AMQP_URL", broker.url())])).named("bench")
}

/// A new order's event.
pub(crate) fn placed() -> CloudEvent<OrderEvent> {
    NewOrder::parse(ORDER.as_bytes()).expect("the sample is an order").place(None, Timestamp::now())
}

/// How many messages are sent with so many in flight: enough for a second or more.
pub(crate) fn messages(in_flight: usize) -> usize {
    match in_flight {
        1 => 3_000,
        2..=64 => 20_000,
        _ => 60_000,
    }
}

/// Waits until the publisher is connected.
pub(crate) async fn eventually_connected(publisher: &Publisher<OrderEvent>) {
    let mut state = publisher.state();
    let connected = state.wait_for(|state| *state == State::Connected);
    tokio::time::timeout(Duration::from_secs(30), connected)
        .await
        .expect("the publisher connects to the benchmark's broker")
        .expect("the publisher lives");
}
