//! The email service between a broker and an SMTP server.

use contract::NewOrder;
use events::CONTENT_TYPE;
use jiff::Timestamp;
use journey::{Answer, Broker, Delivered, Process, SmtpOptions, SmtpServer, eventually};
use lapin::BasicProperties;
use serde_json::json;

/// Where what cannot be mailed ends.
pub(super) const DEAD: &str = "email-queue.dead";

/// A broker, an SMTP server, and the service between them.
pub(super) struct Office {
    pub(super) broker: Broker,
    pub(super) smtp: SmtpServer,
    pub(super) email: Process,
}

impl Office {
    pub(super) async fn open() -> Self {
        Self::with(SmtpServer::start(SmtpOptions::new()), &[]).await
    }

    /// More variables; `SMTP_URL` is the server's own unless it is among them.
    pub(super) async fn with(smtp: SmtpServer, variables: &[(&str, &str)]) -> Self {
        let broker = Broker::shared().await;
        let url = smtp.url();
        // Times that no machine is too slow for: what is about time sets its own.
        let usual = [
            ("SMTP_URL", url.as_str()),
            ("RETRY_DELAYS", "100ms,100ms,100ms,100ms"),
            ("HANDLE_TIMEOUT", "240s"),
            ("SHUTDOWN_TIMEOUT", "300s"),
        ];
        let email = start(&broker, usual.iter().chain(variables)).await;
        Self { broker, smtp, email }
    }

    pub(super) async fn place(&self, name: &str) -> String {
        place(&self.broker, name).await
    }

    /// An order of a customer with this address.
    pub(super) async fn place_to(&self, email: &str) -> String {
        place_for(&self.broker, "Ada", email, BasicProperties::default()).await
    }

    /// Waits until so many orders are dead letters.
    pub(super) async fn dead(&self, count: u32) {
        eventually(&format!("{count} dead letters"), || self.broker.depth(DEAD), |&depth| depth == Some(count)).await;
    }

    /// Waits until it is ready.
    pub(super) async fn ready(&self) {
        eventually("it is ready", || self.email.state(), |state| state == "consuming").await;
    }

    pub(super) async fn mails(&self, count: usize) -> Vec<Delivered> {
        let sent = || async { self.smtp.mails() };
        eventually(&format!("{count} mails"), sent, |mails| mails.len() >= count).await
    }

    /// Waits until the service is paused, and these words are in the reason.
    pub(super) async fn paused(&self, words: &str) {
        let readyz = || async { self.email.ops("/readyz").await };
        let paused = |answer: &Answer| {
            let said = answer.json();
            answer.status == 503 && said["state"] == "paused" && said["reason"].to_string().contains(words)
        };
        eventually(&format!("paused, because of {words}"), readyz, paused).await;
    }

    /// How many mails, or attempts at one, ended so.
    pub(super) async fn counted(&self, outcome: &str) -> f64 {
        self.email.metric("email_sent_total", &[("transport", "smtp"), ("outcome", outcome)]).await
    }

    /// Nothing was set aside, nothing was tried again later.
    pub(super) async fn assert_no_order_was_blamed(&self) {
        assert_eq!(self.broker.depth(DEAD).await, Some(0));
        for outcome in ["delayed", "dead"] {
            assert_eq!(self.email.metric("messaging_consumed_total", &[("outcome", outcome)]).await, 0.0, "{outcome}");
        }
    }
}

pub(super) async fn start<'a>(broker: &Broker, variables: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Process {
    let variables = variables.into_iter().map(|(name, value)| (*name, (*value).to_owned()));
    let mut email = Process::start("email", [("AMQP_URL", broker.url_as("email"))].into_iter().chain(variables));
    email.ready().await;
    email
}

/// Publishes an order of this customer's as `order` does; gives the event's id.
pub(crate) async fn place(broker: &Broker, name: &str) -> String {
    place_with(broker, name, BasicProperties::default()).await
}

/// The same with more properties.
pub(super) async fn place_with(broker: &Broker, name: &str, properties: BasicProperties) -> String {
    place_for(broker, name, "ada@example.com", properties).await
}

/// The same for a customer with this address.
pub(super) async fn place_for(broker: &Broker, name: &str, email: &str, properties: BasicProperties) -> String {
    let order = json!({
        "customer": {"name": name, "email": email},
        "items": [{"sku": "TEA-1", "name": "Earl Grey & Söhne", "quantity": 2, "unit_price": 450}],
    });
    let event = NewOrder::parse(order.to_string().as_bytes()).unwrap().place(None, Timestamp::now()).encode();
    let properties = properties
        .with_content_type(CONTENT_TYPE.into())
        .with_message_id(event.id.as_str().into())
        .with_delivery_mode(2);
    assert!(broker.publish("order-exchange", event.event_type, properties, &event.body).await);
    event.id
}
