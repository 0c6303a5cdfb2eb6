//! What clients send over HTTP.

use contract::limits::*;
use contract::{Cancellation, IdempotencyKey, NewOrder, OrderEvent, OrderId, ParseError};
use events::{
    CONTENT_TYPE, CloudEvent, Fault, Raw, decode,
    limits::{MAX_ATTRIBUTE, MAX_EVENT_BYTES},
};
use jiff::Timestamp;

use super::mails::can_be_mailed;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// The body of `POST /orders`.
pub fn order_body(body: &[u8]) {
    match NewOrder::parse(body) {
        Ok(order) => {
            let key: IdempotencyKey = "a-key".parse().expect("it is visible");
            let event = order.clone().place(Some(&key), NOW);
            assert_eq!(event, order.place(Some(&key), NOW), "a repetition is another order");
            travels(&event);
            let OrderEvent::Placed(order) = &event.data else { panic!("it was placed") };
            can_be_mailed(order, Some((Some(&event.source), &event.id)));
        }
        Err(error) => is_told(&error, body.len()),
    }
}

/// A line with an order's id, then the body of its `POST …/cancel`.
pub fn cancel_body(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Some(id) = str::from_utf8(&bytes[..end]).ok().and_then(|id| id.parse::<OrderId>().ok()) else { return };
    let body = bytes.get(end + 1..).unwrap_or_default();
    match Cancellation::parse(id, body) {
        Ok(cancellation) => {
            assert_eq!(cancellation.id(), id);
            travels(&cancellation.event(NOW));
        }
        Err(error) => is_told(&error, body.len()),
    }
}

/// The value of an `Idempotency-Key`.
pub fn idempotency_key(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(key) = text.parse::<IdempotencyKey>() else { return };
    assert!((1..=MAX_IDEMPOTENCY_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()));
    let body = br#"{"customer":{"name":"A","email":"a@b.example"},"items":[{"sku":"S","name":"N","quantity":1,"unit_price":1}]}"#;
    let order = NewOrder::parse(body).expect("it is an order");
    let ids = |key| {
        let event = order.clone().place(key, NOW);
        (event.id, event.data)
    };
    let other: IdempotencyKey = "another".parse().expect("it is visible");
    assert_eq!(ids(Some(&key)), ids(Some(&key)));
    assert!(text == "another" || ids(Some(&key)) != ids(Some(&other)));
}

/// Whoever decodes it gets what was sent.
pub(super) fn travels(event: &CloudEvent<OrderEvent>) {
    let encoded = event.clone().encode();
    assert!(encoded.body.len() <= MAX_EVENT_BYTES && encoded.id.len() <= MAX_ATTRIBUTE, "no broker would take it");
    let raw = Raw {
        content_type: Some(CONTENT_TYPE),
        routing_key: encoded.event_type,
        message_id: Some(&encoded.id),
        body: &encoded.body,
        ..Raw::default()
    };
    let decoded = decode::<OrderEvent>(&raw).expect("what was encoded can be decoded");
    assert_eq!((decoded.data, decoded.time), (event.data.clone(), Some(event.time)));
    assert_eq!((decoded.id.as_deref(), decoded.source.as_deref()), (Some(&*event.id), Some(&*event.source)));
}

/// A refusal names at least one fault, and is not far longer than what it refuses.
fn is_told(error: &ParseError, body: usize) {
    assert!(error.to_string().len() <= 1024 + 2 * body);
    let ParseError::Invalid(faults) = error else { return };
    assert!((1..=MAX_FAULTS).contains(&faults.len()));
    let told = serde_json::to_string(faults).expect("faults are JSON").len();
    assert!(told <= faults.len() * 256 + 6 * body, "{told} bytes about {body}");
    assert!(faults.iter().all(|Fault { pointer, .. }| pointer.is_empty() || pointer.starts_with('/')));
}
