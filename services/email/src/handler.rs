//! Sends one mail for each order that was placed.

use std::sync::Arc;

use contract::{Email, OrderEvent};
use messaging::{Failure, Handler, Received, Subscription};
use tracing::debug;

use crate::{mail::Mail, mailer::Mailer};

/// The queue of the email service, and the events that it mails.
pub fn subscription() -> Subscription {
    Subscription::queue("email-queue").bound_to("order-exchange", [OrderEvent::PLACED])
}

/// Sends the mail about each order.
pub struct Confirmations {
    /// The mailer, shared with the app, which closes it.
    pub mailer: Arc<Mailer>,
    /// The address for messages that are text and not an order; `None` writes them to the log.
    pub fallback_to: Option<Email>,
}

impl Handler for Confirmations {
    type Event = OrderEvent;

    async fn handle(&self, event: &Received<OrderEvent>) -> Result<(), Failure> {
        let mail = match &event.data {
            OrderEvent::Placed(order) => Mail::Order(order),
            OrderEvent::Text(text) => Mail::Text { text, to: self.fallback_to.as_ref() },
            // A cancellation arrives only through somebody else's binding, and it does not say whom to write to.
            OrderEvent::Cancelled(cancellation) => {
                debug!(event_id = event.id, order_id = %cancellation.id(), "no mail is sent about a cancellation");
                return Ok(());
            }
        };
        self.mailer.send(&mail, (event.source.as_deref(), event.id.as_deref())).await
    }

    async fn probe(&self) -> Result<(), String> {
        self.mailer.probe().await
    }
}
