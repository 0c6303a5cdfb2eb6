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
    /// The mailer, shared with `main`, which closes it.
    pub mailer: Arc<Mailer>,
    /// The address for messages that are text and not an order; `None` writes them to the log.
    pub fallback_to: Option<Email>,
}

impl Handler for Confirmations {
    type Event = OrderEvent;

    async fn handle(&self, event: &Received<OrderEvent>) -> Result<(), Failure> {
        let Some(mail) = self.mail(&event.data) else {
            debug!(event_id = event.id, order_id = event.subject, "no mail is sent about a cancellation");
            return Ok(());
        };
        self.mailer.send(&mail, (event.source.as_deref(), event.id.as_deref())).await
    }

    async fn probe(&self) -> Result<(), String> {
        self.mailer.probe().await
    }

    /// A text without a recipient is written to the log, whatever the mail server does.
    fn needs_dependency(&self, event: &Received<OrderEvent>) -> bool {
        self.mail(&event.data).is_some_and(|mail| mail.recipient().is_some())
    }
}

impl Confirmations {
    /// The mail about an event. A cancellation has none: it arrives only through somebody else's binding, and it does
    /// not say whom to write to.
    fn mail<'a>(&'a self, event: &'a OrderEvent) -> Option<Mail<'a>> {
        match event {
            OrderEvent::Placed(order) => Some(Mail::Order(order)),
            OrderEvent::Text(text) => Some(Mail::Text { text, to: self.fallback_to.as_ref() }),
            OrderEvent::Cancelled(_) => None,
        }
    }
}
