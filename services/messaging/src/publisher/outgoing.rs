//! A message on its way out, whatever it is.

use std::borrow::Cow;

use bytes::Bytes;
use lapin::BasicProperties;
#[cfg(any(test, feature = "inside"))]
use lapin::message::Delivery;

/// A message for the lanes: an event, or a copy for a delay or dead queue. It is published mandatory.
pub(crate) struct Outgoing {
    pub(crate) exchange: &'static str,
    pub(crate) routing_key: Cow<'static, str>,
    /// With whatever headers. Exchange, routing key and message id tell a returned message from others.
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
}

/// Makes the same properties each time: lapin keeps what it is given, and most messages are sent once.
pub(crate) type Properties = Box<dyn Fn() -> BasicProperties + Send + Sync>;

#[cfg(any(test, feature = "inside"))]
impl Outgoing {
    /// The message as it arrives.
    pub(crate) fn delivered(self) -> Delivery {
        let (exchange, routing_key) = (self.exchange.into(), self.routing_key.as_ref().into());
        let mut delivery = Delivery::mock(1, exchange, routing_key, false, self.body.to_vec());
        delivery.properties = (self.properties)();
        delivery
    }
}
