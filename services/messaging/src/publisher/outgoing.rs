//! A message on its way out, whatever it is.

use std::borrow::Cow;

use bytes::Bytes;
use lapin::BasicProperties;

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
