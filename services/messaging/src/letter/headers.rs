//! The headers that tell a message's way through delay queues, dead letters and back.

use lapin::types::{AMQPValue, FieldTable, ShortString};

/// The exchange it was first published to.
pub(crate) const EXCHANGE: &str = "warren-exchange";
/// The routing key it was first published with.
pub(crate) const ROUTING_KEY: &str = "warren-routing-key";
/// How many attempts failed.
pub(crate) const ATTEMPTS: &str = "warren-attempts";
/// Why the last one failed, or why it is dead, for people.
pub(crate) const ERROR: &str = "warren-error";
/// Why it is dead, out of a closed set; only on dead letters.
pub(crate) const REASON: &str = "warren-reason";
/// When the first attempt failed, as RFC 3339.
pub(crate) const FIRST_FAILURE: &str = "warren-first-failure";
/// How often it was moved back from the dead letters.
pub(crate) const REDRIVEN: &str = "warren-redriven";
/// How many returns were held against it before a copy began a new count.
pub(crate) const RETURNS: &str = "warren-returns";
/// When it was last given back as a copy, as RFC 3339.
pub(crate) const GIVEN_BACK: &str = "warren-given-back";
/// The span of the attempt that failed last, as a `traceparent`.
pub(crate) const FAILED_SPAN: &str = "warren-failed-span";
/// The W3C trace context.
pub(crate) use crate::trace::HEADERS as TRACE;
/// When it would have expired, in milliseconds: as a property it would let a copy vanish.
pub(crate) const EXPIRATION: &str = "warren-expiration";
/// Who published it first: as a property the broker takes it from nobody else.
pub(crate) const USER_ID: &str = "warren-user-id";
/// The headers that a copy was too small for, by name.
pub(crate) const LEFT_OUT: &str = "warren-left-out";
/// What of ours outlives every copy.
pub(crate) const LASTING: [&str; 6] = [FIRST_FAILURE, REDRIVEN, FAILED_SPAN, EXPIRATION, USER_ID, LEFT_OUT];
/// Set by quorum queues on every delivery but the first.
pub(crate) const DELIVERY_COUNT: &str = "x-delivery-count";
/// The same, from RabbitMQ 4.3 on, which counts every return here.
pub(crate) const ACQUIRED_COUNT: &str = "x-acquired-count";
/// Why the broker itself dead-lettered it last.
pub(crate) const LAST_DEATH: &str = "x-last-death-reason";
/// Every time the broker dead-lettered it, the last first.
pub(crate) const DEATHS: &str = "x-death";

/// Whether a header is the broker's own or steers routing: `CC` on a copy would send it to more queues than the one meant.
pub(crate) fn is_brokers(name: &str) -> bool {
    let broker = ["x-death", "x-first-death-", "x-last-death-", DELIVERY_COUNT, ACQUIRED_COUNT];
    broker.iter().any(|prefix| name.starts_with(prefix)) || name == "CC" || name == "BCC"
}

/// Whether a header is one of ours.
pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("warren-")
}

/// Reads a text; anything else is none.
pub(crate) fn text<'a>(headers: &'a FieldTable, name: &str) -> Option<&'a str> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// Reads a count, whatever the width it was written in; anything else, and a negative number, is none.
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

/// About how many bytes a value takes in a frame.
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

/// About how many bytes a table's entries take in a frame.
pub(crate) fn table_weight(table: &FieldTable) -> usize {
    table.into_iter().map(|(name, value)| entry_weight(name, value)).sum()
}

/// About how many bytes one entry takes in a frame.
pub(crate) fn entry_weight(name: &ShortString, value: &AMQPValue) -> usize {
    1 + name.as_str().len() + weight(value)
}
