//! The headers that record a message's way through delay queues, dead queues and back.

use events::HeaderValue;
use lapin::types::{AMQPValue, FieldTable, ShortString};

/// The exchange to which the message was first published.
pub(crate) const EXCHANGE: &str = "warren-exchange";
/// The routing key with which the message was first published.
pub(crate) const ROUTING_KEY: &str = "warren-routing-key";
/// The number of failed attempts.
pub(crate) const ATTEMPTS: &str = "warren-attempts";
/// Why the last attempt failed, or why the message is dead, for people.
pub(crate) const ERROR: &str = "warren-error";
/// Why the message is dead, from a closed set. Only dead letters have it.
pub(crate) const REASON: &str = "warren-reason";
/// When the first attempt failed, as RFC 3339.
pub(crate) const FIRST_FAILURE: &str = "warren-first-failure";
/// How often the message was moved back from the dead letters.
pub(crate) const REDRIVEN: &str = "warren-redriven";
/// The returns that were held against the message before a copy began a new count.
pub(crate) const RETURNS: &str = "warren-returns";
/// When the message was last requeued as a copy, as RFC 3339.
pub(crate) const GIVEN_BACK: &str = "warren-given-back";
/// The span of the attempt that failed last, as a `traceparent`.
pub(crate) const FAILED_SPAN: &str = "warren-failed-span";
/// The W3C trace context.
pub(crate) use crate::trace::HEADERS as TRACE;
/// The message's `expiration` in milliseconds. As a property it would let a copy vanish.
pub(crate) const EXPIRATION: &str = "warren-expiration";
/// The `user_id` of the first publisher. The broker accepts it as a property only from that user.
pub(crate) const USER_ID: &str = "warren-user-id";
/// The names of the headers that did not fit into a copy.
pub(crate) const LEFT_OUT: &str = "warren-left-out";
/// The headers of Warren's that every copy keeps.
pub(crate) const LASTING: [&str; 6] = [FIRST_FAILURE, REDRIVEN, FAILED_SPAN, EXPIRATION, USER_ID, LEFT_OUT];
/// The broker's count of returns: a quorum queue sets it on every delivery but the first.
pub(crate) const DELIVERY_COUNT: &str = "x-delivery-count";
/// The broker's count of returns from RabbitMQ 4.3 on, which counts every return here.
pub(crate) const ACQUIRED_COUNT: &str = "x-acquired-count";
/// Why the broker itself dead-lettered the message last.
pub(crate) const LAST_DEATH: &str = "x-last-death-reason";
/// The broker's record of each time it dead-lettered the message, the last first.
pub(crate) const DEATHS: &str = "x-death";

/// Whether a header is the broker's own, or steers routing. `CC` on a copy would send the copy to further queues.
fn is_brokers(name: &str) -> bool {
    let broker = ["x-death", "x-first-death-", "x-last-death-", DELIVERY_COUNT, ACQUIRED_COUNT];
    broker.iter().any(|prefix| name.starts_with(prefix)) || name == "CC" || name == "BCC"
}

/// Whether a header is one of Warren's.
fn is_ours(name: &str) -> bool {
    name.starts_with("warren-")
}

/// Whether a header is neither the broker's, nor one of Warren's, nor part of the trace.
pub(crate) fn is_foreign(name: &str) -> bool {
    !is_brokers(name) && !is_ours(name) && !TRACE.contains(&name)
}

/// Reads a text; `None` for any other value.
pub(crate) fn text<'a>(headers: &'a FieldTable, name: &str) -> Option<&'a str> {
    as_text(headers.inner().get(name)?)
}

/// Every header, with its value as far as an attribute of a CloudEvent can be made of it.
pub(crate) fn values(headers: &FieldTable) -> impl Iterator<Item = (&str, HeaderValue<'_>)> {
    headers.into_iter().map(|(name, value)| {
        let value = match value {
            AMQPValue::Timestamp(seconds) => HeaderValue::Time(*seconds),
            value => as_text(value).map_or(HeaderValue::Other, HeaderValue::Text),
        };
        (name.as_str(), value)
    })
}

fn as_text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// Reads a count of any width; `None` for a negative number or any other value.
pub(crate) fn count(headers: &FieldTable, name: &str) -> Option<u32> {
    match *headers.inner().get(name)? {
        AMQPValue::ShortShortInt(n) => u32::try_from(n).ok(),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => u32::try_from(n).ok(),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => u32::try_from(n).ok(),
        AMQPValue::LongUInt(n) => Some(n),
        AMQPValue::LongLongInt(n) => u32::try_from(n).ok(),
        _ => None,
    }
}

/// Writes a text.
pub(crate) fn set_text(headers: &mut FieldTable, name: &'static str, text: &str) {
    headers.insert(ShortString::from(name), AMQPValue::LongString(text.into()));
}

/// Writes a count, unless it is zero.
pub(crate) fn set_count(headers: &mut FieldTable, name: &'static str, count: u32) {
    if count > 0 {
        headers.insert(ShortString::from(name), AMQPValue::LongLongInt(count.into()));
    }
}

/// The approximate size of a value in a frame, in bytes.
pub(crate) fn weight(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => 5 + text.len(),
        AMQPValue::ShortString(text) => 2 + text.as_str().len(),
        AMQPValue::ByteArray(bytes) => 5 + bytes.len(),
        AMQPValue::FieldArray(values) => 5 + values.as_slice().iter().map(weight).sum::<usize>(),
        AMQPValue::FieldTable(table) => 5 + table_weight(table),
        _ => 9,
    }
}

/// The approximate size of a table's entries in a frame, in bytes.
pub(crate) fn table_weight(table: &FieldTable) -> usize {
    table.into_iter().map(|(name, value)| entry_weight(name, value)).sum()
}

/// The approximate size of one entry in a frame, in bytes.
pub(crate) fn entry_weight(name: &ShortString, value: &AMQPValue) -> usize {
    1 + name.as_str().len() + weight(value)
}
