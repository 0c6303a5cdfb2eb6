//! A letter's copy for another queue, through the default exchange.

use bytes::Bytes;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{FieldTable, ShortString};
use opentelemetry::trace::SpanContext;

use super::{Letter, headers as h, trace};
use crate::publisher::Outgoing;

/// The longest error that a header holds, in bytes.
const ERROR_BYTES: usize = 1024;
/// With more than this the headers would not fit a frame together with ours; the body then travels without them.
const FOREIGN_BYTES: usize = 64 * 1024;

/// A message to publish to a queue before its original may be acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) queue: String,
    properties: BasicProperties,
    headers: FieldTable,
    body: Bytes,
}

impl Copy {
    /// The message to publish: through the default exchange, the queue's name is the routing key.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let properties = self.properties.clone().with_headers(self.headers.clone());
        Outgoing {
            exchange: "",
            routing_key: self.queue.clone().into(),
            properties: Box::new(move || properties.clone()),
            body: self.body.clone(),
        }
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(ShortString::as_str)
    }

    /// The bytes as they are, the trace, where it first came from, and what else outlives a copy; with `foreign`, all headers but the broker's.
    pub(super) fn of(letter: &Letter, original: &BasicProperties, queue: String, foreign: bool) -> Self {
        let mut headers = FieldTable::default();
        if let Some(from) = letter.headers() {
            let foreign = foreign && h::table_weight(from) <= FOREIGN_BYTES;
            for (name, value) in from {
                let kept = |kept: &[&str]| kept.contains(&name.as_str());
                // Ours as well: anybody can publish a header of that name.
                let lasting = (kept(&h::TRACE) || kept(&h::LASTING)) && h::weight(value) <= ERROR_BYTES;
                if lasting || foreign && !h::is_brokers(name.as_str()) && !h::is_ours(name.as_str()) {
                    headers.insert(name.clone(), value.clone());
                }
            }
        }
        let copy = Self { queue, properties: lasting(original), headers, body: Bytes::copy_from_slice(letter.body()) };
        copy.text(h::EXCHANGE, letter.exchange()).text(h::ROUTING_KEY, letter.routing_key())
    }

    pub(super) fn text(mut self, name: &'static str, text: &str) -> Self {
        let end = (0..=ERROR_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        h::set_text(&mut self.headers, name, &text[..end]);
        self
    }

    pub(super) fn count(mut self, name: &'static str, count: u32) -> Self {
        h::set_count(&mut self.headers, name, count);
        self
    }

    /// Notes one more failed attempt.
    pub(super) fn failed(self, letter: &Letter, error: &str, now: Timestamp) -> Self {
        let attempts = letter.attempts().saturating_add(1);
        self.count(h::ATTEMPTS, attempts).first_failure(now).text(h::ERROR, error)
    }

    pub(super) fn first_failure(self, now: Timestamp) -> Self {
        let known = h::text(&self.headers, h::FIRST_FAILURE).is_some();
        if known { self } else { self.text(h::FIRST_FAILURE, &now.to_string()) }
    }

    pub(super) fn failed_span(self, span: &SpanContext) -> Self {
        match trace::write(span) {
            Some(span) => self.text(h::FAILED_SPAN, &span),
            None => self,
        }
    }
}

// Not `expiration`, or a dead letter would vanish; not `user_id`, which the broker refuses of anybody else.
fn lasting(original: &BasicProperties) -> BasicProperties {
    let mut copy = BasicProperties::default().with_delivery_mode(2);
    if let Some(content_type) = original.content_type() {
        copy = copy.with_content_type(content_type.clone());
    }
    if let Some(content_encoding) = original.content_encoding() {
        copy = copy.with_content_encoding(content_encoding.clone());
    }
    if let Some(message_id) = original.message_id() {
        copy = copy.with_message_id(message_id.clone());
    }
    if let Some(correlation_id) = original.correlation_id() {
        copy = copy.with_correlation_id(correlation_id.clone());
    }
    if let Some(kind) = original.kind() {
        copy = copy.with_type(kind.clone());
    }
    if let Some(timestamp) = original.timestamp() {
        copy = copy.with_timestamp(*timestamp);
    }
    if let Some(app_id) = original.app_id() {
        copy = copy.with_app_id(app_id.clone());
    }
    if let Some(priority) = original.priority() {
        copy = copy.with_priority(*priority);
    }
    copy
}
