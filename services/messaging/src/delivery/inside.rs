//! Lets fuzzing reach everything that is made of a delivered message's headers.

use std::fmt::Debug;
use std::sync::Arc;

use events::{Event, decode};
use jiff::Timestamp;
use lapin::message::Delivery as RawDelivery;
use lapin::protocol::basic::parse_properties;
use lapin::types::{AMQPValue, FieldTable};
use opentelemetry::trace::SpanContext;

use super::headers::table_weight;
use super::{Copy, DeadReason, Delivery, Reader};
use crate::user_name::UserName;

/// The bytes of class, weight and body size, in front of the properties.
const BEFORE_PROPERTIES: usize = 12;
/// The largest headers of a copy, in bytes. Together with its other properties they fit a frame.
const HEAVIEST: usize = 80 * 1024;
/// Tables that are nested deeper than this are never read, because lapin would read them by recursion.
const DEEPEST: usize = 33;

/// Reads a message whose header frame has this payload, and makes every copy of it. Says whether lapin would have
/// delivered it.
///
/// # Panics
/// If a copy is wrong.
pub fn read_letter<E: Event + PartialEq + Debug>(payload: &[u8], redelivered: bool, body: &[u8]) -> bool {
    let Some(properties) = payload.get(BEFORE_PROPERTIES..) else { return false };
    let Ok(([], properties)) = parse_properties(properties) else { return false };
    assert!(properties.headers().as_ref().is_none_or(|headers| depth(headers) <= DEEPEST), "nested too deep");
    let mut delivery = RawDelivery::mock(1, "an-exchange".into(), "order.placed".into(), redelivered, body.to_vec());
    delivery.properties = properties;
    let delivery = Delivery::new(delivery, reader());
    let _ = (
        delivery.published_span(),
        delivery.failed_span(),
        delivery.app_id(),
        delivery.error(),
        delivery.dead_reason(),
    );
    let (now, span) = (Timestamp::UNIX_EPOCH, SpanContext::empty_context());
    let queue = || "a-queue".to_owned();
    let retried = delivery.to_retry(queue(), "why", now, &span);
    assert_eq!(delivered::<E>(&delivery, &retried).attempts(), delivery.attempts().saturating_add(1));
    delivered::<E>(&delivery, &delivery.to_requeue(queue(), delivery.returned().times(), now));
    delivered::<E>(&delivery, &delivery.to_dead_after_attempt(queue(), DeadReason::ForGood, "why", now));
    let dead = delivered::<E>(&delivery, &delivery.to_dead(queue(), DeadReason::Undecodable, "why", now));
    assert_eq!((dead.dead_reason(), dead.attempts()), (DeadReason::Undecodable, delivery.attempts()));
    let back = delivered::<E>(&delivery, &dead.to_redrive(queue()));
    assert_eq!((back.attempts(), back.redriven()), (0, delivery.redriven().saturating_add(1)));
    let _ = delivery.to_redrive(queue());
    true
}

/// The reader: a consumer.
fn reader() -> Arc<Reader> {
    Arc::new(Reader::consumer(Arc::new(UserName::new("a-user")), None, 131_072))
}

/// A copy as it arrives: small enough for a frame, and read as its original was.
fn delivered<E: Event + PartialEq + Debug>(original: &Delivery, copy: &Copy) -> Delivery {
    let arrived = Delivery::new(copy.outgoing().delivered(), reader());
    assert!(arrived.headers().is_none_or(|headers| table_weight(headers) <= HEAVIEST), "too heavy");
    assert_eq!(decode::<E>(&arrived.raw()), decode::<E>(&original.raw()));
    arrived
}

fn depth(table: &FieldTable) -> usize {
    1 + table.into_iter().map(|(_, value)| value_depth(value)).max().unwrap_or(0)
}

fn value_depth(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::FieldTable(table) => depth(table),
        AMQPValue::FieldArray(values) => 1 + values.as_slice().iter().map(value_depth).max().unwrap_or(0),
        _ => 0,
    }
}
