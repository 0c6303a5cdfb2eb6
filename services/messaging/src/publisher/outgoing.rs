//! A message on its way out, whatever it is.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::ShortString;

/// A message for the lanes: an event, or a copy for a delay or dead queue. It is published mandatory.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// With whatever headers. Exchange, routing key and message id tell a returned message from others.
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}
