//! Tests services: handlers without a broker, and the whole on a real one.
//!
//! [`Received::of`](crate::Received::of) makes an event for a handler. A [`Recording`] gives the handler its
//! publishers, and shows what it published:
//!
//! ```
//! # use events::EventData;
//! # use messaging::{Failure, Handler, Publisher};
//! use messaging::testing::Recording;
//! use messaging::{PublishError, Received};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize)]
//! # struct OrderPlaced { id: String }
//! # impl EventData for OrderPlaced { const TYPE: &'static str = "order.placed"; }
//! # #[derive(Serialize, Deserialize)]
//! # struct ParcelRequested { order: String }
//! # impl EventData for ParcelRequested { const TYPE: &'static str = "parcel.requested"; }
//! # struct Packing { parcels: Publisher<ParcelRequested> }
//! # impl Handler for Packing {
//! #     type Event = OrderPlaced;
//! #     async fn handle(&self, event: &Received<OrderPlaced>) -> Result<(), Failure> {
//! #         let parcel = ParcelRequested { order: event.data.id.clone() };
//! #         self.parcels.publish(event.follow_up("urn:packing", parcel)).await?;
//! #         Ok(())
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let recording = Recording::start();
//! let packing = Packing { parcels: recording.publisher("parcel-exchange") };
//! let order = Received::of(OrderPlaced { id: "o-1".to_owned() });
//!
//! packing.handle(&order).await.unwrap();
//! let parcels = recording.published::<ParcelRequested>();
//! assert_eq!(parcels.len(), 1);
//! assert_eq!(parcels[0].data.order, "o-1");
//! assert_eq!(parcels[0].causation_id, order.id);
//!
//! recording.answer(|_| Err(PublishError::Unavailable));
//! assert!(packing.handle(&order).await.unwrap_err().is_outage());
//! # }
//! ```
//!
//! `examples/hear_then_speak.rs` is a service with such tests.
//!
//! [`Broker`] is a real node of the test's own. It needs this repository beside the crate, where a dependency by path
//! or from git has it.
//!
//! This module needs no feature: a program that does not call it does not contain it.

mod broker;
pub use broker::Broker;
mod recording;
pub use recording::Recording;
