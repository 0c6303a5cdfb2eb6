//! A message to publish.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;

/// A message to publish: an event, or a copy for a delay or dead queue. It is published as mandatory.
pub(crate) struct Outgoing {
    /// Its name is empty for the default exchange.
    pub(crate) exchange: Arc<str>,
    pub(crate) routing_key: Cow<'static, str>,
    /// The properties of the message, with any headers. Exchange, routing key and message id identify a returned
    /// message.
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
}

/// Makes the properties, the same each time. It makes them anew because lapin keeps what it is given, and most
/// messages are sent once.
pub(crate) type Properties = Box<dyn Fn() -> BasicProperties + Send + Sync>;

impl Outgoing {
    /// The message as it arrives, for tests.
    pub(crate) fn delivered(&self) -> Delivery {
        let (exchange, routing_key) = (self.exchange.as_ref().into(), self.routing_key.as_ref().into());
        let mut delivery = Delivery::mock(1, exchange, routing_key, false, self.body.to_vec());
        delivery.properties = (self.properties)();
        delivery
    }
}
