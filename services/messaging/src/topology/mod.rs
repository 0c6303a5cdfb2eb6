//! The exchanges, queues and bindings that somebody relies on, and how they are made sure of.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use tokio::time::sleep;

use crate::Error;
use crate::error::reply;
use crate::link::Link;

mod object;
pub(crate) use object::Object;

/// How often it is asserted again, because the broker tells nobody that an exchange or a binding was deleted.
pub(crate) const ASSERT_EVERY: Duration = Duration::from_secs(5);

/// Objects that must exist, in the order in which they are declared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology(Vec<Object>);

impl Topology {
    /// And a durable direct exchange without arguments.
    pub(crate) fn exchange(self, name: impl Into<String>) -> Self {
        self.and(Object::Exchange { name: name.into() })
    }

    /// And a durable queue.
    pub(crate) fn queue(self, name: impl Into<String>, arguments: FieldTable) -> Self {
        self.and(Object::Queue { name: name.into(), arguments })
    }

    /// And a binding of a queue to an exchange, both named before.
    pub(crate) fn binding(
        self,
        queue: impl Into<String>,
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
    ) -> Self {
        self.and(Object::Binding { queue: queue.into(), exchange: exchange.into(), routing_key: routing_key.into() })
    }

    fn and(mut self, object: Object) -> Self {
        if !self.0.contains(&object) {
            self.0.push(object);
        }
        self
    }

    /// Declares everything; what exists as it should stays as it is.
    ///
    /// # Errors
    /// The first object that cannot be declared: [`Error::AccessRefused`] and [`Error::Conflict`] name it, anything else is [`Error::Lost`].
    pub(crate) async fn assert(&self, link: &Link) -> Result<(), Error> {
        // A channel for each time: a refusal kills it, and lapin remembers every binding that was ever asserted on one.
        let channel = link.channel().await?;
        for object in &self.0 {
            link.within(declare(&channel, object)).await?.map_err(|error| refusal(error, object))?;
        }
        // An unclosed channel closes when dropped; waiting for it here keeps the number of open ones at one.
        let _ = link.step(channel.close(200, "asserted".into())).await;
        Ok(())
    }

    /// Asserts it again every [`ASSERT_EVERY`], except while an alarm would only make that wait. Resolves when the broker refuses it; where
    /// the broker is only slow, the connection's heartbeat decides.
    pub(crate) async fn keep(&self, link: &Link) -> Error {
        loop {
            sleep(ASSERT_EVERY).await;
            if link.is_blocked() {
                continue;
            }
            if let Err(error @ (Error::AccessRefused { .. } | Error::Conflict { .. })) = self.assert(link).await {
                return error;
            }
        }
    }
}

async fn declare(channel: &Channel, object: &Object) -> lapin::Result<()> {
    let none = FieldTable::default;
    match object {
        Object::Exchange { name } => {
            let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(name.as_str().into(), ExchangeKind::Direct, durable, none()).await
        }
        Object::Queue { name, arguments } => {
            let durable = QueueDeclareOptions::durable();
            channel.queue_declare(name.as_str().into(), durable, arguments.clone()).await.map(drop)
        }
        Object::Binding { queue, exchange, routing_key } => {
            let [queue, exchange, key] = [queue, exchange, routing_key].map(|name| name.as_str().into());
            channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), none()).await
        }
    }
}

/// What the broker's refusal means. 405 is a queue that another connection holds for itself.
fn refusal(error: lapin::Error, object: &Object) -> Error {
    let object = object.to_string();
    match reply(&error) {
        Some((403, words)) => Error::AccessRefused { object, reason: words.to_owned() },
        Some((405 | 406, words)) => Error::Conflict { object, reason: words.to_owned() },
        _ => Error::lost(error),
    }
}
