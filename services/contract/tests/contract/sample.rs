//! Valid orders and events, to be broken one field at a time.

use contract::{Cancellation, NewOrder, OrderEvent};
use events::{CONTENT_TYPE, DecodeError, Decoded, Encoded, Raw, decode};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The design's example of a body.
pub(crate) fn order() -> Value {
    json!({
        "customer": {"name": "Ada Lovelace", "email": "ada@example.com"},
        "currency": "EUR",
        "items": [{"sku": "TEA-1", "name": "Earl Grey", "quantity": 2, "unit_price": 450}],
    })
}

pub(crate) fn now() -> Timestamp {
    "2025-11-20T10:00:00.25Z".parse().unwrap()
}

pub(crate) fn new_order() -> NewOrder {
    NewOrder::parse(order().to_string().as_bytes()).unwrap()
}

pub(crate) fn placed() -> Encoded {
    new_order().place(None, now()).encode()
}

pub(crate) fn cancelled() -> Encoded {
    let id = "019a9f0e-2f4b-7c1e-8a57-3d0c5a1b9e42".parse().unwrap();
    Cancellation::parse(id, br#"{"reason": "changed my mind"}"#).unwrap().event(now()).encode()
}

/// A message as the order service publishes it, but for its body.
pub(crate) fn message(body: &[u8]) -> Raw<'_> {
    Raw { content_type: Some(CONTENT_TYPE), routing_key: "order.placed", body, ..Raw::default() }
}

pub(crate) fn read(body: &Value) -> Result<Decoded<OrderEvent>, DecodeError> {
    decode(&message(body.to_string().as_bytes()))
}

/// The encoded event as JSON, after a change; `Value::Null` at a pointer's end is written as null.
pub(crate) fn changed(event: &Encoded, change: impl FnOnce(&mut Value)) -> Value {
    let mut json = serde_json::from_slice(&event.body).unwrap();
    change(&mut json);
    json
}
