//! An event as a handler sees it.

use jiff::Timestamp;

/// A decoded event, and what the consumer knows of its way here.
#[derive(Debug, Clone, PartialEq)]
pub struct Received<E> {
    /// The event's id. An event without an id is never taken for a duplicate.
    pub id: Option<String>,
    /// Who published it. Source and id together identify the event.
    pub source: Option<String>,
    /// Which of its `TYPES` happened: the CloudEvent's type, or the routing key with which it was first published.
    pub event_type: &'static str,
    /// What the event is about, such as an order's id.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The number of this attempt, from 1. Pauses and lost connections count no attempt.
    pub attempt: u32,
    /// How often it was moved back from the dead letters.
    pub redriven: u32,
    /// The event itself.
    pub data: E,
}
