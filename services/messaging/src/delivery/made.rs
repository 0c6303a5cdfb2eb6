//! Makes deliveries for the tests of handlers, without a broker.

use std::sync::Arc;

use lapin::message::Delivery as RawDelivery;
use lapin::types::{AMQPValue, ShortString};

use super::{Delivery, Reader};
use crate::link::FRAME_MAX_BYTES;
use crate::publisher::Outgoing;

impl Delivery {
    /// A first delivery of an empty message.
    pub(crate) fn made(exchange: &str, routing_key: &str) -> Self {
        let delivery = RawDelivery::mock(1, name(exchange), name(routing_key), false, Vec::new());
        Self::new(delivery, Arc::new(Reader::dead_letters(FRAME_MAX_BYTES as usize)))
    }

    /// The first delivery of a message that was published.
    pub(crate) fn of(published: &Outgoing) -> Self {
        Self::new(published.delivered(), Arc::new(Reader::dead_letters(FRAME_MAX_BYTES as usize)))
    }

    /// The same with all headers of another delivery.
    pub(crate) fn with_headers_of(mut self, other: &Self) -> Self {
        let headers = other.headers().cloned().unwrap_or_default();
        self.delivery.properties = std::mem::take(&mut self.delivery.properties).with_headers(headers);
        self
    }

    /// The same with this header.
    pub(crate) fn with_header(mut self, header: &str, value: AMQPValue) -> Self {
        let mut headers = self.headers().cloned().unwrap_or_default();
        headers.insert(name(header), value);
        self.delivery.properties = std::mem::take(&mut self.delivery.properties).with_headers(headers);
        self
    }
}

/// A name as AMQP carries it; empty if it is too long.
fn name(text: &str) -> ShortString {
    ShortString::try_new(text.to_owned()).unwrap_or_default()
}
