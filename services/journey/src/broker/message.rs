//! A message as a plain client sees it.

use lapin::{BasicProperties, message::Delivery, types::AMQPValue};

/// A message taken from a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The exchange that the delivery names.
    pub exchange: String,
    /// The routing key that the delivery names.
    pub routing_key: String,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// Its properties.
    pub properties: BasicProperties,
    /// Its body.
    pub body: Vec<u8>,
}

impl From<Delivery> for Message {
    fn from(delivery: Delivery) -> Self {
        Self {
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
            properties: delivery.properties,
            body: delivery.data,
        }
    }
}

impl Message {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// A header that holds text or a whole number.
    pub fn header(&self, name: &str) -> Option<String> {
        match self.properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            AMQPValue::ShortString(text) => Some(text.to_string()),
            AMQPValue::ShortShortInt(number) => Some(number.to_string()),
            AMQPValue::ShortInt(number) => Some(number.to_string()),
            AMQPValue::LongInt(number) => Some(number.to_string()),
            AMQPValue::LongLongInt(number) => Some(number.to_string()),
            AMQPValue::LongUInt(number) => Some(number.to_string()),
            AMQPValue::Timestamp(number) => Some(number.to_string()),
            other => panic!("header {name:?} holds {other:?}"),
        }
    }
}
