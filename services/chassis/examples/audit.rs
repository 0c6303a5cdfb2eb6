//! Writes every event of an order to the log. This is a whole service.

use std::process::ExitCode;

use chassis::{ConsumerService, ConsumerSettings};
use contract::OrderEvent;
use messaging::{Failure, Handler, Received, Subscription};
use tracing::info;

/// Writes events to the log.
struct Audit;

impl Handler for Audit {
    type Event = OrderEvent;

    async fn handle(&self, event: &Received<OrderEvent>) -> Result<(), Failure> {
        match &event.data {
            OrderEvent::Placed(order) => info!(id = %order.id(), total = %order.total(), "placed"),
            OrderEvent::Cancelled(cancellation) => info!(id = %cancellation.id(), "cancelled"),
            OrderEvent::Text(text) => return Err(Failure::for_good(format!("{} bytes of text", text.len()))),
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    chassis::run("audit", ConsumerSettings::from_env, async |settings, process| {
        let subscription =
            Subscription::queue("audit-queue").bound_to("order-exchange", ["order.placed", "order.cancelled"]);
        ConsumerService::start(process, settings, subscription, Audit).await?.run().await
    })
}
