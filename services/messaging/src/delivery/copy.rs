//! Copies a delivery for another queue, through the default exchange.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use opentelemetry::trace::SpanContext;

use super::fit::{ERROR_BYTES, beginning, fitted};
use super::{Delivery, Reader, headers as h, trace};
use crate::publisher::Outgoing;
use crate::user_name::UserName;

/// The broker's own reply address. The broker accepts it in a message only from a client that waits for a reply.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to";

/// A message that has to be published before its original may be acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) queue: String,
    properties: BasicProperties,
    headers: FieldTable,
    foreign: Vec<(ShortString, AMQPValue)>,
    body: Bytes,
    frame_max: usize,
    signer: Option<Arc<UserName>>,
}

impl Copy {
    /// The message to publish. It goes through the default exchange, where the routing key is the name of the queue.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let headers = fitted(&self.headers, &self.foreign, &self.properties, self.frame_max);
        let (properties, signer) = (self.properties.clone().with_headers(headers), self.signer.clone());
        let signed = move || match signer.as_ref().and_then(|user| user.get()) {
            Some(user) => properties.clone().with_user_id(user),
            None => properties.clone(),
        };
        Outgoing {
            exchange: "".into(),
            routing_key: self.queue.clone().into(),
            properties: Box::new(signed),
            body: self.body.clone(),
        }
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(ShortString::as_str)
    }

    /// The message as it came, without the broker's headers, and with its first exchange and routing key.
    pub(super) fn of(delivery: &Delivery, original: &BasicProperties, queue: String) -> Self {
        let (headers, foreign) = (FieldTable::default(), Vec::new());
        let (body, frame_max) = (delivery.body().clone(), delivery.reader.frame_max());
        let properties = lasting(original);
        let mut copy = Self { queue, properties, headers, foreign, body, frame_max, signer: None };
        if let Some(from) = delivery.headers() {
            copy.take_ours(delivery, from);
            copy.take_foreign(from);
        }
        if let Some(expiration) = original.expiration() {
            copy = copy.text(h::EXPIRATION, expiration.as_str());
        }
        if let Some(user) = original.user_id().as_ref().filter(|_| !delivery.is_ours()) {
            copy = copy.text(h::USER_ID, user.as_str());
        }
        copy.text(h::EXCHANGE, delivery.exchange()).text(h::ROUTING_KEY, delivery.routing_key())
    }

    /// Takes over the headers of Warren's that every copy keeps.
    fn take_ours(&mut self, delivery: &Delivery, from: &FieldTable) {
        let kept = h::LASTING.iter().filter(|_| delivery.may_be_copy()).chain(&h::TRACE);
        for name in kept {
            // Also a header of Warren's own name, because anybody can publish one.
            if let Some(value) = from.inner().get(*name).filter(|value| h::weight(value) <= ERROR_BYTES) {
                self.headers.insert((*name).into(), value.clone());
            }
        }
    }

    /// Takes over the foreign headers that are not the broker's. Which of them fit shows when it is sent.
    fn take_foreign(&mut self, from: &FieldTable) {
        let foreign = from.into_iter().filter(|(name, _)| h::is_foreign(name.as_str()));
        self.foreign = foreign.map(|(name, value)| (name.clone(), value.clone())).collect();
    }

    /// The copy will carry the consumer's user name. By this name the consumer recognises it.
    pub(super) fn signed(mut self, reader: &Reader) -> Self {
        self.signer = reader.user().cloned();
        self
    }

    pub(super) fn text(mut self, name: &'static str, text: &str) -> Self {
        h::set_text(&mut self.headers, name, beginning(text, ERROR_BYTES));
        self
    }

    pub(super) fn count(mut self, name: &'static str, count: u32) -> Self {
        h::set_count(&mut self.headers, name, count);
        self
    }

    /// Notes one more failed attempt.
    pub(super) fn failed(self, delivery: &Delivery, error: &str, now: Timestamp) -> Self {
        let attempts = delivery.attempts().saturating_add(1);
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

// Without `expiration`, or the copy would vanish. Without `user_id`, which the broker refuses from any other user.
// Two headers keep their values.
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
    if let Some(reply_to) = original.reply_to().as_ref().filter(|reply_to| reply_to.as_str() != DIRECT_REPLY) {
        copy = copy.with_reply_to(reply_to.clone());
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
    if let Some(cluster_id) = original.cluster_id() {
        copy = copy.with_cluster_id(cluster_id.clone());
    }
    if let Some(priority) = original.priority() {
        copy = copy.with_priority(*priority);
    }
    copy
}
